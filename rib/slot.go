package rib

import (
	"encoding/binary"
	"hash/maphash"
	"net/netip"
)

// Slot is a small number that stands for a prefix of a Feed, for as long as the
// feed has a path for it, a change of it waits, or the reader holds it. Whoever
// keeps something for each prefix keeps it in a Slots, and hashes no prefix.
type Slot uint32

// Slots holds a T for each Slot, the zero T where nothing was put. It is made of
// small pieces that never move, so a pointer into it stays good, and there are
// only those that were asked for. It has one user at a time.
type Slots[T any] struct{ chunks []*[slotChunk]T }

// slotChunk is how many slots are allocated together: few, because most of a
// thousand VRFs have a handful of routes.
const slotChunk = 64

// At returns the T of a slot.
func (s *Slots[T]) At(i Slot) *T {
	for int(i/slotChunk) >= len(s.chunks) {
		s.chunks = append(s.chunks, nil)
	}
	c := &s.chunks[i/slotChunk]
	if *c == nil {
		*c = new([slotChunk]T)
	}
	return &(*c)[i%slotChunk]
}

// All yields every slot for which there is room, and its T.
func (s *Slots[T]) All(yield func(Slot, *T) bool) {
	for n, c := range s.chunks {
		if c == nil {
			continue
		}
		for i := range c {
			if !yield(Slot(n*slotChunk+i), &c[i]) {
				return
			}
		}
	}
}

// packed is a prefix without the pointer that a netip.Addr has, so that millions
// of them cost the garbage collector nothing.
type packed struct {
	hi, lo uint64
	bits   uint8
	v4     bool
}

// mapped is what is before an IPv4 address in the lower half of its IPv6 form.
const mapped = 0xffff << 32

func pack(p netip.Prefix) packed {
	b := p.Addr().As16()
	return packed{
		binary.BigEndian.Uint64(b[:8]), binary.BigEndian.Uint64(b[8:]),
		uint8(p.Bits()), p.Addr().Is4(),
	}
}

func (k packed) family() Family {
	if k.v4 {
		return IPv4
	}
	return IPv6
}

func (k packed) prefix() netip.Prefix {
	if k.v4 {
		var b [4]byte
		binary.BigEndian.PutUint32(b[:], uint32(k.lo))
		return netip.PrefixFrom(netip.AddrFrom4(b), int(k.bits))
	}
	var b [16]byte
	binary.BigEndian.PutUint64(b[:8], k.hi)
	binary.BigEndian.PutUint64(b[8:], k.lo)
	return netip.PrefixFrom(netip.AddrFrom16(b), int(k.bits))
}

// slotIndex finds the slot of a prefix. It holds slots alone, 4 bytes each, and
// compares with the prefixes where they are kept: a map would hold each twice.
// Collisions go to the next place (linear probing); its seed is its own, so that
// no peer can choose prefixes that collide.
type slotIndex struct {
	seed   maphash.Seed
	places []Slot // slot+1; 0: free. The length is a power of two
	used   int
	key    func(Slot) packed
}

const fewestPlaces = 16

func newSlotIndex(key func(Slot) packed) slotIndex {
	return slotIndex{seed: maphash.MakeSeed(), places: make([]Slot, fewestPlaces), key: key}
}

func (x *slotIndex) home(k packed) int {
	h := maphash.Comparable(x.seed, [3]uint64{k.hi, k.lo, uint64(k.bits)})
	return int(h) & (len(x.places) - 1)
}

func (x *slotIndex) find(k packed) (Slot, bool) {
	for i := x.home(k); x.places[i] != 0; i = (i + 1) & (len(x.places) - 1) {
		if s := x.places[i] - 1; x.key(s) == k {
			return s, true
		}
	}
	return 0, false
}

// add enters a slot that is not in there. Its key must be kept already.
func (x *slotIndex) add(s Slot) {
	if 4*(x.used+1) > 3*len(x.places) {
		x.resize(2 * len(x.places))
	}
	x.used++
	x.put(s)
}

func (x *slotIndex) put(s Slot) {
	i := x.home(x.key(s))
	for x.places[i] != 0 {
		i = (i + 1) & (len(x.places) - 1)
	}
	x.places[i] = s + 1
}

// remove takes a slot out, and closes the gap that later places rely on.
func (x *slotIndex) remove(s Slot) {
	mask := len(x.places) - 1
	i := x.home(x.key(s))
	for x.places[i] != s+1 {
		i = (i + 1) & mask
	}
	for j := (i + 1) & mask; x.places[j] != 0; j = (j + 1) & mask {
		// What lies at j may move to i where its home is not between them.
		if home := x.home(x.key(x.places[j] - 1)); (j-home)&mask >= (j-i)&mask {
			x.places[i] = x.places[j]
			i = j
		}
	}
	x.places[i] = 0
	x.used--
	if len(x.places) > fewestPlaces && 8*x.used < len(x.places) {
		x.resize(len(x.places) / 2)
	}
}

func (x *slotIndex) resize(n int) {
	old := x.places
	x.places = make([]Slot, n)
	for _, s := range old {
		if s != 0 {
			x.put(s - 1)
		}
	}
}
