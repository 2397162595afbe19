package rib

import (
	"net/netip"
	"sync"
)

// Entry is the newest word on one prefix of a VRF: all its candidate paths,
// none where the last one went. Paths is immutable.
type Entry struct {
	Prefix netip.Prefix
	Paths  []Path
}

// Feed is the mailbox of one VRF: the candidate paths that BGP has for it, and
// which prefixes changed since the reader last took them. Memory is bounded by
// the number of prefixes, not by events, and the writer never waits for the
// reader.
//
// One goroutine writes (the speaker), one reads (the VRF's worker); any may
// look. It outlives a worker: a restarted one rewinds it.
type Feed struct {
	mu        sync.Mutex
	paths     map[netip.Prefix][]Path   // guarded by mu; slices are copied on write
	dirty     map[netip.Prefix]struct{} // what is in queue
	queue     []netip.Prefix            // changed prefixes, oldest first
	converged bool
	ready     chan struct{}
}

// NewFeed returns an empty feed.
func NewFeed() *Feed {
	return &Feed{
		paths: make(map[netip.Prefix][]Path),
		dirty: make(map[netip.Prefix]struct{}),
		ready: make(chan struct{}, 1),
	}
}

// Set replaces all paths of rd and prefix by paths: none takes them away. The
// feed owns paths from then on.
func (f *Feed) Set(prefix netip.Prefix, rd RD, paths []Path) {
	f.mu.Lock()
	defer f.mu.Unlock()
	old := f.paths[prefix]
	next := make([]Path, 0, len(old)+len(paths))
	for _, p := range old {
		if p.RD != rd {
			next = append(next, p)
		}
	}
	if len(next) == len(old) && len(paths) == 0 {
		return
	}
	next = append(next, paths...)
	if len(next) == 0 {
		delete(f.paths, prefix)
	} else {
		f.paths[prefix] = next
	}
	f.mark(prefix)
	f.wake()
}

// Retain takes away every path for which keep is false. The speaker uses it to
// sweep after it has read a whole new snapshot.
func (f *Feed) Retain(keep func(Path) bool) {
	f.mu.Lock()
	defer f.mu.Unlock()
	for prefix, old := range f.paths {
		kept := make([]Path, 0, len(old))
		for _, p := range old {
			if keep(p) {
				kept = append(kept, p)
			}
		}
		if len(kept) == len(old) {
			continue
		}
		if len(kept) == 0 {
			delete(f.paths, prefix)
		} else {
			f.paths[prefix] = kept
		}
		f.mark(prefix)
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
	n := min(max, len(f.queue))
	for _, prefix := range f.queue[:n] {
		delete(f.dirty, prefix)
		buf = append(buf, Entry{prefix, f.paths[prefix]})
	}
	f.queue = f.queue[n:]
	if len(f.queue) > 0 {
		f.wake()
	} else {
		f.queue = nil // the array behind it may be a whole table long
	}
	return buf
}

// Rewind marks every prefix as changed, for a reader that starts afresh.
func (f *Feed) Rewind() {
	f.mu.Lock()
	defer f.mu.Unlock()
	for prefix := range f.paths {
		f.mark(prefix)
	}
	f.wake()
}

// Lookup returns the paths of one prefix. They are immutable.
func (f *Feed) Lookup(prefix netip.Prefix) []Path {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.paths[prefix]
}

// Len returns how many prefixes have a path, and how many wait to be taken.
func (f *Feed) Len() (prefixes, waiting int) {
	f.mu.Lock()
	defer f.mu.Unlock()
	return len(f.paths), len(f.dirty)
}

func (f *Feed) mark(prefix netip.Prefix) {
	if _, waits := f.dirty[prefix]; !waits {
		f.dirty[prefix] = struct{}{}
		f.queue = append(f.queue, prefix)
	}
}

func (f *Feed) wake() {
	select {
	case f.ready <- struct{}{}:
	default:
	}
}
