package frrpe_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/vrfredist/vrfredist/integration/netns/lab"
)

// TestForwarding: two tenants with the same prefixes here and at FRR; each reaches its own, in both
// families, by its own VNI and to the router's MAC address, and nothing of the one counts at the
// other.
func TestForwarding(t *testing.T) {
	t.Parallel()
	n := newNetwork(t)
	n.start()
	for name := range vnis {
		here, there := n.ours.tenants[name], n.frr.tenants[name]
		n.counted(here, there)
		n.counted(there, here)
	}
	for c := range n.wire.Seen() {
		if c.VNI != 100 && c.VNI != 200 {
			t.Errorf("%+v is on the wire", c)
		}
	}
	out := n.daemon.Do("explain", "10.2.0.0/24", "--vrf", "red")
	if want := "encap vxlan 100 to 10.255.0.2, " + frrMAC("red"); !strings.Contains(out, want) {
		t.Errorf("explain says\n%s\nand not %q", out, want)
	}
}

// counted sends packets from one PE's host of a tenant to the other's, and asserts that they are
// on the wire as they should be, and arrive at no other tenant.
func (n *network) counted(from, to *tenant) {
	n.T.Helper()
	const packets = 20
	other := to.pe.tenants[others[to.name]]
	mine, theirs, wire := to.received(), other.received(), n.wire.Seen()[from.carried(to)]
	for i := range packets {
		if err := from.host.Ping("", host(to.pe.n, i%2 == 1)); err != nil {
			n.T.Fatal(err)
		}
	}
	if got := to.received() - mine; got < packets {
		n.T.Errorf("%d of %d packets of %s came to PE %d", got, packets, to.name, to.pe.n)
	}
	if got := other.received() - theirs; got != 0 {
		n.T.Errorf("%d packets of %s came to %s at PE %d", got, to.name, other.name, to.pe.n)
	}
	lab.WaitFor(n.T, fmt.Sprintf("%+v on the wire", from.carried(to)), lab.Patience, func() string {
		if got := n.wire.Seen()[from.carried(to)] - wire; got < packets {
			return fmt.Sprint(got)
		}
		return ""
	})
}
