package nsworker

import (
	"context"
	"fmt"
	"log/slog"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/vrfredist/vrfredist/rib"
	"github.com/vrfredist/vrfredist/vrf"
)

// story runs one test in a bubble, with a worker for the VRF "red" to come.
func story(t *testing.T, tell func(l *lab, table *fakeTable)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		l := newLab(t)
		defer l.close()
		tell(l, l.kernel.add(red, 1))
	})
}

// left is an own route of an earlier run.
func left(prefix string) rib.Route { return via(prefix, "192.0.2.9", 2, rib.ProtoOwn, 20) }

func TestRestartWritesNothingThatStands(t *testing.T) {
	story(t, func(l *lab, table *fakeTable) {
		for i := range 3 {
			l.hear("red", bgpPath(fmt.Sprintf("10.%d.0.0/16", i), "192.0.2.9"), bgpPath(fmt.Sprintf("10.%d.0.0/16", i), fmt.Sprintf("192.0.2.%d", i), id(1)))
		}
		l.converge("red")
		l.start(spec("red"))
		l.settle()
		l.stop("red", vrf.ErrExit)
		l.kernel.writes, l.kernel.objectWrites = nil, nil
		l.start(spec("red"))
		l.settle()
		if len(l.kernel.writes)+len(l.kernel.objectWrites) != 0 {
			t.Errorf("what stood was written:\n%s\n%s", strings.Join(l.kernel.writes, "\n"), strings.Join(l.kernel.objectWrites, "\n"))
		}
		if got := l.state("red").Counts.Total().Installed; got != 3 {
			t.Errorf("%d routes count as installed, want 3", got)
		}
	})
}

// TestRestartKeepsTheQuota: what is in the table has its place before anything new
// takes one, in whatever order BGP tells of them.
func TestRestartKeepsTheQuota(t *testing.T) {
	for _, there := range []string{"10.1.0.0/16", "10.2.0.0/16", "10.3.0.0/16"} {
		story(t, func(l *lab, table *fakeTable) {
			table.routes[left(there).Key()] = left(there)
			for _, p := range []string{"10.1.0.0/16", "10.2.0.0/16", "10.3.0.0/16"} {
				l.hear("red", bgpPath(p, "192.0.2.9"))
			}
			l.converge("red")
			s := spec("red")
			s.Export.MaxRoutes = 1
			l.start(s)
			l.settle()
			l.table(red, there+" via 192.0.2.9 dev eth0 proto vrfredist metric 20")
			if c := l.state("red").Counts.Total(); c.Installed != 1 || c.OverQuota != 2 {
				t.Errorf("%s was there: %d installed and %d over the quota", there, c.Installed, c.OverQuota)
			}
		})
	}
}

// TestQuotaBelowWhatIsThere: what is there stays, and the log says that it is too much.
func TestQuotaBelowWhatIsThere(t *testing.T) {
	story(t, func(l *lab, table *fakeTable) {
		l.logged = new(strings.Builder)
		for _, p := range []string{"10.1.0.0/16", "10.2.0.0/16", "10.3.0.0/16"} {
			table.routes[left(p).Key()] = left(p)
			l.hear("red", bgpPath(p, "192.0.2.9"))
		}
		l.converge("red")
		s := spec("red")
		s.Export.MaxRoutes = 2
		l.start(s)
		l.settle()
		if c := l.state("red").Counts.Total(); c.Installed != 3 || !strings.Contains(l.logged.String(), "has more routes than its max_routes lets it have: they stay") {
			t.Errorf("%d installed; the log:\n%s", c.Installed, l.logged)
		}
	})
}

// TestQuotaWarnsBefore: once four fifths of max_routes are there, and again when they were not
// meanwhile.
func TestQuotaWarnsBefore(t *testing.T) {
	story(t, func(l *lab, _ *fakeTable) {
		l.logged = new(strings.Builder)
		s := spec("red")
		s.Export.MaxRoutes = 5
		l.start(s)
		l.converge("red")
		route := func(i int) string { return fmt.Sprintf("10.%d.0.0/16", i) }
		warnings := func(want int) {
			t.Helper()
			l.settle()
			if got := strings.Count(l.logged.String(), "level=WARN"); got != want {
				t.Errorf("%d warnings, want %d:\n%s", got, want, l.logged)
			}
		}
		for i, want := range []int{0, 0, 0, 1, 1, 1} {
			l.hear("red", bgpPath(route(i), "192.0.2.9"))
			warnings(want)
		}
		for _, i := range []int{0, 1, 2} {
			l.unhear("red", route(i), 0)
		}
		warnings(1)
		l.hear("red", bgpPath(route(0), "192.0.2.9"))
		warnings(2)
	})
}

