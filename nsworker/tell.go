package nsworker

import (
	"net/netip"
	"time"

	"github.com/vrfredist/vrfredist/rib"
	"github.com/vrfredist/vrfredist/vrf"
)

// What follows is called where s.tap is not nil alone: somebody listens.

func (s *session) event(prefix netip.Prefix, what, reason string, complete func(*vrf.RouteEvent)) {
	s.tap.Emit(vrf.RouteEvent{Time: time.Now(), VRF: s.name, Of: s.spec.Of(), Prefix: prefix, What: what, Reason: reason}, complete)
}

// tellState tells that an entry came into a state in which it is not installed.
func (s *session) tellState(slot rib.Slot, e *entry) {
	switch e.state {
	case rib.Filtered, rib.Unresolved, rib.Conflict, rib.OverQuota:
		reason := s.reason(slot, e)
		if e.state == rib.Unresolved && e.target != nil {
			reason = e.target.reason
		}
		s.event(s.feed.Prefix(slot), e.state.String(), reason, nil)
	}
}

// tellWrite tells of the kernel's answer to one change of a route.
func (s *session) tellWrite(slot rib.Slot, c rib.Change, err error) {
	what, reason := "", ""
	switch {
	case err != nil:
		what, reason = vrf.RouteRefused, err.Error()
	case c.Op == rib.OpAdd:
		what = vrf.RouteAdded
	case c.Op == rib.OpReplace:
		what = vrf.RouteReplaced
	case c.Op == rib.OpDelete:
		what = vrf.RouteDeleted
	}
	s.event(c.Route.Prefix, what, reason, func(e *vrf.RouteEvent) {
		r := c.Route
		if r.NexthopID != 0 && slot != noSlot {
			if tg := s.entries.At(slot).target; tg != nil && tg.group == r.NexthopID {
				r.Hops = tg.hops
			}
			r.NexthopID = 0
		}
		e.Text = flat(r.Format(s.resolver.view.Links))
	})
}

func (s *session) tellAnnouncement(c rib.AnnounceChange) {
	what := vrf.RouteAnnounced
	if c.Withdraw {
		what = vrf.RouteWithdrawn
	}
	s.event(c.Prefix, what, "", nil)
}

// progress says how far long work is; the zero value where there is none. What is
// done in one turn is not long, but for the first time.
func (s *session) progress(prefixes, waiting int) vrf.Progress {
	long := func(n, turn int) bool { return n > 0 && (!s.synced || n > turn) }
	due := s.due.waiting + len(s.extra)
	switch installed := s.inState(rib.Installed); {
	case !s.read, s.reading:
		return vrf.Progress{Phase: "reading the table"}
	case long(waiting, feedBatch):
		return vrf.Progress{Phase: "taking in BGP's routes", Done: prefixes - min(waiting, prefixes), Total: prefixes}
	case long(due, writeBatch):
		return vrf.Progress{Phase: "writing routes", Done: installed, Total: installed + due}
	case long(len(s.importDue), announceBatch):
		return vrf.Progress{Phase: "announcing routes", Done: len(s.announced), Total: len(s.announced) + len(s.importDue)}
	}
	return vrf.Progress{}
}

// manyRoutes is from how many on the reading of a table is told of.
const manyRoutes = 10_000

// tellReading says that the table is being read, which for a large one takes a
// while.
func (s *session) tellReading() {
	if s.inState(rib.Installed)+s.resolver.view.Foreign.Len() < manyRoutes {
		return
	}
	s.reading = true
	s.tell()
	s.reading = false
}
