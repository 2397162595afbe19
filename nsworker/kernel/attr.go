package kernel

import (
	"encoding/binary"
	"net/netip"
	"time"

	"golang.org/x/sys/unix"

	"github.com/vrfredist/vrfredist/rib"
)

var native = binary.NativeEndian

// Attributes that x/sys/unix does not name (include/uapi/linux/rtnetlink.h and
// if_link.h).
const (
	rtaNexthopID   = 30     // RTA_NH_ID
	skipStats      = 1 << 3 // RTEXT_FILTER_SKIP_STATS
	attrTypeMask   = 0x3fff // without NLA_F_NESTED and NLA_F_NET_BYTEORDER
	attrHeader     = unix.SizeofRtAttr
	maxAttrPayload = 0xffff - attrHeader
)

// attrs walks the netlink attributes of b.
type attrs struct {
	b   []byte
	bad bool // the walk ended at bytes that are no attribute
}

// next returns the type, without its flag bits, and the payload of the next
// attribute. The payload points into b.
func (a *attrs) next() (typ uint16, v []byte, ok bool) {
	if len(a.b) < attrHeader {
		return 0, nil, false
	}
	size := int(native.Uint16(a.b))
	if size < attrHeader || size > len(a.b) {
		a.bad = true
		return 0, nil, false
	}
	typ, v = native.Uint16(a.b[2:])&attrTypeMask, a.b[attrHeader:size]
	a.b = a.b[min(align(size), len(a.b)):]
	return typ, v, true
}

// attribute is the payload of the first attribute of a type in b.
func attribute(b []byte, typ uint16) []byte {
	a := attrs{b: b}
	for t, v, ok := a.next(); ok; t, v, ok = a.next() {
		if t == typ {
			return v
		}
	}
	return nil
}

// align rounds n up to the 4 bytes that netlink aligns to.
func align(n int) int { return (n + 3) &^ 3 }

func attrU32(v []byte) uint32 {
	if len(v) < 4 {
		return 0
	}
	return native.Uint32(v)
}

// attrString is v up to its first NUL.
func attrString(v []byte) string {
	for i, c := range v {
		if c == 0 {
			return string(v[:i])
		}
	}
	return string(v)
}

// attrAddr returns the address in v, invalid where its length fits no family.
func attrAddr(v []byte) netip.Addr {
	a, _ := netip.AddrFromSlice(v)
	return a
}

// attrMAC returns the address of an Ethernet interface in v, zero where it is another kind's.
func attrMAC(v []byte) rib.MAC {
	if len(v) != len(rib.MAC{}) {
		return rib.MAC{}
	}
	return rib.MAC(v)
}

// attrVia returns the address in an RTA_VIA: its family and its bytes.
func attrVia(v []byte) netip.Addr {
	if len(v) < 2 {
		return netip.Addr{}
	}
	a := attrAddr(v[2:])
	switch native.Uint16(v) {
	case unix.AF_INET:
		if a.Is4() {
			return a
		}
	case unix.AF_INET6:
		if a.Is6() {
			return a
		}
	}
	return netip.Addr{}
}

// attrExpires returns when a route ends by its struct rta_cacheinfo, in Unix seconds, rounded
// up; 0: never. The kernel says how many ticks of 1/100 s are left, or are over
// (rtnl_put_cacheinfo in net/core/rtnetlink.c).
func attrExpires(v []byte, now time.Time) uint32 {
	const at, tick = 8, 10 * time.Millisecond
	if len(v) < at+4 {
		return 0
	}
	left := int32(native.Uint32(v[at:]))
	if left == 0 {
		return 0
	}
	return uint32(now.Add(time.Duration(left)*tick + time.Second - 1).Unix())
}

func appendAttr(b []byte, typ uint16, v []byte) []byte {
	b = native.AppendUint16(b, uint16(attrHeader+len(v)))
	b = native.AppendUint16(b, typ)
	b = append(b, v...)
	return pad(b)
}

func appendAttrU8(b []byte, typ uint16, v uint8) []byte {
	b = native.AppendUint16(b, attrHeader+1)
	b = native.AppendUint16(b, typ)
	return append(b, v, 0, 0, 0)
}

func appendAttrU32(b []byte, typ uint16, v uint32) []byte {
	b = native.AppendUint16(b, attrHeader+4)
	b = native.AppendUint16(b, typ)
	return native.AppendUint32(b, v)
}

// appendAttrAddr appends a without its zone.
func appendAttrAddr(b []byte, typ uint16, a netip.Addr) []byte {
	if a.Is4() {
		v := a.As4()
		return appendAttr(b, typ, v[:])
	}
	v := a.As16()
	return appendAttr(b, typ, v[:])
}

func pad(b []byte) []byte {
	for len(b)%unix.NLMSG_ALIGNTO != 0 {
		b = append(b, 0)
	}
	return b
}
