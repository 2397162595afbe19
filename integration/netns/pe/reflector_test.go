package pe_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/vrfredist/vrfredist/integration/netns/lab"
)

// TestReflector: PEs have sessions with a reflector alone, FRR's bgpd. Their tenants reach each
// other by the PEs' own VTEPs and MAC addresses, and nothing goes by the reflector; a prefix that is
// withdrawn goes, and one that two PEs announce goes to both.
func TestReflector(t *testing.T) {
	t.Parallel()
	m := newMachines(t, 3, "/usr/lib/frr/bgpd", "vtysh")
	const reflector = "10.255.0.100"
	rr := m.Namespace("rr")
	forwards(rr)
	m.Subnet(rr, "core", m.p, "c100", "10.0.100.1/24")
	rr.Address("lo", reflector+"/32")
	rr.IP("route", "add", "10.255.0.0/24", "via", "10.0.100.2", "src", reflector)
	m.p.IP("route", "add", reflector+"/32", "via", "10.0.100.1")
	wire := lab.ReadVXLANs(m.p, "c100")
	var sessions strings.Builder
	for _, pe := range m.pes {
		a := vtep(pe.n)
		fmt.Fprintf(&sessions, " neighbor %s remote-as 65000\n neighbor %[1]s update-source %s\n neighbor %[1]s timers connect 1\n", a, reflector)
	}
	sessions.WriteString(" address-family l2vpn evpn\n")
	for _, pe := range m.pes {
		fmt.Fprintf(&sessions, "  neighbor %s activate\n  neighbor %[1]s route-reflector-client\n", vtep(pe.n))
	}
	frr := rr.FRR("frr defaults traditional\nrouter bgp 65000\n bgp router-id " + reflector + "\n no bgp default ipv4-unicast\n" + sessions.String())
	for _, pe := range m.pes {
		pe.daemon = pe.core.OwnDaemon(m.config(pe, reflector), "--graceful-restart")
	}
	one, two, three := m.pes[0], m.pes[1], m.pes[2]
	for name := range vnis {
		m.reach(name, one, two)
		m.reach(name, three, one)
	}
	out := one.daemon.Do("explain", "10.2.0.0/24", "--vrf", "red")
	if want := "encap vxlan 100 to 10.255.0.2, " + two.mac(t, "red"); !strings.Contains(out, want) {
		t.Errorf("explain says\n%s\nand not %q", out, want)
	}
	tenant := one.tenants["red"]
	gateways := func(prefix string) (by []int) {
		routes := strings.Join(tenant.Own(lab.Main), "\n")
		for _, n := range []int{2, 3} {
			if leads(routes, prefix, fmt.Sprintf("fe80::aff:%d:", n)) {
				by = append(by, n)
			}
		}
		return by
	}
	for _, pe := range m.pes[1:] {
		pe.tenants["red"].Address("lan", "10.9.0.1/24")
	}
	lab.WaitEqual(t, "the PEs that a prefix of both goes to", []int{2, 3}, func() []int { return gateways("10.9.0.0/24") })
	two.tenants["red"].IP("addr", "del", "10.9.0.1/24", "dev", "lan")
	lab.WaitEqual(t, "the PEs that it goes to when one withdraws it", []int{3}, func() []int { return gateways("10.9.0.0/24") })
	lab.Equal(t, "packets of tenants at the reflector", map[lab.Carried]int{}, wire.Seen())
	frr.WaitEstablished(vtep(1))
}
