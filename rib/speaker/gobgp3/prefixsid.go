package gobgp3

import (
	"net/netip"
	"slices"

	"github.com/osrg/gobgp/v3/pkg/packet/bgp"

	"github.com/vrfredist/vrfredist/rib"
	"github.com/vrfredist/vrfredist/rib/speaker/gobgp3/conf"
	"github.com/vrfredist/vrfredist/rib/speaker/gobgp3/guard"
)

// The attribute Prefix-SID (RFC 8669) has SRv6 services of VPN routes in it (RFC 9252). GoBGP reads
// and writes it, and takes out nothing by itself; what it has read on a session and what a client of
// the API gave it are of two types.

// labelOf is the label of the VPN routes of a VRF that is carried by MPLS or SRv6; 0: it has none
// yet. Of SRv6 it says nothing (RFC 9252, 4), or is the function of the SID.
func labelOf(by *rib.Carried) uint32 {
	switch {
	case !by.Numbered():
		return 0
	case by.Kind == rib.EncapMPLS:
		return by.Label
	}
	if label, is := transposed(&by.SRv6); is {
		return label
	}
	return rib.ImplicitNull
}

// labelBits is how many bits a label has.
const labelBits = 20

// transposed is the label with the function of a VRF's SID in its highest bits; false: it stays in
// the SID. GoBGP has one label for the routes of both families.
func transposed(s *rib.SRv6) (label uint32, is bool) {
	bits := int(s.FunctionBits)
	if !s.Transpose || s.SID6.IsValid() || bits == 0 || bits > labelBits || s.Locator.Bits()+bits > 128 {
		return 0, false
	}
	for k := range bits {
		label |= uint32(bitOf(s.SID, s.Locator.Bits()+k)) << (labelBits - 1 - k)
	}
	// GoBGP takes a label of 0 for that of a withdrawal, and one that is known to all routers would
	// be read as what it is by those that know no SRv6.
	return label, label >= rib.FirstLabel
}

// bitOf is a bit of an IPv6 address, counted from the highest.
func bitOf(a netip.Addr, at int) byte {
	b := a.As16()
	return b[at/8] >> (7 - at%8) & 1
}

// withoutBits is an IPv6 address with some bits set to 0.
func withoutBits(a netip.Addr, from, n int) netip.Addr {
	b := a.As16()
	for k := from; k < from+n; k++ {
		b[k/8] &^= 0x80 >> (k % 8)
	}
	return netip.AddrFrom16(b)
}

// prefixSID is the attribute of the routes of a VRF that is carried by SRv6, of IPv4 or, with six, of
// IPv6.
func prefixSID(s *rib.SRv6, six bool) *bgp.PathAttributePrefixSID {
	sid, does := s.SID, bgp.END_DT46
	switch {
	case s.SID6.IsValid() && six:
		sid, does = s.SID6, bgp.END_DT6
	case s.SID6.IsValid():
		does = bgp.END_DT4
	}
	var bits, from uint8
	if _, is := transposed(s); is {
		bits, from = s.FunctionBits, uint8(s.Locator.Bits())
		sid = withoutBits(sid, int(from), int(bits))
	}
	node := uint8(max(0, s.Locator.Bits()-int(s.BlockBits)))
	structure := bgp.NewSRv6SIDStructureSubSubTLV(s.BlockBits, node, s.FunctionBits, 0, bits, from)
	return bgp.NewPathAttributePrefixSID(bgp.NewSRv6ServiceTLV(bgp.TLVTypeSRv6L3Service, bgp.NewSRv6InformationSubTLV(sid, does, structure)))
}

// servicesOf are the services of a configuration as the guard puts them into routes.
func servicesOf(c *conf.Config) guard.Services {
	all := make(guard.Services)
	for rt, by := range conf.Services(c) {
		four, err := prefixSID(&by.SRv6, false).Serialize()
		six, err6 := prefixSID(&by.SRv6, true).Serialize()
		if err == nil && err6 == nil { // it fails for none that prefixSID makes
			all[uint32(rt)] = guard.Service{Four: four, Six: six}
		}
	}
	return all
}

