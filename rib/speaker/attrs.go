package speaker

import (
	"encoding/binary"
	"fmt"
	"net/netip"

	api "github.com/osrg/gobgp/v3/api"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/anypb"

	"github.com/vrfredist/vrfredist/rib"
)

// llgrStale is the community LLGR_STALE of RFC 9494.
const llgrStale rib.Community = 0xffff0006

// defaultLocalPref is the preference of a path without LOCAL_PREF.
const defaultLocalPref = 100

// kindOf are the attributes that count, by the type of their message; the
// number goes into the cache's key.
var kindOf = map[string]byte{
	"type.googleapis.com/apipb.OriginAttribute":              1,
	"type.googleapis.com/apipb.AsPathAttribute":              2,
	"type.googleapis.com/apipb.NextHopAttribute":             3,
	"type.googleapis.com/apipb.MultiExitDiscAttribute":       4,
	"type.googleapis.com/apipb.LocalPrefAttribute":           5,
	"type.googleapis.com/apipb.CommunitiesAttribute":         8,
	"type.googleapis.com/apipb.OriginatorIdAttribute":        9,
	"type.googleapis.com/apipb.ClusterListAttribute":         10,
	"type.googleapis.com/apipb.MpReachNLRIAttribute":         kindMPReach,
	"type.googleapis.com/apipb.ExtendedCommunitiesAttribute": 16,
	"type.googleapis.com/apipb.LargeCommunitiesAttribute":    32,
}

const kindMPReach = 14

// attrs returns the attributes of a path: those of an earlier one where all
// that counts is the same.
func (d *decoder) attrs(p *api.Path, rd rib.RD) (*attrEntry, error) {
	b := d.scratch[:0]
	b = appendSized(b, p.NeighborIp)
	b = appendSized(b, p.SourceId)
	b = binary.BigEndian.AppendUint32(b, p.SourceAsn)
	imported := isOurs(p)
	if imported {
		b = append(b, 1)
	}
	if p.NeighborIp == "" || p.NeighborIp[0] == '<' {
		b = binary.BigEndian.AppendUint64(b, uint64(rd)) // originated here: the RD says in which VRF
	}
	for _, a := range p.Pattrs {
		kind := kindOf[a.TypeUrl]
		switch kind {
		case 0:
		case kindMPReach:
			first, second, err := nexthops(a.Value)
			if err != nil {
				return nil, err
			}
			b = appendSized(append(b, kind), first)
			b = appendSized(b, second)
		default:
			b = appendSized(append(b, kind), a.Value)
		}
	}
	d.scratch = b
	if e := d.cache.get(b); e != nil {
		return e, nil
	}
	attrs, err := d.decodeAttrs(p, rd, imported)
	if err != nil {
		return nil, err
	}
	e := &attrEntry{attrs: attrs}
	d.cache.put(b, e)
	return e, nil
}

func appendSized[T string | []byte](b []byte, v T) []byte {
	return append(binary.AppendUvarint(b, uint64(len(v))), v...)
}

func (d *decoder) decodeAttrs(p *api.Path, rd rib.RD, imported bool) (*rib.Attrs, error) {
	a := &rib.Attrs{Via: &rib.Via{Imported: imported}, Tags: new(rib.Tags), LocalPref: defaultLocalPref}
	zone := ""
	if peer, err := netip.ParseAddr(p.NeighborIp); err == nil {
		n, configured := d.neighbours[p.NeighborIp]
		local := d.global
		if configured && n.localAS != 0 {
			local = n.localAS
		}
		a.Peer, a.PeerAS, a.IBGP = peer, p.SourceAsn, p.SourceAsn == local
		a.RouterID, _ = netip.ParseAddr(p.SourceId) // "<nil>" before the OPEN
		// A route of another PE with the RD of one of our VRFs is not of that
		// VRF: the neighbour says where a path was learned.
		a.Source, zone = n.vrf, n.zone
		if peer.IsLinkLocalUnicast() && zone != "" {
			a.Peer = peer.WithZone(zone)
		}
	} else if rd != 0 {
		a.Source = d.vrfs[rd]
	} else if imported {
		a.Source = Default
	}
	for _, any := range p.Pattrs {
		if kindOf[any.TypeUrl] == 0 {
			continue
		}
		if err := decodeAttr(a, any); err != nil {
			return nil, err
		}
	}
	for _, nh := range []*netip.Addr{&a.Nexthop, &a.LinkLocal} {
		if nh.IsLinkLocalUnicast() && nh.Is6() && zone != "" {
			*nh = nh.WithZone(zone)
		}
	}
	a.Via = d.shared(*a.Via)
	if len(a.RTs)+len(a.Communities)+len(a.Large) == 0 {
		a.Tags = d.noTags
	}
	return a, nil
}