func TestSweepWaitsForEndOfRIB(t *testing.T) {
	story(t, func(l *lab, table *fakeTable) {
		table.routes[left("10.1.0.0/16").Key()] = left("10.1.0.0/16")
		table.routes[left("10.2.0.0/16").Key()] = left("10.2.0.0/16")
		l.start(spec("red"))
		time.Sleep(30 * time.Second)
		synctest.Wait()
		l.exported("red", "10.1.0.0/16", rib.Stale, "earlier run")
		l.hear("red", bgpPath("10.2.0.0/16", "192.0.2.9"))
		l.exported("red", "10.2.0.0/16", rib.Installed, "")
		l.converge("red")
		synctest.Wait()
		l.table(red, "10.2.0.0/16 via 192.0.2.9 dev eth0 proto vrfredist metric 20")
	})
}

// TestSweepIsByFamily: who waits for one family keeps no route of the other.
func TestSweepIsByFamily(t *testing.T) {
	four := "10.1.0.0/16 via 192.0.2.9 dev eth0 proto vrfredist metric 20"
	six := "2001:db8:1::/48 via 2001:db8::9 dev eth0 proto vrfredist metric 20"
	for of, stays := range map[rib.Family]string{rib.IPv4: six, rib.IPv6: four} {
		story(t, func(l *lab, table *fakeTable) {
			for _, r := range []rib.Route{left("10.1.0.0/16"), via("2001:db8:1::/48", "2001:db8::9", 2, rib.ProtoOwn, 20)} {
				table.routes[r.Key()] = r
			}
			l.start(spec("red"))
			l.table(red, four, six)
			l.feed("red").SetConverged(of, true)
			synctest.Wait()
			l.table(red, stays)
			if st := l.state("red"); st.State != vrf.Syncing || st.Counts.Total().Stale != 1 {
				t.Errorf("red is %s (%+v)", st.State, st.Counts)
			}
			l.settle()
			l.table(red)
		})
	}
}

func TestSweepWaitsNoLongerThanItsDelay(t *testing.T) {
	story(t, func(l *lab, table *fakeTable) {
		table.routes[left("10.1.0.0/16").Key()] = left("10.1.0.0/16")
		l.start(spec("red"))
		time.Sleep(59 * time.Second)
		synctest.Wait()
		l.table(red, "10.1.0.0/16 via 192.0.2.9 dev eth0 proto vrfredist metric 20")
		time.Sleep(2 * time.Second)
		synctest.Wait()
		l.table(red)
	})
}

func TestEndOfAWorker(t *testing.T) {
	route := "10.1.0.0/16 via 192.0.2.9 dev eth0 proto vrfredist metric 20"
	all := []string{"192.0.2.0/24 med 0", "198.51.100.0/24 med 0", "2001:db8::/64 med 256"}
	for _, tt := range []struct {
		name      string
		onExit    vrf.OnExit
		cause     error
		table     []string
		announces []string
	}{
		{"removed", vrf.Keep, vrf.ErrRemoved, nil, nil},
		{"exit, keep", vrf.Keep, vrf.ErrExit, []string{route}, all},
		{"exit, remove", vrf.Remove, vrf.ErrExit, nil, all},
		{"a failure elsewhere", vrf.Remove, errInjected, []string{route}, all},
	} {
		t.Run(tt.name, func(t *testing.T) {
			story(t, func(l *lab, table *fakeTable) {
				s := spec("red")
				s.OnExit = tt.onExit
				l.start(s)
				l.hear("red", bgpPath("10.1.0.0/16", "192.0.2.9"))
				l.stop("red", tt.cause)
				l.table(red, tt.table...)
				l.announces("red", tt.announces...)
			})
		})
	}
}

