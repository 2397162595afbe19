package edge

import (
	"fmt"
	"strings"
)

// StartBIRD starts BIRD at a PE, with sessions to these others. Its tenants are VRF devices, and the
// core's packets have labels: BIRD has no L3VPN by SRv6.
func StartBIRD(n *Network, pe *PE, to ...*PE) {
	n.T.Helper()
	pe.Core.Trust()
	pe.BIRD = pe.Core.BIRD(birdPE(pe, to))
}

// birdPE is BIRD's configuration. What it knows of the core is how to reach the other PEs by the
// transport labels, which it puts before the VPN's where it resolves a nexthop.
func birdPE(pe *PE, to []*PE) string {
	var b strings.Builder
	fmt.Fprintf(&b, `router id %s;
log stderr all;
mpls domain labels;
mpls table labels_in;
protocol device {}
protocol kernel kernel_labels { mpls { table labels_in; export all; }; }
vpn4 table vpn_4;
vpn6 table vpn_6;
protocol static core_labels {
  ipv4;
`, Loopback(pe.N))
	for _, o := range to {
		fmt.Fprintf(&b, "  route %s/32 via 10.0.%d.2 mpls %d;\n", Loopback(o.N), pe.N, Transport(o.N))
	}
	b.WriteString("}\n")
	for _, o := range to {
		// RFC 4659, 3.2.1.2: the nexthop of an IPv6 VPN route is an IPv4 one mapped into IPv6.
		fmt.Fprintf(&b, `protocol bgp pe%d {
  local %s as 65000;
  neighbor %s as 65000;
  connect retry time 1;
  error wait time 1, 2;
  hold time 9;
  vpn4 mpls { table vpn_4; igp table master4; import all; export all; };
  vpn6 mpls { table vpn_6; igp table master4; extended next hop; import all; export all; };
  mpls { label policy aggregate; };
}
`, o.N, Loopback(pe.N), Loopback(o.N))
	}
	for _, name := range Names() {
		if pe.Tenants[name] != nil {
			b.WriteString(birdVRF(pe.Tenants[name]))
		}
	}
	return b.String()
}

// birdVRF is the part of a tenant, a VRF device.
func birdVRF(t *Tenant) string {
	return fmt.Sprintf(`ipv4 table %[1]s_4;
ipv6 table %[1]s_6;
protocol direct direct_%[1]s {
  vrf %[2]q;
  interface %[3]q;
  ipv4 { table %[1]s_4; };
  ipv6 { table %[1]s_6; };
}
protocol kernel kernel_%[1]s_4 {
  vrf %[2]q;
  kernel table %[4]d;
  ipv4 { table %[1]s_4; export where source = RTS_L3VPN; };
}
protocol kernel kernel_%[1]s_6 {
  vrf %[2]q;
  kernel table %[4]d;
  ipv6 { table %[1]s_6; export where source = RTS_L3VPN; };
}
protocol l3vpn vpn_%[1]s {
  vrf %[2]q;
  ipv4 { table %[1]s_4; };
  ipv6 { table %[1]s_6; };
  vpn4 { table vpn_4; };
  vpn6 { table vpn_6; };
  mpls { label policy vrf; };
  rd %[5]s;
  route target (rt, 65000, %[6]d);
}
`, t.Name, t.Device, t.Lan(), t.Table, t.PE.RD(t.Name), Numbers[t.Name])
}
