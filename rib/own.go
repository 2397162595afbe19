package rib

import (
	"net/netip"
	"slices"
)

// OwnPrefixes are a VRF's own: the subnets that are connected in it, and its addresses,
// as /32 and /128. The way there is the VRF's own, so BGP's paths for them are left out.
// A longer prefix inside a subnet is not among them: it may be a service's address. A
// value is immutable once it is shared.
type OwnPrefixes struct {
	subnets, addresses map[netip.Prefix]struct{}
}

// OwnPrefixesOf finds them in a VRF's view. foreign are the routes that v has, in any
// order: a list of a million is walked through sooner than a trie. All interfaces may
// serve a plain table, so an address is its own only where it has the subnet. A subnet is
// connected while its route is there: with the link down the way there may be another
// router's.
func OwnPrefixesOf(v View, foreign []Route) *OwnPrefixes {
	o := &OwnPrefixes{subnets: make(map[netip.Prefix]struct{})}
	for i := range foreign {
		if foreign[i].Connects(v.Links) {
			o.subnets[foreign[i].Prefix] = struct{}{}
		}
	}
	return o.WithLinks(v)
}

// WithLinks returns o with the addresses of a view's links.
func (o *OwnPrefixes) WithLinks(v View) *OwnPrefixes {
	addresses := make(map[netip.Prefix]struct{})
	for _, l := range v.Links {
		if !v.Member(l) {
			continue
		}
		for _, a := range l.Addrs {
			one := netip.PrefixFrom(a.Addr().WithZone(""), a.Addr().BitLen())
			if _, is := Martian(one); is || v.plain() && !o.inSubnet(one) {
				continue // loopback's and link-local ones every router has
			}
			addresses[one] = struct{}{}
		}
	}
	return &OwnPrefixes{o.subnets, addresses}
}

// Connects tells whether a route is that of a subnet on a link: one without a gateway in
// whose prefix an address of the link lies, whichever program wrote it, and under whatever
// metric. The kernel's own count without an address too: that of a peer's address, and that of
// a prefix which a router advertised as being on the link (RFC 4861, 6.3.4). A default route
// is no subnet, whatever it leads to.
func (r *Route) Connects(links Links) bool {
	return slices.ContainsFunc(r.Hops, func(h Hop) bool { return r.connectsBy(h, links) })
}

// ConnectsBy tells whether a route is that of a subnet on the link with an index.
func (r *Route) ConnectsBy(index int, links Links) bool {
	return slices.ContainsFunc(r.Hops, func(h Hop) bool { return h.Ifindex == index && r.connectsBy(h, links) })
}

func (r *Route) connectsBy(h Hop, links Links) bool {
	if r.Kind != KindUnicast || r.Expired || r.Prefix.Bits() == 0 || h.Gateway.IsValid() || h.Encap != (Encap{}) {
		return false
	}
	return r.Protocol == ProtoKernel ||
		slices.ContainsFunc(links[h.Ifindex].Addrs, func(a netip.Prefix) bool { return r.Prefix.Contains(a.Addr()) })
}

// Has tells whether a prefix is a subnet or an address. A nil o has none.
func (o *OwnPrefixes) Has(p netip.Prefix) bool { return o.Subnet(p) || o.Address(p) }

// Subnet tells whether a prefix is a subnet.
func (o *OwnPrefixes) Subnet(p netip.Prefix) bool {
	if o == nil {
		return false
	}
	_, is := o.subnets[p]
	return is
}

// inSubnet tells whether one of the subnets holds a prefix.
func (o *OwnPrefixes) inSubnet(p netip.Prefix) bool {
	for bits := p.Bits(); bits > 0; bits-- {
		if o.Subnet(netip.PrefixFrom(p.Addr(), bits).Masked()) {
			return true
		}
	}
	return false
}

// Address tells whether a prefix is an address.
func (o *OwnPrefixes) Address(p netip.Prefix) bool {
	if o == nil || p.Bits() != p.Addr().BitLen() {
		return false
	}
	_, is := o.addresses[p]
	return is
}

// WithSubnet returns o with a prefix as a subnet, or without it.
func (o *OwnPrefixes) WithSubnet(p netip.Prefix, is bool) *OwnPrefixes {
	next := &OwnPrefixes{make(map[netip.Prefix]struct{}, len(o.subnets)+1), o.addresses}
	for q := range o.subnets {
		next.subnets[q] = struct{}{}
	}
	if is {
		next.subnets[p] = struct{}{}
	} else {
		delete(next.subnets, p)
	}
	return next
}

// Since returns what o has that old has not, and what old has that o has not. Either may
// be nil.
func (o *OwnPrefixes) Since(old *OwnPrefixes) (came, went []netip.Prefix) {
	return o.beyond(old), old.beyond(o)
}

func (o *OwnPrefixes) beyond(other *OwnPrefixes) (list []netip.Prefix) {
	if o == nil {
		return nil
	}
	for p := range o.subnets {
		if !other.Has(p) {
			list = append(list, p)
		}
	}
	for p := range o.addresses {
		if _, both := o.subnets[p]; !both && !other.Has(p) {
			list = append(list, p)
		}
	}
	return list
}
