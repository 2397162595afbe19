package guard

import (
	"net/netip"
	"sync"
)

// places are the places of the VRF's limit that a session's prefixes take. hold, giveBack and
// drop have one caller at a time, the session's reader; release may come beside them.
type places struct {
	held map[held]struct{}

	mu       sync.Mutex
	taken    map[*Limit]int // guarded by mu; how many
	released bool           // guarded by mu; all were given back, and no more are taken
}

// held is a prefix as a session announced it.
type held struct {
	prefix netip.Prefix
	id     uint32
}

// hold takes a place of the VRF's limit for a prefix, unless it has one.
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

// giveBack gives back the places of prefixes that are withdrawn.
func (p *places) giveBack(limit *Limit, l lot) {
	for b := l.nlri; len(b) > 0; {
		size := l.size(b)
		p.drop(limit, l.held(b[:size]))
		b = b[size:]
	}
}

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

// release gives back all places, and takes none any more.
func (p *places) release() {
	p.mu.Lock()
	taken := p.taken
	p.taken, p.released = nil, true
	p.mu.Unlock()
	for limit, n := range taken {
		limit.give(n)
	}
}
