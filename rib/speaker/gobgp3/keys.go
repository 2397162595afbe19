package gobgp3

import (
	"encoding/binary"
	"net"
	"net/netip"
	"strconv"

	"github.com/osrg/gobgp/v3/pkg/packet/bgp"

	"github.com/vrfredist/vrfredist/rib"
)

// GoBGP has routes of EVPN under their text, which it makes anew whenever it looks one up: of an IP
// prefix route that takes longer than all else that it does with it. Here it is made of the same
// parts, and the keys of VPN routes without an NLRI.

// appendIPPrefixKey appends the key of an IP prefix route.
func appendIPPrefixKey(b []byte, r *bgp.EVPNIPPrefixRoute) []byte {
	if r.RD == nil {
		return append(b, r.String()...)
	}
	b = append(b, "[type:Prefix][rd:"...)
	b = appendRD(b, r.RD)
	b = append(b, "][etag:"...)
	b = strconv.AppendUint(b, uint64(r.ETag), 10)
	b = append(b, "][prefix:"...)
	b = appendIP(b, r.IPPrefix)
	b = append(b, '/')
	b = strconv.AppendUint(b, uint64(r.IPPrefixLength), 10)
	return append(b, ']')
}

// appendRD appends the text of a route distinguisher.
func appendRD(b []byte, rd bgp.RouteDistinguisherInterface) []byte {
	var assigned uint64
	switch rd := rd.(type) {
	case *bgp.RouteDistinguisherTwoOctetAS:
		b = strconv.AppendUint(b, uint64(rd.Admin), 10)
		assigned = uint64(rd.Assigned)
	case *bgp.RouteDistinguisherIPAddressAS:
		b = appendIP(b, rd.Admin)
		assigned = uint64(rd.Assigned)
	case *bgp.RouteDistinguisherFourOctetAS:
		b = strconv.AppendUint(b, uint64(rd.Admin>>16), 10)
		b = append(b, '.')
		b = strconv.AppendUint(b, uint64(rd.Admin&0xffff), 10)
		assigned = uint64(rd.Assigned)
	default:
		return append(b, rd.String()...)
	}
	return strconv.AppendUint(append(b, ':'), assigned, 10)
}

// appendIP appends the text of an address, of IPv4 in either length.
func appendIP(b []byte, ip net.IP) []byte {
	if four := ip.To4(); four != nil {
		return netip.AddrFrom4([4]byte(four)).AppendTo(b)
	}
	if len(ip) != net.IPv6len {
		return append(b, ip.String()...)
	}
	return netip.AddrFrom16([16]byte(ip)).AppendTo(b)
}

// overheadOfVPN are the bits of an RD and a label, which count in a VPN NLRI's length.
const overheadOfVPN = 8 * (8 + 3)

// appendVPNKey appends the key of a VPN route with one label.
func appendVPNKey(b []byte, rd rib.RD, p netip.Prefix) []byte {
	b = binary.BigEndian.AppendUint64(b, uint64(rd))
	if addr := p.Addr(); addr.Is4() {
		four := addr.As4()
		b = append(b, four[:]...)
	} else {
		six := addr.As16()
		b = append(b, six[:]...)
	}
	return append(b, uint8(p.Bits())+overheadOfVPN)
}

// roomForKey is enough for the key of most routes.
const roomForKey = 128

// destinationOf is the destination of an NLRI in a table; nil: there is none.
func destinationOf(t *bgpTable, nlri bgp.AddrPrefixInterface) *bgpDestination {
	r := ipPrefixOf(nlri)
	if r == nil {
		return tableGetDestination(t, nlri)
	}
	var room [roomForKey]byte
	return t.destinations[string(appendIPPrefixKey(room[:0], r))]
}
