package guard

import (
	"encoding/binary"

	"github.com/osrg/gobgp/v3/pkg/packet/bgp"

	"github.com/vrfredist/vrfredist/rib"
)

// rewrite makes of an UPDATE what GoBGP gets of it: c.out. What is odd is rehearsed as
// it would go out, and goes down the ladder of RFC 7606 where it does not survive.
func (c *Conn) rewrite(u *update) error {
	if u.odd && u.refused == reasons {
		c.record.rehearsed.Add(1)
		if err := c.ladder(u); err != nil {
			u.refuse(Malformed, err.Error())
		}
	}
	if u.refused != reasons {
		c.withdrawAll(u)
	}
	if err := c.emit(u); err != nil {
		return err
	}
	if u.refused != reasons {
		// The withdrawal of what GoBGP cannot read it may not be able to read either.
		if err := c.tryAll(u); err != nil {
			return notification(bgp.BGP_ERROR_UPDATE_MESSAGE_ERROR, bgp.BGP_ERROR_SUB_INVALID_NETWORK_FIELD, nil, "routes that cannot be read: %v", err)
		}
	}
	c.out = c.made
	return nil
}

// withdrawAll takes all that an UPDATE announces for withdrawn, and remembers why.
func (c *Conn) withdrawAll(u *update) {
	if !u.announces() {
		return
	}
	now := c.guard.now()
	rules := c.record.rules.Load()
	four := lot{encoding: c.agreed.unicast[rib.IPv4], nlri: u.nlri, unicast: true}
	for _, l := range []lot{four, {encoding: u.reach.encoding, nlri: u.reach.nlri, unicast: u.reach.safi == bgp.SAFI_UNICAST}} {
		if l.bits == 0 { // not read here, or not there
			c.record.counts[u.refused].Add(1)
			continue
		}
		for p := range l.prefixes() {
			c.record.refuse(p, u.refused, u.detail, now)
		}
		if rules.Limit != nil && l.unicast {
			c.giveBack(rules, l)
		}
	}
	c.say(u.refused)
	u.divided, u.divided6 = false, false
	u.drop, u.drop6 = append(u.drop[:0], u.nlri...), append(u.drop6[:0], u.reach.nlri...)
	if u.reach.ours && u.reach.bits == 128 {
		u.drop6 = append(u.drop6[:0], c.unmapped(lot{encoding: u.reach.encoding, nlri: u.reach.nlri})...)
	}
	u.nlri, u.reach.nlri, u.changed = nil, nil, true
}

// emit writes an UPDATE into c.made as the messages that GoBGP gets: what it withdraws
// first, and no more than mostPrefixes in each.
func (c *Conn) emit(u *update) error {
	c.made = c.made[:0]
	announced, announced6 := u.nlri, u.reach.nlri
	if u.divided {
		announced = u.keep
	}
	if u.divided6 {
		announced6 = u.keep6
	}
	four := c.agreed.unicast[rib.IPv4]
	c.emitWithdrawn(u.withdrawn)
	c.emitWithdrawn(u.drop)
	if u.unreach.there {
		c.emitUnreach(u.unreach.afi, u.unreach.safi, u.unreach.nlri)
	}
	if len(u.drop6) > 0 {
		c.emitUnreach(u.reach.afi, u.reach.safi, u.drop6)
	}
	if len(announced)+len(announced6) == 0 {
		return nil
	}
	u.head = appendAttributes(u.head[:0], u.attrs)
	if !c.emitRoutes(u.head, four, announced) || !c.emitReach(u.head, u.reach, announced6) {
		u.refuse(Malformed, "its attributes leave no room for a prefix")
		c.withdrawAll(u)
		return c.emit(u)
	}
	return nil
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
func (c *Conn) message(withdrawn []byte, attrs [3][]byte, nlri []byte) {
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

func (c *Conn) emitWithdrawn(nlri []byte) {
	e := c.agreed.unicast[rib.IPv4]
	for len(nlri) > 0 {
		n := e.chunk(nlri, room)
		c.message(nlri[:n], [3][]byte{}, nil)
		nlri = nlri[n:]
	}
}

// emitRoutes announces IPv4 prefixes, and tells whether there is room for one.
func (c *Conn) emitRoutes(attrs []byte, e encoding, nlri []byte) bool {
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

// emitUnreach withdraws prefixes of any family; none: it is an End-of-RIB (RFC 4724, 2).
// Those that the guard does not read itself stay together.
func (c *Conn) emitUnreach(afi uint16, safi uint8, nlri []byte) {
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

// emitReach announces prefixes of any family, and tells whether there is room for one.
func (c *Conn) emitReach(attrs []byte, r routes, nlri []byte) bool {
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
