package api

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"testing"

	"google.golang.org/grpc/codes"
)

// held makes changes that wait until they are let go.
type held struct {
	lines
	t    *testing.T
	mu   sync.Mutex
	made []string // guarded by mu
	all  sync.WaitGroup
}

// begin makes a change of a caller; it returns where its error comes.
func (h *held) begin(ctx context.Context, caller, what string, most int, hold <-chan struct{}) <-chan error {
	came := make(chan error, 1)
	h.all.Go(func() {
		came <- h.do(ctx, caller, what, most, func() error {
			if hold != nil {
				<-hold
			}
			h.mu.Lock()
			defer h.mu.Unlock()
			h.made = append(h.made, caller+what)
			return nil
		})
	})
	return came
}

// waits waits until n turns of a caller are in the line, and joined others wait with
// the last one.
func (h *held) waits(caller string, n, joined int) {
	h.t.Helper()
	eventually(h.t, fmt.Sprintf("%s has %d turns", caller, n), func() bool {
		h.lines.mu.Lock()
		defer h.lines.mu.Unlock()
		line := h.of[caller]
		return len(line) == n && (n == 0 || line[n-1].joined == joined)
	})
}

func TestLines(t *testing.T) {
	h := &held{t: t}
	ctx := t.Context()
	hold := make(chan struct{})
	var came []<-chan error
	step := func(what string, n, joined int) {
		t.Helper()
		came = append(came, h.begin(ctx, "a", what, mostWaiting, hold))
		h.waits("a", n, joined)
	}
	step("on", 1, 0)
	step("off", 2, 0)
	step("on", 3, 0) // the one under way may be undone by now
	step("on", 3, 1)
	step("on", 3, 2)
	if err := <-h.begin(ctx, "b", "on", mostWaiting, nil); err != nil { // while a's first is not done
		t.Error(err)
	}
	close(hold)
	for _, c := range came {
		if err := <-c; err != nil {
			t.Error(err)
		}
	}
	h.all.Wait()
	if want := []string{"bon", "aon", "aoff", "aon"}; !slices.Equal(h.made, want) {
		t.Errorf("%q, want %q", h.made, want)
	}
	if len(h.of) > 0 {
		t.Errorf("lines are left: %v", h.of)
	}
}

func TestALineIsBounded(t *testing.T) {
	h := &held{t: t}
	hold := make(chan struct{})
	for i := range 3 {
		h.begin(t.Context(), "a", fmt.Sprint(i), 2, hold)
		h.waits("a", i+1, 0)
	}
	wantCode(t, <-h.begin(t.Context(), "a", "3", 2, nil), codes.ResourceExhausted, "2 changes of yours wait already")
	joined := h.begin(t.Context(), "a", "2", 2, nil)
	h.waits("a", 3, 1)
	close(hold)
	if err := <-joined; err != nil {
		t.Errorf("an equal one: %v", err)
	}
	h.all.Wait()
}

// TestWhoLeavesALine: a change of which nobody waits for the end is not made; one
// that others wait for is.
func TestWhoLeavesALine(t *testing.T) {
	h := &held{t: t}
	hold := make(chan struct{})
	h.begin(t.Context(), "a", "0", mostWaiting, hold)
	h.waits("a", 1, 0)
	alone, leaveAlone := context.WithCancel(t.Context())
	first := h.begin(alone, "a", "1", mostWaiting, nil)
	h.waits("a", 2, 0)
	leaveAlone()
	wantCode(t, <-first, codes.Canceled)
	h.waits("a", 1, 0)

	lead, leave := context.WithCancel(t.Context())
	h.begin(lead, "a", "2", mostWaiting, nil)
	h.waits("a", 2, 0)
	joined := h.begin(t.Context(), "a", "2", mostWaiting, nil)
	h.waits("a", 2, 1)
	leave()
	close(hold)
	if err := <-joined; err != nil {
		t.Error(err)
	}
	h.all.Wait()
	if want := []string{"a0", "a2"}; !slices.Equal(h.made, want) {
		t.Errorf("%q, want %q", h.made, want)
	}
}

// TestAPanicEndsItsTurn, and not the line.
func TestAPanicEndsItsTurn(t *testing.T) {
	var l lines
	func() {
		defer func() { _ = recover() }()
		_ = l.do(t.Context(), "a", "x", mostWaiting, func() error { panic("boom") })
	}()
	bad := errors.New("bad")
	if err := l.do(t.Context(), "a", "x", mostWaiting, func() error { return bad }); !errors.Is(err, bad) {
		t.Error(err)
	}
}
