package core

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/netip"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/vrfredist/vrfredist/rib"
)

// fakeKernel is a kernel of which the test says what routes lead where.
type fakeKernel struct {
	mu      sync.Mutex
	absent  bool
	awaited chan struct{}
	tables  *fakeTables
	made    []string
	fails   error
	takes   time.Duration             // to make a device
	doors   map[string]*fakeEntrances // by netns
	opened  int                       // how often
}

type fakeTables struct {
	mu     sync.Mutex
	routes map[netip.Addr]rib.Route
	fails  error
	links  rib.Links
	ready  chan struct{}
	events Events
	asked  []netip.Addr
}

func (k *fakeKernel) Open(context.Context, rib.Core) (Tables, error) {
	k.mu.Lock()
	defer k.mu.Unlock()
	if k.absent {
		return nil, rib.Absent("network namespace core is not there")
	}
	return k.tables, nil
}

func (k *fakeKernel) Await(rib.Binding) (<-chan struct{}, func(), error) {
	return k.awaited, func() {}, nil
}

func (k *fakeKernel) MakeVXLAN(_ context.Context, _, vrf rib.Binding, d Device) error {
	k.mu.Lock()
	defer k.mu.Unlock()
	time.Sleep(k.takes)
	k.made = append(k.made, fmt.Sprintf("make %s in %s: %d, mtu %d, %s", d.Name, vrf, d.VNI, d.MTU, d.Alias))
	return k.fails
}

// failing has devices neither made nor removed, with a reason; nil: they are.
func (k *fakeKernel) failing(why error) {
	k.mu.Lock()
	defer k.mu.Unlock()
	k.fails = why
}

func (k *fakeKernel) RemoveVXLAN(_ context.Context, vrf rib.Binding, name, alias string) error {
	k.mu.Lock()
	defer k.mu.Unlock()
	k.made = append(k.made, fmt.Sprintf("remove %s in %s: %s", name, vrf, alias))
	return k.fails
}

func (t *fakeTables) Lookup(_ context.Context, to netip.Addr) (rib.Route, error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.asked = append(t.asked, to)
	if t.fails != nil {
		return rib.Route{}, t.fails
	}
	r, is := t.routes[to]
	if !is {
		return r, errors.New("no route leads there")
	}
	return r, nil
}

func (t *fakeTables) Links() rib.Links {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.links
}

func (t *fakeTables) Where() rib.Where       { return rib.Where{Dev: 4, Inode: 1, Table: 254} }
func (t *fakeTables) Ready() <-chan struct{} { return t.ready }
func (t *fakeTables) Close() error           { return nil }

func (t *fakeTables) Events() Events {
	t.mu.Lock()
	defer t.mu.Unlock()
	ev := t.events
	t.events = Events{}
	return ev
}

// happens changes something, and says so.
func (t *fakeTables) happens(ev Events, change func()) {
	t.mu.Lock()
	change()
	t.events = ev
	t.mu.Unlock()
	t.ready <- struct{}{}
	synctest.Wait()
}

var pe2 = netip.MustParseAddr("10.255.0.2")

// routeBy is a route to a PE by an interface.
func routeBy(index int) rib.Route {
	return rib.Route{Prefix: netip.PrefixFrom(pe2, 32), Kind: rib.KindUnicast, Hops: []rib.Hop{{Ifindex: index, Gateway: netip.MustParseAddr("192.0.2.9")}}}
}

// run tells a story of a core with two interfaces, by the first of which PE 2 is reached.
func run(t *testing.T, tell func(c *Core, k *fakeKernel)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		k := &fakeKernel{awaited: make(chan struct{}, 1), tables: &fakeTables{
			routes: map[netip.Addr]rib.Route{pe2: routeBy(1)}, ready: make(chan struct{}, 1),
			links: rib.Links{1: {Index: 1, Name: "core1", Up: true, Admin: true, MTU: 9000}, 2: {Index: 2, Name: "core2", Up: true, Admin: true, MTU: 1600}, 3: {Index: 3, Name: "eth0", Up: true, Admin: true, MTU: 1500}},
		}}
		c := New(k, k, Settings{
			Core: rib.Core{VTEP: netip.MustParseAddr("10.255.0.1"), Port: 4789}, Interfaces: []string{"core*"}, Protocol: 179,
		}, slog.New(slog.DiscardHandler))
		ctx, cancel := context.WithCancel(t.Context())
		var end error
		var joined sync.WaitGroup
		joined.Go(func() { end = c.Run(ctx) })
		synctest.Wait()
		tell(c, k)
		cancel()
		joined.Wait()
		if end != nil {
			t.Errorf("it ended with %v", end)
		}
	})
}

// says is what is known of PE 2.
func says(c *Core) string {
	l, known := c.PE(pe2)
	switch {
	case !known:
		return "unknown"
	case l.Err != nil:
		return l.Err.Error()
	case l.Reach == rib.NoCarrier:
		return "no carrier"
	}
	return fmt.Sprintf("reached by interface %d", l.Hops[0].Ifindex)
}

