package rib

import (
	"encoding/binary"
	"fmt"
	"math"
	"net/netip"
	"strconv"
	"strings"
)

// Formats of the administrator field, the same numbers for an RD's type (RFC
// 4364 section 4.2) and an RT's high type byte (RFC 4360, RFC 5668).
const (
	adminAS2  = 0 // 2-byte AS, 4-byte number
	adminIPv4 = 1 // IPv4 address, 2-byte number
	adminAS4  = 2 // 4-byte AS, 2-byte number

	subtypeRT = 0x02
)

// admin is what RDs and RTs have in common: 6 bytes and how to read them.
type admin struct {
	format uint8
	value  uint64 // 48 bits
}

// ParseRD reads a route distinguisher: "65000:10", "192.0.2.1:10", or with a
// 4-byte AS "70000:10" or "1.4464:10". The dotted spelling always makes one
// with a 4-byte AS, as GoBGP reads it.
func ParseRD(s string) (RD, error) {
	a, err := parseAdmin("route distinguisher", s)
	if err != nil {
		return 0, err
	}
	return RD(uint64(a.format)<<48 | a.value), nil
}

// String renders rd as ParseRD reads it: "65000:10", "192.0.2.1:10",
// "70000:10". A type that ParseRD does not know is printed as its 8 bytes.
func (rd RD) String() string {
	if typ := uint64(rd) >> 48; typ <= adminAS4 {
		return admin{uint8(typ), uint64(rd) & (1<<48 - 1)}.String()
	}
	return fmt.Sprintf("0x%016x", uint64(rd))
}

// Dotted is String with a 4-byte AS in two halves, "1.4464:10". GoBGP
// understands a 4-byte AS in this spelling alone: it takes "70000:10" for
// 65535:10, without an error.
func (rd RD) Dotted() string {
	if typ := uint64(rd) >> 48; typ == adminAS4 {
		return admin{adminAS4, uint64(rd) & (1<<48 - 1)}.dotted()
	}
	return rd.String()
}

// ParseRT reads a route target, in the spellings of ParseRD.
func ParseRT(s string) (RT, error) {
	a, err := parseAdmin("route target", s)
	if err != nil {
		return 0, err
	}
	return RT(uint64(a.format)<<56 | subtypeRT<<48 | a.value), nil
}

// String renders rt as ParseRT reads it. An extended community that is no route
// target of a known type is printed as its 8 bytes.
func (rt RT) String() string {
	if a, ok := rt.admin(); ok {
		return a.String()
	}
	return fmt.Sprintf("0x%016x", uint64(rt))
}

// Dotted is String in the spelling that GoBGP reads right; see RD.Dotted.
func (rt RT) Dotted() string {
	if a, ok := rt.admin(); ok && a.format == adminAS4 {
		return a.dotted()
	}
	return rt.String()
}

func (rt RT) admin() (admin, bool) {
	typ, sub := uint8(rt>>56), uint8(rt>>48)
	return admin{typ, uint64(rt) & (1<<48 - 1)}, typ <= adminAS4 && sub == subtypeRT
}

func (a admin) String() string {
	switch a.format {
	case adminAS2:
		return utoa(uint32(a.value>>32)) + ":" + utoa(uint32(a.value))
	case adminIPv4:
		var b [4]byte
		binary.BigEndian.PutUint32(b[:], uint32(a.value>>16))
		return netip.AddrFrom4(b).String() + ":" + utoa(uint32(a.value&math.MaxUint16))
	}
	as := uint32(a.value >> 16)
	if as <= math.MaxUint16 {
		// Without the dot it would read back as a 2-byte AS: another value.
		return a.dotted()
	}
	return utoa(as) + ":" + utoa(uint32(a.value&math.MaxUint16))
}

func (a admin) dotted() string {
	as, number := uint32(a.value>>16), uint32(a.value&math.MaxUint16)
	return utoa(as>>16) + "." + utoa(as&math.MaxUint16) + ":" + utoa(number)
}

func parseAdmin(what, s string) (admin, error) {
	head, tail, found := strings.Cut(s, ":")
	fail := func(why string) (admin, error) {
		return admin{}, fmt.Errorf("%s %q: %s; write AS:NUMBER or IPv4:NUMBER, as in 65000:10 or 192.0.2.1:10", what, s, why)
	}
	if !found {
		return fail("it has no colon")
	}
	number, ok := decimal(tail, math.MaxUint32)
	if !ok {
		return fail(fmt.Sprintf("%q is not a number from 0 to 4294967295", tail))
	}
	format, value, ok := parseAdministrator(head)
	if !ok {
		return fail(fmt.Sprintf("%q is neither an AS number nor an IPv4 address", head))
	}
	if format == adminAS2 {
		return admin{format, value<<32 | number}, nil
	}
	if number > math.MaxUint16 {
		return fail(fmt.Sprintf("after a 4-byte AS or an IPv4 address the number is at most 65535, and %d is not", number))
	}
	return admin{format, value<<16 | number}, nil
}

func parseAdministrator(s string) (format uint8, value uint64, ok bool) {
	if hi, lo, dotted := strings.Cut(s, "."); dotted {
		h, okHi := decimal(hi, math.MaxUint16)
		l, okLo := decimal(lo, math.MaxUint16)
		if okHi && okLo {
			return adminAS4, h<<16 | l, true
		}
		addr, err := netip.ParseAddr(s)
		if err != nil || !addr.Is4() {
			return 0, 0, false
		}
		b := addr.As4()
		return adminIPv4, uint64(binary.BigEndian.Uint32(b[:])), true
	}
	as, ok := decimal(s, math.MaxUint32)
	if ok && as > math.MaxUint16 {
		return adminAS4, as, true
	}
	return adminAS2, as, ok
}

// decimal reads a number of digits alone: strconv would also take a sign.
func decimal(s string, limit uint64) (uint64, bool) {
	if s == "" || s[0] < '0' || s[0] > '9' {
		return 0, false
	}
	n, err := strconv.ParseUint(s, 10, 64)
	return n, err == nil && n <= limit
}
