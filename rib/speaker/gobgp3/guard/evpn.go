package guard

import (
	"encoding/binary"
	"net/netip"

	"github.com/osrg/gobgp/v3/pkg/packet/bgp"

	"github.com/vrfredist/vrfredist/rib"
)

// A route of EVPN has a type and a length before it (RFC 7432, 7). GoBGP ends the session for one
// that it does not know or cannot read, and with it goes every other route of the message; it
// finds a route by its text, in which an IPv6 prefix in ::ffff:0:0/96 is one of IPv4. So the guard
// judges each route by itself. Those of IP prefixes (RFC 9136) it reads as far as a prefix of
// another family.

// Sizes in a route of EVPN.
const (
	headOfEVPN = 2                   // type and length
	beforeBits = sizeOfRD + 10 + 4   // RD, Ethernet segment and Ethernet tag, before the length of a prefix
	afterBits  = beforeBits + 1      // where the prefix begins
	prefixFour = afterBits + 2*4 + 3 // with a gateway and a label
	prefixSix  = afterBits + 2*16 + 3
)

// evpnPrefix is the prefix of an IP prefix route, invalid where the route is malformed (RFC 9136,
// 3.1): its bits beyond the length count.
func evpnPrefix(body []byte) (p netip.Prefix) {
	var addr netip.Addr
	switch len(body) {
	case prefixFour:
		addr = netip.AddrFrom4([4]byte(body[afterBits:]))
	case prefixSix:
		addr = netip.AddrFrom16([16]byte(body[afterBits:]))
	default:
		return p
	}
	if bits := int(body[beforeBits]); bits <= addr.BitLen() {
		return netip.PrefixFrom(addr, bits)
	}
	return p
}

// plainEVPN tells whether a route, without its path identifier, is an IP prefix route with an RD of
// a known type. What else is to be said of it unwantedEVPN says.
func plainEVPN(route []byte) bool {
	return route[0] == bgp.EVPN_IP_PREFIX && len(route) >= headOfEVPN+sizeOfRD && binary.BigEndian.Uint16(route[headOfEVPN:]) <= 2
}

// unwantedEVPN tells why a route of EVPN, without its path identifier, is refused; reasons: it is
// not. strict says that it is announced from outside.
func unwantedEVPN(rules *Rules, route []byte, strict bool) Reason {
	kind, body := route[0], route[headOfEVPN:]
	switch {
	case kind == 0 || kind > bgp.EVPN_IP_PREFIX:
		return RouteType
	case !readableEVPN(kind, body):
		return Malformed
	case kind != bgp.EVPN_IP_PREFIX:
		return reasons
	}
	p := evpnPrefix(body)
	if p.Addr().Is4In6() {
		return Mapped
	}
	if strict {
		if _, is := rib.MartianBut(rules.Terms.AcceptMartians, p.Masked()); is {
			return Martian
		}
	}
	return reasons
}

// readableEVPN tells whether a route of a known type has the length of that type, and what GoBGP
// asks of it.
func readableEVPN(kind byte, body []byte) bool {
	address := func(at int, none bool) (size int, ok bool) {
		if len(body) <= at {
			return 0, false
		}
		size = int(body[at])
		return size / 8, size == 32 || size == 128 || none && size == 0
	}
	switch kind {
	case bgp.EVPN_ROUTE_TYPE_ETHERNET_AUTO_DISCOVERY:
		return len(body) == beforeBits+3 && plainESI(body)
	case bgp.EVPN_ROUTE_TYPE_MAC_IP_ADVERTISEMENT:
		size, ok := address(beforeBits+1+6, true)
		rest := len(body) - (beforeBits + 1 + 6 + 1 + size)
		return ok && (rest == 3 || rest == 6) && plainESI(body)
	case bgp.EVPN_INCLUSIVE_MULTICAST_ETHERNET_TAG:
		size, ok := address(sizeOfRD+4, false)
		return ok && len(body) == sizeOfRD+4+1+size
	case bgp.EVPN_ETHERNET_SEGMENT_ROUTE:
		size, ok := address(sizeOfRD+10, false)
		return ok && len(body) == sizeOfRD+10+1+size && plainESI(body)
	}
	return evpnPrefix(body).IsValid() && plainESI(body)
}

// plainESI tells whether GoBGP reads the Ethernet segment of a route: of some types it wants the
// last byte to be 0 (RFC 7432, 5).
func plainESI(body []byte) bool {
	esi := body[sizeOfRD : sizeOfRD+10]
	switch bgp.ESIType(esi[0]) {
	case bgp.ESI_LACP, bgp.ESI_MSTP, bgp.ESI_ROUTERID, bgp.ESI_AS:
		return esi[9] == 0
	}
	return true
}
