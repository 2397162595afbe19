package rib

import (
	"cmp"
	"encoding/binary"
	"math/bits"
	"net/netip"
)

// packed is a prefix without the pointer that a netip.Addr has, so that millions
// of them cost the garbage collector nothing.
type packed struct {
	hi, lo uint64
	bits   uint8
	v4     bool
}

// mapped is what is before an IPv4 address in the lower half of its IPv6 form.
const mapped = 0xffff << 32

func pack(p netip.Prefix) packed {
	b := p.Addr().As16()
	return packed{
		binary.BigEndian.Uint64(b[:8]), binary.BigEndian.Uint64(b[8:]),
		uint8(p.Bits()), p.Addr().Is4(),
	}
}

func (k packed) family() Family {
	if k.v4 {
		return IPv4
	}
	return IPv6
}

// compare orders IPv4 before IPv6, then by address, then short to long.
func (k packed) compare(o packed) int {
	switch {
	case k.v4 && !o.v4:
		return -1
	case o.v4 && !k.v4:
		return 1
	}
	return cmp.Or(cmp.Compare(k.hi, o.hi), cmp.Compare(k.lo, o.lo), cmp.Compare(k.bits, o.bits))
}

func (k packed) prefix() netip.Prefix {
	if k.v4 {
		var b [4]byte
		binary.BigEndian.PutUint32(b[:], uint32(k.lo))
		return netip.PrefixFrom(netip.AddrFrom4(b), int(k.bits))
	}
	var b [16]byte
	binary.BigEndian.PutUint64(b[:8], k.hi)
	binary.BigEndian.PutUint64(b[8:], k.lo)
	return netip.PrefixFrom(netip.AddrFrom16(b), int(k.bits))
}

// masked is the prefix of some length that k's address is in.
func (k packed) masked(length uint8) packed {
	n := int(length)
	if k.v4 {
		n += 96
	}
	if k.bits = length; n <= 64 {
		k.hi, k.lo = k.hi&(^uint64(0)<<(64-n)), 0
	} else {
		k.lo &= ^uint64(0) << (128 - n)
	}
	return k
}

// common is how many bits the addresses of two prefixes of a family have in common.
func (k packed) common(o packed) uint8 {
	n := bits.LeadingZeros64(k.hi ^ o.hi)
	if n == 64 {
		n += bits.LeadingZeros64(k.lo ^ o.lo)
	}
	if k.v4 {
		n -= 96
	}
	return uint8(n)
}
