package nsworker

import (
	"slices"

	"github.com/vrfredist/vrfredist/rib"
)

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
func (s *session) awaitsImports(of rib.Family) bool {
	l := &s.leaking
	if s.counts[of][rib.Stale] == 0 || s.deps.Leaking == nil {
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
	if l.comes[of] && s.entries.At(l.next[of]).state == rib.Stale {
		return true // what is announced need not be looked through again
	}
	l.comes[of] = false
	for _, name := range l.vrfs {
		for _, a := range s.deps.BGP.Announced(name) {
			if slot, e := s.entryOf(a.Prefix); e != nil && e.state == rib.Stale && e.is(of) {
				l.next[of], l.comes[of] = slot, true
				return true
			}
		}
	}
	return false
}

// announcedAll tells those who wait for it, once, that BGP has all that the table had
// for it.
func (s *session) announcedAll() {
	if !s.toldAll && len(s.importDue) == 0 {
		s.toldAll = true
		s.deps.Board.announcedAll(s.name)
	}
}
