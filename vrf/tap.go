package vrf

import (
	"net/netip"
	"sync"
	"sync/atomic"
	"time"
)

// The kinds of a RouteEvent.
const (
	RouteAdded     = "added" // to the kernel table
	RouteReplaced  = "replaced"
	RouteDeleted   = "deleted"
	RouteAnnounced = "announced" // to BGP
	RouteWithdrawn = "withdrawn"
	RouteRefused   = "refused" // by the kernel
	TableRead      = "resync"  // the whole table was read: no single route
)

// RouteEvent is a change of one route. It is a value.
type RouteEvent struct {
	Time   time.Time
	VRF    string // the Spec's name
	Of     string // the VRF of GoBGP whose routes these are
	Prefix netip.Prefix
	What   string // one of the kinds above, or the name of the rib.State that it came into
	Text   string // the route as `ip route` prints it; "": there is none
	Reason string
}

// Tap hands the events of single routes to its listeners. Without a listener it costs
// its source a look at a pointer. A nil Tap has no listeners. It is safe for
// concurrent use.
type Tap struct {
	open atomic.Int32 // how many listen

	mu        sync.Mutex // taken before a listener's
	listeners map[*Listener]struct{}
}

// Open returns t where somebody listens, and else nil.
func (t *Tap) Open() *Tap {
	if t == nil || t.open.Load() == 0 {
		return nil
	}
	return t
}

// burst is how many events a listener is told of in a second; more are counted.
const burst = 500

// Listener takes the events of a Tap that it wants. It is bounded, and the emitter
// never waits for it.
type Listener struct {
	tap   *Tap
	wants func(RouteEvent) bool
	ready chan struct{}

	mu      sync.Mutex // guards the rest
	second  time.Time  // when the second began that told counts in
	told    int
	events  []RouteEvent
	skipped map[string]int // by VRF
}

// Listen begins to take the events for which wants returns true, until Close.
// wants is called by any goroutine, and must not wait.
func (t *Tap) Listen(wants func(RouteEvent) bool) *Listener {
	l := &Listener{tap: t, wants: wants, ready: make(chan struct{}, 1), skipped: make(map[string]int)}
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.listeners == nil {
		t.listeners = make(map[*Listener]struct{})
	}
	t.listeners[l] = struct{}{}
	t.open.Add(1)
	return l
}

// Close ends the listening. It is called once.
func (l *Listener) Close() {
	l.tap.mu.Lock()
	defer l.tap.mu.Unlock()
	delete(l.tap.listeners, l)
	l.tap.open.Add(-1)
}

// Emit hands an event to the listeners that want it. complete adds Text, which is costly
// to make, and is called where a listener gets the event.
func (t *Tap) Emit(e RouteEvent, complete func(*RouteEvent)) {
	t.mu.Lock()
	defer t.mu.Unlock()
	for l := range t.listeners {
		if l.wants(e) {
			l.put(e, complete)
		}
	}
}

func (l *Listener) put(e RouteEvent, complete func(*RouteEvent)) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if e.Time.Sub(l.second) >= time.Second {
		l.second, l.told = e.Time, 0
	}
	if l.told >= burst || len(l.events) >= burst {
		l.skipped[e.VRF]++
	} else {
		l.told++
		if complete != nil {
			complete(&e)
		}
		l.events = append(l.events, e)
	}
	select {
	case l.ready <- struct{}{}:
	default:
	}
}

// Ready is signalled when there is something to take; of a nil Listener never.
func (l *Listener) Ready() <-chan struct{} {
	if l == nil {
		return nil
	}
	return l.ready
}

// Take returns the events since the last call, oldest first, and by VRF how many
// more there were than are told in a second.
func (l *Listener) Take() (events []RouteEvent, skipped map[string]int) {
	if l == nil {
		return nil, nil
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	events, l.events = l.events, nil
	if len(l.skipped) > 0 {
		skipped, l.skipped = l.skipped, make(map[string]int)
	}
	return events, skipped
}
