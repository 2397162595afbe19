package nsworker

import (
	"strings"
	"testing"
	"testing/synctest"

	"github.com/vrfredist/vrfredist/rib"
	"github.com/vrfredist/vrfredist/vrf"
)

const (
	byEth1Spare = "10.1.0.0/16 via 198.51.100.9 dev eth1 proto vrfredist metric 21"
	byEth0Spare = "10.1.0.0/16 via 192.0.2.9 dev eth0 proto vrfredist metric 21"
)

// backed is a VRF with backup_routes.
func backed() vrf.Spec {
	s := spec("red")
	s.Export.BackupRoutes = true
	return s
}

// TestBackupRoute: the backup path's route stands beside the first one, is there when a link
// goes before anybody has acted, and makes room when it becomes the first.
func TestBackupRoute(t *testing.T) {
	for _, objects := range []bool{true, false} {
		story(t, func(l *lab, table *fakeTable) {
			s := backed()
			s.NexthopObjects = objects
			l.hear("red", two("10.1.0.0/16", "192.0.2.9", "198.51.100.9")...)
			l.hear("red", bgpPath("10.2.0.0/16", "192.0.2.9"))
			l.converge("red")
			l.start(s)
			l.settle()
			const alone = "10.2.0.0/16 via 192.0.2.9 dev eth0 proto vrfredist metric 20"
			l.table(red, byEth0, byEth1Spare, alone)
			table.link(2, false)
			if got := table.String(); !strings.Contains(got, byEth1Spare) {
				t.Errorf("the kernel alone has\n%s", got)
			}
			l.settle()
			l.table(red, byEth1)
			table.link(2, true)
			l.settle()
			l.table(red, byEth0, byEth1Spare, alone)
			l.hear("red", two("10.1.0.0/16", "192.0.2.9", "198.51.100.9")[:1]...) // no backup any more
			l.settle()
			l.table(red, byEth0, alone)
			l.hear("red", two("10.1.0.0/16", "192.0.2.9", "198.51.100.9")...)
			l.unhear("red", "10.2.0.0/16", 0)
			l.settle()
			l.table(red, byEth0, byEth1Spare)
			if n := l.state("red").Counts.Total().Installed; n != 1 {
				t.Errorf("%d routes count as installed, want 1", n)
			}
			s.Export.BackupRoutes = false // while it runs
			l.configure(s)
			l.settle()
			l.table(red, byEth0)
			s.Export.BackupRoutes = true
			l.configure(s)
			l.settle()
			l.table(red, byEth0, byEth1Spare)
			l.unhear("red", "10.1.0.0/16", 0)
			l.settle()
			l.table(red)
			if n := l.kernel.litter(1); n != 0 {
				t.Errorf("%d nexthop objects are left", n)
			}
		})
	}
}

// TestBackupRouteWaitsForItsPath: one of an earlier run stays when the better path alone has come,
// and goes with the sweep where no other one does; also where the better path is of many prefixes.
func TestBackupRouteWaitsForItsPath(t *testing.T) {
	for _, comes := range []bool{true, false} {
		story(t, func(l *lab, table *fakeTable) {
			const other = "10.2.0.0/16 via 192.0.2.9 dev eth0 proto vrfredist metric 20"
			both, second := two("10.1.0.0/16", "192.0.2.9", "198.51.100.9"), two("10.2.0.0/16", "192.0.2.9", "198.51.100.9")
			second[0].Attrs = both[0].Attrs
			l.hear("red", both...)
			l.hear("red", second...)
			l.converge("red")
			l.start(backed())
			l.settle()
			spare := strings.Replace(byEth1Spare, "10.1.", "10.2.", 1)
			l.table(red, byEth0, byEth1Spare, other, spare)
			l.stop("red", vrf.ErrExit)
			for of := range rib.Families {
				l.feed("red").SetConverged(of, false)
			}
			l.hear("red", both[:1]...)
			l.hear("red", second[:1]...)
			l.k(func() { l.kernel.writes, l.kernel.objectWrites = nil, nil })
			l.start(backed())
			synctest.Wait()
			if comes {
				l.hear("red", both...)
				l.hear("red", second...)
			}
			if len(l.kernel.writes)+len(l.kernel.objectWrites) != 0 {
				t.Errorf("what stood was written: %q %q", l.kernel.writes, l.kernel.objectWrites)
			}
			l.converge("red")
			l.settle()
			if comes {
				l.table(red, byEth0, byEth1Spare, other, spare)
			} else {
				l.table(red, byEth0, other)
			}
		})
	}
}

