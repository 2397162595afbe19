package netns_test

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/vrfredist/vrfredist/integration/netns/lab"
)

// retargeted are two VRFs of one namespace: red, whose customer's routes come into blue by what
// route targets they have; and a neighbour of blue that hears of them.
//
//	customer (FRR, AS 65001)  eth0 ── lan0  red (main table), blue (table 1002)  far0 ── eth0  hears (FRR, AS 65003)
type retargeted struct {
	*lab.Lab
	at       *lab.Namespace
	rtr      *lab.Namespace
	customer *lab.FRR
	hears    *lab.FRR
	daemon   *lab.Daemon
}

func newRetargeted(t *testing.T) *retargeted {
	t.Helper()
	l := newLab(t, frr, "vtysh")
	x := &retargeted{Lab: l, rtr: l.Namespace("rtr"), at: l.Namespace("tenants")}
	home, far := l.Namespace("home"), l.Namespace("far")
	l.Subnet(x.at, "lan0", home, "eth0", "192.168.1.1/24", "2001:db8:1::1/64")
	l.Subnet(x.at, "far0", far, "eth0", "192.168.3.1/24", "2001:db8:3::1/64")
	x.customer = home.FRR(betweenFRR(1, 65001, []string{"203.0.113.100/32"}, []string{"2001:db8:a1::1/128"}))
	x.hears = far.FRR(betweenFRR(3, 65003, nil, nil))
	return x
}

// config is the daemon's, with the targets that red gives its routes, those that its customer may
// set, lines of red's neighbour, of blue's BGP, and more sections.
func (x *retargeted) config(exports, accepts, neighbor, blue, more string) string {
	c := "[global.config]\n  as = 65000\n  router-id = \"10.0.0.1\"\n"
	c += fmt.Sprintf("[[vrfs]]\n  [vrfs.config]\n    name = \"red\"\n    rd = \"65000:1\"\n    import-rt-list = [\"65000:1\"]\n    export-rt-list = [%s]\n", exports)
	c += "[[vrfs]]\n  [vrfs.config]\n    name = \"blue\"\n    rd = \"65000:2\"\n    both-rt-list = [\"65000:2\"]\n"
	in := fmt.Sprintf("    vrf = \"red\"\n    netns = %q\n    accept_route_targets = [%s]\n", x.at.Name, accepts)
	c += leakNeighbor("192.168.1.2", "192.168.1.1", 65001, "ipv4", in) + neighbor + leakNeighbor("2001:db8:1::2", "2001:db8:1::1", 65001, "ipv6", in) + neighbor
	in = fmt.Sprintf("    vrf = \"blue\"\n    netns = %q\n", x.at.Name)
	c += leakNeighbor("192.168.3.2", "192.168.3.1", 65003, "ipv4", in) + leakNeighbor("2001:db8:3::2", "2001:db8:3::1", 65003, "ipv6", in)
	c += fmt.Sprintf("[netlink]\n  sweep_delay = \"0s\"\n[[netlink.vrfs]]\n  name = \"red\"\n  netns = %[1]q\n  [netlink.vrfs.export]\n    enabled = true\n"+
		"[[netlink.vrfs]]\n  name = \"blue\"\n  netns = %[1]q\n  table = 1002\n  [netlink.vrfs.export]\n    enabled = true\n%[2]s", x.at.Name, blue)
	return c + more
}

// leaks waits until the customer's routes are in blue's table, and told to its neighbour, or are not.
// red has them all the while.
func (x *retargeted) leaks(when string, is bool) {
	x.T.Helper()
	routes := []string{"203.0.113.100 via 192.168.1.2 dev lan0 metric 20", "2001:db8:a1::1 via 2001:db8:1::2 dev lan0 metric 20"}
	four, six := []string{"203.0.113.100/32"}, []string{"2001:db8:a1::1/128"}
	x.at.WaitOwn(lab.Main, routes...)
	if !is {
		routes, four, six = nil, nil, nil
	}
	x.T.Log(when)
	x.at.WaitOwn(1002, routes...)
	lab.WaitEqual(x.T, when+": what blue's neighbour hears of IPv4", four, func() []string { return x.hears.Unicast("ipv4", "192.168.3.1") })
	lab.WaitEqual(x.T, when+": what blue's neighbour hears of IPv6", six, func() []string { return x.hears.Unicast("ipv6", "2001:db8:3::1") })
}

