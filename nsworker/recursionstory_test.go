package nsworker

import (
	"context"
	"fmt"
	"math/rand/v2"
	"net/netip"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/vrfredist/vrfredist/rib"
	"github.com/vrfredist/vrfredist/vrf"
)

// TestOrderDoesNotMatter: whichever way BGP tells of routes that are reached by each other, the
// table is the same.
func TestOrderDoesNotMatter(t *testing.T) {
	paths := []rib.Path{
		bgpPath("10.1.0.0/16", "10.2.0.1"), bgpPath("10.2.0.0/16", "10.1.0.1"), bgpPath("10.1.0.0/24", "10.255.0.1"),
		bgpPath(loopback, "192.0.2.9"), bgpPath("10.255.0.2/32", "10.1.0.7"), bgpPath("10.3.0.0/16", "10.255.0.2"),
	}
	seen := make(map[string][]int)
	for from := range paths {
		for step := 1; step < len(paths); step += 4 { // 1 and 5 have no divisor with 6
			story(t, func(l *lab, table *fakeTable) {
				table.set(via("10.2.0.0/15", "198.51.100.9", 3, rib.ProtoStatic, 0))
				l.start(spec("red"))
				for i := range paths {
					l.hear("red", paths[(from+i*step)%len(paths)])
				}
				l.settle()
				seen[table.String()] = append(seen[table.String()], from*10+step)
			})
		}
	}
	if len(seen) != 1 {
		t.Errorf("the tables are %v", seen)
	}
	for got := range seen {
		if strings.Count(got, "vrfredist") != len(paths) {
			t.Errorf("the table is\n%s", got)
		}
	}
}

// TestInnerRouteMoves: when the route moves by which the nexthop of many is reached, one
// replace of their group takes them along, before BGP says anything of them.
func TestInnerRouteMoves(t *testing.T) {
	story(t, func(l *lab, table *fakeTable) {
		l.hear("red", two(loopback, "192.0.2.9", "198.51.100.9")...)
		at := func(i int) string { return fmt.Sprintf("10.%d.%d.0/24", i/250, i%250) }
		for i := range 500 {
			l.feed("red").Set(netip.MustParsePrefix(at(i)), 0, []rib.Path{bgpPath(at(i), "10.255.0.1", peer("192.0.2.110"))})
		}
		l.converge("red")
		l.start(spec("red"))
		l.settle()
		for _, ended := range []bool{true, false} {
			l.k(func() { l.kernel.writes, l.kernel.objectWrites = nil, nil })
			l.feed("red").SetDown(netip.MustParseAddr("192.0.2.101"), ended)
			synctest.Wait()
			if len(l.kernel.writes) != 0 || len(l.kernel.objectWrites) > 3 { // a single, and a group each
				t.Errorf("the session ended: %v; written are %d routes, and the objects %q", ended, len(l.kernel.writes), l.kernel.objectWrites)
			}
		}
		l.k(func() { l.kernel.writes, l.kernel.objectWrites = nil, nil })
		l.hear("red", bgpPath(loopback, "198.51.100.9", peer("192.0.2.102"), id(2)))
		if len(l.kernel.writes) > 1 || !strings.Contains(table.String(), at(7)+" via 198.51.100.9 dev eth1") {
			t.Errorf("%d routes are written: %q, and the table is\n%.400s", len(l.kernel.writes), l.kernel.writes, table)
		}
	})
}

// TestStandingRouteUnderStandingRoute: after a restart a route stands that is reached by one
// that stands; neither is touched, whichever comes first, and the one goes with the other where
// BGP has that no more.
func TestStandingRouteUnderStandingRoute(t *testing.T) {
	outer, inner := bgpPath("10.1.0.0/16", "10.255.0.1"), bgpPath(loopback, "192.0.2.9")
	for name, c := range map[string]struct {
		says []rib.Path
		want []string
	}{
		"the outer one first": {[]rib.Path{outer, inner}, []string{byEth0, loopByEth0}},
		"the inner one first": {[]rib.Path{inner, outer}, []string{byEth0, loopByEth0}},
		"the outer one alone": {[]rib.Path{outer}, nil},
	} {
		t.Run(name, func(t *testing.T) {
			story(t, func(l *lab, table *fakeTable) {
				for _, p := range []string{"10.1.0.0/16", loopback} {
					table.routes[left(p).Key()] = left(p)
				}
				s := spec("red")
				s.NexthopObjects = false
				l.start(s)
				for _, p := range c.says {
					l.hear("red", p)
					l.table(red, byEth0, loopByEth0)
				}
				if len(l.kernel.writes) != 0 {
					t.Errorf("before all have spoken %q is written", l.kernel.writes)
				}
				l.converge("red")
				l.settle()
				l.table(red, c.want...)
			})
		})
	}
}

