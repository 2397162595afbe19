package nsworker

import (
	"fmt"
	"net/netip"
	"syscall"
	"testing/synctest"

	"github.com/vrfredist/vrfredist/rib"
)

// loopback is a route to a router behind a neighbour, and what lies behind the router.
const (
	loopback   = "10.255.0.1/32"
	loopByEth0 = "10.255.0.1 via 192.0.2.9 dev eth0 proto vrfredist metric 20"
	loopByEth1 = "10.255.0.1 via 198.51.100.9 dev eth1 proto vrfredist metric 20"
)

func init() {
	scenarios = append(scenarios,
		scenario{"a nexthop is reached by a route of BGP", func(l *lab, t *fakeTable) {
			l.hear("red", bgpPath(loopback, "192.0.2.9"))
			l.hear("red", bgpPath("10.1.0.0/16", "10.255.0.1"))
		}, func(l *lab) { l.table(red, byEth0, loopByEth0) }},
		scenario{"the route that a nexthop is reached by comes last", func(l *lab, t *fakeTable) {
			l.hear("red", bgpPath("10.1.0.0/16", "10.255.0.1"))
			l.hear("red", bgpPath(loopback, "192.0.2.9"))
		}, func(l *lab) { l.table(red, byEth0, loopByEth0) }},
		scenario{"an IPv6 nexthop is reached by a route of BGP, for both families", func(l *lab, t *fakeTable) {
			l.hear("red", bgpPath("10.1.0.0/16", "2001:db8:ff::1"))
			l.hear("red", bgpPath("2001:db8:1::/48", "2001:db8:ff::1"))
			l.hear("red", bgpPath("2001:db8:ff::/64", "2001:db8::9"))
		}, func(l *lab) {
			l.table(red, "10.1.0.0/16 via inet6 2001:db8::9 dev eth0 proto vrfredist metric 20 onlink",
				"2001:db8:1::/48 via 2001:db8::9 dev eth0 proto vrfredist metric 20 onlink",
				"2001:db8:ff::/64 via 2001:db8::9 dev eth0 proto vrfredist metric 20 onlink")
		}},
		scenario{"the route that a nexthop is reached by moves", func(l *lab, t *fakeTable) {
			l.hear("red", bgpPath(loopback, "192.0.2.9"))
			l.hear("red", bgpPath("10.1.0.0/16", "10.255.0.1"))
			l.hear("red", bgpPath(loopback, "198.51.100.9"))
		}, func(l *lab) { l.table(red, byEth1, loopByEth1) }},
		scenario{"the route that a nexthop is reached by goes", func(l *lab, t *fakeTable) {
			l.hear("red", bgpPath(loopback, "192.0.2.9"))
			l.hear("red", bgpPath("10.1.0.0/16", "10.255.0.1"))
			l.unhear("red", loopback, 0)
		}, func(l *lab) {
			l.table(red)
			l.exported("red", "10.1.0.0/16", rib.Unresolved, "nexthop 10.255.0.1 is unresolved: no route in this VRF covers it")
		}},
		scenario{"the route that a nexthop is reached by goes, and the other path is taken", func(l *lab, t *fakeTable) {
			l.hear("red", bgpPath(loopback, "192.0.2.9"))
			l.hear("red", two("10.1.0.0/16", "10.255.0.1", "198.51.100.9")...)
			l.unhear("red", loopback, 0)
		}, func(l *lab) { l.table(red, byEth1) }},
		scenario{"the better path's nexthop is reached by a route of BGP, which comes last", func(l *lab, t *fakeTable) {
			l.hear("red", two("10.1.0.0/16", "10.255.0.1", "198.51.100.9")...)
			l.hear("red", bgpPath(loopback, "192.0.2.9"))
		}, func(l *lab) { l.table(red, byEth0, loopByEth0) }},
	)
}

