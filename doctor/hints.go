package doctor

import (
	"fmt"
	"net/netip"
	"path"
	"slices"
	"strings"

	"github.com/vrfredist/vrfredist/rib"
	"github.com/vrfredist/vrfredist/vrf"
)

// Hints are the findings about what a configuration is likely to lack on this host: it is right,
// and does less than whoever wrote it believes. Of the facts they need specs and spaces alone.
func Hints(f Facts) []Finding {
	return slices.Concat(patterns(f), loopback(f))
}

// importing calls each with the VRFs that import and whose namespace and device are there.
func importing(f Facts, each func(s *vrf.Spec, space Space, table uint32)) {
	for i := range f.Specs {
		s := &f.Specs[i]
		space, known := f.Spaces[s.Binding.Netns]
		table, there := tableOf(s.Binding, space)
		if s.Import.Enabled && known && there {
			each(s, space, table)
		}
	}
}

// patterns finds the patterns of an import that match no interface.
func patterns(f Facts) (all []Finding) {
	importing(f, func(s *vrf.Spec, space Space, _ uint32) {
		var unmatched []string
		var elsewhere []string // interfaces that they match, and that do not belong to the VRF
		for _, glob := range s.Import.Interfaces {
			mine, others := matching(glob, s.Binding, space)
			if len(mine) == 0 {
				unmatched = append(unmatched, fmt.Sprintf("%q", glob))
				elsewhere = append(elsewhere, others...)
			}
		}
		if len(unmatched) == 0 {
			return
		}
		find := Finding{
			Level: Advice, Check: "interface-pattern", Subject: s.Name,
			What: fmt.Sprintf("interface_list of VRF %q has %s, which no interface %s is called.", s.Name, strings.Join(unmatched, " and "), whereOf(s.Binding)),
			Why:  "Nothing is imported by such a pattern, until an interface comes that it matches. `ip link` lists those that there are.",
		}
		if len(elsewhere) > 0 {
			slices.Sort(elsewhere)
			find.What = fmt.Sprintf("interface_list of VRF %q has %s, and %s is not %s.", s.Name, strings.Join(unmatched, " and "), strings.Join(slices.Compact(elsewhere), ", "), whereOf(s.Binding))
			find.Why = "A VRF imports by its own interfaces alone: a VRF device's are those that are enslaved to it, and the main table's those that are in no VRF device."
		}
		all = append(all, find)
	})
	return all
}

// matching are the interfaces that a pattern matches: those of a binding, and others.
func matching(glob string, b rib.Binding, space Space) (mine, others []string) {
	for _, k := range space.Links {
		if is, _ := path.Match(glob, k.Name); !is { // config has refused what is no pattern
			continue
		}
		if isMember(b, k, space) {
			mine = append(mine, k.Name)
		} else {
			others = append(others, k.Name)
		}
	}
	return mine, others
}

// whereOf says where the interfaces of a binding are.
func whereOf(b rib.Binding) string {
	if b.Device != "" {
		return fmt.Sprintf("in VRF device %s %s", b.Device, in(b.Netns))
	}
	return in(b.Netns)
}

// loopback finds addresses of a loopback interface that is imported, for which nothing is: the
// kernel has a route for them in its table of local addresses alone.
func loopback(f Facts) (all []Finding) {
	importing(f, func(s *vrf.Spec, space Space, table uint32) {
		if s.Import.Addresses {
			return
		}
		var lost []string
		for _, k := range space.Links {
			named := slices.ContainsFunc(s.Import.Interfaces, func(glob string) bool { is, _ := path.Match(glob, k.Name); return is })
			if !k.Loopback || !named || !isMember(s.Binding, k, space) {
				continue
			}
			for _, a := range k.OwnAddrs() {
				if !slices.ContainsFunc(space.Looped[table], func(p netip.Prefix) bool { return p.Contains(a) }) {
					lost = append(lost, a.String())
				}
			}
		}
		if len(lost) == 0 {
			return
		}
		slices.Sort(lost)
		all = append(all, Finding{
			Level: Advice, Check: "loopback-address", Subject: s.Name,
			What: fmt.Sprintf("VRF %q imports by lo, and has no route for %s of it: no neighbour is told of that address.", s.Name, strings.Join(lost, ", ")),
			Why: "The kernel keeps routes for its own addresses in a table of their own, which is not imported. " +
				"Write addresses = true in the import of the VRF, which announces each address of its interfaces; or give the address a route (ip route add ADDRESS dev lo).",
		})
	})
	return all
}

// defaultAlone finds VRFs whose routes wait because a default route is the only way to their
// nexthops.
func defaultAlone(f Facts) (all []Finding) {
	for i := range f.Specs {
		s := &f.Specs[i]
		n := f.ByDefault[s.Name]
		if n == 0 {
			continue
		}
		all = append(all, Finding{
			Level: Risk, Check: "default-nexthop", Subject: s.Name,
			What: fmt.Sprintf("VRF %q has %s that a default route alone leads to the nexthop of, and so they are not in the table.", s.Name, vrf.CountOf(n, "route")),
			Why: "Nearly any nexthop would be reached by a default route, a dead one too, so that it counts as a way only where that is said. Write resolve_by_default = true in the export of the VRF, " +
				"or give the table a route to the nexthops.",
		})
	}
	return all
}

// untargeted finds VRFs into whose tables nothing of BGP leads.
func untargeted(f Facts) (all []Finding) {
	for i := range f.Specs {
		s := &f.Specs[i]
		if !s.Untargeted() || s.VRF != "" || slices.Contains(f.Deaf, s.Name) {
			continue
		}
		all = append(all, Finding{
			Level: Advice, Check: "no-import-targets", Subject: s.Name,
			What: fmt.Sprintf("VRF %q exports, and has neither import route targets nor leaks: nothing of BGP gets into its table.", s.Name),
			Why:  "A table gets the routes that carry one of its import targets. Write both-rt-list, or import-rt-list, under [vrfs.config].",
		})
	}
	return all
}

// written are the hints that the configuration gives by itself.
func written(f Facts) (all []Finding) {
	for _, h := range f.Hints {
		all = append(all, Finding{
			Level: Advice, Check: "configuration", Subject: h.At,
			What: fmt.Sprintf("%s %s.", h.At, strings.TrimSuffix(h.What, ".")),
			Why:  "The file is right, and does less, or more, than it seems to say.",
		})
	}
	return all
}

// matchless finds policies of which no rule has matched anything, though there was something to
// judge.
func matchless(f Facts) (all []Finding) {
	for _, p := range f.Policies {
		counted := slices.ContainsFunc(p.Uses, func(u vrf.PolicyUse) bool { return u.Uncounted == "" })
		if n := len(p.Rules); n < 2 || !counted || p.Rules[n-1].Matched == 0 ||
			slices.ContainsFunc(p.Rules[:n-1], func(r vrf.PolicyRule) bool { return r.Matched > 0 }) {
			continue
		}
		last := p.Rules[len(p.Rules)-1]
		all = append(all, Finding{
			Level: Advice, Check: "policy-match", Subject: p.Name,
			What: fmt.Sprintf("No rule of policy %q has matched: its default (%s) decided each of the %d times that it was asked.", p.Name, last.Action, last.Matched),
			Why:  "A policy whose conditions meet nothing does what its default does. `vrfredist policy NAME` shows the conditions, and `vrfredist explain PREFIX` by which of them a route fails.",
		})
	}
	return all
}
