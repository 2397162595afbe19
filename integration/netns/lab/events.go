package lab

import (
	"net/netip"
	"time"
)

// Event is a change of one of the daemon's routes.
type Event struct {
	Deleted bool
	Prefix  netip.Prefix
	Table   uint32
	// Device is the VRF device that had the table at that moment; "": none.
	Device string
}

// Mark returns a point in the events of the daemon's routes, for Since.
func (n *Namespace) Mark() int {
	n.watch.drain()
	n.lab.Run.mu.Lock()
	defer n.lab.Run.mu.Unlock()
	return len(n.watch.events)
}

// Since returns what happened to the daemon's routes since mark until now, oldest
// first. It fails the test where messages were lost.
func (n *Namespace) Since(mark int) []Event {
	n.lab.T.Helper()
	n.watch.drain()
	n.lab.Run.mu.Lock()
	defer n.lab.Run.mu.Unlock()
	if n.watch.blind {
		n.lab.T.Errorf("the watch of %s lost messages: its receive buffer is too small", n.Role)
	}
	events := make([]Event, 0, len(n.watch.events)-mark)
	for _, c := range n.watch.events[mark:] {
		events = append(events, Event{Deleted: c.deleted, Prefix: c.key.prefix(), Table: c.key.table, Device: c.device})
	}
	return events
}

// AtRest waits until nothing was said of the daemon's routes for a moment, at most for
// so long. Reading a table that is being written shows little, and takes the processors
// from who writes it. The kernel is silent about many a route that goes: what is at rest
// need not be what it was.
func (n *Namespace) AtRest(most time.Duration) {
	const moment = 10 * time.Millisecond
	if n.watch == nil || n.watch.rests() {
		return // the namespace was deleted, or asking would take what Unwatched saves
	}
	for end, last := time.Now().Add(most), n.Mark(); time.Now().Before(end); {
		time.Sleep(moment)
		now := n.Mark()
		if now == last {
			return
		}
		last = now
	}
}

// Unwatched calls do, which is timed, while the watch of the namespace rests: what it
// reads and judges otherwise, as it comes, it reads afterwards, so that the
// processors are those of what is timed. do must not ask for events.
func (n *Namespace) Unwatched(do func()) {
	set := func(resting bool) {
		n.lab.Run.mu.Lock()
		defer n.lab.Run.mu.Unlock()
		n.watch.resting = resting
	}
	defer n.watch.drain()
	set(true)
	defer set(false)
	do()
}
