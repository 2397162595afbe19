package gobgp3

import (
	"fmt"
	"slices"
	"strings"

	"github.com/osrg/gobgp/v3/pkg/config/oc"

	"github.com/vrfredist/vrfredist/rib"
)

// termChanges says in a line each what differs between two terms, by the keys of the
// configuration.
func termChanges(a, b rib.Terms) (keys []string) {
	was, is := termValues(a), termValues(b)
	for i, k := range was {
		if k.value != is[i].value {
			keys = append(keys, fmt.Sprintf("%s: %s -> %s", k.name, k.value, is[i].value))
		}
	}
	return keys
}

type termValue struct{ name, value string }

func termValues(t rib.Terms) []termValue {
	targets, stale := listOf(t.AcceptRTs), "the restart time"
	if t.AnyRT {
		targets = "*"
	}
	if t.StaleTime != 0 {
		stale = t.StaleTime.String()
	}
	return []termValue{
		{"accept_route_targets", targets},
		{"enforce_first_as", fmt.Sprint(t.EnforceFirstAS)},
		{"next_hop_self", fmt.Sprint(t.NextHopSelf)},
		{"accept_martians", listOf(t.AcceptMartians)},
		{"stale_time", stale},
	}
}

func listOf[T fmt.Stringer](list []T) string {
	if len(list) == 0 {
		return "none"
	}
	out := make([]string, len(list))
	for i, v := range list {
		out[i] = v.String()
	}
	return strings.Join(out, ", ")
}

// neighbor returns the neighbour that has this key in rib.Extras.
func (c *conf) neighbor(key string) (oc.Neighbor, bool) {
	for _, n := range c.set.Neighbors {
		_, zone, _ := strings.Cut(n.State.NeighborAddress, "%")
		if n.State.NeighborAddress == key || key != "" && (n.Config.NeighborInterface == key || zone == key) {
			return n, true
		}
	}
	return oc.Neighbor{}, false
}

// changedTerms returns what differs in the terms of the neighbours and peer groups that
// both configurations have, by their key in rib.Extras.
func changedTerms(old, next *conf) map[string][]string {
	changed := make(map[string][]string)
	for key, a := range old.terms {
		b, stays := next.terms[key]
		if keys := termChanges(a, b); stays && len(keys) > 0 {
			changed[key] = keys
		}
	}
	return changed
}

// extraChanges says in a line each what a reload changes beside GoBGP's own part, of
// what is in both configurations.
func extraChanges(old, next *conf) (lines []string) {
	changed := changedTerms(old, next)
	for _, key := range sortedNames(changed) {
		who := "neighbour " + key
		if group, is := groupOfTerms(key); is {
			who = "peer group " + group
		}
		lines = append(lines, who+": "+strings.Join(changed[key], ", "))
	}
	return lines
}

func groupOfTerms(key string) (name string, is bool) {
	return strings.CutPrefix(key, rib.TermsOfGroup(""))
}

// terms adds what differs in the terms to what else changes of a neighbour.
func (p *Preview) terms() {
	changed := changedTerms(p.old, p.next)
	for _, key := range sortedNames(changed) {
		keys := changed[key]
		if group, is := groupOfTerms(key); is {
			p.Others = append(p.Others, fmt.Sprintf("peer group %s: %s", group, strings.Join(keys, ", ")))
			continue
		}
		i := slices.IndexFunc(p.Neighbors, func(c NeighborChange) bool { return c.Address == key })
		if i < 0 {
			n, ok := p.next.neighbor(key)
			if !ok {
				continue
			}
			p.Neighbors = append(p.Neighbors, neighborChange(Changed, n.State.NeighborAddress, n))
			i = len(p.Neighbors) - 1
		}
		p.Neighbors[i].Keys = append(p.Neighbors[i].Keys, keys...)
	}
	slices.SortStableFunc(p.Neighbors, func(a, b NeighborChange) int { return strings.Compare(a.Address, b.Address) })
}
