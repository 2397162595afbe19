package netns_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/vrfredist/vrfredist/integration/netns/lab"
)

// hoster is tenants in namespaces behind one upstream, which is a neighbour of the global table:
//
//	upstream (BIRD, AS 65001)  eth0 ── up0  rtr  to-red ── core  red   lan0 ── eth0  customer (BIRD)
//	                                             to-blue ── core  blue  lan0 ── eth0  customer (BIRD)
//
// The link to red has a subnet of IPv4 and one of IPv6, that to blue link-local addresses alone.
type hoster struct {
	*lab.Lab
	rtr, up  *lab.Namespace
	tenants  [2]*lab.Namespace
	homes    [2]*lab.Namespace
	upstream *lab.BIRD
	customer [2]*lab.BIRD
	daemon   *lab.Daemon
}

// beyond is behind the upstream, whose default route leads there.
const beyond4, beyond6 = "198.51.100.1", "2001:db8:ffff::1"

// home4 and home6 are the address of a tenant's customer, in what that announces.
func home4(i int) string { return fmt.Sprintf("10.%d.0.1", i+1) }
func home6(i int) string { return fmt.Sprintf("2001:db8:a0%d::1", i+1) }

func newHoster(t *testing.T) *hoster {
	t.Helper()
	l := newLab(t, bird)
	h := &hoster{Lab: l, rtr: l.Namespace("rtr"), up: l.Namespace("up")}
	l.Subnet(h.rtr, "up0", h.up, "eth0", "203.0.113.1/30", "2001:db8:f::1/64")
	h.up.Address("lo", beyond4+"/32", beyond6+"/128")
	forward(h.rtr)
	h.up.IP("route", "add", "10.0.0.0/8", "via", "203.0.113.1") // BIRD touches no table here
	h.up.IP("route", "add", "2001:db8:a00::/40", "via", "2001:db8:f::1")
	h.upstream = h.up.BIRD(leakBIRD(65001, "203.0.113.1", "2001:db8:f::1", "0.0.0.0/0", "::/0"))
	for i, name := range []string{"red", "blue"} {
		h.tenants[i], h.homes[i] = l.Namespace(name), l.Namespace(name+"-customer")
		l.Link(h.rtr, "to-"+name, h.tenants[i], "core")
		l.Subnet(h.tenants[i], "lan0", h.homes[i], "eth0", "192.168.1.1/24", "2001:db8:1::1/64")
		forward(h.tenants[i])
		h.homes[i].Address("lo", home4(i)+"/32", home6(i)+"/128")
		h.homes[i].IP("route", "add", "default", "via", "192.168.1.1")
		h.homes[i].IP("route", "add", "default", "via", "2001:db8:1::1")
		h.customer[i] = h.homes[i].BIRD(leakBIRD(65101+i, "192.168.1.1", "2001:db8:1::1", strings.TrimSuffix(home4(i), "1")+"0/16", strings.TrimSuffix(home6(i), "1")+"/48"))
	}
	h.rtr.Address("to-red", "10.255.1.1/30", "2001:db8:e1::1/64")
	h.tenants[0].Address("core", "10.255.1.2/30", "2001:db8:e1::2/64")
	return h
}

func forward(n *lab.Namespace) {
	n.Sysctl("ipv4.ip_forward", "1")
	n.Sysctl("ipv6.conf.all.forwarding", "1")
}

// leakBIRD is a BIRD that announces prefixes by a session of each family.
func leakBIRD(as int, rtr4, rtr6 string, prefixes ...string) string {
	var four, six string
	for _, p := range prefixes {
		if strings.Contains(p, ":") {
			six += " route " + p + " blackhole;"
		} else {
			four += " route " + p + " blackhole;"
		}
	}
	return fmt.Sprintf(`
router id 10.0.0.%d;
log stderr all;
protocol device {}
protocol static four { ipv4;%s }
protocol static six { ipv6;%s }
template bgp peering {
  local as %d;
  connect retry time 1;
  error wait time 1, 2;
  hold time 9;
}
protocol bgp v4 from peering { neighbor %s as 65000; ipv4 { import all; export where source = RTS_STATIC; }; }
protocol bgp v6 from peering { neighbor %s as 65000; ipv6 { import all; export where source = RTS_STATIC; }; }
`, as%100+1, four, six, as, rtr4, rtr6)
}

