package nsworker

import (
	"fmt"
	"maps"
	"net/netip"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/vrfredist/vrfredist/rib"
	"github.com/vrfredist/vrfredist/vrf"
)

// TestFailoverIsOneReplace moves the covering route of a nexthop under many
// routes: none of them is written.
func TestFailoverIsOneReplace(t *testing.T) {
	story(t, func(l *lab, table *fakeTable) {
		table.set(via("203.0.113.0/24", "192.0.2.7", 2, rib.ProtoStatic, 0))
		l.start(spec("red"))
		l.converge("red")
		for i := range 100 {
			l.hear("red", bgpPath(fmt.Sprintf("10.%d.0.0/16", i), "203.0.113.1"))
		}
		l.kernel.writes, l.kernel.objectWrites = nil, nil
		table.set(via("203.0.113.0/24", "198.51.100.7", 3, rib.ProtoStatic, 0))
		synctest.Wait()
		if len(l.kernel.writes) != 0 {
			t.Errorf("%d routes were written for a changed nexthop", len(l.kernel.writes))
		}
		written := func(want ...string) {
			l.kernel.mu.Lock()
			defer l.kernel.mu.Unlock()
			if !slices.Equal(l.kernel.objectWrites, want) {
				t.Errorf("objects were written %q, want %q", l.kernel.objectWrites, want)
			}
		}
		written("add nexthop", "replace nexthop")
		l.settle()
		written("add nexthop", "replace nexthop", "delete nexthop")
		for _, line := range strings.Split(table.String(), "\n") {
			if !strings.Contains(line, "via 198.51.100.7 dev eth1") {
				t.Errorf("%s does not follow", line)
			}
		}
	})
}

// TestFlappingRouteFindsItsNexthop has the only route by a nexthop come and go: only
// the route is written. Once it stays away its objects go.
func TestFlappingRouteFindsItsNexthop(t *testing.T) {
	story(t, func(l *lab, table *fakeTable) {
		l.start(spec("red"))
		l.converge("red")
		l.hear("red", bgpPath("10.1.0.0/16", "192.0.2.9"))
		l.kernel.writes, l.kernel.objectWrites = nil, nil
		for range 20 { // longer than an object is kept, each time for less
			time.Sleep(keepUnused / 4)
			l.unhear("red", "10.1.0.0/16", 0)
			l.table(red)
			time.Sleep(keepUnused / 2)
			l.hear("red", bgpPath("10.1.0.0/16", "192.0.2.9"))
			l.table(red, "10.1.0.0/16 via 192.0.2.9 dev eth0 proto vrfredist metric 20")
		}
		if len(l.kernel.writes) != 40 || len(l.kernel.objectWrites) != 0 {
			t.Errorf("40 changes wrote %d routes, and objects %q", len(l.kernel.writes), l.kernel.objectWrites)
		}
		l.unhear("red", "10.1.0.0/16", 0)
		time.Sleep(2 * keepUnused)
		synctest.Wait()
		if n := len(table.objects()); n != 0 {
			t.Errorf("%d nexthop objects are left of a route that stays away", n)
		}
	})
}

// TestLostNexthopTakesItsRoutesAtOnce checks that a group of many routes goes by
// one message, and that what is counted follows.
func TestLostNexthopTakesItsRoutesAtOnce(t *testing.T) {
	story(t, func(l *lab, table *fakeTable) {
		table.set(via("203.0.113.0/24", "192.0.2.7", 2, rib.ProtoStatic, 0))
		l.start(spec("red"))
		for i := range dissolveFrom {
			l.hear("red", bgpPath(fmt.Sprintf("10.%d.%d.0/24", i/256, i%256), "203.0.113.1"))
		}
		l.kernel.writes = nil
		table.del(rib.Key{Prefix: netip.MustParsePrefix("203.0.113.0/24")})
		synctest.Wait()
		l.table(red)
		if len(l.kernel.writes) != 0 {
			t.Errorf("%d routes were deleted one by one", len(l.kernel.writes))
		}
		if c := l.state("red").Counts.Total(); c.Unresolved != dissolveFrom || c.Installed != 0 {
			t.Errorf("%d routes are unresolved and %d installed", c.Unresolved, c.Installed)
		}
	})
}

// TestForeignNexthopIsLeftAlone takes every id that the target would choose
// first: another program has it.
func TestForeignNexthopIsLeftAlone(t *testing.T) {
	story(t, func(l *lab, table *fakeTable) {
		tg := target{key: "4|192.0.2.9"}
		o := newObjects(New(Deps{Board: NewBoard(), Log: l.log()}, spec("red"), nil), table.where)
		l.kernel.alien[o.claim(groupBase, []byte(tg.key), anyObject)] = true
		l.start(spec("red"))
		l.hear("red", bgpPath("10.1.0.0/16", "192.0.2.9"))
		l.settle()
		l.table(red, "10.1.0.0/16 via 192.0.2.9 dev eth0 proto vrfredist metric 20")
		if id := table.routes[rib.Key{Prefix: netip.MustParsePrefix("10.1.0.0/16"), Metric: 20}].NexthopID; id != 0 {
			t.Errorf("the route hangs on the nexthop %d of another program", id)
		}
		l.exported("red", "10.1.0.0/16", rib.Installed, "")
	})
}

