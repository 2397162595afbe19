package vrf

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/vrfredist/vrfredist/rib"
)

func TestApplyBringsTheRunningSetToTheSpecs(t *testing.T) {
	s := newStage()
	_, err := play(t, s, ErrExit, func(t *testing.T, sup *Supervisor) {
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
		wantEvents(t, s, "red takes metric 30", "red settles")
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
	log, err := play(t, s, ErrExit, func(t *testing.T, sup *Supervisor) {
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
		if err == nil || !strings.Contains(err.Error(), `VRF "red"`) || strings.Contains(err.Error(), "blue") {
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
		tell := func(st WorkerStatus) bool {
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
		if !tell(WorkerStatus{State: Ready, Counts: rib.ByFamily[Counts]{{Installed: 1}}}) {
			t.Error("no change seen")
		}
		since := get(t, sup, "red").Since
		time.Sleep(time.Second)
		if tell(WorkerStatus{State: Ready, Counts: rib.ByFamily[Counts]{{Installed: 1}}}) {
			t.Error("a report of the same woke the watcher")
		}
		if !tell(WorkerStatus{State: Ready, Counts: rib.ByFamily[Counts]{{Installed: 2}}}) || !get(t, sup, "red").Since.Equal(since) {
			t.Error("a changed count was not seen, or moved Since")
		}
		if !tell(WorkerStatus{State: Degraded, Reason: "1 route"}) || get(t, sup, "red").Since.Equal(since) {
			t.Error("a changed state was not seen, or did not move Since")
		}
	})
}

func TestRoutes(t *testing.T) {
	_, _ = play(t, newStage(), ErrExit, func(t *testing.T, sup *Supervisor) {
		apply(t, sup, red)
		n := 0
		err := sup.Routes(t.Context(), "red", RouteQuery{Direction: Export}, func(rib.RouteStatus) bool { n++; return true })
		if err != nil || n != 1 {
			t.Errorf("%d routes, %v", n, err)
		}
		if err := sup.Routes(t.Context(), "green", RouteQuery{Direction: Export}, nil); !errors.Is(err, ErrUnknown) {
			t.Errorf("an unknown VRF: %v", err)
		}
		if err := sup.Routes(t.Context(), "red", RouteQuery{Direction: Import}, nil); err == nil || !strings.Contains(err.Error(), "panic") {
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
		if got := MayShareTable(tc.a, tc.b); got != tc.want {
			t.Errorf("%q and %q: %v", tc.a, tc.b, got)
		}
		if got := MayShareTable(tc.b, tc.a); got != tc.want {
			t.Errorf("%q and %q: %v", tc.b, tc.a, got)
		}
	}
}

func TestResync(t *testing.T) {
	s := newStage()
	_, err := play(t, s, ErrExit, func(t *testing.T, sup *Supervisor) {
		apply(t, sup, red, blue)
		if got, err := sup.Resync(t.Context(), "red"); err != nil || got.Found.Sum() != 2 {
			t.Errorf("%+v, %v", got, err)
		}
		if _, err := sup.Resync(t.Context(), "blue"); !errors.Is(err, ErrPending) || !strings.Contains(err.Error(), `"blue"`) {
			t.Errorf("without a table: %v", err)
		}
		if _, err := sup.Resync(t.Context(), "green"); !errors.Is(err, ErrUnknown) {
			t.Errorf("unknown: %v", err)
		}
	})
	if err != nil {
		t.Error(err)
	}
}

// What a worker did is added to what those before it did.
func TestTotalsOutliveAWorker(t *testing.T) {
	s := newStage()
	s.play("red", func(ctx context.Context, start int, report Report) error {
		did := Totals{Writes: rib.ByFamily[Writes]{{Added: 2}}, Found: rib.ByFamily[Drifts]{{Altered: 1}}}
		did.Resyncs[rib.ResyncLink]++
		did.Latency[rib.IPv4].Observe(3*time.Millisecond, 2)
		report(WorkerStatus{State: Ready, Totals: did})
		if start < 3 {
			return errors.New("trouble")
		}
		<-ctx.Done()
		return nil
	})
	_, err := play(t, s, ErrExit, func(t *testing.T, sup *Supervisor) {
		apply(t, sup, red)
		time.Sleep(time.Minute)
		synctest.Wait()
		got := get(t, sup, "red").Totals
		if got.Writes.Total().Added != 6 || got.Found.Total().Sum() != 3 || got.Resyncs[rib.ResyncLink] != 3 || got.Latency.Total().Counts[2] != 6 || got.Latency.Total().Sum != 18*time.Millisecond {
			t.Errorf("%+v", got)
		}
	})
	if err != nil {
		t.Error(err)
	}
}
