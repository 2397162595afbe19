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

// TestPlaceThatIsGivenUpIsTaken withdraws one of two routes that max_routes lets in one
// at a time: the other comes in at once.
func TestPlaceThatIsGivenUpIsTaken(t *testing.T) {
	story(t, func(l *lab, table *fakeTable) {
		s := spec("red")
		s.Export.MaxRoutes = 1
		l.start(s)
		l.hear("red", bgpPath("10.1.0.0/16", "192.0.2.9"))
		l.hear("red", bgpPath("10.2.0.0/16", "192.0.2.9"))
		l.exported("red", "10.2.0.0/16", rib.OverQuota, "")
		l.unhear("red", "10.1.0.0/16", 0)
		l.table(red, "10.2.0.0/16 via 192.0.2.9 dev eth0 proto vrfredist metric 20")
	})
}

// TestEqualPathThatIsLeftOut has two equal paths of which one passes the filter.
func TestEqualPathThatIsLeftOut(t *testing.T) {
	story(t, func(l *lab, table *fakeTable) {
		s := spec("red")
		s.Export.CommunityList = []rib.Community{7}
		l.start(s)
		l.hear("red", bgpPath("10.1.0.0/16", "192.0.2.9", community(7)), bgpPath("10.1.0.0/16", "198.51.100.9", id(1)))
		l.table(red, "10.1.0.0/16 via 192.0.2.9 dev eth0 proto vrfredist metric 20")

		// One that is left out takes nobody's place among the max_paths.
		s.Export.MaxPaths = 2
		l.configure(s)
		l.hear("red", bgpPath("10.1.0.0/16", "192.0.2.9", community(7)),
			bgpPath("10.1.0.0/16", "198.51.100.9", id(1)), bgpPath("10.1.0.0/16", "198.51.100.10", id(2), community(7)))
		l.table(red, "10.1.0.0/16 proto vrfredist metric 20\n\tnexthop via 192.0.2.9 dev eth0 weight 1\n\tnexthop via 198.51.100.10 dev eth1 weight 1")
	})
}
