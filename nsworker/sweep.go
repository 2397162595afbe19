package nsworker

import (
	"slices"
	"time"

	"github.com/vrfredist/vrfredist/rib"
)

// sweeps are when own routes go that BGP has not spoken of since the start. They may only be
// late: a peer that restarts sends its table in its own time.
type sweeps struct {
	done     [rib.Families]bool
	deadline time.Time
	leaking  leaking
}

// all tells whether both families were swept.
func (w *sweeps) all() bool { return !slices.Contains(w.done[:], false) }

// sweepTime is when the sweep is to be considered; zero: not by time.
func (s *tableSync) sweepTime() time.Time {
	if s.sweeps.all() || !s.phase.known() {
		return time.Time{}
	}
	return s.sweeps.deadline
}

// sweepDue tells whether own routes of a family that BGP did not speak of may go now.
func (s *tableSync) sweepDue(of rib.Family, now time.Time) bool {
	if s.sweeps.done[of] {
		return false
	}
	if !now.Before(s.sweeps.deadline) {
		return true
	}
	if !s.feed.Converged(of) {
		return false
	}
	_, waiting := s.feed.LenOf(of)
	return waiting == 0 && !s.sets.Awaiting(of) && !s.awaitsImports(of)
}

// sweepStale deletes what was adopted and not heard of.
func (s *tableSync) sweepStale(of rib.Family) {
	s.sweeps.done[of] = true
	n := 0
	for slot, e := range s.routes.All {
		if e.Note.state == rib.Stale && e.Is(of) {
			n++
			s.routes.set(slot, e, 0)
			s.routes.Mark(slot, e)
		}
	}
	if n > 0 {
		s.log.Info("routes of an earlier run that BGP has no more are removed", "family", of, "routes", n)
	}
}

// leaking is what a session that waits for its sweep knows of the VRFs that leak into
// it what they import from the kernel. BGP has those routes only once their workers have
// read their tables and announced them, and no End-of-RIB says so.
type leaking struct {
	asked bool
	vrfs  []string
	next  [rib.Families]rib.Slot // one that is announced, and did not come yet
	comes [rib.Families]bool     // there is such a one
}

// awaitsImports tells whether a route of an earlier run may be one that another VRF of
// this daemon imports, and BGP has not given it to us yet.
func (s *tableSync) awaitsImports(of rib.Family) bool {
	l := &s.sweeps.leaking
	if s.routes.counts[of][rib.Stale] == 0 || s.deps.Leaking == nil {
		return false
	}
	if !l.asked {
		l.asked, l.vrfs = true, s.deps.Leaking(s.spec)
		for _, name := range l.vrfs {
			if s.follows[name]++; s.follows[name] == 1 {
				s.deps.Board.follow(name, s.wakes)
			}
		}
	}
	if slices.ContainsFunc(l.vrfs, func(name string) bool { return !s.deps.Board.hasAnnounced(name) }) {
		return true
	}
	if l.comes[of] && s.isStale(l.next[of]) {
		return true // what is announced need not be looked through again
	}
	l.comes[of] = false
	for _, name := range l.vrfs {
		for _, a := range s.deps.BGP.Announced(name) {
			if slot, e := s.routes.entryOf(a.Prefix); e != nil && e.Note.state == rib.Stale && e.Is(of) {
				l.next[of], l.comes[of] = slot, true
				return true
			}
		}
	}
	return false
}

// isStale tells whether the entry of a slot is of an earlier run.
func (s *tableSync) isStale(slot rib.Slot) bool {
	e := s.routes.Find(slot)
	return e != nil && e.Note.state == rib.Stale
}

// announcedAll tells those who wait for it, once, that BGP has all that the table had
// for it.
func (s *tableSync) announcedAll() {
	if !s.toldAll && s.announced.Idle() {
		s.toldAll = true
		s.deps.Board.announcedAll(s.name)
	}
}
