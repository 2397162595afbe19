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
	open  atomic.Int64  // events that were put and are not done

	mu     sync.Mutex
	events []any // guarded by mu
}

func newQueue() *queue { return &queue{ready: make(chan struct{}, 1)} }

// put never waits.
func (q *queue) put(event any) {
	q.open.Add(1)
	q.mu.Lock()
	q.events = append(q.events, event)
	first := len(q.events) == 1
	q.mu.Unlock()
	if first {
		select {
		case q.ready <- struct{}{}:
		default: // it is signalled
		}
	}
}

// take returns the events that wait, in their order. used is the result of an
// earlier take, whose room is used again.
func (q *queue) take(used []any) []any {
	if cap(used) > mostRoom {
		used = nil
	}
	clear(used)
	q.mu.Lock()
	defer q.mu.Unlock()
	events := q.events
	q.events = used[:0]
	return events
}

// done says that n of the taken events are dealt with.
func (q *queue) done(n int) { q.open.Add(int64(-n)) }

// waiting is how many events were put and are not done.
func (q *queue) waiting() int { return int(q.open.Load()) }

// mostRoom is how many events a queue keeps room for: a peer that takes a million
// paths with it should not leave that much behind.
const mostRoom = 1 << 14
