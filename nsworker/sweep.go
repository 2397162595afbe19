package nsworker

import (
	"log/slog"
	"slices"
	"time"

	"github.com/vrfredist/vrfredist/rib"
	"github.com/vrfredist/vrfredist/vrf"
)

// sweeps are when own routes go that BGP has not spoken of since the start. They may only be
// late: a peer that restarts sends its table in its own time.
type sweeps struct {
	*books
	feed     *rib.Feed
	deps     *Deps
	spec     *vrf.Spec
	follows  *follower
	log      *slog.Logger
	done     [rib.Families]bool
	deadline time.Time
	leaking  leaking
}

// all tells whether both families were swept.
func (s *sweeps) all() bool { return !slices.Contains(s.done[:], false) }

// late tells whether BGP may not have said all of a family since the start.
func (s *sweeps) late(f rib.Family) bool { return !s.done[f] }

// time is when the sweep is to be considered; zero: not by time.
func (s *sweeps) time() time.Time {
	if s.all() {
		return time.Time{}
	}
	return s.deadline
}

// sweep deletes what was adopted and not heard of, where its time has come.
func (s *sweeps) sweep(now time.Time) {
	for f := range rib.Families {
		if s.done[f] || !s.isDue(f, now) {
			continue
		}
		s.done[f] = true
		s.routes.beside.origin.converged(f)
		if n := s.routes.dropStale(f); n > 0 {
			s.log.Info("routes of an earlier run that BGP has no more are removed", "family", f, "routes", n)
		}
	}
}

// isDue tells whether own routes of a family that BGP did not speak of may go now.
func (s *sweeps) isDue(of rib.Family, now time.Time) bool {
	if !now.Before(s.deadline) {
		return true
	}
	if !s.feed.Converged(of) {
		return false
	}
	_, waiting := s.feed.LenOf(of)
	return waiting == 0 && !s.sets.Awaiting(of) && !s.awaitsImports(of)
}

// leaking is what is known, while the sweep is waited for, of the VRFs that leak into this
// one what they import from the kernel. BGP has those routes only once their workers have
// read their tables and announced them, and no End-of-RIB says so.
type leaking struct {
	asked bool
	vrfs  []string
	next  [rib.Families]rib.Slot // one that is announced, and did not come yet
	comes [rib.Families]bool     // there is such a one
}

// awaitsImports tells whether a route of an earlier run may be one that another VRF of this
// daemon imports, and BGP has not given it to us yet.
func (s *sweeps) awaitsImports(of rib.Family) bool {
	l := &s.leaking
	if s.routes.counts[of][rib.Stale] == 0 || s.deps.Leaking == nil {
		return false
	}
	if !l.asked {
		l.asked, l.vrfs = true, s.deps.Leaking(*s.spec)
		for _, name := range l.vrfs {
			s.follows.follow(name, +1)
		}
	}
	if slices.ContainsFunc(l.vrfs, func(name string) bool { return !s.deps.Board.Announced(name) }) {
		return true
	}
	if l.comes[of] && s.routes.isStale(l.next[of]) {
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
