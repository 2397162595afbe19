package nsworker

import (
	"fmt"
	"maps"
	"net/netip"
	"strings"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"github.com/vrfredist/vrfredist/rib"
	"github.com/vrfredist/vrfredist/vrf"
)

func peer(addr string) func(*rib.Path) {
	return func(p *rib.Path) {
		p.Attrs.Peer, p.Attrs.RouterID = netip.MustParseAddr(addr), netip.MustParseAddr(addr)
	}
}

// two are the paths of two neighbours, the first one's the better.
func two(prefix, first, second string) []rib.Path {
	return []rib.Path{
		bgpPath(prefix, first, peer("192.0.2.101"), id(1), pref(200)),
		bgpPath(prefix, second, peer("192.0.2.102"), id(2)),
	}
}

const byEth0, byEth1 = "10.1.0.0/16 via 192.0.2.9 dev eth0 proto vrfredist metric 20", "10.1.0.0/16 via 198.51.100.9 dev eth1 proto vrfredist metric 20"

// carrier takes the carrier of a link, or gives it back, as a kernel does in which hops
// without carrier go on being used.
func (t *fakeTable) carrier(index int, up bool) {
	t.k.mu.Lock()
	defer t.k.mu.Unlock()
	l := t.links[index]
	l.Up = up
	t.links = maps.Clone(t.links)
	t.links[index] = l
	t.emit(rib.KernelEvents{Resync: true, Reason: rib.ResyncLink, Links: maps.Clone(t.links)})
}

