package nsworker

import (
	"context"
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/vrfredist/vrfredist/rib"
	"github.com/vrfredist/vrfredist/vrf"
)

// faulty is a kernel that writes down what it is asked of one namespace, and panics
// where it is told to.
type faulty struct {
	Kernel
	netns string

	mu     sync.Mutex
	asked  []string // open, read, apply: guarded by mu
	panics int      // how many more readings panic: guarded by mu
}

type faultyTable struct {
	Table
	k *faulty
}

func (k *faulty) note(what string) {
	k.mu.Lock()
	defer k.mu.Unlock()
	k.asked = append(k.asked, what)
}

// take returns what was asked since the last call.
func (k *faulty) take() []string {
	k.mu.Lock()
	defer k.mu.Unlock()
	asked := k.asked
	k.asked = nil
	return asked
}

func (k *faulty) Open(ctx context.Context, b rib.Binding, protocol uint8) (Table, error) {
	if b.Netns != k.netns || b.Table != 0 {
		return k.Kernel.Open(ctx, b, protocol)
	}
	k.note("open")
	table, err := k.Kernel.Open(ctx, b, protocol)
	if err != nil {
		return nil, err
	}
	return &faultyTable{table, k}, nil
}

func (t *faultyTable) Read(ctx context.Context, beside ...uint32) (rib.Table, error) {
	t.k.note("read")
	t.k.mu.Lock()
	panics := t.k.panics > 0
	if panics {
		t.k.panics--
	}
	t.k.mu.Unlock()
	if panics {
		panic("injected")
	}
	return t.Table.Read(ctx, beside...)
}

func (t *faultyTable) Apply(ctx context.Context, changes []rib.Change) ([]error, error) {
	errs, err := t.Table.Apply(ctx, changes)
	if err != nil {
		t.k.note("apply, unknown")
	} else {
		t.k.note("apply")
	}
	return errs, err
}

// stage is a supervisor with workers on the fake kernel, in a synctest bubble.
type stage struct {
	*lab
	faulty *faulty
	sup    *vrf.Supervisor
}

// leaky is another table in the namespace of red.
var leaky = rib.Binding{Netns: "red", Table: 1001}

// supervised tells a story of the VRFs red, which has the faults, blue, and leaky.
func supervised(t *testing.T, tell func(s *stage, table *fakeTable)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		l := newLab(t)
		s := &stage{lab: l, faulty: &faulty{Kernel: l.kernel, netns: "red"}}
		deps := Deps{s.faulty, l.bgp, l.board, slog.New(slog.DiscardHandler), nil, nil, nil, nil, nil}
		s.sup = vrf.NewSupervisor(func(spec vrf.Spec, r vrf.Report) vrf.Worker { return New(deps, spec, r) }, deps.Log)
		table := l.kernel.add(red, 1)
		l.kernel.add(blue, 2)
		ctx, cancel := context.WithCancelCause(context.Background())
		ended := make(chan error)
		go func() { ended <- s.sup.Run(ctx) }()
		into := spec("leaky")
		into.Binding = leaky
		l.kernel.add(leaky, 1)
		if err := s.sup.Apply(ctx, []vrf.Spec{spec("red"), spec("blue"), into}); err != nil {
			t.Error(err)
		}
		synctest.Wait()
		tell(s, table)
		cancel(vrf.ErrExit)
		if err := <-ended; err != nil {
			t.Error(err)
		}
	})
}

func (s *stage) status(name string) vrf.Status {
	st, _ := s.sup.Get(name)
	return st
}

// foreignOf prints what is not ours in a table.
func foreignOf(table *fakeTable) string {
	var lines []string
	for _, r := range table.routes {
		if r.Protocol != rib.ProtoOwn {
			lines = append(lines, r.Format(table.links))
		}
	}
	slices.Sort(lines)
	return strings.Join(lines, "\n")
}

const oneRoute = "10.1.0.0/16 via 192.0.2.9 dev eth0 proto vrfredist metric 20"

