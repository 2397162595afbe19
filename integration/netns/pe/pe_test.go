package pe_test

import (
	"net/netip"
	"strings"
	"testing"

	"github.com/vrfredist/vrfredist/integration/netns/edge"
	"github.com/vrfredist/vrfredist/integration/netns/lab"
)

// TestTwoPEs: two tenants with the same prefixes on two machines; each reaches its own, in both
// families, by its own VNI, and nothing of the one ever counts at the other.
func TestTwoPEs(t *testing.T) {
	t.Parallel()
	m := newMachines(t, 2)
	wire := lab.ReadVXLANs(m.P, "c1")
	m.start()
	one, two := m.PEs[0], m.PEs[1]
	for name := range edge.Numbers {
		m.Reach(name, one, two)
		m.Reach(name, two, one)
	}
	for name, vni := range edge.Numbers {
		other := map[string]string{"red": "blue", "blue": "red"}[name]
		mine, theirs := two.Tenants[name].Received(), two.Tenants[other].Received()
		for range 50 {
			if err := one.Tenants[name].Host.Ping("", edge.Host(2, false)); err != nil {
				t.Fatal(err)
			}
		}
		if got := two.Tenants[name].Received() - mine; got < 50 {
			t.Errorf("%d of 50 packets came to %s", got, name)
		}
		if got := two.Tenants[other].Received() - theirs; got != 0 {
			t.Errorf("%d packets of %s came to %s", got, name, other)
		}
		want := lab.Carried{From: netip.MustParseAddr(edge.Loopback(1)), To: netip.MustParseAddr(edge.Loopback(2)), VNI: uint32(vni), Router: two.Tenants[name].MAC()}
		lab.WaitFor(t, "the packets are on the wire", lab.Patience, func() string {
			if wire.Seen()[want] < 50 {
				return "not yet"
			}
			return ""
		})
	}
	for c := range wire.Seen() {
		if c.VNI != 100 && c.VNI != 200 {
			t.Errorf("%+v is on the wire", c)
		}
	}
	out := one.Daemon.Do("explain", "10.2.0.0/24", "--vrf", "red")
	if want := "encap vxlan 100 to 10.255.0.2, " + two.Tenants["red"].MAC(); !strings.Contains(out, want) {
		t.Errorf("explain says\n%s\nand not %q", out, want)
	}
}
