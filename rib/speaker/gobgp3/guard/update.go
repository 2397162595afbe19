package guard

import (
	"encoding/binary"

	"github.com/osrg/gobgp/v3/pkg/packet/bgp"

	"github.com/vrfredist/vrfredist/rib"
)

// update is an UPDATE in hand. Its lists are used again for the next one.
type update struct {
	withdrawn, nlri []byte // of IPv4
	attrs           []attribute
	broken          bool // the list of attributes ends in the midst of one
	reach, unreach  routes

	changed bool   // GoBGP gets something else than what came
	odd     bool   // it is rehearsed
	refused Reason // why all that it announces is taken for withdrawn; reasons: it is not
	detail  string

	asPath [2]pathFacts // of AS_PATH and AS4_PATH

	four, other split // of nlri, and of reach

	wide  []byte // an AS_PATH with four-byte AS numbers
	kept  []byte // the extended communities that pass
	kept6 []byte // the same, of IPv6
}

// split is a list of announced prefixes, divided into those that pass and the others.
type split struct {
	divided bool // keep is what is announced, and not the list itself
	keep    []byte
	drop    []byte // they are withdrawn
}

func (s *split) reset() { *s = split{keep: s.keep[:0], drop: s.drop[:0]} }

// withdraw has all of a list withdrawn.
func (s *split) withdraw(nlri []byte) { s.divided, s.drop = false, append(s.drop[:0], nlri...) }

// of is what is announced of a list.
func (s *split) of(nlri []byte) []byte {
	if s.divided {
		return s.keep
	}
	return nlri
}

// attribute is one of the path.
type attribute struct {
	flags, kind byte
	value       []byte
	cut         bool // left out
	odd         bool // not plain: it is rehearsed
}

// routes are those of an MP_REACH_NLRI or MP_UNREACH_NLRI (RFC 4760).
type routes struct {
	there   bool
	afi     uint16
	safi    uint8
	nexthop []byte // with its length before it
	nlri    []byte
	// encoding says how nlri is read, where the guard does so itself.
	encoding
	ours bool
}

// Flags of an attribute (RFC 4271, 4.3).
const (
	flagOptional   = 0x80
	flagTransitive = 0x40
	flagPartial    = 0x20
	flagExtended   = 0x10
	flagsUnused    = 0x0f
)

func (u *update) reset() {
	u.four.reset()
	u.other.reset()
	*u = update{
		attrs: u.attrs[:0], refused: reasons, four: u.four, other: u.other,
		wide: u.wide[:0], kept: u.kept[:0], kept6: u.kept6[:0],
	}
}

// parse divides the body of an UPDATE. Where its lengths contradict each other nothing
// can be said of its routes, and the session has to end (RFC 7606, 3 a).
func (u *update) parse(b []byte) error {
	u.reset()
	n := int(binary.BigEndian.Uint16(b))
	if len(b) < 4+n {
		return malformed("its withdrawn routes are longer than it is")
	}
	u.withdrawn, b = b[2:2+n], b[2+n:]
	n = int(binary.BigEndian.Uint16(b))
	if len(b) < 2+n {
		return malformed("its path attributes are longer than it is")
	}
	attrs := b[2 : 2+n]
	u.nlri = b[2+n:]
	for len(attrs) > 0 {
		a, size, ok := firstAttribute(attrs)
		if !ok {
			u.broken = true
			break
		}
		u.attrs = append(u.attrs, a)
		attrs = attrs[size:]
	}
	return nil
}

func malformed(what string) error {
	return notification(bgp.BGP_ERROR_UPDATE_MESSAGE_ERROR, bgp.BGP_ERROR_SUB_MALFORMED_ATTRIBUTE_LIST, nil, "a malformed UPDATE: %s", what)
}

func firstAttribute(b []byte) (a attribute, size int, ok bool) {
	if len(b) < 3 {
		return a, 0, false
	}
	n, head := int(b[2]), 3
	if b[0]&flagExtended != 0 {
		if len(b) < 4 {
			return a, 0, false
		}
		n, head = int(binary.BigEndian.Uint16(b[2:])), 4
	}
	if len(b) < head+n {
		return a, 0, false
	}
	return attribute{flags: b[0], kind: b[1], value: b[head : head+n]}, head + n, true
}

// announces tells whether an UPDATE has routes that it does not withdraw.
func (u *update) announces() bool { return len(u.nlri) > 0 || u.reach.there && len(u.reach.nlri) > 0 }

// refuse has all that it announces withdrawn. The first reason stands.
func (u *update) refuse(why Reason, detail string) {
	if u.refused == reasons {
		u.refused, u.detail = why, detail
	}
}

// judge judges the UPDATEs of one session, and makes of each what GoBGP gets of it.
type judge struct {
	guard  *Guard
	record *record
	agreed *agreement
	sieve  sieve
	out    composer
	work   update // the UPDATE in hand, its lists used again
	now    []byte // the message in hand, as it came
}

