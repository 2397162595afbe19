package vrf

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/netip"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/vrfredist/vrfredist/rib"
)

// stage is a factory whose workers do what the test says, and which remembers
// what they were told, in order.
type stage struct {
	mu     sync.Mutex
	plays  map[string]func(ctx context.Context, start int, report Report) error
	starts map[string]int
	events []string
}

func newStage() *stage {
	return &stage{
		plays:  make(map[string]func(context.Context, int, Report) error),
		starts: make(map[string]int),
	}
}

func (s *stage) note(format string, args ...any) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.events = append(s.events, fmt.Sprintf(format, args...))
}

func (s *stage) take() []string {
	s.mu.Lock()
	defer s.mu.Unlock()
	e := s.events
	s.events = nil
	return e
}

func (s *stage) play(name string, f func(ctx context.Context, start int, report Report) error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.plays[name] = f
}

func (s *stage) make(spec Spec, report Report) Worker {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.starts[spec.Name]++
	return &actor{stage: s, spec: spec, report: report, start: s.starts[spec.Name], play: s.plays[spec.Name]}
}

type actor struct {
	stage  *stage
	spec   Spec
	report Report
	start  int
	play   func(ctx context.Context, start int, report Report) error
}

func (a *actor) Run(ctx context.Context) error {
	a.stage.note("%s starts on %s", a.spec.Name, a.spec.Binding)
	if a.play != nil {
		if err := a.play(ctx, a.start, a.report); err != nil {
			a.stage.note("%s fails: %v", a.spec.Name, err)
			return err
		}
	} else {
		a.report(Status{State: Ready, Table: 254})
		<-ctx.Done()
	}
	a.stage.note("%s ends on %s: %v", a.spec.Name, a.spec.Binding, context.Cause(ctx))
	return nil
}

func (a *actor) Reconfigure(spec Spec) {
	a.stage.note("%s takes metric %d", spec.Name, spec.Export.Metric)
}

func (a *actor) Routes(ctx context.Context, d Direction, yield func(rib.RouteStatus) bool) error {
	if d == Import {
		panic("no imports here")
	}
	yield(rib.RouteStatus{Prefix: netip.MustParsePrefix("192.0.2.0/24"), State: rib.Installed})
	return nil
}

// play runs a supervisor inside a bubble of fake time while act acts, then ends
// it with cause, and returns what Run returned and what was logged.
func play(t *testing.T, s *stage, cause error, act func(*testing.T, *Supervisor)) (err error, log string) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		var buf bytes.Buffer
		sup := NewSupervisor(s.make, slog.New(slog.NewTextHandler(&buf, nil)))
		ctx, cancel := context.WithCancelCause(t.Context())
		ended := make(chan error)
		go func() { ended <- sup.Run(ctx) }()
		synctest.Wait()
		act(t, sup)
		cancel(cause)
		err = <-ended
		synctest.Wait()
		log = buf.String()
	})
	return err, log
}

func apply(t *testing.T, s *Supervisor, specs ...Spec) {
	t.Helper()
	if err := s.Apply(t.Context(), specs); err != nil {
		t.Fatal(err)
	}
	synctest.Wait()
}

func spec(name string, b rib.Binding) Spec {
	return Spec{Name: name, Binding: b, Export: rib.ExportPolicy{Metric: 20}}
}

func get(t *testing.T, s *Supervisor, name string) Status {
	t.Helper()
	st, ok := s.Get(name)
	if !ok {
		t.Fatalf("VRF %q is not there", name)
	}
	return st
}

func wantEvents(t *testing.T, s *stage, want ...string) {
	t.Helper()
	got := s.take()
	if !slices.Equal(got, want) {
		t.Errorf("what happened:\n  %s\nwant:\n  %s", strings.Join(got, "\n  "), strings.Join(want, "\n  "))
	}
}

var (
	red  = spec("red", rib.Binding{Table: 1001})
	blue = spec("blue", rib.Binding{Netns: "blue"})
)

