package gobgp3

import (
	"errors"
	"fmt"
	"net"
	"net/netip"
	"slices"

	"github.com/osrg/gobgp/v3/pkg/packet/bgp"

	"github.com/vrfredist/vrfredist/rib"
	"github.com/vrfredist/vrfredist/rib/speaker"
)

// Of the routes of EVPN the IP prefix routes lead into kernel tables (type 5, RFC 9136), of the
// interface-less kind: the VNI and the router's MAC address say it all (4.4.1). GoBGP keeps a
// route under its RD, Ethernet tag and prefix, whatever else is in it.

// ipPrefixOf is the IP prefix route in an NLRI; nil: it is another.
func ipPrefixOf(n bgp.AddrPrefixInterface) *bgp.EVPNIPPrefixRoute {
	if n, is := n.(*bgp.EVPNNLRI); is {
		r, _ := n.RouteTypeData.(*bgp.EVPNIPPrefixRoute)
		return r
	}
	return nil
}

// isEVPN tells whether an NLRI is of EVPN.
func isEVPN(n bgp.AddrPrefixInterface) bool {
	_, is := n.(*bgp.EVPNNLRI)
	return is
}

// errNoIPPrefix is of a route of EVPN that leads into no kernel table, or originated here.
var errNoIPPrefix = errors.New("a route of EVPN that leads into no kernel table")

// decodeEVPN decodes the NLRI of an IP prefix route, with its VNI, and refuses one that has not the
// key of the interface-less kind: it is another destination in GoBGP than the one of that kind.
func decodeEVPN(n *bgp.EVPNNLRI) (to speaker.Destination, label uint32, err error) {
	refuse := func(why string, args ...any) (speaker.Destination, uint32, error) {
		return speaker.Destination{}, 0, fmt.Errorf("an IP prefix route of EVPN "+why, args...)
	}
	r := ipPrefixOf(n)
	if r == nil {
		return speaker.Destination{}, 0, errNoIPPrefix
	}
	if to.RD, err = decodeRD(r.RD); err != nil {
		return refuse("has a route distinguisher that is none: %w", err)
	}
	if to.RD == 0 {
		return refuse("has the route distinguisher 0:0")
	}
	if r.ETag != 0 {
		return refuse("has an Ethernet tag, and is not of the interface-less kind (RFC 9136, 4.4.1)")
	}
	// GoBGP has IPv4 prefixes in four bytes or in sixteen; the length is of the wire.
	six := n.Length == lengthOfSix
	if to.Prefix, err = prefixOf(r.IPPrefix, r.IPPrefixLength, six); err != nil {
		return refuse("has a prefix that is too long")
	}
	switch whole, _ := netip.AddrFromSlice(r.IPPrefix); {
	case to.Prefix.Addr().Is4In6():
		return refuse("has a prefix in ::ffff:0:0/96, which is none of IPv6")
	case whole.Unmap() != to.Prefix.Addr():
		return refuse("has a prefix with host bits")
	}
	to.EVPN = true
	return to, r.Label, nil
}

// lengthOfSix is the length of an IP prefix route of IPv6 (RFC 9136, 3.1).
const lengthOfSix = 58

// noCandidate is why a path that has the key of a destination is no candidate for it; nil: it is one.
func noCandidate(n bgp.AddrPrefixInterface) error {
	r := ipPrefixOf(n)
	if r == nil {
		return nil
	}
	switch {
	case r.ESI.Type != 0 || slices.ContainsFunc(r.ESI.Value, func(b byte) bool { return b != 0 }):
		return errors.New("it came by EVPN with an Ethernet segment, behind which this router looks for nobody (RFC 9136, 4.3)")
	case r.GWIPAddress != nil && !r.GWIPAddress.IsUnspecified():
		return errors.New("it came by EVPN with a gateway address, which this router does not resolve (RFC 9136, 4.1)")
	}
	return nil
}

// overlay takes in what the extended communities of a path by EVPN say of its encapsulation, of
// which it may name several (RFC 8365, 5.1.3), and the router's MAC address (RFC 9135, 8.1).
func overlay(v *rib.Via, list []bgp.ExtendedCommunityInterface) {
	var named []rib.EncapKind
	for _, c := range list {
		switch c := c.(type) {
		case *bgp.EncapExtended:
			named = append(named, encapOf(c.TunnelType))
		case *bgp.RouterMacExtended:
			if len(c.Mac) == len(v.RouterMAC) {
				v.RouterMAC = rib.MAC(c.Mac)
			}
		}
	}
	if len(named) > 0 && !slices.Contains(named, rib.EncapVXLAN) {
		v.EncapKind = named[0]
	}
}

// encapOf is a tunnel type of BGP's (RFC 9012, 12.2) as the kernel numbers kinds.
func encapOf(t bgp.TunnelType) rib.EncapKind {
	switch t {
	case bgp.TUNNEL_TYPE_VXLAN:
		return rib.EncapVXLAN
	case bgp.TUNNEL_TYPE_MPLS, bgp.TUNNEL_TYPE_MPLS_IN_GRE, bgp.TUNNEL_TYPE_MPLS_IN_UDP:
		return rib.EncapMPLS
	}
	return rib.EncapOther
}

// appendOverlay appends what overlay reads of an extended community.
func appendOverlay(b []byte, c bgp.ExtendedCommunityInterface) []byte {
	switch c := c.(type) {
	case *bgp.EncapExtended:
		return append(b, 2, byte(encapOf(c.TunnelType)))
	case *bgp.RouterMacExtended:
		return append(append(b, 3, byte(len(c.Mac))), c.Mac...)
	}
	return b
}

// innerPrefix is the prefix in an NLRI of VPN routes or of EVPN.
func innerPrefix(nlri bgp.AddrPrefixInterface) (netip.Prefix, error) {
	switch n := nlri.(type) {
	case *bgp.LabeledVPNIPAddrPrefix:
		return prefixOf(n.Prefix, n.IPPrefixLen(), false)
	case *bgp.LabeledVPNIPv6AddrPrefix:
		return prefixOf(n.Prefix, n.IPPrefixLen(), true)
	}
	r := ipPrefixOf(nlri)
	if r == nil {
		return netip.Prefix{}, errNoIPPrefix
	}
	return prefixOf(r.IPPrefix, r.IPPrefixLength, nlri.(*bgp.EVPNNLRI).Length == lengthOfSix)
}

// evpnNLRI is the IP prefix route of a prefix under an RD as GoBGP has it, of the interface-less
// kind.
func evpnNLRI(rd bgp.RouteDistinguisherInterface, prefix netip.Prefix, vni uint32) *bgp.EVPNNLRI {
	ip := net.IP(prefix.Addr().AsSlice())
	r := &bgp.EVPNIPPrefixRoute{
		RD: rd, ESI: bgp.EthernetSegmentIdentifier{Value: make([]byte, 9)},
		IPPrefixLength: uint8(prefix.Bits()), IPPrefix: ip, GWIPAddress: make(net.IP, len(ip)), Label: vni,
	}
	return bgp.NewEVPNNLRI(bgp.EVPN_IP_PREFIX, r)
}