// TestBackupRouteIsOurs: it survives a restart without a write, is put back when somebody
// deletes it, goes with the sweep where BGP has no path any more, and counts for the quota.
func TestBackupRouteIsOurs(t *testing.T) {
	story(t, func(l *lab, table *fakeTable) {
		l.hear("red", two("10.1.0.0/16", "192.0.2.9", "198.51.100.9")...)
		l.converge("red")
		l.start(backed())
		l.settle()
		l.stop("red", vrf.ErrExit)
		l.k(func() { l.kernel.writes, l.kernel.objectWrites = nil, nil })
		l.start(backed())
		l.settle()
		if len(l.kernel.writes)+len(l.kernel.objectWrites) != 0 {
			t.Errorf("what stood was written: %q %q", l.kernel.writes, l.kernel.objectWrites)
		}
		table.del(via("10.1.0.0/16", "198.51.100.9", 3, rib.ProtoOwn, 21).Key())
		l.settle()
		l.table(red, byEth0, byEth1Spare)
		table.set(via("10.1.0.0/16", "192.0.2.77", 2, rib.ProtoOwn, 21)) // changed by hand
		l.settle()
		l.table(red, byEth0, byEth1Spare)
		table.set(via("10.9.0.0/16", "192.0.2.77", 2, rib.ProtoOwn, 21)) // nobody asked for it
		l.settle()
		l.table(red, byEth0, byEth1Spare)

		l.stop("red", vrf.ErrExit)
		l.unhear("red", "10.1.0.0/16", 0)
		for of := range rib.Families {
			l.feed("red").SetConverged(of, false)
		}
		l.start(backed())
		synctest.Wait()
		l.table(red, byEth0, byEth1Spare) // until the sweep
		l.settle()
		l.table(red)
	})
	story(t, func(l *lab, table *fakeTable) {
		s := backed()
		s.Export.MaxRoutes = 2
		l.hear("red", two("10.1.0.0/16", "192.0.2.9", "198.51.100.9")...)
		l.converge("red")
		l.start(s)
		l.settle()
		l.table(red, byEth0, byEth1Spare)
		l.hear("red", bgpPath("10.2.0.0/16", "192.0.2.9"))
		l.settle()
		l.exported("red", "10.2.0.0/16", rib.OverQuota, "max_routes")
	})
}

// TestBackupRouteBesideAnother: what another program has under the next metric stays.
func TestBackupRouteBesideAnother(t *testing.T) {
	story(t, func(l *lab, table *fakeTable) {
		const static = "10.1.0.0/16 via 198.51.100.7 dev eth1 proto static metric 21"
		table.set(via("10.1.0.0/16", "198.51.100.7", 3, rib.ProtoStatic, 21))
		s := backed()
		s.Import.Enabled = false
		l.hear("red", two("10.1.0.0/16", "192.0.2.9", "198.51.100.9")...)
		l.converge("red")
		l.start(s)
		l.settle()
		l.table(red, byEth0, static)
		table.del(via("10.1.0.0/16", "198.51.100.7", 3, rib.ProtoStatic, 21).Key())
		l.settle()
		l.table(red, byEth0, byEth1Spare)
	})
}

// TestBackupIsShown: the explanation names the backup, and what the table has of it; the list
// has it beside the best path; and a plan of the same configuration changes nothing.
func TestBackupIsShown(t *testing.T) {
	story(t, func(l *lab, table *fakeTable) {
		l.hear("red", two("10.1.0.0/16", "192.0.2.9", "198.51.100.9")...)
		l.hear("red", two("10.2.0.0/16", "192.0.2.9", "192.0.2.9")...)
		l.converge("red")
		l.start(backed())
		l.settle()
		got := text(l.explained("red", "10.1.0.0/16").Export)
		for _, want := range []string{"the backup, behind by local preference", "its route stands under the next metric", "via 198.51.100.9 dev eth1 proto vrfredist metric 21"} {
			if !strings.Contains(got, want) {
				t.Errorf("the explanation lacks %q:\n%s", want, got)
			}
		}
		if got := text(l.explained("red", "10.2.0.0/16").Export); !strings.Contains(got, "there is none: no other path") {
			t.Errorf("the explanation of a prefix without backup:\n%s", got)
		}
		if r := l.routes("red", vrf.Export)["10.1.0.0/16 vrfredist"]; r.Backup.Attrs == nil || r.Backup.Attrs.Nexthop.String() != "198.51.100.9" {
			t.Errorf("the list has the backup %+v", r.Backup)
		}
		if lines := l.rehearsed(backed(), backed()); len(lines) != 0 {
			t.Errorf("a plan of what is so: %q", lines)
		}
		l.k(func() { l.kernel.writes = nil })
		l.feed("red").SetDown(two("10.1.0.0/16", "192.0.2.9", "198.51.100.9")[0].Attrs.Peer, true)
		synctest.Wait()
		if got := text(l.explained("red", "10.1.0.0/16").Export); !strings.Contains(got, "the backup forwards until") {
			t.Errorf("after the session's end:\n%s", got)
		}
	})
}

// TestBackupRouteOutlivesALinksChange: the kernel takes first routes away some time after a
// link's change was heard of, and the backup's route is there until then.
func TestBackupRouteOutlivesALinksChange(t *testing.T) {
	story(t, func(l *lab, table *fakeTable) {
		l.hear("red", two("10.1.0.0/16", "192.0.2.9", "198.51.100.9")...)
		l.converge("red")
		l.start(backed())
		l.settle()
		l.hear("red", two("10.1.0.0/16", "192.0.2.9", "198.51.100.9")[:1]...)
		l.settle()
		l.table(red, byEth0) // no link has changed: it goes when there is no backup
		l.hear("red", two("10.1.0.0/16", "192.0.2.9", "198.51.100.9")...)
		l.settle()
		table.carrier(3, false)
		l.hear("red", two("10.1.0.0/16", "192.0.2.9", "198.51.100.9")[:1]...)
		synctest.Wait()
		l.table(red, byEth0, byEth1Spare)
		l.settle()
		l.table(red, byEth0)
	})
}