func TestApplyBringsTheRunningSetToTheSpecs(t *testing.T) {
	s := newStage()
	err, _ := play(t, s, ErrExit, func(t *testing.T, sup *Supervisor) {
		apply(t, sup, red)
		wantEvents(t, s, "red starts on table 1001")

		apply(t, sup, red, blue)
		wantEvents(t, s, "blue starts on netns blue")
		names := []string{}
		for _, st := range sup.List() {
			names = append(names, st.Spec.Name+" "+string(st.State))
		}
		if want := []string{"blue ready", "red ready"}; !slices.Equal(names, want) {
			t.Errorf("listed %v, want %v", names, want)
		}

		louder := red
		louder.Export.Metric = 30
		apply(t, sup, louder, blue)
		wantEvents(t, s, "red takes metric 30")
		if got := get(t, sup, "red").Spec.Export.Metric; got != 30 {
			t.Errorf("status shows metric %d", got)
		}

		apply(t, sup, blue)
		wantEvents(t, s, "red ends on table 1001: the VRF was removed")
		if _, still := sup.Get("red"); still {
			t.Error("red is still there")
		}
	})
	if err != nil {
		t.Errorf("Run: %v", err)
	}
	wantEvents(t, s, "blue ends on netns blue: the daemon ends")
}

func TestAChangedHomeEndsTheOldWorkerBeforeTheNewOneStarts(t *testing.T) {
	for name, change := range map[string]func(*Spec){
		"binding":  func(s *Spec) { s.Binding.Table = 1002 },
		"protocol": func(s *Spec) { s.Protocol = 200 },
		"RD":       func(s *Spec) { s.RD = 7 },
	} {
		t.Run(name, func(t *testing.T) {
			s := newStage()
			_, _ = play(t, s, ErrExit, func(t *testing.T, sup *Supervisor) {
				s.play("red", func(ctx context.Context, _ int, _ Report) error {
					<-ctx.Done()
					time.Sleep(time.Second) // fake: taking the routes out
					return nil
				})
				apply(t, sup, red)
				s.take()
				moved := red
				change(&moved)
				apply(t, sup, moved)
				wantEvents(t, s,
					"red ends on table 1001: the VRF was removed",
					"red starts on "+moved.Binding.String())
			})
		})
	}
}

func TestTwoVRFsSwapTheirTables(t *testing.T) {
	s := newStage()
	slow := func(ctx context.Context, _ int, _ Report) error {
		<-ctx.Done()
		time.Sleep(time.Second)
		return nil
	}
	s.play("a", slow)
	s.play("b", slow)
	one, two := rib.Binding{Table: 1}, rib.Binding{Table: 2}
	_, _ = play(t, s, ErrExit, func(t *testing.T, sup *Supervisor) {
		apply(t, sup, spec("a", one), spec("b", two))
		s.take()
		apply(t, sup, spec("a", two), spec("b", one))
		got := s.take()
		if len(got) != 4 || !strings.Contains(got[0], "ends") || !strings.Contains(got[1], "ends") {
			t.Errorf("a table was taken before it was free: %q", got)
		}
	})
}

