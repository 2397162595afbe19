package guard

import (
	"encoding/binary"
	"slices"

	"github.com/osrg/gobgp/v3/pkg/packet/bgp"

	"github.com/vrfredist/vrfredist/rib"
)

// judging decides of each part of an UPDATE whether GoBGP gets it: of attributes
// (attributes.go, aspath.go) and of prefixes (prefix.go).
type judging struct {
	*session
	known known
}

// cut leaves an attribute out.
func (j *judging) cut(u *update, a *attribute, why Reason) {
	a.cut, u.changed = true, true
	j.record.counts[why].Add(1)
	if why == Discarded || why == Repeated {
		j.say(why, u.detail)
	}
}

// plainFlags are the flags of the attributes that the guard reads itself; 0: it does
// not.
var plainFlags = [256]byte{
	1: flagTransitive, 2: flagTransitive, 3: flagTransitive, 4: flagOptional, 5: flagTransitive, 6: flagTransitive,
	7: flagOptional | flagTransitive, 8: flagOptional | flagTransitive, 9: flagOptional, 10: flagOptional,
	14: flagOptional, 15: flagOptional, 16: flagOptional | flagTransitive, 17: flagOptional | flagTransitive,
	18: flagOptional | flagTransitive, 32: flagOptional | flagTransitive,
}

// attributes judges each attribute of an UPDATE.
func (j *judging) attributes(u *update) error {
	var seen [4]uint64
	for i := range u.attrs {
		a := &u.attrs[i]
		if seen[a.kind>>6]&(1<<(a.kind&63)) != 0 {
			if a.kind == kindReach || a.kind == kindUnreach {
				return malformed("it has two attributes of routes (RFC 7606, 3 g)")
			}
			j.cut(u, a, Repeated)
			continue
		}
		seen[a.kind>>6] |= 1 << (a.kind & 63)
		if a.flags&flagsUnused != 0 { // to be ignored (RFC 4271, 4.3); GoBGP minds them
			a.flags &^= flagsUnused
			u.changed = true
		}
		if err := j.attribute(u, a); err != nil {
			return err
		}
	}
	if u.broken {
		if !u.announces() {
			return malformed("an attribute is longer than the list of them")
		}
		u.refuse(Malformed, "an attribute is longer than the list of them")
	}
	size := 0
	for i := range u.attrs {
		a := &u.attrs[i]
		if !u.announces() && a.kind != kindUnreach && !a.cut {
			a.cut, u.changed = true, true // it is of no route; GoBGP would judge it all the same
		}
		u.odd = u.odd || a.odd && !a.cut && !j.known.has(u, a)
		if !a.cut && a.kind != kindReach && a.kind != kindUnreach {
			size += attributeHead + len(a.value)
			if bgp.BGPAttrType(a.kind) == bgp.BGP_ATTR_TYPE_AS_PATH {
				size += len(a.value) / 2 // where AS numbers have two bytes it is sent as one half, and as AS4_PATH
			}
		}
	}
	if size > mostAttributes && u.announces() {
		u.refuse(TooLong, "")
	}
	j.mandatory(u, seen[0])
	j.judgePaths(u)
	if u.shutdown && u.announces() && u.refused == reasons {
		u.avoid()
		j.marked()
	}
	return nil
}

// attributeHead is the size of an attribute's head, at most.
const attributeHead = 4

// mostAttributes is how long the attributes of a path may be, without those of routes.
// GoBGP panics where it has to send an IPv4 route on whose attributes leave no room in
// a message for a prefix, and does not send other routes at all, so that the neighbour keeps
// the route from before. The bytes that GoBGP adds itself have to fit in the rest: 255 prepended AS numbers
// of a policy (1,025 bytes), and 240 bytes for LOCAL_PREF, reflection, route targets
// and communities.
const mostAttributes = 2800

// mandatory refuses an announcement without a mandatory attribute (RFC 7606, 3 d).
func (j *judging) mandatory(u *update, seen uint64) {
	must := uint64(1<<1 | 1<<2)
	if len(u.nlri) > 0 {
		must |= 1 << 3
	}
	if u.announces() && seen&must != must {
		u.refuse(Malformed, "ORIGIN, AS_PATH or NEXT_HOP is missing")
	}
}

// Kinds of attributes.
const (
	kindReach   = byte(bgp.BGP_ATTR_TYPE_MP_REACH_NLRI)
	kindUnreach = byte(bgp.BGP_ATTR_TYPE_MP_UNREACH_NLRI)
	kindAS4Path = byte(bgp.BGP_ATTR_TYPE_AS4_PATH)
)

