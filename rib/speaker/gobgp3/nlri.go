package gobgp3

import (
	"encoding/binary"
	"fmt"
	"net"
	"net/netip"

	"github.com/osrg/gobgp/v3/pkg/packet/bgp"

	"github.com/vrfredist/vrfredist/rib"
)

// What routes of all families have in them: a prefix, and a route distinguisher.

func prefixOf(ip net.IP, bits uint8, six bool) (netip.Prefix, error) {
	addr, ok := netip.AddrFromSlice(ip)
	if !ok {
		return netip.Prefix{}, fmt.Errorf("decode a prefix: an address has %d bytes", len(ip))
	}
	if !six {
		addr = addr.Unmap()
	} else if addr.Is4() {
		addr = netip.AddrFrom16(addr.As16()) // of ::ffff:0:0/96
	}
	p, err := addr.Prefix(int(bits))
	if err != nil {
		return netip.Prefix{}, fmt.Errorf("decode a prefix: %w", err)
	}
	return p, nil
}

func decodeRD(rd bgp.RouteDistinguisherInterface) (rib.RD, error) {
	var b [8]byte
	switch rd := rd.(type) {
	case *bgp.RouteDistinguisherTwoOctetAS:
		binary.BigEndian.PutUint16(b[2:], rd.Admin)
		binary.BigEndian.PutUint32(b[4:], rd.Assigned)
	case *bgp.RouteDistinguisherIPAddressAS:
		addr := rd.Admin.To4()
		if addr == nil {
			return 0, fmt.Errorf("%q is no IPv4 address", rd.Admin)
		}
		b[1] = byte(bgp.BGP_RD_IPV4_ADDRESS)
		copy(b[2:], addr)
		binary.BigEndian.PutUint16(b[6:], rd.Assigned)
	case *bgp.RouteDistinguisherFourOctetAS:
		b[1] = byte(bgp.BGP_RD_FOUR_OCTET_AS)
		binary.BigEndian.PutUint32(b[2:], rd.Admin)
		binary.BigEndian.PutUint16(b[6:], rd.Assigned)
	default:
		return 0, fmt.Errorf("unknown type %T", rd)
	}
	return rib.RD(binary.BigEndian.Uint64(b[:])), nil
}

// nativeRD is an RD as GoBGP has it.
func nativeRD(rd rib.RD) bgp.RouteDistinguisherInterface {
	return bgp.GetRouteDistinguisher(binary.BigEndian.AppendUint64(nil, uint64(rd)))
}

// rdOf is the route distinguisher in an NLRI; nil: it has none.
func rdOf(nlri bgp.AddrPrefixInterface) bgp.RouteDistinguisherInterface {
	switch n := nlri.(type) {
	case *bgp.LabeledVPNIPAddrPrefix:
		return n.RD
	case *bgp.LabeledVPNIPv6AddrPrefix:
		return n.RD
	case interface {
		RD() bgp.RouteDistinguisherInterface
	}:
		return n.RD()
	}
	return nil
}