// sessions are how often each neighbour's session came up, as both ends have it.
func (x *retargeted) sessions() (list []string) {
	x.T.Helper()
	for _, f := range []*lab.FRR{x.customer, x.hears} {
		var of map[string]struct {
			Established int `json:"connectionsEstablished"`
		}
		if err := json.Unmarshal([]byte(f.Ask("show bgp neighbors json")), &of); err != nil {
			x.T.Fatal(err)
		}
		for addr, n := range of {
			list = append(list, fmt.Sprintf("%s: %d", addr, n.Established))
		}
	}
	return sorted(list)
}

// sets has the customer's route map set what it says, or nothing.
func (x *retargeted) sets(what string) {
	x.T.Helper()
	if what == "" {
		x.customer.Configure("route-map OUT permit 100", "no set extcommunity rt")
		return
	}
	x.customer.Configure("route-map OUT permit 100", "set extcommunity "+what)
}

// TestLimitsOfALeakAndOfANeighbour: what comes into another VRF is bounded by the leak's limit, what
// the customer may send by its own; each acts on its own side, and when the session comes back
// the leak is as full as before.
func TestLimitsOfALeakAndOfANeighbour(t *testing.T) {
	t.Parallel()
	x := newRetargeted(t)
	const leak = "  [[netlink.vrfs.bgp.leaks]]\n    from = \"red\"\n    max_prefixes = 2\n"
	config := func(limit int) string {
		return x.config(`"65000:1"`, "", fmt.Sprintf("    [neighbors.afi-safis.prefix-limit.config]\n      max-prefixes = %d\n", limit), leak, "")
	}
	network := func(no string, numbers ...int) {
		t.Helper()
		lines := []string{"router bgp 65001", "address-family ipv4 unicast"}
		for _, i := range numbers {
			lines = append(lines, fmt.Sprintf("%snetwork 10.%d.0.0/16", no, i))
		}
		x.customer.Configure(lines...)
	}
	const own4, own6 = "203.0.113.100 via 192.168.1.2 dev lan0 metric 20", "2001:db8:a1::1 via 2001:db8:1::2 dev lan0 metric 20"
	via := func(numbers ...int) (list []string) {
		for _, i := range numbers {
			list = append(list, fmt.Sprintf("10.%d.0.0/16 via 192.168.1.2 dev lan0 metric 20", i))
		}
		return list
	}
	// blue waits until blue has so many routes of red's, and its neighbour hears of no others.
	blue := func(when string, n int) (has []string) {
		t.Helper()
		lab.WaitFor(t, when+": blue's routes", lab.Patience, func() string {
			has = x.at.Own(1002)
			heard := len(x.hears.Unicast("ipv4", "192.168.3.1")) + len(x.hears.Unicast("ipv6", "2001:db8:3::1"))
			if len(has) != n || heard != n {
				return fmt.Sprintf("%d, of which %d are told: %v", len(has), heard, has)
			}
			return ""
		})
		return has
	}
	x.daemon = x.rtr.Daemon(config(3))
	x.at.WaitOwn(lab.Main, own4, own6)
	lab.Equal(t, "blue's routes", []string{own6, own4}, sorted(blue("both have room", 2)))
	network("", 1, 2)
	x.at.WaitOwn(lab.Main, append(via(1, 2), own4, own6)...)
	lab.Equal(t, "blue's routes", []string{own6, own4}, sorted(blue("the leak is full", 2)))
	x.customer.Configure("router bgp 65001", "address-family ipv4 unicast", "no network 203.0.113.100/32")
	x.at.WaitOwn(lab.Main, append(via(1, 2), own6)...)
	blue("another has the place", 2)

	network("", 3, 4)
	x.at.WaitOwn(lab.Main, own6)
	lab.Equal(t, "blue's routes", []string{own6}, blue("the neighbour sent too many", 1))
	if said := x.daemon.Do("neighbor", "192.168.1.2"); !strings.Contains(said, "its prefix-limit is 3") {
		t.Errorf("of a neighbour that is stopped neighbor says\n%s", said)
	}
	network("no ", 4)
	x.daemon.Reload(config(4))
	x.at.WaitOwn(lab.Main, append(via(1, 2, 3), own6)...)
	blue("the neighbour is back", 2)
	x.daemon.Reload(x.config(`"65000:1"`, "", "", strings.Replace(leak, "= 2", "= 9", 1), ""))
	lab.Equal(t, "blue's routes", sorted(append(via(1, 2, 3), own6)), sorted(blue("the leak has room", 4)))
	x.daemon.Reload(x.config(`"65000:1"`, "", "", strings.Replace(leak, "= 2", "= 1", 1), ""))
	blue("the leak has less room", 1)
}

