package kernel

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"sync/atomic"

	"golang.org/x/sys/unix"

	"github.com/vrfredist/vrfredist/rib"
)

// eventBuffer is the size of the receive buffer for events: the default of 208 KiB
// overflows at 256 routes.
const eventBuffer = 8 << 20

// monitor is the one subscriber to the events of a namespace. It keeps the links and
// nexthop objects, to tell a real change from a repetition, and hands every event to
// those subscribers whose table or device it is about.
type monitor struct {
	ns     *namespace
	log    *slog.Logger
	refs   int       // guarded by monitors.mu
	start  sync.Once // dials, reads the links, starts run
	failed error     // of start
	done   chan struct{}
	closed atomic.Bool

	sock  *sock   // the subscription
	query *client // reads the links again after an overflow
	dec   decoder

	// What the VRFs of the namespace read together.
	linksRead   *shared[linkCache]
	objectsRead *shared[objectsRead]

	mu          sync.Mutex // guards the rest
	links       linkCache
	nexthops    nexthops
	stale       bool // a link of some nexthop object went: the kernel deletes the object without an event
	subscribers subscribers
	filter      echoFilter
	entries     entryWatch // has a lock of its own
	broken      error      // why it ended by itself
}

func newMonitor(ns *namespace, ports *ports, log *slog.Logger) *monitor {
	return &monitor{
		ns:          ns,
		log:         log,
		done:        make(chan struct{}),
		linksRead:   newShared[linkCache](),
		objectsRead: newShared[objectsRead](),
		subscribers: newSubscribers(ports),
		filter:      echoFilter{ports: ports},
	}
}

// open subscribes, and then reads the links: a change that falls between is seen
// twice, and none is lost.
func (m *monitor) open(ctx context.Context) error {
	err := m.dial()
	if err == nil {
		err = m.subscribe()
	}
	if err == nil {
		err = m.refresh(ctx)
	}
	if err != nil {
		m.close()
		return fmt.Errorf("watch %v: %w", m.ns, err)
	}
	return nil
}

func (m *monitor) dial() (err error) {
	if m.sock, err = dial(m.ns, eventBuffer, anyPort); err != nil {
		return err
	}
	m.query, err = dialClient(m.ns, anyPort)
	return err
}