// TestCleanUpAfterAFailedWorker runs a worker whose context has ended already,
// as the supervisor does for a VRF that is removed while it waits for a restart.
func TestCleanUpAfterAFailedWorker(t *testing.T) {
	story(t, func(l *lab, table *fakeTable) {
		l.start(spec("red"))
		l.hear("red", bgpPath("10.1.0.0/16", "192.0.2.9"))
		l.stop("red", errInjected)
		ctx, cancel := context.WithCancelCause(context.Background())
		cancel(vrf.ErrRemoved)
		w := New(Deps{l.kernel, l.bgp, l.board, slog.New(slog.DiscardHandler), nil, nil, nil, nil, nil}, spec("red"), func(vrf.WorkerStatus) {})
		if err := w.Run(ctx); err != nil {
			t.Fatal(err)
		}
		l.table(red)
		l.announces("red")
	})
}

func TestReplaceNeverDeletesFirst(t *testing.T) {
	story(t, func(l *lab, table *fakeTable) {
		l.start(spec("red"))
		for _, p := range []string{"10.1.0.0/16", "2001:db8:1::/48"} {
			hop := map[string][]string{"10.1.0.0/16": {"192.0.2.9", "192.0.2.10"}, "2001:db8:1::/48": {"2001:db8::9", "2001:db8::a"}}[p]
			l.hear("red", bgpPath(p, hop[0]))
			l.hear("red", bgpPath(p, hop[1]))
			l.hear("red", bgpPath(p, hop[0]), bgpPath(p, hop[1], id(1)))
			l.hear("red", bgpPath(p, hop[0], community(rib.CommunityBlackhole)))
			l.hear("red", bgpPath(p, hop[0]))
		}
		for _, w := range l.kernel.writes {
			if strings.HasPrefix(w, "delete") {
				t.Errorf("a change deleted: %s", w)
			}
		}
		if len(l.kernel.writes) != 10 {
			t.Errorf("%d writes for ten changes:\n%s", len(l.kernel.writes), strings.Join(l.kernel.writes, "\n"))
		}
	})
}

func TestMetricChangeAddsBeforeItDeletes(t *testing.T) {
	story(t, func(l *lab, table *fakeTable) {
		l.start(spec("red"))
		l.hear("red", bgpPath("10.1.0.0/16", "192.0.2.9"))
		s := spec("red")
		s.Export.Metric = 30
		l.configure(s)
		want := []string{"add 10.1.0.0/16 via 192.0.2.9 dev eth0 proto vrfredist metric 20",
			"add 10.1.0.0/16 via 192.0.2.9 dev eth0 proto vrfredist metric 30",
			"delete 10.1.0.0/16 via 192.0.2.9 dev eth0 proto vrfredist metric 20"}
		if got := strings.Join(l.kernel.writes, "\n"); got != strings.Join(want, "\n") {
			t.Errorf("written:\n%s\nwant:\n%s", got, strings.Join(want, "\n"))
		}
	})
}

func TestPendingIsSaidAndLeft(t *testing.T) {
	story(t, func(l *lab, _ *fakeTable) {
		l.start(spec("blue"))
		if st := l.state("blue"); st.State != vrf.Pending || !strings.Contains(st.Reason, "netns blue") {
			t.Errorf("the VRF is %q (%s)", st.State, st.Reason)
		}
		if got := l.routes("blue", vrf.Export); len(got) != 0 {
			t.Errorf("a VRF without a table lists %d routes", len(got))
		}
		l.kernel.add(blue, 2)
		l.settle()
		if st := l.state("blue"); st.State != vrf.Ready {
			t.Errorf("the VRF is %q (%s)", st.State, st.Reason)
		}
	})
}

func TestImportFollowsThePolicy(t *testing.T) {
	story(t, func(l *lab, table *fakeTable) {
		s := spec("red")
		s.Import.Interfaces = []string{"eth1"}
		s.Import.Protocols = []uint8{rib.ProtoStatic}
		l.start(s)
		table.set(via("10.1.0.0/16", "198.51.100.7", 3, rib.ProtoStatic, 5))
		table.set(via("10.2.0.0/16", "192.0.2.7", 2, rib.ProtoStatic, 5))
		table.set(via("10.3.0.0/16", "198.51.100.7", 3, rib.ProtoOwn, 20))
		table.set(via("0.0.0.0/0", "198.51.100.7", 3, rib.ProtoStatic, 0))
		l.settle()
		l.announces("red", "10.1.0.0/16 med 5")
		for prefix, why := range map[string]string{
			"10.2.0.0/16 static": "eth0", "0.0.0.0/0 static": "allow_default", "198.51.100.0/24 kernel": "kernel",
		} {
			if r := l.routes("red", vrf.Import)[prefix]; r.State != rib.Filtered || !strings.Contains(r.Reason, why) {
				t.Errorf("%s is %s (%s), want filtered (%s)", prefix, r.State, r.Reason, why)
			}
		}
		table.set(via("10.1.0.0/16", "198.51.100.8", 3, rib.ProtoStatic, 3))
		l.settle()
		l.announces("red", "10.1.0.0/16 med 3")
	})
}

