package rib

import (
	"net/netip"
	"sync"
	"time"
)

// Entry is the newest word on one prefix of a VRF: all its candidate paths,
// none where the last one went. Paths is good until the next Take.
type Entry struct {
	Slot   Slot
	Prefix netip.Prefix
	Paths  []Path
}

// Feed is the mailbox of one VRF: the candidate paths that BGP has for it, and
// which prefixes changed since the reader last took them. Memory is bounded by
// the number of prefixes that have a path or that the reader holds, not by
// events: a prefix that comes and goes untaken leaves nothing. The writer never
// waits for the reader.
//
// One goroutine writes (the speaker), one reads (the VRF's worker); any may
// look. It outlives a worker: a new one begins with Restart.
type Feed struct {
	mu        sync.Mutex
	cells     Slots[feedCell]  // guarded by mu, as is all below
	high      Slots[[3]uint32] // the first 12 bytes of IPv6 prefixes
	lists     map[Slot][]Path  // several paths of a prefix
	index     slotIndex
	free      [Families][]Slot // the slots of a chunk are of one family
	chunks    Slot             // how many were ever in use
	withPaths [Families]int    // how many cells have a path
	waiting   [Families]int    // how many are in the queue

	first, last Slot // of the queue, oldest first; one more than the slot, 0: none
	began       time.Time
	now         uint32 // milliseconds since began, as of the last look at the clock
	unlooked    int    // how many were queued since then

	since     time.Time // of the oldest change that the last Take returned
	taken     []Path    // what the last Take returned
	converged [Families]bool
	ready     chan struct{}
}

// clockEvery is how many changes share a look at the clock.
const clockEvery = 64

// NewFeed returns an empty feed.
func NewFeed() *Feed {
	f := &Feed{lists: make(map[Slot][]Path), began: time.Now(), ready: make(chan struct{}, 1)}
	f.index = newSlotIndex(f.key)
	return f
}

// Set replaces all paths of rd and prefix by paths, which it copies: none takes
// them away.
func (f *Feed) Set(prefix netip.Prefix, rd RD, paths []Path) {
	f.mu.Lock()
	defer f.mu.Unlock()
	k := pack(prefix)
	slot, found := f.index.find(k)
	if !found {
		if len(paths) == 0 {
			return
		}
		slot = f.alloc(k)
	}
	c := f.cells.At(slot)
	if !c.onlyOf(rd) {
		old := f.paths(nil, slot, c)
		next := make([]Path, 0, len(old)+len(paths))
		for _, p := range old {
			if p.RD != rd {
				next = append(next, p)
			}
		}
		if len(next) == len(old) && len(paths) == 0 {
			return
		}
		paths = append(next, paths...)
	} else if c.empty() && len(paths) == 0 {
		return
	}
	f.put(slot, c, paths)
	f.wake()
}

