package rib

import (
	"fmt"
	"net/netip"
)

// LabelRange are the labels that this router may give to VRFs. The zero one has none.
type LabelRange struct{ First, Last uint32 }

// Len is how many labels there are.
func (r LabelRange) Len() int {
	if r.Last == 0 {
		return 0
	}
	return int(r.Last-r.First) + 1
}

// Has tells whether a label is one of them.
func (r LabelRange) Has(label uint32) bool { return r.Last != 0 && r.First <= label && label <= r.Last }

// String is the range as a configuration has it; "": none.
func (r LabelRange) String() string {
	if r.Last == 0 {
		return ""
	}
	return fmt.Sprintf("%d-%d", r.First, r.Last)
}

// Locator is where the SIDs of this router are: all that begin with a prefix, and have a function
// behind it (RFC 8986, 3.1). Two are compared with ==.
type Locator struct {
	Prefix       netip.Prefix
	Block        netip.Prefix // what all routers of the domain have in common
	FunctionBits uint8
}

// SID is that of a function.
func (l Locator) SID(function uint32) netip.Addr {
	a := l.Prefix.Addr().As16()
	for i := range int(l.FunctionBits) {
		if function>>(int(l.FunctionBits)-1-i)&1 != 0 {
			bit := l.Prefix.Bits() + i
			a[bit/8] |= 0x80 >> (bit % 8)
		}
	}
	return netip.AddrFrom16(a)
}

// Function is that of a SID; false: it is none of this locator, or has more behind its function.
func (l Locator) Function(sid netip.Addr) (uint32, bool) {
	if !l.Prefix.IsValid() || !sid.Is6() || !l.Prefix.Contains(sid) {
		return 0, false
	}
	a, function := sid.As16(), uint32(0)
	for i := range int(l.FunctionBits) {
		bit := l.Prefix.Bits() + i
		function = function<<1 | uint32(a[bit/8]>>(7-bit%8)&1)
	}
	return function, l.SID(function) == sid && function != 0
}

// Functions are those that a VRF can have: 0 is the locator itself.
func (l Locator) Functions() (first, last uint32) {
	if !l.Prefix.IsValid() {
		return 0, 0
	}
	return 1, uint32(uint64(1)<<l.FunctionBits - 1)
}
