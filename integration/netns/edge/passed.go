package edge

import (
	"fmt"
	"maps"
	"slices"
	"strings"
)

// passed is how many packets were seen of each kind at each place: on the PEs' links to the router, and
// at hosts, what comes and what goes.
type passed map[string]int

func (n *Network) passed() passed {
	all := passed{}
	for _, pe := range n.PEs {
		switch n.By {
		case MPLS:
			for l, count := range pe.Labels() {
				all[fmt.Sprintf("%v to %v, with %s, on the link of PE %d", l.From, l.To, l.Labels, pe.N)] = count
			}
		case SRv6:
			for s, count := range pe.Segments() {
				all[fmt.Sprintf("%v to %v, for %v, on the link of PE %d", s.Inner.From, s.Inner.To, s.Outer.To, pe.N)] = count
			}
		}
		for name, t := range pe.Tenants {
			for way, count := range t.arrived.Seen() {
				all[fmt.Sprintf("%v to %v, at the host of %s at PE %d", way.From, way.To, name, pe.N)] = count
			}
		}
	}
	return all
}

// since are the packets that were seen after those of before, a line for each kind: of those that were
// lost on their way it says where they were seen last.
func (p passed) since(before passed) string {
	var b strings.Builder
	for _, what := range slices.Sorted(maps.Keys(p)) {
		if count := p[what] - before[what]; count > 0 {
			fmt.Fprintf(&b, "%d of %s\n", count, what)
		}
	}
	return b.String()
}
