package nsworker

import (
	"net/netip"
	"testing"
	"testing/synctest"

	"github.com/vrfredist/vrfredist/rib"
)

// TestForeignRouteReplacedByAnother has one program replace the route of another,
// as the kernel lets it, and take its own away: nothing remembers the first.
func TestForeignRouteReplacedByAnother(t *testing.T) {
	story(t, func(l *lab, table *fakeTable) {
		connected := []string{"192.0.2.0/24 med 0", "198.51.100.0/24 med 0", "2001:db8::/64 med 256"}
		table.set(via("203.0.113.0/24", "192.0.2.7", 2, rib.ProtoStatic, 0))
		table.set(via("10.2.0.0/16", "192.0.2.7", 2, rib.ProtoStatic, 20))
		l.start(spec("red"))
		l.hear("red", bgpPath("10.1.0.0/16", "203.0.113.1"))
		l.hear("red", bgpPath("10.2.0.0/16", "192.0.2.9"))
		l.exported("red", "10.2.0.0/16", rib.Conflict, "")

		table.set(via("203.0.113.0/24", "198.51.100.7", 3, rib.ProtoBoot, 0))
		table.set(via("10.2.0.0/16", "198.51.100.7", 3, rib.ProtoBoot, 20))
		synctest.Wait()
		l.table(red,
			"10.1.0.0/16 via 198.51.100.7 dev eth1 proto vrfredist metric 20",
			"10.2.0.0/16 via 198.51.100.7 dev eth1 proto boot metric 20",
			"203.0.113.0/24 via 198.51.100.7 dev eth1 proto boot")
		l.announces("red", append([]string{"10.2.0.0/16 med 20"}, append(connected, "203.0.113.0/24 med 0")...)...)

		table.del(rib.Key{Prefix: netip.MustParsePrefix("203.0.113.0/24")})
		table.del(rib.Key{Prefix: netip.MustParsePrefix("10.2.0.0/16"), Metric: 20})
		synctest.Wait()
		l.table(red, "10.2.0.0/16 via 192.0.2.9 dev eth0 proto vrfredist metric 20")
		l.exported("red", "10.1.0.0/16", rib.Unresolved, "203.0.113.1")
		l.announces("red", connected...)
	})
}

// TestForeignRouteBesideAnother adds a second route under the key of the first, which
// of them the kernel uses only a reading can tell.
func TestForeignRouteBesideAnother(t *testing.T) {
	story(t, func(l *lab, table *fakeTable) {
		table.set(via("203.0.113.0/24", "192.0.2.7", 2, rib.ProtoStatic, 0))
		l.start(spec("red"))
		l.kernel.mu.Lock()
		table.emit(rib.KernelEvents{Routes: []rib.RouteEvent{
			{Route: via("203.0.113.0/24", "198.51.100.7", 3, rib.ProtoBoot, 0), Beside: true},
		}})
		l.kernel.mu.Unlock()
		l.settle()
		if n := l.state("red").Totals.Resyncs[rib.ResyncOverwritten]; n != 1 {
			t.Errorf("the table was read %d times for it", n)
		}
		l.hear("red", bgpPath("10.1.0.0/16", "203.0.113.1"))
		l.table(red,
			"10.1.0.0/16 via 192.0.2.7 dev eth0 proto vrfredist metric 20",
			"203.0.113.0/24 via 192.0.2.7 dev eth0 proto static")
	})
}

// TestConnectedPrefixIsNotHidden announces a prefix that is connected here, or comes to
// be, and goes: the kernel's own route stays the only one, whichever has the lower metric.
func TestConnectedPrefixIsNotHidden(t *testing.T) {
	story(t, func(l *lab, table *fakeTable) {
		l.start(spec("red"))
		s := spec("red")
		s.Import.Enabled = false // or its own import would be the best path
		l.configure(s)
		l.hear("red", bgpPath("2001:db8::/64", "2001:db8::9"))
		l.hear("red", bgpPath("192.0.2.0/24", "192.0.2.9"))
		for _, metric := range []uint32{20, 300, 20} {
			s.Export.Metric = metric
			l.configure(s)
			l.settle()
			l.table(red)
			l.exported("red", "192.0.2.0/24", rib.Filtered, "directly connected")
			l.exported("red", "2001:db8::/64", rib.Filtered, "directly connected")
		}

		like := bgpPath("2001:db8:4::/64", "2001:db8::9")
		for _, p := range prefixes("2001:db8:4::/64", "2001:db8::/64") { // in one turn, with the same attributes
			one := like
			one.Prefix = p
			l.feed("red").Set(p, 0, []rib.Path{one})
		}
		synctest.Wait()
		l.exported("red", "2001:db8::/64", rib.Filtered, "directly connected")
		l.unhear("red", "2001:db8:4::/64", 0)
		l.hear("red", bgpPath("2001:db8:5::/64", "2001:db8::9"))
		other := "2001:db8:5::/64 via 2001:db8::9 dev eth0 proto vrfredist metric 20 onlink"
		l.table(red, other)
		table.set(connected("2001:db8:5::/64", 3, 256))
		synctest.Wait()
		l.table(red)
		l.exported("red", "2001:db8:5::/64", rib.Filtered, "directly connected")
		table.del(rib.Key{Prefix: netip.MustParsePrefix("2001:db8:5::/64"), Metric: 256})
		synctest.Wait()
		l.table(red, other)

		// The same, where only a reading shows it.
		for _, there := range []bool{true, false} {
			l.kernel.mu.Lock()
			r := connected("2001:db8:5::/64", 3, 256)
			if there {
				table.routes[r.Key()] = r
			} else {
				delete(table.routes, r.Key())
			}
			table.emit(rib.KernelEvents{Resync: true, Reason: rib.ResyncAddress})
			l.kernel.mu.Unlock()
			l.settle()
			if there {
				l.table(red)
			} else {
				l.table(red, other)
			}
		}
	})
}

// TestNoReplaceOfWhatOverwroteOurs changes the path of a route that another program has
// just overwritten, before the table is read again.
func TestNoReplaceOfWhatOverwroteOurs(t *testing.T) {
	story(t, func(l *lab, table *fakeTable) {
		l.start(spec("red"))
		l.hear("red", bgpPath("10.1.0.0/16", "192.0.2.9"))
		table.set(via("10.1.0.0/16", "192.0.2.7", 2, rib.ProtoStatic, 20))
		l.hear("red", bgpPath("10.1.0.0/16", "198.51.100.9"))
		l.table(red, "10.1.0.0/16 via 192.0.2.7 dev eth0 proto static metric 20")
		l.exported("red", "10.1.0.0/16", rib.Conflict, "")
	})
}
