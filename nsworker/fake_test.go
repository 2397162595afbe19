package nsworker

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"maps"
	"net/netip"
	"slices"
	"strings"
	"sync"
	"syscall"

	"github.com/vrfredist/vrfredist/rib"
)

// fakeKernel is a kernel in memory. It keeps what the real one promises (an
// exclusive add, a delete that names the protocol), prints itself as `ip route`
// would, and can be told to fail.
type fakeKernel struct {
	mu      sync.Mutex
	tables  map[rib.Binding]*fakeTable
	waiters map[chan struct{}]bool
	fail    map[string]int // operation -> how many more of them fail; -1: all
	writes  []string       // every change of a route that was confirmed, oldest first
	// objectWrites are those of nexthop objects.
	objectWrites []string
	// nexthops are those of our protocol, by namespace; alien are ids that
	// another program has.
	nexthops map[uint64]map[uint32]rib.Nexthop
	alien    map[uint32]bool
	noObject bool // the kernel has no nexthop objects
}

type fakeTable struct {
	k         *fakeKernel
	where     rib.Where
	routes    map[rib.Key]rib.Route
	links     rib.Links
	beside    map[uint32][]rib.Route // of other tables
	open      bool
	ready     chan struct{}
	events    rib.KernelEvents
	refuse    map[netip.Prefix]error // what the kernel refuses to write
	refuseVia map[netip.Addr]error   // by which gateways it writes no route
	refused   int                    // changes for that
	rivals    []rib.Route            // another program's, which come just before the next write
	wrote     func()                 // called once, after the next batch
	endpoints map[netip.Addr]rib.Endpoint
}

var errInjected = errors.New("injected failure")

func newFakeKernel() *fakeKernel {
	return &fakeKernel{
		nexthops: make(map[uint64]map[uint32]rib.Nexthop), alien: make(map[uint32]bool),
		tables: make(map[rib.Binding]*fakeTable), waiters: make(map[chan struct{}]bool), fail: make(map[string]int),
	}
}

// failing takes one of the failures that op was given.
func (k *fakeKernel) failing(op string) bool {
	n := k.fail[op]
	if n > 0 {
		k.fail[op]--
	}
	return n != 0
}

// add makes a table with two links that are up: eth0 192.0.2.1/24 and
// 2001:db8::1/64, eth1 198.51.100.1/24, with their connected routes.
func (k *fakeKernel) add(b rib.Binding, inode uint64) *fakeTable {
	t := &fakeTable{
		k: k, where: rib.Where{Dev: 4, Inode: inode, Table: cmp.Or(b.Table, 254)},
		routes: make(map[rib.Key]rib.Route), ready: make(chan struct{}, 1), refuse: make(map[netip.Prefix]error),
	}
	t.links = rib.Links{
		1: {Index: 1, Name: "lo", Up: true, Admin: true, Loopback: true},
		2: {Index: 2, Name: "eth0", Up: true, Admin: true, Addrs: prefixes("192.0.2.1/24", "2001:db8::1/64")},
		3: {Index: 3, Name: "eth1", Up: true, Admin: true, Addrs: prefixes("198.51.100.1/24")},
	}
	for _, r := range []rib.Route{
		connected("192.0.2.0/24", 2, 0), connected("2001:db8::/64", 2, 256), connected("198.51.100.0/24", 3, 0),
	} {
		t.routes[r.Key()] = r
	}
	k.mu.Lock()
	defer k.mu.Unlock()
	k.tables[b] = t
	if k.nexthops[inode] == nil {
		k.nexthops[inode] = make(map[uint32]rib.Nexthop)
	}
	k.wakeWaiters()
	return t
}

// remove takes a table away, as a namespace that is deleted does.
func (k *fakeKernel) remove(b rib.Binding) {
	k.mu.Lock()
	defer k.mu.Unlock()
	t := k.tables[b]
	delete(k.tables, b)
	t.emit(rib.KernelEvents{Gone: true, GoneBy: b.String()})
	k.wakeWaiters()
}

func (k *fakeKernel) wakeWaiters() {
	for ch := range k.waiters {
		select {
		case ch <- struct{}{}:
		default:
		}
	}
}

func (k *fakeKernel) Open(_ context.Context, b rib.Binding, _ uint8) (Table, error) {
	k.mu.Lock()
	defer k.mu.Unlock()
	if k.failing("open") {
		return nil, fmt.Errorf("open: %w", errInjected)
	}
	t, ok := k.tables[b]
	if !ok {
		return nil, rib.Absent("waiting for " + b.String())
	}
	t.open = true
	return t, nil
}