// TestExplainNamesTheRouteOfBGP: explain, and the list, show what the worker decided.
func TestExplainNamesTheRouteOfBGP(t *testing.T) {
	story(t, func(l *lab, table *fakeTable) {
		l.start(spec("red"))
		l.hear("red", bgpPath(loopback, "192.0.2.9"))
		l.hear("red", two("10.1.0.0/16", "10.255.0.1", "198.51.100.9")...)
		l.hear("red", bgpPath("10.66.0.0/16", "10.66.0.1"))
		l.settle()
		ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
		defer cancel()
		for prefix, want := range map[string]string{
			"10.1.0.0/16":  "10.255.0.1 is reached by BGP's route 10.255.0.1/32: through 192.0.2.9 on eth0",
			"10.66.0.0/16": "nexthop 10.66.0.1 is unresolved: BGP's route 10.66.0.0/16, which covers it, is reached by it itself",
		} {
			x, err := l.worker("red").Explain(ctx, rib.Question{Prefix: netip.MustParsePrefix(prefix)})
			if err != nil {
				t.Fatal(err)
			}
			if !slices.ContainsFunc(x.Export.Steps, func(s rib.Step) bool {
				return s.Name == "nexthop" && slices.Contains(s.Details, want)
			}) {
				t.Errorf("%s is explained by %+v", prefix, x.Export.Steps)
			}
		}
		r := l.routes("red", vrf.Export)["10.1.0.0/16 vrfredist"]
		if r.State != rib.Installed || r.Best.Attrs.Nexthop != netip.MustParseAddr("10.255.0.1") || r.Backup.Attrs == nil {
			t.Errorf("the list has %+v", r)
		}
	})
}

// TestQuotaUnderANexthop: a route that the quota keeps out leads to no nexthop.
func TestQuotaUnderANexthop(t *testing.T) {
	story(t, func(l *lab, table *fakeTable) {
		s := spec("red")
		s.Export.MaxRoutes = 1
		l.start(s)
		for _, p := range []rib.Path{bgpPath("10.9.0.0/16", "192.0.2.9"), bgpPath(loopback, "192.0.2.9"), bgpPath("10.1.0.0/16", "10.255.0.1")} {
			l.hear("red", p)
		}
		l.settle()
		l.table(red, "10.9.0.0/16 via 192.0.2.9 dev eth0 proto vrfredist metric 20")
		l.exported("red", loopback, rib.OverQuota, "")
		l.exported("red", "10.1.0.0/16", rib.Unresolved, "10.255.0.1")
		l.unhear("red", "10.9.0.0/16", 0)
		l.settle()
		l.table(red, loopByEth0)
		l.exported("red", "10.1.0.0/16", rib.OverQuota, "")
	})
}

// TestPlanOfRecursion: a plan has the routes that are reached by others, whichever comes first
// in it.
func TestPlanOfRecursion(t *testing.T) {
	for range 8 { // the feed has no order
		story(t, func(l *lab, table *fakeTable) {
			before := spec("red")
			before.Export.Enabled = false
			l.start(before)
			l.hear("red", two("10.1.0.0/16", "10.255.0.2", "198.51.100.9")...)
			l.hear("red", two("10.255.0.2/32", "10.255.0.1", "198.51.100.9")...)
			l.hear("red", bgpPath(loopback, "192.0.2.9"))
			l.settle()
			planned := l.rehearsed(before, spec("red"))
			for _, want := range []string{byEth0, loopByEth0, "10.255.0.2 via 192.0.2.9 dev eth0 proto vrfredist metric 20"} {
				if !slices.Contains(planned, "add "+want) {
					t.Errorf("planned is %q, without %q", planned, want)
				}
			}
			l.configure(spec("red"))
			l.settle()
			l.table(red, byEth0, loopByEth0, "10.255.0.2 via 192.0.2.9 dev eth0 proto vrfredist metric 20")
		})
	}
}

