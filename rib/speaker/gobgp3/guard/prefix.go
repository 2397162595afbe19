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

// reach judges an MP_REACH_NLRI. Of a family that was not agreed on GoBGP gets
// nothing: it decodes all that it knows before it asks.
func (j *judging) reach(u *update, a *attribute) error {
	ok, err := j.family(u, a, &u.reach)
	if !ok {
		return err
	}
	r, v := &u.reach, a.value[3:]
	if len(v) < 1 || len(v) < 2+int(v[0]) {
		return badRoutes("the nexthop of an MP_REACH_NLRI is longer than it is")
	}
	n := int(v[0])
	r.nexthop, r.nlri = v[:1+n], v[2+n:] // between them a byte that is reserved
	// Of a VTEP nobody names a link-local address, and its having none means nothing.
	if !r.evpn {
		j.record.pairs.note(r.nexthop)
	}
	if hop, changed := usableNexthop(r.nexthop, &u.hop); changed {
		r.nexthop, n, u.changed = hop, int(hop[0]), true
	}
	if n == 0 && r.safi != bgp.SAFI_FLOW_SPEC_UNICAST && r.safi != bgp.SAFI_FLOW_SPEC_VPN {
		u.refuse(Malformed, "an MP_REACH_NLRI without a nexthop") // GoBGP takes it, and sends it on
	}
	a.odd = !r.ours || !plainNexthop(n, r.rd > 0) || a.flags&(flagOptional|flagTransitive|flagPartial) != flagOptional || len(r.nlri) == 0
	return nil
}

// plainNexthop tells whether n is the length of a nexthop of IPv4 or IPv6 unicast
// (RFC 2545: one address, or two), or of a VPN, which have a distinguisher before each
// (RFC 4659).
func plainNexthop(n int, vpn bool) bool {
	if vpn {
		return n == 12 || n == 24 || n == 48
	}
	return n == 4 || n == 16 || n == 32
}

func (j *judging) unreach(u *update, a *attribute) error {
	ok, err := j.family(u, a, &u.unreach)
	if !ok {
		return err
	}
	r := &u.unreach
	r.nlri = a.value[3:]
	a.odd = !r.ours && len(r.nlri) > 0 || a.flags&(flagOptional|flagTransitive|flagPartial) != flagOptional
	return nil
}

// family reads the family of routes, and cuts routes of a family that was not agreed on.
func (j *judging) family(u *update, a *attribute, r *routes) (ok bool, err error) {
	if len(a.value) < 3 {
		return false, badRoutes("an attribute of routes without a family")
	}
	r.afi, r.safi = binary.BigEndian.Uint16(a.value), a.value[2]
	// Of a VRF's neighbours GoBGP makes VPN routes of unicast ones alone: a FlowSpec rule of
	// a customer would be one of the global table, and be told to everybody.
	foreign := j.rules().VRF != "" && r.safi != bgp.SAFI_UNICAST
	if _, agreed := j.agreed.Families[bgp.AfiSafiToRouteFamily(r.afi, r.safi)]; !agreed || foreign {
		j.cut(u, a, FamilyNotNegotiated)
		return false, nil
	}
	r.there = true
	r.encoding, r.ours = j.agreed.of(r.afi, r.safi)
	return true, nil
}

func badRoutes(what string) error {
	return notification(bgp.BGP_ERROR_UPDATE_MESSAGE_ERROR, bgp.BGP_ERROR_SUB_OPTIONAL_ATTRIBUTE_ERROR, nil, "a malformed UPDATE: %s (RFC 7606, 7.11)", what)
}

// prefixes judges the prefixes of an UPDATE, and returns how many it has. Those that
// are refused one by one go into drop of their division, the others that it announces into
// keep; where none is refused nothing is divided.
func (j *judging) prefixes(u *update) (n int, err error) {
	four := j.agreed.unicast[rib.IPv4]
	if !four.agreed && len(u.withdrawn)+len(u.nlri) > 0 {
		j.record.counts[FamilyNotNegotiated].Add(1)
		u.withdrawn, u.nlri, u.changed = nil, nil, true
	}
	unicast := u.reach.safi == bgp.SAFI_UNICAST
	for _, list := range []struct {
		encoding
		nlri    []byte
		use     bool
		unicast bool
		into    *division // nil: they are withdrawn
	}{
		{four, u.withdrawn, true, true, nil},
		{u.unreach.encoding, u.unreach.nlri, u.unreach.ours, u.unreach.safi == bgp.SAFI_UNICAST, nil},
		{four, u.nlri, true, true, &u.ofNLRI},
		{u.reach.encoding, u.reach.nlri, u.reach.ours, unicast, &u.ofReach},
	} {
		if !list.use || len(list.nlri) == 0 {
			continue
		}
		l := lot{encoding: list.encoding, nlri: list.nlri, unicast: list.unicast, announced: list.into != nil}
		count, divide, ok := j.scan(u, l)
		if !ok {
			return n, notification(bgp.BGP_ERROR_UPDATE_MESSAGE_ERROR, bgp.BGP_ERROR_SUB_INVALID_NETWORK_FIELD, nil, "a malformed UPDATE: a prefix that is too long")
		}
		n += count
		if list.rd > 0 && !l.announced && u.odd {
			u.unreach.nlri, u.changed = l.asWithdrawn(), true
			l.nlri = u.unreach.nlri
		}
		switch {
		case divide && l.announced:
			u.changed = true
			j.divide(u, l, list.into)
		case divide: // of IPv6, or of EVPN
			u.changed = true
			u.unreach.nlri = j.readable(l)
			u.unreach.there = len(u.unreach.nlri) > 0 // with none it would be an End-of-RIB
		}
	}
	return n, nil
}

