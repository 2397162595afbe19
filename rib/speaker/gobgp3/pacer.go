package gobgp3

import (
	"sync/atomic"
	"time"

	"github.com/osrg/gobgp/v3/pkg/server"
)

// pacer keeps GoBGP's loop from running ahead of the watch.
//
// The loop takes one message after the other, of all neighbours in turn, so a
// neighbour with one route does not wait for one that sends a whole table. But
// all best paths go into one queue without bound, and where the watch gets too little of
// the processors, a tenant's single route would wait behind the whole queue. GoBGP calls its timing hook between two messages, in the loop
// itself: there the loop rests until the watch has caught up. Nothing is lost by
// that, because both need the processor.
type pacer struct {
	work   time.Duration // of the loop since it looked last; the loop's own
	queued atomic.Pointer[func() int]
}

const (
	// workAhead is how much the loop does before it looks at the queue.
	workAhead = 2 * time.Millisecond
	// mostQueued is how many events may wait: a millisecond's work for the watch.
	mostQueued = 1024
	// mostRest bounds one rest, come what may: a watch that stands still, as while
	// somebody suspends the process, must not stop BGP.
	mostRest = 100 * time.Millisecond
	restStep = 200 * time.Microsecond
)

// follow sets how many events wait for the watch that is on; nil: none is. GoBGP's
// loop calls it.
func (p *pacer) follow(queued func() int) {
	if queued == nil {
		p.queued.Store(nil)
		return
	}
	p.queued.Store(&queued)
}

// Observe implements GoBGP's timing hook. GoBGP's loop calls it after each thing it
// did; op names it and did is how long it took.
func (p *pacer) Observe(op server.FSMOperation, did, _ time.Duration) {
	if op != server.FSMMessage {
		return
	}
	if p.work += did; p.work < workAhead {
		return
	}
	p.work = 0
	if p.waiting() > mostQueued {
		p.rest()
	}
}

func (p *pacer) waiting() int {
	if queued := p.queued.Load(); queued != nil {
		return (*queued)()
	}
	return 0
}

// rest waits until the watch has taken most of the queue.
func (p *pacer) rest() {
	for began := time.Now(); time.Since(began) < mostRest && p.waiting() > mostQueued/4; {
		time.Sleep(restStep)
	}
}
