package gobgp3

import (
	"cmp"
	"fmt"
	"reflect"
	"slices"
	"strings"
	"time"

	api "github.com/osrg/gobgp/v3/api"
	"github.com/osrg/gobgp/v3/pkg/config/oc"
	"github.com/osrg/gobgp/v3/pkg/packet/bgp"
	"google.golang.org/protobuf/proto"
)

// Kind is what a Difference is about.
type Kind string

// The kinds of things that a configuration claims to be in BGP.
const (
	KindVRF        Kind = "VRF"
	KindNeighbor   Kind = "neighbour"
	KindGroup      Kind = "peer group"
	KindDynamic    Kind = "dynamic neighbours"
	KindSet        Kind = "defined set"
	KindPolicy     Kind = "policy"
	KindAssignment Kind = "policy assignment"
)

// Difference is a thing of the configuration that BGP has no more, or otherwise,
// because another client of the API changed it.
type Difference struct {
	Kind    Kind
	Name    string // of a neighbour: the address that GoBGP calls it by
	Shown   string // what people call it, where that is another name
	VRF     string // whose it is; "": it concerns every VRF
	PeerAS  uint32 // of a neighbour
	Missing bool   // else it is there, and is another
	Keys    []string
	By      string // who did it; "": nobody saw it
	Since   time.Time
}

// String says what is so, and who made it so.
func (d Difference) String() string {
	what := fmt.Sprintf("%s %s", d.Kind, cmp.Or(d.Shown, d.Name))
	if d.Kind == KindVRF {
		what = fmt.Sprintf("%s %q", d.Kind, d.Name)
	}
	return what + ": " + d.Reason()
}

// Reason says it without the name.
func (d Difference) Reason() string {
	is, did := "BGP has another one than the configuration", "changed"
	if d.Missing {
		is, did = "BGP has it no more", "deleted"
	}
	if len(d.Keys) > 0 {
		is += " (" + strings.Join(d.Keys, ", ") + ")"
	}
	if d.By == "" {
		return is
	}
	return fmt.Sprintf("%s: %s by %s", is, did, d.By)
}

// thing is what a Difference is about.
type thing struct {
	kind Kind
	name string
}

func (d Difference) thing() thing { return thing{d.Kind, d.Name} }

// claim is what BGP is held to: a configuration, and what was read back when it had
// been put in place. What is compared later is read back too, because GoBGP fills in
// defaults, and drops what it does not apply to a session that is up.
type claim struct {
	conf *conf
	base *held
}

// differences compares what GoBGP has now with the claim. What is of no
// configuration is none.
func (c *claim) differences(now *held) []Difference {
	var out []Difference
	say := func(kind Kind, name, vrf string, there, same bool) *Difference {
		if there && same {
			return nil
		}
		out = append(out, Difference{Kind: kind, Name: name, VRF: vrf, Missing: !there})
		return &out[len(out)-1]
	}
	for _, v := range c.conf.vrfs {
		have, there := now.vrfs[v.Name]
		say(KindVRF, v.Name, v.Name, there, proto.Equal(have, c.base.vrfs[v.Name]))
	}
	for _, n := range c.conf.set.Neighbors {
		name := n.State.NeighborAddress
		have, there := now.neighbors[name]
		base := c.base.neighbors[name]
		if d := say(KindNeighbor, name, concerned(n), there, have.Equal(&base.Neighbor)); d != nil {
			d.PeerAS = n.Config.PeerAs
			if there {
				d.Keys = differences("", reflect.ValueOf(base.Neighbor), reflect.ValueOf(have.Neighbor))
			}
		}
	}
	for _, g := range c.conf.set.PeerGroups {
		name := g.Config.PeerGroupName
		have, there := now.groups[name]
		base := c.base.groups[name]
		say(KindGroup, name, "", there, have.Equal(&base))
	}
	for _, d := range c.conf.set.DynamicNeighbors {
		name := dynamicName(d.Config.Prefix, d.Config.PeerGroup)
		say(KindDynamic, name, "", now.dynamic[name], true)
	}
	c.policies(now, say)
	return out
}

// policies compares what routes are judged by.
func (c *claim) policies(now *held, say func(kind Kind, name, vrf string, there, same bool) *Difference) {
	for _, name := range setNames(c.conf.set.DefinedSets) {
		have, there := now.sets[name]
		say(KindSet, name.String(), "", there, proto.Equal(have, c.base.sets[name]))
	}
	for _, p := range c.conf.set.PolicyDefinitions {
		have, there := now.policies[p.Name]
		say(KindPolicy, p.Name, "", there, proto.Equal(have, c.base.policies[p.Name]))
	}
	for _, a := range c.assignments() {
		have, there := now.assignments[a]
		if _, gone := now.neighbors[a.to]; a.to != globalTable && !gone {
			continue // the neighbour is missed already
		}
		say(KindAssignment, a.String(), "", there, extends(have, c.base.assignments[a]))
	}
}

// assignments are those of the configuration.
func (c *claim) assignments() []assignment {
	to := []string{globalTable}
	for _, n := range c.conf.set.Neighbors {
		if n.RouteServer.Config.RouteServerClient {
			to = append(to, n.State.NeighborAddress)
		}
	}
	var list []assignment
	for _, name := range to {
		list = append(list, assignment{name, api.PolicyDirection_IMPORT}, assignment{name, api.PolicyDirection_EXPORT})
	}
	return list
}

// extends tells whether an assignment does what another does, before anything else: a
// client may put policies of its own behind ours, but one before them could accept what
// ours reject.
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
	for _, f := range familiesOf(n) {
		if f != bgp.RF_IPv4_UC && f != bgp.RF_IPv6_UC {
			return ""
		}
	}
	return Default
}

// String names it as a person does.
func (n setName) String() string { return setKinds[n.kind] + " " + n.name }

// String names it as a person does.
func (a assignment) String() string {
	return strings.ToLower(a.direction.String()) + " of " + a.to
}

// setNames are the names of all sets of a configuration.
func setNames(d oc.DefinedSets) []setName {
	var names []setName
	add := func(kind api.DefinedType, name string) { names = append(names, setName{kind, name}) }
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
