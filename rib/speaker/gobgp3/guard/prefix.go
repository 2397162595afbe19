package guard

import (
	"encoding/binary"
	"iter"
	"net/netip"

	"github.com/osrg/gobgp/v3/pkg/packet/bgp"

	"github.com/vrfredist/vrfredist/rib"
)

// mostPrefixes is how many GoBGP gets in one message. Its loop deals with a message
// at a turn, some 10 µs a prefix, and everybody's next message waits for that.
const mostPrefixes = 64

// sieve judges the prefixes of one session.
type sieve struct {
	*places
	guard  *Guard
	record *record
	agreed *agreement
	say    func(Reason) // logs what was done to the message in hand
}

// prefixes judges the prefixes of an UPDATE, and returns how many it has. Where any that it
// announces is refused by itself, they are split.
func (s *sieve) prefixes(u *update) (n int, err error) {
	four := s.agreed.unicast[rib.IPv4]
	if !four.agreed && len(u.withdrawn)+len(u.nlri) > 0 {
		s.record.counts[FamilyNotNegotiated].Add(1)
		u.withdrawn, u.nlri, u.changed = nil, nil, true
	}
	unicast := u.reach.safi == bgp.SAFI_UNICAST
	for _, list := range []struct {
		encoding
		nlri    []byte
		use     bool
		unicast bool
		into    *split // nil: they are withdrawn
	}{
		{four, u.withdrawn, true, true, nil},
		{u.unreach.encoding, u.unreach.nlri, u.unreach.ours, u.unreach.safi == bgp.SAFI_UNICAST, nil},
		{four, u.nlri, true, true, &u.four},
		{u.reach.encoding, u.reach.nlri, u.reach.ours, unicast, &u.other},
	} {
		if !list.use || len(list.nlri) == 0 {
			continue
		}
		l := lot{encoding: list.encoding, nlri: list.nlri, unicast: list.unicast, announced: list.into != nil}
		count, divide, ok := s.scan(u, l)
		if !ok {
			return n, notification(bgp.BGP_ERROR_UPDATE_MESSAGE_ERROR, bgp.BGP_ERROR_SUB_INVALID_NETWORK_FIELD, nil, "a malformed UPDATE: a prefix that is too long")
		}
		n += count
		switch {
		case divide && l.announced:
			u.changed = true
			s.divide(l, list.into)
		case divide: // of IPv6
			u.changed = true
			u.unreach.nlri = s.unmapped(l)
			u.unreach.there = len(u.unreach.nlri) > 0 // with none it would be an End-of-RIB
		}
	}
	return n, nil
}

// unmapped are the prefixes of a list that are not of IPv4 in IPv6. None of those is
// ever let in, so GoBGP need not hear that one is withdrawn.
func (s *sieve) unmapped(l lot) (keep []byte) {
	for b := l.nlri; len(b) > 0; {
		size := l.size(b)
		if l.prefix(b[:size]).Addr().Is4In6() {
			s.record.counts[Mapped].Add(1)
		} else {
			keep = append(keep, b[:size]...)
		}
		b = b[size:]
	}
	return keep
}

// lot is a list of prefixes.
type lot struct {
	encoding
	nlri      []byte
	unicast   bool // rather than of a VPN
	announced bool
}

// scan walks a list, and tells whether it has a prefix that is to be refused. What it
// asks of each is cheap; what has to be remembered of each is asked where it is divided.
func (s *sieve) scan(u *update, l lot) (n int, divide, ok bool) {
	rules := s.record.rules.Load()
	counted := l.unicast && rules.Limit != nil
	strict := s.agreed.outside()
	forgetful := s.record.known.Load() > 0
	for b := l.nlri; len(b) > 0; n++ {
		size := l.size(b)
		if size == 0 || size > len(b) {
			return n, false, false
		}
		if l.rd > 0 && !plainLabel(b[l.id+1:], !l.announced) {
			u.odd = true
		}
		if at := l.id + 1 + l.rd; !divide {
			divide = suspicious(b[at:size], l.bits, strict && l.announced) || strict && l.announced && l.unicast && rules.Own != nil
			divide = divide && s.unwanted(rules, l, b[:size]) != reasons
		}
		b = b[size:]
	}
	if counted && !l.announced {
		s.giveBack(l)
	}
	if forgetful && !divide {
		s.record.forget(l.prefixes())
	}
	// Whether a place is free for each is asked one by one.
	return n, divide || counted && l.announced && u.refused == reasons, true
}