// config is the daemon's. leaks are the leaks of each VRF: of default, red and blue.
func (h *hoster) config(leaks [3]string) string {
	c := `
[global.config]
  as = 65000
  router-id = "10.0.0.1"
[[vrfs]]
  [vrfs.config]
    name = "red"
    rd = "65000:1"
    both-rt-list = ["65000:1"]
[[vrfs]]
  [vrfs.config]
    name = "blue"
    rd = "65000:2"
    both-rt-list = ["65000:2"]
[[netlink.policies]]
  name = "default-route"
  default = "reject"
  [[netlink.policies.rules]]
    name = "upstream"
    prefixes = ["0.0.0.0/0", "::/0"]
    action = "accept"
    add_communities = ["65000:99"]
[[netlink.policies]]
  name = "customers"
  default = "reject"
  [[netlink.policies.rules]]
    prefixes = ["10.0.0.0/8 le 24", "2001:db8:a00::/40 le 48"]
    action = "accept"
`
	c += leakNeighbor("203.0.113.2", "203.0.113.1", 65001, "ipv4", "") + leakNeighbor("2001:db8:f::2", "2001:db8:f::1", 65001, "ipv6", "")
	for i, name := range []string{"red", "blue"} {
		in := fmt.Sprintf("    vrf = %q\n    netns = %q\n", name, h.tenants[i].Name)
		c += leakNeighbor("192.168.1.2", "192.168.1.1", 65101+i, "ipv4", in) + leakNeighbor("2001:db8:1::2", "2001:db8:1::1", 65101+i, "ipv6", in)
	}
	c += "[[netlink.vrfs]]\n  name = \"default\"\n  [netlink.vrfs.export]\n    enabled = true\n" + leaks[0]
	for i, name := range []string{"red", "blue"} {
		c += fmt.Sprintf("[[netlink.vrfs]]\n  name = %q\n  netns = %q\n  [netlink.vrfs.export]\n    enabled = true\n%s", name, h.tenants[i].Name, leaks[i+1])
	}
	return c
}

func leakNeighbor(addr, local string, as int, family, more string) string {
	return fmt.Sprintf(`[[neighbors]]
  [neighbors.config]
    neighbor-address = %q
    peer-as = %d
%s  [neighbors.transport.config]
    local-address = %q
  [neighbors.timers.config]
    connect-retry = 1
    hold-time = 9
  [[neighbors.afi-safis]]
    [neighbors.afi-safis.config]
      afi-safi-name = "%s-unicast"
`, addr, as, more, local, family)
}

func leakRule(from, more string) string {
	return fmt.Sprintf("  [[netlink.vrfs.bgp.leaks]]\n    from = %q\n%s", from, more)
}

// behindOneUpstream are the hoster's leaks: a default route in, the customers' prefixes out.
var behindOneUpstream = [3]string{
	leakRule("red", "    policy = \"customers\"\n    link = \"to-red\"\n") + leakRule("blue", "    policy = \"customers\"\n    link = \"to-blue\"\n"),
	leakRule("default", "    policy = \"default-route\"\n    link = \"core\"\n"),
	leakRule("default", "    policy = \"default-route\"\n    link = \"core\"\n"),
}

// TestTenantsBehindOneUpstream: packets go both ways, each side hears what leaks to it and
// nothing comes back; and it ends with the leak, and with the session that it is from.
func TestTenantsBehindOneUpstream(t *testing.T) {
	t.Parallel()
	h := newHoster(t)
	h.daemon = h.rtr.Daemon(h.config(behindOneUpstream))
	local := [2]string{h.tenants[1].LinkLocal("core"), h.rtr.LinkLocal("to-blue")}
	h.rtr.WaitOwn(lab.Main,
		"default via 203.0.113.2 dev up0 metric 20", "default via 2001:db8:f::2 dev up0 metric 20",
		"10.1.0.0/16 via 10.255.1.2 dev to-red metric 20", "2001:db8:a01::/48 via 2001:db8:e1::2 dev to-red metric 20",
		"10.2.0.0/16 via "+local[0]+" dev to-blue metric 20", "2001:db8:a02::/48 via "+local[0]+" dev to-blue metric 20")
	h.tenants[0].WaitOwn(lab.Main,
		"default via 10.255.1.1 dev core metric 20", "default via 2001:db8:e1::1 dev core metric 20",
		"10.1.0.0/16 via 192.168.1.2 dev lan0 metric 20", "2001:db8:a01::/48 via 2001:db8:1::2 dev lan0 metric 20")
	h.tenants[1].WaitOwn(lab.Main,
		"default via "+local[1]+" dev core metric 20", "default via "+local[1]+" dev core metric 20",
		"10.2.0.0/16 via 192.168.1.2 dev lan0 metric 20", "2001:db8:a02::/48 via 2001:db8:1::2 dev lan0 metric 20")
	for i := range h.homes {
		h.homes[i].WaitPing(home4(i), beyond4)
		h.homes[i].WaitPing(home6(i), beyond6)
	}
	// By way of the core one tenant's customer reaches the other's: the default route leads there.
	h.homes[0].WaitPing(home4(0), home4(1))

	hears := func(b *lab.BIRD, who string, v4, v6 []string) {
		t.Helper()
		lab.WaitEqual(t, "what "+who+" hears of IPv4", v4, func() []string { return b.Received("v4") })
		lab.WaitEqual(t, "what "+who+" hears of IPv6", v6, func() []string { return b.Received("v6") })
	}
	hears(h.upstream, "the upstream", []string{"10.1.0.0/16", "10.2.0.0/16"}, []string{"2001:db8:a01::/48", "2001:db8:a02::/48"})
	for i, c := range h.customer {
		hears(c, h.homes[i].Role, []string{"0.0.0.0/0"}, []string{"::/0"})
		lab.Equal(t, "the AS path of the default route", "65000 65001", c.Path("0.0.0.0/0", "as_path"))
		lab.Equal(t, "its communities", "(65000,99)", c.Path("0.0.0.0/0", "community"))
		lab.Equal(t, "its nexthop", "192.168.1.1", c.Path("0.0.0.0/0", "next_hop"))
	}
	lab.Equal(t, "the AS path of a customer's prefix", "65000 65101", h.upstream.Path("10.1.0.0/16", "as_path"))

	said := h.daemon.Do("explain", "0.0.0.0/0", "--vrf", "red")
	for _, want := range []string{`leak`, `from VRF "default"`, `policy "default-route": rule 1 (upstream) matches`, `by core`} {
		if !strings.Contains(said, want) {
			t.Errorf("explain does not say %q:\n%s", want, said)
		}
	}

	t.Log("one tenant's leak goes, and comes back; the other notices nothing")
	mark := h.tenants[0].Mark()
	without := behindOneUpstream
	without[2] = ""
	h.daemon.Reload(h.config(without))
	h.tenants[1].WaitOwn(lab.Main, "10.2.0.0/16 via 192.168.1.2 dev lan0 metric 20", "2001:db8:a02::/48 via 2001:db8:1::2 dev lan0 metric 20")
	hears(h.customer[1], "blue's customer", []string{}, []string{})
	h.daemon.Reload(h.config(behindOneUpstream))
	hears(h.customer[1], "blue's customer", []string{"0.0.0.0/0"}, []string{"::/0"})
	lab.Equal(t, "what happened to red's routes meanwhile", 0, len(h.tenants[0].Since(mark)))

	t.Log("the upstream goes")
	h.upstream.Kill()
	for i, c := range h.customer {
		hears(c, h.homes[i].Role, []string{}, []string{})
	}
	h.tenants[0].WaitOwn(lab.Main, "10.1.0.0/16 via 192.168.1.2 dev lan0 metric 20", "2001:db8:a01::/48 via 2001:db8:1::2 dev lan0 metric 20")
}

