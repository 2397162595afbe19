package nsworker

import (
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
		views:     make(map[string]boardView),
		followers: make(map[string]map[chan struct{}]int),
	}
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
