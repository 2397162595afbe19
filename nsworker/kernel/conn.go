package kernel

import (
	"context"
	"errors"
	"fmt"
	"sync"

	"golang.org/x/sys/unix"

	"github.com/vrfredist/vrfredist/rib"
)

const (
	// backlog is how many route events wait for their reader before a reading
	// of the whole table is cheaper than they are.
	backlog = 4096
	// readTries is how often a reading is repeated in which a route used a
	// nexthop object that was gone when the objects were read.
	readTries = 4
)

// Conn is the open table of one VRF. Read, Apply and Close belong to its one
// owner; the other methods may be called from any goroutine.
type Conn struct {
	host     *Host
	mon      *monitor
	sock     *sock // dumps and writes
	where    rib.Where
	binding  rib.Binding
	path     string // of the namespace's file; "": the daemon's own
	text     string // what this is, for a person
	protocol uint8
	batch    batch
	size     int  // routes of the last reading
	claimed  bool // the table is this daemon's: see Own
	squatter *squatter
	ready    chan struct{}

	mu     sync.Mutex
	events rib.KernelEvents // guarded by mu
	// shared are keys under which the kernel may hold more than one entry: the
	// legs of an IPv6 route, and routes that were appended. A deletion there
	// may leave others. Guarded by mu.
	shared map[rib.Key]struct{}
}

// Where is the identity of the table.
func (c *Conn) Where() rib.Where { return c.where }

// Ready is signalled when Events has something.
func (c *Conn) Ready() <-chan struct{} { return c.ready }

// Events takes what happened since the last call, without what Apply did. Once
// the binding is gone, or events can come no more, every call says so.
func (c *Conn) Events() rib.KernelEvents {
	c.mu.Lock()
	defer c.mu.Unlock()
	e := c.events
	c.events = rib.KernelEvents{Gone: e.Gone, GoneBy: e.GoneBy, Broken: e.Broken}
	return e
}

// Close frees the sockets, and the namespace's monitor with its last user.
func (c *Conn) Close() error {
	if c.squatter != nil {
		c.squatter.close()
	}
	c.host.unwatch(c)
	c.mon.remove(c)
	filter := c.host.filterEchoes(c.mon)
	c.host.release(c.mon)
	defer c.host.claims.leave(c)
	if err := c.sock.close(); err != nil {
		return fmt.Errorf("close the socket of %s: %w", c.text, errors.Join(err, filter))
	}
	return filter
}

// Read reads the table and the interfaces of its namespace. What changes
// meanwhile is in the next Events.
func (c *Conn) Read(ctx context.Context) (rib.Table, error) {
	c.mu.Lock()
	c.shared = make(map[rib.Key]struct{})
	c.mu.Unlock()
	for try := 1; ; try++ {
		t, known, err := c.read(ctx)
		if err != nil {
			return rib.Table{}, fmt.Errorf("read %s: %w", c.text, err)
		}
		if known {
			c.learnShared(t.Routes)
			return t, nil
		}
		if try == readTries {
			return rib.Table{}, fmt.Errorf("read %s: routes use nexthop objects that cannot be found, %d times in a row", c.text, try)
		}
	}
}

