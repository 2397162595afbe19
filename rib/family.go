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

// FamilyOf returns the family of a prefix; an IPv4 address mapped into IPv6 is
// IPv6, as the kernel has it.
func FamilyOf(p netip.Prefix) Family {
	if p.Addr().Is4() {
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
