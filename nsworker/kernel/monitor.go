package kernel

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"sync/atomic"

	"golang.org/x/sys/unix"

	"github.com/vrfredist/vrfredist/rib"
)

// eventBuffer is what the kernel may hold for us of events: the default of 208
// KiB overflows at 256 routes.
const eventBuffer = 8 << 20

// monitor is the one subscriber to the events of a namespace. It keeps what it
// needs to tell a real change from a repetition, and hands route events to the
// Conns of their table.
type monitor struct {
	ns     *namespace
	bufs   *buffers
	refs   int       // guarded by Host.mu
	start  sync.Once // dials, reads the links, starts run
	failed error     // of start
	done   chan struct{}
	closed atomic.Bool

	sock  *sock // the subscription
	query *sock // to read the links again after an overflow
	dec   decoder

	mu       sync.Mutex // guards what follows
	links    linkCache
	nexthops nexthops
	stale    bool               // the kernel may have deleted some of nexthops without a word
	conns    map[uint32][]*Conn // by table
	ports    map[uint32]*Conn   // by the port of the socket that writes
	awaits   map[*await]struct{}
	broken   error // why it ended by itself
	// filtering: the kernel drops the echoes of our own changes, which have the
	// protocol filtered.
	filtering bool
	filtered  uint8
}

func newMonitor(ns *namespace, bufs *buffers) *monitor {
	return &monitor{
		ns:     ns,
		bufs:   bufs,
		done:   make(chan struct{}),
		conns:  make(map[uint32][]*Conn),
		ports:  make(map[uint32]*Conn),
		awaits: make(map[*await]struct{}),
	}
}

// open subscribes, and then reads the links: an event that falls between is
// taken in twice, and none is lost.
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
	if m.sock, err = dial(m.ns, m.bufs, eventBuffer, nil); err != nil {
		return err
	}
	m.query, err = dial(m.ns, m.bufs, replyBuffer, nil)
	return err
}

// subscribe joins the groups of everything that changes how routes forward.
func (m *monitor) subscribe() error {
	for _, group := range []int{
		unix.RTNLGRP_LINK, unix.RTNLGRP_IPV4_IFADDR, unix.RTNLGRP_IPV6_IFADDR,
		unix.RTNLGRP_IPV4_ROUTE, unix.RTNLGRP_IPV6_ROUTE, unix.RTNLGRP_NEXTHOP,
	} {
		err := m.sock.c.SetsockoptInt(unix.SOL_NETLINK, unix.NETLINK_ADD_MEMBERSHIP, group)
		if group == unix.RTNLGRP_NEXTHOP && errors.Is(err, unix.EINVAL) {
			continue // older than 5.3
		}
		if err != nil {
			return fmt.Errorf("subscribe to the events of group %d: %w", group, err)
		}
	}
	return nil
}

// close ends run and frees the descriptors. It may be called more than once.
func (m *monitor) close() {
	m.closed.Store(true)
	for _, s := range []*sock{m.sock, m.query} {
		if s != nil {
			// Nothing can be done about a close that fails: the descriptor is
			// gone all the same.
			_ = s.close()
		}
	}
	m.ns.close()
}

// run takes in events until close. It returns what else ended it.
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
			m.linksChanged(rib.ResyncLink, n)
		}
		return err
	case unix.RTM_NEWADDR, unix.RTM_DELADDR:
		n, err := m.links.address(msg)
		if n != nothing {
			m.linksChanged(rib.ResyncAddress, n)
		}
		return err
	case unix.RTM_NEWNEXTHOP, unix.RTM_DELNEXTHOP:
		changed, err := m.nexthops.update(msg)
		if changed && m.ports[msg.port] == nil {
			m.resync(rib.ResyncNexthop)
		}
		return err
	}
	return nil
}

// route hands a route event to the Conns of its table, except the one that
// caused it.
func (m *monitor) route(msg message) error {
	conns := m.conns[tableOf(msg.body)]
	if len(conns) == 0 || len(conns) == 1 && conns[0].caused(msg) {
		return nil
	}
	r, err := m.dec.route(msg.body)
	if err != nil || r.other {
		return err
	}
	if needsResolving(&r.Route) {
		hops, ok := m.nexthops.resolve(r.NexthopID)
		if !ok && msg.typ == unix.RTM_NEWROUTE {
			m.resync(rib.ResyncNexthop)
			return nil
		}
		r.Hops = hops
	}
	for _, c := range conns {
		if c.caused(msg) {
			continue
		}
		c.routeChanged(routeEvent(r.Route, msg))
	}
	return nil
}

