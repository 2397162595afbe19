package nsworker

import (
	"fmt"

	"github.com/vrfredist/vrfredist/rib"
)

// quota gives an entry that is wanted a place, or marks it over the quota; one
// that is wanted no longer gives its place to another.
func (s *session) quota(slot rib.Slot, e *entry, wanted bool) {
	switch {
	case wanted && !e.counts && s.wanted >= s.spec.Export.Quota() && e.have == nil: // those there stay
		s.set(slot, e, rib.OverQuota)
		s.over[slot] = struct{}{}
		return
	case wanted && !e.counts:
		e.counts = true
		s.wanted++
	case !wanted && e.counts:
		e.counts = false
		s.wanted--
		s.admit()
	}
	if e.state == rib.OverQuota {
		s.set(slot, e, 0)
	}
}

// admit makes one prefix that the quota kept out due again.
func (s *session) admit() {
	for slot := range s.over {
		e := s.entries.At(slot)
		s.set(slot, e, 0)
		s.settle(slot, e)
		return
	}
}

// forget drops an entry that is nothing and has nothing.
func (s *session) forget(slot rib.Slot, e *entry) {
	s.set(slot, e, 0)
	*e = entry{queued: e.queued}
	s.fight.forget(slot)
	delete(s.fight.changes, slot)
	s.feed.Release(slot)
}

// set moves an entry to a state, and keeps the counts.
func (s *session) set(slot rib.Slot, e *entry, state rib.State) {
	if e.state == state {
		return
	}
	switch e.state {
	case rib.Failed:
		delete(s.failed, slot)
		if len(s.failed) == 0 {
			s.retry.failures = 0
		}
	case rib.OverQuota:
		delete(s.over, slot)
	}
	counts := &s.counts[e.family-1]
	counts[e.state]--
	counts[state]++
	e.state = state
	if s.tap != nil {
		s.tellState(slot, e)
	}
}

// fail marks an entry as refused by the kernel: it is tried again.
func (s *session) fail(slot rib.Slot, e *entry, why error) {
	s.set(slot, e, rib.Failed)
	s.failed[slot] = why.Error()
	s.retryLater()
}

// reason says, for a person, why an entry's state is what it is.
func (s *session) reason(slot rib.Slot, e *entry) string {
	switch e.state {
	case rib.Filtered:
		switch e.left {
		case ownImport:
			return "the best path is this VRF's own import from the kernel"
		case ownSubnet, ownAddress, martian:
			return specialReason(e.left, s.feed.Prefix(slot))
		}
		return s.filtered
	case rib.Conflict:
		if s.leftAlone(slot) {
			return s.fight.reason("this route")
		}
		if e.target != nil && e.target.fought {
			return s.fight.reason("the nexthop object of this route")
		}
		return "another program's route has this prefix and metric; ours comes in when that one goes, or with another metric for this VRF"
	case rib.OverQuota:
		return fmt.Sprintf("the VRF has its max_routes, %d; raise it, or send fewer routes", s.spec.Export.Quota())
	case rib.Failed:
		return s.failed[slot]
	}
	return ""
}
