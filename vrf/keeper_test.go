package vrf

import (
	"context"
	"errors"
	"log/slog"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/vrfredist/vrfredist/rib"
)

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
				report(WorkerStatus{State: Ready})
				<-ctx.Done()
				return nil
			})
			log, err := play(t, s, ErrExit, func(t *testing.T, sup *Supervisor) {
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
				err := sup.Routes(t.Context(), "red", RouteQuery{Direction: Export}, func(rib.RouteStatus) bool { return true })
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
			_, err := play(t, s, tc.cause, func(t *testing.T, sup *Supervisor) {
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

func TestAReportOfAnEarlierWorkerIsVoid(t *testing.T) {
	s := newStage()
	var old Report
	s.play("red", func(ctx context.Context, start int, report Report) error {
		if start == 1 {
			old = report
			return errors.New("no luck")
		}
		report(WorkerStatus{State: Ready})
		<-ctx.Done()
		return nil
	})
	_, _ = play(t, s, ErrExit, func(t *testing.T, sup *Supervisor) {
		apply(t, sup, red)
		old(WorkerStatus{State: Ready})
		if got := get(t, sup, "red").State; got != Failed {
			t.Errorf("red is %s", got)
		}
		time.Sleep(time.Second)
		synctest.Wait()
		old(WorkerStatus{State: Pending})
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

// A worker reports each route of another program that changes: nothing is allocated for it.
func TestAReportAllocatesNothing(t *testing.T) {
	k := newKeeper(NewSupervisor(nil, slog.New(slog.DiscardHandler)), Spec{Name: "red"}, 0, nil)
	said := WorkerStatus{State: Ready}
	if n := testing.AllocsPerRun(100, func() {
		said.Counts[rib.IPv4].Foreign++
		k.report(k.life, said)
	}); n != 0 {
		t.Errorf("it allocates %v times", n)
	}
	if got := k.snapshot().WorkerStatus; got != said {
		t.Errorf("the status is %+v", got)
	}
}
