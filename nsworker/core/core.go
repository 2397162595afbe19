package core

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"net/netip"
	"slices"
	"sync"
	"time"

	"github.com/vrfredist/vrfredist/rib"
)

// Settings are what the configuration says of the core.
type Settings struct {
	rib.Core
	Interfaces []string // the patterns of those to other PEs; none: any
}

// Core is the network between PEs. It is safe for concurrent use.
type Core struct {
	kernel Kernel
	log    *slog.Logger
	wake   chan struct{} // something below is to be looked at

	mu        sync.Mutex
	is        *Settings                  // guarded by mu, and not changed: another one takes its place
	watched   map[netip.Addr]int         // guarded by mu: how many want to know
	leads     map[netip.Addr]rib.Lead    // guarded by mu: what is known
	due       map[netip.Addr]struct{}    // guarded by mu: to be looked up
	where     rib.Where                  // guarded by mu: of the main table; zero: it is not open
	followers map[chan struct{}]struct{} // guarded by mu
	devices   map[deviceKey]*device      // guarded by mu
}

// New returns a core of which nothing is known before Run.
func New(k Kernel, is Settings, log *slog.Logger) *Core {
	return &Core{
		kernel: k, is: &is, log: log, wake: make(chan struct{}, 1),
		watched: make(map[netip.Addr]int), leads: make(map[netip.Addr]rib.Lead), due: make(map[netip.Addr]struct{}),
		followers: make(map[chan struct{}]struct{}), devices: make(map[deviceKey]*device),
	}
}

// PE implements nexthop.Core: what is known of how the core leads to a PE.
func (c *Core) PE(addr netip.Addr) (rib.Lead, bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	lead, known := c.leads[addr]
	return lead, known
}

// Watch implements nexthop.Core: by is +1 for each who wants to know of a PE, and −1 when it
// does no more.
func (c *Core) Watch(addr netip.Addr, by int) {
	c.mu.Lock()
	defer c.mu.Unlock()
	n := c.watched[addr] + by
	if n <= 0 {
		delete(c.watched, addr)
		delete(c.leads, addr)
		delete(c.due, addr)
		return
	}
	c.watched[addr] = n
	if n == by {
		c.due[addr] = struct{}{}
		c.nudge()
	}
}

// Follow signals news whenever what PE says has changed, until stop.
func (c *Core) Follow() (news <-chan struct{}, stop func()) {
	ch := make(chan struct{}, 1)
	c.mu.Lock()
	defer c.mu.Unlock()
	c.followers[ch] = struct{}{}
	return ch, func() {
		c.mu.Lock()
		defer c.mu.Unlock()
		delete(c.followers, ch)
	}
}

// Wrote takes in what a worker of this daemon wrote into a table: of its own routes the kernel's
// events do not tell.
func (c *Core) Wrote(where rib.Where, changes []rib.Change) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if len(c.watched) == 0 || !where.SameNamespace(c.where) {
		return
	}
	for i := range changes {
		switch ch := &changes[i]; ch.Op {
		case rib.OpReplaceNexthop, rib.OpDeleteNexthop:
			c.allDue()
			return
		case rib.OpAdd, rib.OpReplace, rib.OpDelete:
			if where.Table == c.where.Table {
				c.within(ch.Route.Prefix)
			}
		}
	}
}

// within has the PEs in a prefix looked up. The caller holds mu.
func (c *Core) within(p netip.Prefix) {
	if p.IsSingleIP() {
		if _, is := c.watched[p.Addr()]; is {
			c.due[p.Addr()] = struct{}{}
			c.nudge()
		}
		return
	}
	for pe := range c.watched {
		if p.Contains(pe) {
			c.due[pe] = struct{}{}
			c.nudge()
		}
	}
}

// allDue has every PE looked up. The caller holds mu.
func (c *Core) allDue() {
	for pe := range c.watched {
		c.due[pe] = struct{}{}
	}
	c.nudge()
}

func (c *Core) nudge() {
	select {
	case c.wake <- struct{}{}:
	default:
	}
}

// Configure takes over other settings.
func (c *Core) Configure(is Settings) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.is.Core == is.Core && slices.Equal(c.is.Interfaces, is.Interfaces) {
		return
	}
	c.is = &is
	c.nudge()
}