func TestAPanicAndAnErrorAreRestartedWithBackoff(t *testing.T) {
	for _, tc := range []struct {
		name, reason, logged string
		trouble              func() error
	}{
		{"error", "the table is full", "the table is full", func() error { return errors.New("the table is full") }},
		{"panic", "panic: boom", "keeper.go", func() error { panic("boom") }},
		{"return", "the worker ended without being told to", "", func() error { return nil }},
	} {
		t.Run(tc.name, func(t *testing.T) {
			s := newStage()
			s.play("red", func(ctx context.Context, start int, report Report) error {
				if start == 1 {
					return tc.trouble()
				}
				report(Status{State: Ready})
				<-ctx.Done()
				return nil
			})
			err, log := play(t, s, ErrExit, func(t *testing.T, sup *Supervisor) {
				apply(t, sup, red, blue)
				st := get(t, sup, "red")
				if st.State != Failed || st.Reason != tc.reason {
					t.Errorf("red is %s (%s)", st.State, st.Reason)
				}
				if wait := time.Until(st.Retry); wait < firstRetry*3/4 || wait > firstRetry*5/4 {
					t.Errorf("tried again in %v", wait)
				}
				if got := get(t, sup, "blue").State; got != Ready {
					t.Errorf("blue is %s", got)
				}
				err := sup.Routes(t.Context(), "red", Export, func(rib.RouteStatus) bool { return true })
				if !errors.Is(err, ErrNotRunning) || !strings.Contains(err.Error(), tc.reason) {
					t.Errorf("routes of a failed VRF: %v", err)
				}
				time.Sleep(time.Until(st.Retry) + time.Millisecond)
				synctest.Wait()
				if st = get(t, sup, "red"); st.State != Ready || st.Restarts != 1 || st.Reason != "" || !st.Retry.IsZero() {
					t.Errorf("red after its restart: %+v", st)
				}
			})
			if err != nil || !strings.Contains(log, tc.logged) || !strings.Contains(log, "vrf=red") {
				t.Errorf("Run: %v; log: %s", err, log)
			}
		})
	}
}

func TestACrashLoopBacksOffAndALongRunResetsIt(t *testing.T) {
	s := newStage()
	var starts []time.Time
	s.play("red", func(ctx context.Context, start int, _ Report) error {
		starts = append(starts, time.Now())
		if start == 12 {
			time.Sleep(goodRun)
		}
		return errors.New("no luck")
	})
	_, _ = play(t, s, ErrExit, func(t *testing.T, sup *Supervisor) {
		apply(t, sup, red)
		time.Sleep(time.Hour)
	})
	for i := 1; i < 12; i++ {
		gap := starts[i].Sub(starts[i-1])
		due := min(firstRetry<<(i-1), lastRetry)
		if gap < due*3/4 || gap > due*5/4+time.Millisecond {
			t.Errorf("start %d came after %v, want about %v", i+1, gap, due)
		}
	}
	if gap := starts[12].Sub(starts[11]) - goodRun; gap > firstRetry*5/4+time.Millisecond {
		t.Errorf("after a good run it waited %v", gap)
	}
	if n := len(starts); n > 80 {
		t.Errorf("%d starts in an hour", n)
	}
}

func TestRemovalDuringBackoffStillCleans(t *testing.T) {
	s := newStage()
	s.play("red", func(ctx context.Context, start int, _ Report) error {
		if start == 1 {
			return errors.New("no luck")
		}
		<-ctx.Done()
		return nil
	})
	_, _ = play(t, s, ErrExit, func(t *testing.T, sup *Supervisor) {
		apply(t, sup, red)
		s.take()
		began := time.Now()
		apply(t, sup)
		if time.Since(began) != 0 {
			t.Errorf("the removal waited %v", time.Since(began))
		}
		wantEvents(t, s, "red starts on table 1001", "red ends on table 1001: the VRF was removed")
	})
}

func TestExitDuringBackoffCleansWhereAsked(t *testing.T) {
	for _, tc := range []struct {
		name  string
		rule  OnExit
		cause error
		want  []string
	}{
		{"keep", Keep, ErrExit, nil},
		{"remove", Remove, ErrExit, []string{"red starts on table 1001", "red ends on table 1001: the daemon ends"}},
		{"plain cancel", Remove, nil, []string{"red starts on table 1001", "red ends on table 1001: the daemon ends"}},
		{"another cause", Remove, errors.New("restarting"), nil},
	} {
		t.Run(tc.name, func(t *testing.T) {
			s := newStage()
			s.play("red", func(_ context.Context, start int, _ Report) error {
				if start == 1 {
					return errors.New("no luck")
				}
				return nil
			})
			err, _ := play(t, s, tc.cause, func(t *testing.T, sup *Supervisor) {
				r := red
				r.OnExit = tc.rule
				apply(t, sup, r)
				s.take()
			})
			if err != nil {
				t.Errorf("Run: %v", err)
			}
			wantEvents(t, s, tc.want...)
		})
	}
}

