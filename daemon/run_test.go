package daemon

import (
	"context"
	"errors"
	"log/slog"
	"os"
	"slices"
	"strings"
	"syscall"
	"testing"
	"testing/synctest"

	"github.com/vrfredist/vrfredist/rib"
	"github.com/vrfredist/vrfredist/vrf"
)

// fakeWorker is a worker that says that it is ready, and why it ends.
type fakeWorker struct {
	*trail
	spec   vrf.Spec
	report vrf.Report
}

func (w fakeWorker) Run(ctx context.Context) error {
	w.report(vrf.WorkerStatus{State: vrf.Ready})
	<-ctx.Done()
	return w.call("%s ends: %v", w.spec.Name, context.Cause(ctx))
}

func (w fakeWorker) Reconfigure(vrf.Spec) {}

func (w fakeWorker) Settled(context.Context) error { return nil }

func (w fakeWorker) Routes(context.Context, vrf.RouteQuery, func(rib.RouteStatus) bool) error {
	return nil
}

func (w fakeWorker) Resync(context.Context) (vrf.Repair, error) { return vrf.Repair{}, nil }

func (w fakeWorker) Explain(context.Context, rib.Question) (rib.Explanation, error) {
	return rib.Explanation{}, nil
}

// whole is a daemon of fakes with one VRF, whose workers the supervisor runs. BGP has
// started.
func whole(t *testing.T, rule vrf.OnExit) (*daemon, *stage, signals) {
	t.Helper()
	cfg := text(t, "now", []string{"a"})
	cfg.VRFs[0].OnExit = rule
	s := newStage(t, cfg)
	s.bgp.started = make(chan struct{})
	close(s.bgp.started)
	log := slog.New(slog.NewTextHandler(s.log, nil))
	sup := vrf.NewSupervisor(func(spec vrf.Spec, r vrf.Report) vrf.Worker { return fakeWorker{s.trail, spec, r} }, log)
	s.changer.apply.workers = sup
	d := &daemon{
		log: log, force: s.changer.force, gate: s.changer.apply.gate, changer: s.changer, bgp: s.bgp,
		supervisor: sup, manager: s.changer.manager,
		parts: []part{{"a part", func(ctx context.Context) error { <-ctx.Done(); return s.call("a part ends") }}},
	}
	return d, s, signals{end: make(chan os.Signal, 1), reload: make(chan os.Signal, 1)}
}

// TestTheEnd: workers first, then BGP, which is told whether routes stay.
func TestTheEnd(t *testing.T) {
	for rule, stops := range map[vrf.OnExit]string{vrf.Keep: "BGP stops, gracefully: true", vrf.Remove: "BGP stops, gracefully: false"} {
		synctest.Test(t, func(t *testing.T) {
			d, s, signals := whole(t, rule)
			ended := make(chan error)
			go func() { ended <- d.run(t.Context(), signals) }()
			synctest.Wait()
			if !strings.Contains(s.log.String(), "vrfredist is running") {
				t.Errorf("it does not run: %s", s.log)
			}
			s.take()
			signals.end <- syscall.SIGTERM
			if err := <-ended; err != nil {
				t.Error(err)
			}
			did := s.take()
			if did[0] != "a ends: the daemon ends" || !slices.Contains(did, stops) || !slices.Contains(did, "a part ends") || len(did) != 3 {
				t.Errorf("%q", did)
			}
		})
	}
}

// TestAPartThatFails ends the daemon, and its workers leave their routes.
func TestAPartThatFails(t *testing.T) {
	for name, fails := range map[string]error{"fails": errors.New("lost"), "ended by itself": nil} {
		synctest.Test(t, func(t *testing.T) {
			d, s, signals := whole(t, vrf.Remove)
			fail := make(chan struct{})
			d.parts = append(d.parts, part{"another part", func(context.Context) error { <-fail; return fails }})
			ended := make(chan error)
			go func() { ended <- d.run(t.Context(), signals) }()
			synctest.Wait()
			close(fail)
			err := <-ended
			if err == nil || !strings.HasPrefix(err.Error(), "another part: ") || fails != nil && !errors.Is(err, fails) {
				t.Errorf("a part that %s: %v", name, err)
			}
			if did := s.take(); !slices.Contains(did, "a part ends") || slices.Contains(did, "a ends: the daemon ends") {
				t.Errorf("%q", did)
			}
		})
	}
}

// TestASignalBeforeBGPHasStarted ends what runs.
func TestASignalBeforeBGPHasStarted(t *testing.T) {
	d, s, signals := whole(t, vrf.Remove)
	s.bgp.started = make(chan struct{})
	signals.end <- syscall.SIGINT
	if err := d.run(t.Context(), signals); err != nil {
		t.Error(err)
	}
	s.wants(t, "a part ends")
}
