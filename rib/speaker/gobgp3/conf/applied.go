package conf

import (
	"fmt"
	"net/netip"
	"slices"
	"strings"

	"github.com/osrg/gobgp/v3/pkg/config/oc"

	"github.com/vrfredist/vrfredist/rib"
)

// GoBGP heeds the apply-policy of route server clients alone (TableID in
// pkg/server/peer.go), and judges the routes of all others by the global policies. So the
// statements of a neighbour's policies are written here once more, for its address alone,
// and stand between our own rules and the global policies. Neighbours that have the same
// policies share one copy. A route that they accept goes on to the global ones: see
// decided.go.

// way is a direction of routes.
type way struct {
	name, key string
	list      func(*oc.ApplyPolicyConfig) *[]string
	last      func(*oc.ApplyPolicyConfig) oc.DefaultPolicyType
}

var (
	inward = &way{
		"in", "import-policy-list", func(c *oc.ApplyPolicyConfig) *[]string { return &c.ImportPolicyList },
		func(c *oc.ApplyPolicyConfig) oc.DefaultPolicyType { return c.DefaultImportPolicy },
	}
	outward = &way{
		"out", "export-policy-list", func(c *oc.ApplyPolicyConfig) *[]string { return &c.ExportPolicyList },
		func(c *oc.ApplyPolicyConfig) oc.DefaultPolicyType { return c.DefaultExportPolicy },
	}
)

// of is what a section says of this direction, for a neighbour whose routes are VPN routes
// where they are judged, or not.
func (w *way) of(c *oc.ApplyPolicyConfig, vpn bool) applied {
	return applied{list: *w.list(c), reject: w.last(c) == oc.DEFAULT_POLICY_TYPE_REJECT_ROUTE, vpn: vpn}
}

// applied are the policies of a neighbour in one direction.
type applied struct {
	list   []string
	reject bool // what none of them decides
	vpn    bool // GoBGP judges what came from a neighbour in a VRF as its VPN route
}

func (a applied) none() bool { return len(a.list) == 0 && !a.reject }

// name is the same for the same policies.
func (a applied) name(w *way) string {
	or := "accept"
	if a.reject {
		or = "reject"
	}
	name := fmt.Sprintf("%s%s %q or %s", ruleName, w.name, a.list, or)
	if a.vpn {
		name += ", in VRFs"
	}
	return name
}

// copied is one copy of policies: whose it is, and how it is called.
type copied struct {
	applied
	name    string
	members []netip.Prefix
}

// neighborPolicies writes the policies of neighbours, each kind of them once.
func (r *rules) neighborPolicies(set *oc.BgpConfigSet, w *way, of func(party) applied) ([]oc.PolicyDefinition, error) {
	var list []oc.PolicyDefinition
	seen := make(map[string]bool)
	for _, p := range r.parties {
		a := of(p)
		name := a.name(w)
		if p.client || a.none() || seen[name] {
			continue
		}
		seen[name] = true
		c := &copied{a, name, r.parties.pieces(func(q party) bool { return !q.client && of(q).name(w) == name })}
		if len(c.members) == 0 {
			continue // a prefix all of whose neighbours have sections of their own
		}
		statements, err := r.copy(set, w, c)
		if err != nil {
			return nil, err
		}
		if len(statements) > 0 {
			list = append(list, oc.PolicyDefinition{Name: name, Statements: statements})
		}
	}
	return list, nil
}

// copy writes the statements of a copy.
func (r *rules) copy(set *oc.BgpConfigSet, w *way, c *copied) ([]oc.Statement, error) {
	r.setOf(c.name, c.members)
	var own []oc.Statement
	for _, policy := range c.list {
		for i, s := range statementsOf(set, policy) {
			name := fmt.Sprintf("%s, %s[%d] %s", c.name, policy, i, s.Name)
			r.words[name] = fmt.Sprintf("%s, in %s of the neighbour", r.words.Of(policy, s.Name), w.key)
			s.Name = name
			if r.narrow(set, c, &s) {
				own = append(own, s)
			}
		}
	}
	if c.reject {
		r.words[c.name+", the rest"] = fmt.Sprintf("default-%s-policy of the neighbour", strings.TrimSuffix(w.key, "-policy-list"))
		own = append(own, oc.Statement{
			Name: c.name + ", the rest", Conditions: to(c.name),
			Actions: oc.Actions{RouteDisposition: oc.ROUTE_DISPOSITION_REJECT_ROUTE},
		})
	}
	// To accept what nothing changes or rejects any more is to go on.
	for len(own) > 0 && !rejects(own[len(own)-1]) && !changes(own[len(own)-1]) {
		own = own[:len(own)-1]
	}
	if !judgesMore(set, w, c.members) {
		return own, nil
	}
	return r.goOn(w, c, own)
}

// statementsOf are the statements of a policy that a list names. Policies that are not
// GoBGP's own have been written as such before (config).
func statementsOf(set *oc.BgpConfigSet, policy string) []oc.Statement {
	for _, p := range set.PolicyDefinitions {
		if p.Name == policy {
			return p.Statements
		}
	}
	return nil // Check has refused it
}

