package fabric

import (
	"fmt"
	"strings"

	"github.com/vrfredist/vrfredist/integration/netns/edge"
)

// Config is that of a PE's daemon: a session with each reflector, and every tenant as it is carried.
func (f *Fabric) Config(pe *PE) string {
	var b strings.Builder
	fmt.Fprintf(&b, "[global.config]\n  as = %d\n  router-id = %q\n", AS, VTEP(pe.N))
	local := VTEP(pe.N)
	if vpn(f) {
		local = edge.Loopback6(pe.N)
	}
	for _, r := range f.Reflectors {
		fmt.Fprintf(&b, `
[[neighbors]]
  [neighbors.config]
    neighbor-address = %q
    peer-as = %d
  [neighbors.timers.config]
    connect-retry = 1
  [neighbors.transport.config]
    local-address = %q
`, f.reflector(r.N), AS, local)
		for _, family := range f.families() {
			fmt.Fprintf(&b, "  [[neighbors.afi-safis]]\n    [neighbors.afi-safis.config]\n      afi-safi-name = %q\n", family)
		}
	}
	for t := range f.Carried {
		fmt.Fprintf(&b, "\n[[vrfs]]\n  [vrfs.config]\n    name = %q\n    rd = \"%s:%d\"\n    both-rt-list = [\"%d:%d\"]\n", Tenant(t), VTEP(pe.N), VNI(t), AS, VNI(t))
	}
	fmt.Fprintf(&b, "\n[netlink]\n  manage_links = true\n[netlink.core]\n  source = %q\n  interfaces = [\"core\"]\n", VTEP(pe.N))
	if has(f, edge.SRv6) {
		fmt.Fprintf(&b, "  source6 = %q\n[netlink.srv6]\n  locator = %q\n", edge.Loopback6(pe.N), edge.Locator(pe.N))
	}
	if has(f, edge.MPLS) {
		fmt.Fprintf(&b, "[netlink.mpls]\n  labels = %q\n", edge.Labels(pe.N))
	}
	for t, ns := range pe.Tenants {
		fmt.Fprintf(&b, "\n[[netlink.vrfs]]\n  name = %q\n  netns = %q\n  encap = %q\n%s", Tenant(t), ns.Name, f.Carried[t], f.keys(t))
	}
	return b.String()
}

// keys are those of a tenant's section that go by how it is carried, and what it imports and exports.
func (f *Fabric) keys(t int) string {
	var b strings.Builder
	from := "    interface_list = [\"lan\"]\n"
	switch f.Carried[t] {
	case edge.VXLAN:
		fmt.Fprintf(&b, "  vni = %d\n", VNI(t))
		from = "    interface_list = [\"lo\"]\n    addresses = true\n"
	case edge.MPLS:
		fmt.Fprintf(&b, "  core_link = %q\n  core_device = %q\n", coreLink(t), Tenant(t))
	case edge.SRv6:
		fmt.Fprintf(&b, "  core_link = %q\n  trusted = true\n", coreLink(t))
	}
	b.WriteString("  [netlink.vrfs.import]\n    enabled = true\n" + from + "  [netlink.vrfs.export]\n    enabled = true\n")
	return b.String()
}

// families are those of the sessions with the reflectors.
func (f *Fabric) families() (list []string) {
	if has(f, edge.VXLAN) {
		list = append(list, "l2vpn-evpn")
	}
	if vpn(f) {
		list = append(list, "l3vpn-ipv4-unicast", "l3vpn-ipv6-unicast")
	}
	return list
}

// reflector is the address that a session with a reflector has: by SRv6 the nexthop of an IPv4 VPN
// route is an IPv6 address, which takes a session over IPv6 (RFC 8950).
func (f *Fabric) reflector(r int) string {
	if vpn(f) {
		return reflectorAddr6(r)
	}
	return ReflectorAddr(r)
}

// reflects is the configuration of a reflector of this fabric.
func (f *Fabric) reflects(r int) string {
	if !vpn(f) {
		return Reflects(ReflectorAddr(r))
	}
	var b strings.Builder
	fmt.Fprintf(&b, "router bgp %d\n bgp router-id %s\n no bgp default ipv4-unicast\n neighbor pe peer-group\n neighbor pe remote-as %d\n", AS, ReflectorAddr(r), AS)
	b.WriteString(" bgp listen range fd00:255::/64 peer-group pe\n")
	if !has(f, edge.MPLS) {
		// With it FRR gives each IPv4 VPN route that it sends an IPv6 nexthop, and its own address where
		// the route has an IPv4 one. Without it takes and sends either as it is.
		b.WriteString(" neighbor pe capability extended-nexthop\n")
	}
	for _, family := range []string{"l2vpn evpn", "ipv4 vpn", "ipv6 vpn"} {
		fmt.Fprintf(&b, " address-family %s\n  neighbor pe activate\n  neighbor pe route-reflector-client\n exit-address-family\n", family)
	}
	return b.String()
}

// Reflects is the configuration of FRR's bgpd as a reflector of EVPN with a router id: it takes a
// session from every PE.
func Reflects(id string) string {
	return fmt.Sprintf(`router bgp %d
 bgp router-id %s
 no bgp default ipv4-unicast
 neighbor pe peer-group
 neighbor pe remote-as %d
 bgp listen range 10.255.0.0/24 peer-group pe
 address-family l2vpn evpn
  neighbor pe activate
  neighbor pe route-reflector-client
 exit-address-family
`, AS, id, AS)
}