func TestAnExitCauseIsPassedThrough(t *testing.T) {
	s := newStage()
	_, _ = play(t, s, errors.New("restarting"), func(t *testing.T, sup *Supervisor) { apply(t, sup, red) })
	wantEvents(t, s, "red starts on table 1001", "red ends on table 1001: restarting")
}

func TestAFailedCleanUpIsReported(t *testing.T) {
	s := newStage()
	s.play("red", func(ctx context.Context, _ int, _ Report) error {
		<-ctx.Done()
		return errors.New("permission denied")
	})
	_, _ = play(t, s, ErrExit, func(t *testing.T, sup *Supervisor) {
		apply(t, sup, red)
		err := sup.Apply(t.Context(), nil)
		if err == nil || !strings.Contains(err.Error(), `VRF "red"`) || !strings.Contains(err.Error(), "permission denied") {
			t.Errorf("Apply: %v", err)
		}
	})
}

func TestAStalledWorkerHoldsUpNobodyElse(t *testing.T) {
	s := newStage()
	s.play("red", func(ctx context.Context, start int, _ Report) error {
		if start == 1 {
			<-ctx.Done()
			time.Sleep(time.Hour) // deaf
		}
		<-ctx.Done()
		return nil
	})
	err, log := play(t, s, ErrExit, func(t *testing.T, sup *Supervisor) {
		apply(t, sup, red)
		s.take()
		began := time.Now()
		err := sup.Apply(t.Context(), []Spec{blue})
		if err == nil || !strings.Contains(err.Error(), "red") || time.Since(began) != leaveTimeout {
			t.Errorf("Apply after %v: %v", time.Since(began), err)
		}
		synctest.Wait()
		if got := get(t, sup, "blue").State; got != Ready {
			t.Errorf("blue is %s", got)
		}
		// The table is red's until its worker is gone, whoever asks for it.
		apply(t, sup, blue, red, spec("green", red.Binding))
		for _, name := range []string{"red", "green"} {
			st := get(t, sup, name)
			if st.State != Pending || !strings.Contains(st.Reason, `"red"`) {
				t.Errorf("%s is %s (%s)", name, st.State, st.Reason)
			}
		}
		apply(t, sup, blue, red)
		wantEvents(t, s, "blue starts on netns blue")
		time.Sleep(time.Hour)
		synctest.Wait()
		if got := get(t, sup, "red").State; got == Pending {
			t.Errorf("red is %s", got)
		}
		wantEvents(t, s, "red ends on table 1001: the VRF was removed", "red starts on table 1001")
	})
	if err != nil || log != "" {
		t.Errorf("Run: %v; log: %s", err, log)
	}
}

func TestRunEndsInBoundedTimeAndNamesWhoDidNot(t *testing.T) {
	s := newStage()
	s.play("red", func(ctx context.Context, _ int, _ Report) error {
		<-ctx.Done()
		time.Sleep(time.Hour)
		return nil
	})
	var began time.Time
	synctest.Test(t, func(t *testing.T) {
		sup := NewSupervisor(s.make, slog.New(slog.DiscardHandler))
		ctx, cancel := context.WithCancel(t.Context())
		ended := make(chan error)
		go func() { ended <- sup.Run(ctx) }()
		apply(t, sup, red, blue)
		began = time.Now()
		cancel()
		err := <-ended
		if err == nil || !strings.Contains(err.Error(), "VRF red") || strings.Contains(err.Error(), "blue") {
			t.Errorf("Run: %v", err)
		}
		if d := time.Since(began); d != leaveTimeout {
			t.Errorf("Run took %v", d)
		}
		if err := sup.Apply(t.Context(), []Spec{blue}); !errors.Is(err, ErrStopped) {
			t.Errorf("Apply after the end: %v", err)
		}
		time.Sleep(time.Hour) // let the bubble empty
	})
}

