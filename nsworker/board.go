package nsworker

import (
	"fmt"
	"sync"

	"github.com/vrfredist/vrfredist/rib"
)

// Board is what the workers of a daemon know of each other: which ids of nexthop
// objects are taken, and what the others' VRFs look like, so that a leak can be
// resolved through the VRF it came from. Each worker publishes its own view;
// a view is immutable. It is safe for concurrent use.
type Board struct {
	ids *idSpace

	mu        sync.Mutex
	tables    map[tableKey]string              // guarded by mu: the VRF that has a table open
	views     map[string]boardView             // guarded by mu
	followers map[string]map[chan struct{}]int // guarded by mu: by the VRF they follow
}

type boardView struct {
	rib.View
	binding rib.Binding
}

// NewBoard returns an empty board.
func NewBoard() *Board {
	return &Board{
		ids:       &idSpace{taken: make(map[idKey]*Worker)},
		tables:    make(map[tableKey]string),
		views:     make(map[string]boardView),
		followers: make(map[string]map[chan struct{}]int),
	}
}

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
	if other, taken := b.tables[k]; taken && other != vrf {
		return fmt.Errorf("VRF %q has table %d of this namespace already, and %q must not share it; give each VRF a table of its own", other, where.Table, vrf)
	}
	b.tables[k] = vrf
	return nil
}

func (b *Board) leave(where rib.Where) {
	b.mu.Lock()
	defer b.mu.Unlock()
	delete(b.tables, tableKey{where.Dev, where.Inode, where.Table})
}

func (b *Board) publish(vrf string, v boardView) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.views[vrf] = v
	b.wake(vrf)
}

func (b *Board) retract(vrf string) {
	b.mu.Lock()
	defer b.mu.Unlock()
	delete(b.views, vrf)
	b.wake(vrf)
}

func (b *Board) view(vrf string) (boardView, bool) {
	b.mu.Lock()
	defer b.mu.Unlock()
	v, ok := b.views[vrf]
	return v, ok
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
