package nsworker

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"slices"
	"testing"

	"github.com/vrfredist/vrfredist/rib"
	"github.com/vrfredist/vrfredist/vrf"
)

// Only what is asked for is listed, and only that is looked at: of a million
// routes one costs no more than it must.
func TestRoutesAskedFor(t *testing.T) {
	story(t, func(l *lab, _ *fakeTable) {
		l.start(spec("red"))
		l.hear("red", bgpPath("10.1.0.0/16", "192.0.2.9"))
		l.hear("red", bgpPath("10.1.2.0/24", "192.0.2.9"))
		l.hear("red", bgpPath("10.2.0.0/16", "203.0.113.1")) // unresolved
		l.settle()
		for _, p := range []string{"127.0.0.0/8", "10.1.0.0/16", "127.0.0.0/8"} { // the second is there, of another neighbour
			l.bgp.refused = append(l.bgp.refused, rib.Refusal{Prefix: netip.MustParsePrefix(p), Neighbour: "192.0.2.9", Reason: "no table should have it"})
		}
		within := func(text string) func(netip.Prefix) bool {
			p := netip.MustParsePrefix(text)
			return func(o netip.Prefix) bool { return o.Bits() >= p.Bits() && p.Contains(o.Addr()) }
		}
		for _, tc := range []struct {
			name string
			q    vrf.RouteQuery
			want []string
		}{
			{"all", vrf.RouteQuery{Direction: vrf.Export}, []string{"10.1.0.0/16", "10.1.2.0/24", "10.2.0.0/16", "127.0.0.0/8"}},
			{"left out", vrf.RouteQuery{Direction: vrf.Export, States: []rib.State{rib.Filtered}}, []string{"127.0.0.0/8"}},
			{"inside a prefix", vrf.RouteQuery{Direction: vrf.Export, Within: within("10.1.0.0/16")}, []string{"10.1.0.0/16", "10.1.2.0/24"}},
			{"in a state", vrf.RouteQuery{Direction: vrf.Export, States: []rib.State{rib.Stale, rib.Unresolved}}, []string{"10.2.0.0/16"}},
			{"both", vrf.RouteQuery{Direction: vrf.Export, States: []rib.State{rib.Unresolved}, Within: within("10.1.0.0/16")}, nil},
			{"of the kernel's", vrf.RouteQuery{Direction: vrf.Import, States: []rib.State{rib.Installed}, Within: within("192.0.0.0/8")}, []string{"192.0.2.0/24"}},
			{"and left out", vrf.RouteQuery{Direction: vrf.Import, States: []rib.State{rib.Filtered}, Within: within("192.0.0.0/8")}, nil},
		} {
			var got []string
			err := l.worker("red").Routes(context.Background(), tc.q, func(r rib.RouteStatus) bool {
				got = append(got, r.Prefix.String())
				if r.State == rib.Filtered && (r.Best.Attrs == nil || r.Best.Attrs.Peer != netip.MustParseAddr("192.0.2.9")) {
					t.Errorf("%s: nobody is said to have announced %s", tc.name, r.Prefix)
				}
				return true
			})
			if err != nil || !slices.Equal(got, tc.want) {
				t.Errorf("%s: %v, %v; want %v", tc.name, got, err, tc.want)
			}
		}
	})
}

// One prefix that is asked for alone is looked up, and not looked for: a list of thousands does not
// grow its cost.
func TestOneRouteAskedFor(t *testing.T) {
	story(t, func(l *lab, _ *fakeTable) {
		l.start(spec("red"))
		for i := range 500 {
			l.hear("red", bgpPath(fmt.Sprintf("10.1.%d.0/24", i%256), "192.0.2.9"))
		}
		l.hear("red", bgpPath("10.2.0.0/16", "203.0.113.1")) // unresolved
		l.settle()
		for _, p := range []string{"127.0.0.0/8", "128.0.0.0/16"} {
			l.bgp.refused = append(l.bgp.refused, rib.Refusal{Prefix: netip.MustParsePrefix(p), Neighbour: "192.0.2.9", Reason: "no table should have it"})
		}
		for _, tc := range []struct {
			prefix string
			d      vrf.Direction
			states []rib.State
			want   int
		}{
			{"10.1.7.0/24", vrf.Export, nil, 1},
			{"10.1.7.0/24", vrf.Export, []rib.State{rib.Unresolved}, 0},
			{"10.2.0.0/16", vrf.Export, []rib.State{rib.Unresolved}, 1},
			{"10.1.0.0/16", vrf.Export, nil, 0},
			{"127.0.0.0/8", vrf.Export, nil, 1},
			{"192.0.2.0/24", vrf.Import, nil, 1},
			{"10.1.7.0/24", vrf.Import, nil, 0},
		} {
			only, looked, got := netip.MustParsePrefix(tc.prefix), 0, 0
			q := vrf.RouteQuery{Direction: tc.d, States: tc.states, Only: only, Within: func(p netip.Prefix) bool { looked++; return p == only }}
			err := l.worker("red").Routes(context.Background(), q, func(r rib.RouteStatus) bool {
				if got++; r.Prefix != only {
					t.Errorf("asked for %v, told of %v", only, r.Prefix)
				}
				return true
			})
			if err != nil || got != tc.want {
				t.Errorf("%+v: %d routes, %v", tc, got, err)
			}
			if looked > 3 {
				t.Errorf("%+v: %d prefixes were looked at", tc, looked)
			}
		}
	})
}

// A long list does not hold the worker: what changes meanwhile is listed as it is when
// its turn comes, nothing twice.
func TestRoutesWhileTheyChange(t *testing.T) {
	story(t, func(l *lab, _ *fakeTable) {
		l.start(spec("red"))
		const n = 2*listedAtOnce + 100
		at := func(i int) string { return fmt.Sprintf("10.%d.%d.0/24", 1+i/256, i%256) }
		for i := range n {
			l.hear("red", bgpPath(at(i), "192.0.2.9"))
		}
		l.settle()
		var got []string
		err := l.worker("red").Routes(context.Background(), vrf.RouteQuery{Direction: vrf.Export}, func(r rib.RouteStatus) bool {
			if len(got) == 0 {
				l.unhear("red", at(n-1), 0)
				l.unhear("red", at(1), 0)
				l.settle()
			}
			if r.State != rib.Installed || len(r.Devices) != 1 {
				t.Errorf("%v is %v through %v", r.Prefix, r.State, r.Devices)
			}
			got = append(got, r.Prefix.String())
			return true
		})
		var want []string // the second was in hand already
		for i := range n - 1 {
			want = append(want, at(i))
		}
		if err != nil || !slices.Equal(got, want) {
			t.Errorf("%d routes, %v; want %d; the last is %s", len(got), err, len(want), got[len(got)-1])
		}
	})
}

// A VRF whose table goes while its routes are listed says so: a list that ends is whole.
func TestRoutesOfATableThatGoes(t *testing.T) {
	story(t, func(l *lab, _ *fakeTable) {
		l.start(spec("red"))
		for i := range listedAtOnce + 1 {
			l.hear("red", bgpPath(fmt.Sprintf("10.%d.%d.0/24", 1+i/256, i%256), "192.0.2.9"))
		}
		l.settle()
		gone := false
		err := l.worker("red").Routes(context.Background(), vrf.RouteQuery{Direction: vrf.Export}, func(rib.RouteStatus) bool {
			if !gone {
				gone = true
				l.kernel.remove(spec("red").Binding)
				l.settle()
			}
			return true
		})
		if !errors.Is(err, vrf.ErrPending) {
			t.Errorf("the list ends with %v", err)
		}
	})
}
