package rib

import "net/netip"

// Family is the address family of a prefix: an index of [Families]T.
type Family uint8

// The families that are routed here.
const (
	IPv4 Family = iota
	IPv6
	Families
)

// ByFamily has a value for each family, and can add them up.
type ByFamily[T interface{ Plus(T) T }] [Families]T

// Total is both families together.
func (b ByFamily[T]) Total() T { return b[IPv4].Plus(b[IPv6]) }

// Plus adds family by family.
func (b ByFamily[T]) Plus(o ByFamily[T]) ByFamily[T] {
	for f := range b {
		b[f] = b[f].Plus(o[f])
	}
	return b
}

// FamilyOf returns the family of a prefix; an IPv4 address mapped into IPv6 is
// IPv6, as the kernel has it.
func FamilyOf(p netip.Prefix) Family { return FamilyOfAddr(p.Addr()) }

// FamilyOfAddr returns the family of an address, as FamilyOf has it.
func FamilyOfAddr(a netip.Addr) Family {
	if a.Is4() {
		return IPv4
	}
	return IPv6
}

func (f Family) String() string {
	if f == IPv4 {
		return "ipv4"
	}
	return "ipv6"
}
