package kernel

import (
	"net/netip"
	"sync"

	"github.com/vrfredist/vrfredist/rib"
)

// endpointBook is what a Conn takes to stand on its VXLAN devices. The kernel does not say who
// changed a forwarding entry, nor who deleted a neighbour entry: an event that says what the book
// says is no news, whoever caused it. It is safe for concurrent use.
type endpointBook struct {
	protocol uint8  // of the Conn's own entries
	inbox    *inbox // is told what is news

	mu        sync.Mutex // guards the rest
	neighbors map[neighborKey]rib.MAC
	forwards  map[forwardKey]vtep
	// While a reading runs, events wait for what it finds: they may be about entries that are
	// not known yet.
	reading bool
	waiting []entryEvent
	many    bool // more waited than are kept
}

type neighborKey struct {
	ifindex int
	addr    netip.Addr
}

type forwardKey struct {
	ifindex int
	mac     rib.MAC
}

// vtep is where a forwarding entry leads.
type vtep struct {
	addr      netip.Addr
	vni       uint32
	confirmed bool // we wrote it, or found it as ours
}

// entryEvent is a change of an entry.
type entryEvent struct {
	entry
	deleted bool
}

// begin says that a reading begins.
func (b *endpointBook) begin() {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.reading, b.waiting, b.many = true, nil, false
}

// learn takes in a reading: the endpoints, and all forwarding entries on their devices. What
// happened meanwhile that it does not have leads to another one.
func (b *endpointBook) learn(endpoints []rib.Endpoint, forwards []*entry) {
	b.mu.Lock()
	defer b.mu.Unlock()
	was := b.forwards
	b.neighbors, b.forwards = make(map[neighborKey]rib.MAC), make(map[forwardKey]vtep)
	for _, f := range forwards {
		// What we wrote stays ours when its neighbour entry goes, which a link takes with it
		// that goes down.
		key := forwardKey{f.ifindex, f.mac}
		if old := was[key]; old.confirmed && old.addr == f.addr {
			b.forwards[key] = vtep{f.addr, f.vni, true}
		}
	}
	for i := range endpoints {
		to := &endpoints[i]
		b.neighbors[neighborKey{to.Ifindex, to.Gateway}] = to.MAC
		if to.VTEP.IsValid() {
			ours := rib.VTEPGateway(to.VTEP, to.MAC) == to.Gateway
			b.forwards[forwardKey{to.Ifindex, to.MAC}] = vtep{to.VTEP, to.VNI, ours}
		}
	}
	waited := b.waiting
	doubt := b.many
	b.reading, b.waiting, b.many = false, nil, false
	for i := range waited {
		doubt = doubt || b.isNews(&waited[i])
	}
	if doubt {
		b.inbox.resync(rib.ResyncEndpoint, nil)
	}
}

// expect takes in changes that are about to be made.
func (b *endpointBook) expect(changes []rib.Change, errs []error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.neighbors == nil {
		b.neighbors, b.forwards = make(map[neighborKey]rib.MAC), make(map[forwardKey]vtep)
	}
	for i := range changes {
		to := &changes[i].Endpoint
		neighbor, forward := neighborKey{to.Ifindex, to.Gateway}, forwardKey{to.Ifindex, to.MAC}
		switch changes[i].Op {
		case rib.OpSetEndpoint:
			b.neighbors[neighbor] = to.MAC
			// Of what is not to be written because it is another's, its end is news too.
			b.forwards[forward] = vtep{to.VTEP, to.VNI, errs[i] == nil}
		case rib.OpDeleteEndpoint:
			delete(b.neighbors, neighbor)
			if b.forwards[forward].addr == to.VTEP {
				delete(b.forwards, forward)
			}
		}
	}
}

// refused takes in that a change of an endpoint was not made.
func (b *endpointBook) refused(to *rib.Endpoint) {
	b.mu.Lock()
	defer b.mu.Unlock()
	key := forwardKey{to.Ifindex, to.MAC}
	if v, known := b.forwards[key]; known {
		v.confirmed = false
		b.forwards[key] = v
	}
}

// wrote tells whether a forwarding entry is known to be what we wrote.
func (b *endpointBook) wrote(ifindex int, mac rib.MAC, to netip.Addr) bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	v := b.forwards[forwardKey{ifindex, mac}]
	return v.confirmed && v.addr == to
}

// hear takes in an event: one that says that something stands otherwise than the book has it
// leads to a reading.
func (b *endpointBook) hear(ev entryEvent) {
	b.mu.Lock()
	defer b.mu.Unlock()
	switch {
	case !b.reading:
		if b.isNews(&ev) {
			b.inbox.resync(rib.ResyncEndpoint, nil)
		}
	case len(b.waiting) < backlog:
		b.waiting = append(b.waiting, ev)
	default:
		b.many = true
	}
}

// isNews tells whether an event is news; mu is held.
func (b *endpointBook) isNews(ev *entryEvent) bool {
	if ev.forwards {
		to, known := b.forwards[forwardKey{ev.ifindex, ev.mac}]
		same := ev.plain() && ev.addr == to.addr && ev.vni == to.vni
		return known && (ev.deleted || !same)
	}
	keeps := neighborsHaveProtocol()
	mac, known := b.neighbors[neighborKey{ev.ifindex, ev.addr}]
	own := !ev.deleted && ev.own(b.protocol, keeps)
	return known && (!own || ev.mac != mac) || !known && own
}
