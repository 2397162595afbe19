package lab

import (
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
)

// Patience is how long a test waits for what should happen at once: long enough
// for a loaded machine with the race detector, never a measure of speed.
const Patience = 20 * time.Second

// WaitFor waits until check returns "", and fails the test with what it
// returned last where that takes longer than limit.
func WaitFor(t testing.TB, what string, limit time.Duration, check func() string) {
	t.Helper()
	WaitEvery(t, what, interval, limit, check)
}

// WaitEvery is WaitFor where a look is dear, and is taken but every so often.
func WaitEvery(t testing.TB, what string, every, limit time.Duration, check func() string) {
	t.Helper()
	tick := time.NewTicker(every)
	defer tick.Stop()
	deadline := time.Now().Add(limit)
	for {
		missing := check()
		if missing == "" {
			return
		}
		if time.Now().After(deadline) {
			t.Fatalf("%s: not within %v: %s", what, limit, missing)
		}
		<-tick.C
	}
}

// WaitEqual waits until get returns want, and fails the test with the
// difference where that takes longer than Patience.
func WaitEqual[T any](t testing.TB, what string, want T, get func() T) {
	t.Helper()
	WaitFor(t, what, Patience, func() string {
		if d := cmp.Diff(want, get(), cmpopts.EquateEmpty()); d != "" {
			return "(-want +got)\n" + d
		}
		return ""
	})
}

// Equal fails the test with the difference where got is not want.
func Equal[T any](t testing.TB, what string, want, got T) {
	t.Helper()
	if d := cmp.Diff(want, got, cmpopts.EquateEmpty()); d != "" {
		t.Errorf("%s (-want +got)\n%s", what, d)
	}
}
