package guard

import (
	"encoding/binary"

	"github.com/osrg/gobgp/v3/pkg/packet/bgp"
)

// GoBGP keeps a VRF's routes as VPN routes, and makes unicast ones of them for the
// neighbours of the VRF. Where a policy comes to reject a route that such a neighbour
// has, it forgets to: the withdrawal goes out as that of a VPN route, which the neighbour
// never heard of, and may end the session for.

// asUnicast returns a message of GoBGP's to a neighbour in a VRF, with the withdrawal of
// VPN routes made one of unicast routes. Every other message is returned as it is.
func asUnicast(m []byte) []byte {
	const first = headerSize + 4 // the first attribute, behind the two lengths
	if len(m) < first+6 || m[18] != bgp.BGP_MSG_UPDATE || m[headerSize]|m[headerSize+1] != 0 ||
		bgp.BGPAttrType(m[first+1]) != bgp.BGP_ATTR_TYPE_MP_UNREACH_NLRI {
		return m
	}
	value := m[first+3:]
	if m[first]&flagExtended != 0 {
		value = m[first+4:]
	}
	if len(value) < 3 || value[2] != bgp.SAFI_MPLS_VPN {
		return m
	}
	afi := binary.BigEndian.Uint16(value)
	prefixes, whole := withoutRD(value[3:])
	if !whole {
		return m
	}
	out := make([]byte, headerSize+2, len(m))
	copy(out, m)
	switch afi {
	case bgp.AFI_IP:
		binary.BigEndian.PutUint16(out[headerSize:], uint16(len(prefixes)))
		out = append(append(out, prefixes...), 0, 0)
	case bgp.AFI_IP6:
		n := 3 + len(prefixes)
		out = binary.BigEndian.AppendUint16(out, uint16(n+4))
		out = append(out, flagOptional|flagExtended, byte(bgp.BGP_ATTR_TYPE_MP_UNREACH_NLRI))
		out = binary.BigEndian.AppendUint16(out, uint16(n))
		out = append(append(out, 0, bgp.AFI_IP6, bgp.SAFI_UNICAST), prefixes...)
	default:
		return m
	}
	binary.BigEndian.PutUint16(out[16:], uint16(len(out)))
	return out
}

// withoutRD returns the prefixes of VPN routes without label and route distinguisher.
func withoutRD(nlri []byte) (prefixes []byte, whole bool) {
	const before = 3 + 8 // one label: a withdrawal has no more (RFC 8277, 2.4)
	for len(nlri) > 0 {
		bits := int(nlri[0])
		size := 1 + (bits+7)/8
		if bits < before*8 || len(nlri) < size {
			return nil, false
		}
		prefixes = append(append(prefixes, byte(bits-before*8)), nlri[1+before:size]...)
		nlri = nlri[size:]
	}
	return prefixes, true
}
