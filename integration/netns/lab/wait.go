package lab

import (
	"net/netip"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"github.com/vrfredist/vrfredist/integration/patience"
)

// Patience is how long a test waits for what should happen at once: long enough
// for a loaded machine with the race detector, never a measure of speed.
const Patience = 20 * time.Second

// stretch is how many times as long a loaded machine has. What ends by itself, as a restart
// time or a hold time of 60 s and more does, takes longer than Patience even then.
const stretch = 2

// WaitFor waits until check returns "", and fails the test with what it
// returned last where that takes longer than limit. Looks take half of a processor's
// time at most: what is waited for needs it too.
func WaitFor(t testing.TB, what string, limit time.Duration, check func() string) {
	t.Helper()
	wait(t, what, limit, check, func(took time.Duration) time.Duration { return max(interval, took) })
}

// WaitEvery is WaitFor where a look is dear, and is taken but every so often, or where the
// time is measured, and it is taken as often as can be.
func WaitEvery(t testing.TB, what string, every, limit time.Duration, check func() string) {
	t.Helper()
	wait(t, what, limit, check, func(took time.Duration) time.Duration { return every - took })
}

// wait looks until check returns "". pause is how long it rests after a look that took so
// long.
func wait(t testing.TB, what string, limit time.Duration, check func() string, pause func(took time.Duration) time.Duration) {
	t.Helper()
	for first := time.Now(); ; {
		began := time.Now()
		missing := check()
		if missing == "" {
			return
		}
		if waited := time.Since(first); waited > limit && waited > patience.Stretch(limit, stretch) {
			t.Fatalf("%s: not within %v: %s", what, waited.Round(time.Second), missing)
		}
		time.Sleep(pause(time.Since(began)))
	}
}

// compared is how values are: none is nil, and addresses have no fields that can be seen.
var compared = cmp.Options{cmpopts.EquateEmpty(), cmpopts.EquateComparable(netip.Addr{})}

// WaitEqual waits until get returns want, and fails the test with the
// difference where that takes longer than Patience.
func WaitEqual[T any](t testing.TB, what string, want T, get func() T) {
	t.Helper()
	WaitFor(t, what, Patience, func() string {
		if d := cmp.Diff(want, get(), compared); d != "" {
			return "(-want +got)\n" + d
		}
		return ""
	})
}

// Equal fails the test with the difference where got is not want.
func Equal[T any](t testing.TB, what string, want, got T) {
	t.Helper()
	if d := cmp.Diff(want, got, compared); d != "" {
		t.Errorf("%s (-want +got)\n%s", what, d)
	}
}
