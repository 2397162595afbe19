package nsworker

import (
	"testing"
	"testing/synctest"
	"time"

	"github.com/vrfredist/vrfredist/nsworker/nexthop"
	"github.com/vrfredist/vrfredist/rib"
)

// TestPEGone: the entries for a PE go a while after its last path, and those of paths that were
// never chosen too: the MAC address is free for another PE, or the same one at another address.
func TestPEGone(t *testing.T) {
	for what, gone := range map[string]func(l *lab){
		"withdrawn": func(l *lab) { l.unhear("red", "10.2.0.0/24", 2) },
		"another MAC address": func(l *lab) {
			l.hear("red", bgpPath("10.2.0.0/24", pe2, rd(2), byEVPN(100, rib.MAC{2, 0, 0, 0, 2, 9})))
		},
		"another address": func(l *lab) { l.hear("red", bgpPath("10.2.0.0/24", pe3, rd(2), byEVPN(100, peMAC))) },
	} {
		want := map[string]string{
			"withdrawn":           "",
			"another MAC address": "fe80::aff:2:0:209 lladdr 02:00:00:00:02:09 dst 10.255.0.2",
			"another address":     "fe80::aff:3:0:201 lladdr 02:00:00:00:02:01 dst 10.255.0.3",
		}[what]
		t.Run(what, func(t *testing.T) {
			carriedStory(t, func(l *lab, table *fakeTable, core *fakeCore) {
				l.hear("red", bgpPath("10.2.0.0/24", pe2, rd(2), byEVPN(100, peMAC)))
				l.start(overVXLAN())
				l.settle()
				gone(l)
				l.settle()
				time.Sleep(10 * nexthop.KeepUnused)
				synctest.Wait()
				if got := table.pes(); got != want {
					t.Errorf("the device has\n%s", got)
				}
				if what == "another address" {
					l.table(red, "10.2.0.0/24 via inet6 fe80::aff:3:0:201 dev vx100 proto vrfredist metric 20")
				}
			})
		})
	}
}

// TestPEGoneUnchosen: as TestPEGone, of a path that another one was better than all the time.
func TestPEGoneUnchosen(t *testing.T) {
	carriedStory(t, func(l *lab, table *fakeTable, core *fakeCore) {
		l.hear("red", bgpPath("10.2.0.0/24", pe2, rd(2), pref(200), byEVPN(100, peMAC)))
		l.hear("red", bgpPath("10.2.0.0/24", pe3, rd(3), byEVPN(100, pe3MAC)))
		l.start(overVXLAN())
		l.settle()
		if got := table.pes(); got != pe2Entries+"\n"+pe3Entries {
			t.Errorf("the device has\n%s", got)
		}
		l.unhear("red", "10.2.0.0/24", 3)
		l.settle()
		l.hear("red", bgpPath("10.3.0.0/24", pe2, rd(4), byEVPN(100, pe3MAC)))
		l.settle()
		time.Sleep(10 * nexthop.KeepUnused)
		synctest.Wait()
		if got := table.pes(); got != pe2Entries+"\nfe80::aff:2:0:301 lladdr 02:00:00:00:03:01 dst 10.255.0.2" {
			t.Errorf("the device has\n%s", got)
		}
		l.table(red, byPE2, "10.3.0.0/24 via inet6 fe80::aff:2:0:301 dev vx100 proto vrfredist metric 20")
	})
}
