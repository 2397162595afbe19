package guard

import (
	"encoding/binary"

	"github.com/osrg/gobgp/v3/pkg/packet/bgp"

	"github.com/vrfredist/vrfredist/rib"
)

// rewriter makes of each UPDATE the messages that GoBGP gets.
type rewriter struct {
	judging
	work update // the UPDATE in hand, its lists used again
	made []byte // the messages that it became, in a buffer that is used again
}

// update judges an UPDATE. It returns the messages that GoBGP gets, and how many prefixes
// it had.
func (r *rewriter) update(m []byte) (out []byte, prefixes int, err error) {
	u := &r.work
	if err := u.parse(m[headerSize:]); err != nil {
		return nil, 0, err
	}
	if err := r.attributes(u); err != nil {
		return nil, 0, err
	}
	n, err := r.prefixes(u)
	if err != nil {
		return nil, 0, err
	}
	if u.refused == reasons && u.announces() {
		r.record.passed.Store(1)
	}
	if !u.changed && !u.odd && u.refused == reasons && n <= mostPrefixes {
		r.record.plain.Add(1)
		return m, n, nil
	}
	if err := r.rewrite(u); err != nil {
		return nil, n, err
	}
	if len(r.made) == 0 {
		return nothing, n, nil
	}
	return r.made, n, nil
}

// rewrite writes the messages that GoBGP gets for an UPDATE into r.made. An odd UPDATE is
// rehearsed as it would go out, and goes down the ladder of RFC 7606 where it does not
// survive.
func (r *rewriter) rewrite(u *update) error {
	if u.odd && u.refused == reasons {
		r.record.rehearsed.Add(1)
		if err := r.ladder(u); err != nil {
			u.refuse(Malformed, err.Error())
		}
	}
	if u.refused != reasons {
		r.withdrawAll(u)
	}
	if err := r.emit(u); err != nil {
		return err
	}
	if u.refused != reasons {
		// GoBGP may not be able to read the withdrawal of routes that it cannot read.
		if err := r.tryAll(u); err != nil {
			return notification(bgp.BGP_ERROR_UPDATE_MESSAGE_ERROR, bgp.BGP_ERROR_SUB_INVALID_NETWORK_FIELD, nil, "routes that cannot be read: %v", err)
		}
	}
	return nil
}

// withdrawAll takes all that an UPDATE announces for withdrawn, and remembers why.
func (r *rewriter) withdrawAll(u *update) {
	if !u.announces() {
		return
	}
	now := r.guard.now()
	rules := r.rules()
	four := lot{encoding: r.agreed.unicast[rib.IPv4], nlri: u.nlri, unicast: true}
	for _, l := range []lot{four, {encoding: u.reach.encoding, nlri: u.reach.nlri, unicast: u.reach.safi == bgp.SAFI_UNICAST}} {
		if l.bits == 0 && !l.evpn { // not read here, or not there
			r.record.counts[u.refused].Add(1)
			continue
		}
		for p := range l.prefixes() {
			r.record.refuse(p, u.refused, u.detail, now)
		}
		if rules.Limit != nil && l.unicast {
			r.places.giveBack(rules.Limit, l)
		}
	}
	r.say(u.refused, u.detail)
	u.ofNLRI.divided, u.ofReach.divided = false, false
	u.ofNLRI.drop, u.ofReach.drop = append(u.ofNLRI.drop[:0], u.nlri...), append(u.ofReach.drop[:0], u.reach.nlri...)
	if u.reach.ours && u.reach.rd > 0 {
		u.reach.nlri = lot{encoding: u.reach.encoding, nlri: u.reach.nlri}.asWithdrawn()
		u.ofReach.drop = append(u.ofReach.drop[:0], u.reach.nlri...)
	}
	if u.reach.ours && (u.reach.bits == 128 || u.reach.evpn) {
		u.ofReach.drop = append(u.ofReach.drop[:0], r.readable(lot{encoding: u.reach.encoding, nlri: u.reach.nlri})...)
	}
	u.nlri, u.reach.nlri, u.changed = nil, nil, true
}

