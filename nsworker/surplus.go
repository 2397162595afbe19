package nsworker

import (
	"github.com/vrfredist/vrfredist/nsworker/ledger"
	"github.com/vrfredist/vrfredist/rib"
)

// surplus is own routes of the table under keys that we do not use: superseded by one with
// another metric, or put there by somebody else under our protocol. They are deleted, or
// left alone where somebody adds them again and again.
type surplus struct {
	routes  rib.RouteList
	contest *ledger.Contest[rib.Key, rib.Route]
	strange [rib.Families]int // routes that nobody here wrote, until all are deleted
	drifts  *ledger.Drifts    // the worker's
}

func newSurplus(c *ledger.Contention, drifts *ledger.Drifts) *surplus {
	return &surplus{contest: ledger.NewContest[rib.Key, rib.Route](c, ledger.WhenPutRight), drifts: drifts}
}

func (s *surplus) add(r rib.Route) { s.routes.Add(r) }

// next takes one route to be deleted; false: there is none.
func (s *surplus) next() (r rib.Route, there bool) {
	n := s.routes.Len() - 1
	if n < 0 {
		return r, false
	}
	r = s.routes.At(n)
	s.routes.Cut(n)
	return r, true
}

// begin makes ready for a reading of the table, and returns how many routes of each family
// were known.
func (s *surplus) begin() (known [rib.Families]int) {
	known = s.byFamily()
	s.routes.Cut(0)
	s.contest.ForgetHeld()
	return known
}

// found counts what a reading shows beyond what was known, where that was trusted.
func (s *surplus) found(known [rib.Families]int, trusted bool) {
	now := s.byFamily()
	for f := range rib.Families {
		s.count(f, max(0, now[f]-known[f]), trusted)
	}
}

func (s *surplus) count(f rib.Family, n int, trusted bool) {
	if trusted {
		s.strange[f] += n
		s.drifts.Found[f][ledger.Strange] += uint64(n)
	}
}

// mended is told when no route is left.
func (s *surplus) mended() {
	for f, n := range s.strange {
		s.drifts.Mended[f][ledger.Strange] += uint64(n)
	}
	s.strange = [rib.Families]int{}
}

func (s *surplus) byFamily() (n [rib.Families]int) {
	for i := range s.routes.Len() {
		n[rib.FamilyOf(s.routes.Prefix(i))]++
	}
	return n
}
