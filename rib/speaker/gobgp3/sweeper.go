package gobgp3

import (
	"iter"
	"maps"
	"time"
	"unsafe"

	"github.com/osrg/gobgp/v3/pkg/config/oc"
	"github.com/osrg/gobgp/v3/pkg/packet/bgp"
)

// sweeper frees destinations that have no path left. GoBGP makes one for each prefix
// that is withdrawn without ever having been announced, and leaves it in the neighbour's
// adj-RIB-in until the session ends; and it leaves one in its own tables wherever a path
// went without the mark that it has left the adj-RIB-in too: the path of a neighbour in a
// VRF, or of the API.
type sweeper struct {
	*loop
	wake chan<- struct{} // signalled when there is something to sweep
	// kept is how many destinations of an adj-RIB-in count for nothing: the last sweep
	// found them not empty.
	kept map[*bgpTable]int
	due  map[*bgpTable]bool // false: an adj-RIB-in; true: a table of GoBGP's own
	at   *sweep             // under way

	counted   map[unsafe.Pointer]uint32 // withdrawals of a peer that are in withdrawn
	withdrawn int                       // since GoBGP's own tables were swept last
}

// sweep is a way through a table that can be interrupted.
type sweep struct {
	table *bgpTable
	own   bool
	stay  int // destinations that are not empty
	next  func() (string, *bgpDestination, bool)
	stop  func()
}

const (
	// sweepEmpty is how many empty destinations of a neighbour are swept at once, and how
	// many withdrawals of all neighbours have GoBGP's own tables swept.
	sweepEmpty = 50_000
	// sweepShare is the part of an adj-RIB-in that must be empty for a sweep where no
	// messages come: for a few destinations a large table is not gone through.
	sweepShare = 8
	// sweepStep is how long a step of a sweep may hold the loop for its own sake.
	sweepStep = time.Millisecond
	// sweepOf: while there is something to sweep, a message pays this part of its own
	// time for it. To free a destination costs much less than to make one, so a flood
	// cannot outrun the sweep, however slow the machine.
	sweepOf = 4
)

func newSweeper(l *loop, wake chan<- struct{}) *sweeper {
	return &sweeper{loop: l, wake: wake, kept: make(map[*bgpTable]int), due: make(map[*bgpTable]bool), counted: make(map[unsafe.Pointer]uint32)}
}

// check notes a neighbour who left many destinations empty.
func (s *sweeper) check(p livePeer) {
	for family, t := range p.adjIn().table {
		if s.empty(p, family, t) >= sweepEmpty {
			s.note(t, false)
		}
	}
	if s.count(p); s.withdrawn >= sweepEmpty {
		s.withdrawn = 0
		s.all()
	}
}

// empty is about how many destinations of a neighbour are empty. Destinations whose paths
// GoBGP rejected count as empty until a sweep has seen them.
func (s *sweeper) empty(p livePeer, family bgp.RouteFamily, t *bgpTable) int {
	n := len(t.destinations) - p.adjIn().accepted[family]
	if kept := s.kept[t]; kept > n {
		s.kept[t] = max(0, n) // some of the kept ones have gone
	}
	return n - s.kept[t]
}

// quiet notes the neighbours whose empty destinations are worth a sweep.
func (s *sweeper) quiet() {
	there, peers := make(map[*bgpTable]bool), make(map[unsafe.Pointer]bool)
	for _, p := range s.peers() {
		peers[p.at] = true
		for family, t := range p.adjIn().table {
			there[t] = true
			if n := s.empty(p, family, t); n > 0 && n*sweepShare >= len(t.destinations) {
				s.note(t, false)
			}
		}
	}
	maps.DeleteFunc(s.kept, func(t *bgpTable, _ int) bool { return !there[t] })
	maps.DeleteFunc(s.counted, func(at unsafe.Pointer, _ uint32) bool { return !peers[at] })
}