func TestApplyBeforeRun(t *testing.T) {
	s := newStage()
	synctest.Test(t, func(t *testing.T) {
		sup := NewSupervisor(s.make, slog.New(slog.DiscardHandler))
		apply(t, sup, red, blue)
		apply(t, sup, red)
		if err := sup.Apply(t.Context(), []Spec{red, red}); err == nil {
			t.Error("a VRF was taken twice")
		}
		wantEvents(t, s)
		ctx, cancel := context.WithCancelCause(t.Context())
		ended := make(chan error)
		go func() { ended <- sup.Run(ctx) }()
		synctest.Wait()
		wantEvents(t, s, "red starts on table 1001")
		cancel(ErrExit)
		if err := <-ended; err != nil {
			t.Error(err)
		}
	})
}

func TestChangedWakesOnEachChange(t *testing.T) {
	s := newStage()
	var say Report
	s.play("red", func(ctx context.Context, _ int, report Report) error {
		say = report
		<-ctx.Done()
		return nil
	})
	_, _ = play(t, s, ErrExit, func(t *testing.T, sup *Supervisor) {
		changed := sup.Changed()
		tell := func(st Status) bool {
			say(st)
			select {
			case <-changed:
				changed = sup.Changed()
				return true
			default:
				return false
			}
		}
		apply(t, sup, red)
		<-changed
		changed = sup.Changed()
		if !tell(Status{State: Ready, Counts: Counts{Installed: 1}}) {
			t.Error("no change seen")
		}
		since := get(t, sup, "red").Since
		time.Sleep(time.Second)
		if tell(Status{State: Ready, Counts: Counts{Installed: 1}}) {
			t.Error("a report of the same woke the watcher")
		}
		if !tell(Status{State: Ready, Counts: Counts{Installed: 2}}) || get(t, sup, "red").Since != since {
			t.Error("a changed count was not seen, or moved Since")
		}
		if !tell(Status{State: Degraded, Reason: "1 route"}) || get(t, sup, "red").Since == since {
			t.Error("a changed state was not seen, or did not move Since")
		}
	})
}

func TestAReportOfAnEarlierWorkerIsVoid(t *testing.T) {
	s := newStage()
	var old Report
	s.play("red", func(ctx context.Context, start int, report Report) error {
		if start == 1 {
			old = report
			return errors.New("no luck")
		}
		report(Status{State: Ready})
		<-ctx.Done()
		return nil
	})
	_, _ = play(t, s, ErrExit, func(t *testing.T, sup *Supervisor) {
		apply(t, sup, red)
		old(Status{State: Ready})
		if got := get(t, sup, "red").State; got != Failed {
			t.Errorf("red is %s", got)
		}
		time.Sleep(time.Second)
		synctest.Wait()
		old(Status{State: Pending})
		if got := get(t, sup, "red").State; got != Ready {
			t.Errorf("red is %s", got)
		}
	})
}

func TestReconfigureDuringBackoffReachesTheNextWorker(t *testing.T) {
	s := newStage()
	s.play("red", func(ctx context.Context, start int, _ Report) error {
		if start == 1 {
			return errors.New("no luck")
		}
		<-ctx.Done()
		return nil
	})
	_, _ = play(t, s, ErrExit, func(t *testing.T, sup *Supervisor) {
		apply(t, sup, red)
		louder := red
		louder.Export.Metric = 30
		apply(t, sup, louder)
		if st := get(t, sup, "red"); st.State != Failed || st.Spec.Export.Metric != 30 {
			t.Errorf("red: %+v", st)
		}
		time.Sleep(time.Second)
		synctest.Wait()
		if st := get(t, sup, "red"); st.State != Syncing || st.Spec.Export.Metric != 30 {
			t.Errorf("red: %+v", st)
		}
	})
}