// attribute judges one attribute: if it is neither plain, nor cut, nor unknown to GoBGP,
// it is odd.
func (j *judging) attribute(u *update, a *attribute) error {
	switch a.kind {
	case kindReach:
		return j.reach(u, a)
	case kindUnreach:
		return j.unreach(u, a)
	case byte(bgp.BGP_ATTR_TYPE_LOCAL_PREF):
		if j.outside() {
			j.cut(u, a, LocalPref)
			return nil
		}
	case byte(bgp.BGP_ATTR_TYPE_COMMUNITIES):
		u.shutdown = j.outside() && !j.rules().Client && shutsDown(a.value)
	case byte(bgp.BGP_ATTR_TYPE_ORIGINATOR_ID), byte(bgp.BGP_ATTR_TYPE_CLUSTER_LIST):
		if j.outside() {
			j.cut(u, a, Reflection)
			return nil
		}
		j.reflected(u, a)
	case kindAS4Path, byte(bgp.BGP_ATTR_TYPE_AS4_AGGREGATOR):
		if j.agreed.FourByteAS {
			j.cut(u, a, AS4OnFourByte)
			return nil
		}
	}
	if j.unwantedAttribute(u, a) {
		return nil
	}
	want := plainFlags[a.kind]
	if want == 0 {
		a.odd = decoded[a.kind] || a.flags&flagOptional == 0 ||
			a.flags&flagTransitive == 0 && a.flags&flagPartial != 0 // nobody can have passed it on
		return nil
	}
	a.odd = a.flags&(flagOptional|flagTransitive) != want ||
		a.flags&flagPartial != 0 && want != flagOptional|flagTransitive || !j.plain(u, a)
	return nil
}

// plain tells whether an attribute is well formed, of those in plainFlags.
func (j *judging) plain(u *update, a *attribute) bool {
	v := a.value
	switch a.kind {
	case 1:
		return len(v) == 1 && v[0] <= bgp.BGP_ORIGIN_ATTR_TYPE_INCOMPLETE
	case 2:
		return j.asPath(u, a, 0)
	case 3:
		return len(v) == 4 && v[0] != 0 && v[0] < 224 && (v[0] != 127 || j.agreed.Loopback)
	case 4, 5, 9:
		return len(v) == 4
	case 6:
		return len(v) == 0
	case 7:
		return j.aggregator(u, a, 4)
	case 8:
		return len(v) > 0 && len(v)%4 == 0
	case 10:
		return len(v) > 0 && len(v)%4 == 0
	case 16:
		return plainCommunities(v)
	case kindAS4Path:
		return j.asPath(u, a, 1)
	case 18:
		return j.aggregator(u, a, 4)
	case 32:
		return len(v) > 0 && len(v)%12 == 0
	}
	return false
}

// aggregator judges an AGGREGATOR or AS4_AGGREGATOR: a malformed one, or one with AS 0,
// is discarded (RFC 7606, 7.7; RFC 7607, 2).
func (j *judging) aggregator(u *update, a *attribute, size int) bool {
	if a.kind == 7 && !j.agreed.FourByteAS {
		size = 2
	}
	v := a.value
	if len(v) != size+4 || size == 2 && binary.BigEndian.Uint16(v) == 0 || size == 4 && binary.BigEndian.Uint32(v) == 0 {
		j.cut(u, a, Discarded)
	}
	return true
}

// plainCommunities tells whether extended communities are of the common kinds: route
// target and origin, link bandwidth, colour, encapsulation, and the router's MAC address of EVPN.
func plainCommunities(v []byte) bool {
	if len(v) == 0 || len(v)%8 != 0 {
		return false
	}
	for ; len(v) > 0; v = v[8:] {
		switch kind := binary.BigEndian.Uint16(v); kind {
		case 0x0002, 0x0102, 0x0202, 0x0003, 0x0103, 0x0203, 0x4004, 0x030b, 0x030c, 0x0603:
		default:
			return false
		}
	}
	return true
}

// attrSet carries a customer's attributes through a provider (RFC 6368). GoBGP does not
// know it, and passes it on.
const attrSet bgp.BGPAttrType = 128

// unwantedAttribute deals with attributes that this session has no use for, or that a
// customer has no right to.
func (j *judging) unwantedAttribute(u *update, a *attribute) bool {
	customer := j.rules().VRF != ""
	switch bgp.BGPAttrType(a.kind) {
	case bgp.BGP_ATTR_TYPE_EXTENDED_COMMUNITIES:
		return j.extendedCommunities(u, a, 8, &u.kept, customer)
	case bgp.BGP_ATTR_TYPE_IP6_EXTENDED_COMMUNITIES:
		return j.extendedCommunities(u, a, 20, &u.kept6, customer)
	case bgp.BGP_ATTR_TYPE_PREFIX_SID, bgp.BGP_ATTR_TYPE_TUNNEL_ENCAP:
		if customer || !j.agreed.labelled() {
			j.cut(u, a, TunnelAttribute)
			return true
		}
		if a.kind == byte(bgp.BGP_ATTR_TYPE_PREFIX_SID) && malformedService(a.value) {
			// Where GoBGP survives it, it reads something else than the neighbour means.
			u.detail = "its Prefix-SID is malformed (RFC 9252, 7)"
			j.cut(u, a, Discarded)
			u.detail = ""
			return true
		}
	case attrSet: // of a PE's to a PE; another one would undo it into a customer's route
		if customer {
			j.cut(u, a, TunnelAttribute)
			return true
		}
	case bgp.BGP_ATTR_TYPE_LS:
		if customer || !j.agreed.linkState() {
			j.cut(u, a, TunnelAttribute)
			return true
		}
	}
	return false
}