// TestNoIDLeft has another worker hold every id that a target would try: its
// routes carry their nexthops themselves.
func TestNoIDLeft(t *testing.T) {
	story(t, func(l *lab, table *fakeTable) {
		other := newObjects(&Worker{deps: Deps{Board: l.board}}, table.where)
		for range idTries {
			if other.claim(groupBase, []byte("4|192.0.2.9"), anyObject) == 0 {
				t.Fatal("the ids are used up already")
			}
		}
		if id := other.claim(groupBase, []byte("4|192.0.2.9"), anyObject); id != 0 {
			t.Fatalf("one more than there are: %d", id)
		}
		l.start(spec("red"))
		l.hear("red", bgpPath("10.1.0.0/16", "192.0.2.9"))
		l.settle()
		l.table(red, "10.1.0.0/16 via 192.0.2.9 dev eth0 proto vrfredist metric 20")
		if id := table.routes[rib.Key{Prefix: netip.MustParsePrefix("10.1.0.0/16"), Metric: 20}].NexthopID; id != 0 {
			t.Errorf("the route hangs on the nexthop %d, which is another VRF's", id)
		}
		l.exported("red", "10.1.0.0/16", rib.Installed, "")
	})
}

// TestChangedNexthopIsPutRight has another program point one of our single nexthops
// elsewhere: every group that it is in looks as it should.
func TestChangedNexthopIsPutRight(t *testing.T) {
	story(t, func(l *lab, table *fakeTable) {
		l.start(spec("red"))
		l.hear("red", bgpPath("10.1.0.0/16", "192.0.2.9"))
		l.hear("red", bgpPath("10.2.0.0/16", "192.0.2.9"), bgpPath("10.2.0.0/16", "198.51.100.9", id(1)))
		l.settle()
		l.kernel.mu.Lock()
		l.kernel.writes = nil
		for id, n := range table.objects() {
			if !n.Group() && n.Hop.Gateway.String() == "192.0.2.9" {
				n.Hop.Gateway = netip.MustParseAddr("192.0.2.77")
				table.objects()[id] = n
			}
		}
		table.emit(rib.KernelEvents{Resync: true, Reason: rib.ResyncNexthop})
		l.kernel.mu.Unlock()
		l.settle()
		l.table(red,
			"10.1.0.0/16 via 192.0.2.9 dev eth0 proto vrfredist metric 20",
			"10.2.0.0/16 proto vrfredist metric 20\n\tnexthop via 192.0.2.9 dev eth0 weight 1\n\tnexthop via 198.51.100.9 dev eth1 weight 1")
		if len(l.kernel.writes) != 0 {
			t.Errorf("routes were written for a changed nexthop: %q", l.kernel.writes)
		}
	})
}

// TestTwoVRFsOfOneNamespaceShareNoID gives two tables that hash alike the same
// nexthops.
func TestTwoVRFsOfOneNamespaceShareNoID(t *testing.T) {
	b := NewBoard()
	w1, w2 := &Worker{deps: Deps{Board: b}}, &Worker{deps: Deps{Board: b}}
	where := rib.Where{Dev: 1, Inode: 2, Table: 7}
	o1, o2 := newObjects(w1, where), newObjects(w2, where)
	a, c := o1.claim(groupBase, []byte("x"), anyObject), o2.claim(groupBase, []byte("x"), anyObject)
	if a == 0 || c == 0 || a == c {
		t.Errorf("ids %d and %d", a, c)
	}
	o1.load([]rib.Nexthop{{ID: a}, {ID: c}}, nil)
	if _, mine := o1.known[c]; mine || len(o1.known) != 1 {
		t.Errorf("one VRF takes another's object for its own: %v", o1.known)
	}
	o1.close()
	o3 := newObjects(w2, where)
	if again := o3.claim(groupBase, []byte("x"), anyObject); again != a {
		t.Errorf("an id that was given back is %d now, was %d", again, a)
	}
}

// TestFlappingLinkCostsItsOwnNexthops lets one of two links flap, with a thousand
// nexthops on the other.
func TestFlappingLinkCostsItsOwnNexthops(t *testing.T) {
	story(t, func(l *lab, table *fakeTable) {
		for i := range 1000 {
			l.hear("red", bgpPath(fmt.Sprintf("10.%d.%d.0/24", i/256, i%256), fmt.Sprintf("192.0.2.%d", 2+i%250)))
		}
		l.hear("red", bgpPath("10.200.0.0/16", "198.51.100.9"))
		s := newSession(New(Deps{l.kernel, l.bgp, l.board, l.log(), nil, nil, nil}, spec("red"), func(vrf.WorkerStatus) {}), table)
		s.feed = l.feed("red")
		read, err := table.Read(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		s.read = true
		s.adopt(read)
		s.feed.Rewind()
		s.takeFeed()
		if got := len(s.targets.byKey); got != 251 {
			t.Fatalf("%d targets", got)
		}
		for _, up := range []bool{false, true} {
			links := maps.Clone(read.Links)
			k := links[3]
			k.Up = up
			links[3] = k
			s.tracker.resolved = 0
			s.heedLinks(links)
			if s.tracker.resolved != 1 {
				t.Errorf("a flap of eth1 cost %d resolutions, want 1", s.tracker.resolved)
			}
		}
		s.tracker.resolved = 0
		s.heedRoutes([]rib.RouteEvent{{Route: via("198.51.100.8/29", "192.0.2.7", 2, rib.ProtoStatic, 0)}})
		if s.tracker.resolved != 1 {
			t.Errorf("a route over one nexthop cost %d resolutions, want 1", s.tracker.resolved)
		}
		if _, e := s.entryOf(netip.MustParsePrefix("10.200.0.0/16")); e.target.hops[0].Gateway.String() != "192.0.2.7" {
			t.Errorf("the nexthop goes through %v", e.target.hops)
		}
		s.objects.close()
	})
}
