package nsworker

import (
	"context"
	"net/netip"
	"testing"

	"github.com/vrfredist/vrfredist/rib"
	"github.com/vrfredist/vrfredist/vrf"
)

// What is counted by family is what is listed, through every change.
func TestCountsByFamily(t *testing.T) {
	story(t, func(l *lab, table *fakeTable) {
		check := func(when string) {
			t.Helper()
			l.settle()
			st := l.state("red")
			for f := range rib.Families {
				var installed, unresolved, imported int
				count := func(d vrf.Direction, each func(rib.State)) {
					if err := l.worker("red").Routes(context.Background(), vrf.RouteQuery{Direction: d}, func(r rib.RouteStatus) bool {
						if rib.FamilyOf(r.Prefix) == f {
							each(r.State)
						}
						return true
					}); err != nil {
						t.Fatal(err)
					}
				}
				count(vrf.Export, func(s rib.State) {
					switch s {
					case rib.Installed:
						installed++
					case rib.Unresolved:
						unresolved++
					}
				})
				count(vrf.Import, func(s rib.State) {
					if s == rib.Installed {
						imported++
					}
				})
				if n := st.Counts.Of(f); n.Installed != installed || n.Unresolved != unresolved || n.Imported != imported {
					t.Errorf("%s, %s: counted %+v, listed %d installed, %d unresolved, %d imported", when, f, n, installed, unresolved, imported)
				}
			}
		}
		l.start(spec("red"))
		l.hear("red", bgpPath("10.1.0.0/16", "192.0.2.9"))
		l.hear("red", bgpPath("10.2.0.0/16", "203.0.113.1"))
		l.hear("red", bgpPath("2001:db8:1::/48", "2001:db8:ffff::1"))
		l.hear("red", bgpPath("2001:db8:2::/48", "192.0.2.9"))
		check("at first")
		if n := l.state("red").Counts; n.Of(rib.IPv4).Installed == 0 || n.IPv6.Unresolved == 0 || n.Imported == 0 {
			t.Errorf("the test says little: %+v", n)
		}
		if w := l.state("red").Totals; w.Of(rib.IPv4).Added != 1 || w.IPv6.Announced+w.Of(rib.IPv4).Announced != w.Announced {
			t.Errorf("writes: %+v", w)
		}
		l.hear("red", bgpPath("2001:db8:1::/48", "192.0.2.9"))
		l.feed("red").Set(netip.MustParsePrefix("10.1.0.0/16"), 0, nil)
		check("after changes")
	})
}
