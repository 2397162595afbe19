package nsworker

import (
	"context"
	"errors"
	"time"

	"github.com/vrfredist/vrfredist/rib"
	"github.com/vrfredist/vrfredist/vrf"
)

// errEnded is what a question gets that the loop did not live to answer.
var errEnded = errors.New("the worker ended meanwhile; ask again")

// asking is a resync that somebody asked for and waits on.
type asking struct {
	answer  chan<- resynced // holds one, so that the loop never waits
	read    bool            // the table was read since
	repair  vrf.Repair
	objects uint64 // Totals.Objects at the reading
}

type resynced struct {
	repair vrf.Repair
	err    error
}

// Resync implements vrf.Worker.
func (w *Worker) Resync(ctx context.Context) (vrf.Repair, error) {
	answer := make(chan resynced, 1)
	err := w.ask(ctx, func(s *session) {
		if s == nil {
			answer <- resynced{err: w.pending()}
			return
		}
		s.askings = append(s.askings, &asking{answer: answer})
		if s.fight.paused() {
			s.fight.again.by(time.Now())
		}
		s.doubt(rib.ResyncAsked)
	})
	if err != nil {
		return vrf.Repair{}, err
	}
	select {
	case r := <-answer:
		return r.repair, r.err
	case <-ctx.Done():
		return vrf.Repair{}, context.Cause(ctx)
	}
}

// counted is a reading of the table in numbers, taken before and after it was
// adopted.
type counted struct {
	drift       vrf.Drifts
	announceDue int
}

func (s *session) count() counted { return counted{s.totals.Found.Total(), len(s.importDue)} }

// readFor notes, for those who asked, what a reading found.
func (s *session) readFor(before counted) {
	for _, a := range s.askings {
		if a.read {
			continue
		}
		a.read, a.objects = true, s.totals.Objects
		a.repair.Announced = max(0, len(s.importDue)-before.announceDue)
		for kind, found := range s.totals.Found.Total() {
			a.repair.Found[kind] = found - before.drift[kind]
		}
	}
}

// settled tells whether everything that is due has been tried.
func (s *session) settled() bool {
	return s.read && s.due.waiting == 0 && len(s.extra) == 0 && len(s.objects.due) == 0 && len(s.importDue) == 0
}

// answer tells those who asked for a resync, once all that it made due is done.
func (s *session) answer() {
	if len(s.askings) == 0 || !s.settled() {
		return
	}
	waiting := s.askings[:0]
	for _, a := range s.askings {
		if !a.read {
			waiting = append(waiting, a)
			continue
		}
		r := a.repair
		r.Own = s.inState(rib.Installed) + s.inState(rib.Stale)
		r.Foreign = s.resolver.view.FIB.Len()
		r.Unmended = s.drifting
		r.Objects = int(s.totals.Objects - a.objects)
		a.answer <- resynced{repair: r}
	}
	clear(s.askings[len(waiting):])
	s.askings = waiting
}

// abandon answers those whose resync will not come to an end.
func (s *session) abandon() {
	for _, a := range s.askings {
		a.answer <- resynced{err: errEnded}
	}
	s.askings = nil
}

// seen notes that the kernel shows something else of ours than what it
// confirmed. Before the first reading, and after a batch of which no answer
// came, nothing is known that it could differ from.
func (s *session) seen(e *entry, d vrf.Drift) {
	if s.trusted {
		e.seen = 1 + uint8(d)
	}
}

// drift counts what was seen of an entry, where something is to be done about
// it: a route that went with its link, and is not wanted without, is no drift.
func (s *session) drift(slot rib.Slot, e *entry) {
	seen := e.seen
	e.seen = 0
	if seen == 0 || !e.due || e.drift != 0 {
		return
	}
	e.drift = seen
	s.drifting++
	s.totals.Found[e.family-1][seen-1]++
	s.challenged(slot, e)
}

// mended is told that an entry is in the kernel as it should be.
func (s *session) mended(e *entry) {
	if e.drift != 0 {
		s.totals.Mended[e.family-1][e.drift-1]++
		s.drifting--
		e.drift = 0
	}
}

// strangers counts own routes of a family under keys that we do not use.
func (s *session) strangers(f rib.Family, n int) {
	if !s.trusted {
		return
	}
	s.strange[f] += n
	s.totals.Found[f][vrf.Strange] += uint64(n)
}

// extras counts the extra routes of each family.
func (s *session) extras() (n [rib.Families]int) {
	for _, r := range s.extra {
		n[rib.FamilyOf(r.Prefix)]++
	}
	return n
}

// strangersGone is told when none is left.
func (s *session) strangersGone() {
	for f, n := range s.strange {
		s.totals.Mended[f][vrf.Strange] += uint64(n)
	}
	s.strange = [rib.Families]int{}
}