// size is how long the first prefix of b is; 0: it is malformed.
func (e encoding) size(b []byte) int {
	if len(b) <= e.id {
		return 0
	}
	bits := int(b[e.id]) - 8*e.rd
	if bits < 0 || bits > e.bits {
		return 0
	}
	return e.id + 1 + e.rd + (bits+7)/8
}

// prefix reads the first one of b, which is size bytes long.
func (e encoding) prefix(b []byte) netip.Prefix {
	bits := int(b[e.id]) - 8*e.rd
	if e.bits == 32 {
		var a [4]byte
		copy(a[:], b[e.id+1+e.rd:])
		p, _ := netip.AddrFrom4(a).Prefix(bits) // its length was judged
		return p
	}
	var a [16]byte
	copy(a[:], b[e.id+1+e.rd:])
	p, _ := netip.AddrFrom16(a).Prefix(bits)
	return p
}

// prefixes are those of a list that scan found good.
func (l lot) prefixes() iter.Seq[netip.Prefix] {
	return func(yield func(netip.Prefix) bool) {
		for b := l.nlri; len(b) > 0; {
			size := l.size(b)
			if !yield(l.prefix(b[:size])) {
				return
			}
			b = b[size:]
		}
	}
}

// held is a prefix with what tells it from another of the same list.
func (l lot) held(b []byte) held {
	h := held{prefix: l.prefix(b)}
	if l.id > 0 {
		h.id = binary.BigEndian.Uint32(b)
	}
	return h
}

// plainLabel tells whether a prefix has one label, the bottom of its stack, or one that
// says that it is withdrawn (RFC 8277, 2.4), and a distinguisher that there is.
func plainLabel(b []byte, withdrawn bool) bool {
	label := [3]byte(b[:3])
	bottom := label[2]&1 != 0 || withdrawn && (label == [3]byte{0x80, 0, 0} || label == [3]byte{})
	return bottom && binary.BigEndian.Uint16(b[3:]) <= 2
}

// suspicious tells whether an address is of a range in which a prefix may have to be
// refused, by its first bytes.
func suspicious(b []byte, bits int, strict bool) bool {
	switch {
	case len(b) == 0:
		return false
	case bits == 128:
		return b[0] == 0 || strict && b[0] >= 0xfe
	}
	return strict && (b[0] == 0 || b[0] == 127 || b[0] >= 224)
}

// unwanted tells why a prefix is refused; reasons: it is not.
func (s *sieve) unwanted(rules *Rules, l lot, b []byte) Reason {
	p := l.prefix(b)
	if p.Addr().Is4In6() {
		return Mapped // GoBGP makes an IPv4 prefix of it, and falls over that
	}
	if !s.agreed.outside() || !l.announced {
		return reasons
	}
	if _, is := rib.MartianBut(rules.Terms.AcceptMartians, p); is {
		return Martian
	}
	if l.unicast && rules.Own != nil && rules.Own(p) {
		return OwnPrefix
	}
	return reasons
}

// divide splits a list into the prefixes that pass and the others.
func (s *sieve) divide(l lot, to *split) {
	rules := s.record.rules.Load()
	now := s.guard.now()
	to.divided = true
	for b := l.nlri; len(b) > 0; {
		size := l.size(b)
		one := b[:size]
		b = b[size:]
		why := s.unwanted(rules, l, one)
		if why == reasons && l.unicast && rules.Limit != nil && !s.hold(rules.Limit, l.held(one)) {
			why = OverLimit
		}
		if why == reasons {
			to.keep = append(to.keep, one...)
			continue
		}
		if why != Mapped { // none of those is in
			to.drop = append(to.drop, one...)
			if l.unicast && rules.Limit != nil {
				s.drop(rules.Limit, l.held(one)) // it was let in before
			}
		}
		detail := ""
		if why == Martian {
			detail, _ = rib.Martian(l.prefix(one))
		}
		s.record.refuse(l.prefix(one), why, detail, now)
		s.say(why)
	}
}

// giveBack gives back the places of the prefixes of a list, which are withdrawn.
func (s *sieve) giveBack(l lot) {
	limit := s.record.rules.Load().Limit
	if limit == nil || !l.unicast {
		return
	}
	for b := l.nlri; len(b) > 0; {
		size := l.size(b)
		s.drop(limit, l.held(b[:size]))
		b = b[size:]
	}
}
