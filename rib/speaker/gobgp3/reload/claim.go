package reload

import (
	"slices"
	"strings"

	api "github.com/osrg/gobgp/v3/api"
	"github.com/osrg/gobgp/v3/pkg/config/oc"
	"github.com/osrg/gobgp/v3/pkg/packet/bgp"
	"google.golang.org/protobuf/proto"

	"github.com/vrfredist/vrfredist/rib/speaker"
	"github.com/vrfredist/vrfredist/rib/speaker/gobgp3/conf"
)

// Claim is a configuration that BGP is held to, and the reading that was made when it had
// been put in place. Later readings are compared with that one, not with the
// configuration, because GoBGP fills in defaults, and drops keys that it does not apply
// to a session that is up.
type Claim struct {
	Conf *conf.Config
	Base *Held
}

// Differences compares a reading of GoBGP with the claim. Things of no configuration
// are no difference.
func (c *Claim) Differences(now *Held) []speaker.Difference {
	var out []speaker.Difference
	say := func(kind speaker.Kind, name, vrf string, there, same bool) *speaker.Difference {
		if there && same {
			return nil
		}
		out = append(out, speaker.Difference{Kind: kind, Name: name, VRF: vrf, Missing: !there})
		return &out[len(out)-1]
	}
	for _, v := range c.Conf.VRFs {
		have, there := now.VRFs[v.Name]
		say(speaker.KindVRF, v.Name, v.Name, there, proto.Equal(have, c.Base.VRFs[v.Name]))
	}
	for _, n := range c.Conf.Set.Neighbors {
		name := n.State.NeighborAddress
		have, there := now.Neighbors[name]
		base := c.Base.Neighbors[name]
		if d := say(speaker.KindNeighbor, name, concerned(n), there, have.Equal(&base.Neighbor)); d != nil {
			d.PeerAS = n.Config.PeerAs
			if there {
				d.Keys = conf.Differences(base.Neighbor, have.Neighbor)
			}
		}
	}
	for _, g := range c.Conf.Set.PeerGroups {
		name := g.Config.PeerGroupName
		have, there := now.Groups[name]
		base := c.Base.Groups[name]
		say(speaker.KindGroup, name, "", there, have.Equal(&base))
	}
	for _, d := range c.Conf.Set.DynamicNeighbors {
		name := DynamicName(d.Config.Prefix, d.Config.PeerGroup)
		say(speaker.KindDynamic, name, "", now.Dynamic[name], true)
	}
	c.policies(now, say)
	return out
}

// policies compares policies, their sets and their assignments.
func (c *Claim) policies(now *Held, say func(kind speaker.Kind, name, vrf string, there, same bool) *speaker.Difference) {
	for _, name := range setNames(c.Conf.Set.DefinedSets) {
		have, there := now.Sets[name]
		say(speaker.KindSet, name.String(), "", there, proto.Equal(have, c.Base.Sets[name]))
	}
	for _, p := range c.Conf.Set.PolicyDefinitions {
		have, there := now.Policies[p.Name]
		say(speaker.KindPolicy, p.Name, "", there, proto.Equal(have, c.Base.Policies[p.Name]))
	}
	for _, a := range c.assignments() {
		have, there := now.Assignments[a]
		if _, there := now.Neighbors[a.To]; a.To != globalTable && !there {
			continue // the neighbour is missed already
		}
		say(speaker.KindAssignment, a.String(), "", there, extends(have, c.Base.Assignments[a]))
	}
}

// assignments are the assignments of the configuration.
func (c *Claim) assignments() []Assignment {
	to := []string{globalTable}
	for _, n := range c.Conf.Set.Neighbors {
		if n.RouteServer.Config.RouteServerClient {
			to = append(to, n.State.NeighborAddress)
		}
	}
	var list []Assignment
	for _, name := range to {
		list = append(list, Assignment{name, api.PolicyDirection_IMPORT}, Assignment{name, api.PolicyDirection_EXPORT})
	}
	return list
}

// extends tells whether an assignment begins with the policies of another: a client may
// put policies of its own behind ours, but one before them could accept routes that ours
// reject.
func extends(have, base *api.PolicyAssignment) bool {
	ours, all := base.GetPolicies(), have.GetPolicies()
	return have.GetDefaultAction() == base.GetDefaultAction() && len(all) >= len(ours) &&
		slices.EqualFunc(ours, all[:len(ours)], func(a, b *api.Policy) bool { return a.GetName() == b.GetName() })
}

// concerned names the VRF whose routes come by a neighbour; "": they may be any's.
func concerned(n oc.Neighbor) string {
	if n.Config.Vrf != "" {
		return n.Config.Vrf
	}
	for _, f := range conf.FamiliesOf(n) {
		if f != bgp.RF_IPv4_UC && f != bgp.RF_IPv6_UC {
			return ""
		}
	}
	return speaker.Default
}

// String is its name as a person writes it.
func (n SetName) String() string { return setKinds[n.Kind] + " " + n.Name }

// String is its name as a person writes it.
func (a Assignment) String() string {
	return strings.ToLower(a.Direction.String()) + " of " + a.To
}

// Sets is how many sets a configuration defines.
func Sets(d oc.DefinedSets) int { return len(setNames(d)) }

// setNames are the names of all sets of a configuration.
func setNames(d oc.DefinedSets) []SetName {
	var names []SetName
	add := func(kind api.DefinedType, name string) { names = append(names, SetName{kind, name}) }
	for _, s := range d.PrefixSets {
		add(api.DefinedType_PREFIX, s.PrefixSetName)
	}
	for _, s := range d.NeighborSets {
		add(api.DefinedType_NEIGHBOR, s.NeighborSetName)
	}
	for _, s := range d.BgpDefinedSets.AsPathSets {
		add(api.DefinedType_AS_PATH, s.AsPathSetName)
	}
	for _, s := range d.BgpDefinedSets.CommunitySets {
		add(api.DefinedType_COMMUNITY, s.CommunitySetName)
	}
	for _, s := range d.BgpDefinedSets.ExtCommunitySets {
		add(api.DefinedType_EXT_COMMUNITY, s.ExtCommunitySetName)
	}
	for _, s := range d.BgpDefinedSets.LargeCommunitySets {
		add(api.DefinedType_LARGE_COMMUNITY, s.LargeCommunitySetName)
	}
	return names
}