// update judges an UPDATE. It returns what GoBGP gets of it, and how many prefixes it has.
func (j *judge) update(m []byte) (out []byte, prefixes int, err error) {
	u := &j.work
	j.now = m
	if err := u.parse(m[headerSize:]); err != nil {
		return nil, 0, err
	}
	if err := j.attributes(u); err != nil {
		return nil, 0, err
	}
	n, err := j.sieve.prefixes(u)
	if err != nil {
		return nil, n, err
	}
	if u.refused == reasons && u.announces() {
		j.record.passed.Store(1)
	}
	if !u.changed && !u.odd && u.refused == reasons && n <= mostPrefixes {
		j.record.plain.Add(1)
		return m, n, nil
	}
	if err := j.rewrite(u); err != nil {
		return nil, n, err
	}
	if len(j.out.made) == 0 {
		return nothing, n, nil
	}
	return j.out.made, n, nil
}

// rewrite makes of an UPDATE what GoBGP gets of it. What is odd is rehearsed as it would go
// out, and goes down the ladder of RFC 7606 where it does not survive.
func (j *judge) rewrite(u *update) error {
	l := ladder{j}
	if u.odd && u.refused == reasons {
		j.record.rehearsed.Add(1)
		if err := l.climb(u); err != nil {
			u.refuse(Malformed, err.Error())
		}
	}
	if u.refused != reasons {
		j.withdrawAll(u)
	}
	j.compose(u)
	if u.refused != reasons {
		// The withdrawal of what GoBGP cannot read it may not be able to read either.
		if err := l.tryAll(u); err != nil {
			return notification(bgp.BGP_ERROR_UPDATE_MESSAGE_ERROR, bgp.BGP_ERROR_SUB_INVALID_NETWORK_FIELD, nil, "routes that cannot be read: %v", err)
		}
	}
	return nil
}

// compose writes an UPDATE as the messages that GoBGP gets. Where its attributes leave no
// room for a prefix all of it is withdrawn.
func (j *judge) compose(u *update) {
	if !j.out.compose(u) {
		u.refuse(Malformed, "its attributes leave no room for a prefix")
		j.withdrawAll(u)
		j.out.compose(u) // it announces nothing now
	}
}

// withdrawAll takes all that an UPDATE announces for withdrawn, and remembers why.
func (j *judge) withdrawAll(u *update) {
	if !u.announces() {
		return
	}
	now := j.guard.now()
	four := lot{encoding: j.agreed.unicast[rib.IPv4], nlri: u.nlri, unicast: true}
	for _, l := range []lot{four, {encoding: u.reach.encoding, nlri: u.reach.nlri, unicast: u.reach.safi == bgp.SAFI_UNICAST}} {
		if l.bits == 0 { // not read here, or not there
			j.record.counts[u.refused].Add(1)
			continue
		}
		for p := range l.prefixes() {
			j.record.refuse(p, u.refused, u.detail, now)
		}
		j.sieve.giveBack(l)
	}
	j.say(u.refused)
	u.four.withdraw(u.nlri)
	u.other.withdraw(u.reach.nlri)
	if u.reach.ours && u.reach.bits == 128 {
		u.other.withdraw(j.sieve.unmapped(lot{encoding: u.reach.encoding, nlri: u.reach.nlri}))
	}
	u.nlri, u.reach.nlri, u.changed = nil, nil, true
}

// reach judges an MP_REACH_NLRI. Of a family that was not agreed on GoBGP gets
// nothing: it decodes all that it knows before it asks.
func (j *judge) reach(u *update, a *attribute) error {
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

func (j *judge) unreach(u *update, a *attribute) error {
	ok, err := j.family(u, a, &u.unreach)
	if !ok {
		return err
	}
	r := &u.unreach
	r.nlri = a.value[3:]
	a.odd = !r.ours && len(r.nlri) > 0 || a.flags&(flagOptional|flagTransitive|flagPartial) != flagOptional
	return nil
}

// family reads of which family routes are, and cuts those of one that was not agreed
// on.
func (j *judge) family(u *update, a *attribute, r *routes) (ok bool, err error) {
	if len(a.value) < 3 {
		return false, badRoutes("an attribute of routes without a family")
	}
	r.afi, r.safi = binary.BigEndian.Uint16(a.value), a.value[2]
	// Of a VRF's neighbours GoBGP makes VPN routes of unicast ones alone: a FlowSpec rule of
	// a customer would be one of the global table, and be told to everybody.
	foreign := j.record.rules.Load().VRF != "" && r.safi != bgp.SAFI_UNICAST
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

// cut leaves an attribute out.
func (j *judge) cut(u *update, a *attribute, why Reason) {
	a.cut, u.changed = true, true
	j.record.counts[why].Add(1)
	if why == Discarded || why == Repeated {
		j.say(why)
	}
}

// say logs what was done to the message in hand.
func (j *judge) say(why Reason) {
	j.record.say(j.guard.log, j.guard.now(), why, j.work.detail, j.now)
}
