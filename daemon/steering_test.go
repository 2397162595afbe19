package daemon

import (
	"context"
	"fmt"
	"log/slog"
	"maps"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/vrfredist/vrfredist/rib"
	"github.com/vrfredist/vrfredist/vrf"
)

// fakeSteer notes what is done to neighbours.
type fakeSteer struct {
	steering    // what is not used here
	interrupted map[string]rib.Disabled

	mu   sync.Mutex
	done []string // guarded by mu
}

func (f *fakeSteer) note(format string, args ...any) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.done = append(f.done, fmt.Sprintf(format, args...))
	return nil
}

func (f *fakeSteer) take() []string {
	f.mu.Lock()
	defer f.mu.Unlock()
	slices.Sort(f.done)
	return slices.Clone(f.done)
}

func (f *fakeSteer) Interrupted() map[string]rib.Disabled { return maps.Clone(f.interrupted) }

func (f *fakeSteer) Drain(_ context.Context, name string, until *rib.Disabled) error {
	if until == nil {
		return f.note("%s: no drain", name)
	}
	return f.note("%s: drain %s %s", name, until.By, until.Reason)
}

func (f *fakeSteer) Disable(_ context.Context, name, reason, by string) error {
	return f.note("%s: disable %s %s", name, by, reason)
}

// TestResume: a graceful shutdown that the end of the daemon cut short goes on until its time, and
// ends when the neighbour is disabled or enabled otherwise.
func TestResume(t *testing.T) {
	now := time.Now()
	steer := &fakeSteer{interrupted: map[string]rib.Disabled{
		"192.0.2.1": {By: "uid 0", Reason: "soon", Since: now, Due: now.Add(10 * time.Millisecond)},
		"192.0.2.2": {By: "uid 0", Reason: "late", Since: now, Due: now.Add(time.Hour)},
	}}
	var log strings.Builder
	n := &neighbors{steer: steer, log: slog.New(slog.NewTextHandler(&log, nil))}
	if err := n.resume(t.Context()); err != nil {
		t.Fatal(err)
	}
	want := []string{"192.0.2.1: disable uid 0 soon", "192.0.2.1: drain uid 0 soon", "192.0.2.2: drain uid 0 late"}
	waitFor(t, "one ends, and both are told of", func() bool { return slices.Equal(steer.take(), want) })
	if strings.Count(log.String(), "goes on") != 2 {
		t.Errorf("the log: %s", log.String())
	}
	if !n.drain.stop("192.0.2.2") {
		t.Error("nothing waits for the end of the other")
	}
}

// TestGracefulEndIsKept: who disables gracefully has kept until when, with the words for the end.
func TestGracefulEndIsKept(t *testing.T) {
	steer := new(fakeSteer)
	n := &neighbors{steer: steer}
	of := vrf.Session{State: vrf.Established}
	end, err := n.DisableNeighbor(t.Context(), of, vrf.Shutdown{Reason: "bye", Graceful: time.Hour})
	if until := time.Until(end); err != nil || until < 50*time.Minute || until > time.Hour {
		t.Errorf("it ends at %v, %v", end, err)
	}
	if done := steer.take(); len(done) != 1 || !strings.HasSuffix(done[0], "bye") || !strings.Contains(done[0], "drain") {
		t.Errorf("done was %q", done)
	}
	n.drain.stop(of.BGPName())
}
