package policy

import (
	"cmp"
	"errors"
	"fmt"
	"math"
	"net/netip"
	"slices"
	"strconv"
	"strings"

	"github.com/vrfredist/vrfredist/rib"
)

// Prefix is a prefix with the lengths that are meant in it.
type Prefix struct {
	Prefix netip.Prefix
	Ge, Le int // without either in the text both are the prefix's own length
}

// ParsePrefix reads "10.0.0.0/8", which is that prefix alone, or with "ge" and "le" behind it
// all prefixes in it whose length is within them: "10.0.0.0/8 le 24", "2001:db8::/32 ge 48 le 64".
func ParsePrefix(s string) (Prefix, error) {
	words := strings.Fields(s)
	if len(words) == 0 {
		return Prefix{}, errors.New(`is empty; write a prefix, such as "10.0.0.0/8 le 24"`)
	}
	p, err := netip.ParsePrefix(words[0])
	switch {
	case err != nil:
		return Prefix{}, fmt.Errorf(`%q is no prefix; write one such as "10.0.0.0/8", or "10.0.0.0/8 le 24" with those inside it`, s)
	case p != p.Masked():
		return Prefix{}, fmt.Errorf("%q has bits behind its length; write %v", s, p.Masked())
	}
	most := p.Addr().BitLen()
	out, ge, le := Prefix{Prefix: p, Ge: p.Bits(), Le: p.Bits()}, -1, -1
	for rest := words[1:]; len(rest) > 0; rest = rest[2:] {
		at := map[string]*int{"ge": &ge, "le": &le}[rest[0]]
		if at == nil || *at >= 0 || len(rest) < 2 {
			return Prefix{}, fmt.Errorf(`%q: behind the prefix there may be "ge" and "le", each once, with a length; write for example "%v ge %d le %d"`, s, p, p.Bits(), most)
		}
		n, err := strconv.ParseUint(rest[1], 10, 8)
		if err != nil || int(n) > most {
			return Prefix{}, fmt.Errorf("%q: %s %s is no length of an %s prefix; write one from %d to %d", s, rest[0], rest[1], rib.FamilyOf(p), p.Bits(), most)
		}
		if *at = int(n); *at < p.Bits() {
			return Prefix{}, fmt.Errorf("%q: %s %d is shorter than the prefix, and nothing in it is; write a length from %d to %d", s, rest[0], *at, p.Bits(), most)
		}
	}
	if ge >= 0 {
		out.Ge, out.Le = ge, most
	}
	if le >= 0 {
		out.Le = le
	}
	if out.Ge > out.Le {
		return Prefix{}, fmt.Errorf("%q: no length is at least %d and at most %d; write the smaller one behind ge", s, out.Ge, out.Le)
	}
	return out, nil
}

// String renders p as ParsePrefix reads it.
func (p Prefix) String() string {
	s := p.Prefix.String()
	if p.Ge == p.Prefix.Bits() && p.Le == p.Prefix.Bits() {
		return s
	}
	if p.Ge != p.Prefix.Bits() || p.Le == p.Prefix.Addr().BitLen() {
		s += " ge " + strconv.Itoa(p.Ge)
	}
	if p.Le != p.Prefix.Addr().BitLen() {
		s += " le " + strconv.Itoa(p.Le)
	}
	return s
}

// Numbers are those from Least to Most.
type Numbers struct{ Least, Most uint32 }

// ParseNumbers reads "100", ">= 100", "<= 5" or "100-200".
func ParseNumbers(s string) (Numbers, error) {
	fail := func(why string) (Numbers, error) {
		return Numbers{}, fmt.Errorf(`%q: %s; write "100", ">= 100", "<= 100" or "100-200", with numbers up to 4294967295`, s, why)
	}
	number := func(t string) (uint32, bool) {
		n, err := strconv.ParseUint(strings.TrimSpace(t), 10, 32)
		return uint32(n), err == nil
	}
	t := strings.TrimSpace(s)
	if rest, is := strings.CutPrefix(t, ">="); is {
		n, ok := number(rest)
		if !ok {
			return fail("there is no number behind >=")
		}
		return Numbers{n, math.MaxUint32}, nil
	}
	if rest, is := strings.CutPrefix(t, "<="); is {
		n, ok := number(rest)
		if !ok {
			return fail("there is no number behind <=")
		}
		return Numbers{0, n}, nil
	}
	from, to, span := strings.Cut(t, "-")
	least, ok := number(from)
	if !ok {
		return fail("it is no number")
	}
	if !span {
		return Numbers{least, least}, nil
	}
	most, ok := number(to)
	switch {
	case !ok:
		return fail("there is no number behind the hyphen")
	case least > most:
		return fail("the first number is the larger one")
	}
	return Numbers{least, most}, nil
}

// String renders n as ParseNumbers reads it.
func (n Numbers) String() string {
	least, most := strconv.FormatUint(uint64(n.Least), 10), strconv.FormatUint(uint64(n.Most), 10)
	switch {
	case n.Least == n.Most:
		return least
	case n.Most == math.MaxUint32:
		return ">= " + least
	case n.Least == 0:
		return "<= " + most
	}
	return least + "-" + most
}

func (n Numbers) has(v uint32) bool { return n.Least <= v && v <= n.Most }