// TestLeakOverALostLink: what leaks goes with the link, and comes back with it.
func TestLeakOverALostLink(t *testing.T) {
	t.Parallel()
	h := newHoster(t)
	h.daemon = h.rtr.Daemon(h.config(behindOneUpstream))
	own := []string{"10.1.0.0/16 via 192.168.1.2 dev lan0 metric 20", "2001:db8:a01::/48 via 2001:db8:1::2 dev lan0 metric 20"}
	all := append([]string{"default via 10.255.1.1 dev core metric 20", "default via 2001:db8:e1::1 dev core metric 20"}, own...)
	h.tenants[0].WaitOwn(lab.Main, all...)
	for range 2 {
		h.tenants[0].IP("link", "set", "core", "down")
		h.tenants[0].WaitOwn(lab.Main, own...)
		lab.WaitEqual(t, "what red's customer hears", []string{}, func() []string { return h.customer[0].Received("v4") })
		h.tenants[0].IP("link", "set", "core", "up")
		h.tenants[0].Address("core", "2001:db8:e1::2/64") // which went with the link
		h.tenants[0].WaitOwn(lab.Main, all...)
		h.homes[0].WaitPing(home4(0), beyond4)
		lab.WaitEqual(t, "what red's customer hears", []string{"0.0.0.0/0"}, func() []string { return h.customer[0].Received("v4") })
	}
}

// TestLeakFromInOneNamespace: what a VRF imports comes into others, and into the main table, by
// its own interface, without route targets; and goes with the key.
func TestLeakFromInOneNamespace(t *testing.T) {
	t.Parallel()
	n := newTenants(t)
	n.Link(n.rtr, "lan0", n.hostA, "lan0")
	n.rtr.IP("route", "add", "192.168.77.0/24", "dev", "lan0", "table", "1001")
	n.rtr.IP("route", "add", "2001:db8:77::/64", "dev", "lan0", "table", "1001")
	vrfs := func(leak string) string {
		return routerConfig + "\n[[netlink.vrfs]]\n  name = \"vrf-a\"\n  table = 1001\n  [netlink.vrfs.import]\n    enabled = true\n    interface_list = [\"lan*\"]\n" +
			"\n[[netlink.vrfs]]\n  name = \"vrf-b\"\n  table = 1002\n  " + exportAll + "\n" + leak +
			"\n[[netlink.vrfs]]\n  name = \"default\"\n  " + exportAll + "\n" + leak
	}
	leak := "  [netlink.vrfs.bgp]\n    leak_from = [\"vrf-a\"]\n"
	n.start(vrfs(leak))
	routes := []string{"192.168.77.0/24 dev lan0 metric 20", "2001:db8:77::/64 dev lan0 metric 20"}
	for range 2 {
		n.rtr.WaitOwn(1002, routes...)
		n.rtr.WaitOwn(lab.Main, routes...)
		lab.Equal(t, "all of the daemon's routes in rtr", 4, len(n.rtr.OwnEverywhere()))
		n.daemon.Reload(vrfs(""))
		lab.WaitEqual(t, "routes of the daemon in rtr", []string{}, n.rtr.OwnEverywhere)
		n.daemon.Reload(vrfs(leak))
	}
}
