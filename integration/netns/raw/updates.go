package raw

import (
	"encoding/binary"
	"fmt"
	"net/netip"
	"slices"
)

// update is a case of an UPDATE on a session that stays.
func update(name string, taken bool, messages ...[]byte) Case {
	return Case{Name: "UPDATE: " + name, Stage: Established, Messages: messages, Taken: taken}
}

// attributes are routes with an optional attribute that is wrong: one that may be
// discarded leaves the route, another one takes it along (RFC 7606).
func attributes(s Speaker) (list []Case) {
	one := NLRI(s.Prefix)
	with := func(name string, taken bool, more ...[]byte) {
		list = append(list, update(name, taken, Update(nil, s.Attrs(more...), one)))
	}
	as4 := Attr(Transitive, 17, Segment(2, 65000, 1)...)
	list = append(list,
		update("AS4_PATH first", true, Update(nil, slices.Concat(as4, s.Attrs()), one)),
		update("AS4_PATH first, AS_PATH last", true, Update(nil, slices.Concat(as4, Origin, NextHop(s.Nexthop), s.preference(), s.Path()), one)),
		update("AS_PATH and AS4_PATH alone", false, Update(nil, slices.Concat(as4, s.Path()), one)))
	with("AS4_AGGREGATOR of three bytes", true, Attr(Transitive, 18, 1, 2, 3))
	for i, sid := range [][]byte{
		{5, 0, 5, 0, 9, 0, 1, 0}, {5, 0, 5, 0, 1, 0, 2, 0, 0}, {5, 0, 1, 0}, {5, 0, 0}, {5}, {}, {6, 0, 200, 0}, {1, 0, 7, 0, 0, 0, 0, 0, 0, 9},
		{5, 0, 34, 0, 1, 0, 30, 0, 0x20, 1, 0xd, 0xb8, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1, 0, 0, 0x13, 0, 1, 0, 60, 32, 16, 16, 0, 0, 0},
	} {
		with(fmt.Sprintf("Prefix-SID %d", i), true, Attr(Transitive, 40, sid...))
	}
	with("tunnel encapsulation that ends early", true, Attr(Transitive, 23, 0, 15, 0, 200, 1))
	with("BGP-LS that ends early", true, Attr(Optional, 29, 4, 0, 0, 200, 1))
	with("AIGP of one byte", true, Attr(Optional, 26, 1))
	with("PMSI tunnel of one byte", false, Attr(Transitive, 22, 1))
	with("IPv6 extended communities of 19 bytes", false, Attr(Transitive, 25, make([]byte, 19)...))
	with("extended communities of 7 bytes", false, Attr(Transitive, 16, make([]byte, 7)...))
	with("extended communities of many types", true, Attr(Transitive, 16, everyCommunity()...))
	with("large communities of 11 bytes", false, Attr(Transitive, 32, make([]byte, 11)...))
	with("communities of 3 bytes", false, Attr(Transitive, 8, 1, 2, 3))
	with("communities as a well-known attribute", false, Attr(WellKnown, 8, 1, 2, 3, 4))
	with("MULTI_EXIT_DISC of 3 bytes", false, Attr(Optional, 4, 1, 2, 3))
	with("AGGREGATOR of 3 bytes", true, Attr(Transitive, 7, 1, 2, 3))
	with("ATOMIC_AGGREGATE of one byte", true, Attr(WellKnown, 6, 1))
	inside := s.Internal || s.Member
	if !inside {
		with("LOCAL_PREF of 3 bytes", true, Attr(WellKnown, 5, 1, 2, 3))
	}
	with("ORIGINATOR_ID of 3 bytes", !inside, Attr(Optional, 9, 1, 2, 3))
	with("CLUSTER_LIST of 3 bytes", !inside, Attr(Optional, 10, 1, 2, 3))
	with("an unknown attribute of 2500 bytes", true, Attr(Transitive, 99, make([]byte, 2500)...))
	with("an unknown attribute of 3900 bytes, which leaves no room where it is sent on", false, Attr(Transitive, 99, make([]byte, 3900)...))
	with("an attribute of every unknown type", true, everyUnknown())
	return list
}

