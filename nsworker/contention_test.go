package nsworker

import (
	"context"
	"net/netip"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/vrfredist/vrfredist/nsworker/ledger"
	"github.com/vrfredist/vrfredist/rib"
	"github.com/vrfredist/vrfredist/vrf"
)

var fought = rib.Key{Prefix: netip.MustParsePrefix("10.1.0.0/16"), Metric: 20}

// fights are what a program can do again and again to a route of ours.
var fights = []struct {
	name string
	once func(t *fakeTable)
}{
	{"deletes it", func(t *fakeTable) { t.del(fought) }},
	{"changes it under our protocol", func(t *fakeTable) {
		t.set(via("10.1.0.0/16", "198.51.100.66", 3, rib.ProtoOwn, 20))
	}},
	{"overwrites it, and takes its own away", func(t *fakeTable) {
		t.set(via("10.1.0.0/16", "198.51.100.66", 3, rib.ProtoStatic, 20))
		time.Sleep(2 * resyncGap)
		synctest.Wait()
		t.del(fought)
	}},
	{"deletes its nexthop objects", func(t *fakeTable) {
		t.k.mu.Lock()
		defer t.k.mu.Unlock()
		for id, n := range t.objects() {
			if !n.Group() && n.Hop.Gateway.String() == "192.0.2.9" {
				t.dropNexthop(id)
			}
		}
		t.emit(rib.KernelEvents{Resync: true, Reason: rib.ResyncNexthop})
	}},
}

// fiveMinutes does something ten times a second for that long.
func fiveMinutes(once func()) {
	for end := time.Now().Add(5 * time.Minute); time.Now().Before(end); {
		once()
		time.Sleep(100 * time.Millisecond)
		synctest.Wait()
	}
}

// A program that changes a route of ours ten times a second, for five minutes, has it
// back at once a few times; then it is left alone, longer each time; and it is back
// for good once the program stops. Other routes do not notice.
func TestContentionHasBackoff(t *testing.T) {
	for _, f := range fights {
		t.Run(f.name, func(t *testing.T) {
			story(t, func(l *lab, table *fakeTable) {
				l.start(spec("red"))
				l.hear("red", bgpPath("10.1.0.0/16", "192.0.2.9"))
				l.hear("red", bgpPath("10.2.0.0/16", "198.51.100.9"))
				l.settle()
				l.kernel.mu.Lock()
				l.kernel.writes = nil
				l.kernel.mu.Unlock()
				fiveMinutes(func() { f.once(table) })
				l.kernel.mu.Lock()
				writes := 0
				for _, w := range l.kernel.writes {
					if !strings.Contains(w, "10.1.0.0/16") {
						t.Errorf("another route was written: %s", w)
					}
					writes++
				}
				l.kernel.mu.Unlock()
				// Four at once, then after 1, 2, 4, 8, 16, 32 and 60 s, and every minute.
				if writes < ledger.Tolerance+5 || writes > ledger.Tolerance+15 {
					t.Errorf("%d writes in a fight of five minutes", writes)
				}
				l.exported("red", "10.1.0.0/16", rib.Conflict, "another program keeps deleting or changing this route; it is written again in ")
				if st := l.state("red"); st.State != vrf.Degraded || !strings.Contains(st.Reason, "another program keeps changing 1 route of ours") || st.Counts.Total().Conflict != 1 {
					t.Errorf("red is %s (%s), %d in conflict", st.State, st.Reason, st.Counts.Total().Conflict)
				}
				time.Sleep(time.Minute + time.Second)
				synctest.Wait()
				l.table(red, oneRoute, "10.2.0.0/16 via 198.51.100.9 dev eth1 proto vrfredist metric 20")
				time.Sleep(ledger.Calm)
				synctest.Wait()
				if st := l.state("red"); st.State != vrf.Ready {
					t.Errorf("red is %s (%s) after the fight", st.State, st.Reason)
				}
				// All is forgotten: the next change is put right at once.
				f.once(table)
				time.Sleep(2 * resyncGap)
				synctest.Wait()
				l.exported("red", "10.1.0.0/16", rib.Installed, "")
			})
		})
	}
}

// A resync that somebody asks for does not wait for the pause to end.
func TestResyncEndsThePause(t *testing.T) {
	story(t, func(l *lab, table *fakeTable) {
		l.start(spec("red"))
		l.hear("red", bgpPath("10.1.0.0/16", "192.0.2.9"))
		l.settle()
		for range 20 {
			table.del(fought)
			synctest.Wait()
		}
		l.table(red)
		ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
		defer cancel()
		if _, err := l.worker("red").Resync(ctx); err != nil {
			t.Fatal(err)
		}
		l.table(red, oneRoute)
	})
}

// A link that changed just before excuses one more change, and not a whole fight.
func TestALinkExcusesNoContention(t *testing.T) {
	story(t, func(l *lab, table *fakeTable) {
		l.start(spec("red"))
		l.hear("red", bgpPath("10.1.0.0/16", "192.0.2.9"))
		l.settle()
		table.link(3, false)
		table.link(3, true)
		synctest.Wait()
		l.kernel.mu.Lock()
		l.kernel.writes = nil
		l.kernel.mu.Unlock()
		for range 15 {
			table.del(fought)
			time.Sleep(100 * time.Millisecond)
			synctest.Wait()
		}
		l.kernel.mu.Lock()
		writes := len(l.kernel.writes)
		l.kernel.mu.Unlock()
		if writes < ledger.Tolerance || writes > ledger.Tolerance+4 {
			t.Errorf("%d writes for 15 deletions in 1.5 s after a link changed", writes)
		}
	})
}

// A link that flaps is no program that fights: its routes are back whenever it is.
func TestFlappingLinkIsNoContention(t *testing.T) {
	story(t, func(l *lab, table *fakeTable) {
		l.start(spec("red"))
		l.hear("red", bgpPath("10.1.0.0/16", "192.0.2.9"))
		for range 30 {
			table.link(2, false)
			table.link(2, true)
			time.Sleep(3 * resyncGap)
			synctest.Wait()
			l.table(red, oneRoute)
		}
	})
}

// A foreign route that comes between the look at the table and the write keeps its
// place: what is installed first is added, and replaces nothing.
func TestForeignRouteComesFirst(t *testing.T) {
	story(t, func(l *lab, table *fakeTable) {
		l.start(spec("red"))
		l.settle()
		for _, r := range []rib.Route{
			via("10.1.0.0/16", "198.51.100.66", 3, rib.ProtoStatic, 20), via("2001:db8:1::/48", "2001:db8::66", 2, rib.ProtoStatic, 20),
		} {
			l.kernel.mu.Lock()
			table.rivals = append(table.rivals, r)
			l.kernel.mu.Unlock()
			nexthop := "192.0.2.9"
			if r.Prefix.Addr().Is6() {
				nexthop = "2001:db8::9"
			}
			l.hear("red", bgpPath(r.Prefix.String(), nexthop))
			l.settle()
			l.exported("red", r.Prefix.String(), rib.Conflict, "another program's route has this prefix and metric")
		}
		l.table(red, "10.1.0.0/16 via 198.51.100.66 dev eth1 proto static metric 20", "2001:db8:1::/48 via 2001:db8::66 dev eth0 proto static metric 20")
		table.del(fought)
		l.settle()
		l.table(red, oneRoute, "2001:db8:1::/48 via 2001:db8::66 dev eth0 proto static metric 20")
	})
}
