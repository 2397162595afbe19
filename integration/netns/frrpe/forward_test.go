package frrpe_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/vrfredist/vrfredist/integration/netns/edge"
	"github.com/vrfredist/vrfredist/integration/netns/lab"
)

// TestForwarding: two tenants with the same prefixes here and at FRR; each reaches its own, in both
// families, by its own VNI and to the router's MAC address, and nothing of the one counts at the
// other.
func TestForwarding(t *testing.T) {
	t.Parallel()
	n := newNetwork(t)
	n.start()
	for name := range edge.Numbers {
		here, there := n.ours.Tenants[name], n.frr.Tenants[name]
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
func (n *network) counted(from, to *edge.Tenant) {
	n.T.Helper()
	const packets = 20
	other := to.PE.Tenants[edge.Other(to.Name)]
	mine, theirs, wire := to.Received(), other.Received(), n.wire.Seen()[from.Carried(to)]
	for i := range packets {
		if err := from.Host.Ping("", edge.Host(to.PE.N, i%2 == 1)); err != nil {
			n.T.Fatal(err)
		}
	}
	if got := to.Received() - mine; got < packets {
		n.T.Errorf("%d of %d packets of %s came to PE %d", got, packets, to.Name, to.PE.N)
	}
	if got := other.Received() - theirs; got != 0 {
		n.T.Errorf("%d packets of %s came to %s at PE %d", got, to.Name, other.Name, to.PE.N)
	}
	lab.WaitFor(n.T, fmt.Sprintf("%+v on the wire", from.Carried(to)), lab.Patience, func() string {
		if got := n.wire.Seen()[from.Carried(to)] - wire; got < packets {
			return fmt.Sprint(got)
		}
		return ""
	})
}
