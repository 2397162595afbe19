package rib

import "time"

// What a Feed does with its cells and its queue, under its lock.

// put makes paths the newest word on a cell's prefix.
func (f *Feed) put(slot Slot, c *feedCell, paths []Path) {
	if !c.empty() {
		f.withPaths[c.family()]--
	}
	f.fill(slot, c, paths)
	if !c.empty() {
		f.withPaths[c.family()]++
	}
	if !c.empty() || c.is(metaHeld) {
		f.queue(slot, c)
		return
	}
	f.unqueue(c) // the reader was never told of it
	f.settle(slot, c)
}

// settle frees a cell that nobody needs: it has no path, nothing waits, and the
// reader does not hold it.
func (f *Feed) settle(slot Slot, c *feedCell) {
	if !c.empty() || c.is(metaHeld) {
		return
	}
	f.unqueue(c)
	f.index.remove(slot)
	family := f.key(slot).family()
	*c = feedCell{}
	f.free[family] = append(f.free[family], slot)
	if f.index.used == 0 { // a table that was there once leaves nothing
		f.cells, f.high, f.free, f.chunks, f.taken = Slots[feedCell]{}, Slots[[3]uint32]{}, [Families][]Slot{}, 0, nil
	}
}

func (f *Feed) alloc(k packed) Slot {
	free := &f.free[k.family()]
	if len(*free) == 0 {
		for i := Slot(slotChunk); i > 0; i-- {
			*free = append(*free, f.chunks*slotChunk+i-1)
		}
		f.chunks++
	}
	last := len(*free) - 1
	slot := (*free)[last]
	*free = (*free)[:last]
	f.name(slot, k)
	f.index.add(slot)
	return slot
}

// queue puts a cell at the end of the queue, unless it waits already.
func (f *Feed) queue(slot Slot, c *feedCell) {
	if c.is(metaDirty) {
		return
	}
	if f.unlooked++; f.first == 0 || f.unlooked >= clockEvery {
		f.now, f.unlooked = f.clock(time.Now()), 0
	}
	c.set(metaDirty, true)
	c.at, c.prev, c.next = f.now, f.last, 0
	if f.last == 0 {
		f.first = slot + 1
	} else {
		f.cells.At(f.last - 1).next = slot + 1
	}
	f.last = slot + 1
	f.waiting[c.family()]++
}

// unqueue takes a cell out of the queue, where it is in there.
func (f *Feed) unqueue(c *feedCell) {
	if !c.is(metaDirty) {
		return
	}
	if c.prev == 0 {
		f.first = c.next
	} else {
		f.cells.At(c.prev - 1).next = c.next
	}
	if c.next == 0 {
		f.last = c.prev
	} else {
		f.cells.At(c.next - 1).prev = c.prev
	}
	c.set(metaDirty, false)
	c.prev, c.next = 0, 0
	f.waiting[c.family()]--
}

// clock returns the milliseconds since the feed began. They wrap after 49 days.
func (f *Feed) clock(now time.Time) uint32 { return uint32(now.Sub(f.began) / time.Millisecond) }

func (f *Feed) wake() {
	select {
	case f.ready <- struct{}{}:
	default:
	}
}
