package rib

import "time"

// feedQueue is the cells of a feed whose changes wait to be taken, oldest first. A cell is
// in it once, by links in the cell itself.
type feedQueue struct {
	cells       *Slots[feedCell]
	first, last Slot          // each one more than the slot, 0: none
	waiting     [Families]int // how many are in it
	began       time.Time
	now         uint32 // milliseconds since began, as of the last look at the clock
	unlooked    int    // how many were queued since then
}

// clockEvery is how many changes share a look at the clock.
const clockEvery = 64

// add puts a cell at the end, unless it waits already.
func (q *feedQueue) add(slot Slot, c *feedCell, family Family) {
	if c.is(metaQueued) {
		return
	}
	if q.unlooked++; q.first == 0 || q.unlooked >= clockEvery {
		q.now, q.unlooked = q.clock(time.Now()), 0
	}
	c.set(metaQueued, true)
	c.at, c.prev, c.next = q.now, q.last, 0
	if q.last == 0 {
		q.first = slot + 1
	} else {
		q.cells.At(q.last - 1).next = slot + 1
	}
	q.last = slot + 1
	q.waiting[family]++
}

// remove takes a cell out, where it is in there.
func (q *feedQueue) remove(c *feedCell, family Family) {
	if !c.is(metaQueued) {
		return
	}
	if c.prev == 0 {
		q.first = c.next
	} else {
		q.cells.At(c.prev - 1).next = c.next
	}
	if c.next == 0 {
		q.last = c.prev
	} else {
		q.cells.At(c.next - 1).prev = c.prev
	}
	c.set(metaQueued, false)
	c.prev, c.next = 0, 0
	q.waiting[family]--
}

// empty tells whether nothing waits.
func (q *feedQueue) empty() bool { return q.first == 0 }

// head returns the cell that waits longest, of a queue that is not empty.
func (q *feedQueue) head() (Slot, *feedCell) { return q.first - 1, q.cells.At(q.first - 1) }

// since returns about when the oldest change came that waits; the zero time where none
// does. The difference is right when the milliseconds have wrapped too.
func (q *feedQueue) since() time.Time {
	if q.empty() {
		return time.Time{}
	}
	now := time.Now()
	_, c := q.head()
	return now.Add(-time.Duration(q.clock(now)-c.at) * time.Millisecond)
}

// clock returns the milliseconds since the queue began. They wrap after 49 days.
func (q *feedQueue) clock(now time.Time) uint32 { return uint32(now.Sub(q.began) / time.Millisecond) }
