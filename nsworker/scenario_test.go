package nsworker

import (
	"fmt"
	"net/netip"
	"syscall"
	"testing"
	"testing/synctest"

	"github.com/vrfredist/vrfredist/rib"
	"github.com/vrfredist/vrfredist/vrf"
)

var red, blue = rib.Binding{Netns: "red"}, rib.Binding{Netns: "blue"}

// scenario is one story of a worker. check must hold when everything settled,
// whatever failed on the way.
type scenario struct {
	name  string
	run   func(l *lab, t *fakeTable)
	check func(l *lab)
}

var scenarios = []scenario{
	{"a BGP route is installed through the connected subnet of its nexthop", func(l *lab, t *fakeTable) {
		l.hear("red", bgpPath("10.1.0.0/16", "192.0.2.9"))
		l.hear("red", bgpPath("2001:db8:1::/48", "2001:db8::9"))
	}, func(l *lab) {
		l.table(red,
			"10.1.0.0/16 via 192.0.2.9 dev eth0 proto vrfredist metric 20",
			"2001:db8:1::/48 via 2001:db8::9 dev eth0 proto vrfredist metric 20 onlink")
	}},
	{"a withdrawn route leaves", func(l *lab, t *fakeTable) {
		l.hear("red", bgpPath("10.1.0.0/16", "192.0.2.9"))
		l.hear("red", bgpPath("10.2.0.0/16", "192.0.2.9"))
		l.unhear("red", "10.1.0.0/16", 0)
	}, func(l *lab) {
		l.table(red, "10.2.0.0/16 via 192.0.2.9 dev eth0 proto vrfredist metric 20")
	}},
	{"a changed nexthop is replaced in place", func(l *lab, t *fakeTable) {
		l.hear("red", bgpPath("10.1.0.0/16", "192.0.2.9"))
		l.hear("red", bgpPath("10.1.0.0/16", "198.51.100.9"))
	}, func(l *lab) {
		l.table(red, "10.1.0.0/16 via 198.51.100.9 dev eth1 proto vrfredist metric 20")
	}},
	{"two RDs make one route, the better; the other takes its place", func(l *lab, t *fakeTable) {
		l.hear("red", bgpPath("10.1.0.0/16", "192.0.2.9", rd(1), pref(200)))
		l.hear("red", bgpPath("10.1.0.0/16", "198.51.100.9", rd(2)))
		l.unhear("red", "10.1.0.0/16", 1)
	}, func(l *lab) {
		l.table(red, "10.1.0.0/16 via 198.51.100.9 dev eth1 proto vrfredist metric 20")
	}},
	{"a nexthop is unresolved until a static route covers it", func(l *lab, t *fakeTable) {
		l.hear("red", bgpPath("10.1.0.0/16", "203.0.113.1"))
		l.hear("red", bgpPath("10.2.0.0/16", "203.0.114.1"))
		t.set(via("203.0.113.0/24", "192.0.2.7", 2, rib.ProtoStatic, 0))
	}, func(l *lab) {
		l.table(red,
			"10.1.0.0/16 via 192.0.2.7 dev eth0 proto vrfredist metric 20",
			"203.0.113.0/24 via 192.0.2.7 dev eth0 proto static")
		l.exported("red", "10.2.0.0/16", rib.Unresolved, "203.0.114.1")
	}},
	{"a nexthop whose cover goes is withdrawn", func(l *lab, t *fakeTable) {
		t.set(via("203.0.113.0/24", "192.0.2.7", 2, rib.ProtoStatic, 0))
		l.hear("red", bgpPath("10.1.0.0/16", "203.0.113.1"))
		t.del(rib.Key{Prefix: netip.MustParsePrefix("203.0.113.0/24")})
	}, func(l *lab) {
		l.table(red)
		l.exported("red", "10.1.0.0/16", rib.Unresolved, "203.0.113.1")
	}},
	{"a link goes down and up again", func(l *lab, t *fakeTable) {
		l.hear("red", bgpPath("10.1.0.0/16", "192.0.2.9"))
		t.link(2, false)
		synctest.Wait()
		t.link(2, true)
	}, func(l *lab) {
		l.table(red, "10.1.0.0/16 via 192.0.2.9 dev eth0 proto vrfredist metric 20")
		l.announces("red", "192.0.2.0/24 med 0", "198.51.100.0/24 med 0", "2001:db8::/64 med 256")
	}},
	{"a link that stays down takes its routes and announcements along", func(l *lab, t *fakeTable) {
		l.hear("red", bgpPath("10.1.0.0/16", "192.0.2.9"))
		t.link(2, false)
	}, func(l *lab) {
		l.table(red)
		l.announces("red", "198.51.100.0/24 med 0")
	}},
	{"a foreign route with our key stays, and ours is a conflict", func(l *lab, t *fakeTable) {
		t.set(via("10.1.0.0/16", "198.51.100.7", 3, rib.ProtoStatic, 20))
		l.hear("red", bgpPath("10.1.0.0/16", "192.0.2.9"))
	}, func(l *lab) {
		l.table(red, "10.1.0.0/16 via 198.51.100.7 dev eth1 proto static metric 20")
		l.exported("red", "10.1.0.0/16", rib.Conflict, "another program")
	}},
	{"ours comes in when the foreign one goes", func(l *lab, t *fakeTable) {
		t.set(via("10.1.0.0/16", "198.51.100.7", 3, rib.ProtoStatic, 20))
		l.hear("red", bgpPath("10.1.0.0/16", "192.0.2.9"))
		t.del(rib.Key{Prefix: netip.MustParsePrefix("10.1.0.0/16"), Metric: 20})
	}, func(l *lab) {
		l.table(red, "10.1.0.0/16 via 192.0.2.9 dev eth0 proto vrfredist metric 20")
	}},
	{"a foreign program overwrites ours", func(l *lab, t *fakeTable) {
		l.hear("red", bgpPath("10.1.0.0/16", "192.0.2.9"))
		t.set(via("10.1.0.0/16", "198.51.100.7", 3, rib.ProtoStatic, 20))
	}, func(l *lab) {
		l.table(red, "10.1.0.0/16 via 198.51.100.7 dev eth1 proto static metric 20")
		l.exported("red", "10.1.0.0/16", rib.Conflict, "")
	}},
	{"an own route that someone deletes comes back; one that someone adds goes", func(l *lab, t *fakeTable) {
		l.hear("red", bgpPath("10.1.0.0/16", "192.0.2.9"))
		t.del(rib.Key{Prefix: netip.MustParsePrefix("10.1.0.0/16"), Metric: 20})
		t.set(via("10.7.0.0/16", "192.0.2.9", 2, rib.ProtoOwn, 20))
	}, func(l *lab) {
		l.table(red, "10.1.0.0/16 via 192.0.2.9 dev eth0 proto vrfredist metric 20")
	}},
	{"equal paths make a group, and lose a member", func(l *lab, t *fakeTable) {
		l.hear("red", bgpPath("10.1.0.0/16", "192.0.2.9"), bgpPath("10.1.0.0/16", "198.51.100.9", id(1)))
		l.hear("red", bgpPath("10.2.0.0/16", "192.0.2.9"), bgpPath("10.2.0.0/16", "198.51.100.9", id(1)))
		l.hear("red", bgpPath("10.2.0.0/16", "192.0.2.9"))
	}, func(l *lab) {
		l.table(red,
			"10.1.0.0/16 proto vrfredist metric 20\n\tnexthop via 192.0.2.9 dev eth0 weight 1\n\tnexthop via 198.51.100.9 dev eth1 weight 1",
			"10.2.0.0/16 via 192.0.2.9 dev eth0 proto vrfredist metric 20")
	}},
	{"BLACKHOLE becomes a blackhole route", func(l *lab, t *fakeTable) {
		l.hear("red", bgpPath("10.1.0.0/16", "192.0.2.9", community(rib.CommunityBlackhole)))
	}, func(l *lab) {
		l.table(red, "blackhole 10.1.0.0/16 proto vrfredist metric 20")
	}},
	{"what the VRF imported is not exported back", func(l *lab, t *fakeTable) {
		t.set(via("10.9.0.0/16", "192.0.2.7", 2, rib.ProtoStatic, 0))
		l.hear("red", bgpPath("10.9.0.0/16", "0.0.0.0", imported("red")))
	}, func(l *lab) {
		l.table(red, "10.9.0.0/16 via 192.0.2.7 dev eth0 proto static")
		l.announces("red", "10.9.0.0/16 med 0", "192.0.2.0/24 med 0", "198.51.100.0/24 med 0", "2001:db8::/64 med 256")
		l.exported("red", "10.9.0.0/16", rib.Filtered, "own import")
	}},
	{"the quota refuses what is new, keeps what is there, and recovers", func(l *lab, t *fakeTable) {
		s := spec("red")
		s.Export.MaxRoutes = 2
		l.configure(s)
		for i := range 4 {
			l.hear("red", bgpPath(fmt.Sprintf("10.%d.0.0/16", i), "192.0.2.9"))
		}
		l.unhear("red", "10.0.0.0/16", 0)
		l.unhear("red", "10.2.0.0/16", 0)
		l.unhear("red", "10.3.0.0/16", 0)
		l.hear("red", bgpPath("10.4.0.0/16", "192.0.2.9"))
		s.Export.MaxRoutes = 0
		l.configure(s)
	}, func(l *lab) {
		l.table(red,
			"10.1.0.0/16 via 192.0.2.9 dev eth0 proto vrfredist metric 20",
			"10.4.0.0/16 via 192.0.2.9 dev eth0 proto vrfredist metric 20")
	}},
	{"a leak in one namespace goes through the other VRF's interface", func(l *lab, t *fakeTable) {
		s := spec("leaky")
		s.Binding = rib.Binding{Netns: "red", Table: 1001}
		other := l.kernel.add(s.Binding, t.where.Inode)
		other.del(rib.Key{Prefix: netip.MustParsePrefix("192.0.2.0/24")}) // the other's alone
		l.start(s)
		l.hear("leaky", bgpPath("192.0.2.0/24", "0.0.0.0", imported("red")))
		l.hear("leaky", bgpPath("10.5.0.0/16", "192.0.2.9", from("red")))
		t.set(via("10.6.0.0/16", "192.0.2.7", 2, rib.ProtoStatic, 0))
		l.hear("leaky", bgpPath("10.6.0.0/16", "0.0.0.0", imported("red")))
	}, func(l *lab) {
		l.table(rib.Binding{Netns: "red", Table: 1001},
			"10.5.0.0/16 via 192.0.2.9 dev eth0 proto vrfredist metric 20 onlink",
			"10.6.0.0/16 via 192.0.2.7 dev eth0 proto vrfredist metric 20 onlink",
			"192.0.2.0/24 dev eth0 proto vrfredist metric 20")
	}},
	{"a leak across namespaces is unresolved", func(l *lab, t *fakeTable) {
		l.kernel.add(blue, 99)
		l.start(spec("blue"))
		l.hear("blue", bgpPath("10.5.0.0/16", "192.0.2.9", from("red")))
	}, func(l *lab) {
		l.table(blue)
		l.exported("blue", "10.5.0.0/16", rib.Unresolved, "another network namespace")
	}},
	{"the namespace goes and comes back under its name", func(l *lab, t *fakeTable) {
		l.hear("red", bgpPath("10.1.0.0/16", "192.0.2.9"))
		l.settle()
		l.kernel.remove(red)
		l.settle()
		if st := l.state("red"); st.State != vrf.Pending {
			l.t.Errorf("without its namespace the VRF is %q", st.State)
		}
		l.announces("red")
		l.kernel.add(red, 1234)
	}, func(l *lab) {
		l.table(red, "10.1.0.0/16 via 192.0.2.9 dev eth0 proto vrfredist metric 20")
		l.announces("red", "192.0.2.0/24 med 0", "198.51.100.0/24 med 0", "2001:db8::/64 med 256")
	}},
	{"export is turned off and on", func(l *lab, t *fakeTable) {
		l.hear("red", bgpPath("10.1.0.0/16", "192.0.2.9"))
		s := spec("red")
		s.Export.Enabled = false
		l.configure(s)
		s.Export.Enabled = true
		s.Export.CommunityList = []rib.Community{65001<<16 | 100}
		l.configure(s)
		l.hear("red", bgpPath("10.2.0.0/16", "192.0.2.9", community(65001<<16|100)))
	}, func(l *lab) {
		l.table(red, "10.2.0.0/16 via 192.0.2.9 dev eth0 proto vrfredist metric 20")
	}},
	{"the metric changes", func(l *lab, t *fakeTable) {
		l.hear("red", bgpPath("10.1.0.0/16", "192.0.2.9"))
		s := spec("red")
		s.Export.Metric = 77
		l.configure(s)
		l.settle()
		l.table(red, "10.1.0.0/16 via 192.0.2.9 dev eth0 proto vrfredist metric 77")
		l.configure(spec("red"))
	}, func(l *lab) {
		l.table(red, "10.1.0.0/16 via 192.0.2.9 dev eth0 proto vrfredist metric 20")
	}},
	{"one route that the kernel refuses leaves the others alone", func(l *lab, t *fakeTable) {
		t.refuse[netip.MustParsePrefix("10.2.0.0/16")] = syscall.EINVAL
		for i := range 4 {
			l.hear("red", bgpPath(fmt.Sprintf("10.%d.0.0/16", i), "192.0.2.9"))
		}
	}, func(l *lab) {
		l.table(red,
			"10.0.0.0/16 via 192.0.2.9 dev eth0 proto vrfredist metric 20",
			"10.1.0.0/16 via 192.0.2.9 dev eth0 proto vrfredist metric 20",
			"10.3.0.0/16 via 192.0.2.9 dev eth0 proto vrfredist metric 20")
		l.exported("red", "10.2.0.0/16", rib.Failed, "invalid argument")
		if st := l.state("red"); st.State != vrf.Degraded || st.Reason != "1 failed" {
			l.t.Errorf("the VRF is %q (%s)", st.State, st.Reason)
		}
	}},
	{"another program keeps deleting ours, and stops", func(l *lab, t *fakeTable) {
		l.hear("red", bgpPath("10.1.0.0/16", "192.0.2.9"))
		l.hear("red", bgpPath("10.2.0.0/16", "192.0.2.9"))
		for range 20 {
			t.del(rib.Key{Prefix: netip.MustParsePrefix("10.1.0.0/16"), Metric: 20})
			synctest.Wait()
		}
		l.unhear("red", "10.2.0.0/16", 0)
	}, func(l *lab) {
		l.table(red, "10.1.0.0/16 via 192.0.2.9 dev eth0 proto vrfredist metric 20")
		l.exported("red", "10.1.0.0/16", rib.Installed, "")
	}},
	{"a nexthop that the kernel refuses takes the old route out", func(l *lab, t *fakeTable) {
		l.hear("red", bgpPath("10.1.0.0/16", "192.0.2.9"))
		l.hear("red", bgpPath("10.2.0.0/16", "192.0.2.9"))
		l.settle()
		l.kernel.mu.Lock()
		t.refuse[netip.MustParsePrefix("10.1.0.0/16")] = syscall.EHOSTUNREACH
		l.kernel.mu.Unlock()
		l.hear("red", bgpPath("10.1.0.0/16", "198.51.100.9"))
	}, func(l *lab) {
		l.table(red, "10.2.0.0/16 via 192.0.2.9 dev eth0 proto vrfredist metric 20")
		l.exported("red", "10.1.0.0/16", rib.Failed, syscall.EHOSTUNREACH.Error())
	}},
}

