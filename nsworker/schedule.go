package nsworker

import (
	"time"

	"github.com/vrfredist/vrfredist/rib"
)

// schedule is a moment at which something is to be done, and why.
type schedule struct {
	when     time.Time        // zero: never
	last     time.Time        // when it was done last
	reason   rib.ResyncReason // of a reading of the table
	failures int
}

// at moves the moment of a reading to t, unless it is earlier already.
func (c *schedule) at(t time.Time, reason rib.ResyncReason) {
	if c.by(t) {
		c.reason = reason
	}
}

// by moves the moment to t, unless it is earlier already, and tells whether it did.
func (c *schedule) by(t time.Time) bool {
	if !c.when.IsZero() && !t.Before(c.when) {
		return false
	}
	c.when = t
	return true
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

// doubt asks for a reading of the table, soon. What takes many routes away says so in
// several messages: the reading for the first makes them due again, and one more before
// they are written would hold them up.
func (s *session) doubt(reason rib.ResyncReason) {
	at, gap := time.Now(), resyncGap
	if s.due.waiting > 0 {
		gap = busyGap
	}
	if next := s.resync.last.Add(gap); next.After(at) {
		at = next
	}
	s.resync.at(at, reason)
}

// hasten moves a reading that is due to where it would be without busyGap.
func (s *session) hasten() {
	if !s.resync.when.IsZero() && s.resync.failures == 0 {
		s.doubt(s.resync.reason)
	}
}