func TestRoutes(t *testing.T) {
	_, _ = play(t, newStage(), ErrExit, func(t *testing.T, sup *Supervisor) {
		apply(t, sup, red)
		n := 0
		err := sup.Routes(t.Context(), "red", Export, func(rib.RouteStatus) bool { n++; return true })
		if err != nil || n != 1 {
			t.Errorf("%d routes, %v", n, err)
		}
		if err := sup.Routes(t.Context(), "green", Export, nil); !errors.Is(err, ErrUnknown) {
			t.Errorf("an unknown VRF: %v", err)
		}
		if err := sup.Routes(t.Context(), "red", Import, nil); err == nil || !strings.Contains(err.Error(), "panic") {
			t.Errorf("a panic inside Routes: %v", err)
		}
	})
}

// Real time and real goroutines: what this proves is proved by -race.
func TestManyVRFsUnderConcurrentUse(t *testing.T) {
	sup := NewSupervisor(newStage().make, slog.New(slog.DiscardHandler))
	ctx, cancel := context.WithCancelCause(t.Context())
	ended := make(chan error)
	go func() { ended <- sup.Run(ctx) }()

	specs := make([]Spec, 1000)
	for i := range specs {
		specs[i] = spec(fmt.Sprintf("tenant-%04d", i), rib.Binding{Table: uint32(1000 + i)})
	}
	var users sync.WaitGroup
	for n := range 4 {
		users.Go(func() {
			for i := range 3 {
				mine := slices.Clone(specs[:len(specs)-100*n])
				mine[n].Export.Metric = uint32(i)
				if err := sup.Apply(ctx, mine); err != nil {
					t.Error(err)
				}
			}
		})
		users.Go(func() {
			for range 10 {
				list := sup.List()
				if !slices.IsSortedFunc(list, func(a, b Status) int { return strings.Compare(a.Spec.Name, b.Spec.Name) }) {
					t.Error("the list is not in order")
				}
				sup.Get("tenant-0000")
				<-sup.Changed()
			}
		})
	}
	stop := make(chan struct{})
	var stirred sync.WaitGroup
	stirred.Go(func() { // keeps Changed changing until the users are done
		for i := 0; ; i++ {
			select {
			case <-stop:
				return
			default:
				mine := slices.Clone(specs)
				mine[0].Export.Metric = uint32(i)
				if err := sup.Apply(ctx, mine); err != nil {
					t.Error(err)
				}
			}
		}
	})
	users.Wait()
	close(stop)
	stirred.Wait()
	cancel(ErrExit)
	if err := <-ended; err != nil {
		t.Error(err)
	}
}

func TestMayShareTable(t *testing.T) {
	ns := func(b rib.Binding, netns string) rib.Binding { b.Netns = netns; return b }
	main, red := rib.Binding{}, rib.Binding{Device: "red"}
	for _, tc := range []struct {
		a, b rib.Binding
		want bool
	}{
		{main, main, true},
		{main, red, false},
		{red, rib.Binding{Device: "blue"}, false},
		{red, rib.Binding{Table: 10}, true},
		{rib.Binding{Table: 10}, rib.Binding{Table: 10}, true},
		{rib.Binding{Table: 10}, rib.Binding{Table: 11}, false},
		{main, ns(main, "a"), false},
		{ns(main, "a"), ns(main, "/var/run/netns/a"), true},
		{ns(red, "a"), ns(red, "/run/netns/b"), false},
	} {
		if got := mayShareTable(tc.a, tc.b); got != tc.want {
			t.Errorf("%q and %q: %v", tc.a, tc.b, got)
		}
		if got := mayShareTable(tc.b, tc.a); got != tc.want {
			t.Errorf("%q and %q: %v", tc.b, tc.a, got)
		}
	}
}
