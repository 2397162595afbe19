package speaker

import (
	"sync/atomic"
	"time"

	"github.com/osrg/gobgp/v3/pkg/server"
)

// pacer keeps GoBGP's loop from running ahead of the watch.
//
// The loop takes one message after the other, of all neighbours in turn, so a
// neighbour with one route does not wait for one that sends a whole table. But
// what the loop finds best it puts into one queue without bound, and the watch,
// which renders each path as a message of the API, takes twice as long for a route
// as the loop does: without a pacer seconds of routes wait in there, and a tenant's
// single route behind them. GoBGP calls its timing hook between two messages, in
// the loop itself: there the loop rests until the watch has caught up. Nothing is
// lost by that, because both need the processor.
type pacer struct {
	work time.Duration // of the loop since it rested last; the loop's own

	active atomic.Bool  // a watch is on, and its snapshot is in
	busy   atomic.Bool  // the watch takes an event
	ended  atomic.Int64 // when the watch ended its last event, by since
	seen   atomic.Uint64
	before uint64 // seen when the loop rested last; the loop's own
	began  time.Time
}

const (
	// workAhead is how much the loop may do before it looks for the watch.
	workAhead = 4 * time.Millisecond
	// caughtUp is for how long the watch has nothing to do when its queue is empty:
	// longer than GoBGP takes from one event to the next.
	caughtUp = 500 * time.Microsecond
	// mostRest bounds one rest, come what may: a watch that stands still, as while
	// somebody suspends the process, must not stop BGP.
	mostRest = 100 * time.Millisecond
	restStep = 200 * time.Microsecond
)

func newPacer() *pacer { return &pacer{began: time.Now()} }

// Observe implements GoBGP's timing hook. GoBGP's loop calls it after each thing it
// did; op says what that was and did how long it took.
func (p *pacer) Observe(op server.FSMOperation, did, _ time.Duration) {
	if op != server.FSMMessage || !p.active.Load() {
		return
	}
	if p.work += did; p.work < workAhead {
		return
	}
	p.work = 0
	// Messages that change no best path give the watch nothing to do.
	if n := p.seen.Load(); n != p.before || p.busy.Load() {
		p.rest()
	}
	p.before = p.seen.Load()
}

// rest waits until the watch has had nothing to do for a moment.
func (p *pacer) rest() {
	for began := time.Now(); time.Since(began) < mostRest && p.active.Load(); {
		if !p.busy.Load() && p.since()-time.Duration(p.ended.Load()) >= caughtUp {
			return
		}
		time.Sleep(restStep)
	}
}

// begin and end are called around each event of the watch.
func (p *pacer) begin() { p.busy.Store(true) }

func (p *pacer) end() {
	p.ended.Store(int64(p.since()))
	p.seen.Add(1)
	p.busy.Store(false)
}

func (p *pacer) since() time.Duration { return time.Since(p.began) }
