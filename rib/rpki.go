package rib

import (
	"iter"
	"net/netip"
	"slices"
	"sync/atomic"

	"github.com/gaissmai/bart"
)

// ROA is a validated payload of the RPKI (RFC 6811, 2: a VRP): an AS that may originate a prefix,
// and longer ones in it of up to MaxLength bits.
type ROA struct {
	Prefix    netip.Prefix
	MaxLength uint8
	AS        uint32
}

// ROAs are all that BGP has from its caches. They are immutable.
type ROAs struct {
	own uint32 // this router's AS
	at  bart.Table[[]maximum]
}

// maximum is a ROA under its prefix. They are sorted, and each is there once.
type maximum struct {
	as     uint32
	length uint8
}

// NewROAs makes a table for a router of an AS, which is the origin of paths without any other
// (RFC 6811, 2).
func NewROAs(own uint32, all iter.Seq[ROA]) *ROAs {
	t := &ROAs{own: own}
	for r := range all {
		if !r.Prefix.IsValid() {
			continue
		}
		list, _ := t.at.Get(r.Prefix.Masked())
		m := maximum{r.AS, r.MaxLength}
		at, had := slices.BinarySearchFunc(list, m, maximum.compare)
		if !had {
			t.at.Insert(r.Prefix.Masked(), slices.Insert(list, at, m))
		}
	}
	return t
}

func (m maximum) compare(o maximum) int {
	if m.as != o.as {
		return int(int64(m.as) - int64(o.as))
	}
	return int(m.length) - int(o.length)
}

// Validity is what they say of a path (RFC 6811, 2.1). What no AS is the origin of, because the
// AS path ends in a set, no ROA matches.
func (t *ROAs) Validity(prefix netip.Prefix, a *Attrs) Validity {
	if t == nil || t.at.Size() == 0 {
		return NotFound
	}
	origin, known := t.origin(a)
	v := NotFound
	for _, list := range t.at.Supernets(prefix) {
		for _, m := range list {
			if known && m.as == origin && m.as != 0 && prefix.Bits() <= int(m.length) { // of AS 0: RFC 6483, 4
				return Valid
			}
			v = Invalid
		}
	}
	return v
}

// origin is the AS that a path originated in; false: it is none.
func (t *ROAs) origin(a *Attrs) (as uint32, known bool) {
	last := ASSegment{Kind: ConfedSequence}
	for s := range a.Segments {
		last = s
	}
	switch {
	case last.Kind == ASSequence && len(last.ASes) > 0:
		return last.ASes[len(last.ASes)-1], true
	case last.Kind == ASSet:
		return 0, false
	}
	return t.own, true
}

// Since are the prefixes of which a path, or one for a longer prefix, may have another validity by
// t than by old.
func (t *ROAs) Since(old *ROAs) (changed *Prefixes) {
	changed = new(Prefixes)
	if old == nil {
		old = new(ROAs)
	}
	for p, list := range t.at.All() {
		if was, _ := old.at.Get(p); !slices.Equal(was, list) {
			changed.add(p)
		}
	}
	for p := range old.at.All() {
		if _, is := t.at.Get(p); !is {
			changed.add(p)
		}
	}
	if t.own != old.own {
		for p := range t.at.All() {
			changed.add(p)
		}
	}
	return changed
}

// Prefixes are some prefixes, with all that is in them.
type Prefixes struct{ at bart.Table[struct{}] }

func (s *Prefixes) add(p netip.Prefix) { s.at.Insert(p, struct{}{}) }

// Covers tells whether a prefix is one of them, or in one.
func (s *Prefixes) Covers(p netip.Prefix) bool {
	_, is := s.at.LookupPrefix(p)
	return is
}

// Empty tells whether there are none.
func (s *Prefixes) Empty() bool { return s.at.Size() == 0 }

// RPKI is what the RPKI says of paths, as BGP has it now. The zero RPKI, and a nil one, says of
// none anything. It is safe for concurrent use.
type RPKI struct{ now atomic.Pointer[ROAs] }

// Set puts another table in the place of the one before, and returns that; nil: there was none.
func (r *RPKI) Set(t *ROAs) (was *ROAs) { return r.now.Swap(t) }

// For is what a policy is told of a path: NotFound, where it does not ask.
func (r *RPKI) For(policy Judge, p *Path) Validity {
	if r == nil || !AsksRPKI(policy) {
		return NotFound
	}
	return r.now.Load().Validity(p.Prefix, p.Attrs)
}

// rpkiAsker is a Judge that may have a word for what the RPKI says.
type rpkiAsker interface{ AsksRPKI() bool }

// AsksRPKI tells whether what a policy decides depends on what the RPKI says.
func AsksRPKI(policy Judge) bool {
	asker, is := policy.(rpkiAsker)
	return is && asker.AsksRPKI()
}

// MarkWithin has the prefixes of a feed taken again that are in some, a few under one lock.
func MarkWithin(f *Feed, some *Prefixes) {
	for from, more := Slot(0), true; more; from += sortedAtOnce {
		more = markWithin(f, some, from)
	}
}

func markWithin(f *Feed, some *Prefixes, from Slot) bool {
	f.mu.Lock()
	defer f.mu.Unlock()
	end := f.slots.end()
	for slot := from; slot < min(end, from+sortedAtOnce); slot++ {
		if c := f.cells.At(slot); !c.empty() && some.Covers(f.slots.key(slot).prefix()) {
			f.queue.add(slot, c, f.slots.family(slot))
		}
	}
	if !f.queue.empty() {
		f.wake()
	}
	return from+sortedAtOnce < end
}