// Range are the addresses of a prefix, or one address; a link-local one may be on one link
// alone.
type Range struct {
	Prefix netip.Prefix
	Zone   string // "": any link
}

// ParseRange reads an address, "fe80::2%eth0" too, or a prefix.
func ParseRange(s string) (Range, error) {
	const write = `write an address or a prefix, such as "192.0.2.2", "192.0.2.0/24" or "fe80::2%eth0"`
	if strings.Contains(s, "/") {
		p, err := netip.ParsePrefix(s)
		switch {
		case err != nil:
			return Range{}, fmt.Errorf("%q is no prefix; %s", s, write)
		case p != p.Masked():
			return Range{}, fmt.Errorf("%q has bits behind its length; write %v", s, p.Masked())
		}
		return Range{Prefix: p}, nil
	}
	a, err := netip.ParseAddr(s)
	if err != nil {
		return Range{}, fmt.Errorf("%q is no address; %s", s, write)
	}
	a = a.Unmap()
	if a.Zone() != "" && !a.IsLinkLocalUnicast() {
		return Range{}, fmt.Errorf("%q: only a link-local address has its link behind it; write %s", s, a.WithZone(""))
	}
	return Range{netip.PrefixFrom(a.WithZone(""), a.BitLen()), a.Zone()}, nil
}

// String renders r as ParseRange reads it.
func (r Range) String() string {
	if !r.Prefix.IsSingleIP() {
		return r.Prefix.String()
	}
	return r.Prefix.Addr().WithZone(r.Zone).String()
}

func (r Range) has(a netip.Addr) bool {
	return (r.Zone == "" || r.Zone == a.Zone()) && r.Prefix.Contains(a.Unmap().WithZone(""))
}

// Neighbor is a neighbour that a path may come from, or many.
type Neighbor struct {
	Range
	VRF string // that has the session, "default" for the global table; "": any
	// Aliases are by what addresses BGP knows those of them that are in network namespaces.
	Aliases []netip.Addr
}

// is tells whether a neighbour, of a VRF, is one of them.
func (n Neighbor) is(peer netip.Addr, vrf string) bool {
	return slices.Contains(n.Aliases, peer) || (n.VRF == "" || n.VRF == vrf) && n.has(peer)
}

// ParseNeighbor reads what ParseRange does, with "@VRF" behind it where the neighbour of one VRF
// is meant: tenants may have neighbours with the same address.
func ParseNeighbor(s string) (Neighbor, error) {
	at := strings.Index(s, "@") // of a VRF's name the rest may hold another
	if at < 0 {
		r, err := ParseRange(s)
		return Neighbor{Range: r}, err
	}
	r, err := ParseRange(s[:at])
	if err == nil && s[at+1:] == "" {
		err = fmt.Errorf("%q: there is no VRF behind @; write for example %s@red, or leave @ out for any VRF", s, cmp.Or(s[:at], "192.0.2.2"))
	}
	return Neighbor{Range: r, VRF: s[at+1:]}, err
}

// String renders n as ParseNeighbor reads it.
func (n Neighbor) String() string {
	if n.VRF == "" {
		return n.Range.String()
	}
	return n.Range.String() + "@" + n.VRF
}

// ParseAction reads "accept", "reject" or "next".
func ParseAction(s string) (Action, error) {
	for _, a := range []Action{Accept, Reject, Next} {
		if a.String() == s {
			return a, nil
		}
	}
	return 0, fmt.Errorf(`%q is no action; write "accept", "reject", or "next" to go on with the next rules`, s)
}

// ParseFamily reads "ipv4" or "ipv6".
func ParseFamily(s string) (rib.Family, error) {
	for f := range rib.Families {
		if f.String() == s {
			return f, nil
		}
	}
	return 0, fmt.Errorf(`%q is no family; write "ipv4" or "ipv6"`, s)
}

// ParseValidity reads a validation state of RFC 6811: "valid", "invalid" or "not-found".
func ParseValidity(s string) (rib.Validity, error) {
	for _, v := range []rib.Validity{rib.Valid, rib.Invalid, rib.NotFound} {
		if v.String() == s {
			return v, nil
		}
	}
	return 0, fmt.Errorf(`%q is no state of the RPKI; write "valid", "invalid" or "not-found"`, s)
}

// ParseNexthop reads "self", "unchanged", or an address.
func ParseNexthop(s string) (Nexthop, error) {
	switch s {
	case "self":
		return Nexthop{Told: rib.NexthopSelf}, nil
	case "unchanged":
		return Nexthop{Told: rib.NexthopUnchanged}, nil
	}
	a, err := netip.ParseAddr(s)
	if err != nil {
		return Nexthop{}, fmt.Errorf(`%q is no nexthop; write "self", "unchanged", or an address`, s)
	}
	if a = a.Unmap(); a.IsUnspecified() || a.IsMulticast() || a.IsLoopback() {
		return Nexthop{}, fmt.Errorf("%q leads to no router; write an address of one", s)
	}
	return Nexthop{Addr: a}, nil
}

// String renders n as ParseNexthop reads it; "": it is none.
func (n Nexthop) String() string {
	switch {
	case n.Addr.IsValid():
		return n.Addr.String()
	case n.Told == rib.NexthopSelf:
		return "self"
	case n.Told == rib.NexthopUnchanged:
		return "unchanged"
	}
	return ""
}
