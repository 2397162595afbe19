package netns_test

import (
	"fmt"
	"sort"
	"strings"
	"testing"

	"github.com/vrfredist/vrfredist/integration/netns/lab"
)

// tenants is the network of most tests: a router, an upstream router that
// speaks BGP, and two tenants that use the same addresses, each with a host
// behind both of its interfaces.
//
//	up (FRR, AS 65100)           10.0.0.2  2001:db8::2
//	 |
//	rtr (vrfredist, AS 65000)    10.0.0.1  2001:db8::1
//
//	a, b (tenants)  eth0  192.168.1.1/24  2001:db8:1::1/64
//	                eth1  192.168.2.1/24  2001:db8:2::1/64
//	host-a, host-b  eth0  .2, eth1 .2
type tenants struct {
	*lab.Lab
	rtr, up, a, b, hostA, hostB *lab.Namespace
	peer                        *lab.FRR
	daemon                      *lab.Daemon
}

const (
	rdA, rdB = "65000:10", "65000:20" // also their route targets
	upAddr   = "10.0.0.2"
	rtrAddr  = "10.0.0.1"
)

// newTenants builds the network without the daemon.
func newTenants(t *testing.T) *tenants {
	t.Helper()
	l := newLab(t, frr, "vtysh")
	n := &tenants{Lab: l,
		rtr: l.Namespace("rtr"), up: l.Namespace("up"),
		a: l.Namespace("a"), b: l.Namespace("b"),
		hostA: l.Namespace("host-a"), hostB: l.Namespace("host-b"),
	}
	l.Subnet(n.rtr, "eth0", n.up, "eth0", rtrAddr+"/24", "2001:db8::1/64")
	n.wire(n.a, n.hostA)
	n.wire(n.b, n.hostB)
	n.peer = n.up.FRR(upstreamConfig)
	return n
}

// wire joins a tenant to its host, with the same addresses for every tenant.
func (n *tenants) wire(tenant, host *lab.Namespace) {
	for i, dev := range []string{"eth0", "eth1"} {
		n.Subnet(tenant, dev, host, dev, fmt.Sprintf("192.168.%d.1/24", i+1), fmt.Sprintf("2001:db8:%d::1/64", i+1))
	}
}

// start starts the daemon and waits for its session with the upstream router.
func (n *tenants) start(config string) {
	n.T.Helper()
	n.daemon = n.rtr.Daemon(config)
	n.waitSession()
}

func (n *tenants) waitSession() {
	n.T.Helper()
	lab.WaitFor(n.T, "the BGP session with the upstream router", 2*lab.Patience, func() string {
		if !n.peer.Established(rtrAddr) {
			return "not established"
		}
		return ""
	})
}

const upstreamConfig = `
frr defaults traditional
hostname up
bgp route-map delay-timer 1
route-map OUT permit 100
router bgp 65100
 bgp router-id 10.0.0.2
 no bgp ebgp-requires-policy
 no bgp network import-check
 neighbor 10.0.0.1 remote-as 65000
 neighbor 10.0.0.1 timers 3 9
 neighbor 10.0.0.1 timers connect 1
 address-family ipv4 vpn
  neighbor 10.0.0.1 activate
  neighbor 10.0.0.1 route-map OUT out
  neighbor 10.0.0.1 attribute-unchanged next-hop
 exit-address-family
 address-family ipv6 vpn
  neighbor 10.0.0.1 activate
  neighbor 10.0.0.1 route-map OUT out
  neighbor 10.0.0.1 attribute-unchanged next-hop
 exit-address-family
`

// routerConfig is the part of vrfredist's configuration that all tests with an
// upstream router share: a VPN session and the two tenants' VRFs.
const routerConfig = `
[global.config]
  as = 65000
  router-id = "10.0.0.1"

[[neighbors]]
  [neighbors.config]
    neighbor-address = "10.0.0.2"
    peer-as = 65100
  [neighbors.timers.config]
    connect-retry = 1
    hold-time = 9
    keepalive-interval = 3
  [[neighbors.afi-safis]]
    [neighbors.afi-safis.config]
      afi-safi-name = "l3vpn-ipv4-unicast"
  [[neighbors.afi-safis]]
    [neighbors.afi-safis.config]
      afi-safi-name = "l3vpn-ipv6-unicast"

[[vrfs]]
  [vrfs.config]
    name = "vrf-a"
    rd = "65000:10"
    both-rt-list = ["65000:10"]

[[vrfs]]
  [vrfs.config]
    name = "vrf-b"
    rd = "65000:20"
    both-rt-list = ["65000:20"]
`

// bind is the section that binds a VRF to a namespace, with more lines of it.
func bind(vrf string, ns *lab.Namespace, lines ...string) string {
	return fmt.Sprintf("\n[[netlink.vrfs]]\n  name = %q\n  netns = %q\n  %s\n", vrf, ns.Name, strings.Join(lines, "\n  "))
}

// Sections of a bound VRF.
const (
	importAll = "[netlink.vrfs.import]\n    enabled = true\n    interface_list = [\"eth*\"]"
	exportAll = "[netlink.vrfs.export]\n    enabled = true"
)

// both is the configuration of two tenants that import and export everything.
func (n *tenants) both() string {
	return routerConfig + bind("vrf-a", n.a, importAll, exportAll) + bind("vrf-b", n.b, importAll, exportAll)
}

// connected is what a tenant announces of its interfaces: an IPv4 route's
// metric is 0 there, the kernel gives IPv6 ones 256.
func connected(rd string, devices ...int) map[string][]string {
	routes := map[string][]string{}
	for _, i := range devices {
		routes["ipv4"] = append(routes["ipv4"], fmt.Sprintf("%s 192.168.%d.0/24 med 0", rd, i+1))
		routes["ipv6"] = append(routes["ipv6"], fmt.Sprintf("%s 2001:db8:%d::/64 med 256", rd, i+1))
	}
	return routes
}

// waitAnnounced waits until the upstream router has exactly these routes.
func (n *tenants) waitAnnounced(want ...map[string][]string) {
	n.T.Helper()
	for _, family := range []string{"ipv4", "ipv6"} {
		lines := []string{}
		for _, w := range want {
			lines = append(lines, w[family]...)
		}
		sort.Strings(lines)
		lab.WaitEqual(n.T, "what the upstream router has of "+family+" VPN", lines,
			func() []string { return n.peer.VPN(family, rtrAddr) })
	}
}
