package guard

import (
	"sync"
	"sync/atomic"
)

// Limit bounds how many prefixes the sessions of a VRF may announce together: a prefix
// of two sessions counts twice. It is the same one as long as the VRF is there. Its
// methods are safe for concurrent use.
type Limit struct {
	most, used atomic.Int64
	full       atomic.Bool // a prefix was refused since there was room
	room       func()
}

// NewLimit makes a limit. room is called when there is room again after prefixes were
// refused: they are announced again only by who is asked.
func NewLimit(most int64, room func()) *Limit {
	l := &Limit{room: room}
	l.most.Store(most)
	return l
}

// Set changes the limit. What is over a lower one stays.
func (l *Limit) Set(most int64) {
	l.most.Store(most)
	l.give(0)
}

// Used is how many prefixes have been announced.
func (l *Limit) Used() int64 { return l.used.Load() }

// take takes a place, where there is one.
func (l *Limit) take() bool {
	if l.used.Add(1) > l.most.Load() {
		l.used.Add(-1)
		l.full.Store(true)
		return false
	}
	return true
}

// give gives back n places. There is room again when a tenth is free: at the first
// free place every neighbour would be asked for all its routes for the sake of one.
func (l *Limit) give(n int) {
	used, most := l.used.Add(int64(-n)), l.most.Load()
	if used < most-most/10 && l.full.CompareAndSwap(true, false) && l.room != nil {
		l.room()
	}
}

// places are those of the VRF's limit that one session has. hold and drop are called by the
// goroutine that reads from the session.
type places struct {
	held map[held]struct{} // prefixes that take a place

	mu       sync.Mutex
	taken    map[*Limit]int // guarded by mu
	released bool           // guarded by mu; they were given back, and none is taken any more
}

// hold takes a place for a prefix, unless it has one.
func (p *places) hold(limit *Limit, h held) bool {
	if _, has := p.held[h]; has {
		return true
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.released || !limit.take() {
		return false
	}
	if p.held == nil {
		p.held, p.taken = make(map[held]struct{}), make(map[*Limit]int)
	}
	p.held[h] = struct{}{}
	p.taken[limit]++
	return true
}

// drop gives back the place of a prefix, where it has one.
func (p *places) drop(limit *Limit, h held) {
	if _, has := p.held[h]; !has {
		return
	}
	delete(p.held, h)
	p.mu.Lock()
	has := p.taken[limit] > 0
	if has {
		p.taken[limit]--
	}
	p.mu.Unlock()
	if has {
		limit.give(1)
	}
}

// release gives all back, and takes none any more. It is safe for concurrent use.
func (p *places) release() {
	p.mu.Lock()
	taken := p.taken
	p.taken, p.released = nil, true
	p.mu.Unlock()
	for limit, n := range taken {
		limit.give(n)
	}
}