// TestFloodIsBounded sends a tenant more changes of one prefix than it can take
// while its table cannot be read: what waits is the prefix, not the changes.
func TestFloodIsBounded(t *testing.T) {
	story(t, func(l *lab, table *fakeTable) {
		l.kernel.fail["read"] = 1
		l.start(spec("red"))
		for i := range 1000 {
			l.feed("red").Set(bgpPath("10.1.0.0/16", "192.0.2.9").Prefix, rib.RD(i%2), []rib.Path{bgpPath("10.1.0.0/16", "192.0.2.9", rd(rib.RD(i%2)))})
		}
		l.settle()
		if len(l.kernel.writes) != 1 {
			t.Errorf("%d writes for a thousand changes that end where they began", len(l.kernel.writes))
		}
	})
}

// TestTwoVRFsOnOneTable lets two VRFs find the same table, as two VRF devices
// may: the second is refused, both are named, and it comes in when the first goes.
func TestTwoVRFsOnOneTable(t *testing.T) {
	story(t, func(l *lab, table *fakeTable) {
		other := l.kernel.add(blue, table.where.Inode)
		l.start(spec("red"))
		b := spec("blue")
		l.start(b)
		l.hear("blue", bgpPath("10.1.0.0/16", "192.0.2.9"))
		if l.fails == 0 {
			t.Error("the second VRF was not refused")
		}
		if got := other.String(); got != "" {
			t.Errorf("it wrote %s", got)
		}
		err := l.board.take(table.where, "blue")
		if err == nil || !strings.Contains(err.Error(), `"red"`) || !strings.Contains(err.Error(), `"blue"`) {
			t.Errorf("the refusal reads %v", err)
		}
		l.stop("red", vrf.ErrRemoved)
		l.settle()
		l.table(blue, "10.1.0.0/16 via 192.0.2.9 dev eth0 proto vrfredist metric 20")
	})
}

// TestRemovedVRFLeavesTheTableOfAnother ends a VRF that was refused a table because
// another VRF has it, while that one runs and while it waits for its next start.
func TestRemovedVRFLeavesTheTableOfAnother(t *testing.T) {
	for name, cause := range map[string]error{"runs": nil, "failed": errInjected} {
		t.Run(name, func(t *testing.T) {
			story(t, func(l *lab, table *fakeTable) {
				l.kernel.add(blue, table.where.Inode).routes = table.routes
				l.start(spec("red"))
				l.hear("red", bgpPath("10.1.0.0/16", "192.0.2.9"))
				if cause != nil {
					l.kernel.fail["batch"] = -1
					l.hear("red", bgpPath("10.2.0.0/16", "192.0.2.9"))
					for !l.failed() {
						time.Sleep(time.Millisecond)
					}
					l.stop("red", cause)
					l.kernel.fail["batch"] = 0
				}
				l.kernel.writes, l.kernel.objectWrites = nil, nil
				ctx, cancel := context.WithCancelCause(context.Background())
				cancel(vrf.ErrRemoved)
				w := New(Deps{l.kernel, l.bgp, l.board, l.log(), nil, nil, nil, nil, nil}, spec("blue"), func(vrf.WorkerStatus) {})
				if err := w.Run(ctx); err != nil {
					t.Error(err)
				}
				l.table(red, "10.1.0.0/16 via 192.0.2.9 dev eth0 proto vrfredist metric 20")
				if n := len(l.kernel.writes) + len(l.kernel.objectWrites); n != 0 {
					t.Errorf("%d writes to the table of another VRF", n)
				}
			})
		})
	}
}