// routeEvent reads from the flags of a message what became of others with the
// route's key: EXCL is said of the first of a key alone.
func routeEvent(r rib.Route, msg message) rib.RouteEvent {
	if msg.typ == unix.RTM_DELROUTE {
		return rib.RouteEvent{Route: r, Deleted: true}
	}
	replaces := msg.flags&unix.NLM_F_REPLACE != 0
	return rib.RouteEvent{Route: r, Replaces: replaces, Beside: !replaces && msg.flags&unix.NLM_F_EXCL == 0}
}

// caused tells whether a route event is the echo of what c wrote itself.
func (c *Conn) caused(msg message) bool {
	const protocol = 5 // its place in struct rtmsg
	return msg.port == c.sock.port && len(msg.body) > protocol && msg.body[protocol] == c.protocol
}

// resync asks every Conn to read its table again.
func (m *monitor) resync(reason rib.ResyncReason) {
	for _, conns := range m.conns {
		for _, c := range conns {
			c.resync(reason, nil)
		}
	}
}

// linksChanged follows what a changed link or address means for bindings and
// for routes.
func (m *monitor) linksChanged(reason rib.ResyncReason, n news) {
	var links rib.Links
	if len(m.conns) > 0 {
		links = m.links.links()
	}
	for _, conns := range m.conns {
		for _, c := range conns {
			switch by := m.lost(c); {
			case by != "":
				c.gone(by)
			case n == came:
				c.linksCame(reason, links)
			default:
				c.resync(reason, links)
			}
		}
	}
	for a := range m.awaits {
		if m.hasDevice(a.binding.Device) {
			a.signal()
		}
	}
}

// lost says what became of the VRF device that c is bound to, "" while it is as
// it was.
func (m *monitor) lost(c *Conn) string {
	if c.binding.Device == "" {
		return ""
	}
	what := fmt.Sprintf("VRF device %s in %s", c.binding.Device, rib.NetnsText(c.binding.Netns))
	k := m.links[c.where.Device]
	switch {
	case k == nil:
		return what + " was removed"
	case k.Name != c.binding.Device:
		return what + " was renamed to " + k.Name
	case k.VRFTable != c.where.Table:
		return fmt.Sprintf("%s has the table %d now, and had %d", what, k.VRFTable, c.where.Table)
	}
	return ""
}

// hasDevice tells whether name is a VRF device.
func (m *monitor) hasDevice(name string) bool {
	k := m.links.byName(name)
	return k != nil && k.vrf
}

// bind finds the table of c's binding and begins to hand c its events.
func (m *monitor) bind(c *Conn) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.broken != nil {
		return m.broken
	}
	c.where = rib.Where{Dev: m.ns.id.dev, Inode: m.ns.id.inode, Table: unix.RT_TABLE_MAIN}
	switch {
	case c.binding.Device != "":
		k := m.links.byName(c.binding.Device)
		if k == nil {
			return rib.Absent(fmt.Sprintf("VRF device %s in %s is not there", c.binding.Device, rib.NetnsText(c.binding.Netns)) + m.links.noVRFs())
		}
		if !k.vrf {
			return rib.Absent(fmt.Sprintf("%s in %s is an interface, but no VRF device", c.binding.Device, rib.NetnsText(c.binding.Netns)))
		}
		c.where.Table, c.where.Device = k.VRFTable, k.Index
	case c.binding.Table != 0:
		c.where.Table = c.binding.Table
	}
	if err := m.sharedDevice(c); err != nil {
		return err
	}
	m.conns[c.where.Table] = append(m.conns[c.where.Table], c)
	m.ports[c.sock.port] = c
	return nil
}

// sharedDevice refuses a VRF device whose table another VRF device has too: each
// forwards by the other's routes. The kernel allows it unless
// net.vrf.strict_mode is set.
func (m *monitor) sharedDevice(c *Conn) error {
	if c.where.Device == 0 {
		return nil
	}
	for i, k := range m.links {
		if k.vrf && k.VRFTable == c.where.Table && i != c.where.Device {
			return fmt.Errorf("VRF devices %s and %s in %s share the table %d: give each a table of its own, and set net.vrf.strict_mode=1 so that the kernel sees to it",
				c.binding.Device, k.Name, rib.NetnsText(c.binding.Netns), c.where.Table)
		}
	}
	return nil
}

// remove undoes bind.
func (m *monitor) remove(c *Conn) {
	m.mu.Lock()
	defer m.mu.Unlock()
	delete(m.ports, c.sock.port)
	conns := slices.DeleteFunc(m.conns[c.where.Table], func(o *Conn) bool { return o == c })
	if len(conns) == 0 {
		delete(m.conns, c.where.Table)
	} else {
		m.conns[c.where.Table] = conns
	}
}

// breakDown tells everybody that the monitor ended by itself.
func (m *monitor) breakDown(err error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.broken = fmt.Errorf("the events of %v cannot be read: %w", m.ns, err)
	for _, conns := range m.conns {
		for _, c := range conns {
			c.broken(m.broken)
		}
	}
	for a := range m.awaits {
		a.signal()
	}
}
