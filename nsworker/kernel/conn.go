package kernel

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"

	"github.com/vrfredist/vrfredist/rib"
)

// readTries is how often a reading is repeated in which a route used a nexthop
// object that was gone when the objects were read.
const readTries = 4

// Conn is the open table of one VRF. Read, Apply and Close belong to its one
// owner; the other methods may be called from any goroutine.
type Conn struct {
	host      *Host
	mon       *monitor
	sock      *client // dumps and writes
	where     rib.Where
	binding   rib.Binding
	bound     bound
	text      string // the binding, for a person
	protocol  uint8
	batch     batch
	inbox     inbox
	endpoints endpointBook
	claimed   bool // the table is this daemon's: see Own
	squatter  *squatter
}

// openConn makes the Conn of a binding, which belongs to m's namespace; its monitor
// has yet to bind it to a table.
func openConn(ctx context.Context, h *Host, m *monitor, b rib.Binding, protocol uint8) (*Conn, error) {
	c := &Conn{host: h, mon: m, binding: b, text: b.String(), protocol: protocol, inbox: newInbox()}
	c.endpoints.protocol, c.endpoints.inbox = protocol, &c.inbox
	c.bound.netns, c.bound.inbox = b.Netns, &c.inbox
	var err error
	if b.Netns != "" {
		if c.bound.path, err = netnsPath(b.Netns); err != nil {
			return nil, err
		}
	}
	if c.sock, err = dialClient(m.ns, h.ports.bind); err != nil {
		return nil, err
	}
	if err := probe(ctx, c.sock, m.ns); err != nil {
		_ = c.sock.close() // the error that counts is the first
		return nil, err
	}
	return c, nil
}

// Where is the identity of the table.
func (c *Conn) Where() rib.Where { return c.where }

// Ready is signalled when Events has something.
func (c *Conn) Ready() <-chan struct{} { return c.inbox.ready }

// Events takes the events since the last call; the changes that Apply made are not
// among them. Once the binding is gone, or events can come no more, every call says so.
func (c *Conn) Events() rib.KernelEvents { return c.inbox.take() }

// Close frees the sockets, and the namespace's monitor with its last user.
func (c *Conn) Close() error {
	if c.squatter != nil {
		c.squatter.close()
	}
	c.host.paths.drop(&c.bound)
	c.mon.remove(c)
	_ = c.mon.entries.follow(c.mon.ns, &c.endpoints, nil) // it fails only where a device is followed
	filter := c.mon.filterEchoes()
	c.host.monitors.release(c.mon)
	defer c.host.claims.leave(c)
	if err := c.sock.close(); err != nil {
		return fmt.Errorf("close the socket of %s: %w", c.text, errors.Join(err, filter))
	}
	return filter
}

// Read reads the table and the interfaces of its namespace, and other tables of it, of which
// there are events from then on, and of no others. Changes that fall into the reading are in
// the next Events too.
func (c *Conn) Read(ctx context.Context, beside ...uint32) (rib.Table, error) {
	c.mon.follow(c, beside)
	c.inbox.forgetShared()
	for try := 1; ; try++ {
		t, known, err := c.read(ctx, beside)
		if err != nil {
			return rib.Table{}, fmt.Errorf("read %s: %w", c.text, err)
		}
		if known {
			c.inbox.learnShared(0, t.Routes.Values())
			for table, routes := range t.Beside {
				c.inbox.learnShared(table, slices.Values(routes))
			}
			return t, nil
		}
		if try == readTries {
			return rib.Table{}, fmt.Errorf("read %s: routes use nexthop objects that cannot be found, %d times in a row", c.text, try)
		}
	}
}