// count adds GoBGP's count of the withdrawals of a neighbour in a VRF. The withdrawals of
// neighbours in no VRF free their destinations.
func (s *sweeper) count(p livePeer) {
	var now uint32
	p.read(func(conf *oc.Neighbor, _ bgp.FSMState) {
		if conf.Config.Vrf != "" {
			now = conf.State.Messages.Received.WithdrawPrefix
		}
	})
	if before := s.counted[p.at]; now > before { // an administrative shutdown begins anew
		s.withdrawn += int(now - before)
	}
	s.counted[p.at] = now
}

// all notes GoBGP's own tables.
func (s *sweeper) all() {
	if rib := s.rib(); rib != nil {
		for _, t := range rib.Tables {
			s.note(t, true)
		}
	}
}

func (s *sweeper) note(t *bgpTable, own bool) {
	if len(t.destinations) == 0 {
		return
	}
	s.due[t] = own
	select {
	case s.wake <- struct{}{}:
	default: // it is awake
	}
}

// during sweeps beside a message, for a time that is in proportion to the message's.
func (s *sweeper) during(d time.Duration) {
	if s.at != nil || len(s.due) > 0 {
		s.step(d)
	}
}

// step sweeps for a while, and tells whether there is more.
func (s *sweeper) step(d time.Duration) bool {
	for began := time.Now(); time.Since(began) < d; {
		if s.at == nil && !s.begin() {
			return false
		}
		for range 64 {
			_, d, more := s.at.next()
			if !more {
				s.finish()
				break
			}
			s.at.see(d)
		}
	}
	return true
}

func (s *sweeper) begin() bool {
	for t, own := range s.due {
		delete(s.due, t)
		next, stop := iter.Pull2(maps.All(t.destinations))
		s.at = &sweep{table: t, own: own, next: next, stop: stop}
		return true
	}
	return false
}

// finish ends the sweep of a table.
func (s *sweeper) finish() {
	if !s.at.own {
		for _, p := range s.peers() {
			for family, t := range p.adjIn().table {
				if t == s.at.table {
					s.kept[t] = max(0, s.at.stay-p.adjIn().accepted[family])
				}
			}
		}
	}
	s.at = nil
}

// stop gives a sweep up.
func (s *sweeper) stop() {
	if s.at != nil {
		s.at.stop()
		s.at = nil
	}
	clear(s.due)
}

// see frees a destination that is empty. Of another destination it frees the local
// identifiers that no path has: GoBGP does not free the identifier of a path of a neighbour
// in a VRF, or of the API, that goes while another path stays, and searches for a free one
// from the beginning.
func (w *sweep) see(d *bgpDestination) {
	if len(d.knownPathList) == 0 {
		free(w.table, d)
		return
	}
	w.stay++
	if w.own && len(d.localIdMap.bitmap) > 1 {
		d.localIdMap.bitmap = identifiers(d.knownPathList)
	}
}

// identifiers are the local ones of paths, as GoBGP's bitmap has them.
func identifiers(paths []*bgpPath) []uint64 {
	bits := []uint64{1}
	for _, p := range paths {
		id := p.origin().nlri.PathLocalIdentifier()
		for uint32(len(bits)) <= id/64 {
			bits = append(bits, 0)
		}
		bits[id/64] |= 1 << (id % 64)
	}
	return bits
}

// emptied frees the destinations that an event leaves without a path. A filter of the
// watch calls it, in the loop, after GoBGP has changed its table and before it tells
// its neighbours, for which it needs the destination no more.
func (s *sweeper) emptied(ev *bestEvent) {
	for _, p := range ev.PathList {
		if !p.IsWithdraw {
			continue
		}
		nlri := p.origin().nlri
		t := s.rib().Tables[bgp.AfiSafiToRouteFamily(nlri.AFI(), nlri.SAFI())]
		if t == nil {
			continue
		}
		if d := tableGetDestination(t, nlri); d != nil && len(d.knownPathList) == 0 {
			free(t, d)
		}
	}
}