// narrow makes a statement one for the members of a copy alone, and tells whether it can
// concern any of them.
func (r *rules) narrow(set *oc.BgpConfigSet, c *copied, s *oc.Statement) bool {
	members := concerned(set, s.Conditions.MatchNeighborSet, c.members)
	if len(members) == 0 {
		return false
	}
	name := c.name
	if !slices.Equal(members, c.members) {
		name = s.Name
		r.setOf(name, members)
	}
	s.Conditions.MatchNeighborSet = to(name).MatchNeighborSet
	if families := &s.Conditions.BgpConditions.AfiSafiInList; c.vpn && len(*families) > 0 {
		*families = asVPN(*families)
	}
	return true
}

// setOf adds a set of neighbours.
func (r *rules) setOf(name string, members []netip.Prefix) {
	r.sets.NeighborSets = append(r.sets.NeighborSets, oc.NeighborSet{NeighborSetName: name, NeighborInfoList: texts(members)})
}

// asVPN are the families that the routes of a session in a VRF have in GoBGP's tables.
func asVPN(families []oc.AfiSafiType) []oc.AfiSafiType {
	out := make([]oc.AfiSafiType, len(families))
	for i, f := range families {
		switch f {
		case oc.AFI_SAFI_TYPE_IPV4_UNICAST:
			f = oc.AFI_SAFI_TYPE_L3VPN_IPV4_UNICAST
		case oc.AFI_SAFI_TYPE_IPV6_UNICAST:
			f = oc.AFI_SAFI_TYPE_L3VPN_IPV6_UNICAST
		case oc.AFI_SAFI_TYPE_IPV4_FLOWSPEC:
			f = oc.AFI_SAFI_TYPE_L3VPN_IPV4_FLOWSPEC
		case oc.AFI_SAFI_TYPE_IPV6_FLOWSPEC:
			f = oc.AFI_SAFI_TYPE_L3VPN_IPV6_FLOWSPEC
		}
		out[i] = f
	}
	return out
}

// concerned are those of some neighbours whom a condition is about.
func concerned(set *oc.BgpConfigSet, m oc.MatchNeighborSet, some []netip.Prefix) []netip.Prefix {
	if m.NeighborSet == "" {
		return some
	}
	named := neighborsIn(set, m.NeighborSet)
	switch {
	case len(named) == 0: // GoBGP takes an empty set for one that all neighbours are in
		return some
	case m.MatchSetOptions == oc.MATCH_SET_OPTIONS_RESTRICTED_TYPE_INVERT:
		for _, hole := range named {
			some = rib.Subtract(some, hole)
		}
		return some
	}
	return common(some, named)
}

// neighborsIn are the members of a set.
func neighborsIn(set *oc.BgpConfigSet, name string) (list []netip.Prefix) {
	for _, s := range set.DefinedSets.NeighborSets {
		if s.NeighborSetName != name {
			continue
		}
		for _, text := range s.NeighborInfoList {
			if p, ok := memberOf(text); ok {
				list = append(list, p)
			}
		}
	}
	return list
}

// memberOf reads an address or a prefix, as a set of neighbours has them.
func memberOf(text string) (netip.Prefix, bool) {
	if a, err := netip.ParseAddr(text); err == nil && a.Zone() == "" {
		return netip.PrefixFrom(a, a.BitLen()), true
	}
	p, err := netip.ParsePrefix(text)
	return p.Masked(), err == nil
}

// common are the addresses that are in both.
func common(a, b []netip.Prefix) (both []netip.Prefix) {
	for _, p := range a {
		for _, q := range b {
			if p.Overlaps(q) {
				both = append(both, longer(p, q))
			}
		}
	}
	slices.SortFunc(both, netip.Prefix.Compare)
	return slices.Compact(both)
}

func longer(p, q netip.Prefix) netip.Prefix {
	if p.Bits() > q.Bits() {
		return p
	}
	return q
}

// judgesMore tells whether the global policies can change or reject a route of these
// neighbours.
func judgesMore(set *oc.BgpConfigSet, w *way, members []netip.Prefix) bool {
	c := &set.Global.ApplyPolicy.Config
	if w.last(c) == oc.DEFAULT_POLICY_TYPE_REJECT_ROUTE {
		return true
	}
	for _, policy := range *w.list(c) {
		for _, s := range statementsOf(set, policy) {
			if (rejects(s) || changes(s)) && len(concerned(set, s.Conditions.MatchNeighborSet, members)) > 0 {
				return true
			}
		}
	}
	return false
}

func rejects(s oc.Statement) bool {
	return s.Actions.RouteDisposition == oc.ROUTE_DISPOSITION_REJECT_ROUTE
}

func accepts(s oc.Statement) bool {
	return s.Actions.RouteDisposition == oc.ROUTE_DISPOSITION_ACCEPT_ROUTE
}

// changes tells whether a statement changes what it matches.
func changes(s oc.Statement) bool { return !s.Actions.BgpActions.Equal(new(oc.BgpActions)) }