// read reads once. It is not known where a nexthop object was missing.
func (c *Conn) read(ctx context.Context, beside []uint32) (t rib.Table, known bool, err error) {
	// Links come first because their dump takes the RTNL lock, and the kernel
	// says that a link went down while it still holds that lock and before it
	// takes the link's routes out. Route dumps do not wait for it.
	links, err := c.readLinks(ctx)
	if err != nil {
		return t, false, err
	}
	t.Links = links.links()
	if t.Endpoints, err = c.readEndpoints(ctx, links); err != nil {
		return t, false, err
	}
	var dec decoder
	if err = c.sock.dumpTable(ctx, &dec, c.where.Table, &t.Routes); err != nil {
		return t, false, err
	}
	for _, table := range beside {
		if t.Beside == nil {
			t.Beside = make(map[uint32][]rib.Route)
		}
		var list rib.RouteList
		if err = c.sock.dumpTable(ctx, &dec, table, &list); err != nil {
			return t, false, err
		}
		t.Beside[table] = slices.Collect(list.Values())
	}
	objects, err := c.readObjects(ctx)
	if err != nil {
		return t, false, err
	}
	t.Objects, t.Nexthops = objects.all != nil, objects.own
	known = resolveHops(objects.all, t.Routes.Shapes())
	for _, routes := range t.Beside {
		known = resolveHops(objects.all, routes) && known
	}
	return t, known, nil
}

// readObjects reads the nexthop objects of the namespace, for all VRFs there that are about to.
func (c *Conn) readObjects(ctx context.Context) (objectsRead, error) {
	r, err := c.mon.objectsRead.get(ctx, func() (objectsRead, error) {
		all, err := c.sock.dumpNexthops(ctx)
		return objectsRead{all, c.protocol, all.own(c.protocol)}, err
	})
	if err == nil && r.protocol != c.protocol {
		r.own = r.all.own(c.protocol)
	}
	return r, err
}

// readLinks reads the interfaces of the namespace likewise.
func (c *Conn) readLinks(ctx context.Context) (linkCache, error) {
	return c.mon.linksRead.get(ctx, func() (linkCache, error) { return c.sock.dumpLinks(ctx) })
}

// readEndpoints reads what stands on the VXLAN devices of the table: nothing is asked where it has
// none. From then on there are events of it.
func (c *Conn) readEndpoints(ctx context.Context, links linkCache) (list []rib.Endpoint, err error) {
	devices := links.endpointDevices(c.where)
	c.endpoints.begin()
	if err := c.mon.entries.follow(c.mon.ns, &c.endpoints, devices); err != nil {
		return nil, err
	}
	var forwards []*entry
	for _, index := range devices {
		s := newSight(index, &c.endpoints)
		if err := s.look(ctx, c.sock); err != nil {
			return nil, err
		}
		forwards = slices.AppendSeq(forwards, maps.Values(s.forwards))
		list = append(list, s.endpoints()...)
	}
	c.endpoints.learn(list, forwards)
	return list, nil
}

// resolveHops fills in the hops of routes that came with the id of a nexthop
// object alone, as they do with net.ipv4.nexthop_compat_mode=0. It is false
// where an object is not known.
func resolveHops(objects nexthops, routes []rib.Route) bool {
	hops := make(map[uint32][]rib.Hop)
	var last uint32 // neighbours often have the same object
	var h []rib.Hop
	for i := range routes {
		r := &routes[i]
		if !needsResolving(r) {
			continue
		}
		if r.NexthopID != last {
			var known bool
			if h, known = hops[r.NexthopID]; !known {
				if h, known = objects.resolve(r.NexthopID); !known {
					return false
				}
				hops[r.NexthopID] = h
			}
			last = r.NexthopID
		}
		r.Hops = h
	}
	return true
}

func needsResolving(r *rib.Route) bool {
	return r.NexthopID != 0 && len(r.Hops) == 0 && forwards(r.Kind)
}

// caused tells whether a route event is the echo of a change that c wrote.
func (c *Conn) caused(msg message) bool {
	const protocol = 5 // its place in struct rtmsg
	return msg.port == c.sock.port && len(msg.body) > protocol && msg.body[protocol] == c.protocol
}

func (c *Conn) claimKey() claimKey {
	return claimKey{identity{c.where.Dev, c.where.Inode}, c.where.Table, c.protocol}
}
