package nsworker

import (
	"net/netip"
	"time"

	"github.com/vrfredist/vrfredist/nsworker/nexthop"
	"github.com/vrfredist/vrfredist/rib"
	"github.com/vrfredist/vrfredist/vrf"
)

// What follows is called where s.tap is not nil alone: somebody listens.

func (s *tableSync) event(prefix netip.Prefix, what, reason string, complete func(*vrf.RouteEvent)) {
	s.tap.Emit(vrf.RouteEvent{Time: time.Now(), VRF: s.name, Of: s.spec.Of(), Prefix: prefix, What: what, Reason: reason}, complete)
}

// tellState tells that an entry came into a state in which it is not installed.
func (s *tableSync) tellState(slot rib.Slot, e *route) {
	switch e.Note.state {
	case rib.Filtered, rib.Unresolved, rib.Conflict, rib.OverQuota:
		reason := s.reason(slot, e)
		if e.Note.state == rib.Unresolved && e.Want != nil {
			reason = e.Want.Reason
		}
		s.event(s.feed.Prefix(slot), e.Note.state.String(), reason, nil)
	}
}

// tellWrite tells of the kernel's answer to one change of a route.
func (s *tableSync) tellWrite(c write, err error) {
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
		if r.NexthopID != 0 && c.slot != noSlot {
			f := nexthop.ForwardingOf(r)
			r.Hops = s.routes.Find(c.slot).Want.HopsOf(&f)
			r.NexthopID = 0
		}
		e.Text = flat(r.Format(s.sets.Resolver.View.Links))
	})
}

func (s *tableSync) tellAnnouncement(c rib.AnnounceChange) {
	what := vrf.RouteAnnounced
	if c.Withdraw {
		what = vrf.RouteWithdrawn
	}
	s.event(c.Prefix, what, "", nil)
}

// progress says how far long work is; the zero value where there is none. What is
// done in one turn is not long, but for the first time.
func (s *tableSync) progress(prefixes, waiting int, reading bool) vrf.Progress {
	long := func(n, turn int) bool { return n > 0 && (!s.phase.synced() || n > turn) }
	due := s.routes.due()
	switch installed := s.routes.inState(rib.Installed); {
	case reading, !s.phase.known():
		return vrf.Progress{Phase: "reading the table"}
	case long(waiting, feedBatch):
		return vrf.Progress{Phase: "taking in BGP's routes", Done: prefixes - min(waiting, prefixes), Total: prefixes}
	case long(due, writeBatch):
		return vrf.Progress{Phase: "writing routes", Done: installed, Total: installed + due}
	case long(s.announced.Waiting(), announceBatch):
		now := s.announced.total()
		return vrf.Progress{Phase: "announcing routes", Done: now, Total: now + s.announced.Waiting()}
	}
	return vrf.Progress{}
}

// manyRoutes is from how many on the reading of a table is told of.
const manyRoutes = 10_000

// tellReading says that the table is being read, which for a large one takes a
// while.
func (s *tableSync) tellReading() {
	if s.routes.inState(rib.Installed)+s.sets.Resolver.View.Foreign.Len() < manyRoutes {
		return
	}
	s.tellStatus(s.status(true))
}
