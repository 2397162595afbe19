package rib

import (
	"maps"
	"net/netip"
	"sync"
)

// What a Feed is told of the neighbours whose paths it has.

// Down are the neighbours whose session has ended, while paths of theirs may still be in a
// feed. It is immutable.
type Down map[netip.Addr]struct{}

// Has tells whether the session of a neighbour has ended.
func (d Down) Has(peer netip.Addr) bool {
	_, is := d[peer]
	return is
}

// departed are the neighbours that are down. They have a lock of their own: whoever has the
// feed's may go through a full table, and the reader is in a hurry.
type departed struct {
	mu   sync.Mutex
	down Down // guarded by mu
}

// SetDown says whether the session of a neighbour has ended, and its paths with it: not
// where they are held for a graceful restart. It comes ahead of the changes of the paths,
// which take BGP seconds, so that the reader can act for all of them at once. Peer is as in
// Attrs.Peer. It may be called from any goroutine, and waits for none that works on the feed.
func (f *Feed) SetDown(peer netip.Addr, down bool) {
	g := &f.gone
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.down.Has(peer) == down {
		return
	}
	next := maps.Clone(g.down) // a reader has the old one
	if next == nil {
		next = make(Down)
	}
	if down {
		next[peer] = struct{}{}
	} else {
		delete(next, peer)
	}
	g.down = next
	f.wake()
}

// Down returns the neighbours for which SetDown was last told that they are. It waits as little.
func (f *Feed) Down() Down {
	f.gone.mu.Lock()
	defer f.gone.mu.Unlock()
	return f.gone.down
}

// SetConverged tells the reader whether BGP has said all it knows of a family: every
// peer that feeds the VRF sent End-of-RIB. Until then a route that is in the kernel
// and not in the feed may only be late.
func (f *Feed) SetConverged(of Family, v bool) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.converged[of] != v {
		f.converged[of] = v
		f.wake()
	}
}

// Converged returns what SetConverged was last told of a family.
func (f *Feed) Converged(of Family) bool {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.converged[of]
}

// SetRepairing says whether the reader is writing many routes by another way, because a link
// took them with it.
func (f *Feed) SetRepairing(is bool) { f.repairs.Store(is) }

// Repairing tells whether the reader says so.
func (f *Feed) Repairing() bool { return f.repairs.Load() }

// Ask says whether others are to be told what the reader chooses of each prefix: they leak it.
// anew: also of what it has said already.
func (f *Feed) Ask(is, anew bool) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.asked.Store(is)
	if is && anew {
		f.rewind()
	}
}

// Asked tells whether others are to be told what the reader chooses.
func (f *Feed) Asked() bool { return f.asked.Load() }

// Leave says that the reader takes nothing any more: it has no table. Restart ends that.
func (f *Feed) Leave() { f.read.Store(false) }

// Read tells whether there is a reader that takes what comes.
func (f *Feed) Read() bool { return f.read.Load() }