func init() {
	scenarios = append(scenarios,
		scenario{"the better path's link is down, and the other path is taken", func(l *lab, t *fakeTable) {
			l.hear("red", two("10.1.0.0/16", "192.0.2.9", "198.51.100.9")...)
			t.link(2, false)
		}, func(l *lab) { l.table(red, byEth1) }},
		scenario{"the better path's link is down before BGP has it", func(l *lab, t *fakeTable) {
			t.link(2, false)
			l.hear("red", two("10.1.0.0/16", "192.0.2.9", "198.51.100.9")...)
		}, func(l *lab) { l.table(red, byEth1) }},
		scenario{"the better path's link comes back, and so does the path", func(l *lab, t *fakeTable) {
			l.hear("red", two("10.1.0.0/16", "192.0.2.9", "198.51.100.9")...)
			t.link(2, false)
			synctest.Wait()
			t.link(2, true)
		}, func(l *lab) { l.table(red, byEth0) }},
		scenario{"the better path's link has no carrier", func(l *lab, t *fakeTable) {
			l.hear("red", two("10.1.0.0/16", "192.0.2.9", "198.51.100.9")...)
			t.carrier(2, false)
		}, func(l *lab) { l.table(red, byEth1) }},
		scenario{"no path's link has carrier, and the better one is used as the kernel does", func(l *lab, t *fakeTable) {
			l.hear("red", two("10.1.0.0/16", "192.0.2.9", "198.51.100.9")...)
			t.carrier(2, false)
			t.carrier(3, false)
		}, func(l *lab) { l.table(red, byEth0) }},
		scenario{"the way to the better path's nexthop is gone, across RDs", func(l *lab, t *fakeTable) {
			t.set(via("203.0.113.0/24", "192.0.2.7", 2, rib.ProtoStatic, 0))
			l.hear("red", bgpPath("10.1.0.0/16", "203.0.113.1", rd(1), pref(200)))
			l.hear("red", bgpPath("10.1.0.0/16", "198.51.100.9", rd(2)))
			t.del(rib.Key{Prefix: netip.MustParsePrefix("203.0.113.0/24")})
		}, func(l *lab) { l.table(red, byEth1) }},
		scenario{"the way to the better path's nexthop is a blackhole", func(l *lab, t *fakeTable) {
			l.hear("red", two("10.1.0.0/16", "203.0.113.1", "198.51.100.9")...)
			t.set(rib.Route{Prefix: netip.MustParsePrefix("203.0.113.0/24"), Kind: rib.KindBlackhole, Protocol: rib.ProtoStatic})
		}, func(l *lab) {
			l.table(red, byEth1, "blackhole 203.0.113.0/24 proto static")
		}},
		scenario{"the way to the better path's nexthop comes", func(l *lab, t *fakeTable) {
			l.hear("red", two("10.1.0.0/16", "203.0.113.1", "198.51.100.9")...)
			synctest.Wait()
			t.set(via("203.0.113.0/24", "192.0.2.9", 2, rib.ProtoStatic, 0))
		}, func(l *lab) {
			l.table(red, byEth0, "203.0.113.0/24 via 192.0.2.9 dev eth0 proto static")
		}},
		scenario{"a third path is taken when the first two are not reached", func(l *lab, t *fakeTable) {
			l.hear("red", append(two("10.1.0.0/16", "203.0.113.1", "203.0.114.1"), bgpPath("10.1.0.0/16", "198.51.100.9", peer("192.0.2.103"), id(3), pref(50)))...)
		}, func(l *lab) { l.table(red, byEth1) }},
		scenario{"the only path of a session that ended goes, and what another neighbour sent stays", func(l *lab, t *fakeTable) {
			l.hear("red", two("10.1.0.0/16", "192.0.2.9", "198.51.100.9")...)
			l.hear("red", bgpPath("10.2.0.0/16", "192.0.2.9", peer("192.0.2.101")))
			l.hear("red", two("10.3.0.0/16", "192.0.2.9", "192.0.2.9")...)
			synctest.Wait()
			l.feed("red").SetDown(netip.MustParseAddr("192.0.2.101"), true)
		}, func(l *lab) {
			l.table(red, byEth1, "10.3.0.0/16 via 192.0.2.9 dev eth0 proto vrfredist metric 20")
			l.exported("red", "10.2.0.0/16", rib.Unresolved, "session with 192.0.2.101")
		}},
		scenario{"a session comes back before its paths were withdrawn", func(l *lab, t *fakeTable) {
			l.hear("red", two("10.1.0.0/16", "192.0.2.9", "198.51.100.9")...)
			l.feed("red").SetDown(netip.MustParseAddr("192.0.2.101"), true)
			synctest.Wait()
			l.feed("red").SetDown(netip.MustParseAddr("192.0.2.101"), false)
		}, func(l *lab) { l.table(red, byEth0) }},
	)
}

// TestKernelRefusesTheBetterPath: the kernel takes no route by its nexthop, for good: the
// other path's is installed, and the better one's is tried again with the next reading.
func TestKernelRefusesTheBetterPath(t *testing.T) {
	story(t, func(l *lab, table *fakeTable) {
		s := spec("red")
		s.NexthopObjects = false
		table.refuseVia = map[netip.Addr]error{netip.MustParseAddr("192.0.2.9"): syscall.EINVAL}
		l.hear("red", two("10.1.0.0/16", "192.0.2.9", "198.51.100.9")...)
		l.converge("red")
		l.start(s)
		l.settle()
		l.table(red, byEth1)
		l.exported("red", "10.1.0.0/16", rib.Installed, "")
		l.k(func() { table.refuseVia = nil })
		time.Sleep(s.ResyncInterval + time.Second)
		l.settle()
		l.table(red, byEth0)
	})
}

// k holds the fake kernel's lock.
func (l *lab) k(f func()) {
	l.kernel.mu.Lock()
	defer l.kernel.mu.Unlock()
	f()
}

