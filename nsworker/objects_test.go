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

	"github.com/vrfredist/vrfredist/nsworker/nexthop"
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
			time.Sleep(nexthop.KeepUnused / 4)
			l.unhear("red", "10.1.0.0/16", 0)
			l.table(red)
			time.Sleep(nexthop.KeepUnused / 2)
			l.hear("red", bgpPath("10.1.0.0/16", "192.0.2.9"))
			l.table(red, "10.1.0.0/16 via 192.0.2.9 dev eth0 proto vrfredist metric 20")
		}
		if len(l.kernel.writes) != 40 || len(l.kernel.objectWrites) != 0 {
			t.Errorf("40 changes wrote %d routes, and objects %q", len(l.kernel.writes), l.kernel.objectWrites)
		}
		l.unhear("red", "10.1.0.0/16", 0)
		time.Sleep(2 * nexthop.KeepUnused)
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
		for i := range nexthop.DissolveFrom {
			l.hear("red", bgpPath(fmt.Sprintf("10.%d.%d.0/24", i/256, i%256), "203.0.113.1"))
		}
		l.kernel.writes = nil
		table.del(rib.Key{Prefix: netip.MustParsePrefix("203.0.113.0/24")})
		synctest.Wait()
		l.table(red)
		if len(l.kernel.writes) != 0 {
			t.Errorf("%d routes were deleted one by one", len(l.kernel.writes))
		}
		if c := l.state("red").Counts.Total(); c.Unresolved != nexthop.DissolveFrom || c.Installed != 0 {
			t.Errorf("%d routes are unresolved and %d installed", c.Unresolved, c.Installed)
		}
	})
}

// TestForeignNexthopIsLeftAlone has another program take the id that our group would have:
// the routes carry their nexthops themselves.
func TestForeignNexthopIsLeftAlone(t *testing.T) {
	story(t, func(l *lab, table *fakeTable) {
		l.kernel.alien[nexthop.GroupID(table.where.Table, rib.IPv4, nexthop.Member{Addr: netip.MustParseAddr("192.0.2.9")})] = true
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

// TestFlappingLinkCostsItsOwnNexthops lets one of two links flap, with a thousand
// nexthops on the other.
func TestFlappingLinkCostsItsOwnNexthops(t *testing.T) {
	story(t, func(l *lab, table *fakeTable) {
		for i := range 1000 {
			l.hear("red", bgpPath(fmt.Sprintf("10.%d.%d.0/24", i/256, i%256), fmt.Sprintf("192.0.2.%d", 2+i%250)))
		}
		l.hear("red", bgpPath("10.200.0.0/16", "198.51.100.9"))
		w := New(Deps{l.kernel, l.bgp, l.board, l.log(), nil, nil, nil, nil, nil}, spec("red"), func(vrf.WorkerStatus) {})
		w.feed = l.feed("red")
		s := newTableSync(w, table)
		read, err := table.Read(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		s.adopt(read)
		s.pass()
		s.feed.Rewind()
		s.onFeed()
		if got := len(slices.Collect(s.sets.All())); got != 251 {
			t.Fatalf("%d sets", got)
		}
		for _, up := range []bool{false, true} {
			links := maps.Clone(read.Links)
			k := links[3]
			k.Up = up
			links[3] = k
			before := s.sets.Resolutions()
			s.onLinks(links)
			if n := s.sets.Resolutions() - before; n != 1 {
				t.Errorf("a flap of eth1 cost %d resolutions, want 1", n)
			}
		}
		before := s.sets.Resolutions()
		s.onRoutes([]rib.RouteEvent{{Route: via("198.51.100.8/29", "192.0.2.7", 2, rib.ProtoStatic, 0)}})
		if n := s.sets.Resolutions() - before; n != 1 {
			t.Errorf("a route over one nexthop cost %d resolutions, want 1", n)
		}
		if _, e := s.routes.entryOf(netip.MustParsePrefix("10.200.0.0/16")); e.Want.Hops[0].Gateway.String() != "192.0.2.7" {
			t.Errorf("the nexthop goes through %v", e.Want.Hops)
		}
		s.close()
	})
}

// TestRouteThatCannotGoKeepsItsGroup: the group goes after the last route on it.
func TestRouteThatCannotGoKeepsItsGroup(t *testing.T) {
	story(t, func(l *lab, table *fakeTable) {
		l.start(spec("red"))
		l.converge("red")
		l.hear("red", bgpPath("10.1.0.0/16", "192.0.2.9"))
		l.kernel.fail["delete"] = 1
		l.unhear("red", "10.1.0.0/16", 0)
		l.table(red, "10.1.0.0/16 via 192.0.2.9 dev eth0 proto vrfredist metric 20")
		l.settle()
		l.table(red)
		if n := len(table.objects()); n != 0 {
			t.Errorf("%d nexthop objects are left", n)
		}
	})
}

// TestObjectsOfAnotherTable has a worker tidy up in a namespace where the VRF of another
// table has no worker now.
func TestObjectsOfAnotherTable(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := newLab(t)
		defer l.close()
		here, there := rib.Binding{Table: 1001}, rib.Binding{Table: 1002}
		l.kernel.add(here, 1)
		l.kernel.add(there, 1)
		r, b := spec("red"), spec("blue")
		r.Binding, b.Binding = here, there
		l.start(b)
		l.hear("blue", bgpPath("10.2.0.0/16", "192.0.2.7"))
		l.stop("blue", errInjected)
		l.start(r)
		l.converge("red")
		l.hear("red", bgpPath("10.1.0.0/16", "192.0.2.9"))
		l.settle()
		l.stop("red", vrf.ErrRemoved)
		l.table(here)
		l.table(there, "10.2.0.0/16 via 192.0.2.7 dev eth0 proto vrfredist metric 20")
	})
}
