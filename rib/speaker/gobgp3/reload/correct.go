package reload

import (
	"maps"
	"slices"
	"time"

	api "github.com/osrg/gobgp/v3/api"
	"github.com/osrg/gobgp/v3/pkg/config/oc"

	"github.com/vrfredist/vrfredist/rib"
	"github.com/vrfredist/vrfredist/rib/speaker"
)

// foreign are things that the server has and no configuration says: other clients of the
// API put them there, and they stay.
type foreign struct {
	vrfs     map[string]*api.Vrf
	groups   map[string]bool
	vrfOf    map[string]string // of neighbours
	sets     []*api.DefinedSet
	policies []*api.Policy
	assigned map[Assignment][]string // beside those of the configuration
}

// Correct makes the Reconciler begin with the server's own state where that differs from
// the claim: now was read back from the server. Differences for which which is false stay
// as they are.
func (r *Reconciler) Correct(c *Claim, now *Held, which func(speaker.Difference) bool) {
	for _, d := range c.Differences(now) {
		if !which(d) {
			continue
		}
		if !d.Missing {
			r.altered[d.Thing()] = true
			r.otherTTL(d.Thing(), c.Base, now)
			continue
		}
		switch d.Kind {
		case speaker.KindVRF:
			delete(r.vrfs, d.Name)
		case speaker.KindNeighbor:
			delete(r.neighbors, d.Name)
		case speaker.KindGroup:
			delete(r.groups, d.Name)
		case speaker.KindDynamic:
			delete(r.dynamic, d.Name)
		default:
			r.altered[d.Thing()] = true // policies are set together
		}
	}
	for _, a := range c.assignments() {
		if a.To != globalTable && r.altered[thing(speaker.KindAssignment, a.String())] {
			r.restore[a] = c.Base.Assignments[a]
		}
	}
	for addr, n := range now.Neighbors {
		r.disabled[addr] = n.Disabled
	}
	r.theirs = c.foreign(now)
}

// StayDisabled has those neighbours be disabled that are put in anew, but for those that are only
// about to be.
func (r *Reconciler) StayDisabled(of map[string]rib.Disabled) {
	for addr, one := range of {
		r.disabled[addr] = r.disabled[addr] || one.Ends(time.Now())
	}
}

// All is for Correct: no difference stays as it is.
func All(speaker.Difference) bool { return true }

// otherTTL takes over the TTL that a client gave a neighbour or a group: with another one
// it has to be made anew (see UpdatePeer).
func (r *Reconciler) otherTTL(t speaker.Thing, base, now *Held) {
	switch t.Kind {
	case speaker.KindNeighbor:
		n, is, was := r.neighbors[t.Name], now.Neighbors[t.Name], base.Neighbors[t.Name]
		if !is.EbgpMultihop.Equal(&was.EbgpMultihop) || !is.TtlSecurity.Equal(&was.TtlSecurity) {
			n.EbgpMultihop, n.TtlSecurity = is.EbgpMultihop, is.TtlSecurity
			r.neighbors[t.Name] = n
		}
	case speaker.KindGroup:
		g, is, was := r.groups[t.Name], now.Groups[t.Name], base.Groups[t.Name]
		if !is.EbgpMultihop.Equal(&was.EbgpMultihop) || !is.TtlSecurity.Equal(&was.TtlSecurity) {
			g.EbgpMultihop, g.TtlSecurity = is.EbgpMultihop, is.TtlSecurity
			r.groups[t.Name] = g
		}
	}
}

// SuspendMissing has the announcements of VRFs that the server does not have made again
// once it has them.
func (r *Reconciler) SuspendMissing(c *Claim) {
	for _, v := range c.Conf.VRFs {
		if _, there := r.vrfs[v.Name]; !there {
			l := r.hold(v.Name)
			l.Suspend(l.All(false))
		}
	}
}

// judges tells whether routes are judged by things of a kind.
func judges(k speaker.Kind) bool {
	return k == speaker.KindSet || k == speaker.KindPolicy || k == speaker.KindAssignment
}

// policiesAltered tells whether the server has other policies than we set.
func (r *Reconciler) policiesAltered() bool {
	for t := range r.altered {
		if judges(t.Kind) {
			return true
		}
	}
	return false
}

