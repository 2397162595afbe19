package netns_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/vrfredist/vrfredist/integration/netns/lab"
)

// telling is a router that tells FRR what it originates: in the global table, and in a VRF in
// a namespace. BIRD is another neighbour, of whose routes that is made.
//
//	customer (BIRD, AS 65101)  eth0 ── lan0  rtr  far0 ── eth0  hears (FRR, AS 65200)
type telling struct {
	*lab.Lab
	at       *lab.Namespace // of the VRF
	rtr      *lab.Namespace // of the daemon
	vrf      string
	customer *lab.BIRD
	hears    *lab.FRR
	daemon   *lab.Daemon
}

func newTelling(t *testing.T, vrf string) *telling {
	t.Helper()
	l := newLab(t, bird, frr, "vtysh")
	x := &telling{Lab: l, vrf: vrf, rtr: l.Namespace("rtr")}
	x.at = x.rtr
	if vrf != "default" {
		x.at = l.Namespace(vrf)
	}
	home, far := l.Namespace("home"), l.Namespace("far")
	l.Subnet(x.at, "lan0", home, "eth0", "192.168.1.1/24", "2001:db8:1::1/64")
	l.Subnet(x.at, "far0", far, "eth0", "192.168.2.1/24", "2001:db8:2::1/64")
	x.customer = home.BIRD(leakBIRD(65101, "192.168.1.1", "2001:db8:1::1"))
	x.hears = far.FRR(`
frr defaults traditional
router bgp 65200
 bgp router-id 192.0.2.9
 no bgp ebgp-requires-policy
 neighbor 192.168.2.1 remote-as 65000
 neighbor 192.168.2.1 timers connect 1
 neighbor 2001:db8:2::1 remote-as 65000
 neighbor 2001:db8:2::1 timers connect 1
 address-family ipv4 unicast
  no neighbor 2001:db8:2::1 activate
 exit-address-family
 address-family ipv6 unicast
  neighbor 2001:db8:2::1 activate
 exit-address-family
`)
	return x
}

// config is the daemon's, with what bgp says of the VRF.
func (x *telling) config(bgp string) string {
	c := "[global.config]\n  as = 65000\n  router-id = \"10.0.0.1\"\n"
	in, home := "", ""
	if x.vrf != "default" {
		c += fmt.Sprintf("[[vrfs]]\n  [vrfs.config]\n    name = %q\n    rd = \"65000:1\"\n    both-rt-list = [\"65000:1\"]\n", x.vrf)
		in = fmt.Sprintf("    vrf = %q\n    netns = %q\n", x.vrf, x.at.Name)
		home = fmt.Sprintf("  netns = %q\n", x.at.Name)
	}
	c += leakNeighbor("192.168.1.2", "192.168.1.1", 65101, "ipv4", in) + leakNeighbor("2001:db8:1::2", "2001:db8:1::1", 65101, "ipv6", in)
	c += leakNeighbor("192.168.2.2", "192.168.2.1", 65200, "ipv4", in) + leakNeighbor("2001:db8:2::2", "2001:db8:2::1", 65200, "ipv6", in)
	return c + fmt.Sprintf("[netlink]\n  sweep_delay = \"0s\"\n[[netlink.vrfs]]\n  name = %q\n%s  [netlink.vrfs.export]\n    enabled = true\n%s", x.vrf, home, bgp)
}

// announces has the customer announce prefixes, and no others.
func (x *telling) announces(prefixes ...string) {
	x.customer.Reconfigure(leakBIRD(65101, "192.168.1.1", "2001:db8:1::1", prefixes...))
}

func (x *telling) heard(v4, v6 []string) {
	x.T.Helper()
	lab.WaitEqual(x.T, "what FRR hears of IPv4", v4, func() []string { return x.hears.Unicast("ipv4", "192.168.2.1") })
	lab.WaitEqual(x.T, "what FRR hears of IPv6", v6, func() []string { return x.hears.Unicast("ipv6", "2001:db8:2::1") })
}