// subscribe joins the groups of all objects that change how routes forward.
func (m *monitor) subscribe() error {
	for _, group := range []int{
		unix.RTNLGRP_LINK, unix.RTNLGRP_IPV4_IFADDR, unix.RTNLGRP_IPV6_IFADDR,
		unix.RTNLGRP_IPV4_ROUTE, unix.RTNLGRP_IPV6_ROUTE, unix.RTNLGRP_NEXTHOP,
	} {
		err := m.sock.join(group)
		if group == unix.RTNLGRP_NEXTHOP && errors.Is(err, unix.EINVAL) {
			continue // older than 5.3
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// close ends run and frees the descriptors. It may be called more than once.
func (m *monitor) close() {
	m.closed.Store(true)
	// Nothing can be done about a close that fails: the descriptor is gone all the same.
	if m.sock != nil {
		_ = m.sock.close()
	}
	if m.query != nil {
		_ = m.query.close()
	}
	m.entries.close()
	m.ns.close()
}

// run takes in events until close, or until an error that it returns.
func (m *monitor) run() error {
	for {
		err := m.sock.receive(m.take)
		if err != nil && !m.closed.Load() {
			err = m.repair(err)
		}
		if err == nil && !m.closed.Load() {
			err = m.freshen()
		}
		switch {
		case m.closed.Load():
			return nil
		case err != nil:
			return err
		}
	}
}

// take works through one datagram of events.
func (m *monitor) take(b []byte) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	for len(b) > 0 {
		msg, rest, err := nextMessage(b)
		if err == nil {
			err = m.event(msg)
		}
		if err != nil {
			return &malformedError{err}
		}
		b = rest
	}
	return nil
}

func (m *monitor) event(msg message) error {
	switch msg.typ {
	case unix.RTM_NEWROUTE, unix.RTM_DELROUTE:
		return m.route(msg)
	case unix.RTM_NEWLINK, unix.RTM_DELLINK:
		index, n, err := m.links.link(msg)
		if n != nothing {
			k := m.links[index]
			m.stale = m.stale || (k == nil || !k.Up) && m.nexthops.over(index)
			m.subscribers.linksChanged(m.links, rib.ResyncLink, n, k)
		}
		return err
	case unix.RTM_NEWADDR, unix.RTM_DELADDR:
		n, err := m.links.address(msg)
		if n != nothing {
			m.subscribers.linksChanged(m.links, rib.ResyncAddress, n, nil)
		}
		return err
	case unix.RTM_NEWNEXTHOP, unix.RTM_DELNEXTHOP:
		changed, err := m.nexthops.update(msg)
		if changed && !m.subscribers.wrote(msg.port) {
			m.subscribers.resync(rib.ResyncNexthop)
		}
		return err
	case unix.RTM_NEWRULE, unix.RTM_DELRULE:
		for u := range m.subscribers.underlays {
			u.rulesChanged()
		}
	}
	return nil
}

// route hands a route event to the Conns of its table, except the Conn that caused it.
func (m *monitor) route(msg message) error {
	m.subscribers.entranceChanged(msg)
	table := tableOf(msg.body)
	conns, beside := m.subscribers.tables[table], m.subscribers.beside[table]
	looking := m.subscribers.looking(table, msg.port)
	if len(beside)+len(looking) == 0 && (len(conns) == 0 || len(conns) == 1 && conns[0].caused(msg)) {
		return nil
	}
	r, err := m.dec.route(msg.body)
	if err != nil || r.other {
		return err
	}
	for _, u := range looking {
		u.inbox.queue(rib.RouteEvent{Route: r.Route, Deleted: msg.typ == unix.RTM_DELROUTE})
	}
	if needsResolving(&r.Route) {
		hops, ok := m.nexthops.resolve(r.NexthopID)
		if !ok && msg.typ == unix.RTM_NEWROUTE {
			m.subscribers.resync(rib.ResyncNexthop)
			return nil
		}
		r.Hops = hops
	}
	for _, c := range conns {
		if c.caused(msg) {
			continue
		}
		c.inbox.routeChanged(routeEvent(r.Route, msg))
	}
	ev := routeEvent(r.Route, msg)
	ev.Table = table
	for _, c := range beside {
		c.inbox.routeChanged(ev)
	}
	return nil
}

// follow has c hear of exactly some tables beside its own.
func (m *monitor) follow(c *Conn, tables []uint32) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.subscribers.follow(c, tables)
}

// routeEvent makes an event of a route message. NLM_F_REPLACE: the route replaced one
// with its key. NLM_F_EXCL: it is the only one with its key. Neither flag: it was
// appended beside others.
func routeEvent(r rib.Route, msg message) rib.RouteEvent {
	if msg.typ == unix.RTM_DELROUTE {
		return rib.RouteEvent{Route: r, Deleted: true}
	}
	replaces := msg.flags&unix.NLM_F_REPLACE != 0
	return rib.RouteEvent{Route: r, Replaces: replaces, Beside: !replaces && msg.flags&unix.NLM_F_EXCL == 0}
}

// bind finds the table of c's binding and begins to hand c its events.
func (m *monitor) bind(c *Conn) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.broken != nil {
		return m.broken
	}
	table, device, err := m.links.table(c.binding)
	if err != nil {
		return err
	}
	c.where = rib.Where{Dev: m.ns.id.dev, Inode: m.ns.id.inode, Table: table, Device: device}
	m.subscribers.add(c)
	return nil
}

// remove undoes bind.
func (m *monitor) remove(c *Conn) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.subscribers.remove(c)
}

// watchFor signals a whenever its device may be there, and at once where it is.
func (m *monitor) watchFor(a *await) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.subscribers.awaits[a] = struct{}{}
	if m.links.hasVRF(a.binding.Device) || m.broken != nil {
		a.signal()
	}
}

// unwatch undoes watchFor.
func (m *monitor) unwatch(a *await) {
	m.mu.Lock()
	defer m.mu.Unlock()
	delete(m.subscribers.awaits, a)
}

// filterEchoes fits the socket filter to the subscribers. Where the kernel refuses a
// filter, its events cost time and nothing else: each Conn knows its echoes.
func (m *monitor) filterEchoes() error {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.broken != nil || m.closed.Load() {
		return nil
	}
	protocol, sole := m.subscribers.soleProtocol()
	refused, err := m.filter.fit(m.sock, protocol, sole)
	switch {
	case m.closed.Load(): // by the end of Host.Run, meanwhile
		return nil
	case refused != nil:
		m.log.Debug("the kernel refused a socket filter, so that our own route changes wake us",
			"netns", m.ns.name, "error", refused)
	case err != nil:
		return fmt.Errorf("the events of %v: %w", m.ns, err)
	}
	return nil
}

// othersNexthop tells whether another program's nexthop object has this id now: the
// kernel itself lets anybody replace or delete an object, whosever it is.
func (m *monitor) othersNexthop(id uint32, protocol uint8) bool {
	m.mu.Lock()
	defer m.mu.Unlock()
	n, ok := m.nexthops[id]
	return ok && n.protocol != protocol
}

// linkName is the name of an interface; "": it is not known.
func (m *monitor) linkName(index int) string {
	m.mu.Lock()
	defer m.mu.Unlock()
	if k := m.links[index]; k != nil {
		return k.Name
	}
	return ""
}