func init() {
	scenarios = append(scenarios,
		scenario{"a longer route of BGP comes", func(l *lab, t *fakeTable) {
			l.hear("red", bgpPath("10.255.0.0/16", "198.51.100.9"))
			l.hear("red", bgpPath("10.1.0.0/16", "10.255.0.1"))
			l.hear("red", bgpPath(loopback, "192.0.2.9"))
		}, func(l *lab) {
			l.table(red, byEth0, "10.255.0.0/16 via 198.51.100.9 dev eth1 proto vrfredist metric 20", loopByEth0)
		}},
		scenario{"a longer route of BGP goes", func(l *lab, t *fakeTable) {
			l.hear("red", bgpPath(loopback, "192.0.2.9"))
			l.hear("red", bgpPath("10.255.0.0/16", "198.51.100.9"))
			l.hear("red", bgpPath("10.1.0.0/16", "10.255.0.1"))
			l.unhear("red", loopback, 0)
		}, func(l *lab) {
			l.table(red, byEth1, "10.255.0.0/16 via 198.51.100.9 dev eth1 proto vrfredist metric 20")
		}},
		scenario{"BGP's route is longer than the static one", func(l *lab, t *fakeTable) {
			l.hear("red", bgpPath("10.1.0.0/16", "10.255.0.1"))
			t.set(via("10.255.0.0/24", "198.51.100.9", 3, rib.ProtoStatic, 0))
			l.hear("red", bgpPath(loopback, "192.0.2.9"))
		}, func(l *lab) {
			l.table(red, byEth0, "10.255.0.0/24 via 198.51.100.9 dev eth1 proto static", loopByEth0)
		}},
		scenario{"BGP's route is shorter than the static one", func(l *lab, t *fakeTable) {
			t.set(via("10.255.0.0/24", "198.51.100.9", 3, rib.ProtoStatic, 0))
			l.hear("red", bgpPath("10.255.0.0/16", "192.0.2.9"))
			l.hear("red", bgpPath("10.1.0.0/16", "10.255.0.1"))
		}, func(l *lab) {
			l.table(red, byEth1, "10.255.0.0/16 via 192.0.2.9 dev eth0 proto vrfredist metric 20", "10.255.0.0/24 via 198.51.100.9 dev eth1 proto static")
		}},
		scenario{"a static route of the same prefix has the lower metric", func(l *lab, t *fakeTable) {
			t.set(via("10.255.0.0/24", "198.51.100.9", 3, rib.ProtoStatic, 0))
			l.hear("red", bgpPath("10.255.0.0/24", "192.0.2.9"))
			l.hear("red", bgpPath("10.1.0.0/16", "10.255.0.1"))
		}, func(l *lab) {
			l.table(red, byEth1, "10.255.0.0/24 via 192.0.2.9 dev eth0 proto vrfredist metric 20", "10.255.0.0/24 via 198.51.100.9 dev eth1 proto static")
		}},
		scenario{"a static route of the same prefix has the higher metric", func(l *lab, t *fakeTable) {
			t.set(via("10.255.0.0/24", "198.51.100.9", 3, rib.ProtoStatic, 90))
			l.hear("red", bgpPath("10.1.0.0/16", "10.255.0.1"))
			l.hear("red", bgpPath("10.255.0.0/24", "192.0.2.9"))
		}, func(l *lab) {
			l.table(red, byEth0, "10.255.0.0/24 via 192.0.2.9 dev eth0 proto vrfredist metric 20", "10.255.0.0/24 via 198.51.100.9 dev eth1 proto static metric 90")
		}},
		scenario{"a neighbour that announces another one's address is not the way to it", func(l *lab, t *fakeTable) {
			l.hear("red", bgpPath("192.0.2.9/32", "192.0.2.66"))
			l.hear("red", bgpPath("10.1.0.0/16", "192.0.2.9"))
			l.hear("red", bgpPath("2001:db8::9/128", "2001:db8::66"))
			l.hear("red", bgpPath("2001:db8:1::/48", "2001:db8::9"))
		}, func(l *lab) {
			l.table(red, byEth0, "192.0.2.9 via 192.0.2.66 dev eth0 proto vrfredist metric 20",
				"2001:db8:1::/48 via 2001:db8::9 dev eth0 proto vrfredist metric 20 onlink",
				"2001:db8::9 via 2001:db8::66 dev eth0 proto vrfredist metric 20 onlink")
		}},
	)
}