// read reads once. It is not known where a nexthop object was missing.
func (c *Conn) read(ctx context.Context) (t rib.Table, known bool, err error) {
	// Links come first because their dump takes the RTNL lock, and the kernel
	// says that a link went down while it still holds that lock and before it
	// takes the link's routes out. Route dumps do not wait for it.
	links, err := c.sock.dumpLinks(ctx)
	if err != nil {
		return t, false, err
	}
	t.Links = links.links()
	if c.size > 0 {
		t.Routes = make([]rib.Route, 0, c.size+c.size/16)
	}
	var dec decoder
	for _, family := range []byte{unix.AF_INET, unix.AF_INET6} {
		t.Routes, err = c.sock.dumpRoutes(ctx, &dec, family, c.where.Table, t.Routes)
		if err != nil {
			return t, false, err
		}
	}
	c.size = len(t.Routes)
	objects, err := c.sock.dumpNexthops(ctx)
	if err != nil {
		return t, false, err
	}
	t.Objects, t.Nexthops = objects != nil, objects.own(c.protocol)
	return t, resolveHops(objects, t.Routes), nil
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

// learnShared notes which keys of a reading are shared.
func (c *Conn) learnShared(routes []rib.Route) {
	c.mu.Lock()
	defer c.mu.Unlock()
	metrics := make(map[uint32]struct{}) // of the prefix that r has in common with those before
	for i := range routes {
		r := &routes[i]
		legs := len(r.Hops) > 1 && r.Prefix.Addr().Is6()
		// Both families come ordered by prefix, so that equal keys are
		// neighbours, or nearly: only metrics stand between.
		if i > 0 && routes[i-1].Prefix == r.Prefix {
			metrics[routes[i-1].Metric] = struct{}{}
			_, taken := metrics[r.Metric]
			legs = legs || taken
		} else {
			clear(metrics)
		}
		if legs {
			c.shared[r.Key()] = struct{}{}
		}
	}
}

// expect notes which keys changes will make shared, before they do.
func (c *Conn) expect(changes []rib.Change) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for i := range changes {
		ch := &changes[i]
		if ch.Op != rib.OpDelete && ch.Route.NexthopID == 0 && len(ch.Route.Hops) > 1 && ch.Route.Prefix.Addr().Is6() {
			c.shared[ch.Route.Key()] = struct{}{}
		}
	}
}

// routeChanged queues what another did to a route.
func (c *Conn) routeChanged(e rib.RouteEvent) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.over() {
		return
	}
	key := e.Route.Key()
	if _, shared := c.shared[key]; shared && e.Deleted {
		c.resyncLocked(rib.ResyncNexthop, nil)
		return
	}
	if e.Beside || !e.Deleted && len(e.Route.Hops) > 1 && e.Route.Prefix.Addr().Is6() {
		c.shared[key] = struct{}{}
	}
	if c.events.Resync {
		return
	}
	if len(c.events.Routes) >= backlog {
		c.resyncLocked(rib.ResyncBacklog, nil)
		return
	}
	c.events.Routes = append(c.events.Routes, e)
	c.wake()
}

// resync asks for a reading of the whole table. links is what the interfaces
// are now, nil where they are as they were.
func (c *Conn) resync(reason rib.ResyncReason, links rib.Links) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.resyncLocked(reason, links)
}

func (c *Conn) resyncLocked(reason rib.ResyncReason, links rib.Links) {
	if c.over() {
		return
	}
	if links == nil {
		links = c.events.Links
	}
	if c.events.Resync {
		reason = c.events.Reason // the first
	}
	c.events = rib.KernelEvents{Resync: true, Reason: reason, Links: links}
	c.wake()
}

// linksCame tells what the interfaces are now, where none of them took routes along.
func (c *Conn) linksCame(reason rib.ResyncReason, links rib.Links) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.over() {
		return
	}
	c.events.Links = links
	if !c.events.Resync && !c.events.Came {
		c.events.Came, c.events.Reason = true, reason
	}
	c.wake()
}

// gone ends the Conn for its owner, because its binding does not hold any longer.
func (c *Conn) gone(by string) { c.end(rib.KernelEvents{Gone: true, GoneBy: by}) }

// broken ends the Conn for its owner, because it cannot be told anything any longer.
func (c *Conn) broken(why error) { c.end(rib.KernelEvents{Broken: why}) }

func (c *Conn) end(with rib.KernelEvents) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.over() {
		return
	}
	c.events = with
	c.wake()
}

// over is called with mu held.
func (c *Conn) over() bool { return c.events.Gone || c.events.Broken != nil }

func (c *Conn) wake() {
	select {
	case c.ready <- struct{}{}:
	default:
	}
}
