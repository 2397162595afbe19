package nsworker

import (
	"context"
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
		within := func(text string) func(netip.Prefix) bool {
			p := netip.MustParsePrefix(text)
			return func(o netip.Prefix) bool { return o.Bits() >= p.Bits() && p.Contains(o.Addr()) }
		}
		for _, tc := range []struct {
			name string
			q    vrf.RouteQuery
			want []string
		}{
			{"all", vrf.RouteQuery{Direction: vrf.Export}, []string{"10.1.0.0/16", "10.1.2.0/24", "10.2.0.0/16"}},
			{"inside a prefix", vrf.RouteQuery{Direction: vrf.Export, Within: within("10.1.0.0/16")}, []string{"10.1.0.0/16", "10.1.2.0/24"}},
			{"in a state", vrf.RouteQuery{Direction: vrf.Export, States: []rib.State{rib.Stale, rib.Unresolved}}, []string{"10.2.0.0/16"}},
			{"both", vrf.RouteQuery{Direction: vrf.Export, States: []rib.State{rib.Unresolved}, Within: within("10.1.0.0/16")}, nil},
			{"of the kernel's", vrf.RouteQuery{Direction: vrf.Import, States: []rib.State{rib.Installed}, Within: within("192.0.0.0/8")}, []string{"192.0.2.0/24"}},
			{"and left out", vrf.RouteQuery{Direction: vrf.Import, States: []rib.State{rib.Filtered}, Within: within("192.0.0.0/8")}, nil},
		} {
			var got []string
			err := l.worker("red").Routes(context.Background(), tc.q, func(r rib.RouteStatus) bool {
				got = append(got, r.Prefix.String())
				return true
			})
			if err != nil || !slices.Equal(got, tc.want) {
				t.Errorf("%s: %v, %v; want %v", tc.name, got, err, tc.want)
			}
		}
	})
}
