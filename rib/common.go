package rib

import "net/netip"

// Common keeps announcements without their prefixes, and those that say the same one after the other
// once: of a table that is imported most do. The zero value has none; it is for one goroutine at a time.
type Common struct {
	last *Announcement
}

// Of is what is kept of an announcement, which nobody changes.
func (c *Common) Of(a Announcement) *Announcement {
	a.Prefix = netip.Prefix{}
	if c.last == nil || c.last.Of != a.Of || !a.Equal(c.last) {
		kept := a // a itself would be allocated by each call
		c.last = &kept
	}
	return c.last
}