// Additions names the things that are not of the claim's configuration, but for those that
// come and go by themselves, as the neighbours of a peer group do.
func (c *Claim) Additions(now *Held) []speaker.Thing {
	f := c.foreign(now)
	var out []speaker.Thing
	for name := range f.vrfs {
		out = append(out, thing(speaker.KindVRF, name))
	}
	for name := range f.vrfOf {
		out = append(out, thing(speaker.KindNeighbor, name))
	}
	for name, theirs := range f.groups {
		if theirs {
			out = append(out, thing(speaker.KindGroup, name))
		}
	}
	dynamic := byName(c.Conf.Set.DynamicNeighbors, func(d oc.DynamicNeighbor) string { return DynamicName(d.Config.Prefix, d.Config.PeerGroup) })
	for name := range now.Dynamic {
		if _, ours := dynamic[name]; !ours {
			out = append(out, thing(speaker.KindDynamic, name))
		}
	}
	for _, set := range f.sets {
		out = append(out, thing(speaker.KindSet, SetName{set.GetDefinedType(), set.GetName()}.String()))
	}
	for _, p := range f.policies {
		out = append(out, thing(speaker.KindPolicy, p.GetName()))
	}
	return out
}

// foreign returns the things that are not of the claim's configuration.
func (c *Claim) foreign(now *Held) *foreign {
	f := &foreign{vrfs: make(map[string]*api.Vrf), groups: make(map[string]bool), vrfOf: make(map[string]string), assigned: make(map[Assignment][]string)}
	for name, v := range now.VRFs {
		if _, ours := c.Conf.VRF(name); !ours {
			f.vrfs[name] = v
		}
	}
	neighbors := byName(c.Conf.Set.Neighbors, func(n oc.Neighbor) string { return n.State.NeighborAddress })
	for name, n := range now.Neighbors {
		if _, ours := neighbors[name]; !ours && !n.Dynamic {
			f.vrfOf[name] = n.Config.Vrf
		}
	}
	groups := byName(c.Conf.Set.PeerGroups, func(g oc.PeerGroup) string { return g.Config.PeerGroupName })
	for name := range now.Groups {
		_, ours := groups[name]
		f.groups[name] = !ours
	}
	sets := setNames(c.Conf.Set.DefinedSets)
	for name, set := range now.Sets {
		if !slices.Contains(sets, name) {
			f.sets = append(f.sets, set)
		}
	}
	policies := byName(c.Conf.Set.PolicyDefinitions, func(p oc.PolicyDefinition) string { return p.Name })
	for _, name := range slices.Sorted(maps.Keys(now.Policies)) {
		if _, ours := policies[name]; !ours {
			f.policies = append(f.policies, now.Policies[name])
		}
	}
	for at, a := range now.Assignments {
		for _, p := range a.GetPolicies() {
			if _, ours := policies[p.GetName()]; !ours {
				f.assigned[at] = append(f.assigned[at], p.GetName())
			}
		}
	}
	return f
}

// inVRF names one of the neighbours in a VRF; "": there is none.
func (f *foreign) inVRF(vrf string) string {
	for _, name := range sortedNames(f.vrfOf) {
		if f.vrfOf[name] == vrf {
			return name
		}
	}
	return ""
}

// beside returns policies of a configuration with those of other clients beside them.
// Where both have one by a name the configuration's counts; and so it does where both
// have a statement by a name, which GoBGP would refuse.
func (f *foreign) beside(ours *api.RoutingPolicy) *api.SetPoliciesRequest {
	request := &api.SetPoliciesRequest{DefinedSets: slices.Clip(ours.GetDefinedSets()), Policies: slices.Clip(ours.GetPolicies())}
	for _, set := range f.sets {
		if !slices.ContainsFunc(ours.GetDefinedSets(), func(o *api.DefinedSet) bool {
			return o.GetDefinedType() == set.GetDefinedType() && o.GetName() == set.GetName()
		}) {
			request.DefinedSets = append(request.DefinedSets, set)
		}
	}
	taken := make(map[string]bool)
	for _, p := range ours.GetPolicies() {
		for _, s := range p.GetStatements() {
			taken[s.GetName()] = true
		}
	}
	for _, p := range f.policies {
		clash := slices.ContainsFunc(p.GetStatements(), func(s *api.Statement) bool { return taken[s.GetName()] }) ||
			slices.ContainsFunc(ours.GetPolicies(), func(o *api.Policy) bool { return o.GetName() == p.GetName() })
		if !clash {
			request.Policies = append(request.Policies, p)
		}
	}
	return request
}
