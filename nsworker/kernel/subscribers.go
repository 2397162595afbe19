package kernel

import (
	"slices"

	"github.com/vrfredist/vrfredist/rib"
)

// subscribers are those who hear of the events in one namespace. The monitor that
// keeps them guards them.
type subscribers struct {
	tables    map[uint32][]*Conn
	beside    map[uint32][]*Conn  // who follows a table that is not its own
	ports     map[uint32]*Conn    // by the port of the socket that a Conn writes with
	given     *ports              // those that Conns write with, also Conns that are closed
	awaits    map[*await]struct{} // for a device
	underlays map[*lookups]struct{}
	entrances map[*entranceNews]struct{}
}

func newSubscribers(given *ports) subscribers {
	return subscribers{
		given:     given,
		tables:    make(map[uint32][]*Conn),
		beside:    make(map[uint32][]*Conn),
		ports:     make(map[uint32]*Conn),
		awaits:    make(map[*await]struct{}),
		underlays: make(map[*lookups]struct{}),
		entrances: make(map[*entranceNews]struct{}),
	}
}

func (s *subscribers) add(c *Conn) {
	s.tables[c.where.Table] = append(s.tables[c.where.Table], c)
	s.ports[c.sock.port] = c
}

func (s *subscribers) remove(c *Conn) {
	delete(s.ports, c.sock.port)
	without(s.tables, c.where.Table, c)
	s.follow(c, nil)
}

// follow has exactly some tables followed beside c's own.
func (s *subscribers) follow(c *Conn, tables []uint32) {
	for table := range s.beside {
		without(s.beside, table, c)
	}
	for _, table := range tables {
		s.beside[table] = append(s.beside[table], c)
	}
}

func without(from map[uint32][]*Conn, table uint32, c *Conn) {
	conns := slices.DeleteFunc(slices.Clone(from[table]), func(o *Conn) bool { return o == c })
	if len(conns) == 0 {
		delete(from, table)
	} else {
		from[table] = conns
	}
}

// wrote tells whether the socket with this port is a Conn's, or was: the events of what a Conn wrote
// last come when it is closed.
func (s *subscribers) wrote(port uint32) bool { return s.ports[port] != nil || s.given.has(port) }

// looking are the lookups that may go by a route of a table that the socket with this port
// changed: what a Conn writes is told to them otherwise.
func (s *subscribers) looking(table, port uint32) (list []*lookups) {
	for u := range s.underlays {
		if u.uses(table) && !s.wrote(port) {
			list = append(list, u)
		}
	}
	return list
}

// entranceChanged tells those who have labels and SIDs of a route message that is about one.
func (s *subscribers) entranceChanged(msg message) {
	for e := range s.entrances {
		e.hear(msg)
	}
}

// soleProtocol is the route protocol of all Conns. It is not ok where they have
// several, or where two Conns have the same table: the echo of one may be news to the
// other.
func (s *subscribers) soleProtocol() (protocol uint8, ok bool) {
	for _, conns := range s.tables {
		if len(conns) > 1 || ok && conns[0].protocol != protocol {
			return 0, false
		}
		protocol, ok = conns[0].protocol, true
	}
	return protocol, ok
}

// resync asks every Conn to read its table again.
func (s *subscribers) resync(reason rib.ResyncReason) {
	for _, conns := range s.tables {
		for _, c := range conns {
			c.inbox.resync(reason, nil)
		}
	}
	for u := range s.underlays {
		u.inbox.resync(reason, nil)
	}
}

// linksChanged tells what a changed link or address means for bindings and for routes. k is the
// link, or nil: it is gone, or it is about an address, or about several.
func (s *subscribers) linksChanged(now linkCache, reason rib.ResyncReason, n news, k *linkState) {
	var links rib.Links
	if len(s.tables)+len(s.underlays) > 0 {
		links = now.links()
	}
	for _, conns := range s.tables {
		for _, c := range conns {
			switch by := now.lost(c.binding, c.where); {
			case by != "":
				c.inbox.gone(by)
			case n == came, n == unsettled && !k.endpointDevice(c.where):
				c.inbox.linksCame(reason, links)
			default:
				c.inbox.resync(reason, links)
			}
		}
	}
	for u := range s.underlays {
		u.inbox.resync(reason, links)
	}
	for e := range s.entrances {
		if n == changed {
			e.signal() // the kernel may have taken routes out with a link
		}
	}
	for a := range s.awaits {
		if now.hasVRF(a.binding.Device) {
			a.signal()
		}
	}
}

// broken ends the events of all.
func (s *subscribers) broken(why error) {
	for _, conns := range s.tables {
		for _, c := range conns {
			c.inbox.broken(why)
		}
	}
	for u := range s.underlays {
		u.inbox.broken(why)
	}
	for e := range s.entrances {
		e.signal()
	}
	for a := range s.awaits {
		a.signal()
	}
}