// TestAggregates after FRR's bgp_aggregate: an aggregate is there as long as a member is, with
// its own attributes; a route discards what no member takes.
func TestAggregates(t *testing.T) {
	t.Parallel()
	for _, vrf := range []string{"default", "red"} {
		t.Run(vrf, func(t *testing.T) {
			t.Parallel()
			x := newTelling(t, vrf)
			const sections = `  [[netlink.vrfs.bgp.aggregates]]
    prefix = "10.0.0.0/8"
    communities = ["65000:8"]
    med = 7
  [[netlink.vrfs.bgp.aggregates]]
    prefix = "2001:db8:a00::/40"
    discard = false
`
			x.daemon = x.rtr.Daemon(x.config(sections))
			x.heard([]string{}, []string{})
			x.at.WaitOwn(lab.Main)

			x.announces("10.1.0.0/16", "11.0.0.0/16", "2001:db8:a01::/48")
			x.heard([]string{"10.0.0.0/8", "10.1.0.0/16", "11.0.0.0/16"}, []string{"2001:db8:a00::/40", "2001:db8:a01::/48"})
			members := []string{"10.1.0.0/16 via 192.168.1.2 dev lan0 metric 20", "11.0.0.0/16 via 192.168.1.2 dev lan0 metric 20", "2001:db8:a01::/48 via 2001:db8:1::2 dev lan0 metric 20"}
			x.at.WaitOwn(lab.Main, append([]string{"blackhole 10.0.0.0/8 metric 20"}, members...)...)
			for _, want := range []string{"65000:8", "metric 7", "IGP"} {
				if said := x.hears.Ask("show bgp ipv4 unicast 10.0.0.0/8"); !strings.Contains(said, want) {
					t.Errorf("FRR does not have the aggregate with %q:\n%s", want, said)
				}
			}

			x.announces("10.1.0.0/16", "10.2.0.0/16")
			x.heard([]string{"10.0.0.0/8", "10.1.0.0/16", "10.2.0.0/16"}, []string{})
			x.announces("10.2.0.0/16") // one of two goes
			x.heard([]string{"10.0.0.0/8", "10.2.0.0/16"}, []string{})
			x.announces("10.0.0.0/8") // the aggregate itself is no member of it
			x.at.WaitOwn(lab.Main, "10.0.0.0/8 via 192.168.1.2 dev lan0 metric 20")
			x.heard([]string{"10.0.0.0/8"}, []string{})
			if said := x.hears.Ask("show bgp ipv4 unicast 10.0.0.0/8"); strings.Contains(said, "65000:8") {
				t.Errorf("without a member FRR has the aggregate:\n%s", said)
			}
			x.announces("10.1.0.0/16")
			x.heard([]string{"10.0.0.0/8", "10.1.0.0/16"}, []string{})
			x.daemon.Reload(x.config(""))
			x.heard([]string{"10.1.0.0/16"}, []string{})
			x.at.WaitOwn(lab.Main, "10.1.0.0/16 via 192.168.1.2 dev lan0 metric 20")
			x.daemon.Reload(x.config(sections))
			x.heard([]string{"10.0.0.0/8", "10.1.0.0/16"}, []string{})
			x.announces()
			x.heard([]string{}, []string{})
			x.at.WaitOwn(lab.Main)
		})
	}
}

