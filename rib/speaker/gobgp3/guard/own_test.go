package guard

import (
	"net/netip"
	"testing"

	"github.com/osrg/gobgp/v3/pkg/packet/bgp"

	"github.com/vrfredist/vrfredist/rib"
)

// TestOwnWithPaths: a neighbour with ADD-PATH is asked for its routes once, however many
// subnets came; and a member of the confederation keeps what it may announce.
func TestOwnWithPaths(t *testing.T) {
	t.Parallel()
	came := []netip.Prefix{netip.MustParsePrefix("192.0.2.0/24"), netip.MustParsePrefix("198.51.100.0/24"), netip.MustParsePrefix("203.0.113.0/24")}
	rules := with(outside, func(r *Rules) { r.Own = func(netip.Prefix) bool { return true } })
	for name, tc := range map[string]struct {
		member bool
		want   int
	}{"a neighbour": {false, 1}, "a member": {true, 0}} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			caps := func(as uint32, mode bgp.BGPAddPathMode) []bgp.ParameterCapabilityInterface {
				return append(fourByte(as, bgp.RF_IPv4_UC), bgp.NewCapRouteRefresh(), bgp.NewCapAddPath([]*bgp.CapAddPathTuple{bgp.NewCapAddPathTuple(bgp.RF_IPv4_UC, mode)}))
			}
			x := established(t, setup{
				rules: with(rules, func(r *Rules) { r.Member, r.Terms = tc.member, rib.DefaultTerms() }),
				ours:  caps(65000, bgp.BGP_ADD_PATH_RECEIVE), theirs: caps(65002, bgp.BGP_ADD_PATH_SEND),
			})
			x.guard.Own("", came, nil)
			x.until()
			x.write(message(bgp.BGP_MSG_KEEPALIVE)) // behind what was asked
			var asked int
			eventually(t, "what is behind the requests", func() (last bool) {
				asked = 0
				x.mu.Lock()
				defer x.mu.Unlock()
				for b := x.sent; len(b) >= headerSize; b = b[b[17]:] {
					last = b[18] == bgp.BGP_MSG_KEEPALIVE
					if b[18] == bgp.BGP_MSG_ROUTE_REFRESH {
						asked++
					}
				}
				return last
			})
			if asked != tc.want {
				t.Errorf("the neighbour was asked %d times, want %d", asked, tc.want)
			}
		})
	}
}
