package edge

import (
	"fmt"
	"strings"

	"github.com/vrfredist/vrfredist/integration/netns/lab"
)

// StartFRR starts FRR at a PE, with sessions to these others. Its tenants are VRF devices.
func StartFRR(n *Network, pe *PE, to ...*PE) {
	n.T.Helper()
	is := lab.PEConfig{BGP: bgpd(pe, to)}
	if n.By == SRv6 {
		// A packet that FRR has put into SRv6 is looked up in the VRF's table, which knows no SID.
		pe.Core.IP("-6", "rule", "add", "pref", "900", "to", "fd00::/16", "lookup", "main")
		is.Zebra = []string{"segment-routing", "srv6", "locators", "locator core", "prefix " + Locator(pe.N)}
	} else {
		for _, o := range to {
			is.Static = append(is.Static, fmt.Sprintf("ip route %s/32 10.0.%d.2 label %d", Loopback(o.N), pe.N, Transport(o.N)))
		}
	}
	pe.FRR = lab.StartFRRPE(pe.Core, is)
}

// bgpd is the configuration of FRR's bgpd.
func bgpd(pe *PE, to []*PE) string {
	var b strings.Builder
	b.WriteString("frr defaults traditional\n")
	if pe.by == MPLS {
		b.WriteString("interface core\n mpls bgp forwarding\nexit\n")
	}
	fmt.Fprintf(&b, "router bgp %d\n bgp router-id %s\n no bgp default ipv4-unicast\n no bgp ebgp-requires-policy\n", pe.AS, Loopback(pe.N))
	var active strings.Builder
	for _, o := range to {
		fmt.Fprintf(&b, " neighbor %[1]s remote-as %[3]d\n neighbor %[1]s update-source %[2]s\n neighbor %[1]s timers 3 9\n neighbor %[1]s timers connect 1\n", o.Addr(), pe.Addr(), o.AS)
		if o.AS != pe.AS {
			fmt.Fprintf(&b, " neighbor %s ebgp-multihop 3\n", o.Addr())
		}
		if pe.by == SRv6 {
			fmt.Fprintf(&b, " neighbor %s capability extended-nexthop\n", o.Addr())
		}
		fmt.Fprintf(&active, "  neighbor %s activate\n", o.Addr())
	}
	if pe.by == SRv6 {
		b.WriteString(" segment-routing srv6\n  locator core\n exit\n")
	}
	for _, f := range []string{"ipv4", "ipv6"} {
		b.WriteString(" address-family " + f + " vpn\n" + active.String() + " exit-address-family\n")
	}
	b.WriteString("exit\n")
	for _, name := range Names() {
		if pe.Tenants[name] != nil {
			b.WriteString(bgpVRF(pe, name))
		}
	}
	return b.String()
}

func bgpVRF(pe *PE, name string) string {
	var b strings.Builder
	number := map[By]string{MPLS: "label vpn export auto", SRv6: "sid vpn export auto"}[pe.by]
	fmt.Fprintf(&b, "router bgp %d vrf %s\n bgp router-id %s\n no bgp network import-check\n", pe.AS, name, Loopback(pe.N))
	for _, f := range []string{"ipv4", "ipv6"} {
		fmt.Fprintf(&b, " address-family %s unicast\n  redistribute connected\n  %s\n  rd vpn export %s\n  rt vpn both 65000:%d\n  export vpn\n  import vpn\n exit-address-family\n",
			f, number, pe.RD(name), Numbers[name])
	}
	b.WriteString("exit\n")
	return b.String()
}
