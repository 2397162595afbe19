package netns_test

import (
	"fmt"
	"net/netip"
	"testing"

	"github.com/vrfredist/vrfredist/integration/netns/lab"
)

// policy is a route map of the upstream router: what its VPN routes carry.
type policy struct {
	name     string
	rts      string
	hop4     string
	hop6     string
	prepends string // AS numbers to put in front: a longer path is a worse one
	more     []string
}

// policies makes a route map for each family: one that sets both nexthops would
// send the IPv6 one with IPv4 prefixes too.
func (n *tenants) policies(all ...policy) {
	n.T.Helper()
	for _, p := range all {
		for family, hop := range map[string]string{"4": "set ipv4 vpn next-hop " + p.hop4, "6": "set ipv6 vpn next-hop " + p.hop6} {
			lines := []string{"route-map " + p.name + family + " permit 10", "set extcommunity rt " + p.rts, hop}
			if p.prepends != "" {
				lines = append(lines, "set as-path prepend "+p.prepends)
			}
			n.peer.Configure(append(lines, p.more...)...)
		}
	}
}

// Two hosts behind every tenant, with the same addresses in each.
const (
	via0v4, via0v6 = "192.168.1.2", "2001:db8:1::2"
	via1v4, via1v6 = "192.168.2.2", "2001:db8:2::2"
)

// vpn announces, or with "no" in front takes back, one IPv4 and one IPv6 VPN
// route.
func (n *tenants) vpn(no, rd string, i int, policy string) {
	n.T.Helper()
	network := func(prefix, policy string) string {
		if no != "" {
			return fmt.Sprintf("no network %s rd %s label 100", prefix, rd)
		}
		return fmt.Sprintf("network %s rd %s label 100 route-map %s", prefix, rd, policy)
	}
	n.peer.Configure("router bgp 65100",
		"address-family ipv4 vpn", network(vpn4(i), policy+"4"), "exit-address-family",
		"address-family ipv6 vpn", network(vpn6(i), policy+"6"), "exit-address-family")
}

func vpn4(i int) string { return fmt.Sprintf("172.20.%d.0/24", i) }
func vpn6(i int) string { return fmt.Sprintf("2001:db8:20%02x::/64", i) }

// over is how the kernel shows the routes of vpn, through a tenant's eth0 or
// eth1.
func over(dev int, is ...int) []string {
	hop4, hop6 := via0v4, via0v6
	if dev == 1 {
		hop4, hop6 = via1v4, via1v6
	}
	lines := []string{}
	for _, i := range is {
		lines = append(lines,
			fmt.Sprintf("%s via %s dev eth%d metric 20", vpn4(i), hop4, dev),
			fmt.Sprintf("%s via %s dev eth%d metric 20", vpn6(i), hop6, dev))
	}
	return lines
}

func lines(parts ...[]string) []string {
	all := []string{}
	for _, p := range parts {
		all = append(all, p...)
	}
	return all
}

// onlyTenants fails the test where the daemon has a route in any other table of any
// namespace than the tenants' main tables.
func (n *tenants) onlyTenants() {
	n.T.Helper()
	for _, ns := range []*lab.Namespace{n.rtr, n.up, n.hostA, n.hostB} {
		lab.Equal(n.T, "routes of the daemon in "+ns.Role+", any table", []string{}, ns.OwnEverywhere())
	}
	for _, ns := range []*lab.Namespace{n.a, n.b} {
		lab.Equal(n.T, "routes of the daemon in all tables of "+ns.Role+", against those of main",
			len(ns.Own(lab.Main)), len(ns.OwnEverywhere()))
	}
}