func (c *Core) settings() *Settings {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.is
}

// Run looks up PEs and makes devices until ctx ends.
func (c *Core) Run(ctx context.Context) error {
	defer c.leave()
	for ctx.Err() == nil {
		is := c.settings()
		if !is.VTEP.IsValid() {
			c.closed(errors.New("[netlink.core] has no source"))
			c.await(ctx, is, nil)
			continue
		}
		if err := c.runAs(ctx, is); err != nil {
			return err
		}
	}
	return nil
}

// await waits for changed, or other settings.
func (c *Core) await(ctx context.Context, is *Settings, changed <-chan struct{}) {
	for c.settings() == is {
		select {
		case <-changed:
			return
		case <-c.wake:
		case <-ctx.Done():
			return
		}
	}
}

// runAs is Run with one Settings.
func (c *Core) runAs(ctx context.Context, is *Settings) error {
	changed, stop, err := c.kernel.Await(is.Binding())
	if err != nil {
		return fmt.Errorf("watch for the core's namespace: %w", err)
	}
	defer stop()
	for ctx.Err() == nil && c.settings() == is {
		tables, err := c.kernel.Open(ctx, is.Binding())
		switch {
		case err == nil:
			if err := errors.Join(c.serve(ctx, is, tables), tables.Close()); err != nil {
				return fmt.Errorf("the core: %w", err)
			}
		case ctx.Err() != nil:
		case !errors.Is(err, rib.ErrAbsent):
			return fmt.Errorf("open the core: %w", err)
		default:
			c.closed(err)
			c.await(ctx, is, changed)
		}
	}
	return nil
}

// lookAgain is after what time an address is looked up again that could not be.
const lookAgain = time.Second

// serve works on open tables until ctx ends, the namespace is gone, or there are other settings.
func (c *Core) serve(ctx context.Context, is *Settings, t Tables) error {
	c.mu.Lock()
	c.where = t.Where()
	c.allDue()
	c.mu.Unlock()
	timer := time.NewTimer(0)
	defer timer.Stop()
	for c.settings() == is {
		select {
		case <-ctx.Done():
			return nil
		case <-t.Ready():
			ev := t.Events()
			if ev.Gone != "" {
				c.closed(rib.Absent(ev.Gone + " is gone"))
				return nil
			}
			c.happened(ev)
		case <-c.wake:
		case <-timer.C:
		}
		unknown := c.lookUp(ctx, t)
		next := c.makeDevices(ctx, is, t)
		if unknown && next > lookAgain {
			next = lookAgain
		}
		timer.Reset(next)
	}
	return nil
}

// happened takes in events.
func (c *Core) happened(ev Events) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if ev.All {
		c.allDue()
		return
	}
	for _, p := range ev.Prefixes {
		c.within(p)
	}
}

// closed takes in that the core's namespace is not there.
func (c *Core) closed(why error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.where = rib.Where{}
	for pe := range c.watched {
		c.leads[pe] = rib.Lead{Err: fmt.Errorf("there is no network: %w", why)}
	}
	c.tell()
}

// lookUp looks up what is due. It tells whether something could not be found out: what was known
// of it stays.
func (c *Core) lookUp(ctx context.Context, t Tables) (unknown bool) {
	c.mu.Lock()
	due := c.due
	c.due = make(map[netip.Addr]struct{})
	c.mu.Unlock()
	if len(due) == 0 {
		return false
	}
	links, found := t.Links(), make(map[netip.Addr]rib.Lead, len(due))
	for pe := range due {
		r, err := t.Lookup(ctx, pe)
		if errors.Is(err, ErrUnknown) {
			unknown = true
			continue
		}
		found[pe] = judge(r, err, links)
		delete(due, pe)
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	changed := false
	for pe, lead := range found {
		if _, is := c.watched[pe]; !is {
			continue
		}
		was, known := c.leads[pe]
		if !known || !same(&was, &lead) {
			c.leads[pe], changed = lead, true
		}
	}
	maps.Copy(c.due, due)
	if changed {
		c.tell()
	}
	return unknown
}

// tell wakes the followers. The caller holds mu.
func (c *Core) tell() {
	for ch := range c.followers {
		select {
		case ch <- struct{}{}:
		default:
		}
	}
}
