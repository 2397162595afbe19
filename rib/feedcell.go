package rib

import "math"

// feedCell is what a feed holds of one prefix, in 40 bytes: a full table has a million of
// them. The first path is in the cell itself, each other one in a morePath. Paths of which
// one does not fit are a list beside it: see Feed.
type feedCell struct {
	attrs      *Attrs // of the first path; nil: there is none, or a list
	rd         uint32 // as rdTable has it
	age        uint32
	id         uint32
	more       uint32 // the second path: one more than its index among the morePaths; 0: none
	next, prev Slot   // in the queue, each one more than the slot; 0: none
	at         uint32 // when it was queued, in milliseconds of the queue's time
	meta       uint32 // flags, and the label
}

// morePath is a further path of a prefix but for its attributes, in 20 bytes.
type morePath struct {
	rd    uint32
	age   uint32
	id    uint32
	label uint32
	next  uint32 // as feedCell.more; of one that is free, the next free one
}

const (
	metaQueued = 1 << 0 // a change waits: it is in the queue
	metaHeld   = 1 << 1 // the reader knows the slot
	metaList   = 1 << 2 // the paths are in Feed.lists
	metaLabel  = 8      // the lowest bit of the label, which has 24 where it is a VNI
	mostLabel  = math.MaxUint32 >> metaLabel
)

func (c *feedCell) is(flag uint32) bool { return c.meta&flag != 0 }

func (c *feedCell) set(flag uint32, v bool) {
	c.meta &^= flag
	if v {
		c.meta |= flag
	}
}

func (c *feedCell) empty() bool { return c.attrs == nil && !c.is(metaList) }

// used tells whether the cell stands for a prefix.
func (c *feedCell) used() bool { return !c.empty() || c.is(metaHeld) }

// keep makes p, which fits, the first path of a cell.
func (c *feedCell) keep(p *Path, rd uint32) {
	c.attrs, c.rd, c.id, c.age = p.Attrs, rd, p.ID, uint32(p.Age)
	c.meta = c.meta&(1<<metaLabel-1) | p.Label<<metaLabel
}

func fits(p *Path) bool {
	return p.Attrs != nil && p.Label <= mostLabel && p.Age >= 0 && p.Age <= math.MaxUint32
}