// Routes of the peer land by route target in the right tenant's table and
// nowhere else, and move when their route targets change.
func TestExportByRouteTarget(t *testing.T) {
	t.Parallel()
	n := newTenants(t)
	n.start(n.both())
	n.policies(
		policy{name: "A", rts: rdA, hop4: via0v4, hop6: via0v6},
		policy{name: "B", rts: rdB, hop4: via0v4, hop6: via0v6},
		policy{name: "B1", rts: rdB, hop4: via1v4, hop6: via1v6},
		policy{name: "AB", rts: rdA + " " + rdB, hop4: via0v4, hop6: via0v6},
		policy{name: "NONE", rts: "65000:99", hop4: via0v4, hop6: via0v6},
	)
	n.vpn("", "65100:1", 1, "A")
	n.vpn("", "65100:2", 2, "B")
	n.vpn("", "65100:3", 3, "AB")
	n.vpn("", "65100:4", 4, "NONE")
	// The same prefix for both, by two RDs.
	n.vpn("", "65100:1", 9, "A")
	n.vpn("", "65100:2", 9, "B1")
	n.a.WaitOwn(lab.Main, over(0, 1, 3, 9)...)
	n.b.WaitOwn(lab.Main, lines(over(0, 2, 3), over(1, 9))...)
	n.onlyTenants()

	t.Log("what was exported is not imported again")
	n.waitAnnounced(connected(rdA, 0, 1), connected(rdB, 0, 1))

	t.Log("a route's route targets change: it leaves the one and enters the other")
	n.vpn("no", "65100:1", 1, "A")
	n.vpn("", "65100:1", 1, "B")
	n.a.WaitOwn(lab.Main, over(0, 3, 9)...)
	n.b.WaitOwn(lab.Main, lines(over(0, 1, 2, 3), over(1, 9))...)

	t.Log("the same without a withdraw between: an implicit one")
	// FRR adds what a neighbour's route map sets to what a path has.
	n.vpn("", "65100:1", 5, "A")
	n.a.WaitOwn(lab.Main, over(0, 3, 5, 9)...)
	mark := n.a.Mark()
	n.peer.Configure(
		"ip prefix-list FIVE permit "+vpn4(5), "ipv6 prefix-list FIVE permit "+vpn6(5),
		"route-map OUT permit 4", "match ip address prefix-list FIVE", "set extcommunity rt "+rdB,
		"route-map OUT permit 6", "match ipv6 address prefix-list FIVE", "set extcommunity rt "+rdB)
	n.b.WaitOwn(lab.Main, lines(over(0, 1, 2, 3, 5), over(1, 9))...)
	n.peer.Configure("no route-map OUT permit 4", "no route-map OUT permit 6")
	n.b.WaitOwn(lab.Main, lines(over(0, 1, 2, 3), over(1, 9))...)
	n.a.WaitOwn(lab.Main, over(0, 3, 5, 9)...)
	lab.Equal(t, "what happened to the routes of the tenant that kept its route target", 0, len(n.a.Since(mark)))
	n.onlyTenants()

	t.Log("all are withdrawn")
	n.vpn("no", "65100:1", 1, "B")
	n.vpn("no", "65100:2", 2, "B")
	n.vpn("no", "65100:3", 3, "AB")
	n.vpn("no", "65100:1", 5, "A")
	n.vpn("no", "65100:1", 9, "A")
	n.vpn("no", "65100:2", 9, "B1")
	n.a.WaitOwn(lab.Main)
	n.b.WaitOwn(lab.Main)
	n.onlyTenants()
}

// Two RDs with the same prefix give one route, the better; when it goes the
// other takes its place, without a moment with none.
func TestBestAcrossRouteDistinguishers(t *testing.T) {
	t.Parallel()
	n := newTenants(t)
	n.start(n.both())
	n.policies(
		policy{name: "GOOD", rts: rdA, hop4: via0v4, hop6: via0v6},
		policy{name: "WORSE", rts: rdA, hop4: via1v4, hop6: via1v6, prepends: "65100 65100"},
	)
	n.vpn("", "65100:2", 1, "WORSE")
	n.a.WaitOwn(lab.Main, over(1, 1)...)

	mark := n.a.Mark()
	for range 3 {
		n.vpn("", "65100:1", 1, "GOOD")
		n.a.WaitOwn(lab.Main, over(0, 1)...)
		n.vpn("no", "65100:1", 1, "GOOD")
		n.a.WaitOwn(lab.Main, over(1, 1)...)
	}
	watched := 0
	for _, e := range n.a.Since(mark) {
		watched++
		if e.Deleted {
			t.Errorf("%v was deleted while it was to be replaced", e.Prefix)
		}
	}
	// Three changes there and three back, of two prefixes.
	if watched < 12 {
		t.Errorf("only %d route messages were seen, want 12 at least", watched)
	}

	t.Log("the last one goes")
	n.vpn("no", "65100:2", 1, "WORSE")
	n.a.WaitOwn(lab.Main)
	lab.Equal(t, "routes in the other tenant", []string{}, n.b.OwnEverywhere())
}

