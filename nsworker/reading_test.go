package nsworker

import (
	"testing"
	"testing/synctest"
	"time"

	"github.com/vrfredist/vrfredist/rib"
)

// A second reading waits until what the first made due is written, and no longer than
// a bounded time.
func TestOneReadingFollowsAnotherAfterTheWrites(t *testing.T) {
	synctest.Test(t, func(t *testing.T) { // in which no time passes
		read := time.Now()
		s := unopened(t)
		after := func() time.Duration { return s.resync.when.Sub(read) }
		s.resync.last = read
		makeDue(s, 1)
		s.doubt(rib.ResyncAddress)
		if after() != busyGap {
			t.Errorf("in the midst of writing it is %v after the first, want %v", after(), busyGap)
		}
		s.resync.failures = 1
		s.routes.Next(nil, 1)
		s.hasten()
		if after() != busyGap {
			t.Errorf("one that is tried again is hastened to %v", after())
		}
		s.resync.failures = 0
		s.hasten()
		if after() != resyncGap {
			t.Errorf("once all is written it is %v after the first, want %v", after(), resyncGap)
		}
		s.resync.when = time.Time{}
		s.hasten()
		if !s.resync.when.IsZero() {
			t.Error("a reading that nobody asked for is due")
		}
	})
}
