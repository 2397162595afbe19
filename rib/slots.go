package rib

// slots gives each prefix of a Feed a Slot, and finds the one by the other. A prefix has
// one slot at a time; a slot that is removed may come to stand for another. Its user, who
// is one at a time, says when: it knows who holds what.
type slots struct {
	low    Slots[lowKey]
	high   Slots[[3]uint32] // the first 12 bytes of IPv6 prefixes
	index  slotIndex
	free   [Families][]Slot // the slots of a chunk are of one family: IPv4 has no high
	chunks Slot             // how many were ever in use
}

// lowKey is what is kept of every prefix, in 8 bytes: a full table has a million of them.
type lowKey struct {
	addr uint32 // the last 4 bytes of the address
	bits uint8  // the length
	v4   bool
}

// begin makes s ready. It must stay where it is from then on.
func (s *slots) begin() { s.index = newSlotIndex(s.key) }

// find returns the slot of a prefix.
func (s *slots) find(k packed) (Slot, bool) { return s.index.find(k) }

// add returns a slot for a prefix that has none.
func (s *slots) add(k packed) Slot {
	free := &s.free[k.family()]
	if len(*free) == 0 {
		for i := Slot(slotChunk); i > 0; i-- {
			*free = append(*free, s.chunks*slotChunk+i-1)
		}
		s.chunks++
	}
	last := len(*free) - 1
	slot := (*free)[last]
	*free = (*free)[:last]
	*s.low.At(slot) = lowKey{uint32(k.lo), k.bits, k.v4}
	if !k.v4 {
		*s.high.At(slot) = [3]uint32{uint32(k.hi >> 32), uint32(k.hi), uint32(k.lo >> 32)}
	}
	s.index.add(slot)
	return slot
}

// remove gives a slot up, and tells whether it was the last: a table that was there once
// leaves nothing.
func (s *slots) remove(slot Slot) (last bool) {
	s.index.remove(slot)
	if s.index.used == 0 {
		s.low, s.high, s.free, s.chunks = Slots[lowKey]{}, Slots[[3]uint32]{}, [Families][]Slot{}, 0
		return true
	}
	family := s.family(slot)
	s.free[family] = append(s.free[family], slot)
	return false
}

// key returns the prefix of a slot.
func (s *slots) key(slot Slot) packed {
	l := s.low.At(slot)
	if l.v4 {
		return packed{0, mapped | uint64(l.addr), l.bits, true}
	}
	h := s.high.At(slot)
	return packed{uint64(h[0])<<32 | uint64(h[1]), uint64(h[2])<<32 | uint64(l.addr), l.bits, false}
}

func (s *slots) family(slot Slot) Family {
	if s.low.At(slot).v4 {
		return IPv4
	}
	return IPv6
}

// end is the slot behind the last that was ever in use.
func (s *slots) end() Slot { return s.chunks * slotChunk }