// A panic in one worker restarts it; the other tenant's routes are written at the
// same moment as ever.
func TestFault06PanicInOneWorker(t *testing.T) {
	supervised(t, func(s *stage, table *fakeTable) {
		foreign := foreignOf(table)
		s.hear("red", bgpPath("10.1.0.0/16", "192.0.2.9"))
		s.table(red, oneRoute)
		s.hear("leaky", bgpPath("10.1.0.0/16", "192.0.2.9", from("red")))
		s.table(leaky, oneRoute+" onlink")
		s.kernel.mu.Lock()
		s.kernel.writes = nil
		s.kernel.mu.Unlock()
		s.faulty.panics = 3
		table.link(3, false)
		time.Sleep(2 * resyncGap)
		synctest.Wait()
		st := s.status("red")
		if st.State != vrf.Failed || !strings.Contains(st.Reason, "injected") {
			t.Errorf("red is %s (%s)", st.State, st.Reason)
		}
		began := time.Now()
		s.hear("blue", bgpPath("10.1.0.0/16", "192.0.2.9"))
		s.table(blue, oneRoute)
		took := time.Since(began)
		if took != 0 {
			t.Errorf("the other tenant waited %v", took)
		}
		s.table(red, oneRoute) // kept while nobody serves it
		s.table(leaky, oneRoute+" onlink")
		table.link(3, true)
		s.settle()
		st = s.status("red")
		if st.State != vrf.Ready || st.Restarts != 3 {
			t.Errorf("red is %s (%s) after %d restarts", st.State, st.Reason, st.Restarts)
		}
		s.table(red, oneRoute)
		if w := s.kernel.writes; len(w) != 1 { // that of blue
			t.Errorf("written: %q", w)
		}
		if got := foreignOf(table); got != foreign {
			t.Errorf("foreign routes were\n%s\nand are\n%s", foreign, got)
		}
		t.Logf("measured: 3 panics, 3 restarts, routes kept; the other tenant waited %v (fake clock)", took)
	})
}

// A worker that fails again and again is tried less and less often, and says why.
func TestFault07CrashLoop(t *testing.T) {
	supervised(t, func(s *stage, table *fakeTable) {
		s.kernel.mu.Lock()
		s.kernel.fail["open"] = -1
		s.kernel.fail["read"] = -1
		s.kernel.mu.Unlock()
		table.link(3, false)
		time.Sleep(time.Hour)
		synctest.Wait()
		st := s.status("red")
		if st.State != vrf.Failed || !strings.Contains(st.Reason, errInjected.Error()) || st.Retry.Before(time.Now()) {
			t.Errorf("red is %s (%s), tried again at %v", st.State, st.Reason, st.Retry)
		}
		s.faulty.take()
		time.Sleep(time.Hour)
		synctest.Wait()
		starts := len(s.faulty.take())
		if starts < 40 || starts > 90 { // once a minute, more or less
			t.Errorf("%d starts in an hour", starts)
		}
		s.kernel.mu.Lock()
		clear(s.kernel.fail)
		s.kernel.mu.Unlock()
		s.settle()
		if st := s.status("red"); st.State != vrf.Ready {
			t.Errorf("red is %s (%s) once nothing fails", st.State, st.Reason)
		}
		t.Logf("measured: failed, with the reason; %d starts an hour; it recovers by itself", starts)
	})
}

// A dump that is interrupted, or fails, or fails until the worker gives up, is no
// empty table: nothing is deleted or withdrawn for it, and it is repeated.
func TestFault12DumpInterrupted(t *testing.T) { failedDump(t, "read", 1) }
func TestFault13DumpFails(t *testing.T) {
	failedDump(t, "read", attempts+2)
	failedDump(t, "short", attempts+2) // each with half of the routes
}

func failedDump(t *testing.T, how string, times int) {
	t.Helper()
	supervised(t, func(s *stage, table *fakeTable) {
		table.set(via("10.9.0.0/16", "192.0.2.7", 2, rib.ProtoStatic, 0))
		for i := range 100 {
			s.hear("red", bgpPath(fmt.Sprintf("10.1.%d.0/24", i), "192.0.2.9"))
		}
		s.settle()
		before, foreign, announced := table.String(), foreignOf(table), s.bgp.announcements("red")
		s.kernel.mu.Lock()
		s.kernel.writes = nil
		s.kernel.fail[how] = times
		table.emit(rib.KernelEvents{Resync: true, Reason: rib.ResyncOverflow})
		s.kernel.mu.Unlock()
		s.faulty.take()
		s.settle()
		s.kernel.mu.Lock()
		writes, left := slices.Clone(s.kernel.writes), s.kernel.fail[how]
		s.kernel.mu.Unlock()
		if left != 0 {
			t.Fatalf("%d readings did not fail: this proves nothing", left)
		}
		if len(writes) != 0 {
			t.Errorf("written because of a failed dump: %q", writes)
		}
		if got := table.String(); got != before {
			t.Errorf("the table has\n%s\nwant\n%s", got, before)
		}
		if got := foreignOf(table); got != foreign {
			t.Errorf("foreign routes were\n%s\nand are\n%s", foreign, got)
		}
		if got := s.bgp.announcements("red"); got != announced {
			t.Errorf("announced is\n%s\nwant\n%s", got, announced)
		}
		reads := 0
		for _, a := range s.faulty.take() {
			if a == "read" {
				reads++
			}
		}
		if st := s.status("red"); st.State != vrf.Ready || reads <= times {
			t.Errorf("after %d readings red is %s (%s)", reads, st.State, st.Reason)
		}
		t.Logf("measured: %d failed dumps: no write and no withdrawal, read again until it went well", times)
	})
}

