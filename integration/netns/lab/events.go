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
func (w *Watch) Mark() int {
	w.drain()
	w.run.mu.Lock()
	defer w.run.mu.Unlock()
	return len(w.events)
}

// Since returns the changes of the daemon's routes since mark until now, oldest
// first. It fails the test where messages were lost.
func (w *Watch) Since(mark int) []Event {
	w.t.Helper()
	w.drain()
	w.run.mu.Lock()
	defer w.run.mu.Unlock()
	if w.blind {
		w.t.Errorf("the watch of %s lost messages: its receive buffer is too small", w.role)
	}
	events := make([]Event, 0, len(w.events)-mark)
	for _, c := range w.events[mark:] {
		events = append(events, Event{Deleted: c.deleted, Prefix: c.key.prefix(), Table: c.key.table, Device: c.device})
	}
	return events
}

// AtRest waits until no message about the daemon's routes came for a moment, at most for
// so long. Reading a table that is being written shows little, and takes the processors
// from the writer. The kernel deletes many a route without a message: a table at rest
// need not have the routes that it had.
func (w *Watch) AtRest(most time.Duration) {
	const moment = 10 * time.Millisecond
	if w == nil || w.rests() {
		return // the namespace was deleted, or asking would take what Unwatched saves
	}
	for end, last := time.Now().Add(most), w.Mark(); time.Now().Before(end); {
		time.Sleep(moment)
		now := w.Mark()
		if now == last {
			return
		}
		last = now
	}
}

// Unwatched calls do, which is timed, while the watch of the namespace rests: it reads
// and judges the messages afterwards, so that do has the processors for itself. do must
// not ask for events.
func (w *Watch) Unwatched(do func()) {
	set := func(resting bool) {
		w.run.mu.Lock()
		defer w.run.mu.Unlock()
		w.resting = resting
	}
	defer w.drain()
	set(true)
	defer set(false)
	do()
}
