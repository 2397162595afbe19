package nsworker

import (
	"context"
	"fmt"
	"net/netip"
	"sync"

	"github.com/vrfredist/vrfredist/nsworker/nexthop"
	"github.com/vrfredist/vrfredist/rib"
)

// Board is what the workers of a daemon know of each other: which ids of nexthop
// objects are taken, and what the others' VRFs look like, so that a leak can be
// resolved through the VRF it came from. Each worker publishes its own view;
// a view is immutable. It is safe for concurrent use.
type Board struct {
	ids  *nexthop.IDs
	rpki *rib.RPKI

	mu        sync.Mutex
	tables    map[tableKey]holder              // guarded by mu
	views     map[string]nexthop.View          // guarded by mu
	followers map[string]map[chan struct{}]int // guarded by mu: by the VRF they follow
	own       sync.Map                         // by VRF: *rib.OwnPrefixes. It is asked for every route of a neighbour
	ownNow    sync.Mutex                       // held by who changes own, until ownTo has been told: in order
	ownTo     func(vrf string, came, went []netip.Prefix)
	// announced are the VRFs whose imports BGP has had, all of them, since the start.
	announced map[string]bool     // guarded by mu
	electors  map[string]*elector // guarded by mu: of the workers that run
}

// holder is the VRF that has a table open, or whose worker failed over it.
type holder struct {
	vrf  string
	open bool
}

// NewBoard returns an empty board.
func NewBoard() *Board {
	return &Board{
		ids:       nexthop.NewIDs(),
		rpki:      new(rib.RPKI),
		tables:    make(map[tableKey]holder),
		views:     make(map[string]nexthop.View),
		followers: make(map[string]map[chan struct{}]int),
		announced: make(map[string]bool),
		electors:  make(map[string]*elector),
	}
}

// RPKI is what policies are told that the RPKI says: who has it from BGP puts it there.
func (b *Board) RPKI() *rib.RPKI { return b.rpki }

type tableKey struct {
	dev, inode uint64
	table      uint32
}

// take gives a table to a VRF. It fails where another VRF has it: each would
// take the other's routes for its own. The configuration refuses what it can
// see; which table a VRF device has shows only here.
func (b *Board) take(where rib.Where, vrf string) error {
	b.mu.Lock()
	defer b.mu.Unlock()
	k := tableKey{where.Dev, where.Inode, where.Table}
	if other := b.tables[k]; other.open && other.vrf != vrf {
		return fmt.Errorf("VRF %q has table %d of this namespace already, and %q must not share it; give each VRF a table of its own", other.vrf, where.Table, vrf)
	}
	b.tables[k] = holder{vrf, true}
	return nil
}

// others tells whether a table is another VRF's: what is ours there was written
// for that one.
func (b *Board) others(where rib.Where, vrf string) bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	h, held := b.tables[tableKey{where.Dev, where.Inode, where.Table}]
	return held && h.vrf != vrf
}

// leave gives a table back. Where the worker failed, its routes are in it still,
// and wait for the next.
func (b *Board) leave(where rib.Where, failed bool) {
	b.mu.Lock()
	defer b.mu.Unlock()
	k := tableKey{where.Dev, where.Inode, where.Table}
	if failed {
		b.tables[k] = holder{vrf: b.tables[k].vrf}
	} else {
		delete(b.tables, k)
	}
}

func (b *Board) publish(vrf string, v nexthop.View) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.views[vrf] = v
	b.wake(vrf)
}

// Own returns the subnets that are connected in a VRF, and its addresses; nil, which has
// none, where no worker has its table.
func (b *Board) Own(vrf string) *rib.OwnPrefixes {
	own, _ := b.own.Load(vrf)
	of, _ := own.(*rib.OwnPrefixes)
	return of
}

// OnOwn has tell called whenever subnets or addresses of a VRF came or went, once Own has
// them, one call at a time. It is called before there are workers.
func (b *Board) OnOwn(tell func(vrf string, came, went []netip.Prefix)) { b.ownTo = tell }

// publishOwn takes in what a VRF's own prefixes are now; nil: it has none.
func (b *Board) publishOwn(vrf string, now *rib.OwnPrefixes) {
	b.ownNow.Lock()
	defer b.ownNow.Unlock()
	came, went := now.Since(b.Own(vrf))
	if now == nil {
		b.own.Delete(vrf)
	} else {
		b.own.Store(vrf, now)
	}
	if b.ownTo != nil && len(came)+len(went) > 0 {
		b.ownTo(vrf, came, went)
	}
}

func (b *Board) retract(vrf string) {
	b.publishOwn(vrf, nil)
	b.mu.Lock()
	defer b.mu.Unlock()
	delete(b.views, vrf)
	b.wake(vrf)
}

// View implements nexthop.Views.
func (b *Board) View(vrf string) (nexthop.View, bool) {
	b.mu.Lock()
	defer b.mu.Unlock()
	v, ok := b.views[vrf]
	return v, ok
}

// elector says what a VRF goes by: its worker alone knows.
type elector struct {
	goesBy func(ctx context.Context, prefixes []netip.Prefix, yield func(*rib.Choice)) error
}

// enter notes that a VRF's worker runs, until exit.
func (b *Board) enter(vrf string, e *elector) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.electors[vrf] = e
}

func (b *Board) exit(vrf string, e *elector) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.electors[vrf] == e { // and none that came after it
		delete(b.electors, vrf)
	}
}

// elector is that of a VRF; nil: no worker runs.
func (b *Board) elector(vrf string) *elector {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.electors[vrf]
}

// announcedAll notes that BGP has all that a VRF imports.
func (b *Board) announcedAll(vrf string) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if !b.announced[vrf] {
		b.announced[vrf] = true
		b.wake(vrf)
	}
}

// Announced tells whether BGP has had all that a VRF imports, since the start.
func (b *Board) Announced(vrf string) bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.announced[vrf]
}

// follow signals ch whenever vrf's view changes, until as many unfollows.
func (b *Board) follow(vrf string, ch chan struct{}) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.followers[vrf] == nil {
		b.followers[vrf] = make(map[chan struct{}]int)
	}
	b.followers[vrf][ch]++
}

func (b *Board) unfollow(vrf string, ch chan struct{}) {
	b.mu.Lock()
	defer b.mu.Unlock()
	f := b.followers[vrf]
	if f[ch]--; f[ch] <= 0 {
		delete(f, ch)
	}
	if len(f) == 0 {
		delete(b.followers, vrf)
	}
}

// wake is called with mu held.
func (b *Board) wake(vrf string) {
	for ch := range b.followers[vrf] {
		select {
		case ch <- struct{}{}:
		default:
		}
	}
}
