package pe_test

import (
	"net/netip"
	"strings"
	"testing"

	"github.com/vrfredist/vrfredist/integration/netns/lab"
)

// TestTwoPEs: two tenants with the same prefixes on two machines; each reaches its own, in both
// families, by its own VNI, and nothing of the one ever counts at the other.
func TestTwoPEs(t *testing.T) {
	t.Parallel()
	m := newMachines(t, 2)
	wire := lab.ReadVXLANs(m.p, "c1")
	m.start()
	one, two := m.pes[0], m.pes[1]
	for name := range vnis {
		m.reach(name, one, two)
		m.reach(name, two, one)
	}
	for name, vni := range vnis {
		other := map[string]string{"red": "blue", "blue": "red"}[name]
		mine, theirs := two.received(t, name), two.received(t, other)
		for range 50 {
			if err := one.hosts[name].Ping("", host(2, false)); err != nil {
				t.Fatal(err)
			}
		}
		if got := two.received(t, name) - mine; got < 50 {
			t.Errorf("%d of 50 packets came to %s", got, name)
		}
		if got := two.received(t, other) - theirs; got != 0 {
			t.Errorf("%d packets of %s came to %s", got, name, other)
		}
		want := lab.Carried{From: netip.MustParseAddr(vtep(1)), To: netip.MustParseAddr(vtep(2)), VNI: uint32(vni), Router: two.mac(t, name)}
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
	out := one.daemon.Do("explain", "10.2.0.0/24", "--vrf", "red")
	if want := "encap vxlan 100 to 10.255.0.2, " + two.mac(t, "red"); !strings.Contains(out, want) {
		t.Errorf("explain says\n%s\nand not %q", out, want)
	}
}