// Retain takes away every path for which keep is false. The speaker uses it to
// sweep after it has read a whole new snapshot.
func (f *Feed) Retain(keep func(Path) bool) {
	f.mu.Lock()
	defer f.mu.Unlock()
	var paths, kept []Path
	for slot, c := range f.cells.All {
		if c.empty() {
			continue
		}
		paths, kept = f.paths(paths[:0], slot, c), kept[:0]
		for _, p := range paths {
			if keep(p) {
				kept = append(kept, p)
			}
		}
		if len(kept) != len(paths) {
			f.put(slot, c, kept)
		}
	}
	if f.first != 0 {
		f.wake()
	}
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

// Ready is signalled when there is something to take.
func (f *Feed) Ready() <-chan struct{} { return f.ready }

// Take appends at most max changed prefixes to buf and returns it. Where more
// are left, Ready is signalled again. The reader holds the slots of what it took
// until it releases them. It is for the reader.
func (f *Feed) Take(buf []Entry, max int) []Entry {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.since = time.Time{}
	if f.first != 0 {
		now := time.Now() // the difference is right when the milliseconds have wrapped too
		f.since = now.Add(-time.Duration(f.clock(now)-f.cells.At(f.first-1).at) * time.Millisecond)
	}
	clear(f.taken)
	f.taken = f.taken[:0]
	for f.first != 0 && max > 0 {
		slot := f.first - 1
		c := f.cells.At(slot)
		f.unqueue(c)
		c.set(metaHeld, true)
		from := len(f.taken)
		f.taken = f.paths(f.taken, slot, c)
		buf = append(buf, Entry{slot, f.key(slot).prefix(), f.taken[from:len(f.taken):len(f.taken)]})
		max--
	}
	if f.first != 0 {
		f.wake()
	}
	return buf
}

// Since returns about when the oldest change came that the last Take returned:
// the zero time where it returned none. It is for the reader.
func (f *Feed) Since() time.Time {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.since
}

// Restart is for a reader that starts afresh: it holds nothing, and every prefix
// with a path is marked as changed.
func (f *Feed) Restart() {
	f.mu.Lock()
	defer f.mu.Unlock()
	for slot, c := range f.cells.All {
		if c.is(metaHeld) {
			c.set(metaHeld, false)
			f.settle(slot, c)
		}
	}
	f.rewind()
}

// Rewind marks every prefix with a path as changed.
func (f *Feed) Rewind() {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.rewind()
}

func (f *Feed) rewind() {
	for slot, c := range f.cells.All {
		if !c.empty() {
			f.queue(slot, c)
		}
	}
	f.wake()
}

// Hold returns the slot of a prefix, which may have no path, and keeps it for the
// reader until it releases it.
func (f *Feed) Hold(prefix netip.Prefix) Slot {
	f.mu.Lock()
	defer f.mu.Unlock()
	k := pack(prefix)
	slot, found := f.index.find(k)
	if !found {
		slot = f.alloc(k)
	}
	f.cells.At(slot).set(metaHeld, true)
	return slot
}

// Release gives a slot back that the reader took or held. Where BGP has paths
// for the prefix, the slot stays what it is.
func (f *Feed) Release(slot Slot) {
	f.mu.Lock()
	defer f.mu.Unlock()
	c := f.cells.At(slot)
	c.set(metaHeld, false)
	f.settle(slot, c)
}

// Find returns the slot of a prefix, where the reader holds it.
func (f *Feed) Find(prefix netip.Prefix) (Slot, bool) {
	f.mu.Lock()
	defer f.mu.Unlock()
	slot, found := f.index.find(pack(prefix))
	return slot, found && f.cells.At(slot).is(metaHeld)
}

// Prefix returns the prefix of a slot that the reader holds.
func (f *Feed) Prefix(slot Slot) netip.Prefix {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.key(slot).prefix()
}

// Prefixes appends the prefixes of slots that the reader holds.
func (f *Feed) Prefixes(buf []netip.Prefix, slots []Slot) []netip.Prefix {
	f.mu.Lock()
	defer f.mu.Unlock()
	for _, s := range slots {
		buf = append(buf, f.key(s).prefix())
	}
	return buf
}

// Paths appends the paths of a slot that the reader holds.
func (f *Feed) Paths(buf []Path, slot Slot) []Path {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.paths(buf, slot, f.cells.At(slot))
}

// Lookup returns the paths of one prefix. They are the caller's.
func (f *Feed) Lookup(prefix netip.Prefix) []Path {
	f.mu.Lock()
	defer f.mu.Unlock()
	slot, found := f.index.find(pack(prefix))
	if !found {
		return nil
	}
	return f.paths(nil, slot, f.cells.At(slot))
}

// Len returns how many prefixes have a path, and how many wait to be taken.
func (f *Feed) Len() (prefixes, waiting int) {
	f.mu.Lock()
	defer f.mu.Unlock()
	for family := range Families {
		prefixes, waiting = prefixes+f.withPaths[family], waiting+f.waiting[family]
	}
	return prefixes, waiting
}

// LenOf is Len of one family.
func (f *Feed) LenOf(family Family) (prefixes, waiting int) {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.withPaths[family], f.waiting[family]
}