func (k *fakeKernel) Await(rib.Binding) (<-chan struct{}, func(), error) {
	k.mu.Lock()
	defer k.mu.Unlock()
	if k.failing("await") {
		return nil, nil, errInjected
	}
	ch := make(chan struct{}, 1)
	k.waiters[ch] = true
	return ch, func() {
		k.mu.Lock()
		defer k.mu.Unlock()
		delete(k.waiters, ch)
	}, nil
}

func (t *fakeTable) Where() rib.Where       { return t.where }
func (t *fakeTable) Ready() <-chan struct{} { return t.ready }
func (t *fakeTable) Close() error           { t.open = false; return nil }

func (t *fakeTable) Read(_ context.Context, beside ...uint32) (rib.Table, error) {
	t.k.mu.Lock()
	defer t.k.mu.Unlock()
	if t.k.failing("read") {
		return rib.Table{}, fmt.Errorf("the dump was interrupted: %w", errInjected)
	}
	out := rib.Table{Links: maps.Clone(t.links), Objects: !t.k.noObject, Nexthops: slices.Collect(maps.Values(t.objects())), Endpoints: slices.Collect(maps.Values(t.endpoints))}
	short := t.k.failing("short")
	for _, r := range t.routes {
		if short && out.Routes.Len() > len(t.routes)/2 {
			return out, fmt.Errorf("the dump broke off: %w", errInjected)
		}
		out.Routes.Add(t.resolved(r))
	}
	for _, table := range beside {
		if out.Beside == nil {
			out.Beside = make(map[uint32][]rib.Route)
		}
		out.Beside[table] = slices.Clone(t.beside[table])
	}
	if short {
		return rib.Table{}, fmt.Errorf("the dump broke off: %w", errInjected)
	}
	return out, nil
}

func (t *fakeTable) Events() rib.KernelEvents {
	t.k.mu.Lock()
	defer t.k.mu.Unlock()
	ev := t.events
	t.events = rib.KernelEvents{}
	return ev
}

// Apply keeps the kernel's rules for keys and protocols.
func (t *fakeTable) Apply(_ context.Context, changes []rib.Change) ([]error, error) {
	t.k.mu.Lock()
	defer t.k.mu.Unlock()
	if t.k.failing("batch") {
		return nil, fmt.Errorf("nothing was sent: %w", errInjected)
	}
	for _, r := range t.rivals {
		t.routes[r.Key()] = r
	}
	t.rivals = nil
	errs := make([]error, len(changes))
	for i, c := range changes {
		if errs[i] = t.apply(c); errs[i] != nil {
			continue
		}
		if c.Op >= rib.OpAddNexthop {
			t.k.objectWrites = append(t.k.objectWrites, c.Op.String())
		} else {
			t.k.writes = append(t.k.writes, c.Op.String()+" "+t.line(c.Route))
		}
	}
	if f := t.wrote; f != nil {
		t.wrote = nil
		f()
	}
	if t.k.failing("ack") {
		return nil, fmt.Errorf("no acknowledgement came: %w", errInjected)
	}
	return errs, nil
}

func (t *fakeTable) apply(c rib.Change) error {
	key := c.Route.Key()
	old, there := t.routes[key]
	for _, errno := range []syscall.Errno{syscall.ENETUNREACH, syscall.ENOENT, syscall.EINVAL, syscall.ENOBUFS} {
		if c.Op != rib.OpDelete && t.k.failing(errno.Error()) {
			return fmt.Errorf("the kernel refused %s: %w", c.Route.Prefix, errno)
		}
	}
	for _, h := range c.Route.Hops {
		if err := t.refuseVia[h.Gateway]; err != nil && c.Op != rib.OpDelete {
			t.refused++
			return fmt.Errorf("the kernel refused %s: %w", c.Route.Prefix, err)
		}
	}
	if err := t.refuseVia[c.Nexthop.Hop.Gateway]; err != nil && (c.Op == rib.OpAddNexthop || c.Op == rib.OpReplaceNexthop) {
		t.refused++
		return fmt.Errorf("the kernel refused nexthop object %d: %w", c.Nexthop.ID, err)
	}
	if err := t.refuse[c.Route.Prefix]; err != nil && c.Op != rib.OpDelete {
		return err
	}
	if c.Op == rib.OpDelete && t.k.failing("delete") {
		return fmt.Errorf("the kernel refused to delete %s: %w", c.Route.Prefix, syscall.EIO)
	}
	switch {
	case c.Op >= rib.OpSetEndpoint:
		return t.applyEndpoint(c)
	case c.Op >= rib.OpAddNexthop:
		return t.applyNexthop(c.Op, c.Nexthop)
	}
	if n, ok := t.objects()[c.Route.NexthopID]; c.Op != rib.OpDelete && c.Route.NexthopID != 0 && (!ok || !n.Group()) {
		return fmt.Errorf("nexthop id %d does not exist: %w", c.Route.NexthopID, syscall.EINVAL)
	}
	switch c.Op {
	case rib.OpAdd:
		if there || t.k.failing("exists") {
			return fmt.Errorf("%s: %w", c.Route.Prefix, rib.ErrExists)
		}
		t.routes[key] = c.Route
	case rib.OpReplace: // overwrites whoever has the key, as the real one does
		t.routes[key] = c.Route
	case rib.OpDelete:
		if there && old.Protocol == c.Route.Protocol {
			delete(t.routes, key)
		}
	}
	return nil
}