// failures are what goes wrong underneath a scenario.
var failures = []struct {
	name   string
	inject func(l *lab)
}{
	{"nothing fails", func(*lab) {}},
	{"the first open fails", func(l *lab) { l.kernel.fail["open"] = 1 }},
	{"the first watch fails", func(l *lab) { l.kernel.fail["await"] = 1 }},
	{"a dump is interrupted", func(l *lab) { l.kernel.fail["read"] = 2 }},
	{"a dump breaks off", func(l *lab) { l.kernel.fail["short"] = 2 }},
	{"dumps fail until the worker gives up", func(l *lab) { l.kernel.fail["read"] = attempts + 2 }},
	{"a batch is not sent", func(l *lab) { l.kernel.fail["batch"] = 1 }},
	{"batches are not sent until the worker gives up", func(l *lab) { l.kernel.fail["batch"] = attempts + 2 }},
	{"an acknowledgement is lost", func(l *lab) { l.kernel.fail["ack"] = 2 }},
	{"a write finds no network", func(l *lab) { l.kernel.fail[syscall.ENETUNREACH.Error()] = 2 }},
	{"a write finds no nexthop object", func(l *lab) { l.kernel.fail[syscall.ENOENT.Error()] = 2 }},
	{"a write is invalid", func(l *lab) { l.kernel.fail[syscall.EINVAL.Error()] = 1 }},
	{"a write finds no memory", func(l *lab) { l.kernel.fail[syscall.ENOBUFS.Error()] = 3 }},
	{"a write finds the key taken", func(l *lab) { l.kernel.fail["exists"] = 1 }},
	{"BGP refuses an announcement", func(l *lab) { l.bgp.fail = 2 }},
	{"BGP takes an announcement and its answer is lost", func(l *lab) { l.bgp.lost = 2 }},
}

// TestScenarios tells every story under every failure: in the end the tables are
// the same, and foreign routes are as they were.
func TestScenarios(t *testing.T) {
	for _, objects := range []string{"with nexthop objects", "without"} {
		for _, f := range failures {
			for _, sc := range scenarios {
				t.Run(objects+"/"+f.name+"/"+sc.name, func(t *testing.T) {
					story(t, func(l *lab, table *fakeTable) {
						l.kernel.noObject = objects == "without"
						f.inject(l)
						l.start(spec("red"))
						sc.run(l, table)
						l.settle()
						sc.check(l)
						// A route in conflict, or refused, keeps its group at hand.
						if c := l.state("red").Counts.Total(); l.kernel.litter(1) > 0 && c.Conflict+c.Failed == 0 {
							t.Errorf("%d nexthop objects are left that nothing uses", l.kernel.litter(1))
						}
					})
				})
			}
		}
	}
}
