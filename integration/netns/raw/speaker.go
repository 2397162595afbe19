package raw

import (
	"encoding/binary"
	"net/netip"
	"slices"
)

// Speaker is who speaks: what is its own in the messages that it sends.
type Speaker struct {
	AS uint32
	ID netip.Addr
	// Nexthop and Nexthop6 are those of its routes.
	Nexthop, Nexthop6 netip.Addr
	// Prefix is what it announces in a Case.
	Prefix string
	// Internal says that it is of the other side's AS, and Member that it is of its
	// confederation.
	Internal, Member bool
}

// Capability is one capability, as a parameter of its own (RFC 5492).
func Capability(code byte, value ...byte) []byte {
	return append([]byte{2, byte(len(value) + 2), code, byte(len(value))}, value...)
}

// Family is the capability of an address family (RFC 4760).
func Family(afi uint16, safi byte) []byte {
	return Capability(1, append(binary.BigEndian.AppendUint16(nil, afi), 0, safi)...)
}

// FourByteAS is the capability of AS numbers of four bytes (RFC 6793).
func FourByteAS(as uint32) []byte { return Capability(65, binary.BigEndian.AppendUint32(nil, as)...) }

// RouteRefresh is the capability of that name (RFC 2918).
var RouteRefresh = Capability(2)

// Open is an OPEN of IPv4 and IPv6 unicast, with AS numbers of four bytes and more
// capabilities.
func (s Speaker) Open(more ...[]byte) []byte {
	return s.OpenOf(slices.Concat(append([][]byte{Family(1, 1), Family(2, 1), FourByteAS(s.AS), RouteRefresh}, more...)...))
}

// OpenOf is an OPEN with these optional parameters.
func (s Speaker) OpenOf(parameters []byte) []byte {
	return s.openWith(4, uint16(s.AS), 90, s.ID, byte(len(parameters)), parameters)
}

// openWith is an OPEN of all its fields.
func (s Speaker) openWith(version byte, as, hold uint16, id netip.Addr, size byte, parameters []byte) []byte {
	b := binary.BigEndian.AppendUint16([]byte{version}, as)
	b = binary.BigEndian.AppendUint16(b, hold)
	b = append(append(b, id.AsSlice()...), size)
	return Message(TypeOpen, append(b, parameters...)...)
}

// Path is the AS_PATH of a route of its own, with these AS numbers behind it.
func (s Speaker) Path(behind ...uint32) []byte {
	switch {
	case s.Internal && len(behind) == 0:
		return Segments()
	case s.Internal:
		return Path(behind...)
	case s.Member && len(behind) == 0:
		return Segments(Segment(3, s.AS))
	case s.Member:
		return Segments(Segment(3, s.AS), Segment(2, behind...))
	}
	return Path(append([]uint32{s.AS}, behind...)...)
}

// Attrs are those of an IPv4 route of its own, with more behind them.
func (s Speaker) Attrs(more ...[]byte) []byte {
	return s.AttrsBy(s.Path(), more...)
}

// AttrsBy is Attrs with another AS_PATH.
func (s Speaker) AttrsBy(path []byte, more ...[]byte) []byte {
	return slices.Concat(Origin, path, NextHop(s.Nexthop), s.preference(), slices.Concat(more...))
}

// preference is the LOCAL_PREF that who is inside sends.
func (s Speaker) preference() []byte {
	if s.Internal || s.Member {
		return Number(WellKnown, 5, 100)
	}
	return nil
}

// Announce announces routes of its own of one family, with more attributes.
func (s Speaker) Announce(prefix string, more ...[]byte) []byte {
	if netip.MustParsePrefix(prefix).Addr().Is4() {
		return Update(nil, s.Attrs(more...), NLRI(prefix))
	}
	return Update(nil, s.Attrs6(Reach(2, 1, s.Nexthop6.AsSlice(), NLRI(prefix)), more...), nil)
}

// Attrs6 are the attributes of routes that an attribute of their own names.
func (s Speaker) Attrs6(reach []byte, more ...[]byte) []byte {
	return slices.Concat(Origin, s.Path(), s.preference(), reach, slices.Concat(more...))
}

// Withdraw withdraws a route.
func (s Speaker) Withdraw(prefix string) []byte {
	if netip.MustParsePrefix(prefix).Addr().Is4() {
		return Update(NLRI(prefix), nil, nil)
	}
	return Update(nil, Unreach(2, 1, NLRI(prefix)), nil)
}
