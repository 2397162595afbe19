package gobgp3

import (
	"hash/maphash"
	"net"
	"slices"

	"github.com/osrg/gobgp/v3/pkg/packet/bgp"

	"github.com/vrfredist/vrfredist/rib"
	"github.com/vrfredist/vrfredist/rib/speaker"
)

// attrEntry is shared by paths with the same attributes.
type attrEntry struct {
	attrs     *rib.Attrs
	importers *speaker.Importers // of a VPN path, once the intake has looked them up
}

// sender says where a path comes from, as far as its attributes depend on it.
type sender struct {
	peer *bgpPeer
	as   uint32
	id   net.IP
	ours bool
	why  rib.AnnouncedAs // of a path of ours
	rd   rib.RD          // of a path that originated here
	// carrier is that of a path in the tables of VPN routes and of EVPN, as if of a neighbour in
	// no VRF.
	carrier rib.Carrier
	six     bool // where SIDs are read: it is of IPv6
}

func (s *sender) equal(o *sender) bool {
	return s.peer == o.peer && s.as == o.as && s.ours == o.ours && s.why == o.why && s.rd == o.rd && s.carrier == o.carrier && s.six == o.six && s.id.Equal(o.id)
}

// recent knows the attributes of the last UPDATEs by identity, which is nearly free:
// the paths of one UPDATE have the same ones. It refers to them, so that no other
// comes to lie where they are. Paths of a few neighbours may alternate.
type recent struct {
	known [8]struct {
		from  sender
		list  []bgp.PathAttributeInterface
		entry *attrEntry
	}
	next, last int
}

func (r *recent) get(s *sender, list []bgp.PathAttributeInterface) *attrEntry {
	for i := range r.known {
		at := (r.last + i) % len(r.known)
		if k := &r.known[at]; k.entry != nil && k.from.equal(s) && sameAttrs(k.list, list) {
			r.last = at
			return k.entry
		}
	}
	return nil
}

func (r *recent) put(s *sender, list []bgp.PathAttributeInterface, e *attrEntry) {
	k := &r.known[r.next]
	k.from, k.list, k.entry = *s, list, e
	r.last, r.next = r.next, (r.next+1)%len(r.known)
}

// attrCache remembers the attributes of recent paths by value, so that the paths of
// many UPDATEs point to one rib.Attrs. It holds two generations of at most
// attrCacheSize entries: when the young generation is full it becomes the old one, and
// entries that are still used move over.
type attrCache struct {
	young, old map[string]*attrEntry
}

// sharedVias bounds the table of Vias: one for each neighbour and nexthop.
const sharedVias = 8192

// shared returns the one pointer to a Via that is equal to v. The table has them by
// their hash: each is kept once, and of two with the same hash the later one. To take the hash of one
// allocates it, so the one before is looked at first: mostly it is the same.
func (d *decoder) shared(v *rib.Via) *rib.Via {
	if d.lastVia != nil && *d.lastVia == *v {
		return d.lastVia
	}
	hash := maphash.Comparable(d.seed, *v)
	s := d.vias[hash]
	if s == nil || *s != *v {
		if len(d.vias) >= sharedVias {
			clear(d.vias) // Vias in use stay so; the next ones are shared anew
		}
		kept := *v
		s = &kept
		d.vias[hash] = s
	}
	d.lastVia = s
	return s
}

// shareTags has attributes share the Tags of those that were decoded before them, where they are the
// same: of the PEs of a VRF they mostly are. Without communities all share the empty ones.
func (d *decoder) shareTags(a *rib.Attrs) {
	for _, t := range []*rib.Tags{d.noTags, d.lastTags} {
		if slices.Equal(a.RTs, t.RTs) && slices.Equal(a.Communities, t.Communities) && slices.Equal(a.Large, t.Large) {
			a.Tags = t
			return
		}
	}
	kept := *a.Tags // what is decoded into is used again
	a.Tags, d.lastTags = &kept, &kept
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
	if len(c.young) >= attrCacheSize {
		c.old, c.young = c.young, c.old
		clear(c.young) // whose room is used again
	}
	if c.young == nil {
		c.young = make(map[string]*attrEntry)
	}
	c.young[string(key)] = e
}

// sameAttrs tells whether two lists are of one UPDATE: the same attributes, and of
// MP_REACH_NLRI, which GoBGP makes anew for each prefix, the same nexthops.
func sameAttrs(a, b []bgp.PathAttributeInterface) bool {
	if len(a) != len(b) {
		return false
	}
	for i := range a {
		if a[i] == b[i] {
			continue
		}
		x, is := a[i].(*bgp.PathAttributeMpReachNLRI)
		y, too := b[i].(*bgp.PathAttributeMpReachNLRI)
		if !is || !too || !x.Nexthop.Equal(y.Nexthop) || !x.LinkLocalNexthop.Equal(y.LinkLocalNexthop) {
			return false
		}
	}
	return true
}