// extendedCommunities leaves of a customer's extended communities only those that are
// its own to set, and of everybody's those that are not our own marks, and tells whether none is
// left. A list that is no list of them is left to the rehearsal.
func (j *judging) extendedCommunities(u *update, a *attribute, size int, kept *[]byte, customer bool) bool {
	if len(a.value) == 0 || len(a.value)%size != 0 {
		return false
	}
	terms := &j.rules().Terms
	*kept = (*kept)[:0]
	for v := a.value; len(v) > 0; v = v[size:] {
		why := marks(v[:size])
		if why == reasons && customer {
			why = customers(v[:size], terms)
		}
		switch why {
		case reasons:
			*kept = append(*kept, v[:size]...)
		default:
			j.record.counts[why].Add(1)
			u.changed = true
		}
	}
	if len(*kept) < len(a.value) {
		a.value = *kept
	}
	a.cut = len(a.value) == 0
	return a.cut
}

// marks tells whether an extended community is a route target of AS 0, which is nobody's (RFC
// 7607): by these this router tells its own paths apart (rib.SendMark).
func marks(v []byte) Reason {
	if len(v) == 8 && v[0]&^0x40 == 0 && v[1] == 0x02 && v[2] == 0 && v[3] == 0 {
		return RouteTarget
	}
	return reasons
}

// customers tells why a customer may not set an extended community; reasons: it may.
// Those of IPv6 (RFC 5701) differ in what stands behind the first two bytes.
func customers(v []byte, terms *rib.Terms) Reason {
	switch kind, sub := v[0]&^0x40, v[1]; { // without the bit of those that are not transitive
	case kind <= 2 && sub == 0x03: // site of origin
	case kind == 0 && sub == 0x04 && len(v) == 8: // link bandwidth
	case kind == 3 && sub == 0x0b && len(v) == 8: // colour
	case kind <= 2 && sub == 0x02: // route target
		named := len(v) == 8 && slices.Contains(terms.AcceptRTs, rib.RT(binary.BigEndian.Uint64(v)))
		if !terms.AnyRT && !named {
			return RouteTarget
		}
	default:
		return ExtendedCommunity
	}
	return reasons
}

// reflected judges ORIGINATOR_ID and CLUSTER_LIST of an iBGP neighbour.
func (j *judging) reflected(u *update, a *attribute) {
	rules := j.rules()
	if a.kind == byte(bgp.BGP_ATTR_TYPE_ORIGINATOR_ID) {
		if rules.RouterID.Is4() && string(a.value) == string(rules.RouterID.AsSlice()) {
			u.refuse(OwnOriginator, "")
		}
		return
	}
	for v := a.value; len(v) >= 4; v = v[4:] {
		for _, id := range rules.ClusterIDs {
			if id.Is4() && [4]byte(v[:4]) == id.As4() {
				u.refuse(OwnCluster, "")
			}
		}
	}
}

// A PE sends the same Prefix-SID with each UPDATE of a tenant's table. A rehearsal costs as much as
// GoBGP's own work does, so what survived one is not rehearsed again.

// decoded are the other attributes that GoBGP v3 decodes. It keeps attributes that it does
// not know as bytes.
var decoded = [256]bool{
	byte(bgp.BGP_ATTR_TYPE_PMSI_TUNNEL): true, byte(bgp.BGP_ATTR_TYPE_TUNNEL_ENCAP): true,
	byte(bgp.BGP_ATTR_TYPE_IP6_EXTENDED_COMMUNITIES): true, byte(bgp.BGP_ATTR_TYPE_AIGP): true,
	byte(bgp.BGP_ATTR_TYPE_LS): true, byte(bgp.BGP_ATTR_TYPE_PREFIX_SID): true,
}

// mostKnown is how many attributes a session knows: of a PE with a SID for each of its tenants and
// families, all.
const mostKnown = 4096

// known are attributes that survived a rehearsal as they came, each with the family of its routes.
// The zero value is ready.
type known struct {
	seen map[string]struct{}
	key  []byte
}

// keyOf is an attribute with the family of the routes, in a buffer that is used again. What GoBGP
// does with one of these kinds depends on nothing else in the UPDATE; nil: it may.
func (k *known) keyOf(u *update, a *attribute) []byte {
	if !decoded[a.kind] {
		return nil
	}
	k.key = append(binary.BigEndian.AppendUint16(k.key[:0], u.reach.afi), u.reach.safi, a.flags, a.kind)
	k.key = append(k.key, a.value...)
	return k.key
}

// has tells whether an attribute survived in an UPDATE before.
func (k *known) has(u *update, a *attribute) bool {
	_, is := k.seen[string(k.keyOf(u, a))]
	return is
}

// add remembers the attributes of an UPDATE that has survived its rehearsal as it came.
func (k *known) add(u *update) {
	for i := range u.attrs {
		a := &u.attrs[i]
		if !a.odd || a.cut {
			continue
		}
		if key := k.keyOf(u, a); key != nil {
			if k.seen == nil || len(k.seen) >= mostKnown {
				k.seen = make(map[string]struct{})
			}
			k.seen[string(key)] = struct{}{}
		}
	}
}
