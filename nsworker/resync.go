package nsworker

import (
	"context"
	"errors"

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
	err := w.ask(ctx, func(s *tableSync) {
		if s == nil {
			answer <- resynced{err: w.pending()}
			return
		}
		s.askings = append(s.askings, &asking{answer: answer})
		s.contention.Hurry()
		s.doubt("asked")
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

func (s *tableSync) count() counted { return counted{s.totalsNow().Found, s.announced.Waiting()} }

// readFor notes, for those who asked, what a reading found.
func (s *tableSync) readFor(before counted) {
	found := s.totalsNow().Found
	for _, a := range s.askings {
		if a.read {
			continue
		}
		a.read, a.objects = true, s.totals.Objects
		a.repair.Announced = max(0, s.announced.Waiting()-before.announceDue)
		for kind := range a.repair.Found {
			a.repair.Found[kind] = found[kind] - before.drift[kind]
		}
	}
}

// answer tells those who asked for a resync, once all that it made due is done.
func (s *tableSync) answer() {
	if len(s.askings) == 0 || !s.idle() {
		return
	}
	waiting := s.askings[:0]
	for _, a := range s.askings {
		if !a.read {
			waiting = append(waiting, a)
			continue
		}
		r := a.repair
		r.Own = s.routes.inState(rib.Installed) + s.routes.inState(rib.Stale)
		r.Foreign = s.sets.Resolver.View.Foreign.Len()
		r.Unmended = s.routes.Unmended()
		r.Objects = int(s.totals.Objects - a.objects)
		a.answer <- resynced{repair: r}
	}
	clear(s.askings[len(waiting):])
	s.askings = waiting
}

// abandon answers those whose resync will not come to an end.
func (s *tableSync) abandon() {
	for _, a := range s.askings {
		a.answer <- resynced{err: errEnded}
	}
	s.askings = nil
}