// readable are the prefixes of a list that GoBGP can read: that do not lie in ::ffff:0:0/96, and
// of EVPN's routes those that it knows. The others are never let in, so GoBGP need not hear that
// one is withdrawn.
func (j *judging) readable(l lot) (keep []byte) {
	l.announced = false
	for b := l.nlri; len(b) > 0; {
		size := l.size(b)
		if why := j.unwanted(j.rules(), l, b[:size]); why != reasons {
			j.record.counts[why].Add(1)
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

// scan walks a list, and tells whether it has a prefix that is to be refused. Its tests
// are cheap; the costly ones, and those that remember a prefix, are made by divide.
func (j *judging) scan(u *update, l lot) (n int, divide, ok bool) {
	rules := j.rules()
	counted := l.unicast && rules.Limit != nil
	strict := j.outside()
	forgetful := j.record.known.Load() > 0
	for b := l.nlri; len(b) > 0; n++ {
		size := l.size(b)
		if size == 0 || size > len(b) {
			return n, false, false
		}
		if l.rd > 0 && !plainLabel(b[l.id+1:], !l.announced) {
			u.odd = true
			u.bottomless = u.bottomless || l.announced && !isBottom([3]byte(b[l.id+1:]))
		}
		if l.evpn {
			u.odd = u.odd || !plainEVPN(b[l.id:size])
			divide = divide || j.unwanted(rules, l, b[:size]) != reasons
		} else if at := l.id + 1 + l.rd; !divide {
			divide = suspicious(b[at:size], l.bits, strict && l.announced) || strict && l.announced && l.unicast && rules.Own != nil
			divide = divide && j.unwanted(rules, l, b[:size]) != reasons
		}
		b = b[size:]
	}
	if counted && !l.announced {
		j.places.giveBack(rules.Limit, l)
	}
	if forgetful && !divide {
		j.record.forget(l.prefixes())
	}
	// Whether a place is free for each is asked one by one.
	return n, divide || counted && l.announced && u.refused == reasons, true
}

// size is how long the first prefix of b is; 0: it is malformed.
func (e encoding) size(b []byte) int {
	if len(b) <= e.id {
		return 0
	}
	if e.evpn {
		if len(b) < e.id+headOfEVPN {
			return 0
		}
		return e.id + headOfEVPN + int(b[e.id+1])
	}
	bits := int(b[e.id]) - 8*e.rd
	if bits < 0 || bits > e.bits {
		return 0
	}
	return e.id + 1 + e.rd + (bits+7)/8
}

// prefix reads the first one of b, which is size bytes long; invalid: it is a route of EVPN without
// one.
func (e encoding) prefix(b []byte) netip.Prefix {
	if e.evpn {
		if b[e.id] != bgp.EVPN_IP_PREFIX {
			return netip.Prefix{}
		}
		return evpnPrefix(b[e.id+headOfEVPN:])
	}
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

// prefixes yields the prefixes of a list that scan found good.
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

// held is a prefix with its path identifier.
func (l lot) held(b []byte) held {
	h := held{prefix: l.prefix(b)}
	if l.id > 0 {
		h.id = binary.BigEndian.Uint32(b)
	}
	return h
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
func (j *judging) unwanted(rules *Rules, l lot, b []byte) Reason {
	if l.evpn {
		return unwantedEVPN(rules, b[l.id:], l.announced && j.outside())
	}
	p := l.prefix(b)
	if p.Addr().Is4In6() {
		return Mapped // GoBGP makes an IPv4 prefix of it, and falls over that
	}
	if !j.outside() || !l.announced {
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

// divide divides a list into the prefixes that pass and the others.
func (j *judging) divide(u *update, l lot, into *division) {
	rules := j.rules()
	now := j.guard.now()
	into.divided = true
	for b := l.nlri; len(b) > 0; {
		size := l.size(b)
		one := b[:size]
		b = b[size:]
		why := j.unwanted(rules, l, one)
		if why == reasons && l.unicast && rules.Limit != nil && !j.places.hold(rules.Limit, l.held(one)) {
			why = OverLimit
		}
		if why == reasons {
			into.keep = append(into.keep, one...)
			continue
		}
		if why != Mapped && why != RouteType && why != Malformed { // GoBGP has none such
			into.drop = append(into.drop, one...)
			if l.rd > 0 {
				copy(into.drop[len(into.drop)-size+l.id+1:], withdrawnLabel[:])
			}
			if l.unicast && rules.Limit != nil {
				j.places.drop(rules.Limit, l.held(one)) // it was let in before
			}
		}
		detail := ""
		if why == Martian {
			detail, _ = rib.Martian(l.prefix(one))
		}
		j.record.refuse(l.prefix(one), why, detail, now)
		j.say(why, u.detail)
	}
}
