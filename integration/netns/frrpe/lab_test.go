package frrpe_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/vrfredist/vrfredist/integration/netns/lab"
	"github.com/vrfredist/vrfredist/integration/vm/need"
)

// network is vrfredist as PE 1 and FRR as PE 2 around a router that knows their loopbacks and
// nothing else. Both have the tenants red and blue, with the same prefixes, and a host of each.
//
//	core of PE n: core 10.0.n.1, lo 10.255.0.n
//	its tenants:  lan-red, lan-blue 10.n.0.1 and 2001:db8:n::1; hosts .10 and ::10
type network struct {
	*lab.Lab
	p         *lab.Namespace
	wire      *lab.VXLANs // before vrfredist
	ours, frr *pe
	daemon    *lab.Daemon
	peer      *lab.FRRPE
}

type pe struct {
	n       int
	core    *lab.Namespace
	tenants map[string]*tenant
}

// vnis are the tenants, and what they have on the wire.
var vnis = map[string]int{"red": 100, "blue": 200}

// others are the tenants that packets must not come to.
var others = map[string]string{"red": "blue", "blue": "red"}

// newNetwork builds the network without vrfredist and FRR.
func newNetwork(t *testing.T, programs ...string) *network {
	t.Helper()
	l := newLab(t, programs...)
	n := &network{Lab: l, p: l.Namespace("p")}
	forwards(n.p)
	devices := need.HasVRF()
	n.ours, n.frr = n.pe(1), n.pe(2)
	n.tenant(n.ours, "red", devices)
	n.tenant(n.ours, "blue", false)
	for name, vni := range vnis {
		bridged(n.tenant(n.frr, name, devices), vni)
	}
	n.wire = lab.ReadVXLANs(n.p, "c1")
	return n
}

func vtep(n int) string { return fmt.Sprintf("10.255.0.%d", n) }

func forwards(n *lab.Namespace) {
	n.Sysctl("ipv4.ip_forward", "1")
	n.Sysctl("ipv6.conf.all.forwarding", "1")
}

// pe makes the core namespace of a PE.
func (n *network) pe(number int) *pe {
	e := &pe{n: number, core: n.Namespace(fmt.Sprintf("pe%d", number)), tenants: map[string]*tenant{}}
	forwards(e.core)
	n.Subnet(e.core, "core", n.p, fmt.Sprintf("c%d", number), fmt.Sprintf("10.0.%d.1/24", number))
	e.core.Address("lo", vtep(number)+"/32")
	e.core.IP("route", "add", "10.255.0.0/24", "via", fmt.Sprintf("10.0.%d.2", number), "src", vtep(number))
	n.p.IP("route", "add", vtep(number)+"/32", "via", fmt.Sprintf("10.0.%d.1", number))
	return e
}

// tenant gives a PE a tenant, a VRF device or a namespace, with a host.
func (n *network) tenant(e *pe, name string, device bool) *tenant {
	t := &tenant{t: n.T, pe: e, name: name, ns: e.core, table: lab.Main, host: n.Namespace(fmt.Sprintf("h-%s%d", name, e.n))}
	if device {
		t.device, t.table = name, 1000+vnis[name]
		e.core.VRF(name, t.table)
	} else {
		t.ns = n.Namespace(fmt.Sprintf("t-%s%d", name, e.n))
		forwards(t.ns)
	}
	n.Link(t.ns, t.lan(), t.host, "eth0")
	t.enslave(t.lan())
	t.ns.Address(t.lan(), fmt.Sprintf("10.%d.0.1/24", e.n), fmt.Sprintf("2001:db8:%d::1/64", e.n))
	t.host.Address("eth0", host(e.n, false)+"/24", host(e.n, true)+"/64")
	t.host.IP("route", "add", "default", "via", fmt.Sprintf("10.%d.0.1", e.n))
	t.host.IP("-6", "route", "add", "default", "via", fmt.Sprintf("2001:db8:%d::1", e.n))
	e.tenants[name] = t
	return t
}

// bridged gives a tenant of FRR what FRR needs: a bridge with the router's MAC address, and the
// VXLAN device in it, which is made in the core and moved.
func bridged(t *tenant, vni int) {
	vx, br := fmt.Sprintf("vx%d", vni), fmt.Sprintf("br%d", vni)
	t.pe.core.IP("link", "add", vx, "type", "vxlan", "id", fmt.Sprint(vni), "local", vtep(t.pe.n), "dstport", "4789", "nolearning")
	if t.ns != t.pe.core {
		t.pe.core.IP("link", "set", vx, "netns", t.ns.Name)
	}
	t.ns.IP("link", "add", br, "type", "bridge", "stp_state", "0")
	t.ns.IP("link", "set", br, "address", frrMAC(t.name), "addrgenmode", "none")
	t.enslave(br)
	t.ns.Batch("link set "+br+" up", "link set "+vx+" mtu 1450 addrgenmode none master "+br, "link set "+vx+" up")
}

