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
	Protocol   uint8    // the route protocol of what is ours
	// Numbers are the labels and SIDs of the configured VRFs. What is ours and none of them is
	// removed.
	Numbers map[Number]struct{}
}

// Number is a label or a SID of this router's.
type Number struct {
	Label uint32
	SID   netip.Addr // invalid: it is a label
}

// numberOf is that of an entrance.
func numberOf(e *rib.Entrance) Number { return Number{e.Label, e.SID} }

// Core is the network between PEs. It is safe for concurrent use.
type Core struct {
	kernel Kernel
	log    *slog.Logger
	wake   chan struct{} // something below is to be looked at
	keeper keeper        // of Run
	last   *rib.Lead     // of Run: what the last lookup came to

	mu        sync.Mutex
	is        *Settings                // guarded by mu, and not changed: another one takes its place
	watched   map[netip.Addr]*watched  // guarded by mu: the PEs of which somebody wants to know
	due       map[netip.Addr]struct{}  // guarded by mu: to be looked up
	where     rib.Where                // guarded by mu: of the main table; zero: it is not open
	followers map[chan struct{}]string // guarded by mu: the VRF of each
	devices   map[deviceKey]*device    // guarded by mu
	tenants   tenancy                  // guarded by mu: the VRFs with labels and SIDs
	numbers   map[Number]struct{}      // guarded by mu, and not changed: of all VRFs that are configured
	absent    string                   // guarded by mu: why nothing can be made; "": it can
	links     rib.Links                // guarded by mu, and not changed: of the core's namespace
}

// watched is what is known of a PE.
type watched struct {
	users int       // who want to know
	lead  *rib.Lead // nil: it is not known yet; never changed in place
}

// New returns a core of which nothing is known before Run.
func New(k Kernel, f Fixtures, is Settings, log *slog.Logger) *Core {
	c := &Core{
		kernel: k, is: &is, numbers: is.Numbers, log: log, wake: make(chan struct{}, 1),
		watched: make(map[netip.Addr]*watched), due: make(map[netip.Addr]struct{}),
		followers: make(map[chan struct{}]string), devices: make(map[deviceKey]*device), tenants: newTenancy(),
	}
	c.keeper = keeper{core: c, fixtures: f}
	return c
}

// PE implements nexthop.Core: what is known of how the core leads to a PE.
func (c *Core) PE(addr netip.Addr) (rib.Lead, bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	w := c.watched[addr]
	if w == nil || w.lead == nil {
		return rib.Lead{}, false
	}
	return *w.lead, true
}

// Watch implements nexthop.Core: by is +1 for each who wants to know of a PE, and −1 when it
// does no more.
func (c *Core) Watch(addr netip.Addr, by int) {
	c.mu.Lock()
	defer c.mu.Unlock()
	w := c.watched[addr]
	if w == nil {
		if by <= 0 {
			return
		}
		w = new(watched)
		if c.absent != "" {
			w.lead = &rib.Lead{Err: fmt.Errorf("there is no network: %s", c.absent)}
		}
		c.watched[addr] = w
		c.due[addr] = struct{}{}
		c.nudge()
	}
	if w.users += by; w.users <= 0 {
		delete(c.watched, addr)
		delete(c.due, addr)
	}
}

// Follow signals news whenever what PE says has changed, or what Making says of the VRF's device,
// until stop.
func (c *Core) Follow(vrf string) (news <-chan struct{}, stop func()) {
	ch := make(chan struct{}, 1)
	c.mu.Lock()
	defer c.mu.Unlock()
	c.followers[ch] = vrf
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
	c.numbers = is.Numbers
	c.nudge()
	if !is.VTEP.IsValid() && len(c.tenants.all)+len(c.devices) > 0 {
		// What VRFs have there has to be removed first: they left together with the core.
		is.Core, is.Interfaces, is.Protocol = c.is.Core, c.is.Interfaces, c.is.Protocol
	}
	if c.is.Core == is.Core && slices.Equal(c.is.Interfaces, is.Interfaces) && c.is.Protocol == is.Protocol {
		return
	}
	c.is = &is
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
		tables, err := c.kernel.Open(ctx, is.Core)
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
	c.where, c.absent = t.Where(), ""
	c.allDue()
	c.mu.Unlock()
	timer := time.NewTimer(0)
	defer timer.Stop()
	defer c.keeper.close()
	for c.settings() == is {
		select {
		case <-ctx.Done():
			c.keeper.leave(is)
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
		c.see(t.Links())
		unknown := c.lookUp(ctx, t)
		next := min(c.makeDevices(ctx, is, t), c.keeper.keep(ctx, is, t.Links()))
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
	c.where, c.absent, c.links = rib.Where{}, why.Error(), nil
	lead := &rib.Lead{Err: fmt.Errorf("there is no network: %w", why)}
	for _, w := range c.watched {
		w.lead = lead
	}
	for _, t := range c.tenants.all {
		t.why = "the core is not there: " + why.Error()
	}
	c.tell(everyVRF)
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
	links, found := t.Links(), make(map[netip.Addr]*rib.Lead, len(due))
	for pe := range due {
		r, err := t.Lookup(ctx, pe)
		if errors.Is(err, ErrUnknown) {
			unknown = true
			continue
		}
		if lead := judge(r, err, links); lead.Err != nil || c.last == nil || !same(c.last, &lead) {
			c.last = &lead // else both PEs are behind one route, which is kept once
		}
		found[pe] = c.last
		delete(due, pe)
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	changed := false
	for pe, lead := range found {
		if w := c.watched[pe]; w != nil && (w.lead == nil || !same(w.lead, lead)) {
			w.lead, changed = lead, true
		}
	}
	maps.Copy(c.due, due)
	if changed {
		c.tell(everyVRF)
	}
	return unknown
}

func everyVRF(string) bool { return true }

// tell wakes followers. The caller holds mu.
func (c *Core) tell(concerns func(vrf string) bool) {
	for ch, vrf := range c.followers {
		if !concerns(vrf) {
			continue
		}
		select {
		case ch <- struct{}{}:
		default:
		}
	}
}

// Count is how many PEs somebody wants to know of, and how many of those are not reached, as far
// as is known.
func (c *Core) Count() (watched, unreached int) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, w := range c.watched {
		if w.lead != nil && (w.lead.Err != nil || w.lead.Reach != rib.Reached) {
			unreached++
		}
	}
	return len(c.watched), unreached
}
