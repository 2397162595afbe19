package rib

import (
	"hash/fnv"
	"net/netip"
	"slices"
)

// What goes out of a VRF as a VPN route is judged by policies of BGP's own, which know a path by
// what it carries. So what a VRF that has such a policy announces, and its customers, carries a
// route target that no configuration has: it is of AS 0, which nobody has (RFC 7607), and is
// taken off before another router is told.

// The numbers behind AS 0 that mark where a path goes out.
const (
	firstSendMark = 3_000_000_000
	sendMarks     = 1_000_000_000
)

// SendMark is the mark of what goes out of a VRF: of what was leaked into it from another one,
// or, with source "", of all else. Two of them are the same by chance alone.
func SendMark(vrf, source string) RT {
	h := fnv.New32a()
	_, _ = h.Write([]byte(vrf + "\x00" + source)) // it never fails
	return RT(uint64(subtypeRT)<<48 | uint64(firstSendMark+h.Sum32()%sendMarks))
}

// What goes out of a VRF whose routes are carried by an encapsulation has other marks, whose numbers
// are behind those.
const (
	// CarriedMark says that it goes out by EVPN: no neighbour is told of it as VPN routes.
	CarriedMark = RT(uint64(subtypeRT)<<48 | (firstSendMark + sendMarks))
	// DeafMark says that the VRF can take no packets from other PEs: none of them is told.
	DeafMark = CarriedMark + 1

	firstSourceMark  = 4_010_000_000
	sourceMarks      = 80_000_000
	firstServiceMark = 4_100_000_000
	serviceMarks     = 100_000_000
)

// SourceMark says which address of this router the nexthop is for other PEs. Two of them are the
// same by chance alone.
func SourceMark(source netip.Addr) RT {
	h := fnv.New32a()
	_, _ = h.Write(source.AsSlice())
	return RT(uint64(subtypeRT)<<48 | uint64(firstSourceMark+h.Sum32()%sourceMarks))
}

// ServiceMark says which SRv6 service of this router a route goes out with, by a number of that.
func ServiceMark(n uint32) RT {
	return RT(uint64(subtypeRT)<<48 | uint64(firstServiceMark+n%serviceMarks))
}

// IsServiceMark tells whether a route target is such a mark.
func IsServiceMark(rt RT) bool { return isMark(rt, firstServiceMark, serviceMarks) }

// IsCarriageMark tells whether a route target is a mark of how routes are carried.
func IsCarriageMark(rt RT) bool {
	return isMark(rt, firstSendMark+sendMarks, firstServiceMark+serviceMarks-firstSendMark-sendMarks)
}

// IsSendMark tells whether a route target is a mark of SendMark.
func IsSendMark(rt RT) bool { return isMark(rt, firstSendMark, sendMarks) }

// isMark tells whether a route target is one of AS 0 with one of n numbers.
func isMark(rt RT, first, n uint64) bool {
	number := uint64(rt) &^ (uint64(subtypeRT) << 48)
	return rt>>48 == subtypeRT && number >= first && number < first+n
}

// sendMarkOf is the mark among route targets; 0: there is none.
func sendMarkOf(rts []RT) RT {
	if i := slices.IndexFunc(rts, IsSendMark); i >= 0 {
		return rts[i]
	}
	return 0
}
