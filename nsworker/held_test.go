package nsworker

import (
	"testing"
	"testing/synctest"

	"github.com/vrfredist/vrfredist/rib"
	"github.com/vrfredist/vrfredist/vrf"
)

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

// TestPlaceThatIsGivenUpIsTaken withdraws one of two routes that max_routes lets in one
// at a time: the other comes in at once.
func TestPlaceThatIsGivenUpIsTaken(t *testing.T) {
	story(t, func(l *lab, table *fakeTable) {
		s := spec("red")
		s.Export.MaxRoutes = 1
		l.start(s)
		l.hear("red", bgpPath("10.1.0.0/16", "192.0.2.9"))
		l.hear("red", bgpPath("10.2.0.0/16", "192.0.2.9"))
		l.exported("red", "10.2.0.0/16", rib.OverQuota, "")
		l.unhear("red", "10.1.0.0/16", 0)
		l.table(red, "10.2.0.0/16 via 192.0.2.9 dev eth0 proto vrfredist metric 20")
	})
}

// TestEqualPathThatIsLeftOut has two equal paths of which one passes the filter.
func TestEqualPathThatIsLeftOut(t *testing.T) {
	story(t, func(l *lab, table *fakeTable) {
		s := spec("red")
		s.Export.CommunityList = []rib.Community{7}
		l.start(s)
		l.hear("red", bgpPath("10.1.0.0/16", "192.0.2.9", community(7)), bgpPath("10.1.0.0/16", "198.51.100.9", id(1)))
		l.table(red, "10.1.0.0/16 via 192.0.2.9 dev eth0 proto vrfredist metric 20")

		// One that is left out takes nobody's place among the max_paths.
		s.Export.MaxPaths = 2
		l.configure(s)
		l.hear("red", bgpPath("10.1.0.0/16", "192.0.2.9", community(7)),
			bgpPath("10.1.0.0/16", "198.51.100.9", id(1)), bgpPath("10.1.0.0/16", "198.51.100.10", id(2), community(7)))
		l.table(red, "10.1.0.0/16 proto vrfredist metric 20\n\tnexthop via 192.0.2.9 dev eth0 weight 1\n\tnexthop via 198.51.100.10 dev eth1 weight 1")
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
