package pe_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/vrfredist/vrfredist/integration/netns/edge"
	"github.com/vrfredist/vrfredist/integration/netns/lab"
)

// TestThroughFRR: two PEs that know each other by a route reflector of another make alone. It has
// their routes with each one's nexthop, VNI, MAC address and encapsulation, as its own parser reads
// them, and what it sends on leads from one host to another.
func TestThroughFRR(t *testing.T) {
	t.Parallel()
	m := newMachines(t, 2, "bgpd", "vtysh")
	const reflector = "10.255.0.254"
	m.P.Address("lo", reflector+"/32")
	var sessions, families strings.Builder
	for _, pe := range m.PEs {
		fmt.Fprintf(&sessions, " neighbor %[1]s remote-as 65000\n neighbor %[1]s update-source %[2]s\n neighbor %[1]s timers 3 9\n", edge.Loopback(pe.N), reflector)
		fmt.Fprintf(&families, "  neighbor %[1]s activate\n  neighbor %[1]s route-reflector-client\n", edge.Loopback(pe.N))
	}
	frr := m.P.FRR("router bgp 65000\n bgp router-id " + reflector + "\n no bgp default ipv4-unicast\n" + sessions.String() + " address-family l2vpn evpn\n" + families.String() + " exit-address-family\n")
	for _, pe := range m.PEs {
		pe.Daemon = pe.Core.OwnDaemon(pe.Config(reflector))
	}
	for name := range edge.Numbers {
		m.Reach(name, m.PEs[0], m.PEs[1])
		m.Reach(name, m.PEs[1], m.PEs[0])
	}
	for name, vni := range edge.Numbers {
		for _, pe := range m.PEs {
			for _, prefix := range []string{fmt.Sprintf("10.%d.0.0/24", pe.N), fmt.Sprintf("2001:db8:%d::/64", pe.N)} {
				lab.WaitFor(t, fmt.Sprintf("FRR has %s of %s", prefix, name), lab.Patience, func() string {
					shown := frr.Ask(fmt.Sprintf("show bgp l2vpn evpn rd 65000:%d%02d", vni, pe.N))
					at := strings.SplitN(prefix, "/", 2)
					route := fmt.Sprintf("[5]:[0]:[%s]:[%s]", at[1], at[0])
					_, of, is := strings.Cut(shown, route)
					if !is {
						return "it has not " + route + " in\n" + shown
					}
					of, _, _ = strings.Cut(of, "*>")
					for _, want := range []string{edge.Loopback(pe.N), fmt.Sprintf("RT:65000:%d", vni), "ET:8", "Rmac:" + pe.Tenants[name].MAC()} {
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
