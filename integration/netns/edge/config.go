package edge

import (
	"fmt"
	"net/netip"
	"strings"
)

// Labels are those that a PE may give its VRFs.
func Labels(n int) string { return fmt.Sprintf("%d-%d", 1000*n, 1000*n+99) }

// families are the families of the sessions in the core.
var families = map[By][]string{
	VXLAN:  {"l2vpn-evpn"},
	VXLAN6: {"l2vpn-evpn"},
	MPLS:   {"l3vpn-ipv4-unicast", "l3vpn-ipv6-unicast"},
	SRv6:   {"l3vpn-ipv4-unicast", "l3vpn-ipv6-unicast"},
}

// Config is the configuration of vrfredist at a PE, with sessions to what has these addresses, and
// with the VRFs of its tenants in the order that the PE has. A blank line is between its sections.
func (pe *PE) Config(neighbors ...string) string {
	var b strings.Builder
	fmt.Fprintf(&b, "[global.config]\n  as = %d\n  router-id = %q\n", pe.AS, Loopback(pe.N))
	for _, addr := range neighbors {
		b.WriteString(pe.Neighbor(addr))
	}
	for _, name := range pe.Order {
		fmt.Fprintf(&b, "\n[[vrfs]]\n  [vrfs.config]\n    name = %q\n    rd = %q\n    both-rt-list = [\"65000:%d\"]\n", name, pe.RD(name), Numbers[name])
	}
	fmt.Fprintf(&b, "\n[netlink]\n  manage_links = true\n\n[netlink.core]\n  interfaces = [\"core*\"]\n")
	switch pe.by {
	case MPLS:
		fmt.Fprintf(&b, "  source = %q\n\n[netlink.mpls]\n  labels = %q\n", Loopback(pe.N), Labels(pe.N))
	case SRv6:
		fmt.Fprintf(&b, "  source6 = %q\n\n[netlink.srv6]\n  locator = %q\n", Loopback6(pe.N), Locator(pe.N))
	case VXLAN6:
		fmt.Fprintf(&b, "  source6 = %q\n", Loopback6(pe.N))
	default:
		fmt.Fprintf(&b, "  source = %q\n", Loopback(pe.N))
	}
	for _, name := range pe.Order {
		if t := pe.Tenants[name]; t != nil {
			b.WriteString(section(t))
		}
	}
	return b.String()
}

// RD is that of a tenant's VRF at a PE.
func (pe *PE) RD(name string) string { return fmt.Sprintf("65000:%d%02d", Numbers[name], pe.N) }

// Neighbor is a session of the core. Of two PEs one waits for the other: GoBGP closes what comes in
// for five seconds after a connection was closed, and two of them can take turns in that for long.
func (pe *PE) Neighbor(addr string) string {
	as := pe.AS
	for _, o := range pe.net.PEs {
		if o.Addr() == addr {
			as = o.AS
		}
	}
	var b strings.Builder
	fmt.Fprintf(&b, `
[[neighbors]]
  [neighbors.config]
    neighbor-address = %q
    peer-as = %d
  [neighbors.timers.config]
    connect-retry = 1
    hold-time = 9
    keepalive-interval = 3
  [neighbors.transport.config]
    local-address = %q
    passive-mode = %t
  [neighbors.graceful-restart.config]
    enabled = true
    restart-time = 60
`, addr, as, pe.Addr(), addr < pe.Addr())
	if as != pe.AS {
		b.WriteString("  [neighbors.ebgp-multihop.config]\n    enabled = true\n    multihop-ttl = 3\n")
	}
	for _, f := range families[pe.by] {
		fmt.Fprintf(&b, "  [[neighbors.afi-safis]]\n    [neighbors.afi-safis.config]\n      afi-safi-name = %q\n    [neighbors.afi-safis.mp-graceful-restart.config]\n      enabled = true\n", f)
	}
	return b.String()
}

// NeighborAt is Neighbor with a session of another address of the PE's.
func (pe *PE) NeighborAt(addr, at netip.Addr) string {
	return strings.Replace(pe.Neighbor(addr.String()), pe.Addr(), at.String(), 1)
}

// section is the tenant's of [[netlink.vrfs]].
func section(t *Tenant) string {
	var b strings.Builder
	fmt.Fprintf(&b, "\n[[netlink.vrfs]]\n  name = %q\n  encap = %q\n", t.Name, t.PE.by.encap())
	if t.Device != "" {
		fmt.Fprintf(&b, "  device = %q\n", t.Device)
	} else {
		fmt.Fprintf(&b, "  netns = %q\n", t.NS.Name)
	}
	if t.PE.by.encap() == string(VXLAN) {
		fmt.Fprintf(&b, "  vni = %d\n", Numbers[t.Name])
	}
	if t.Link != "" {
		fmt.Fprintf(&b, "  core_link = %q\n", t.Link)
	}
	if t.CoreDevice != "" {
		fmt.Fprintf(&b, "  core_device = %q\n", t.CoreDevice)
	}
	if t.CoreTable != 0 {
		fmt.Fprintf(&b, "  core_table = %d\n", t.CoreTable)
	}
	b.WriteString(t.Keys)
	b.WriteString(`  [netlink.vrfs.import]
    enabled = true
    interface_list = ["lan*"]
  [netlink.vrfs.export]
    enabled = true
    max_paths = 4
`)
	return b.String()
}

// Without takes a tenant out of a configuration.
func Without(config, tenant string) string {
	var kept []string
	for _, s := range strings.Split(config, "\n\n") {
		head := strings.TrimSpace(s)
		of := strings.HasPrefix(head, "[[vrfs]]") || strings.HasPrefix(head, "[[netlink.vrfs]]")
		if !of || !strings.Contains(s, fmt.Sprintf("name = %q", tenant)) {
			kept = append(kept, s)
		}
	}
	return strings.Join(kept, "\n\n")
}
