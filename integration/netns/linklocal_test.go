package netns_test

import (
	"fmt"
	"testing"

	"github.com/vrfredist/vrfredist/integration/netns/lab"
)

// A neighbour inside a namespace who has nothing but a link-local address: what it
// sends goes out by the interface there, and in the tables of other namespaces, which
// may have one of that name, nowhere.
func TestLinkLocalNeighborInANamespace(t *testing.T) {
	t.Parallel()
	l := newLab(t, frr, "vtysh")
	rtr, a, b, home, other := l.Namespace("rtr"), l.Namespace("a"), l.Namespace("b"), l.Namespace("home"), l.Namespace("other")
	l.Subnet(a, "cust0", home, "eth0", "fe80::a:1/64")
	l.Link(b, "cust0", other, "eth0")
	l.Link(rtr, "cust0", other, "eth1")
	home.Router(`
frr defaults traditional
router bgp 65001
 bgp router-id 10.0.0.2
 no bgp ebgp-requires-policy
 no bgp network import-check
 neighbor fe80::a:1 remote-as 65000
 neighbor fe80::a:1 interface eth0
 neighbor fe80::a:1 timers 3 9
 neighbor fe80::a:1 timers connect 1
 address-family ipv6 unicast
  neighbor fe80::a:1 activate
  network 2001:db8:c::/48
 exit-address-family
`)
	vrf := func(name string, ns *lab.Namespace) string {
		rd := map[string]string{"vrf-a": rdA, "vrf-b": rdB}[name]
		return fmt.Sprintf("\n[[vrfs]]\n  [vrfs.config]\n    name = %q\n    rd = %q\n    import-rt-list = [%q, %q]\n    export-rt-list = [%q]\n", name, rd, rdA, rdB, rd) + bind(name, ns, exportAll)
	}
	daemon := rtr.Daemon(fmt.Sprintf(`
[global.config]
  as = 65000
  router-id = "10.0.0.1"

[[neighbors]]
  [neighbors.config]
    neighbor-address = "fe80::a:2%%cust0"
    peer-as = 65001
    vrf = "vrf-a"
    netns = %q
  [neighbors.transport.config]
    local-address = "fe80::a:1"
  [neighbors.timers.config]
    connect-retry = 1
`, a.Name) + vrf("vrf-a", a) + vrf("vrf-b", b))
	a.WaitOwn(lab.Main, "2001:db8:c::/48 via fe80::a:2 dev cust0 metric 20")
	waitVRFState(t, daemon, "vrf-b", "2001:db8:c::/48", "unresolved")
	lab.Equal(t, "routes of the daemon in the other tenant", []string{}, b.OwnEverywhere())
}

// waitVRFState waits for the state of a route of one VRF.
func waitVRFState(t *testing.T, d *lab.Daemon, vrf, prefix, state string) {
	t.Helper()
	lab.WaitEqual(t, "the state of "+prefix+" in "+vrf, state, func() string {
		for _, r := range d.RouteStates("export", "--vrf", vrf) {
			if r.Prefix == prefix {
				return r.State
			}
		}
		return "none"
	})
}