// A table of the router's own namespace, and one of another namespace, by
// number: selected by `ip rule`, nothing in main.
func TestExportIntoTables(t *testing.T) {
	t.Parallel()
	n := newTenants(t)
	// The tenants' hosts are reached by connected routes in those tables.
	n.b.IP("route", "add", "192.168.1.0/24", "dev", "eth0", "table", "1001")
	n.b.IP("route", "add", "2001:db8:1::/64", "dev", "eth0", "table", "1001")
	n.rtr.IP("route", "add", "192.168.1.0/24", "dev", "eth0", "table", "5000000")
	n.rtr.IP("route", "add", "2001:db8:1::/64", "dev", "eth0", "table", "5000000")
	n.rtr.IP("route", "add", "172.30.0.0/16", "via", "192.168.1.7", "dev", "eth0", "onlink", "table", "5000000")
	here := "\n[[netlink.vrfs]]\n  name = \"vrf-a\"\n  table = 5000000\n  " + importAll + "\n  " + exportAll + "\n"
	n.start(routerConfig + here + bind("vrf-b", n.b, "table = 1001", importAll, exportAll))
	n.policies(
		policy{name: "A", rts: rdA, hop4: via0v4, hop6: via0v6},
		policy{name: "B", rts: rdB, hop4: via0v4, hop6: via0v6},
	)
	n.vpn("", "65100:1", 1, "A")
	n.vpn("", "65100:2", 2, "B")
	n.rtr.WaitOwn(5000000, over(0, 1)...)
	n.b.WaitOwn(1001, over(0, 2)...)
	lab.Equal(t, "all of the daemon's routes in rtr", 2, len(n.rtr.OwnEverywhere()))
	lab.Equal(t, "all of the daemon's routes in b", 2, len(n.b.OwnEverywhere()))
	lab.Equal(t, "all of the daemon's routes in a", []string{}, n.a.OwnEverywhere())
	n.waitAnnounced(
		map[string][]string{"ipv4": {rdA + " 172.30.0.0/16 med 0", rdA + " 192.168.1.0/24 med 0"}, "ipv6": {rdA + " 2001:db8:1::/64 med 1024"}},
		map[string][]string{"ipv4": {rdB + " 192.168.1.0/24 med 0"}, "ipv6": {rdB + " 2001:db8:1::/64 med 1024"}},
	)
}

// Equal paths make one route with several nexthops where max_paths allows, and
// a blackhole community a blackhole route where accept_blackhole is set.
func TestExportMultipathAndBlackhole(t *testing.T) {
	t.Parallel()
	n := newTenants(t)
	n.start(routerConfig + bind("vrf-a", n.a, exportAll, "max_paths = 4", "accept_blackhole = true") + bind("vrf-b", n.b, exportAll))
	both := rdA + " " + rdB
	n.policies(
		policy{name: "ONE", rts: both, hop4: via0v4, hop6: via0v6},
		policy{name: "TWO", rts: both, hop4: via1v4, hop6: via1v6},
		policy{name: "HOLE", rts: both, hop4: via0v4, hop6: via0v6, more: []string{"set community 65535:666"}},
	)
	n.vpn("", "65100:1", 1, "ONE")
	n.vpn("", "65100:2", 1, "TWO")
	n.vpn("", "65100:3", 2, "HOLE")
	n.a.WaitOwn(lab.Main,
		vpn4(1)+" via "+via0v4+" dev eth0 + via "+via1v4+" dev eth1 metric 20",
		vpn6(1)+" via "+via0v6+" dev eth0 + via "+via1v6+" dev eth1 metric 20",
		"blackhole "+vpn4(2)+" metric 20",
		"blackhole "+vpn6(2)+" metric 20")
	prefixes := map[netip.Prefix]int{}
	for _, r := range n.b.Routes() {
		if p, err := netip.ParsePrefix(r.Dst); err == nil && r.Protocol == "179" {
			prefixes[p]++
			if len(r.NextHops) > 1 {
				t.Errorf("without max_paths %v has more than one nexthop: %v", p, r)
			}
		}
	}
	lab.Equal(t, "prefixes of the tenant without max_paths", 4, len(prefixes))
}
