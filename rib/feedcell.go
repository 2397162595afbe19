package rib

import (
	"math"
	"net/netip"
)

// feedCell is what a feed holds of one prefix, in 40 bytes: a full table has a million of
// them. A single path is in the cell itself. Several, and one that does not fit, are a
// list beside it: see Feed.
type feedCell struct {
	attrs      *Attrs // of the single path; nil: there is none, or a list
	rd         RD
	age        uint32
	id         uint32
	next, prev Slot   // in the queue, each one more than the slot; 0: none
	at         uint32 // when it was queued, in milliseconds of the queue's time
	meta       uint32 // flags, and the label
}

const (
	metaQueued = 1 << 0 // a change waits: it is in the queue
	metaHeld   = 1 << 1 // the reader knows the slot
	metaList   = 1 << 2 // the paths are in Feed.lists
	metaLabel  = 12     // the lowest bit of the label
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

// onlyOf tells whether no path of a cell has another RD.
func (c *feedCell) onlyOf(rd RD) bool {
	return !c.is(metaList) && (c.attrs == nil || c.rd == rd)
}

// path returns the single path of a cell that has one.
func (c *feedCell) path(prefix netip.Prefix) Path {
	return Path{Prefix: prefix, RD: c.rd, ID: c.id, Label: c.meta >> metaLabel, Age: int64(c.age), Attrs: c.attrs}
}

// keep makes p, which fits, the single path of a cell.
func (c *feedCell) keep(p *Path) {
	c.attrs, c.rd, c.id, c.age = p.Attrs, p.RD, p.ID, uint32(p.Age)
	c.meta = c.meta&(1<<metaLabel-1) | p.Label<<metaLabel
}

func fits(p *Path) bool {
	return p.Attrs != nil && p.Label <= mostLabel && p.Age >= 0 && p.Age <= math.MaxUint32
}
