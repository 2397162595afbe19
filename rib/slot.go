package rib

// Slot is a small number that stands for a prefix of a Feed, for as long as the
// feed has a path for it, a change of it waits, or the reader holds it. What is kept for
// each prefix is kept in a Slots, by this number, so that no prefix is hashed for it.
type Slot uint32

// Slots holds a T for each Slot, the zero T where nothing was put. Its T are in chunks
// that never move, so a pointer to one stays good, and a chunk is there when one of
// its slots was first asked for. It has one user at a time.
type Slots[T any] struct {
	chunks []*[slotChunk]T
	spare  [][slotChunk]T // allocated, and not among chunks yet
	used   int            // how many are among chunks
}

// slotChunk is how many slots are allocated together: few, because most of a
// thousand VRFs have a handful of routes. A large table has slotChunks at once: by themselves Go's
// allocator would round each up, by a sixth where it is of 24 bytes a slot.
const (
	slotChunk  = 64
	slotChunks = 64
)

// At returns the T of a slot.
func (s *Slots[T]) At(i Slot) *T {
	for int(i/slotChunk) >= len(s.chunks) {
		s.chunks = append(s.chunks, nil)
	}
	c := &s.chunks[i/slotChunk]
	if *c == nil {
		*c = s.chunk()
	}
	return &(*c)[i%slotChunk]
}

// chunk returns one that is not in use.
func (s *Slots[T]) chunk() *[slotChunk]T {
	if s.used++; s.used <= slotChunks {
		return new([slotChunk]T)
	}
	if len(s.spare) == 0 {
		s.spare = make([][slotChunk]T, slotChunks)
	}
	c := &s.spare[0]
	s.spare = s.spare[1:]
	return c
}

// Peek returns the T of a slot; nil: there is no room for it.
func (s *Slots[T]) Peek(i Slot) *T {
	if int(i/slotChunk) >= len(s.chunks) || s.chunks[i/slotChunk] == nil {
		return nil
	}
	return &s.chunks[i/slotChunk][i%slotChunk]
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
