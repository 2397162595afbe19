package rib

import "math"

// feedCell is what a feed holds of one prefix, in 48 bytes: a full table has a
// million of them. A single path is in the cell itself. Several, and one that
// does not fit, are a list beside it, and so are the first 12 bytes of an IPv6
// prefix: see Feed.
type feedCell struct {
	attrs      *Attrs // of the single path; nil: there is none, or a list
	rd         RD
	addr       uint32 // the last 4 bytes of the prefix's address
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
	metaList  = 1 << 11 // the paths are in Feed.lists
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

func (c *feedCell) empty() bool { return c.attrs == nil && !c.is(metaList) }

func (c *feedCell) family() Family {
	if c.is(metaV4) {
		return IPv4
	}
	return IPv6
}

// name makes a cell that of a prefix.
func (f *Feed) name(slot Slot, k packed) {
	c := f.cells.At(slot)
	c.addr, c.meta = uint32(k.lo), uint32(k.bits)
	c.set(metaV4, k.v4)
	if !k.v4 {
		*f.high.At(slot) = [3]uint32{uint32(k.hi >> 32), uint32(k.hi), uint32(k.lo >> 32)}
	}
}

// key returns the prefix of a cell.
func (f *Feed) key(slot Slot) packed {
	c := f.cells.At(slot)
	if c.is(metaV4) {
		return packed{0, mapped | uint64(c.addr), uint8(c.meta & metaBits), true}
	}
	h := f.high.At(slot)
	return packed{uint64(h[0])<<32 | uint64(h[1]), uint64(h[2])<<32 | uint64(c.addr), uint8(c.meta & metaBits), false}
}

// onlyOf tells whether no path of a cell has another RD.
func (c *feedCell) onlyOf(rd RD) bool {
	return !c.is(metaList) && (c.attrs == nil || c.rd == rd)
}

// paths appends a cell's paths.
func (f *Feed) paths(buf []Path, slot Slot, c *feedCell) []Path {
	switch {
	case c.is(metaList):
		return append(buf, f.lists[slot]...)
	case c.attrs == nil:
		return buf
	}
	return append(buf, Path{
		Prefix: f.key(slot).prefix(), RD: c.rd, ID: c.id, Label: c.meta >> metaLabel, Age: int64(c.age), Attrs: c.attrs,
	})
}

// fill makes paths, which are copied, all that a cell has.
func (f *Feed) fill(slot Slot, c *feedCell, paths []Path) {
	if c.is(metaList) {
		delete(f.lists, slot)
		c.set(metaList, false)
	}
	c.attrs = nil
	switch {
	case len(paths) == 0:
	case len(paths) == 1 && fits(&paths[0]):
		p := &paths[0]
		c.attrs, c.rd, c.id, c.age = p.Attrs, p.RD, p.ID, uint32(p.Age)
		c.meta = c.meta&(1<<metaLabel-1) | p.Label<<metaLabel
	default:
		f.lists[slot] = append([]Path(nil), paths...)
		c.set(metaList, true)
	}
}

func fits(p *Path) bool {
	return p.Attrs != nil && p.Label <= mostLabel && p.Age >= 0 && p.Age <= math.MaxUint32
}
