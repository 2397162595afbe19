package nsworker

import (
	"fmt"
	"net/netip"
	"strings"
	"testing"

	"github.com/vrfredist/vrfredist/rib"
	"github.com/vrfredist/vrfredist/vrf"
)

// TestRefusedDeletion has the kernel refuse to delete a route some times: it is tried
// until it goes, and nothing of it is left then but what BGP says.
func TestRefusedDeletion(t *testing.T) {
	for _, times := range []int{1, 5} {
		story(t, func(l *lab, table *fakeTable) {
			s := spec("red")
			s.Export.CommunityList = []rib.Community{7}
			s.NexthopObjects = false
			l.start(s)
			l.converge("red")
			l.hear("red", bgpPath("10.1.0.0/16", "192.0.2.9", community(7)))
			l.hear("red", bgpPath("10.2.0.0/16", "192.0.2.9", community(7)))
			l.settle()
			l.kernel.fail["delete"] = times
			l.unhear("red", "10.1.0.0/16", 0)
			l.exported("red", "10.1.0.0/16", rib.Failed, "refused to delete")
			l.settle()
			l.kernel.fail["delete"] = times
			l.hear("red", bgpPath("10.2.0.0/16", "192.0.2.9"))
			l.settle()
			l.table(red)
			l.exported("red", "10.2.0.0/16", rib.Filtered, "")
			st := l.state("red")
			if st.State != vrf.Ready || st.Counts.Total().Failed != 0 || st.Counts.Total().Filtered != 1 || len(l.routes("red", vrf.Export)) != 1 {
				t.Errorf("the VRF is %s (%s), with %+v", st.State, st.Reason, st.Counts)
			}
			if n := st.Totals.Resyncs[rib.ResyncRefused]; n != 0 {
				t.Errorf("the table was read %d times", n)
			}
		})
	}
}

// TestMetricChangedBackInTheMidst changes the metric of a table, and back before all
// is written: no prefix is without a route for it.
func TestMetricChangedBackInTheMidst(t *testing.T) {
	story(t, func(l *lab, table *fakeTable) {
		const routes = 3 * writeBatch
		l.start(spec("red"))
		for i := range routes {
			p := bgpPath(fmt.Sprintf("10.%d.%d.0/24", i/256, i%256), "192.0.2.9")
			l.feed("red").Set(p.Prefix, p.RD, []rib.Path{p})
		}
		l.settle()
		least := routes
		var watch func()
		watch = func() {
			prefixes := make(map[netip.Prefix]bool)
			for key, r := range table.routes {
				if r.Protocol == rib.ProtoOwn {
					prefixes[key.Prefix] = true
				}
			}
			least = min(least, len(prefixes))
			table.wrote = watch
		}
		table.wrote = func() {
			l.worker("red").Reconfigure(spec("red"))
			watch()
		}
		s := spec("red")
		s.Export.Metric = 30
		l.configure(s)
		l.settle()
		if least != routes {
			t.Errorf("%d prefixes had a route at the worst moment, want %d", least, routes)
		}
		for key, r := range table.routes {
			if r.Protocol == rib.ProtoOwn && key.Metric != 20 {
				t.Errorf("%v is left under the metric %d", key.Prefix, key.Metric)
			}
		}
	})
}

// TestRemovalGoesOn has the kernel refuse one of the deletions with which a VRF ends.
func TestRemovalGoesOn(t *testing.T) {
	story(t, func(l *lab, table *fakeTable) {
		const routes = 2*writeBatch + 1
		s := spec("red")
		s.NexthopObjects = false
		l.start(s)
		for i := range routes {
			p := bgpPath(fmt.Sprintf("10.%d.%d.0/24", i/256, i%256), "192.0.2.9")
			l.feed("red").Set(p.Prefix, p.RD, []rib.Path{p})
		}
		l.settle()
		l.kernel.fail["delete"] = 1
		l.stop("red", vrf.ErrRemoved)
		if left := strings.Count(table.String(), "vrfredist"); left != 1 || !l.failed() {
			t.Errorf("%d routes are left, and the worker failed: %v", left, l.failed())
		}
	})
}