// frrMAC is FRR's address for a tenant.
func frrMAC(name string) string { return fmt.Sprintf("02:00:00:00:02:%02x", vnis[name]) }

// host is the address of a PE's host of any tenant.
func host(n int, ipv6 bool) string {
	if ipv6 {
		return fmt.Sprintf("2001:db8:%d::10", n)
	}
	return fmt.Sprintf("10.%d.0.10", n)
}

// start starts vrfredist and FRR, and waits until both tenants reach each other.
func (n *network) start(more ...string) {
	n.T.Helper()
	n.peer = lab.StartFRRPE(n.frr.core, n.frrConfig(), vnis, n.frrNamespaces())
	n.daemon = n.ours.core.Daemon(n.config(vtep(2))+strings.Join(more, ""), "--graceful-restart")
	for name := range vnis {
		n.reach(name)
	}
}

// frrNamespaces are FRR's tenants where those are namespaces.
func (n *network) frrNamespaces() map[string]*lab.Namespace {
	if n.frr.tenants["red"].device != "" {
		return nil
	}
	namespaces := map[string]*lab.Namespace{}
	for name, t := range n.frr.tenants {
		namespaces[name] = t.ns
	}
	return namespaces
}

// frrConfig is bgpd's, with a session to vrfredist.
func (n *network) frrConfig() string {
	var b strings.Builder
	fmt.Fprintf(&b, `frr defaults traditional
router bgp 65000
 bgp router-id 10.255.0.2
 no bgp default ipv4-unicast
 neighbor 10.255.0.1 remote-as 65000
 neighbor 10.255.0.1 update-source 10.255.0.2
 neighbor 10.255.0.1 timers 3 9
 neighbor 10.255.0.1 timers connect 1
 address-family l2vpn evpn
  neighbor 10.255.0.1 activate
  advertise-all-vni
 exit-address-family
`)
	for name, vni := range vnis {
		fmt.Fprintf(&b, `router bgp 65000 vrf %s
 bgp router-id 10.255.0.2
 no bgp network import-check
 address-family ipv4 unicast
  redistribute connected
 exit-address-family
 address-family ipv6 unicast
  redistribute connected
 exit-address-family
 address-family l2vpn evpn
  advertise ipv4 unicast
  advertise ipv6 unicast
  rd 65000:%d02
  route-target import 65000:%d
  route-target export 65000:%d
 exit-address-family
`, name, vni, vni, vni)
	}
	return b.String()
}

// config is vrfredist's, with sessions to these PEs or reflectors.
func (n *network) config(neighbors ...string) string {
	var b strings.Builder
	fmt.Fprintf(&b, "[global.config]\n  as = 65000\n  router-id = %q\n", vtep(n.ours.n))
	for _, addr := range neighbors {
		b.WriteString(neighbor(addr, vtep(n.ours.n)))
	}
	fmt.Fprintf(&b, "\n[netlink]\n  manage_links = true\n[netlink.core]\n  source = %q\n  interfaces = [\"core\"]\n", vtep(n.ours.n))
	for _, name := range []string{"red", "blue"} {
		t, vni := n.ours.tenants[name], vnis[name]
		binding := fmt.Sprintf("netns = %q", t.ns.Name)
		if t.device != "" {
			binding = fmt.Sprintf("device = %q", t.device)
		}
		fmt.Fprintf(&b, `
[[vrfs]]
  [vrfs.config]
    name = %q
    rd = "65000:%d01"
    both-rt-list = ["65000:%d"]
[[netlink.vrfs]]
  name = %q
  %s
  encap = "vxlan"
  vni = %d
  [netlink.vrfs.import]
    enabled = true
    interface_list = ["lan*"]
  [netlink.vrfs.export]
    enabled = true
    max_paths = 4
`, name, vni, vni, name, binding, vni)
	}
	return b.String()
}

// neighbor is a session of the core, from an address of this router.
func neighbor(addr, from string) string {
	return fmt.Sprintf(`
[[neighbors]]
  [neighbors.config]
    neighbor-address = %q
    peer-as = 65000
  [neighbors.timers.config]
    connect-retry = 1
    hold-time = 9
    keepalive-interval = 3
  [neighbors.transport.config]
    local-address = %q
  [neighbors.graceful-restart.config]
    enabled = true
    restart-time = 60
  [[neighbors.afi-safis]]
    [neighbors.afi-safis.config]
      afi-safi-name = "l2vpn-evpn"
    [neighbors.afi-safis.mp-graceful-restart.config]
      enabled = true
`, addr, from)
}

// reach waits until the hosts of a tenant reach each other, in both families.
func (n *network) reach(name string) {
	n.T.Helper()
	for _, six := range []bool{false, true} {
		n.ours.tenants[name].host.WaitPing("", host(2, six))
		n.frr.tenants[name].host.WaitPing("", host(1, six))
	}
}