// everyCommunity is an extended community of many types and subtypes.
func everyCommunity() (b []byte) {
	for _, kind := range []byte{0, 1, 3, 6, 0x0f, 0x43, 0x80, 0x82, 0xff} {
		for _, sub := range []byte{0, 1, 4, 6, 0x0c, 0x20} {
			b = append(b, kind, sub, 0, 1, 2, 3, 4, 5)
		}
	}
	return b
}

func everyUnknown() (b []byte) {
	for kind := 41; kind < 256; kind++ {
		b = append(b, Attr(Transitive, byte(kind), 1, 2, 3, 4)...)
	}
	return b
}

// wellKnown are routes whose mandatory attributes are wrong.
func wellKnown(s Speaker) (list []Case) {
	of := func(name string, taken bool, attrs ...[]byte) {
		list = append(list, update(name, taken, Update(nil, slices.Concat(append([][]byte{s.preference()}, attrs...)...), NLRI(s.Prefix))))
	}
	hop, path := NextHop(s.Nexthop), s.Path()
	of("no attribute at all", false)
	of("no ORIGIN", false, path, hop)
	of("no AS_PATH", false, Origin, hop)
	of("no NEXT_HOP", false, Origin, path)
	of("ORIGIN 9", false, Attr(WellKnown, 1, 9), path, hop)
	of("ORIGIN of no byte", false, Attr(WellKnown, 1), path, hop)
	of("ORIGIN of two", false, Attr(WellKnown, 1, 0, 0), path, hop)
	of("ORIGIN as an optional attribute", false, Attr(Transitive, 1, 0), path, hop)
	of("ORIGIN twice", true, Origin, Origin, path, hop)
	of("NEXT_HOP of no byte", false, Origin, path, Attr(WellKnown, 3))
	of("NEXT_HOP of three", false, Origin, path, Attr(WellKnown, 3, 10, 0, 1))
	of("NEXT_HOP of sixteen", false, Origin, path, Attr(WellKnown, 3, make([]byte, 16)...))
	of("NEXT_HOP 0.0.0.0", false, Origin, path, NextHop(netip.IPv4Unspecified()))
	of("NEXT_HOP of multicast", false, Origin, path, NextHop(netip.AddrFrom4([4]byte{224, 0, 0, 5})))
	of("an empty AS_PATH", s.Internal, Origin, Segments(), hop)
	of("a segment of type 9", false, Origin, Segments(Segment(9, s.AS)), hop)
	of("a segment without AS numbers", false, Origin, Segments(Segment(2)), hop)
	of("a segment over its end", false, Origin, Attr(WellKnown, 2, 2, 9, 0, 0, 0, 1), hop)
	of("a segment of one byte", false, Origin, Attr(WellKnown, 2, 2), hop)
	of("AS 0", false, Origin, s.Path(0), hop)
	of("AS 0 in a set", false, Origin, Segments(Segment(2, s.AS), Segment(1, 7, 0)), hop)
	of("an AS_PATH of AS numbers of two bytes", false, Origin, Attr(WellKnown, 2, 2, 1, byte(s.AS>>8), byte(s.AS)), hop)
	of("an attribute over the end of the list", false, Origin, path, hop, []byte{0xc0, 8, 200, 1})
	of("one byte of an attribute", false, Origin, path, hop, []byte{0xc0})
	of("a well-known attribute of type 99", false, Origin, path, hop, Attr(WellKnown, 99, 1))
	of("250 AS numbers in a path", true, Origin, s.Path(slices.Repeat([]uint32{65123}, 250)...), hop)
	if !s.Member {
		of("a confederation's segment", false, Origin, Segments(Segment(3, s.AS)), hop)
	}
	return list
}

