package conf

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/osrg/gobgp/v3/pkg/config/oc"

	"github.com/vrfredist/vrfredist/rib"
)

// termChanges says in a line each which keys of the configuration differ between two
// terms.
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
		{"fast_failover", fmt.Sprint(t.FastFailover)},
		{"router_advertisements", fmt.Sprint(t.RouterAdvertisements)},
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

// Neighbor returns the neighbour that has this key in rib.Extras.
func (c *Config) Neighbor(key string) (oc.Neighbor, bool) {
	for _, n := range c.Set.Neighbors {
		_, zone, _ := strings.Cut(n.State.NeighborAddress, "%")
		if n.State.NeighborAddress == key || key != "" && (n.Config.NeighborInterface == key || zone == key) {
			return n, true
		}
	}
	return oc.Neighbor{}, false
}

// ChangedTerms returns the keys that differ in the terms of neighbours and peer groups that
// both configurations have, by their key in rib.Extras.
func ChangedTerms(old, next *Config) map[string][]string {
	changed := make(map[string][]string)
	for key, a := range old.Extras.Terms {
		b, stays := next.Extras.Terms[key]
		if keys := termChanges(a, b); stays && len(keys) > 0 {
			changed[key] = keys
		}
	}
	return changed
}

// ExtraChanges says in a line each which terms a reload changes, of neighbours and peer
// groups that both configurations have.
func ExtraChanges(old, next *Config) (lines []string) {
	changed := ChangedTerms(old, next)
	for _, key := range slices.Sorted(maps.Keys(changed)) {
		who := "neighbour " + key
		if group, is := GroupOfTerms(key); is {
			who = "peer group " + group
		}
		lines = append(lines, who+": "+strings.Join(changed[key], ", "))
	}
	return append(lines, CarriedChanges(old, next)...)
}

// CarriedChanges says in a line each which VRFs that both configurations have go out otherwise.
func CarriedChanges(old, next *Config) (lines []string) {
	how := func(by *rib.Carried) string {
		if by == nil {
			return "as VPN routes"
		}
		return by.String()
	}
	for _, v := range next.VRFs {
		if was, had := old.VRF(v.Name); had && how(was.Carried) != how(v.Carried) {
			lines = append(lines, fmt.Sprintf("VRF %s: goes out %s -> %s", v.Name, how(was.Carried), how(v.Carried)))
		}
	}
	return lines
}

// GroupOfTerms is the peer group that has a key in rib.Extras.Terms.
func GroupOfTerms(key string) (name string, is bool) {
	return strings.CutPrefix(key, rib.TermsOfGroup(""))
}
