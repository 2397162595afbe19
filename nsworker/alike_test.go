package nsworker

import (
	"fmt"
	"maps"
	"net/netip"
	"slices"
	"strings"
	"testing"

	"github.com/vrfredist/vrfredist/rib"
	"github.com/vrfredist/vrfredist/vrf"
)

// Paths that share their attributes, as those of one UPDATE do, end as they do where
// each has its own.
func TestPathsThatShareAttributes(t *testing.T) {
	type step struct {
		prefixes []string
		nexthop  string
		change   func(*rib.Path)
	}
	keep := func(*rib.Path) {}
	steps := [][]step{
		{
			{[]string{"10.1.0.0/16", "10.2.0.0/16", "2001:db8:1::/48", "10.3.0.0/16"}, "192.0.2.9", keep},
			{[]string{"10.4.0.0/16", "10.5.0.0/16"}, "203.0.113.1", keep},           // unresolved
			{[]string{"10.6.0.0/16", "10.7.0.0/16"}, "192.0.2.9", imported("red")},  // its own
			{[]string{"10.8.0.0/16", "10.9.0.0/16"}, "192.0.2.9", imported("blue")}, // a leak
			{[]string{"10.10.0.0/16", "10.11.0.0/16"}, "192.0.2.9", community(rib.CommunityBlackhole)},
		},
		{ // and everything changes places
			{[]string{"10.4.0.0/16", "10.6.0.0/16", "10.8.0.0/16", "10.10.0.0/16"}, "192.0.2.10", keep},
			{[]string{"10.1.0.0/16", "10.5.0.0/16"}, "192.0.2.9", community(rib.CommunityBlackhole)},
			{[]string{"10.2.0.0/16", "10.7.0.0/16"}, "203.0.113.1", keep},
			{[]string{"10.3.0.0/16", "10.11.0.0/16"}, "192.0.2.9", imported("red")},
		},
	}
	var seen [2]string
	for i, shared := range []bool{true, false} {
		story(t, func(l *lab, _ *fakeTable) {
			for n, batch := range steps {
				f := l.feed("red")
				for _, s := range batch {
					var one *rib.Attrs
					for _, p := range s.prefixes {
						path := bgpPath(p, s.nexthop, s.change)
						if one == nil || !shared {
							one = path.Attrs
						}
						path.Attrs = one
						f.Set(netip.MustParsePrefix(p), 0, []rib.Path{path})
					}
				}
				if n == 0 {
					l.start(spec("red")) // it takes all of them at once
				}
				l.settle()
				seen[i] += fmt.Sprintf("%s\n%+v\n", l.kernel.tables[binding("red")], l.state("red").Counts)
				routes := l.routes("red", vrf.Export)
				for _, p := range slices.Sorted(maps.Keys(routes)) {
					seen[i] += fmt.Sprintf("%s is %v: %s\n", p, routes[p].State, routes[p].Reason)
				}
			}
		})
	}
	if !strings.Contains(seen[0], "10.2.0.0/16 via 192.0.2.9") || !strings.Contains(seen[0], "filtered") {
		t.Errorf("the test says little: %s", seen[0])
	}
	if seen[0] != seen[1] {
		t.Errorf("with shared attributes:\n%s\neach with its own:\n%s", seen[0], seen[1])
	}
}
