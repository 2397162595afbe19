package nsworker

import (
	"net/netip"
	"testing"
	"testing/synctest"
	"time"

	"github.com/vrfredist/vrfredist/nsworker/nexthop"
	"github.com/vrfredist/vrfredist/rib"
	"github.com/vrfredist/vrfredist/vrf"
)

// readings is how often a worker has read its table for a link.
func (l *lab) readings(name string) int { return int(l.state(name).Totals.Resyncs[rib.ResyncLink]) }

// A link that comes up says so in several messages: its routes are written at once,
// and the table is read but once, when that is done.
func TestALinkThatComesUpIsUsedBeforeTheTableIsRead(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := newLab(t)
		defer l.close()
		table := l.kernel.add(red, 7)
		l.start(spec("red"))
		l.hear("red", bgpPath("10.1.0.0/16", "192.0.2.9"))
		table.link(2, false)
		l.settle()
		l.table(red)
		before := l.readings("red")
		for range 3 {
			table.link(2, true)
			synctest.Wait()
			l.table(red, "10.1.0.0/16 via 192.0.2.9 dev eth0 proto vrfredist metric 20")
			time.Sleep(laterGap / 4)
		}
		if n := l.readings("red") - before; n != 0 {
			t.Errorf("read %d times while the link came up", n)
		}
		l.settle()
		if n := l.readings("red") - before; n != 1 {
			t.Errorf("read %d times, want once", n)
		}
	})
}

// What the kernel did when a link went is not known before the reading: its nexthop
// objects are gone. Where the link is back before that, all ends on new ones.
func TestALinkThatGoesAndComesAtOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := newLab(t)
		defer l.close()
		table := l.kernel.add(red, 7)
		l.start(spec("red"))
		for i := range nexthop.DissolveFrom {
			l.feed("red").Set(number(i), 0, []rib.Path{bgpPath(number(i).String(), "192.0.2.9")})
		}
		time.Sleep(10 * time.Second) // nothing is swept, nor tidied up, yet
		table.link(2, false)
		table.link(2, true) // both before the worker looks
		synctest.Wait()
		table.link(2, false) // soon after a reading, so that the next one has to wait
		synctest.Wait()
		table.link(2, true)
		synctest.Wait()
		time.Sleep(2 * resyncGap)
		synctest.Wait()
		if len(table.objects()) != 2 {
			t.Errorf("the nexthop objects are %v, want a group and its member", table.objects())
		}
		own := 0
		for _, r := range table.routes {
			if r.Protocol == rib.ProtoOwn && r.NexthopID != 0 {
				own++
			}
		}
		if own != nexthop.DissolveFrom {
			t.Errorf("%d of %d routes hang on them", own, nexthop.DissolveFrom)
		}
	})
}

func number(i int) netip.Prefix {
	return netip.PrefixFrom(netip.AddrFrom4([4]byte{10, byte(i >> 8), byte(i), 0}), 24)
}

// A dead hop of a foreign route comes to life again without a word.
func TestALinkThatComesUpRevivesHopsInSilence(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := newLab(t)
		defer l.close()
		table := l.kernel.add(red, 7)
		l.start(spec("red"))
		l.settle()
		dead := via("203.0.113.0/24", "198.51.100.2", 3, rib.ProtoStatic, 5)
		dead.Hops[0].Dead = true
		table.set(dead)
		l.hear("red", bgpPath("10.1.0.0/16", "203.0.113.9"))
		l.exported("red", "10.1.0.0/16", rib.Unresolved, "dead")
		table.behind(func(routes map[rib.Key]rib.Route) {
			alive := via("203.0.113.0/24", "198.51.100.2", 3, rib.ProtoStatic, 5)
			routes[alive.Key()] = alive
		})
		table.link(3, true)
		time.Sleep(resyncGap)
		synctest.Wait()
		if r, ok := l.routes("red", vrf.Export)["10.1.0.0/16 vrfredist"]; !ok || r.State != rib.Installed || r.Prefix != netip.MustParsePrefix("10.1.0.0/16") {
			t.Errorf("it is %+v", r)
		}
	})
}
