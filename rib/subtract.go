package rib

import (
	"net/netip"
	"slices"
)

// Subtract takes the addresses of hole out of prefixes. What is left is in order.
func Subtract(prefixes []netip.Prefix, hole netip.Prefix) (rest []netip.Prefix) {
	hole = hole.Masked()
	for _, p := range prefixes {
		p = p.Masked()
		if !p.Overlaps(hole) {
			rest = append(rest, p)
			continue
		}
		for p.Bits() < hole.Bits() {
			low, high := halves(p)
			if high.Contains(hole.Addr()) {
				low, high = high, low
			}
			rest, p = append(rest, high), low
		}
	}
	slices.SortFunc(rest, netip.Prefix.Compare)
	return rest
}

// halves divides a prefix that is longer than one address.
func halves(p netip.Prefix) (low, high netip.Prefix) {
	low = netip.PrefixFrom(p.Addr(), p.Bits()+1)
	bytes := p.Addr().AsSlice()
	bytes[p.Bits()/8] |= 0x80 >> (p.Bits() % 8)
	addr, _ := netip.AddrFromSlice(bytes)
	return low, netip.PrefixFrom(addr, p.Bits()+1)
}