func decodeAttr(a *rib.Attrs, any *anypb.Any) error {
	if kindOf[any.TypeUrl] == kindMPReach {
		first, second, err := nexthops(any.Value)
		if err != nil {
			return err
		}
		// In a path that a VRF announced the NLRI in here is still the unicast
		// one; the nexthops are right.
		a.Nexthop, err = netip.ParseAddr(string(first))
		if err != nil {
			return fmt.Errorf("nexthop: %w", err)
		}
		a.LinkLocal, _ = netip.ParseAddr(string(second)) // mostly none
		return nil
	}
	m, err := any.UnmarshalNew()
	if err != nil {
		return err
	}
	return decodeMessage(a, m)
}

func decodeMessage(a *rib.Attrs, m proto.Message) (err error) {
	switch m := m.(type) {
	case *api.OriginAttribute:
		a.Origin = uint8(m.Origin)
	case *api.AsPathAttribute:
		decodeASPath(a, m.Segments)
	case *api.NextHopAttribute:
		if a.Nexthop, err = netip.ParseAddr(m.NextHop); err != nil {
			return fmt.Errorf("nexthop: %w", err)
		}
	case *api.MultiExitDiscAttribute:
		a.MED = m.Med
	case *api.LocalPrefAttribute:
		a.LocalPref = m.LocalPref
	case *api.CommunitiesAttribute:
		for _, c := range m.Communities {
			a.Communities = append(a.Communities, rib.Community(c))
			a.Stale = a.Stale || rib.Community(c) == llgrStale
		}
	case *api.OriginatorIdAttribute:
		if a.OriginatorID, err = netip.ParseAddr(m.Id); err != nil {
			return fmt.Errorf("originator: %w", err)
		}
	case *api.ClusterListAttribute:
		a.ClusterLen = len(m.Ids)
	case *api.ExtendedCommunitiesAttribute:
		return decodeRTs(a, m.Communities)
	case *api.LargeCommunitiesAttribute:
		for _, c := range m.Communities {
			a.Large = append(a.Large, rib.LargeCommunity{Global: c.GlobalAdmin, Local1: c.LocalData1, Local2: c.LocalData2})
		}
	}
	return nil
}

// decodeASPath leaves confederation segments out: they count nothing, and the
// neighbouring AS is the first one outside of the confederation.
func decodeASPath(a *rib.Attrs, segments []*api.AsSegment) {
	for _, s := range segments {
		switch s.Type {
		case api.AsSegment_AS_SET:
			a.ASPathLen++
		case api.AsSegment_AS_SEQUENCE:
			a.ASPathLen += int32(len(s.Numbers))
		default:
			continue
		}
		a.ASPath = append(a.ASPath, s.Numbers...)
	}
}

// rtSubType is the sub-type of a route target (RFC 4360 section 4).
const rtSubType = 0x02

// decodeRTs keeps the route targets of types 0x00 to 0x02.
func decodeRTs(a *rib.Attrs, communities []*anypb.Any) error {
	for _, any := range communities {
		switch any.TypeUrl {
		case "type.googleapis.com/apipb.TwoOctetAsSpecificExtended",
			"type.googleapis.com/apipb.IPv4AddressSpecificExtended",
			"type.googleapis.com/apipb.FourOctetAsSpecificExtended":
		default:
			continue
		}
		m, err := any.UnmarshalNew()
		if err != nil {
			return err
		}
		b := [8]byte{1: rtSubType}
		switch m := m.(type) {
		case *api.TwoOctetAsSpecificExtended:
			if m.SubType != rtSubType || !m.IsTransitive {
				continue
			}
			binary.BigEndian.PutUint16(b[2:], uint16(m.Asn))
			binary.BigEndian.PutUint32(b[4:], m.LocalAdmin)
		case *api.IPv4AddressSpecificExtended:
			addr, err := netip.ParseAddr(m.Address)
			if m.SubType != rtSubType || !m.IsTransitive || err != nil || !addr.Is4() {
				continue
			}
			b[0] = 0x01
			copy(b[2:], addr.AsSlice())
			binary.BigEndian.PutUint16(b[6:], uint16(m.LocalAdmin))
		case *api.FourOctetAsSpecificExtended:
			if m.SubType != rtSubType || !m.IsTransitive {
				continue
			}
			b[0] = 0x02
			binary.BigEndian.PutUint32(b[2:], m.Asn)
			binary.BigEndian.PutUint16(b[6:], uint16(m.LocalAdmin))
		}
		a.RTs = append(a.RTs, rib.RT(binary.BigEndian.Uint64(b[:])))
	}
	return nil
}
