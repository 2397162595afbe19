package nsworker

import (
	"fmt"
	"net/netip"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/vrfredist/vrfredist/nsworker/ledger"
	"github.com/vrfredist/vrfredist/nsworker/nexthop"
	"github.com/vrfredist/vrfredist/rib"
	"github.com/vrfredist/vrfredist/vrf"
)

// quietly is a route that comes without a word, and is found by a reading.
func quietly(t *fakeTable, r rib.Route) {
	t.k.mu.Lock()
	defer t.k.mu.Unlock()
	t.routes[r.Key()] = r
	t.emit(rib.KernelEvents{Resync: true, Reason: rib.ResyncOverflow})
}

// object changes the nexthop objects of a kind, as `ip nexthop replace` does.
func object(t *fakeTable, group bool, change func(*rib.Nexthop)) {
	t.k.mu.Lock()
	defer t.k.mu.Unlock()
	for id, n := range t.objects() {
		if n.Group() == group && (group || n.Hop.Gateway.String() != "198.51.100.9") {
			change(&n)
			t.objects()[id] = n
		}
	}
	t.emit(rib.KernelEvents{Resync: true, Reason: rib.ResyncNexthop})
}

const (
	twoRoutes = oneRoute + "\n10.2.0.0/16 via 198.51.100.9 dev eth1 proto vrfredist metric 20"
	addedOne  = "another program keeps adding 1 route under our protocol"
	changed1  = "another program keeps changing 1 nexthop object of ours"
)

// notOurs are what a program can do again and again beside our routes.
var notOurs = []struct {
	name, reason string
	fights       vrf.Contested
	once         func(t *fakeTable)
}{
	{"adds a route", addedOne, vrf.Contested{Strangers: 1}, func(t *fakeTable) {
		t.set(via("10.9.0.0/16", "198.51.100.66", 3, rib.ProtoOwn, 20))
	}},
	{"adds a route beside ours", addedOne, vrf.Contested{Strangers: 1}, func(t *fakeTable) {
		t.set(via("10.1.0.0/16", "198.51.100.66", 3, rib.ProtoOwn, 77))
	}},
	{"adds a route where ours is unresolved", addedOne, vrf.Contested{Strangers: 1}, func(t *fakeTable) {
		t.set(via("10.3.0.0/16", "198.51.100.66", 3, rib.ProtoOwn, 20))
	}},
	{"adds a route without a word", addedOne, vrf.Contested{Strangers: 1}, func(t *fakeTable) {
		quietly(t, via("10.9.0.0/16", "198.51.100.66", 3, rib.ProtoOwn, 20))
	}},
	{"adds one without a word beside ours", addedOne, vrf.Contested{Strangers: 1}, func(t *fakeTable) {
		quietly(t, via("10.1.0.0/16", "198.51.100.66", 3, rib.ProtoOwn, 77))
	}},
	{"changes a nexthop object", changed1, vrf.Contested{Nexthops: 1}, func(t *fakeTable) {
		object(t, false, func(n *rib.Nexthop) { n.Hop.Gateway = netip.MustParseAddr("192.0.2.66") })
	}},
	{"changes groups", "another program keeps changing 2 nexthop objects of ours", vrf.Contested{Nexthops: 2}, func(t *fakeTable) {
		object(t, true, func(n *rib.Nexthop) { n.Members = []rib.NexthopMember{{ID: n.Members[0].ID, Weight: 7}} })
	}},
	{"adds a nexthop object", changed1, vrf.Contested{Nexthops: 1}, func(t *fakeTable) {
		t.k.mu.Lock()
		defer t.k.mu.Unlock()
		id := nexthop.SingleBase | nexthop.Tag(t.where.Table) | 4711
		t.objects()[id] = rib.Nexthop{ID: id, Hop: rib.Hop{Ifindex: 3}}
		t.emit(rib.KernelEvents{Resync: true, Reason: rib.ResyncNexthop})
	}},
}

