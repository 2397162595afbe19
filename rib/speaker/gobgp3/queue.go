package gobgp3

import (
	"sync"
	"sync/atomic"
)

// queue is between GoBGP's loop, which must not wait, and the watch. It is without
// bound, as GoBGP's own is that it stands in for, but hands over all that waits at
// once: of the two goroutines and three channels that an event passes otherwise each
// costs the loop, or the watch, more than the queue does.
type queue struct {
	ready chan struct{} // signalled when there is something to take
	open  atomic.Int64  // items that were put and are not done

	asked chan struct{} // signalled when parts of the tables are to be read
	// unseen is signalled when paths have changed of which nothing in the queue tells.
	unseen chan struct{}

	mu     sync.Mutex
	items  []item // guarded by mu
	parts  []part // guarded by mu; to be read
	closed bool   // guarded by mu
}

// item is a thing that the watch is told of.
type item struct {
	paths []known // all of a destination, as GoBGP has them in order
	// of is, where there are no paths, the NLRI of a destination that has none, or another
	// thing than a destination.
	of any
}

// known is a path in GoBGP's tables, with its local identifier there, which is read in the
// loop because GoBGP writes it again there.
type known struct {
	path *bgpPath
	id   uint32
}

func newQueue() *queue {
	return &queue{ready: make(chan struct{}, 1), asked: make(chan struct{}, 1), unseen: make(chan struct{}, 1)}
}

// put never waits.
func (q *queue) put(items ...item) {
	if len(items) == 0 {
		return
	}
	q.mu.Lock()
	if q.closed {
		q.mu.Unlock()
		return
	}
	q.open.Add(int64(len(items)))
	first := len(q.items) == 0
	q.items = append(q.items, items...)
	q.mu.Unlock()
	if first {
		select {
		case q.ready <- struct{}{}:
		default: // it is signalled
		}
	}
}

// miss says that paths have changed of which nothing in the queue tells.
func (q *queue) miss() {
	select {
	case q.unseen <- struct{}{}:
	default: // it is said
	}
}

// ask has a part of the tables be read.
func (q *queue) ask(p part) {
	q.mu.Lock()
	q.parts = append(q.parts, p)
	q.mu.Unlock()
	select {
	case q.asked <- struct{}{}:
	default: // it is signalled
	}
}

// takeParts returns the parts that are to be read.
func (q *queue) takeParts() []part {
	q.mu.Lock()
	defer q.mu.Unlock()
	parts := q.parts
	q.parts = nil
	return parts
}

// take returns the items that wait, in their order. used is the result of an
// earlier take, whose room is used again.
func (q *queue) take(used []item) []item {
	if cap(used) > mostRoom {
		used = nil
	}
	clear(used)
	q.mu.Lock()
	defer q.mu.Unlock()
	items := q.items
	q.items = used[:0]
	return items
}

// close has the queue take nothing any more: nobody will.
func (q *queue) close() {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.closed, q.items = true, nil
}

// done says that n of the taken items are dealt with.
func (q *queue) done(n int) { q.open.Add(int64(-n)) }

// waiting is how many items were put and are not done.
func (q *queue) waiting() int { return int(q.open.Load()) }

// mostRoom is how many items a queue keeps room for: a peer that takes a million
// paths with it should not leave that much behind.
const mostRoom = 1 << 14
