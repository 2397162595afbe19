package raw

import (
	"net/netip"
	"slices"
)

// aSID is what the Prefix-SIDs here lead to.
var aSID = netip.MustParseAddr("fd00:2:0:1:4711::")

// PrefixSID is the value of a Prefix-SID with the SID of a VRF (RFC 9252, 2 and 3).
func PrefixSID() []byte { return serviceOf(tlv(1, []byte{40, 24, 16, 0, 0, 0})) }

// serviceOf is a Prefix-SID of layer 3 whose SID has these parts.
func serviceOf(parts []byte) []byte {
	sid := aSID.As16()
	info := slices.Concat([]byte{0}, sid[:], []byte{0, 0, 19, 0}, parts)
	return tlv(5, append([]byte{0}, tlv(1, info)...))
}

// tlv is a value with its type and length.
func tlv(kind byte, value []byte) []byte {
	return append([]byte{kind, byte(len(value) >> 8), byte(len(value))}, value...)
}

// MalformedSIDs are Prefix-SIDs without a SID that could be used: sub-TLVs that are unknown or cut short,
// and lengths that do not fit, and every beginning of one that is right. Those of odd have one, and
// something else that is wrong.
func MalformedSIDs() (wrong, odd [][]byte) {
	right := PrefixSID()
	for i := range right {
		wrong = append(wrong, right[:i])
	}
	structure := func(lengths ...byte) []byte { return serviceOf(tlv(1, lengths)) }
	wrong = append(wrong,
		[]byte{5, 0, 5, 0, 2, 0, 1, 0}, []byte{5, 0, 0}, []byte{5, 0, 6, 0, 1, 0, 2, 0, 0}, []byte{1, 0, 7, 0, 0, 0, 0, 0, 0, 9},
		structure(40), structure(40, 24, 16, 0, 16), structure(255, 255, 255, 255, 255, 255), structure(40, 24, 16, 0, 20, 128), tlv(6, right[3:]))
	odd = append(odd, structure(), structure(40, 24, 16, 0, 0, 0, 0), slices.Concat(right, right), tlv(5, slices.Concat([]byte{0}, right[4:], right[4:])))
	return wrong, odd
}