// emit is called with the kernel's mu held.
func (t *fakeTable) emit(ev rib.KernelEvents) {
	switch {
	case ev.Gone || ev.Broken != nil || ev.Resync && !t.events.Gone:
		t.events = ev
	case !t.events.Gone && !t.events.Resync:
		t.events.Routes = append(t.events.Routes, ev.Routes...)
		if ev.Came {
			t.events.Came, t.events.Reason, t.events.Links = true, ev.Reason, ev.Links
		}
	case ev.Came:
		t.events.Links = ev.Links
	}
	select {
	case t.ready <- struct{}{}:
	default:
	}
}

// set and del are another program's `ip route replace` and `ip route del`.
func (t *fakeTable) set(r rib.Route) {
	t.k.mu.Lock()
	defer t.k.mu.Unlock()
	_, replaces := t.routes[r.Key()]
	t.routes[r.Key()] = r
	t.emit(rib.KernelEvents{Routes: []rib.RouteEvent{{Route: r, Replaces: replaces}}})
}

func (t *fakeTable) del(key rib.Key) {
	t.k.mu.Lock()
	defer t.k.mu.Unlock()
	if r, ok := t.routes[key]; ok {
		delete(t.routes, key)
		t.emit(rib.KernelEvents{Routes: []rib.RouteEvent{{Route: r, Deleted: true}}})
	}
}

// link sets a link up or down. Down, the kernel drops the IPv4 routes on it
// without a word; up, it tells of the connected routes that it makes.
func (t *fakeTable) link(index int, up bool) {
	t.k.mu.Lock()
	defer t.k.mu.Unlock()
	l := t.links[index]
	l.Up, l.Admin = up, up
	t.links = maps.Clone(t.links)
	t.links[index] = l
	if !up {
		maps.DeleteFunc(t.routes, func(_ rib.Key, r rib.Route) bool {
			return slices.ContainsFunc(r.Hops, func(h rib.Hop) bool { return h.Ifindex == index })
		})
		for id, n := range t.objects() {
			if !n.Group() && n.Hop.Ifindex == index {
				t.dropNexthop(id)
			}
		}
		t.emit(rib.KernelEvents{Resync: true, Reason: rib.ResyncLink, Links: maps.Clone(t.links)})
		return
	}
	came := rib.KernelEvents{Came: true, Reason: rib.ResyncLink, Links: maps.Clone(t.links)}
	for _, p := range l.Addrs {
		metric := uint32(0)
		if p.Addr().Is6() {
			metric = 256
		}
		r := connected(p.Masked().String(), index, metric)
		t.routes[r.Key()] = r
		came.Routes = append(came.Routes, rib.RouteEvent{Route: r})
	}
	t.emit(came)
}

// String prints the table as `ip route` would, without connected routes.
func (t *fakeTable) String() string {
	t.k.mu.Lock()
	defer t.k.mu.Unlock()
	var lines []string
	for _, r := range t.routes {
		if r.Protocol != rib.ProtoKernel {
			lines = append(lines, t.line(r))
		}
	}
	slices.Sort(lines)
	return strings.Join(lines, "\n")
}

func prefixes(s ...string) (out []netip.Prefix) {
	for _, p := range s {
		out = append(out, netip.MustParsePrefix(p))
	}
	return out
}

func connected(prefix string, index int, metric uint32) rib.Route {
	return rib.Route{
		Prefix: netip.MustParsePrefix(prefix), Metric: metric, Protocol: rib.ProtoKernel,
		Kind: rib.KindUnicast, Scope: 253, Hops: []rib.Hop{{Ifindex: index}},
	}
}

func via(prefix, gateway string, index int, protocol uint8, metric uint32) rib.Route {
	return rib.Route{
		Prefix: netip.MustParsePrefix(prefix), Metric: metric, Protocol: protocol,
		Kind: rib.KindUnicast, Hops: []rib.Hop{{Gateway: netip.MustParseAddr(gateway), Ifindex: index}},
	}
}
