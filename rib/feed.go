package rib

import (
	"net/netip"
	"slices"
	"sync"
	"sync/atomic"
	"time"
)

// Entry is the newest word on one prefix of a VRF: all its candidate paths,
// none where the last one went. Paths is good until the next Take.
type Entry struct {
	Slot   Slot
	at     uint32 // when it changed, in milliseconds of the queue's time: see ChangedAt
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
	slots     slots           // guarded by mu, as is all below
	cells     Slots[feedCell] // what there is of each prefix
	kept      feedPaths
	queue     feedQueue
	withPaths [Families]int // how many cells have a path

	old       []Path    // used again by Set
	since     time.Time // of the oldest change that the last Take returned
	taken     []Path    // what the last Take returned
	converged [Families]bool
	gone      departed    // not guarded
	repairs   atomic.Bool // see SetRepairing; not guarded
	asked     atomic.Bool // see Ask; not guarded
	read      atomic.Bool // see Leave; not guarded
	ready     chan struct{}
	carried   bool // not changed: see NewCarriedFeed
}

// NewFeed returns an empty feed.
func NewFeed() *Feed {
	f := &Feed{ready: make(chan struct{}, 1)}
	f.queue = feedQueue{cells: &f.cells, began: time.Now()}
	f.slots.begin()
	return f
}

// NewCarriedFeed returns an empty feed that takes what other PEs sent alone.
func NewCarriedFeed() *Feed {
	f := NewFeed()
	f.carried = true
	return f
}

// Set replaces all paths of rd and prefix by paths, which it copies: none takes
// them away. Those that came by EVPN stay.
func (f *Feed) Set(prefix netip.Prefix, rd RD, paths []Path) {
	replacePaths(f, prefix, rd, false, paths)
}

// SetEVPN is Set of the paths that came by EVPN.
func (f *Feed) SetEVPN(prefix netip.Prefix, rd RD, paths []Path) {
	replacePaths(f, prefix, rd, true, paths)
}