// TestFailoverIsOneMessage: however many routes share two neighbours, one replace moves them
// when the better one's session ends, its paths' withdrawals then find nothing to do, and
// when both reflectors had sent the same nothing is written at all.
func TestFailoverIsOneMessage(t *testing.T) {
	const routes = 500
	at := func(i int) string { return fmt.Sprintf("10.%d.%d.0/24", i/250, i%250) }
	story(t, func(l *lab, table *fakeTable) {
		for i := range routes {
			l.feed("red").Set(netip.MustParsePrefix(at(i)), 0, two(at(i), "192.0.2.9", "198.51.100.9"))
		}
		l.feed("red").Set(netip.MustParsePrefix("172.16.0.0/16"), 0, two("172.16.0.0/16", "192.0.2.9", "192.0.2.9"))
		l.converge("red")
		l.start(spec("red"))
		l.settle()
		l.k(func() { l.kernel.writes, l.kernel.objectWrites = nil, nil })
		first := netip.MustParseAddr("192.0.2.101")
		l.feed("red").SetDown(first, true)
		synctest.Wait()
		if len(l.kernel.writes) != 0 || len(l.kernel.objectWrites) > 2 { // the backup's own, and the group
			t.Errorf("written are %d routes, and the objects %q", len(l.kernel.writes), l.kernel.objectWrites)
		}
		l.exported("red", at(7), rib.Installed, "")
		if got := table.String(); got == "" || !strings.Contains(got, at(7)+" via 198.51.100.9 dev eth1") || !strings.Contains(got, "172.16.0.0/16 via 192.0.2.9 dev eth0") {
			t.Errorf("the table is\n%s", got)
		}
		l.feed("red").Retain(func(p rib.Path) bool { return p.Attrs.Peer != first })
		l.settle()
		l.settle()
		if len(l.kernel.writes) != 0 {
			t.Errorf("after the withdrawals %d routes are written: %q …", len(l.kernel.writes), l.kernel.writes[0])
		}
		l.feed("red").SetDown(first, false)
		l.settle()
		if got := table.String(); !strings.Contains(got, at(7)+" via 198.51.100.9 dev eth1") {
			t.Errorf("the table is\n%s", got)
		}
	})
}

// TestLostWithTheLink: the kernel has deleted a link's group, and the routes on it, without a
// word. They are written by the other way before the table is read, which fails meanwhile, and
// BGP is told of the nexthop when they are.
func TestLostWithTheLink(t *testing.T) {
	const routes = 3000
	at := func(i int) string { return fmt.Sprintf("10.%d.%d.0/24", i/250, i%250) }
	story(t, func(l *lab, table *fakeTable) {
		for i := range routes {
			l.feed("red").Set(netip.MustParsePrefix(at(i)), 0, two(at(i), "192.0.2.9", "198.51.100.9"))
		}
		l.hear("red", bgpPath("10.200.0.0/16", "198.51.100.9")) // which the link is nothing to
		l.converge("red")
		l.start(spec("red"))
		l.settle()
		l.k(func() { l.kernel.writes, l.kernel.fail = nil, map[string]int{"read": 2} })
		table.link(2, false)
		synctest.Wait()
		read := l.state("red").Totals.ReadFailures > 0
		if got := table.String(); strings.Count(got, "via 198.51.100.9 dev eth1") != routes+1 {
			t.Errorf("the table is\n%.500s", got)
		}
		l.k(func() {
			if len(l.kernel.writes) != routes || read {
				t.Errorf("%d routes are written, want %d; the table was read before: %v", len(l.kernel.writes), routes, read)
			}
		})
		if l.feed("red").Repairing() {
			t.Error("BGP waits still")
		}
		l.settle()
		if st := l.state("red"); st.State != vrf.Ready || st.Totals.ReadFailures != 2 || len(l.kernel.writes) != routes {
			t.Errorf("red is %s (%s), after %d failed readings and %d writes", st.State, st.Reason, st.Totals.ReadFailures, len(l.kernel.writes))
		}
	})
}

