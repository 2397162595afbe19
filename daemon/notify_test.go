package daemon

import (
	"bytes"
	"log/slog"
	"slices"
	"strings"
	"sync"
	"testing"
)

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