// A program that adds routes under our protocol again and again, or changes our
// nexthop objects, ten times a second for five minutes, meets the same backoff as one
// that changes our routes; in the end all is as it should be.
func TestFightOverWhatIsNotOurs(t *testing.T) {
	for _, f := range notOurs {
		t.Run(f.name, func(t *testing.T) {
			story(t, func(l *lab, table *fakeTable) {
				l.start(spec("red"))
				l.hear("red", bgpPath("10.1.0.0/16", "192.0.2.9"))
				l.hear("red", bgpPath("10.2.0.0/16", "198.51.100.9"))
				l.hear("red", bgpPath("10.3.0.0/16", "203.0.113.9")) // unresolved
				l.converge("red")
				l.settle()
				l.table(red, strings.Split(twoRoutes, "\n")...)
				objects := len(table.objects())
				l.kernel.mu.Lock()
				l.kernel.writes, l.kernel.objectWrites = nil, nil
				l.kernel.mu.Unlock()
				fiveMinutes(func() { f.once(table) })
				l.kernel.mu.Lock()
				routes, nexthops := l.kernel.writes, l.kernel.objectWrites
				l.kernel.mu.Unlock()
				// Four at once, then after 1, 2, 4, 8, 16, 32 and 60 s, and every minute. Of
				// objects each time puts two right: a single, and its group; or two groups.
				if n := len(routes) + len(nexthops); n < ledger.Tolerance+5 || n > 2*(ledger.Tolerance+15) {
					t.Errorf("%d writes in a fight of five minutes: %q", n, append(routes, nexthops...))
				}
				for _, w := range routes {
					if strings.Contains(w, "metric 20") && !strings.Contains(w, "198.51.100.66") {
						t.Errorf("a route of ours was written: %s", w)
					}
				}
				if st := l.state("red"); st.State != vrf.Degraded || !strings.Contains(st.Reason, f.reason) || st.Contested != f.fights {
					t.Errorf("red is %s (%s), in fights %+v", st.State, st.Reason, st.Contested)
				}
				if f.fights.Nexthops > 0 && f.name != "adds a nexthop object" {
					l.exported("red", "10.1.0.0/16", rib.Conflict, "keeps deleting or changing the nexthop object of this route; it is written again in ")
				} else {
					l.exported("red", "10.1.0.0/16", rib.Installed, "")
				}
				time.Sleep(time.Minute + time.Second)
				synctest.Wait()
				l.table(red, strings.Split(twoRoutes, "\n")...)
				if n := len(table.objects()); n != objects {
					t.Errorf("%d nexthop objects, and %d before the fight", n, objects)
				}
				time.Sleep(ledger.Calm)
				synctest.Wait()
				l.exported("red", "10.1.0.0/16", rib.Installed, "")
				if st := l.state("red"); strings.Contains(st.Reason, "keeps") || st.Contested != (vrf.Contested{}) {
					t.Errorf("red is %s (%s) after the fight", st.State, st.Reason)
				}
				f.once(table) // all is forgotten: this is put right at once
				time.Sleep(2 * resyncGap)
				synctest.Wait()
				l.table(red, strings.Split(twoRoutes, "\n")...)
			})
		})
	}
}

// A stranger that is left alone gives its place up as soon as BGP has a route for it.
func TestStrangerMakesRoom(t *testing.T) {
	for _, announced := range []bool{true, false} {
		t.Run(fmt.Sprint(announced), func(t *testing.T) {
			story(t, func(l *lab, table *fakeTable) {
				l.start(spec("red"))
				l.settle()
				for range 20 {
					if announced {
						table.set(via("10.1.0.0/16", "198.51.100.66", 3, rib.ProtoOwn, 20))
					} else {
						quietly(table, via("10.1.0.0/16", "198.51.100.66", 3, rib.ProtoOwn, 20))
						time.Sleep(2 * resyncGap)
					}
					synctest.Wait()
				}
				l.table(red, "10.1.0.0/16 via 198.51.100.66 dev eth1 proto vrfredist metric 20")
				l.hear("red", bgpPath("10.1.0.0/16", "192.0.2.9"))
				time.Sleep(2 * resyncGap)
				synctest.Wait()
				l.table(red, oneRoute)
				time.Sleep(time.Minute)
				synctest.Wait()
				l.table(red, oneRoute)
			})
		})
	}
}
