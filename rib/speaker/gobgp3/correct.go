package gobgp3

import (
	"maps"
	"slices"

	api "github.com/osrg/gobgp/v3/api"
	"github.com/osrg/gobgp/v3/pkg/config/oc"
)

// foreign is what the server has that no configuration says: other clients of the API
// put it there, and it stays.
type foreign struct {
	vrfs     map[string]*api.Vrf
	groups   map[string]bool
	vrfOf    map[string]string // of neighbours
	sets     []*api.DefinedSet
	policies []*api.Policy
	assigned map[assignment][]string // beside those of the configuration
}

// correct makes the reconciler begin with what the server has, where that is not what
// it was given: now is what was read back from it. What which leaves out is left as it is.
func (r *reconciler) correct(c *claim, now *held, which func(Difference) bool) {
	for _, d := range c.differences(now) {
		if !which(d) {
			continue
		}
		if !d.Missing {
			r.altered[d.thing()] = true
			r.otherTTL(d.thing(), c.base, now)
			continue
		}
		switch d.Kind {
		case KindVRF:
			delete(r.vrfs, d.Name)
		case KindNeighbor:
			delete(r.neighbors, d.Name)
		case KindGroup:
			delete(r.groups, d.Name)
		case KindDynamic:
			delete(r.dynamic, d.Name)
		default:
			r.altered[d.thing()] = true // policies are set together
		}
	}
	for _, a := range c.assignments() {
		if a.to != globalTable && r.altered[thing{KindAssignment, a.String()}] {
			r.restore[a] = c.base.assignments[a]
		}
	}
	for addr, n := range now.neighbors {
		r.disabled[addr] = n.disabled
	}
	r.theirs = c.foreign(now)
}

// all is for correct: nothing is left as it is.
func all(Difference) bool { return true }

// otherTTL takes over the TTL that a client gave a neighbour or a group: with another one
// it has to be made anew (see heedTTL).
func (r *reconciler) otherTTL(t thing, base, now *held) {
	switch t.kind {
	case KindNeighbor:
		n, is, was := r.neighbors[t.name], now.neighbors[t.name], base.neighbors[t.name]
		if !is.EbgpMultihop.Equal(&was.EbgpMultihop) || !is.TtlSecurity.Equal(&was.TtlSecurity) {
			n.EbgpMultihop, n.TtlSecurity = is.EbgpMultihop, is.TtlSecurity
			r.neighbors[t.name] = n
		}
	case KindGroup:
		g, is, was := r.groups[t.name], now.groups[t.name], base.groups[t.name]
		if !is.EbgpMultihop.Equal(&was.EbgpMultihop) || !is.TtlSecurity.Equal(&was.TtlSecurity) {
			g.EbgpMultihop, g.TtlSecurity = is.EbgpMultihop, is.TtlSecurity
			r.groups[t.name] = g
		}
	}
}

// suspendMissing has what VRFs announce, which are not there, announced once they are.
func (r *reconciler) suspendMissing(c *claim) {
	for _, v := range c.conf.vrfs {
		if _, there := r.vrfs[v.Name]; !there {
			d := r.hold(v.Name)
			d.suspend(d.all(false))
		}
	}
}

// policiesAltered tells whether the server has other policies than we set.
func (r *reconciler) policiesAltered() bool {
	for t := range r.altered {
		if slices.Contains(kindsOf[ofPolicies], t.kind) {
			return true
		}
	}
	return false
}

// additions names what is not of the claim's configuration, but for what comes and goes
// by itself, as the neighbours of a peer group do.
func (c *claim) additions(now *held) []thing {
	f := c.foreign(now)
	var out []thing
	for name := range f.vrfs {
		out = append(out, thing{KindVRF, name})
	}
	for name := range f.vrfOf {
		out = append(out, thing{KindNeighbor, name})
	}
	for name, theirs := range f.groups {
		if theirs {
			out = append(out, thing{KindGroup, name})
		}
	}
	dynamic := byName(c.conf.set.DynamicNeighbors, func(d oc.DynamicNeighbor) string { return dynamicName(d.Config.Prefix, d.Config.PeerGroup) })
	for name := range now.dynamic {
		if _, ours := dynamic[name]; !ours {
			out = append(out, thing{KindDynamic, name})
		}
	}
	for _, set := range f.sets {
		out = append(out, thing{KindSet, setName{set.GetDefinedType(), set.GetName()}.String()})
	}
	for _, p := range f.policies {
		out = append(out, thing{KindPolicy, p.GetName()})
	}
	return out
}

// foreign returns what is not of the claim's configuration.
func (c *claim) foreign(now *held) *foreign {
	f := &foreign{vrfs: make(map[string]*api.Vrf), groups: make(map[string]bool), vrfOf: make(map[string]string), assigned: make(map[assignment][]string)}
	for name, v := range now.vrfs {
		if _, ours := c.conf.vrf(name); !ours {
			f.vrfs[name] = v
		}
	}
	neighbors := byName(c.conf.set.Neighbors, func(n oc.Neighbor) string { return n.State.NeighborAddress })
	for name, n := range now.neighbors {
		if _, ours := neighbors[name]; !ours && !n.dynamic {
			f.vrfOf[name] = n.Config.Vrf
		}
	}
	groups := byName(c.conf.set.PeerGroups, func(g oc.PeerGroup) string { return g.Config.PeerGroupName })
	for name := range now.groups {
		_, ours := groups[name]
		f.groups[name] = !ours
	}
	sets := setNames(c.conf.set.DefinedSets)
	for name, set := range now.sets {
		if !slices.Contains(sets, name) {
			f.sets = append(f.sets, set)
		}
	}
	policies := byName(c.conf.set.PolicyDefinitions, func(p oc.PolicyDefinition) string { return p.Name })
	for _, name := range slices.Sorted(maps.Keys(now.policies)) {
		if _, ours := policies[name]; !ours {
			f.policies = append(f.policies, now.policies[name])
		}
	}
	for at, a := range now.assignments {
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
