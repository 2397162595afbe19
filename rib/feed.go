package rib

import (
	"net/netip"
	"sync"
	"time"
)

// Entry is the newest word on one prefix of a VRF: all its candidate paths,
// none where the last one went. Paths is immutable.
type Entry struct {
	Prefix netip.Prefix
	Paths  []Path
}

// Feed is the mailbox of one VRF: the candidate paths that BGP has for it, and
// which prefixes changed since the reader last took them. Memory is bounded by
// the number of prefixes that have a path or that the reader was told of, not by
// events: a prefix that comes and goes untaken leaves nothing. The writer never
// waits for the reader.
//
// One goroutine writes (the speaker), one reads (the VRF's worker); any may
// look. It outlives a worker: a restarted one rewinds it.
type Feed struct {
	mu        sync.Mutex
	cells     map[netip.Prefix]cell   // guarded by mu, as is all below
	withPaths int                     // how many cells have a path
	dirty     map[netip.Prefix]uint64 // what waits, and its place: queue[place-head]
	queue     []netip.Prefix          // changed prefixes, oldest first; one that dirty does not place here is void
	head      uint64
	stamps    []stamp   // when places of the queue were given, oldest first: not each of them
	since     time.Time // of the oldest change that the last Take returned
	converged bool
	ready     chan struct{}
}

// cell is what a feed holds of a prefix. One without paths is there only until
// the reader, who was told of some, is told that they are gone.
type cell struct {
	paths []Path // copied on write
	told  bool
}

// stamp is when a place of the queue was given, and those up to the next stamp.
type stamp struct {
	place uint64
	at    time.Time
}

// stampEvery is how many places share a stamp at most: the clock is not read for
// every route.
const stampEvery = 512

// voidQueue is how many void places the queue may hold, beside one for each that
// is not, before it is packed.
const voidQueue = 1024

// NewFeed returns an empty feed.
func NewFeed() *Feed {
	return &Feed{
		cells: make(map[netip.Prefix]cell),
		dirty: make(map[netip.Prefix]uint64),
		ready: make(chan struct{}, 1),
	}
}

// Set replaces all paths of rd and prefix by paths: none takes them away. The
// feed owns paths from then on.
func (f *Feed) Set(prefix netip.Prefix, rd RD, paths []Path) {
	f.mu.Lock()
	defer f.mu.Unlock()
	old := f.cells[prefix].paths
	next := make([]Path, 0, len(old)+len(paths))
	for _, p := range old {
		if p.RD != rd {
			next = append(next, p)
		}
	}
	if len(next) == len(old) && len(paths) == 0 {
		return
	}
	f.put(prefix, append(next, paths...))
	f.wake()
}

// Retain takes away every path for which keep is false. The speaker uses it to
// sweep after it has read a whole new snapshot.
func (f *Feed) Retain(keep func(Path) bool) {
	f.mu.Lock()
	defer f.mu.Unlock()
	for prefix, c := range f.cells {
		kept := make([]Path, 0, len(c.paths))
		for _, p := range c.paths {
			if keep(p) {
				kept = append(kept, p)
			}
		}
		if len(kept) != len(c.paths) {
			f.put(prefix, kept)
		}
	}
	if len(f.dirty) > 0 {
		f.wake()
	}
}

// SetConverged tells the reader whether BGP has said all it knows: every peer
// that feeds the VRF sent End-of-RIB. Until then a route that is in the kernel
// and not in the feed may only be late.
func (f *Feed) SetConverged(v bool) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.converged != v {
		f.converged = v
		f.wake()
	}
}

// Converged returns what SetConverged was last told.
func (f *Feed) Converged() bool {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.converged
}

// Ready is signalled when there is something to take.
func (f *Feed) Ready() <-chan struct{} { return f.ready }

// Take appends at most max changed prefixes to buf and returns it. Where more
// are left, Ready is signalled again.
func (f *Feed) Take(buf []Entry, max int) []Entry {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.since = f.stampOf(f.head)
	for len(f.queue) > 0 && max > 0 {
		prefix := f.queue[0]
		place, waits := f.dirty[prefix]
		if waits && place == f.head {
			delete(f.dirty, prefix)
			buf = append(buf, f.tell(prefix))
			max--
		}
		f.queue = f.queue[1:]
		f.head++
	}
	if len(f.dirty) > 0 {
		f.wake()
	} else {
		f.drop() // the array behind it may be a whole table long
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

// Rewind marks every prefix as changed, for a reader that starts afresh.
func (f *Feed) Rewind() {
	f.mu.Lock()
	defer f.mu.Unlock()
	for prefix := range f.cells {
		f.mark(prefix)
	}
	f.wake()
}

// Lookup returns the paths of one prefix. They are immutable.
func (f *Feed) Lookup(prefix netip.Prefix) []Path {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.cells[prefix].paths
}

// Len returns how many prefixes have a path, and how many wait to be taken.
func (f *Feed) Len() (prefixes, waiting int) {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.withPaths, len(f.dirty)
}

// put makes paths the newest word on prefix.
func (f *Feed) put(prefix netip.Prefix, paths []Path) {
	c := f.cells[prefix]
	if len(c.paths) > 0 {
		f.withPaths--
	}
	if len(paths) > 0 {
		f.withPaths++
		f.cells[prefix] = cell{paths, c.told}
		f.mark(prefix)
		return
	}
	if c.told {
		f.cells[prefix] = cell{nil, true}
		f.mark(prefix)
		return
	}
	delete(f.cells, prefix)
	delete(f.dirty, prefix)
	f.pack()
}

// tell hands out the newest word on prefix.
func (f *Feed) tell(prefix netip.Prefix) Entry {
	c := f.cells[prefix]
	if len(c.paths) == 0 {
		delete(f.cells, prefix)
	} else {
		f.cells[prefix] = cell{c.paths, true}
	}
	return Entry{prefix, c.paths}
}

func (f *Feed) mark(prefix netip.Prefix) {
	if _, waits := f.dirty[prefix]; !waits {
		place := f.head + uint64(len(f.queue))
		if n := len(f.stamps); len(f.dirty) == 0 || n == 0 || place-f.stamps[n-1].place >= stampEvery {
			f.stamps = append(f.stamps, stamp{place, time.Now()})
		}
		f.dirty[prefix] = place
		f.queue = append(f.queue, prefix)
	}
}

// stampOf returns when place was given, and forgets the stamps before it.
func (f *Feed) stampOf(place uint64) time.Time {
	for len(f.stamps) > 1 && f.stamps[1].place <= place {
		f.stamps = f.stamps[1:]
	}
	if len(f.stamps) == 0 || len(f.dirty) == 0 {
		return time.Time{}
	}
	return f.stamps[0].at
}

// pack takes the void places out of the queue when they are the most of it.
func (f *Feed) pack() {
	if len(f.queue) <= 2*len(f.dirty)+voidQueue {
		return
	}
	packed := make([]netip.Prefix, 0, len(f.dirty))
	for i, prefix := range f.queue {
		if place, waits := f.dirty[prefix]; waits && place == f.head+uint64(i) {
			packed = append(packed, prefix)
		}
	}
	if len(f.stamps) > 0 { // the places are others now: all as old as the oldest
		f.stamps = []stamp{{0, f.stamps[0].at}}
	}
	f.queue, f.head = packed, 0
	for i, prefix := range packed {
		f.dirty[prefix] = uint64(i)
	}
}

func (f *Feed) drop() { f.queue, f.head, f.stamps = nil, 0, nil }

func (f *Feed) wake() {
	select {
	case f.ready <- struct{}{}:
	default:
	}
}
