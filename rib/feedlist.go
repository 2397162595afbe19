package rib

import (
	"iter"
	"net/netip"
	"slices"
)

// What of a Feed any goroutine may look at.

// Lookup returns the paths of one prefix. They are the caller's.
func (f *Feed) Lookup(prefix netip.Prefix) []Path {
	f.mu.Lock()
	defer f.mu.Unlock()
	slot, found := f.slots.find(pack(prefix))
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
		prefixes, waiting = prefixes+f.withPaths[family], waiting+f.queue.waiting[family]
	}
	return prefixes, waiting
}

// LenOf is Len of one family.
func (f *Feed) LenOf(family Family) (prefixes, waiting int) {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.withPaths[family], f.queue.waiting[family]
}

// WithPaths returns every prefix that has a path, in any order.
func (f *Feed) WithPaths() []netip.Prefix {
	f.mu.Lock()
	defer f.mu.Unlock()
	list := make([]netip.Prefix, 0, f.withPaths[IPv4]+f.withPaths[IPv6])
	for slot, c := range f.cells.All {
		if !c.empty() {
			list = append(list, f.slots.key(slot).prefix())
		}
	}
	return list
}

// Sorted yields the prefixes that have a path or that the reader holds and for which
// within, where it is not nil, is true: IPv4 before IPv6, then by address, then short
// to long. They are collected before it returns, a few at a time, so that neither the
// writer nor the reader waits for a whole table; one that comes or goes meanwhile may
// be among them or not. It may be called from any goroutine.
func (f *Feed) Sorted(within func(netip.Prefix) bool) iter.Seq[netip.Prefix] {
	var four []uint64 // the address and the length: a number is sorted soonest
	var six, some []packed
	if within == nil {
		four = make([]uint64, 0, usedBy(f, IPv4))
	}
	for from, more := Slot(0), true; more; from += sortedAtOnce {
		some, more = f.keys(some[:0], from)
		for _, k := range some {
			switch {
			case within != nil && !within(k.prefix()):
			case k.v4:
				four = append(four, uint64(uint32(k.lo))<<8|uint64(k.bits))
			default:
				six = append(six, k)
			}
		}
	}
	slices.Sort(four)
	slices.SortFunc(six, packed.compare)
	// One that went and came may have had two slots.
	four, six = slices.Compact(four), slices.Compact(six)
	return func(yield func(netip.Prefix) bool) {
		for _, k := range four {
			if !yield((packed{0, mapped | k>>8, uint8(k), true}).prefix()) {
				return
			}
		}
		for _, k := range six {
			if !yield(k.prefix()) {
				return
			}
		}
	}
}

// usedBy is about how many slots of a feed a family has in use.
func usedBy(f *Feed, family Family) int {
	f.mu.Lock()
	defer f.mu.Unlock()
	if family == IPv4 && f.withPaths[IPv6] == 0 {
		return f.slots.index.used
	}
	return f.withPaths[family]
}

// sortedAtOnce is how many slots are looked at under one lock: some 20 µs of work.
const sortedAtOnce = 4096

// keys appends the keys of those slots of the next sortedAtOnce that stand for a
// prefix, and tells whether there are slots after them.
func (f *Feed) keys(buf []packed, from Slot) ([]packed, bool) {
	f.mu.Lock()
	defer f.mu.Unlock()
	end := f.slots.end() // 0, where the last prefix has gone meanwhile
	for slot := from; slot < min(end, from+sortedAtOnce); slot++ {
		if f.cells.At(slot).used() {
			buf = append(buf, f.slots.key(slot))
		}
	}
	return buf, from+sortedAtOnce < end
}

// MarkSeveral has every prefix taken again that has several paths, and one for whose
// attributes has is true. It looks at a few under one lock, so that neither the writer nor the
// reader waits for a whole table.
func (f *Feed) MarkSeveral(has func(*Attrs) bool) {
	for from, more := Slot(0), true; more; from += sortedAtOnce {
		more = f.mark(has, from, true)
	}
}

// MarkAll is MarkSeveral of every prefix that has a path for whose attributes has is true.
func MarkAll(f *Feed, has func(*Attrs) bool) {
	for from, more := Slot(0), true; more; from += sortedAtOnce {
		more = f.mark(has, from, false)
	}
}

func (f *Feed) mark(has func(*Attrs) bool, from Slot, several bool) bool {
	f.mu.Lock()
	defer f.mu.Unlock()
	end := f.slots.end()
	for slot := from; slot < min(end, from+sortedAtOnce); slot++ {
		if c := f.cells.At(slot); (!several || f.kept.several(slot, c)) && !c.empty() && f.kept.has(slot, c, has) {
			f.queue.add(slot, c, f.slots.family(slot))
		}
	}
	if !f.queue.empty() {
		f.wake()
	}
	return from+sortedAtOnce < end
}

// Each calls with for every path, a few under one lock.
func (f *Feed) Each(with func(Path)) {
	for _, paths := range f.All {
		for _, p := range paths {
			with(p)
		}
	}
}

// All yields every prefix that has a path, in any order, with its paths, which are good until the
// next. It looks at a few under one lock; a prefix that goes and comes meanwhile may be yielded
// twice. It may be called from any goroutine.
func (f *Feed) All(yield func(netip.Prefix, []Path) bool) {
	var paths []Path
	for from, more := Slot(0), true; more; from += sortedAtOnce {
		paths, more = somePaths(f, paths[:0], from)
		for rest := paths; len(rest) > 0; {
			n := 1
			for n < len(rest) && rest[n].Prefix == rest[0].Prefix {
				n++
			}
			if !yield(rest[0].Prefix, rest[:n:n]) {
				return
			}
			rest = rest[n:]
		}
	}
}

// somePaths appends the paths of the next sortedAtOnce slots of a feed, and tells whether there are
// slots after them.
func somePaths(f *Feed, buf []Path, from Slot) ([]Path, bool) {
	f.mu.Lock()
	defer f.mu.Unlock()
	end := f.slots.end()
	for slot := from; slot < min(end, from+sortedAtOnce); slot++ {
		buf = f.paths(buf, slot, f.cells.At(slot))
	}
	return buf, from+sortedAtOnce < end
}
