package guard

import (
	"encoding/binary"

	"github.com/osrg/gobgp/v3/pkg/packet/bgp"

	"github.com/vrfredist/vrfredist/rib"
)

// composer writes messages for GoBGP.
type composer struct {
	agreed *agreement
	made   []byte
	head   []byte // attributes as they go out
}

// compose writes an UPDATE as the messages that GoBGP gets: what it withdraws first, and no
// more than mostPrefixes in each. It returns false where the attributes leave no room for a
// prefix.
func (c *composer) compose(u *update) bool {
	c.made = c.made[:0]
	announced, others := u.four.of(u.nlri), u.other.of(u.reach.nlri)
	c.withdrawn(u.withdrawn)
	c.withdrawn(u.four.drop)
	if u.unreach.there {
		c.unreach(u.unreach.afi, u.unreach.safi, u.unreach.nlri)
	}
	if len(u.other.drop) > 0 {
		c.unreach(u.reach.afi, u.reach.safi, u.other.drop)
	}
	if len(announced)+len(others) == 0 {
		return true
	}
	c.head = appendAttributes(c.head[:0], u.attrs)
	return c.routes(c.head, c.agreed.unicast[rib.IPv4], announced) && c.reach(c.head, u.reach, others)
}

// appendAttributes writes the attributes that are left, but for those of routes. GoBGP
// merges an AS4_PATH into an AS_PATH only where it comes behind it.
func appendAttributes(to []byte, attrs []attribute) []byte {
	for _, last := range []bool{false, true} {
		for i := range attrs {
			a := &attrs[i]
			if !a.cut && a.kind != kindReach && a.kind != kindUnreach && (a.kind == kindAS4Path) == last {
				to = appendAttribute(to, a.flags, a.kind, a.value)
			}
		}
	}
	return to
}

func appendAttribute(to []byte, flags, kind byte, value []byte) []byte {
	to = appendAttributeHead(to, flags, kind, len(value))
	return append(to, value...)
}

func appendAttributeHead(to []byte, flags, kind byte, size int) []byte {
	if size > 255 {
		return binary.BigEndian.AppendUint16(append(to, flags|flagExtended, kind), uint16(size))
	}
	return append(to, flags&^flagExtended, kind, byte(size))
}

// room is what a message has besides header and the two lengths of an UPDATE.
const room = mostMessage - headerSize - 4

// begin writes the header of a message whose length end writes.
func begin(to []byte) []byte { return append(to, nothing[:16]...) }

// message appends an UPDATE of three parts.
func (c *composer) message(withdrawn []byte, attrs [3][]byte, nlri []byte) {
	size := len(attrs[0]) + len(attrs[1]) + len(attrs[2])
	c.made = begin(c.made)
	c.made = binary.BigEndian.AppendUint16(c.made, uint16(headerSize+4+len(withdrawn)+size+len(nlri)))
	c.made = append(c.made, bgp.BGP_MSG_UPDATE)
	c.made = append(binary.BigEndian.AppendUint16(c.made, uint16(len(withdrawn))), withdrawn...)
	c.made = binary.BigEndian.AppendUint16(c.made, uint16(size))
	for _, a := range attrs {
		c.made = append(c.made, a...)
	}
	c.made = append(c.made, nlri...)
}

// chunk is how much of a list goes into one message that has most bytes for it; 0: not
// even its first prefix.
func (e encoding) chunk(nlri []byte, most int) int {
	at := 0
	for range mostPrefixes {
		if at == len(nlri) {
			break
		}
		size := e.size(nlri[at:])
		if size == 0 || at+size > most {
			break
		}
		at += size
	}
	return at
}

// withdrawn withdraws IPv4 prefixes.
func (c *composer) withdrawn(nlri []byte) {
	e := c.agreed.unicast[rib.IPv4]
	for len(nlri) > 0 {
		n := e.chunk(nlri, room)
		c.message(nlri[:n], [3][]byte{}, nil)
		nlri = nlri[n:]
	}
}

// routes announces IPv4 prefixes, and tells whether there is room for one.
func (c *composer) routes(attrs []byte, e encoding, nlri []byte) bool {
	for len(nlri) > 0 {
		n := e.chunk(nlri, room-len(attrs))
		if n == 0 {
			return false
		}
		c.message(nil, [3][]byte{attrs}, nlri[:n])
		nlri = nlri[n:]
	}
	return true
}

// unreach withdraws prefixes of any family; none: it is an End-of-RIB (RFC 4724, 2).
// Those that the guard does not read itself stay together.
func (c *composer) unreach(afi uint16, safi uint8, nlri []byte) {
	e, ours := c.agreed.of(afi, safi)
	for first := true; first || len(nlri) > 0; first = false {
		n := len(nlri)
		if ours {
			n = e.chunk(nlri, room-7)
		}
		var b [8]byte
		head := appendAttributeHead(b[:0], flagOptional, kindUnreach, 3+n)
		head = append(binary.BigEndian.AppendUint16(head, afi), safi)
		c.message(nil, [3][]byte{head, nlri[:n]}, nil)
		nlri = nlri[n:]
	}
}

// reach announces prefixes of any family, and tells whether there is room for one.
func (c *composer) reach(attrs []byte, r routes, nlri []byte) bool {
	for len(nlri) > 0 {
		before := 4 + 3 + len(r.nexthop) + 1
		n := len(nlri)
		if r.ours {
			n = r.chunk(nlri, room-len(attrs)-before)
		}
		if n == 0 || n > room-len(attrs)-before {
			return false
		}
		var b [8 + 256 + 1]byte
		head := appendAttributeHead(b[:0], flagOptional, kindReach, 3+len(r.nexthop)+1+n)
		head = append(binary.BigEndian.AppendUint16(head, r.afi), r.safi)
		head = append(append(head, r.nexthop...), 0)
		c.message(nil, [3][]byte{attrs, head, nlri[:n]}, nil)
		nlri = nlri[n:]
	}
	return true
}
