package rib

import "hash/maphash"

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