// TestSuppressedMembers: neighbours hear of the aggregate alone, whoever has its members: a
// neighbour, the kernel, or a network of the configuration.
func TestSuppressedMembers(t *testing.T) {
	t.Parallel()
	for _, vrf := range []string{"default", "red"} {
		t.Run(vrf, func(t *testing.T) {
			t.Parallel()
			x := newTelling(t, vrf)
			config := func(suppress bool, more string) string {
				return x.config(fmt.Sprintf("  [netlink.vrfs.import]\n    enabled = true\n    interface_list = [\"lan*\"]\n    protocols = [\"static\"]\n"+
					"  [[netlink.vrfs.bgp.aggregates]]\n    prefix = \"10.0.0.0/8\"\n    suppress = %v\n"+more, suppress))
			}
			x.daemon = x.rtr.Daemon(config(true, ""))
			x.announces("10.1.0.0/16", "11.0.0.0/16")
			x.heard([]string{"10.0.0.0/8", "11.0.0.0/16"}, []string{})
			x.at.WaitOwn(lab.Main, "blackhole 10.0.0.0/8 metric 20", "10.1.0.0/16 via 192.168.1.2 dev lan0 metric 20", "11.0.0.0/16 via 192.168.1.2 dev lan0 metric 20")
			x.announces("11.0.0.0/16")
			x.heard([]string{"11.0.0.0/16"}, []string{})
			x.at.IP("route", "add", "10.3.0.0/16", "via", "192.168.1.2", "proto", "static")
			x.heard([]string{"10.0.0.0/8", "11.0.0.0/16"}, []string{})
			x.daemon.Reload(config(false, ""))
			x.heard([]string{"10.0.0.0/8", "10.3.0.0/16", "11.0.0.0/16"}, []string{})
			x.announces("10.1.0.0/16")
			x.heard([]string{"10.0.0.0/8", "10.1.0.0/16", "10.3.0.0/16"}, []string{})
			x.daemon.Reload(config(true, ""))
			x.heard([]string{"10.0.0.0/8"}, []string{})
			x.at.IP("route", "del", "10.3.0.0/16")
			x.announces()
			x.heard([]string{}, []string{})
			x.daemon.Reload(config(true, "  [[netlink.vrfs.bgp.networks]]\n    prefix = \"10.4.0.0/16\"\n"))
			x.heard([]string{"10.0.0.0/8"}, []string{})
		})
	}
}

// TestConditions after FRR's bgp_conditional_advertisement: networks are announced always, and
// some of them while another prefix is there, or is not.
func TestConditions(t *testing.T) {
	t.Parallel()
	for _, vrf := range []string{"default", "red"} {
		t.Run(vrf, func(t *testing.T) {
			t.Parallel()
			x := newTelling(t, vrf)
			const networks = `  [[netlink.vrfs.bgp.networks]]
    prefix = "203.0.113.0/24"
    communities = ["65000:3"]
  [[netlink.vrfs.bgp.networks]]
    prefix = "198.51.100.0/24"
  [[netlink.vrfs.bgp.networks]]
    prefix = "2001:db8:f00::/40"
`
			x.daemon = x.rtr.Daemon(x.config(networks))
			x.heard([]string{"198.51.100.0/24", "203.0.113.0/24"}, []string{"2001:db8:f00::/40"})
			x.at.WaitOwn(lab.Main)
			if said := x.hears.Ask("show bgp ipv4 unicast 203.0.113.0/24"); !strings.Contains(said, "65000:3") {
				t.Errorf("FRR has the network without its community:\n%s", said)
			}
			x.daemon.Reload(x.config(networks + `  [[netlink.vrfs.bgp.conditions]]
    prefixes = ["203.0.113.0/24", "2001:db8:f00::/40"]
    while = ["0.0.0.0/0", "::/0"]
  [[netlink.vrfs.bgp.conditions]]
    prefixes = ["198.51.100.0/24"]
    while_not = ["0.0.0.0/0"]
`))
			x.heard([]string{"198.51.100.0/24"}, []string{})
			for range 2 {
				x.announces("0.0.0.0/0")
				x.heard([]string{"0.0.0.0/0", "203.0.113.0/24"}, []string{"2001:db8:f00::/40"})
				x.announces("::/0", "10.0.0.0/8")
				x.heard([]string{"10.0.0.0/8", "198.51.100.0/24", "203.0.113.0/24"}, []string{"2001:db8:f00::/40", "::/0"})
				x.announces()
				x.heard([]string{"198.51.100.0/24"}, []string{})
			}
			x.daemon.Reload(x.config(""))
			x.heard([]string{}, []string{})
		})
	}
}
