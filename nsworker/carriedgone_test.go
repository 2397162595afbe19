package nsworker

import (
	"testing"

	"github.com/vrfredist/vrfredist/rib"
)

// TestPEGone: the entries for a PE of which no path is left are deleted, also where none of its
// paths was ever chosen.
func TestPEGone(t *testing.T) {
	for name, gone := range map[string]struct {
		rd   rib.RD
		left string
	}{
		"the chosen one": {2, pe3Entries}, "the other one": {3, pe2Entries},
	} {
		t.Run(name, func(t *testing.T) {
			carriedStory(t, func(l *lab, table *fakeTable, _ *fakeCore) {
				l.hear("red", bgpPath("10.2.0.0/24", pe2, rd(2), pref(200), byEVPN(100, peMAC)))
				l.hear("red", bgpPath("10.2.0.0/24", pe3, rd(3), byEVPN(100, pe3MAC)))
				l.start(overVXLAN())
				l.settle()
				if got := table.pes(); got != pe2Entries+"\n"+pe3Entries {
					t.Errorf("the device has\n%s", got)
				}
				l.unhear("red", "10.2.0.0/24", gone.rd)
				l.settle()
				if got := table.pes(); got != gone.left {
					t.Errorf("the device has\n%s\nwant\n%s", got, gone.left)
				}
			})
		})
	}
}

// TestPEChanges: a PE that gets another VNI, or another address in the core, with the MAC address
// that it had, is reached by that as soon as no path says otherwise.
func TestPEChanges(t *testing.T) {
	carriedStory(t, func(l *lab, table *fakeTable, _ *fakeCore) {
		l.hear("red", bgpPath("10.2.0.0/24", pe2, rd(2), byEVPN(100, peMAC)))
		l.hear("red", bgpPath("2001:db8:2::/64", pe2, rd(2), byEVPN(100, peMAC)))
		l.start(overVXLAN())
		l.settle()
		l.hear("red", bgpPath("10.2.0.0/24", pe2, rd(2), byEVPN(150, peMAC)))
		l.hear("red", bgpPath("2001:db8:2::/64", pe2, rd(2), byEVPN(150, peMAC)))
		l.settle()
		l.table(red, byPE2, "2001:db8:2::/64 via fe80::aff:2:0:201 dev vx100 proto vrfredist metric 20")
		if got := table.pes(); got != pe2Entries+" vni 150" {
			t.Errorf("the device has\n%s", got)
		}
		l.hear("red", bgpPath("10.2.0.0/24", pe3, rd(2), byEVPN(100, peMAC)))
		l.hear("red", bgpPath("2001:db8:2::/64", pe3, rd(2), byEVPN(100, peMAC)))
		l.settle()
		l.table(red, "10.2.0.0/24 via inet6 fe80::aff:3:0:201 dev vx100 proto vrfredist metric 20",
			"2001:db8:2::/64 via fe80::aff:3:0:201 dev vx100 proto vrfredist metric 20")
		if got, want := table.pes(), "fe80::aff:3:0:201 lladdr 02:00:00:00:02:01 dst 10.255.0.3"; got != want {
			t.Errorf("the device has\n%s", got)
		}
	})
}
