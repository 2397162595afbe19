package nsworker

import (
	"time"

	"github.com/vrfredist/vrfredist/rib"
)

const (
	// writeBatch bounds the changes of one Apply.
	writeBatch = 1024
	retryFirst = 200 * time.Millisecond
	// attempts is how often in a row reading, writing or announcing may fail before the
	// worker gives up and is restarted.
	attempts = 6
)

// schedule is a moment at which the table is to be read, and why.
type schedule struct {
	when     time.Time // zero: never
	last     time.Time // when it was done last
	held     time.Time // until when doubts wait: there is something to write first
	reason   rib.ResyncReason
	failures int
}

// at moves the moment to t, unless it is earlier already. That events were lost is a reason
// before all others, which only say where to look.
func (c *schedule) at(t time.Time, reason rib.ResyncReason) {
	lost := !c.when.IsZero() && c.reason == rib.ResyncOverflow
	if c.when.IsZero() || t.Before(c.when) {
		c.when, c.reason = t, reason
	}
	if lost || reason == rib.ResyncOverflow {
		c.reason = rib.ResyncOverflow
	}
}

// passed takes the moment away, and returns true, where it has come.
func (c *schedule) passed(now time.Time) bool {
	if c.when.IsZero() || c.when.After(now) {
		return false
	}
	c.when = time.Time{}
	return true
}

func (c *schedule) done() { c.last, c.failures = time.Now(), 0 }