// emit writes an UPDATE into r.made as the messages that GoBGP gets: the withdrawals
// first, and no more than mostPrefixes in each.
func (r *rewriter) emit(u *update) error {
	r.made = r.made[:0]
	announced, announced6 := u.nlri, u.reach.nlri
	if u.ofNLRI.divided {
		announced = u.ofNLRI.keep
	}
	if u.ofReach.divided {
		announced6 = u.ofReach.keep
	}
	four := r.agreed.unicast[rib.IPv4]
	r.emitWithdrawn(u.withdrawn)
	r.emitWithdrawn(u.ofNLRI.drop)
	if u.unreach.there {
		r.emitUnreach(u.unreach.afi, u.unreach.safi, u.unreach.nlri)
	}
	if len(u.ofReach.drop) > 0 {
		r.emitUnreach(u.reach.afi, u.reach.safi, u.ofReach.drop)
	}
	if len(announced)+len(announced6) == 0 {
		return nil
	}
	u.head = appendAttributes(u.head[:0], u.attrs)
	if !r.emitRoutes(u.head, four, announced) || !r.emitReach(u.head, u.reach, announced6) {
		u.refuse(Malformed, "its attributes leave no room for a prefix")
		r.withdrawAll(u)
		return r.emit(u)
	}
	return nil
}

// appendAttributes writes the attributes that are left, but for MP_REACH_NLRI and
// MP_UNREACH_NLRI. GoBGP
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

// room is the size of a message without its header and the two lengths of an UPDATE.
const room = mostMessage - headerSize - 4

// begin writes the header of a message whose length end writes.
func begin(to []byte) []byte { return append(to, nothing[:16]...) }

// message appends an UPDATE of three parts.
func (r *rewriter) message(withdrawn []byte, attrs [3][]byte, nlri []byte) {
	size := len(attrs[0]) + len(attrs[1]) + len(attrs[2])
	r.made = begin(r.made)
	r.made = binary.BigEndian.AppendUint16(r.made, uint16(headerSize+4+len(withdrawn)+size+len(nlri)))
	r.made = append(r.made, bgp.BGP_MSG_UPDATE)
	r.made = append(binary.BigEndian.AppendUint16(r.made, uint16(len(withdrawn))), withdrawn...)
	r.made = binary.BigEndian.AppendUint16(r.made, uint16(size))
	for _, a := range attrs {
		r.made = append(r.made, a...)
	}
	r.made = append(r.made, nlri...)
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

func (r *rewriter) emitWithdrawn(nlri []byte) {
	e := r.agreed.unicast[rib.IPv4]
	for len(nlri) > 0 {
		n := e.chunk(nlri, room)
		r.message(nlri[:n], [3][]byte{}, nil)
		nlri = nlri[n:]
	}
}

// emitRoutes announces IPv4 prefixes, and tells whether there is room for one.
func (r *rewriter) emitRoutes(attrs []byte, e encoding, nlri []byte) bool {
	for len(nlri) > 0 {
		n := e.chunk(nlri, room-len(attrs))
		if n == 0 {
			return false
		}
		r.message(nil, [3][]byte{attrs}, nlri[:n])
		nlri = nlri[n:]
	}
	return true
}

// emitUnreach withdraws prefixes of any family; none: it is an End-of-RIB (RFC 4724, 2).
// Prefixes of families that the guard does not read itself stay together.
func (r *rewriter) emitUnreach(afi uint16, safi uint8, nlri []byte) {
	e, ours := r.agreed.of(afi, safi)
	for first := true; first || len(nlri) > 0; first = false {
		n := len(nlri)
		if ours {
			n = e.chunk(nlri, room-7)
		}
		var b [8]byte
		head := appendAttributeHead(b[:0], flagOptional, kindUnreach, 3+n)
		head = append(binary.BigEndian.AppendUint16(head, afi), safi)
		r.message(nil, [3][]byte{head, nlri[:n]}, nil)
		nlri = nlri[n:]
	}
}

// emitReach announces prefixes of any family, and tells whether there is room for one.
func (r *rewriter) emitReach(attrs []byte, to routes, nlri []byte) bool {
	for len(nlri) > 0 {
		before := 4 + 3 + len(to.nexthop) + 1
		n := len(nlri)
		if to.ours {
			n = to.chunk(nlri, room-len(attrs)-before)
		}
		if n == 0 || n > room-len(attrs)-before {
			return false
		}
		var b [8 + 256 + 1]byte
		head := appendAttributeHead(b[:0], flagOptional, kindReach, 3+len(to.nexthop)+1+n)
		head = append(binary.BigEndian.AppendUint16(head, to.afi), to.safi)
		head = append(append(head, to.nexthop...), 0)
		r.message(nil, [3][]byte{attrs, head, nlri[:n]}, nil)
		nlri = nlri[n:]
	}
	return true
}
