package pe_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/vrfredist/vrfredist/integration/netns/lab"
)

// TestThroughFRR: two PEs that know each other by a route reflector of another make alone. It has
// their routes with each one's nexthop, VNI, MAC address and encapsulation, as its own parser reads
// them, and what it sends on leads from one host to another.
func TestThroughFRR(t *testing.T) {
	t.Parallel()
	m := newMachines(t, 2, "bgpd", "vtysh")
	const reflector = "10.255.0.254"
	m.p.Address("lo", reflector+"/32")
	var sessions, families strings.Builder
	for _, pe := range m.pes {
		fmt.Fprintf(&sessions, " neighbor %[1]s remote-as 65000\n neighbor %[1]s update-source %[2]s\n neighbor %[1]s timers 3 9\n", vtep(pe.n), reflector)
		fmt.Fprintf(&families, "  neighbor %[1]s activate\n  neighbor %[1]s route-reflector-client\n", vtep(pe.n))
	}
	frr := m.p.FRR("router bgp 65000\n bgp router-id " + reflector + "\n no bgp default ipv4-unicast\n" + sessions.String() + " address-family l2vpn evpn\n" + families.String() + " exit-address-family\n")
	for _, pe := range m.pes {
		pe.daemon = pe.core.OwnDaemon(m.config(pe, reflector))
	}
	for name := range vnis {
		m.reach(name, m.pes[0], m.pes[1])
		m.reach(name, m.pes[1], m.pes[0])
	}
	for name, vni := range vnis {
		for _, pe := range m.pes {
			for _, prefix := range []string{fmt.Sprintf("10.%d.0.0/24", pe.n), fmt.Sprintf("2001:db8:%d::/64", pe.n)} {
				lab.WaitFor(t, fmt.Sprintf("FRR has %s of %s", prefix, name), lab.Patience, func() string {
					shown := frr.Ask(fmt.Sprintf("show bgp l2vpn evpn rd 65000:%d%02d", vni, pe.n))
					at := strings.SplitN(prefix, "/", 2)
					route := fmt.Sprintf("[5]:[0]:[%s]:[%s]", at[1], at[0])
					_, of, is := strings.Cut(shown, route)
					if !is {
						return "it has not " + route + " in\n" + shown
					}
					of, _, _ = strings.Cut(of, "*>")
					for _, want := range []string{vtep(pe.n), fmt.Sprintf("RT:65000:%d", vni), "ET:8", "Rmac:" + pe.mac(t, name)} {
						if !strings.Contains(of, want) {
							return fmt.Sprintf("%s is not in\n%s", want, of)
						}
					}
					return ""
				})
			}
		}
	}
}
