package gobgp3

import (
	"hash/fnv"
	"net"
	"net/netip"
	"slices"

	"github.com/osrg/gobgp/v3/pkg/packet/bgp"

	"github.com/vrfredist/vrfredist/rib"
)

// ourIdentifier is the path identifier of our announcements, with why they are made
// (rib.AnnouncedAs) added. It keeps our paths apart from those that an operator adds with the
// gobgp program, which have 0: neither replaces nor withdraws the other. Neighbours do not see
// it; GoBGP sends an identifier of its own.
const ourIdentifier = 0x76726672

// announcedAs is why a path of ours is announced; false: it is none. One that we announced has
// our identifier, and GoBGP's mark "from external", which no path of a neighbour has, and which
// keeps it from GoBGP's own zebra client.
func announcedAs(o *bgpOrigin) (as rib.AnnouncedAs, ours bool) {
	n := o.nlri.PathIdentifier() - ourIdentifier
	if !o.isFromExternal || n > uint32(rib.FromAggregate) {
		return 0, false
	}
	return rib.AnnouncedAs(n), true
}

// attributesOf are the attributes of an announcement of a router of an AS, in the order of
// their types, but for the nexthop and the export route targets of a VRF.
func attributesOf(a rib.Announcement, as uint32) []bgp.PathAttributeInterface {
	list := []bgp.PathAttributeInterface{bgp.NewPathAttributeOrigin(originOf(a))}
	if segments := segmentsOf(a, as); len(segments) > 0 {
		list = append(list, bgp.NewPathAttributeAsPath(segments))
	}
	if a.Of == nil || a.MED > 0 { // of a path that has none rib keeps 0
		list = append(list, bgp.NewPathAttributeMultiExitDisc(a.MED))
	}
	if a.LocalPref != nil {
		list = append(list, bgp.NewPathAttributeLocalPref(*a.LocalPref))
	}
	if len(a.Communities) > 0 {
		values := make([]uint32, len(a.Communities))
		for i, v := range a.Communities {
			values[i] = uint32(v)
		}
		list = append(list, bgp.NewPathAttributeCommunities(values))
	}
	if len(a.Large) > 0 {
		values := make([]*bgp.LargeCommunity, len(a.Large))
		for i, v := range a.Large {
			values[i] = &bgp.LargeCommunity{ASN: v.Global, LocalData1: v.Local1, LocalData2: v.Local2}
		}
		list = append(list, bgp.NewPathAttributeLargeCommunities(values))
	}
	return list
}

// originOf is the ORIGIN of an announcement: incomplete for a route of the kernel, IGP for
// what the configuration says (RFC 4271, 5.1.1).
func originOf(a rib.Announcement) uint8 {
	switch {
	case a.Of != nil:
		return a.Of.Origin
	case a.As == rib.FromKernel:
		return rib.OriginIncomplete
	}
	return rib.OriginIGP
}

// segmentsOf is the AS path of an announcement before a neighbour's session puts our AS there.
func segmentsOf(a rib.Announcement, as uint32) (list []bgp.AsPathParamInterface) {
	if a.Prepend > 0 {
		list = append(list, bgp.NewAs4PathParam(bgp.BGP_ASPATH_ATTR_TYPE_SEQ, slices.Repeat([]uint32{as}, int(a.Prepend))))
	}
	if a.Of != nil {
		for s := range a.Of.Segments {
			list = append(list, bgp.NewAs4PathParam(uint8(s.Kind), slices.Clone(s.ASes)))
		}
	}
	return list
}

// announcedNLRI is a prefix as GoBGP has it where it is announced for one of our reasons.
func announcedNLRI(prefix netip.Prefix, as rib.AnnouncedAs, vrf *bgpVRF) bgp.AddrPrefixInterface {
	nlri := nlriOf(prefix, vrf)
	nlri.SetPathIdentifier(ourIdentifier + uint32(as))
	return nlri
}

// nlriOf is a prefix as GoBGP has it: with the RD and the label of vrf, or in no VRF
// where that is nil.
func nlriOf(prefix netip.Prefix, vrf *bgpVRF) bgp.AddrPrefixInterface {
	bits, addr := uint8(prefix.Bits()), net.IP(prefix.Masked().Addr().AsSlice())
	// GoBGP makes them of text alone, which costs more than all else here: the address and its length
	// are put into one of no length. Text that is no address would cost an error.
	switch {
	case vrf == nil && prefix.Addr().Is4():
		n := bgp.NewIPAddrPrefix(0, "0.0.0.0")
		n.Length, n.Prefix = bits, addr
		return identified(n)
	case vrf == nil:
		n := bgp.NewIPv6AddrPrefix(0, "::")
		n.Length, n.Prefix = bits, addr
		return identified(n)
	case prefix.Addr().Is4():
		n := bgp.NewLabeledVPNIPAddrPrefix(bits, "", *bgp.NewMPLSLabelStack(vrf.MplsLabel), vrf.Rd)
		n.Prefix = addr
		return identified(n)
	}
	n := bgp.NewLabeledVPNIPv6AddrPrefix(bits, "", *bgp.NewMPLSLabelStack(vrf.MplsLabel), vrf.Rd)
	n.Prefix = addr
	return identified(n)
}

// identified is an NLRI with our path identifier.
func identified(nlri bgp.AddrPrefixInterface) bgp.AddrPrefixInterface {
	nlri.SetPathIdentifier(ourIdentifier)
	return nlri
}

// hashOf is the same for the same attributes: GoBGP packs by it.
func hashOf(list []bgp.PathAttributeInterface) uint32 {
	h := fnv.New32a()
	for _, a := range list {
		b, err := a.Serialize()
		if err == nil { // it fails for none of the attributes that attributesOf makes
			_, _ = h.Write(b)
		}
	}
	return h.Sum32()
}