func init() {
	scenarios = append(scenarios,
		scenario{"BGP's default route leads to no nexthop", func(l *lab, t *fakeTable) {
			l.hear("red", bgpPath("0.0.0.0/0", "192.0.2.9"))
			l.hear("red", bgpPath("10.1.0.0/16", "10.255.0.1"))
		}, func(l *lab) {
			l.table(red, "default via 192.0.2.9 dev eth0 proto vrfredist metric 20")
			l.exported("red", "10.1.0.0/16", rib.Unresolved, "no route in this VRF covers it")
		}},
		scenario{"BGP's default route leads to nexthops with resolve_by_default", func(l *lab, t *fakeTable) {
			l.hear("red", bgpPath("0.0.0.0/0", "192.0.2.9"))
			l.hear("red", bgpPath("10.1.0.0/16", "10.255.0.1"))
			s := spec("red")
			s.Export.ResolveByDefault = true
			l.configure(s)
		}, func(l *lab) { l.table(red, byEth0, "default via 192.0.2.9 dev eth0 proto vrfredist metric 20") }},
		scenario{"a route of BGP that discards is the end", func(l *lab, t *fakeTable) {
			t.set(via("10.0.0.0/8", "198.51.100.9", 3, rib.ProtoStatic, 0))
			l.hear("red", bgpPath(loopback, "192.0.2.9", community(rib.CommunityBlackhole)))
			l.hear("red", bgpPath("10.1.0.0/16", "10.255.0.1"))
		}, func(l *lab) {
			l.table(red, "10.0.0.0/8 via 198.51.100.9 dev eth1 proto static", "blackhole 10.255.0.1 proto vrfredist metric 20")
			l.exported("red", "10.1.0.0/16", rib.Unresolved, "BGP's route 10.255.0.1/32, which covers it, discards")
		}},
	)
}

func init() {
	scenarios = append(scenarios,
		scenario{"a chain of routes of BGP, from its end to its beginning", func(l *lab, t *fakeTable) {
			for i := range 5 {
				l.hear("red", bgpPath(fmt.Sprintf("10.255.0.%d/32", 5-i), fmt.Sprintf("10.255.0.%d", 4-i)))
			}
			l.hear("red", bgpPath("10.255.0.0/32", "192.0.2.9"))
		}, func(l *lab) {
			var want []string
			for i := range 6 {
				want = append(want, fmt.Sprintf("10.255.0.%d via 192.0.2.9 dev eth0 proto vrfredist metric 20", i))
			}
			l.table(red, want...)
		}},
		scenario{"a session that ends takes along what is reached by its route", func(l *lab, t *fakeTable) {
			l.hear("red", bgpPath(loopback, "192.0.2.9", peer("192.0.2.101")))
			l.hear("red", two("10.1.0.0/16", "10.255.0.1", "198.51.100.9")...)
			l.hear("red", bgpPath("10.2.0.0/16", "10.255.0.1", peer("192.0.2.103")))
			synctest.Wait()
			l.feed("red").SetDown(netip.MustParseAddr("192.0.2.101"), true)
		}, func(l *lab) {
			l.table(red, byEth1)
			l.exported("red", "10.2.0.0/16", rib.Unresolved, "BGP's route 10.255.0.1/32, which covers it, leads nowhere now")
			l.exported("red", loopback, rib.Unresolved, "the session with 192.0.2.101")
		}},
		scenario{"the link under the route that a nexthop is reached by goes", func(l *lab, t *fakeTable) {
			l.hear("red", two(loopback, "192.0.2.9", "198.51.100.9")...)
			l.hear("red", bgpPath("10.1.0.0/16", "10.255.0.1"))
			synctest.Wait()
			t.link(2, false)
		}, func(l *lab) { l.table(red, byEth1, loopByEth1) }},
		scenario{"the quota keeps the route out that a nexthop would be reached by, until it is raised", func(l *lab, t *fakeTable) {
			s := spec("red")
			s.Export.MaxRoutes = 1
			l.configure(s)
			l.hear("red", bgpPath("10.9.0.0/16", "192.0.2.9"))
			l.hear("red", bgpPath(loopback, "192.0.2.9"))
			l.hear("red", bgpPath("10.1.0.0/16", "10.255.0.1"))
			s.Export.MaxRoutes = 0
			l.configure(s)
		}, func(l *lab) {
			l.table(red, byEth0, loopByEth0, "10.9.0.0/16 via 192.0.2.9 dev eth0 proto vrfredist metric 20")
		}},
		scenario{"a route whose nexthop is itself in its prefix is reached by a shorter one", func(l *lab, t *fakeTable) {
			l.hear("red", bgpPath("10.255.0.0/24", "10.255.0.1"))
			l.hear("red", bgpPath("10.255.0.0/16", "192.0.2.9"))
		}, func(l *lab) {
			l.table(red, "10.255.0.0/16 via 192.0.2.9 dev eth0 proto vrfredist metric 20", "10.255.0.0/24 via 192.0.2.9 dev eth0 proto vrfredist metric 20")
		}},
		scenario{"two routes of BGP by each other, over a static one that goes", func(l *lab, t *fakeTable) {
			t.set(via("10.0.0.0/8", "192.0.2.9", 2, rib.ProtoStatic, 0))
			l.hear("red", bgpPath("10.1.0.0/16", "10.2.0.1"))
			l.hear("red", bgpPath("10.2.0.0/16", "10.1.0.1"))
			l.settle()
			l.table(red, "10.0.0.0/8 via 192.0.2.9 dev eth0 proto static", byEth0, "10.2.0.0/16 via 192.0.2.9 dev eth0 proto vrfredist metric 20")
			t.del(rib.Key{Prefix: netip.MustParsePrefix("10.0.0.0/8")})
		}, func(l *lab) {
			l.table(red)
			l.exported("red", "10.1.0.0/16", rib.Unresolved, "BGP's route 10.2.0.0/16, which covers it,")
			l.exported("red", "10.2.0.0/16", rib.Unresolved, "BGP's route 10.1.0.0/16, which covers it,")
		}},
	)
}