func sorted(list []string) []string {
	slices.Sort(list)
	return list
}

// TestRouteTargetsChange after FRR's bgp_vrf_leaking_rt_change_route_maps: a route whose route targets
// become others leaves the VRF that it met by the old ones, its table and its neighbours: by the
// customer's route map, by the targets of the VRF, by a policy that sets them, and by one that asks
// for them.
func TestRouteTargetsChange(t *testing.T) {
	t.Parallel()
	x := newRetargeted(t)
	const red, both = `"65000:1"`, `"65000:1", "65000:2"`
	x.sets("rt 65000:10100 65000:2")
	x.daemon = x.rtr.Daemon(x.config(red, `"65000:2"`, "", "", ""))
	for range 2 {
		x.leaks("the customer sets blue's target", true)
		x.sets("rt 65000:10100")
		x.leaks("the customer sets another", false)
		x.sets("rt 65000:2")
		x.leaks("the customer sets blue's alone", true)
		x.sets("")
		x.leaks("the customer sets none", false)
		x.sets("rt 65000:10100 65000:2")
	}
	x.leaks("the customer sets blue's target again", true)
	x.daemon.Reload(x.config(red, "", "", "", ""))
	x.leaks("it may set none", false)
	since := x.sessions()
	for range 2 {
		x.daemon.Reload(x.config(both, "", "", "", ""))
		x.leaks("red's routes have blue's target", true)
		x.daemon.Reload(x.config(red, "", "", "", ""))
		x.leaks("they have it no more", false)
	}
	lab.Equal(t, "since when sessions are up", since, x.sessions())

	applied := "  [neighbors.apply-policy.config]\n    import-policy-list = [\"to-blue\"]\n"
	policy := func(target int) string {
		return fmt.Sprintf(`
[[policy-definitions]]
  name = "to-blue"
  [[policy-definitions.statements]]
    name = "to-blue"
    [policy-definitions.statements.actions]
      route-disposition = "accept-route"
      [policy-definitions.statements.actions.bgp-actions.set-ext-community]
        options = "add"
        [policy-definitions.statements.actions.bgp-actions.set-ext-community.set-ext-community-method]
          communities-list = ["rt:65000:%d"]
`, target)
	}
	x.daemon.Reload(x.config(red, "", applied, "", policy(2)))
	x.leaks("a policy of the neighbour sets blue's target", true)
	x.daemon.Reload(x.config(red, "", applied, "", policy(10100)))
	x.leaks("the policy sets another", false)
	x.daemon.Reload(x.config(red, "", applied, "", policy(2)))
	x.leaks("the policy sets blue's again", true)
	x.daemon.Reload(x.config(red, "", "", "", ""))
	x.leaks("there is no policy", false)

	const receive = "  [netlink.vrfs.bgp]\n    receive = \"targets\"\n"
	asks := func(action string) string {
		return "[[netlink.policies]]\n  name = \"targets\"\n  default = \"accept\"\n  [[netlink.policies.rules]]\n    route_targets = [\"65000:1\"]\n    action = \"" + action + "\"\n"
	}
	x.daemon.Reload(x.config(both, "", "", receive, asks("accept")))
	x.leaks("what blue receives is accepted", true)
	x.daemon.Reload(x.config(both, "", "", receive, asks("reject")))
	x.leaks("what blue receives is rejected", false)
}