// TestPE: a PE is looked up once somebody wants to know, again when something may have changed,
// and who follows is told when it did.
func TestPE(t *testing.T) {
	run(t, func(c *Core, k *fakeKernel) {
		news, stop := c.Follow("red")
		defer stop()
		told := func() bool {
			select {
			case <-news:
				return true
			default:
				return false
			}
		}
		expect := func(want string, wakes bool) {
			t.Helper()
			synctest.Wait()
			if got, woke := says(c), told(); got != want || woke != wakes {
				t.Errorf("it says %q and woke %t, want %q and %t", got, woke, want, wakes)
			}
		}
		expect("unknown", false)
		c.Watch(pe2, +1)
		expect("reached by interface 1", true)
		c.Watch(pe2, +1)
		tb := k.tables
		tb.happens(Events{All: true}, func() {})
		expect("reached by interface 1", false)
		tb.happens(Events{Prefixes: []netip.Prefix{netip.MustParsePrefix("10.255.0.0/16")}}, func() { tb.routes[pe2] = routeBy(2) })
		expect("reached by interface 2", true)
		asked := len(tb.asked)
		tb.happens(Events{Prefixes: []netip.Prefix{netip.MustParsePrefix("10.9.0.0/16")}}, func() {})
		if len(tb.asked) != asked {
			t.Error("it was looked up for a route that does not cover it")
		}
		tb.happens(Events{All: true}, func() {
			tb.links = rib.Links{2: {Index: 2, Name: "core2", Admin: true}}
		})
		expect("no carrier", true)
		tb.happens(Events{All: true}, func() { tb.links = rib.Links{2: {Index: 2, Name: "core2"}} })
		expect("core2 is down", true)
		tb.happens(Events{All: true}, func() { delete(tb.routes, pe2) })
		expect("no route leads there", true)
		c.Wrote(rib.Where{Dev: 4, Inode: 2, Table: 254}, []rib.Change{{Op: rib.OpAdd, Route: routeBy(1)}}) // another namespace
		tb.routes[pe2] = routeBy(1)
		expect("no route leads there", false)
		tb.mu.Lock()
		tb.links = rib.Links{1: {Index: 1, Name: "core1", Up: true, Admin: true}}
		tb.mu.Unlock()
		c.Wrote(tb.Where(), []rib.Change{{Op: rib.OpAdd, Route: routeBy(1)}})
		expect("reached by interface 1", true)
		c.Watch(pe2, -1)
		expect("reached by interface 1", false)
		c.Watch(pe2, -1)
		expect("unknown", false)
	})
}

// TestPEUnknown: a lookup without an answer is no news, and is made again.
func TestPEUnknown(t *testing.T) {
	run(t, func(c *Core, k *fakeKernel) {
		c.Watch(pe2, +1)
		synctest.Wait()
		k.tables.happens(Events{All: true}, func() {
			k.tables.fails = fmt.Errorf("%w: no buffer space", ErrUnknown)
			k.tables.routes[pe2] = routeBy(2)
		})
		if got := says(c); got != "reached by interface 1" {
			t.Errorf("it says %q", got)
		}
		k.tables.mu.Lock()
		k.tables.fails = nil
		k.tables.mu.Unlock()
		time.Sleep(2 * time.Second)
		synctest.Wait()
		if got := says(c); got != "reached by interface 2" {
			t.Errorf("it says %q", got)
		}
	})
}

// TestCoreComesAndGoes: without its namespace nothing is reached, and it is waited for.
func TestCoreComesAndGoes(t *testing.T) {
	run(t, func(c *Core, k *fakeKernel) {
		c.Watch(pe2, +1)
		synctest.Wait()
		k.mu.Lock()
		k.absent = true
		k.mu.Unlock()
		k.tables.happens(Events{Gone: "netns core"}, func() {})
		if got := says(c); got != "there is no network: network namespace core is not there" {
			t.Errorf("it says %q", got)
		}
		c.Watch(pe2, -1)
		c.Watch(pe2, +1) // who asks only now hears it too
		if got := says(c); got != "there is no network: network namespace core is not there" {
			t.Errorf("it says %q", got)
		}
		k.mu.Lock()
		k.absent = false
		k.mu.Unlock()
		k.awaited <- struct{}{}
		synctest.Wait()
		if got := says(c); got != "reached by interface 1" {
			t.Errorf("it says %q", got)
		}
		c.Configure(Settings{})
		synctest.Wait()
		if got := says(c); got != "there is no network: [netlink.core] has no source" {
			t.Errorf("it says %q", got)
		}
		c.Configure(Settings{Core: rib.Core{VTEP: netip.MustParseAddr("10.255.0.9")}})
		synctest.Wait()
		if got := says(c); got != "reached by interface 1" {
			t.Errorf("it says %q", got)
		}
	})
}

// TestPEsBehindOneRoute: what is known of a route is kept once for all PEs behind it, and not for one
// that is behind another.
func TestPEsBehindOneRoute(t *testing.T) {
	run(t, func(c *Core, k *fakeKernel) {
		behind, other := routeBy(1), routeBy(2)
		behind.Prefix = netip.MustParsePrefix("10.255.0.0/16")
		pes := []netip.Addr{pe2, netip.MustParseAddr("10.255.0.3"), netip.MustParseAddr("10.255.0.4"), netip.MustParseAddr("10.254.0.1")}
		k.tables.mu.Lock()
		for _, pe := range pes[:3] {
			k.tables.routes[pe] = behind
		}
		k.tables.routes[pes[3]] = other
		k.tables.mu.Unlock()
		routes := make(map[*rib.Route]int)
		for _, pe := range pes {
			c.Watch(pe, +1)
			synctest.Wait()
			lead, known := c.PE(pe)
			if want := k.tables.routes[pe].Prefix; !known || lead.Route().Prefix != want {
				t.Errorf("%v is behind %v, want %v", pe, lead.Route().Prefix, want)
			}
			routes[lead.By]++
		}
		if len(routes) != 2 {
			t.Errorf("of two routes %d are kept", len(routes))
		}
	})
}