// TestHistoryDoesNotMatter: whatever BGP said in between, and whichever routes came and went
// under it, the table is that of a worker that begins with what is there now.
func TestHistoryDoesNotMatter(t *testing.T) {
	for seed := range uint64(100) {
		r := rand.New(rand.NewPCG(seed, 13))
		at := func() string { return fmt.Sprintf("10.%d.0.0/%d", 1+r.IntN(4), 16+8*r.IntN(2)) }
		by := func() string {
			if r.IntN(4) == 0 {
				return []string{"192.0.2.9", "198.51.100.9"}[r.IntN(2)]
			}
			return fmt.Sprintf("10.%d.%d.1", 1+r.IntN(4), r.IntN(2))
		}
		static := via("10.0.0.0/8", "192.0.2.77", 2, rib.ProtoStatic, 0)
		now, isStatic := make(map[string][]rib.Path), false
		var was, is string
		story(t, func(l *lab, table *fakeTable) {
			l.start(spec("red"))
			for range 40 {
				switch prefix := at(); r.IntN(6) {
				case 0:
					delete(now, prefix)
					l.unhear("red", prefix, 0)
				case 1:
					if isStatic = !isStatic; isStatic {
						table.set(static)
					} else {
						table.del(static.Key())
					}
				case 2:
					now[prefix] = two(prefix, by(), by())
					l.hear("red", now[prefix]...)
				default:
					now[prefix] = []rib.Path{bgpPath(prefix, by())}
					l.hear("red", now[prefix]...)
				}
			}
			l.settle()
			was = table.String()
		})
		story(t, func(l *lab, table *fakeTable) {
			if isStatic {
				table.set(static)
			}
			for prefix, paths := range now {
				l.feed("red").Set(netip.MustParsePrefix(prefix), 0, paths)
			}
			l.start(spec("red"))
			l.settle()
			is = table.String()
		})
		if was != is {
			t.Errorf("seed %d: after its history the table is\n%s\nand from the beginning\n%s\nof %v", seed, was, is, now)
		}
	}
}

// TestBGPIsToldOfRecursion: a nexthop that is reached by BGP's own route is told to be, and not
// to be when that goes: what neighbours hear follows.
func TestBGPIsToldOfRecursion(t *testing.T) {
	story(t, func(l *lab, table *fakeTable) {
		l.start(spec("red"))
		l.hear("red", bgpPath("10.1.0.0/16", "10.255.0.1", from("red")))
		for i, step := range []struct {
			do   func()
			want string
		}{
			{func() {}, "10.255.0.1"},
			{func() { l.hear("red", bgpPath(loopback, "192.0.2.9", from("red"))) }, ""},
			{func() { l.unhear("red", loopback, 0) }, "10.255.0.1"},
		} {
			step.do()
			l.settle()
			if got := l.bgp.notReached("red"); got != step.want {
				t.Errorf("step %d: BGP hears that %q is not reached, want %q", i, got, step.want)
			}
		}
	})
}

// TestRecursionInASecondaryTable: its own routes lead to nexthops there, as the VRF's do in the
// VRF's.
func TestRecursionInASecondaryTable(t *testing.T) {
	story(t, func(l *lab, table *fakeTable) {
		own := rib.Binding{Netns: "red", Table: 1002}
		clear(l.kernel.add(own, 1).routes)
		secondary := spec("red")
		secondary.Name, secondary.VRF, secondary.Binding = "red/1002", "red", own
		secondary.Import.Enabled = false
		l.start(spec("red"))
		l.start(secondary)
		for _, name := range []string{"red", "red/1002"} {
			l.hear(name, bgpPath("10.1.0.0/16", "10.255.0.1"))
			l.hear(name, bgpPath(loopback, "192.0.2.9"))
		}
		l.settle()
		l.table(red, byEth0, loopByEth0)
		l.table(own, byEth0+" onlink", loopByEth0+" onlink")
		l.unhear("red/1002", loopback, 0)
		l.settle()
		l.table(own)
		l.table(red, byEth0, loopByEth0)
	})
}

// TestDefaultRouteOfALeak: a VRF's default route leads to what it leaks as the key of that VRF
// says, from the moment at which it is set, and in a plan of that.
func TestDefaultRouteOfALeak(t *testing.T) {
	story(t, func(l *lab, table *fakeTable) {
		into := spec("leaky")
		into.Binding = leaky
		l.kernel.add(leaky, 1)
		before, after := spec("red"), spec("red")
		after.Export.ResolveByDefault = true
		l.start(before)
		l.start(into)
		table.set(via("0.0.0.0/0", "192.0.2.7", 2, rib.ProtoStatic, 0))
		l.hear("leaky", bgpPath("10.1.0.0/16", "10.255.0.1", from("red")))
		l.settle()
		l.table(leaky)
		const want = "10.1.0.0/16 via 192.0.2.7 dev eth0 proto vrfredist metric 20 onlink"
		deps := Deps{Kernel: l.kernel, BGP: l.bgp, Board: l.board}
		r := NewRehearsal(t.Context(), deps, []vrf.Spec{before, into}, []vrf.Spec{after, into})
		plan, err := r.Table(t.Context(), "leaky", l.feed("leaky"), false)
		if err != nil {
			t.Fatal(err)
		}
		if routes := slices.Collect(plan.Routes); len(routes) != 1 || routes[0].Text != want {
			t.Errorf("planned is %+v", routes)
		}
		r.Close()
		l.configure(after)
		l.table(leaky, want)
		l.configure(before)
		l.table(leaky)
	})
}
