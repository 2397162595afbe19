package fabric

import (
	"fmt"
	"strings"
)

// Config is that of a PE's daemon: a session with each reflector, and every tenant by VXLAN.
func (f *Fabric) Config(pe *PE) string {
	var b strings.Builder
	fmt.Fprintf(&b, "[global.config]\n  as = %d\n  router-id = %q\n", AS, VTEP(pe.N))
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
  [[neighbors.afi-safis]]
    [neighbors.afi-safis.config]
      afi-safi-name = "l2vpn-evpn"
`, ReflectorAddr(r.N), AS, VTEP(pe.N))
	}
	for t := range pe.Tenants {
		fmt.Fprintf(&b, "\n[[vrfs]]\n  [vrfs.config]\n    name = %q\n    rd = \"%s:%d\"\n    both-rt-list = [\"%d:%d\"]\n", Tenant(t), VTEP(pe.N), VNI(t), AS, VNI(t))
	}
	fmt.Fprintf(&b, "\n[netlink]\n  manage_links = true\n[netlink.core]\n  source = %q\n  interfaces = [\"core\"]\n", VTEP(pe.N))
	for t, ns := range pe.Tenants {
		fmt.Fprintf(&b, `
[[netlink.vrfs]]
  name = %q
  netns = %q
  encap = "vxlan"
  vni = %d
  [netlink.vrfs.import]
    enabled = true
    interface_list = ["lo"]
    addresses = true
  [netlink.vrfs.export]
    enabled = true
`, Tenant(t), ns.Name, VNI(t))
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
