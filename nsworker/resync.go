package nsworker

import (
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

// askings are the resyncs that are waited on, and those who wait until all is in force.
type askings struct {
	list     []*asking
	settling []chan<- struct{} // closed then
}

func (a *askings) add(answer chan<- resynced) { a.list = append(a.list, &asking{answer: answer}) }

// counted is a reading of the table in numbers, taken before and after it was adopted.
type counted struct {
	drift       vrf.Drifts
	announceDue int
	objects     uint64
}

// wasRead notes, for those who asked, what a reading found.
func (a *askings) wasRead(before, after counted) {
	for _, k := range a.list {
		if k.read {
			continue
		}
		k.read, k.objects = true, after.objects
		k.repair.Announced = max(0, after.announceDue-before.announceDue)
		for kind := range k.repair.Found {
			k.repair.Found[kind] = after.drift[kind] - before.drift[kind]
		}
	}
}

// answer tells those who asked for a resync, once all that it made due is done.
func (a *askings) answer(b *books, objects uint64) {
	waiting := a.list[:0]
	for _, k := range a.list {
		if !k.read {
			waiting = append(waiting, k)
			continue
		}
		r := k.repair
		r.Own = b.routes.inState(rib.Installed) + b.routes.inState(rib.Stale)
		r.Foreign = b.view().Foreign.Len()
		r.Unmended = b.routes.Unmended()
		r.Objects = int(objects - k.objects)
		k.answer <- resynced{repair: r}
	}
	clear(a.list[len(waiting):])
	a.list = waiting
}

// settled tells those who wait that all is in force.
func (a *askings) settled() {
	for _, done := range a.settling {
		close(done)
	}
	a.settling = nil
}

// abandon answers those whose resync will not come to an end.
func (a *askings) abandon() {
	for _, k := range a.list {
		k.answer <- resynced{err: errEnded}
	}
	a.list = nil
	a.settled() // what stands is the next worker's to judge, or nobody's
}
