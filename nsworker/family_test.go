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
				if n := st.Counts[f]; n.Installed != installed || n.Unresolved != unresolved || n.Imported != imported {
					t.Errorf("%s, %s: counted %+v, listed %d installed, %d unresolved, %d imported", when, f, n, installed, unresolved, imported)
				}
			}
		}
		l.start(spec("red"))
		l.hear("red", bgpPath("10.1.0.0/16", "192.0.2.9"))
		l.hear("red", bgpPath("10.2.0.0/16", "203.0.113.1"))
		l.hear("red", bgpPath("2001:db8:1::/48", "2001:db8:ffff::1"))
		l.hear("red", bgpPath("2001:db8:2::/48", "2001:db8::9"))
		check("at first")
		if n := l.state("red").Counts; n[rib.IPv4].Installed == 0 || n[rib.IPv6].Unresolved == 0 || n.Total().Imported == 0 {
			t.Errorf("the test says little: %+v", n)
		}
		if w := l.state("red").Totals.Writes; w[rib.IPv4].Added != 1 || w[rib.IPv6].Announced+w[rib.IPv4].Announced != w.Total().Announced {
			t.Errorf("writes: %+v", w)
		}
		l.hear("red", bgpPath("2001:db8:1::/48", "2001:db8::9"))
		l.feed("red").Set(netip.MustParsePrefix("10.1.0.0/16"), 0, nil)
		check("after changes")
	})
}

// Drift, latency and BGP's prefixes are told by family, and the families add up.
func TestTotalsByFamily(t *testing.T) {
	story(t, func(l *lab, table *fakeTable) {
		l.start(spec("red"))
		l.settle()
		for _, p := range []string{"10.1.0.0/16", "10.2.0.0/16"} {
			l.hear("red", bgpPath(p, "192.0.2.9"))
		}
		for _, p := range []string{"2001:db8:1::/48", "2001:db8:2::/48", "2001:db8:3::/48"} {
			l.hear("red", bgpPath(p, "2001:db8::9"))
		}
		l.settle()
		if n := l.state("red").Counts; n[rib.IPv4].Paths != 2 || n[rib.IPv6].Paths != 3 {
			t.Errorf("BGP's prefixes: %d and %d", n[rib.IPv4].Paths, n[rib.IPv6].Paths)
		}
		table.behind(func(routes map[rib.Key]rib.Route) {
			delete(routes, key20("10.1.0.0/16"))
			delete(routes, key20("2001:db8:1::/48"))
			delete(routes, key20("2001:db8:2::/48"))
			strange := via("2001:db8:3::/48", "2001:db8::9", 2, rib.ProtoOwn, 77)
			routes[strange.Key()] = strange
		})
		if _, err := l.worker("red").Resync(context.Background()); err != nil {
			t.Fatal(err)
		}
		st := l.state("red").Totals
		for f, want := range map[rib.Family]vrf.Drifts{rib.IPv4: {vrf.Missing: 1}, rib.IPv6: {vrf.Missing: 2, vrf.Strange: 1}} {
			if found, mended := st.Found[f], st.Mended[f]; found != want || mended != want {
				t.Errorf("%s: found %v and mended %v, want %v", f, found, mended, want)
			}
		}
		for f, want := range map[rib.Family]uint64{rib.IPv4: 2, rib.IPv6: 3} {
			if got := st.Latency[f].Counts[0]; got != want {
				t.Errorf("%s: the time of %d routes was taken, want %d: %+v", f, got, want, st.Latency)
			}
		}
	})
}
