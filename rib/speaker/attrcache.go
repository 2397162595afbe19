package speaker

import "github.com/vrfredist/vrfredist/rib"

// attrEntry is what paths with the same attributes share.
type attrEntry struct {
	attrs     *rib.Attrs
	importers *importers // of a VPN path, once the index has looked them up
}

// attrCache remembers the attributes of recent paths, so that the paths of one
// UPDATE, and of many, point to one rib.Attrs. It holds two generations of at
// most attrCacheSize entries: when the young one is full it becomes the old
// one, and what is still used moves over.
type attrCache struct {
	young, old map[string]*attrEntry
}

// sharedVias bounds the table of Vias: one for each neighbour and nexthop.
const sharedVias = 8192

// shared returns the one Via that says what v says.
func (d *decoder) shared(v rib.Via) *rib.Via {
	if s := d.vias[v]; s != nil {
		return s
	}
	if len(d.vias) >= sharedVias {
		clear(d.vias) // those in use stay so; the next ones are shared anew
	}
	d.vias[v] = &v
	return &v
}

const attrCacheSize = 8192

func (c *attrCache) get(key []byte) *attrEntry {
	if e := c.young[string(key)]; e != nil {
		return e
	}
	e := c.old[string(key)]
	if e != nil {
		c.put(key, e)
	}
	return e
}

func (c *attrCache) put(key []byte, e *attrEntry) {
	if c.young == nil || len(c.young) >= attrCacheSize {
		c.old, c.young = c.young, make(map[string]*attrEntry)
	}
	c.young[string(key)] = e
}
