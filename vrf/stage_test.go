package vrf

import (
	"bytes"
	"context"
	"fmt"
	"log/slog"
	"net/netip"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"

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
		a.report(WorkerStatus{State: Ready, Table: 254})
		<-ctx.Done()
	}
	a.stage.note("%s ends on %s: %v", a.spec.Name, a.spec.Binding, context.Cause(ctx))
	return nil
}

func (a *actor) Reconfigure(spec Spec) {
	a.stage.note("%s takes metric %d", spec.Name, spec.Export.Metric)
}

func (a *actor) Settled(context.Context) error {
	a.stage.note("%s settles", a.spec.Name)
	return nil
}

func (a *actor) Routes(ctx context.Context, q RouteQuery, yield func(rib.RouteStatus) bool) error {
	if q.Direction == Import {
		panic("no imports here")
	}
	yield(rib.RouteStatus{Prefix: netip.MustParsePrefix("192.0.2.0/24"), State: rib.Installed})
	return nil
}

func (a *actor) Resync(context.Context) (Repair, error) {
	if a.spec.Binding.Netns != "" {
		return Repair{}, ErrPending
	}
	return Repair{Own: 1, Found: Drifts{Missing: 2}}, nil
}

func (a *actor) Explain(_ context.Context, q rib.Question) (rib.Explanation, error) {
	return rib.Explanation{Prefix: q.Prefix, StoppedBy: a.spec.Name}, nil
}

// play runs a supervisor inside a bubble of fake time while act acts, then ends
// it with cause, and returns what Run returned and what was logged.
func play(t *testing.T, s *stage, cause error, act func(*testing.T, *Supervisor)) (log string, err error) {
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
	return log, err
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
