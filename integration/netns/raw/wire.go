package raw

import (
	"encoding/binary"
	"net/netip"
	"slices"
)

// Keepalive is a KEEPALIVE.
var Keepalive = Message(TypeKeepalive)

// Message is a BGP message (RFC 4271, 4.1).
func Message(kind byte, body ...byte) []byte {
	return Sized(headerSize+len(body), kind, body...)
}

// Sized is a message whose header says another length than it has.
func Sized(size int, kind byte, body ...byte) []byte {
	m := slices.Repeat([]byte{0xff}, 16)
	m = binary.BigEndian.AppendUint16(m, uint16(size))
	return append(append(m, kind), body...)
}

// Update is an UPDATE of its three parts.
func Update(withdrawn, attrs, nlri []byte) []byte {
	body := binary.BigEndian.AppendUint16(nil, uint16(len(withdrawn)))
	body = binary.BigEndian.AppendUint16(append(body, withdrawn...), uint16(len(attrs)))
	return Message(TypeUpdate, slices.Concat(body, attrs, nlri)...)
}

// Flags of an attribute (RFC 4271, 4.3).
const (
	WellKnown  = 0x40
	Optional   = 0x80
	Transitive = 0xc0 // optional as well
)

// Attr is a path attribute, with a length of two bytes where it needs them.
func Attr(flags, kind byte, value ...byte) []byte {
	if len(value) > 255 {
		return append(binary.BigEndian.AppendUint16([]byte{flags | 0x10, kind}, uint16(len(value))), value...)
	}
	return append([]byte{flags, kind, byte(len(value))}, value...)
}

// Origin is the ORIGIN that most routes have.
var Origin = Attr(WellKnown, 1, 0)

// Path is an AS_PATH of one sequence, in AS numbers of four bytes.
func Path(as ...uint32) []byte { return Segments(Segment(2, as...)) }

// Segments is an AS_PATH.
func Segments(list ...[]byte) []byte { return Attr(WellKnown, 2, slices.Concat(list...)...) }

// Segment is one of an AS_PATH: 1 a set, 2 a sequence, 3 and 4 the same of a
// confederation (RFC 5065).
func Segment(kind byte, as ...uint32) []byte {
	b := []byte{kind, byte(len(as))}
	for _, n := range as {
		b = binary.BigEndian.AppendUint32(b, n)
	}
	return b
}

// NextHop is a NEXT_HOP.
func NextHop(a netip.Addr) []byte { return Attr(WellKnown, 3, a.AsSlice()...) }

// Number is an attribute of four bytes: MULTI_EXIT_DISC, LOCAL_PREF.
func Number(flags, kind byte, n uint32) []byte {
	return Attr(flags, kind, binary.BigEndian.AppendUint32(nil, n)...)
}

// Reach is an MP_REACH_NLRI (RFC 4760).
func Reach(afi uint16, safi byte, nexthop, nlri []byte) []byte {
	v := append(binary.BigEndian.AppendUint16(nil, afi), safi, byte(len(nexthop)))
	return Attr(Optional, 14, slices.Concat(v, nexthop, []byte{0}, nlri)...)
}

// Unreach is an MP_UNREACH_NLRI.
func Unreach(afi uint16, safi byte, nlri []byte) []byte {
	v := append(binary.BigEndian.AppendUint16(nil, afi), safi)
	return Attr(Optional, 15, append(v, nlri...)...)
}

// NLRI are prefixes as an UPDATE has them. Bits behind their length are sent too.
func NLRI(prefixes ...string) (b []byte) {
	for _, text := range prefixes {
		p := netip.MustParsePrefix(text)
		b = append(b, byte(p.Bits()))
		b = append(b, p.Addr().AsSlice()[:(p.Bits()+7)/8]...)
	}
	return b
}

// Refresh is a ROUTE-REFRESH (RFC 2918).
func Refresh(afi uint16, safi byte) []byte {
	return Message(TypeRefresh, append(binary.BigEndian.AppendUint16(nil, afi), 0, safi)...)
}

// RouteTarget is one of the form AS:number (RFC 4360).
func RouteTarget(as uint16, n uint32) []byte {
	return binary.BigEndian.AppendUint32(binary.BigEndian.AppendUint16([]byte{0, 2}, as), n)
}

// Communities are extended communities.
func Communities(list ...[]byte) []byte { return Attr(Transitive, 16, slices.Concat(list...)...) }