// takeService takes in what the Prefix-SID of a VPN route says of its SRv6 service: the first one of
// those of layer 3 counts (RFC 9252, 7).
func takeService(v *rib.Via, a *bgp.PathAttributePrefixSID, six bool) {
	for _, tlv := range a.TLVs {
		switch t := tlv.(type) {
		case *bgp.SRv6ServiceTLV:
			if t.Type == bgp.TLVTypeSRv6L3Service {
				v.SIDFault = takeSIDs(v, t.SubTLVs, six)
				return
			}
		case *bgp.SRv6L3ServiceAttribute:
			v.SIDFault = takeSIDs(v, t.SubTLVs, six)
			return
		}
	}
}

// takeSIDs takes in the SID of a service.
func takeSIDs(v *rib.Via, list []bgp.PrefixSIDTLVInterface, six bool) rib.SIDFault {
	var info *bgp.SRv6InformationSubTLV
	for _, sub := range list {
		is, ok := sub.(*bgp.SRv6InformationSubTLV)
		switch {
		case !ok:
		case info != nil:
			return rib.SeveralSIDs
		default:
			info = is
		}
	}
	if info == nil || len(info.SID) != 16 {
		return rib.NoSID
	}
	if !looksUp(info.EndpointBehavior, six) {
		return rib.OtherBehaviour
	}
	for _, sub := range info.SubSubTLVs {
		s, is := sub.(*bgp.SRv6SIDStructureSubSubTLV)
		if !is {
			continue
		}
		parts, end := int(s.LocatorBlockLength)+int(s.LocatorNodeLength)+int(s.FunctionLength)+int(s.ArgumentLength), int(s.TranspositionOffset)+int(s.TranspositionLength)
		switch {
		case parts > 128:
			return rib.SIDTooLong
		case s.TranspositionLength > 0 && s.TranspositionLength <= 20 && end <= 128 && end > parts: // else the path says what is wrong
			return rib.OtherBits
		}
		v.SIDFrom, v.SIDBits = s.TranspositionOffset, s.TranspositionLength
		break // the first one counts
	}
	v.SID = netip.AddrFrom16([16]byte(info.SID))
	return rib.NoSIDFault
}

// Endpoint behaviours (RFC 8986, 10.2) by which packets do not come into a VRF, or only those of one
// family, with those of compressed SIDs (RFC 9800).
var (
	forFour = []uint16{uint16(bgp.END_DX4), uint16(bgp.END_DT4), 61, 63}
	forSix  = []uint16{uint16(bgp.END_DX6), uint16(bgp.END_DT6), 60, 62}
	layer2  = []uint16{uint16(bgp.END_DX2), uint16(bgp.END_DX2V), uint16(bgp.END_DT2U), uint16(bgp.END_DT2M), 65, 66, 67, 68}
)

// looksUp tells whether an endpoint behaviour may be one for packets of a family. Of one that is
// known nowhere here, and of the opaque one (0xffff, RFC 8986, 8.1), which FRR says of all its SIDs,
// the other router knows what it does.
func looksUp(behaviour uint16, six bool) bool {
	switch {
	case slices.Contains(forFour, behaviour):
		return !six
	case slices.Contains(forSix, behaviour):
		return six
	case slices.Contains(layer2, behaviour):
		return false
	}
	// The others of RFC 8986 are of the way through the network.
	return behaviour == uint16(bgp.END_DT46) || behaviour > uint16(bgp.ENDT_WITH_PSP_USP_USD)
}

// appendService appends what takeService reads of the attribute.
func appendService(b []byte, a *bgp.PathAttributePrefixSID, six bool) []byte {
	var v rib.Via
	takeService(&v, a, six)
	sid := v.SID.As16() // zeroes: there is none
	return append(append(b, sid[:]...), v.SIDFrom, v.SIDBits, byte(v.SIDFault))
}
