package rib

import "math"

// feedCell is what a feed holds of one prefix, in 64 bytes: a full table has a
// million of them. A single path is in the cell itself; several, and one that
// does not fit, are a list beside it.
type feedCell struct {
	hi, lo     uint64  // the prefix's address, as in packed
	attrs      *Attrs  // of the single path; nil: there is none
	list       *[]Path // instead of the single path; nil: none
	rd         RD
	age        uint32
	id         uint32
	next, prev Slot   // in the queue, each one more than the slot; 0: none
	at         uint32 // when it was queued, in milliseconds of the feed's time
	meta       uint32 // the prefix's length, flags, and the label
}

const (
	metaBits  = 0xff
	metaV4    = 1 << 8
	metaDirty = 1 << 9  // a change waits: it is in the queue
	metaHeld  = 1 << 10 // the reader knows the slot
	metaUsed  = 1 << 11 // it is a prefix's
	metaLabel = 12      // the lowest bit of the label
	mostLabel = math.MaxUint32 >> metaLabel
)

func (c *feedCell) is(flag uint32) bool { return c.meta&flag != 0 }

func (c *feedCell) set(flag uint32, v bool) {
	c.meta &^= flag
	if v {
		c.meta |= flag
	}
}

func (c *feedCell) name(k packed) {
	c.hi, c.lo, c.meta = k.hi, k.lo, metaUsed|uint32(k.bits)
	c.set(metaV4, k.v4)
}

func (c *feedCell) key() packed { return packed{c.hi, c.lo, uint8(c.meta & metaBits), c.is(metaV4)} }

func (c *feedCell) empty() bool { return c.attrs == nil && c.list == nil }

// onlyOf tells whether no path has another RD.
func (c *feedCell) onlyOf(rd RD) bool {
	return c.list == nil && (c.attrs == nil || c.rd == rd)
}

// paths appends the cell's paths.
func (c *feedCell) paths(buf []Path) []Path {
	if c.list != nil {
		return append(buf, *c.list...)
	}
	if c.attrs == nil {
		return buf
	}
	return append(buf, Path{
		Prefix: c.key().prefix(), RD: c.rd, ID: c.id, Label: c.meta >> metaLabel, Age: int64(c.age), Attrs: c.attrs,
	})
}

// put makes paths, which are copied, all that the cell has.
func (c *feedCell) put(paths []Path) {
	c.attrs, c.list = nil, nil
	switch {
	case len(paths) == 0:
	case len(paths) == 1 && fits(&paths[0]):
		p := &paths[0]
		c.attrs, c.rd, c.id, c.age = p.Attrs, p.RD, p.ID, uint32(p.Age)
		c.meta = c.meta&(1<<metaLabel-1) | p.Label<<metaLabel
	default:
		list := append([]Path(nil), paths...)
		c.list = &list
	}
}

func fits(p *Path) bool {
	return p.Attrs != nil && p.Label <= mostLabel && p.Age >= 0 && p.Age <= math.MaxUint32
}