// Where no more events come, nothing is known, and that is no news either: another
// worker begins with what stands.
func TestEventsThatBreakOff(t *testing.T) {
	supervised(t, func(s *stage, table *fakeTable) {
		s.hear("red", bgpPath("10.1.0.0/16", "192.0.2.9"))
		s.hear("leaky", bgpPath("10.1.0.0/16", "192.0.2.9", from("red")))
		s.settle()
		announced := s.bgp.announcements("red")
		s.kernel.mu.Lock()
		s.kernel.writes = nil
		table.emit(rib.KernelEvents{Broken: errInjected})
		s.kernel.mu.Unlock()
		synctest.Wait()
		if st := s.status("red"); st.State != vrf.Failed || !strings.Contains(st.Reason, errInjected.Error()) {
			t.Errorf("red is %s (%s)", st.State, st.Reason)
		}
		s.settle()
		s.table(red, oneRoute)
		s.table(leaky, oneRoute+" onlink")
		if st := s.status("red"); st.State != vrf.Ready || st.Restarts != 1 || len(s.kernel.writes) != 0 {
			t.Errorf("red is %s (%s) after %d restarts; written: %q", st.State, st.Reason, st.Restarts, s.kernel.writes)
		}
		if got := s.bgp.announcements("red"); got != announced {
			t.Errorf("announced is\n%s\nwant\n%s", got, announced)
		}
	})
}

// A batch whose acknowledgement is lost is not decided about before the table was
// read: no route is written twice.
func TestFault14AcknowledgementLost(t *testing.T) {
	supervised(t, func(s *stage, table *fakeTable) {
		s.settle()
		foreign := foreignOf(table)
		s.kernel.mu.Lock()
		s.kernel.noObject, s.kernel.writes = true, nil
		table.emit(rib.KernelEvents{Resync: true, Reason: rib.ResyncNexthop})
		s.kernel.mu.Unlock()
		s.settle()
		s.faulty.take()
		s.kernel.mu.Lock()
		s.kernel.fail["ack"] = 2
		s.kernel.mu.Unlock()
		for i := range 10 {
			s.hear("red", bgpPath(fmt.Sprintf("10.%d.0.0/16", i), "192.0.2.9"))
		}
		s.settle()
		asked := s.faulty.take()
		unknown := 0
		for i, a := range asked {
			if a != "apply, unknown" {
				continue
			}
			unknown++
			if i+1 == len(asked) || asked[i+1] != "read" {
				t.Errorf("after a lost acknowledgement came %q, want a reading", asked[i+1:])
			}
		}
		if unknown != 2 {
			t.Fatalf("%d acknowledgements were lost, want 2: %q", unknown, asked)
		}
		s.kernel.mu.Lock()
		writes := len(s.kernel.writes)
		s.kernel.mu.Unlock()
		if writes != 10 {
			t.Errorf("%d writes for 10 routes", writes)
		}
		if got := len(strings.Split(table.String(), "\n")); got != 10 {
			t.Errorf("%d routes, want 10:\n%s", got, table)
		}
		if got := foreignOf(table); got != foreign {
			t.Errorf("foreign routes were\n%s\nand are\n%s", foreign, got)
		}
		t.Logf("measured: %d lost, each followed by a reading; %d writes for 10 routes", unknown, writes)
	})
}

// A VRF whose table has own routes of an earlier time is not ready before they are
// swept: they may be another tenant's.
func TestFault25NotReadyWithOldRoutes(t *testing.T) {
	story(t, func(l *lab, table *fakeTable) {
		foreign := foreignOf(table)
		table.routes[left("10.1.0.0/16").Key()] = left("10.1.0.0/16")
		l.hear("red", bgpPath("10.2.0.0/16", "192.0.2.9"))
		l.start(spec("red"))
		time.Sleep(30 * time.Second)
		synctest.Wait()
		if st := l.state("red"); st.State != vrf.Syncing || st.Counts.Total().Stale != 1 {
			t.Errorf("with a route of an earlier time red is %s (%+v)", st.State, st.Counts)
		}
		l.converge("red")
		synctest.Wait()
		if st := l.state("red"); st.State != vrf.Ready || st.Counts.Total().Stale != 0 {
			t.Errorf("once it is swept red is %s (%+v)", st.State, st.Counts)
		}
		l.table(red, "10.2.0.0/16 via 192.0.2.9 dev eth0 proto vrfredist metric 20")
		if got := foreignOf(table); !strings.Contains(got, foreign) {
			t.Errorf("foreign routes were\n%s\nand are\n%s", foreign, got)
		}
	})
}
