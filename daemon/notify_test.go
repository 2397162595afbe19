package daemon

import (
	"bytes"
	"context"
	"log/slog"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/vrfredist/vrfredist/vrf"
)

func statuses(states ...vrf.State) []vrf.Status {
	var all []vrf.Status
	for i, s := range states {
		all = append(all, vrf.Status{Spec: vrf.Spec{Name: string(rune('a' + i))}, State: s})
	}
	return all
}

func TestSettled(t *testing.T) {
	for _, tc := range []struct {
		states []vrf.State
		since  time.Duration
		want   bool
	}{
		{nil, 0, true},
		{[]vrf.State{vrf.Ready, vrf.Degraded}, 0, true},
		{[]vrf.State{vrf.Ready, vrf.Syncing}, absentTime, false},
		{[]vrf.State{vrf.Ready, vrf.Syncing}, readyTime - 1, false},
		{[]vrf.State{vrf.Ready, vrf.Syncing}, readyTime, true},
		{[]vrf.State{vrf.Pending}, absentTime - 1, false},
		{[]vrf.State{vrf.Pending, vrf.Failed}, absentTime, true},
		{[]vrf.State{vrf.Pending, vrf.Syncing}, absentTime, false},
	} {
		if got := settled(statuses(tc.states...), tc.since); got != tc.want {
			t.Errorf("%v after %v: %v, want %v", tc.states, tc.since, got, tc.want)
		}
	}
}

func TestFares(t *testing.T) {
	for want, states := range map[string][]vrf.State{
		"no VRFs":        nil,
		"1 VRF: 1 ready": {vrf.Ready},
		"4 VRFs: 1 ready, 1 syncing, 1 degraded (c), 1 failed (d)": {vrf.Ready, vrf.Syncing, vrf.Degraded, vrf.Failed},
		"5 VRFs: 1 syncing, 4 pending (b, c, d, …)":                {vrf.Syncing, vrf.Pending, vrf.Pending, vrf.Pending, vrf.Pending},
	} {
		if got := fares(statuses(states...)); got != want {
			t.Errorf("%q, want %q", got, want)
		}
	}
}

// record is what a manager was told, on a line each.
type record struct {
	mu  sync.Mutex
	all []string // guarded by mu
}

// take returns what was told since the last time.
func (r *record) take() []string {
	r.mu.Lock()
	defer r.mu.Unlock()
	all := r.all
	r.all = nil
	return all
}

func told(log *bytes.Buffer) (*manager, *record) {
	r := new(record)
	m := newManager(slog.New(slog.NewTextHandler(log, nil)))
	m.send = func(state string) error {
		r.mu.Lock()
		defer r.mu.Unlock()
		r.all = append(r.all, strings.ReplaceAll(state, "\n", " "))
		return nil
	}
	return m, r
}

func TestManagerIsToldInOrder(t *testing.T) {
	m, record := told(new(bytes.Buffer))
	m.reloading()() // before it is ready, nobody waits for the end of a reload
	m.status("1 VRF: 1 syncing", false)
	m.status("1 VRF: 1 ready", true)
	m.status("1 VRF: 1 degraded", true)
	done := m.reloading()
	done()
	m.stopping()
	m.alive()
	all := record.take()
	if i := slices.IndexFunc(all, func(s string) bool { return strings.HasPrefix(s, "RELOADING=1 MONOTONIC_USEC=") }); i < 0 {
		t.Errorf("no reload in %q", all)
	} else {
		all[i] = "RELOADING=1"
	}
	want := []string{"STATUS=1 VRF: 1 syncing", "READY=1 STATUS=1 VRF: 1 ready", "STATUS=1 VRF: 1 degraded", "RELOADING=1", "READY=1", "STOPPING=1 STATUS=ending"}
	if !slices.Equal(all, want) {
		t.Errorf("told %q, want %q", all, want)
	}
}

// TestWatchdogIsFedWhileAllAnswer has one of two parts stuck for a while.
func TestWatchdogIsFedWhileAllAnswer(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var log bytes.Buffer
		m, record := told(&log)
		loose := make(chan struct{})
		close(loose)
		var stuck atomic.Value // of a channel that is closed while the part is not stuck
		stuck.Store(loose)
		ctx, cancel := context.WithCancel(t.Context())
		ended := make(chan struct{})
		go func() {
			defer close(ended)
			m.watchdog(ctx, 30*time.Second,
				probe{"one", func(context.Context) error { return nil }},
				probe{"two", func(context.Context) error { <-stuck.Load().(chan struct{}); return nil }})
		}()
		fed := func(span time.Duration) int {
			record.take()
			time.Sleep(span) // of the bubble's clock
			synctest.Wait()
			return len(record.take())
		}
		if n := fed(5 * time.Minute); n < 29 || n > 31 {
			t.Errorf("fed %d times in 5 minutes, want every 10 seconds", n)
		}
		held := make(chan struct{})
		stuck.Store(held)
		fed(10 * time.Second) // the answer that was on its way
		if n := fed(5 * time.Minute); n != 0 {
			t.Errorf("fed %d times while a part is stuck", n)
		}
		if n := strings.Count(log.String(), "does not answer"); n != 1 {
			t.Errorf("said %d times that a part does not answer:\n%s", n, &log)
		}
		close(held)
		if n := fed(5 * time.Minute); n < 29 {
			t.Errorf("fed %d times after it came loose", n)
		}
		cancel()
		<-ended
	})
}
