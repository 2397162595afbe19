package rib

import "net/netip"

// martian is a range of addresses that no unicast table should have.
type martian struct {
	prefix netip.Prefix
	name   string
}

// martians are those of RFC 6890 that a router never forwards to, the names as an
// operator reads them behind "the prefix is". The first that holds a prefix names it.
// A prefix is one where it lies wholly within a range, so two of these are what two
// neighbouring ranges make together: 224.0.0.0/3 and ::/127. A shorter prefix that has
// other addresses as well, such as a default route, 128.0.0.0/1 or ::/96, is none.
// 169.254.0.0/16 is not here: links are numbered from it, and its routes are wanted.
var martians = [...]martian{
	{netip.MustParsePrefix("0.0.0.0/8"), "this network (0.0.0.0/8)"},
	{netip.MustParsePrefix("127.0.0.0/8"), "loopback (127.0.0.0/8)"},
	{netip.MustParsePrefix("224.0.0.0/4"), "multicast (224.0.0.0/4)"},
	{netip.MustParsePrefix("240.0.0.0/4"), "reserved (240.0.0.0/4)"},
	{netip.MustParsePrefix("224.0.0.0/3"), "multicast and reserved (224.0.0.0/3)"},
	{netip.MustParsePrefix("::/128"), "the unspecified address (::)"},
	{netip.MustParsePrefix("::1/128"), "loopback (::1)"},
	{netip.MustParsePrefix("::/127"), "the unspecified address and loopback (::/127)"},
	{mappedIPv4, "IPv4-mapped (::ffff:0:0/96)"},
	{netip.MustParsePrefix("fe80::/10"), "link-local (fe80::/10)"},
	{netip.MustParsePrefix("ff00::/8"), "multicast (ff00::/8)"},
}

// mappedIPv4 are the IPv6 addresses that stand for IPv4 ones (RFC 4291, 2.5.5.2).
// GoBGP takes such a prefix for an IPv4 one and falls over it.
var mappedIPv4 = netip.MustParsePrefix("::ffff:0:0/96")

// Martian tells whether prefix lies within a range that no unicast table should have,
// and which. Bits of its address beyond its length do not count.
func Martian(prefix netip.Prefix) (name string, is bool) {
	if !mayBeMartian(prefix.Addr()) {
		return "", false
	}
	for _, m := range martians {
		if covers(m.prefix, prefix) {
			return m.name, true
		}
	}
	return "", false
}

// mayBeMartian spares nearly all prefixes the table.
func mayBeMartian(a netip.Addr) bool {
	if a.Is4() {
		first := a.As4()[0]
		return first == 0 || first == 127 || first >= 224
	}
	first := a.As16()[0]
	return first == 0 || first >= 0xfe
}

// MartianBut is Martian without the ranges of accept: a prefix inside one of them is no
// martian. IPv4-mapped prefixes stay martians whatever accept has, for GoBGP's sake.
func MartianBut(accept []netip.Prefix, prefix netip.Prefix) (name string, is bool) {
	name, is = Martian(prefix)
	if !is || len(accept) == 0 || covers(mappedIPv4, prefix) {
		return name, is
	}
	for _, a := range accept {
		if covers(a, prefix) {
			return "", false
		}
	}
	return name, true
}

// covers tells whether all addresses of inner are in outer.
func covers(outer, inner netip.Prefix) bool {
	return outer.Bits() <= inner.Bits() && outer.Contains(inner.Addr())
}
