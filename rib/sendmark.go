package rib

import (
	"hash/fnv"
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

// CarriedMark is on all that goes out of a VRF whose routes are carried by EVPN: they are told to
// no neighbour as VPN routes. Its number is behind those of the other marks.
const CarriedMark = RT(uint64(subtypeRT)<<48 | (firstSendMark + sendMarks))

// IsSendMark tells whether a route target is such a mark.
func IsSendMark(rt RT) bool {
	n := uint64(rt) &^ (uint64(subtypeRT) << 48)
	return rt>>48 == subtypeRT && n >= firstSendMark && n < firstSendMark+sendMarks
}

// sendMarkOf is the mark among route targets; 0: there is none.
func sendMarkOf(rts []RT) RT {
	if i := slices.IndexFunc(rts, IsSendMark); i >= 0 {
		return rts[i]
	}
	return 0
}
