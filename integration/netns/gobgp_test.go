package netns_test

import (
	"strings"
	"testing"

	"github.com/vrfredist/vrfredist/integration/netns/lab"
)

// The gobgp client of Debian's gobgpd package reads and changes GoBGP over the
// daemon's own address.
func TestStockGoBGPClient(t *testing.T) {
	t.Parallel()
	n := newUpstream(t, twoRoutes())
	lab.Need(t, gobgp)
	n.daemon = n.rtr.Daemon(twoVRFs)
	says := func(want string, args ...string) {
		t.Helper()
		lab.WaitFor(t, "gobgp "+strings.Join(args, " "), lab.Patience, func() string {
			out, err := n.daemon.GoBGP(args...)
			if err != nil || !strings.Contains(out, want) {
				return "no " + want + " in: " + out
			}
			return ""
		})
	}
	says("65000", "global")
	says("Establ", "neighbor")
	says("172.16.1.0/24", "global", "rib")
	says("2001:db8:1001::/48", "global", "rib", "-a", "ipv6")
	says("vrf-red", "vrf")

	says("", "global", "rib", "add", "203.0.113.0/24")
	lab.WaitEqual(t, "what BIRD has", []string{"203.0.113.0/24"}, func() []string { return n.bird.Received("v4") })
	says("", "global", "rib", "del", "203.0.113.0/24")
	lab.WaitEqual(t, "what BIRD has", []string{}, func() []string { return n.bird.Received("v4") })

	says("", "neighbor", "10.0.0.2", "shutdown")
	says("Idle", "neighbor")
}
