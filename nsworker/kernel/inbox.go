package kernel

import (
	"iter"
	"sync"

	"github.com/vrfredist/vrfredist/rib"
)

// backlog is how many route events wait for their reader before a reading of the
// whole table is cheaper than they are.
const backlog = 4096

// inbox holds the events of one table until its reader takes them. The namespace's
// monitor fills it; it is safe for concurrent use.
type inbox struct {
	ready chan struct{}

	mu     sync.Mutex // guards the rest
	events rib.KernelEvents
	// shared are keys under which the kernel may hold more than one entry: the
	// legs of an IPv6 route, and routes that were appended. A deletion there
	// may leave others.
	shared map[rib.Key]struct{}
	beside map[uint32]map[rib.Key]struct{} // the same of other tables that are followed
}

func newInbox() inbox {
	return inbox{ready: make(chan struct{}, 1), shared: make(map[rib.Key]struct{})}
}

// take empties the inbox. The end of the table stays in it.
func (b *inbox) take() rib.KernelEvents {
	b.mu.Lock()
	defer b.mu.Unlock()
	e := b.events
	b.events = rib.KernelEvents{Gone: e.Gone, GoneBy: e.GoneBy, Broken: e.Broken}
	return e
}

// isGone tells whether the binding has ended.
func (b *inbox) isGone() bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.events.Gone
}

// forgetShared makes room for the keys of a new reading.
func (b *inbox) forgetShared() {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.shared, b.beside = make(map[rib.Key]struct{}), nil
}

// learnShared notes which keys of a reading of a table are shared; of table 0: of the Conn's own.
func (b *inbox) learnShared(table uint32, routes iter.Seq[rib.Route]) {
	b.mu.Lock()
	defer b.mu.Unlock()
	shared := b.sharedOf(table)
	metrics := make(map[uint32]struct{}) // of the routes before r with the same prefix
	var last rib.Route
	for r := range routes {
		legs := len(r.Hops) > 1 && r.Prefix.Addr().Is6()
		// Both families come ordered by prefix, so that equal keys are
		// neighbours, or nearly: only metrics stand between.
		if last.Prefix == r.Prefix {
			metrics[last.Metric] = struct{}{}
			_, taken := metrics[r.Metric]
			legs = legs || taken
		} else {
			clear(metrics)
		}
		if legs {
			shared[r.Key()] = struct{}{}
		}
		last = r
	}
}

// sharedOf returns the shared keys of a table; mu is held.
func (b *inbox) sharedOf(table uint32) map[rib.Key]struct{} {
	if table == 0 {
		return b.shared
	}
	if b.beside == nil {
		b.beside = make(map[uint32]map[rib.Key]struct{})
	}
	if b.beside[table] == nil {
		b.beside[table] = make(map[rib.Key]struct{})
	}
	return b.beside[table]
}

// expect notes which keys changes will make shared, before they do.
func (b *inbox) expect(changes []rib.Change) {
	b.mu.Lock()
	defer b.mu.Unlock()
	for i := range changes {
		ch := &changes[i]
		if ch.Op != rib.OpDelete && ch.Route.NexthopID == 0 && len(ch.Route.Hops) > 1 && ch.Route.Prefix.Addr().Is6() {
			b.shared[ch.Route.Key()] = struct{}{}
		}
	}
}

// routeChanged queues a change that another program made to a route.
func (b *inbox) routeChanged(e rib.RouteEvent) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.over() {
		return
	}
	key, keys := e.Route.Key(), b.sharedOf(e.Table)
	if _, shared := keys[key]; shared && e.Deleted {
		b.resyncLocked(rib.ResyncNexthop, nil)
		return
	}
	if e.Beside || !e.Deleted && len(e.Route.Hops) > 1 && e.Route.Prefix.Addr().Is6() {
		keys[key] = struct{}{}
	}
	b.queueLocked(e)
}

// queue queues a change of a route, whatever else has its key.
func (b *inbox) queue(e rib.RouteEvent) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if !b.over() {
		b.queueLocked(e)
	}
}

func (b *inbox) queueLocked(e rib.RouteEvent) {
	if b.events.Resync {
		return
	}
	if len(b.events.Routes) >= backlog {
		b.resyncLocked(rib.ResyncBacklog, nil)
		return
	}
	b.events.Routes = append(b.events.Routes, e)
	b.wake()
}

// resync asks for a reading of the whole table. links are the interfaces as they are
// now; nil: they did not change.
func (b *inbox) resync(reason rib.ResyncReason, links rib.Links) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.resyncLocked(reason, links)
}

func (b *inbox) resyncLocked(reason rib.ResyncReason, links rib.Links) {
	if b.over() {
		return
	}
	if links == nil {
		links = b.events.Links
	}
	if b.events.Resync {
		reason = b.events.Reason // the first
	}
	b.events = rib.KernelEvents{Resync: true, Reason: reason, Links: links}
	b.wake()
}

// linksCame tells of interfaces as they are now, where their change removed no route.
func (b *inbox) linksCame(reason rib.ResyncReason, links rib.Links) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.over() {
		return
	}
	b.events.Links = links
	if !b.events.Resync && !b.events.Came {
		b.events.Came, b.events.Reason = true, reason
	}
	b.wake()
}

// gone ends the Conn for its owner, because its table is no longer the binding's.
func (b *inbox) gone(by string) { b.end(rib.KernelEvents{Gone: true, GoneBy: by}) }

// broken ends the Conn for its owner, because no event can reach it any longer.
func (b *inbox) broken(why error) { b.end(rib.KernelEvents{Broken: why}) }

func (b *inbox) end(with rib.KernelEvents) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.over() {
		return
	}
	b.events = with
	b.wake()
}

// over is called with mu held.
func (b *inbox) over() bool { return b.events.Gone || b.events.Broken != nil }

func (b *inbox) wake() {
	select {
	case b.ready <- struct{}{}:
	default:
	}
}
