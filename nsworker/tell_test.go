package nsworker

import (
	"net/netip"
	"strings"
	"testing"
	"testing/synctest"

	"github.com/google/go-cmp/cmp"

	"github.com/vrfredist/vrfredist/rib"
	"github.com/vrfredist/vrfredist/vrf"
)

// Who listens is told of each route, with the reason where it does not get in.
func TestEvents(t *testing.T) {
	story(t, func(l *lab, table *fakeTable) {
		l.tap = &vrf.Tap{}
		listener := l.tap.Listen(func(e vrf.RouteEvent) bool { return e.What != vrf.TableRead })
		told := func(want ...string) {
			t.Helper()
			l.settle()
			var got []string
			events, _ := listener.Take()
			for _, e := range events {
				got = append(got, strings.TrimSpace(e.What+" "+e.Prefix.String()+" | "+e.Text+" | "+e.Reason))
			}
			if d := cmp.Diff(want, got); d != "" {
				t.Errorf("what is told (-want +got)\n%s", d)
			}
		}
		s := spec("red")
		s.Import.Enabled = false
		l.start(s)
		l.settle()
		if _, skipped := listener.Take(); skipped != nil {
			t.Errorf("skipped %v", skipped)
		}
		l.hear("red", bgpPath("10.1.0.0/16", "192.0.2.9"))
		told("added 10.1.0.0/16 | 10.1.0.0/16 via 192.0.2.9 dev eth0 proto vrfredist metric 20 |")
		l.hear("red", bgpPath("10.2.0.0/16", "203.0.113.9"))
		told("unresolved 10.2.0.0/16 |  | nexthop 203.0.113.9 is unresolved: no route in this VRF covers it")
		table.refuse[netip.MustParsePrefix("10.3.0.0/16")] = errInjected
		l.hear("red", bgpPath("10.3.0.0/16", "192.0.2.9"))
		synctest.Wait()
		events, _ := listener.Take()
		if len(events) == 0 || events[0].What != vrf.RouteRefused || events[0].Reason != errInjected.Error() {
			t.Errorf("of a route that the kernel refuses: %v", events)
		}
		l.unhear("red", "10.3.0.0/16", 0)
		l.settle()
		listener.Take()
		l.unhear("red", "10.1.0.0/16", 0)
		told("deleted 10.1.0.0/16 | 10.1.0.0/16 proto vrfredist metric 20 |")
		s.Import.Enabled = true
		s.Import.Interfaces = []string{"eth1"}
		l.configure(s)
		told("announced 198.51.100.0/24 |  |")
		listener.Close()
		l.hear("red", bgpPath("10.4.0.0/16", "192.0.2.9"))
		told()
	})
}

// Long work shows how far it is.
func TestProgress(t *testing.T) {
	t.Parallel()
	s := unopened(t)
	if p := s.progress(0, 0, false); p.Phase != "reading the table" {
		t.Errorf("before the table was read: %+v", p)
	}
	s.phase = catchUp
	if p := s.progress(100, 30, true); p.Phase != "reading the table" {
		t.Errorf("while it is read: %+v", p)
	}
	if p := s.progress(100, 30, false); p != (vrf.Progress{Phase: "taking in BGP's routes", Done: 70, Total: 100}) {
		t.Errorf("while BGP's routes wait: %+v", p)
	}
	makeDue(s, 40)
	s.routes.counts[rib.IPv4][rib.Installed] = 60
	if p := s.progress(100, 0, false); p != (vrf.Progress{Phase: "writing routes", Done: 60, Total: 100}) {
		t.Errorf("while routes are written: %+v", p)
	}
	s.phase = inStep
	if p := s.progress(100, 0, false); p != (vrf.Progress{}) {
		t.Errorf("of what one turn does: %+v", p)
	}
	makeDue(s, 10*writeBatch)
	if p := s.progress(100, 0, false); p.Total != 60+10*writeBatch {
		t.Errorf("of a resync: %+v", p)
	}
}

// rehearsed is what a rehearsal says of a VRF, a line each.
func (l *lab) rehearsed(before, after vrf.Spec) (lines []string) {
	l.t.Helper()
	r := NewRehearsal(l.t.Context(), Deps{Kernel: l.kernel, BGP: l.bgp, Board: l.board, Core: l.core}, []vrf.Spec{before}, []vrf.Spec{after})
	defer r.Close()
	got, err := r.Table(l.t.Context(), after.Name, l.feed(after.Name), false)
	if err != nil {
		l.t.Fatal(err)
	}
	for p := range got.Routes {
		lines = append(lines, p.Op.String()+" "+p.Text)
	}
	for _, a := range got.Announcements {
		lines = append(lines, a.Op.String()+" "+a.Announcement.Prefix.String())
	}
	return append(lines, got.Notes...)
}
