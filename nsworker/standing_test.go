package nsworker

import (
	"net/netip"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/vrfredist/vrfredist/rib"
	"github.com/vrfredist/vrfredist/vrf"
)

// floating is a prefix that a neighbour announces, and that the table has from another program
// under a metric above ours.
type floating struct {
	l      *lab
	table  *fakeTable
	prefix netip.Prefix
	turns  int // how often what BGP has changed
}

// echo has BGP hand the VRF what it has of the prefix, the VRF's own announcement among it,
// until that changes no more.
func (f *floating) echo(neighbour bool) {
	f.l.t.Helper()
	var had []rib.Path
	for round := range 10 {
		var paths []rib.Path
		if neighbour {
			paths = append(paths, bgpPath(f.prefix.String(), "192.0.2.9"))
		}
		if strings.Contains(f.l.bgp.announcements("red"), f.prefix.String()+" ") {
			paths = append(paths, bgpPath(f.prefix.String(), "0.0.0.0", imported("red"), id(7)))
		}
		if round > 0 && len(paths) == len(had) && slices.EqualFunc(paths, had, func(a, b rib.Path) bool { return a.ID == b.ID }) {
			return
		}
		had = paths
		f.turns++
		f.l.feed("red").Set(f.prefix, 0, paths)
		synctest.Wait()
	}
	f.l.t.Errorf("%s never comes to rest", f.prefix)
}

func (f *floating) says(ours, announced bool) {
	f.l.t.Helper()
	if got := strings.Contains(f.table.String(), f.prefix.String()+" via 192.0.2.9 dev eth0 proto vrfredist"); got != ours {
		f.l.t.Errorf("our route stands: %v, want %v", got, ours)
	}
	if got := strings.Contains(f.l.bgp.announcements("red"), f.prefix.String()+" "); got != announced {
		f.l.t.Errorf("the other program's is announced: %v, want %v", got, announced)
	}
}

// static is the other program's route.
func (f *floating) static(metric uint32) rib.Route {
	return via(f.prefix.String(), "198.51.100.7", 3, rib.ProtoStatic, metric)
}

// TestFloatingStatic: the kernel forwards by the lower of two metrics, and so do both
// directions, in whatever order the routes come and go.
func TestFloatingStatic(t *testing.T) {
	for _, objects := range []bool{true, false} {
		story(t, func(l *lab, table *fakeTable) {
			f := &floating{l: l, table: table, prefix: netip.MustParsePrefix("203.0.113.0/24")}
			s := spec("red")
			s.NexthopObjects = objects
			l.converge("red")
			l.start(s)

			f.echo(true) // BGP's first
			table.set(f.static(500))
			synctest.Wait()
			f.echo(true)
			f.says(true, false)
			x := l.explained("red", "203.0.113.0/24")
			if !strings.Contains(text(x.Import), "stopped rules: our own route from BGP has a lower metric, 20") || x.StoppedBy != "" {
				t.Errorf("explained by %q:\n%s", x.StoppedBy, text(x.Import))
			}
			if r := l.routes("red", vrf.Import)["203.0.113.0/24 static"]; r.State != rib.Filtered || !strings.Contains(r.Reason, "lower metric, 20") {
				t.Errorf("listed as %v: %s", r.State, r.Reason)
			}

			f.echo(false) // the neighbour takes its path back
			f.says(false, true)
			f.echo(true) // and announces it again: the static was first
			f.says(true, false)

			table.del(f.static(500).Key()) // the metric falls below ours
			table.set(f.static(10))
			synctest.Wait()
			f.echo(true)
			f.says(false, true)
			x = l.explained("red", "203.0.113.0/24")
			if !strings.Contains(text(x.Export), "stopped own import") {
				t.Errorf("explained by:\n%s", text(x.Export))
			}
			table.del(f.static(10).Key())
			table.set(f.static(500))
			synctest.Wait()
			f.echo(true)
			f.says(true, false)

			s.Export.Metric = 600 // ours rises above it
			l.configure(s)
			synctest.Wait()
			f.echo(true)
			f.says(false, true)
			s.Export.Metric = 20
			l.configure(s)
			f.echo(true)
			f.says(true, false)
			if f.turns > 30 {
				t.Errorf("BGP was told otherwise %d times", f.turns)
			}
		})
	}
}

// TestFloatingStaticOverRestarts: what stands from before the restart counts until the sweep.
func TestFloatingStaticOverRestarts(t *testing.T) {
	story(t, func(l *lab, table *fakeTable) {
		f := &floating{l: l, table: table, prefix: netip.MustParsePrefix("203.0.113.0/24")}
		s := spec("red")
		l.converge("red")
		table.set(f.static(500))
		l.start(s)
		f.echo(true)
		f.says(true, false)

		l.stop("red", vrf.ErrExit) // a restart, with BGP as it was, changes nothing
		l.kernel.writes = nil
		l.start(s)
		synctest.Wait()
		f.echo(true)
		f.says(true, false)
		if len(l.kernel.writes) > 0 {
			t.Errorf("the restart wrote %q", l.kernel.writes)
		}
		l.stop("red", vrf.ErrExit) // and one in which the neighbour does not come back
		l.feed("red").Set(f.prefix, 0, nil)
		l.feed("red").SetConverged(rib.IPv4, false)
		l.start(s)
		synctest.Wait()
		f.says(true, false) // until the sweep
		time.Sleep(2 * s.SweepDelay)
		synctest.Wait()
		f.echo(false)
		f.says(false, true)
		f.echo(true)
		f.says(true, false)
	})
}

// TestFloatingStaticExplained: of a prefix whose own import is not what the kernel forwards by,
// the explanation says what puts it behind.
func TestFloatingStaticExplained(t *testing.T) {
	story(t, func(l *lab, table *fakeTable) {
		table.set(via("203.0.113.0/24", "198.51.100.7", 3, rib.ProtoStatic, 500))
		l.start(spec("red"))
		l.hear("red", bgpPath("203.0.113.0/24", "0.0.0.0", imported("red"), id(7)), bgpPath("203.0.113.0/24", "192.0.2.9"))
		l.exported("red", "203.0.113.0/24", rib.Installed, "")
		if x := l.explained("red", "203.0.113.0/24"); !strings.Contains(text(x.Export), "behind by the metric in the kernel's table") {
			t.Errorf("explained by:\n%s", text(x.Export))
		}
	})
}
