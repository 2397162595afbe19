package rib

import (
	"fmt"
	"math"
	"strconv"
	"strings"
)

// ExtCommunity is an extended community as its 8 bytes in wire order (RFC 4360), read as a
// big-endian number.
type ExtCommunity uint64

// Subtypes of extended communities, of the types that have an administrator field, and of the
// opaque type (RFC 4360, RFC 9012).
const (
	subtypeOrigin    = 0x03
	subtypeBandwidth = 0x04
	subtypeColor     = 0x0b
	typeOpaque       = 0x03
	nonTransitive    = 0x40
)

// RT is the community as a route target; false: it is none.
func (c ExtCommunity) RT() (RT, bool) {
	_, is := RT(c).admin()
	return RT(c), is
}

// Bandwidth is that of a link bandwidth community, in bytes a second
// (draft-ietf-idr-link-bandwidth: type 0x40, of a two-byte AS; transitive ones are seen too);
// false: it is none.
func (c ExtCommunity) Bandwidth() (float32, bool) {
	if typ, sub := uint8(c>>56)&^nonTransitive, uint8(c>>48); typ != adminAS2 || sub != subtypeBandwidth {
		return 0, false
	}
	return math.Float32frombits(uint32(c)), true
}

// ParseExtCommunity reads an extended community: "rt:65000:10", "soo:65000:10" (site of
// origin), "color:100" (RFC 9012), or its 8 bytes, "0x0003fde80000000a".
func ParseExtCommunity(s string) (ExtCommunity, error) {
	kind, rest, _ := strings.Cut(strings.ToLower(s), ":")
	switch kind {
	case "rt":
		rt, err := ParseRT(rest)
		return ExtCommunity(rt), err
	case "soo":
		a, err := parseAdmin("site of origin", rest)
		return ExtCommunity(uint64(a.format)<<56 | subtypeOrigin<<48 | a.value), err
	case "color":
		if n, ok := decimal(rest, math.MaxUint32); ok {
			return ExtCommunity(typeOpaque<<56 | subtypeColor<<48 | n), nil
		}
		return 0, fmt.Errorf("extended community %q: a colour is a number from 0 to 4294967295, as in color:100", s)
	}
	if digits, is := strings.CutPrefix(kind, "0x"); is && len(digits) == 16 {
		if n, err := strconv.ParseUint(digits, 16, 64); err == nil {
			return ExtCommunity(n), nil
		}
	}
	return 0, fmt.Errorf("extended community %q: write rt:65000:10, soo:65000:10, color:100, or its 8 bytes as in 0x0003fde80000000a", s)
}

// String renders c as ParseExtCommunity reads it.
func (c ExtCommunity) String() string {
	typ, sub := uint8(c>>56), uint8(c>>48)
	of := admin{typ, uint64(c) & (1<<48 - 1)}
	switch {
	case typ <= adminAS4 && sub == subtypeRT:
		return "rt:" + of.String()
	case typ <= adminAS4 && sub == subtypeOrigin:
		return "soo:" + of.String()
	case typ == typeOpaque && sub == subtypeColor && of.value <= math.MaxUint32:
		return "color:" + utoa(uint32(c))
	}
	return fmt.Sprintf("0x%016x", uint64(c))
}
