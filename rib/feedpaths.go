package rib

import (
	"net/netip"
	"slices"
)

// feedPaths is where a feed has the paths of its cells.
//
// Of a further path the attributes are in one table and all else in another, by the same
// index: so each chunk of the one is 512 bytes, and of the other 1280 without a pointer. Of a
// longer chunk with pointers Go's allocator keeps a header, and rounds up what both come to: 64
// times 32 bytes are 2304 then, 36 a path and not 28.
type feedPaths struct {
	attrs Slots[*Attrs]
	more  Slots[morePath]
	used  uint32          // how many of more were ever in use
	free  uint32          // the first free one, as feedCell.more
	inUse int             // how many are
	lists map[Slot][]Path // of cells with a path that does not fit
	rds   rdTable         // numbers for route distinguishers
}

// appendTo appends the paths of a cell, which stands for prefix.
func (s *feedPaths) appendTo(buf []Path, slot Slot, c *feedCell, prefix netip.Prefix) []Path {
	if c.is(metaList) {
		return append(buf, s.lists[slot]...)
	}
	if c.attrs == nil {
		return buf
	}
	buf = append(buf, Path{prefix, s.rds.of(c.rd), c.id, c.meta >> metaLabel, int64(c.age), c.attrs})
	for at := c.more; at != 0; {
		m := s.more.At(Slot(at - 1))
		buf = append(buf, Path{prefix, s.rds.of(m.rd), m.id, m.label, int64(m.age), *s.attrs.At(Slot(at - 1))})
		at = m.next
	}
	return buf
}

// several tells whether a cell has more than one path.
func (s *feedPaths) several(slot Slot, c *feedCell) bool {
	return c.more != 0 || len(s.lists[slot]) > 1
}

// has tells whether a cell has a path for whose attributes is is true.
func (s *feedPaths) has(slot Slot, c *feedCell, is func(*Attrs) bool) bool {
	if c.is(metaList) {
		return slices.ContainsFunc(s.lists[slot], func(p Path) bool { return is(p.Attrs) })
	}
	found := is(c.attrs)
	for at := c.more; at != 0 && !found; {
		found, at = is(*s.attrs.At(Slot(at - 1))), s.more.At(Slot(at-1)).next
	}
	return found
}

// put makes paths, which are copied, all that a cell has.
func (s *feedPaths) put(slot Slot, c *feedCell, paths []Path) {
	s.clear(slot, c)
	if len(paths) == 0 {
		return
	}
	for i := range paths {
		if !fits(&paths[i]) {
			if s.lists == nil {
				s.lists = make(map[Slot][]Path)
			}
			s.lists[slot] = append([]Path(nil), paths...)
			c.set(metaList, true)
			return
		}
	}
	c.keep(&paths[0], s.rds.hold(paths[0].RD))
	to := &c.more
	for i := range paths[1:] {
		p := &paths[1+i]
		at := s.take()
		m := s.more.At(Slot(at - 1))
		*m, *s.attrs.At(Slot(at - 1)) = morePath{s.rds.hold(p.RD), uint32(p.Age), p.ID, p.Label, 0}, p.Attrs
		*to, to = at, &m.next
	}
}

// clear leaves a cell without paths.
func (s *feedPaths) clear(slot Slot, c *feedCell) {
	if c.is(metaList) {
		delete(s.lists, slot)
		c.set(metaList, false)
	}
	if c.attrs == nil {
		return
	}
	s.rds.drop(c.rd)
	for at := c.more; at != 0; {
		m := s.more.At(Slot(at - 1))
		s.rds.drop(m.rd)
		next := m.next
		*m, *s.attrs.At(Slot(at - 1)) = morePath{next: s.free}, nil
		s.free, at = at, next
		s.inUse--
	}
	c.attrs, c.more = nil, 0
	if s.inUse == 0 { // a table of several paths that was there once leaves nothing
		s.attrs, s.more, s.used, s.free = Slots[*Attrs]{}, Slots[morePath]{}, 0, 0
	}
}

// take returns a free morePath, as feedCell.more has it.
func (s *feedPaths) take() uint32 {
	s.inUse++
	if at := s.free; at != 0 {
		s.free = s.more.At(Slot(at - 1)).next
		return at
	}
	s.used++
	return s.used
}