// replacePaths is Set of the paths of one table.
func replacePaths(f *Feed, prefix netip.Prefix, rd RD, evpn bool, paths []Path) {
	if f.carried {
		paths = CarriedOf(paths)
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	k := pack(prefix)
	slot, found := f.slots.find(k)
	if !found {
		if len(paths) == 0 {
			return
		}
		slot = f.slots.add(k)
	}
	c := f.cells.At(slot)
	if c.attrs == nil && !c.is(metaList) {
		if len(paths) == 0 {
			return
		}
	} else if paths, found = replaced(f, slot, c, rd, evpn, paths); !found {
		return
	}
	f.put(slot, c, k.family(), paths)
	f.wake()
}

// replaced returns the paths of a cell with those of rd replaced, until the next call; false:
// they are the same already.
func replaced(f *Feed, slot Slot, c *feedCell, rd RD, evpn bool, paths []Path) ([]Path, bool) {
	f.old = f.paths(f.old[:0], slot, c)
	others, same := 0, 0
	for i := range f.old {
		switch p := &f.old[i]; {
		case p.RD != rd || p.InEVPN() != evpn:
			others++
		case same < len(paths) && samePath(p, &paths[same]):
			same++
		default:
			same = len(paths) + 1
		}
	}
	if same == len(paths) {
		return nil, false
	}
	if others == 0 {
		return paths, true
	}
	f.old = append(slices.DeleteFunc(f.old, func(p Path) bool { return p.RD == rd && p.InEVPN() == evpn }), paths...)
	return f.old, true
}

// samePath tells whether a path of a prefix and RD is the one that a feed has already.
func samePath(a, b *Path) bool {
	return a.ID == b.ID && a.Label == b.Label && a.Age == b.Age && a.Attrs == b.Attrs
}

// Retain takes away every path for which keep is false. The speaker uses it to
// sweep after it has read a whole new snapshot. The reader sees what went so far.
func (f *Feed) Retain(keep func(Path) bool) {
	r := retaining{feed: f, keep: keep}
	for from := Slot(0); r.some(from); from += retainAtOnce {
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	if !f.queue.empty() {
		f.wake()
	}
}

// retainAtOnce is how many slots Retain goes through while the reader waits: for 0.1 ms.
const retainAtOnce = 16 * slotChunk

// retaining is a Retain that goes on.
type retaining struct {
	feed        *Feed
	keep        func(Path) bool
	paths, kept []Path // used again for each prefix
}

// some goes through some slots, and tells whether there were any.
func (r *retaining) some(from Slot) bool {
	f := r.feed
	f.mu.Lock()
	defer f.mu.Unlock()
	end := min(from+retainAtOnce, f.slots.end())
	for slot := from; slot < end; slot++ {
		c := f.cells.Peek(slot)
		if c == nil || c.empty() {
			continue
		}
		r.paths, r.kept = f.paths(r.paths[:0], slot, c), r.kept[:0]
		for _, p := range r.paths {
			if r.keep(p) {
				r.kept = append(r.kept, p)
			}
		}
		if len(r.kept) != len(r.paths) {
			f.put(slot, c, f.slots.family(slot), r.kept)
		}
	}
	return from < end
}

// Ready is signalled when there is something to take.
func (f *Feed) Ready() <-chan struct{} { return f.ready }

// Postpone has Ready signalled again: the reader has something to do first.
func (f *Feed) Postpone() { f.wake() }

// Take appends at most max changed prefixes to buf and returns it. Where more
// are left, Ready is signalled again. The reader holds the slots of what it took
// until it releases them. It is for the reader.
func (f *Feed) Take(buf []Entry, max int) []Entry {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.since = f.queue.since()
	clear(f.taken)
	f.taken = f.taken[:0]
	for ; !f.queue.empty() && max > 0; max-- {
		slot, c := f.queue.head()
		k, at := f.slots.key(slot), c.at
		f.queue.remove(c, k.family())
		c.set(metaHeld, true)
		from := len(f.taken)
		f.taken = f.paths(f.taken, slot, c)
		buf = append(buf, Entry{slot, at, k.prefix(), f.taken[from:len(f.taken):len(f.taken)]})
	}
	if !f.queue.empty() {
		f.wake()
	}
	return buf
}

// ChangedAt returns about when the change came that an entry, which was taken just now, is about.
func ChangedAt(f *Feed, e *Entry) time.Time {
	now := time.Now()
	return now.Add(-time.Duration(f.queue.clock(now)-e.at) * time.Millisecond) // right when the milliseconds have wrapped too
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
			f.dropUnused(slot, c)
		}
	}
	f.rewind()
	f.read.Store(true)
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
			f.queue.add(slot, c, f.slots.family(slot))
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
	slot, found := f.slots.find(k)
	if !found {
		slot = f.slots.add(k)
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
	f.dropUnused(slot, c)
}

// Find returns the slot of a prefix, where the reader holds it.
func (f *Feed) Find(prefix netip.Prefix) (Slot, bool) {
	f.mu.Lock()
	defer f.mu.Unlock()
	slot, found := f.slots.find(pack(prefix))
	return slot, found && f.cells.At(slot).is(metaHeld)
}

// Prefix returns the prefix of a slot that the reader holds.
func (f *Feed) Prefix(slot Slot) netip.Prefix {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.slots.key(slot).prefix()
}

// Prefixes appends the prefixes of slots that the reader holds.
func (f *Feed) Prefixes(buf []netip.Prefix, slots []Slot) []netip.Prefix {
	f.mu.Lock()
	defer f.mu.Unlock()
	for _, s := range slots {
		buf = append(buf, f.slots.key(s).prefix())
	}
	return buf
}

// Paths appends the paths of a slot that the reader holds.
func (f *Feed) Paths(buf []Path, slot Slot) []Path {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.paths(buf, slot, f.cells.At(slot))
}

// put makes paths the newest word on a cell's prefix, which is of family.
func (f *Feed) put(slot Slot, c *feedCell, family Family, paths []Path) {
	if !c.empty() {
		f.withPaths[family]--
	}
	f.kept.put(slot, c, paths)
	if !c.empty() {
		f.withPaths[family]++
	}
	if c.used() {
		f.queue.add(slot, c, family)
		return
	}
	f.queue.remove(c, family) // the reader was never told of it
	f.dropUnused(slot, c)
}

// dropUnused gives up the slot of a cell that nobody needs: it has no path, and the reader
// does not hold it.
func (f *Feed) dropUnused(slot Slot, c *feedCell) {
	if c.used() {
		return
	}
	f.queue.remove(c, f.slots.family(slot))
	*c = feedCell{}
	if f.slots.remove(slot) {
		f.cells, f.taken = Slots[feedCell]{}, nil
	}
}

// paths appends a cell's paths.
func (f *Feed) paths(buf []Path, slot Slot, c *feedCell) []Path {
	if c.empty() {
		return buf
	}
	return f.kept.appendTo(buf, slot, c, f.slots.key(slot).prefix())
}

func (f *Feed) wake() {
	select {
	case f.ready <- struct{}{}:
	default:
	}
}