// TestSecondNeighbourWritesNothing: its table, which is only a backup, changes no route; and
// a session that ends where there is no backup empties the table by its group.
func TestSecondNeighbourWritesNothing(t *testing.T) {
	story(t, func(l *lab, table *fakeTable) {
		for i := range 1200 {
			prefix := fmt.Sprintf("10.%d.%d.0/24", i/250, i%250)
			l.feed("red").Set(netip.MustParsePrefix(prefix), 0, two(prefix, "192.0.2.9", "198.51.100.9")[:1])
		}
		l.converge("red")
		l.start(spec("red"))
		l.settle()
		l.k(func() { l.kernel.writes, l.kernel.objectWrites = nil, nil })
		for i := range 600 {
			prefix := fmt.Sprintf("10.%d.%d.0/24", i/250, i%250)
			l.feed("red").Set(netip.MustParsePrefix(prefix), 0, two(prefix, "192.0.2.9", "198.51.100.9"))
		}
		synctest.Wait()
		if len(l.kernel.writes) != 0 {
			t.Errorf("%d routes are written for their backup: %q …", len(l.kernel.writes), l.kernel.writes[0])
		}
	})
	story(t, func(l *lab, table *fakeTable) {
		for i := range 1200 {
			prefix := fmt.Sprintf("10.%d.%d.0/24", i/250, i%250)
			l.feed("red").Set(netip.MustParsePrefix(prefix), 0, two(prefix, "192.0.2.9", "198.51.100.9")[:1])
		}
		l.converge("red")
		l.start(spec("red"))
		l.settle()
		l.k(func() { l.kernel.writes, l.kernel.objectWrites = nil, nil })
		l.feed("red").SetDown(netip.MustParseAddr("192.0.2.101"), true)
		synctest.Wait()
		if len(l.kernel.writes) != 0 || len(l.kernel.objectWrites) != 1 {
			t.Errorf("written are %d routes, and the objects %q", len(l.kernel.writes), l.kernel.objectWrites)
		}
		l.table(red)
	})
}

// TestStandingRouteWaitsForItsNeighbour: after a restart whoever comes back first does not
// get the route, until all have spoken, or the one path that can have made it is gone, or it
// does not work.
func TestStandingRouteWaitsForItsNeighbour(t *testing.T) {
	other := bgpPath("10.1.0.0/16", "198.51.100.9", peer("192.0.2.102"), id(2))
	for name, c := range map[string]struct {
		then func(l *lab, table *fakeTable)
		want string
	}{
		"it waits":             {func(*lab, *fakeTable) {}, byEth0},
		"the better one comes": {func(l *lab, _ *fakeTable) { l.hear("red", two("10.1.0.0/16", "192.0.2.9", "198.51.100.9")...) }, byEth0},
		"the better one comes, and goes": {func(l *lab, _ *fakeTable) {
			l.hear("red", two("10.1.0.0/16", "192.0.2.9", "198.51.100.9")...)
			l.hear("red", other)
		}, byEth1},
		"an equal one comes, and goes": {func(l *lab, _ *fakeTable) {
			l.hear("red", bgpPath("10.1.0.0/16", "192.0.2.9", pref(50), id(1)), other)
			l.hear("red", other)
		}, byEth1},
		"all have spoken":    {func(l *lab, _ *fakeTable) { l.converge("red") }, byEth1},
		"time is over":       {func(*lab, *fakeTable) { time.Sleep(time.Minute) }, byEth1},
		"its link goes":      {func(_ *lab, t *fakeTable) { t.link(2, false) }, byEth1},
		"its link is silent": {func(_ *lab, t *fakeTable) { t.carrier(2, false) }, byEth1},
	} {
		t.Run(name, func(t *testing.T) {
			story(t, func(l *lab, table *fakeTable) {
				table.routes[left("10.1.0.0/16").Key()] = left("10.1.0.0/16")
				l.hear("red", other)
				l.start(spec("red"))
				synctest.Wait()
				l.table(red, byEth0)
				c.then(l, table)
				synctest.Wait()
				time.Sleep(time.Second)
				synctest.Wait()
				l.table(red, c.want)
			})
		})
	}
}