// families are routes of families that were not negotiated, and IPv6 ones that are
// none: nothing of them may reach GoBGP.
func families(s Speaker) (list []Case) {
	for _, f := range []struct {
		afi  uint16
		safi byte
	}{{25, 70}, {25, 65}, {1, 128}, {2, 128}, {1, 4}, {2, 4}, {1, 133}, {2, 133}, {1, 134}, {25, 134}, {1, 73}, {2, 73}, {16388, 71}, {1, 132}, {1, 2}, {2, 66}, {0, 0}, {65535, 255}, {16397, 241}} {
		var messages [][]byte
		for _, n := range []byte{0, 1, 8, 22, 33} {
			for _, kind := range []byte{0, 1, 2, 5, 200} {
				nlri := append([]byte{kind, n}, make([]byte, n)...)
				messages = append(messages, Update(nil, s.Attrs6(Reach(f.afi, f.safi, s.Nexthop.AsSlice(), nlri)), nil),
					Update(nil, Unreach(f.afi, f.safi, nlri), nil))
			}
		}
		messages = append(messages, Update(nil, Unreach(f.afi, f.safi, nil), nil), Update(nil, s.Attrs6(Reach(f.afi, f.safi, nil, nil)), nil))
		list = append(list, update(fmt.Sprintf("routes of family %d/%d, cut short", f.afi, f.safi), false, messages...))
	}
	var mapped [][]byte
	for _, p := range []string{"::ffff:0:0/96", "::ffff:10.0.0.0/104", "::ffff:10.1.2.3/128", "::ffff:30.1.2.0/120"} {
		mapped = append(mapped, s.Announce(p), s.Withdraw(p))
	}
	list = append(list, update("IPv4 in IPv6", false, mapped...))
	for _, n := range []int{0, 1, 15, 17, 31, 48, 255} {
		list = append(list, update(fmt.Sprintf("a nexthop of %d bytes", n), false, Update(nil, s.Attrs6(Reach(2, 1, make([]byte, n), NLRI("2001:db8:30::/48"))), nil)))
	}
	list = append(list, update("IPv4 routes in MP_REACH", true, Update(nil, s.Attrs6(Reach(1, 1, s.Nexthop.AsSlice(), NLRI(s.Prefix))), nil)))
	return list
}

// floods are many messages that each are lawful, or nearly so.
func floods(s Speaker) []Case {
	var withdrawn, announced [][]byte
	for i := range 100 {
		var nlri []byte
		for j := range 200 {
			nlri = append(nlri, 32, 30, 100, byte(i), byte(j))
		}
		withdrawn = append(withdrawn, Update(nlri, nil, nil))
		if i < 10 {
			announced = append(announced, Update(nil, s.Attrs(), nlri), Update(nlri, nil, nil))
		}
	}
	marks := Message(TypeRefresh, 0, 1, 1, 1)
	many := binary.BigEndian.AppendUint16(nil, 1)
	return []Case{
		update("withdrawals of 20,000 prefixes that nobody has", false, withdrawn...),
		update("200 routes in one, that come and go", false, announced...),
		{Name: "2,000 KEEPALIVEs", Stage: Established, Messages: slices.Repeat([][]byte{Keepalive}, 2000)},
		{Name: "2,000 ROUTE-REFRESHes", Stage: Established, Messages: slices.Repeat([][]byte{Refresh(1, 1), Refresh(2, 1)}, 1000)},
		{Name: "ROUTE-REFRESHes of other families, and marks", Stage: Established, Messages: [][]byte{Refresh(25, 70), Refresh(0, 0), marks, Message(TypeRefresh, 0, 1, 9, 1)}},
		{Name: "a ROUTE-REFRESH with a filter", Stage: Established, Messages: [][]byte{Message(TypeRefresh, append(many, 0, 1, 1, 128, 0, 0)...)}},
		{Name: "End-of-RIB, time and again", Stage: Established, Messages: slices.Repeat([][]byte{Update(nil, nil, nil), Update(nil, Unreach(2, 1, nil), nil)}, 50)},
	}
}
