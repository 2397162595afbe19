package speaker

import (
	"encoding/binary"
	"net/netip"

	api "github.com/osrg/gobgp/v3/api"
	"github.com/osrg/gobgp/v3/pkg/packet/bgp"

	"github.com/vrfredist/vrfredist/rib"
)

// ourIdentifier is the path identifier of what we announce. It keeps our paths
// apart from those that an operator adds with the gobgp program, which have 0:
// neither replaces nor withdraws the other. Neighbours do not see it; GoBGP
// sends an identifier of its own.
const ourIdentifier = 0x76726672

// isOurs tells whether a path is one that we announced: our identifier, and
// GoBGP's mark "from external", which no path of a neighbour has, and which
// keeps it from GoBGP's own zebra client.
func isOurs(o *bgpOrigin) bool {
	return o.isFromExternal && o.nlri.PathIdentifier() == ourIdentifier
}

// encode turns a change into GoBGP's path, in wire format, which is cheaper than
// messages for both sides. The family is a unicast one in a VRF too: GoBGP adds
// RD and RTs itself.
func encode(c rib.AnnounceChange) *api.Path {
	p := &api.Path{
		Family:         &api.Family{Afi: api.Family_AFI_IP, Safi: api.Family_SAFI_UNICAST},
		NlriBinary:     encodeNLRI(c.Prefix),
		Identifier:     ourIdentifier,
		IsFromExternal: true,
		IsWithdraw:     c.Withdraw,
	}
	if c.Prefix.Addr().Is6() {
		p.Family.Afi = api.Family_AFI_IP6
	}
	if c.Withdraw {
		return p
	}
	// NEXT_HOP with an unspecified address of either family stands for self;
	// GoBGP makes MP_REACH_NLRI of it where that belongs.
	p.PattrsBinary = [][]byte{
		attribute(bgp.BGP_ATTR_TYPE_ORIGIN, []byte{rib.OriginIncomplete}),
		attribute(bgp.BGP_ATTR_TYPE_NEXT_HOP, make([]byte, c.Prefix.Addr().BitLen()/8)),
		attribute(bgp.BGP_ATTR_TYPE_MULTI_EXIT_DISC, binary.BigEndian.AppendUint32(nil, c.MED)),
	}
	if len(c.Communities) > 0 {
		var b []byte
		for _, v := range c.Communities {
			b = binary.BigEndian.AppendUint32(b, uint32(v))
		}
		p.PattrsBinary = append(p.PattrsBinary, attribute(bgp.BGP_ATTR_TYPE_COMMUNITIES, b))
	}
	if len(c.Large) > 0 {
		var b []byte
		for _, v := range c.Large {
			b = binary.BigEndian.AppendUint32(b, v.Global)
			b = binary.BigEndian.AppendUint32(b, v.Local1)
			b = binary.BigEndian.AppendUint32(b, v.Local2)
		}
		p.PattrsBinary = append(p.PattrsBinary, attribute(bgp.BGP_ATTR_TYPE_LARGE_COMMUNITY, b))
	}
	return p
}

// encodeNLRI is the prefix as RFC 4271 section 4.3 has it: its length in bits,
// and as many bytes as that needs.
func encodeNLRI(p netip.Prefix) []byte {
	return append([]byte{byte(p.Bits())}, p.Addr().AsSlice()[:(p.Bits()+7)/8]...)
}

// attribute is a path attribute as RFC 4271 section 4.3 has it.
func attribute(typ bgp.BGPAttrType, value []byte) []byte {
	flags := bgp.PathAttrFlags[typ]
	if len(value) > 255 {
		b := []byte{byte(flags | bgp.BGP_ATTR_FLAG_EXTENDED_LENGTH), byte(typ)}
		return append(binary.BigEndian.AppendUint16(b, uint16(len(value))), value...)
	}
	return append([]byte{byte(flags), byte(typ), byte(len(value))}, value...)
}