func init() {
	scenarios = append(scenarios,
		scenario{"the route that a nexthop is reached by has several nexthops, and loses one", func(l *lab, t *fakeTable) {
			for _, p := range []string{loopback, "10.255.0.2/32"} {
				l.hear("red", bgpPath(p, "192.0.2.9"), bgpPath(p, "198.51.100.9", id(1)))
			}
			l.hear("red", bgpPath("10.1.0.0/16", "10.255.0.1"))
			l.hear("red", bgpPath("10.2.0.0/16", "10.255.0.2"), bgpPath("10.2.0.0/16", "10.255.0.1", id(1)))
			l.hear("red", bgpPath("10.255.0.2/32", "198.51.100.9", id(1)))
		}, func(l *lab) {
			both := func(p string) string {
				return p + " proto vrfredist metric 20\n\tnexthop via 192.0.2.9 dev eth0 weight 1\n\tnexthop via 198.51.100.9 dev eth1 weight 1"
			}
			l.table(red, both("10.1.0.0/16"), both("10.2.0.0/16"), both("10.255.0.1"), "10.255.0.2 via 198.51.100.9 dev eth1 proto vrfredist metric 20")
		}},
		scenario{"another program takes the place of the route that a nexthop is reached by", func(l *lab, t *fakeTable) {
			l.hear("red", bgpPath(loopback, "192.0.2.9"))
			l.hear("red", bgpPath("10.1.0.0/16", "10.255.0.1"))
			t.set(via(loopback, "198.51.100.9", 3, rib.ProtoStatic, 20))
		}, func(l *lab) {
			l.table(red, byEth1, "10.255.0.1 via 198.51.100.9 dev eth1 proto static metric 20")
			l.exported("red", loopback, rib.Conflict, "")
		}},
		scenario{"another program deletes the route that a nexthop is reached by", func(l *lab, t *fakeTable) {
			l.hear("red", bgpPath(loopback, "192.0.2.9"))
			l.hear("red", bgpPath("10.1.0.0/16", "10.255.0.1"))
			t.del(rib.Key{Prefix: netip.MustParsePrefix(loopback), Metric: 20})
		}, func(l *lab) { l.table(red, byEth0, loopByEth0) }},
		scenario{"the kernel refuses the route that a nexthop is reached by", func(l *lab, t *fakeTable) {
			t.refuse[netip.MustParsePrefix(loopback)] = syscall.EINVAL
			l.hear("red", bgpPath("10.255.0.0/16", "198.51.100.9"))
			l.hear("red", bgpPath(loopback, "192.0.2.9"))
			l.hear("red", bgpPath("10.1.0.0/16", "10.255.0.1"))
		}, func(l *lab) {
			l.table(red, byEth1, "10.255.0.0/16 via 198.51.100.9 dev eth1 proto vrfredist metric 20")
		}},
		scenario{"the nexthop comes onto a link, and leaves it", func(l *lab, t *fakeTable) {
			l.hear("red", bgpPath("203.0.113.0/24", "198.51.100.9"))
			l.hear("red", bgpPath("10.1.0.0/16", "203.0.113.9"))
			t.set(connected("203.0.113.8/29", 2, 0))
			l.settle()
			l.table(red, "10.1.0.0/16 via 203.0.113.9 dev eth0 proto vrfredist metric 20", "203.0.113.0/24 via 198.51.100.9 dev eth1 proto vrfredist metric 20")
			t.del(connected("203.0.113.8/29", 2, 0).Key())
		}, func(l *lab) {
			l.table(red, byEth1, "203.0.113.0/24 via 198.51.100.9 dev eth1 proto vrfredist metric 20")
		}},
		scenario{"two RDs have the route that a nexthop is reached by, and the better one goes", func(l *lab, t *fakeTable) {
			l.hear("red", bgpPath(loopback, "192.0.2.9", rd(1), pref(200)))
			l.hear("red", bgpPath(loopback, "198.51.100.9", rd(2)))
			l.hear("red", bgpPath("10.1.0.0/16", "10.255.0.1", rd(3)))
			l.unhear("red", loopback, 1)
		}, func(l *lab) { l.table(red, byEth1, loopByEth1) }},
		scenario{"a backup route is reached by a route of BGP, which moves", func(l *lab, t *fakeTable) {
			l.configure(backed())
			l.hear("red", two("10.1.0.0/16", "10.255.0.1", "10.255.0.2")...)
			l.hear("red", bgpPath(loopback, "192.0.2.9"))
			l.hear("red", bgpPath("10.255.0.2/32", "192.0.2.9"))
			l.hear("red", bgpPath("10.255.0.2/32", "198.51.100.9"))
		}, func(l *lab) {
			l.table(red, byEth0, byEth1Spare, loopByEth0, "10.255.0.2 via 198.51.100.9 dev eth1 proto vrfredist metric 20")
		}},
		scenario{"a nexthop is reached by a route that another VRF leaks, from where it is connected", func(l *lab, t *fakeTable) {
			s := spec("leaky")
			s.Binding = rib.Binding{Netns: "red", Table: 1001}
			other := l.kernel.add(s.Binding, t.where.Inode)
			other.del(rib.Key{Prefix: netip.MustParsePrefix("192.0.2.0/24")}) // the other's alone
			l.start(s)
			l.hear("leaky", bgpPath("10.1.0.0/16", "192.0.2.9"))
			l.hear("leaky", bgpPath("192.0.2.0/24", "0.0.0.0", imported("red")))
			l.hear("red", bgpPath(loopback, "192.0.2.9"))
			l.hear("leaky", bgpPath("10.2.0.0/16", "10.255.0.1", from("red")))
		}, func(l *lab) {
			l.table(leaky, byEth0+" onlink", "192.0.2.0/24 dev eth0 proto vrfredist metric 20")
			l.exported("leaky", "10.2.0.0/16", rib.Unresolved, `leaked from VRF "red", where BGP's own routes are not asked: nexthop 10.255.0.1 is unresolved`)
		}},
	)
}
