package gobgp3

import (
	"cmp"
	"encoding/binary"
	"fmt"
	"net/netip"
	"slices"

	"github.com/osrg/gobgp/v3/pkg/packet/bgp"

	"github.com/vrfredist/vrfredist/rib"
	"github.com/vrfredist/vrfredist/rib/speaker"
)

// llgrStale is the community LLGR_STALE of RFC 9494.
const llgrStale rib.Community = 0xffff0006

// counts are the attributes that decodeAttr knows, by the type of their message in
// the API.
var counts = map[string]bool{
	"type.googleapis.com/apipb.OriginAttribute":              true,
	"type.googleapis.com/apipb.AsPathAttribute":              true,
	"type.googleapis.com/apipb.NextHopAttribute":             true,
	"type.googleapis.com/apipb.MultiExitDiscAttribute":       true,
	"type.googleapis.com/apipb.LocalPrefAttribute":           true,
	"type.googleapis.com/apipb.CommunitiesAttribute":         true,
	"type.googleapis.com/apipb.OriginatorIdAttribute":        true,
	"type.googleapis.com/apipb.ClusterListAttribute":         true,
	"type.googleapis.com/apipb.MpReachNLRIAttribute":         true,
	"type.googleapis.com/apipb.ExtendedCommunitiesAttribute": true,
	"type.googleapis.com/apipb.LargeCommunitiesAttribute":    true,
	prefixSIDMessage: true,
}

const prefixSIDMessage = "type.googleapis.com/apipb.PrefixSID"

// attrs returns the attributes of a path: the entry of an earlier path where all that
// decodeAttr reads is the same.
func (d *decoder) attrs(o *bgpOrigin, list []bgp.PathAttributeInterface, to speaker.Destination) (*attrEntry, error) {
	as, ours := announcedAs(o)
	from, id := d.names.identity(o.source)
	source := sender{o.source, from, id, ours, as, 0, rib.NotCarried, false}
	switch {
	case len(o.source.Address) == 0:
		source.rd = to.RD // originated here: the RD says in which VRF
	case to.EVPN:
		source.carrier = rib.ByEVPN
	case to.RD != 0:
		source.carrier = rib.ByVPN // or from a neighbour in a VRF
		source.six = d.readsSIDs && to.Prefix.Addr().Is6()
	}
	if e := d.recent.get(&source, list); e != nil {
		return e, nil
	}
	name := d.names.of(source.peer)
	b := appendSized(d.scratch[:0], []byte(name))
	b = appendSized(b, source.id)
	b = binary.BigEndian.AppendUint32(b, source.as)
	b = binary.BigEndian.AppendUint64(b, uint64(source.rd))
	b = append(b, byte(source.carrier))
	if ours {
		b = append(b, 1+byte(as))
	}
	var beside netip.Addr
	for _, a := range list {
		b = appendAttr(b, a)
		if sid, is := a.(*bgp.PathAttributePrefixSID); is && d.readsSIDs {
			b = appendService(append(b, byte(sid.GetType())), sid, source.six)
		}
		if reach, is := a.(*bgp.PathAttributeMpReachNLRI); is {
			beside = d.names.beside(name, reach.Nexthop)
			b = beside.AppendTo(b)
		}
	}
	d.scratch = b
	e := d.cache.get(b)
	if e == nil {
		attrs, err := d.decodeAttrs(&source, name, list, beside)
		if err != nil {
			return nil, err
		}
		e = &attrEntry{attrs: attrs}
		d.cache.put(b, e)
	}
	d.recent.put(&source, list, e)
	return e, nil
}

func appendSized(b, v []byte) []byte {
	return append(binary.AppendUvarint(b, uint64(len(v))), v...)
}

// appendAttr appends the values that decodeAttr reads of an attribute, under its type.
func appendAttr(b []byte, attr bgp.PathAttributeInterface) []byte {
	b = append(b, byte(attr.GetType()))
	switch a := attr.(type) {
	case *bgp.PathAttributeOrigin:
		return append(b, a.Value)
	case *bgp.PathAttributeAsPath:
		b = binary.AppendUvarint(b, uint64(len(a.Value)))
		for _, s := range a.Value {
			numbers := s.GetAS()
			b = binary.AppendUvarint(append(b, s.GetType()), uint64(len(numbers)))
			for _, n := range numbers {
				b = binary.BigEndian.AppendUint32(b, n)
			}
		}
	case *bgp.PathAttributeNextHop:
		return appendSized(b, a.Value)
	case *bgp.PathAttributeMultiExitDisc:
		return binary.BigEndian.AppendUint32(b, a.Value)
	case *bgp.PathAttributeLocalPref:
		return binary.BigEndian.AppendUint32(b, a.Value)
	case *bgp.PathAttributeCommunities:
		b = binary.AppendUvarint(b, uint64(len(a.Value)))
		for _, c := range a.Value {
			b = binary.BigEndian.AppendUint32(b, c)
		}
	case *bgp.PathAttributeOriginatorId:
		return appendSized(b, a.Value)
	case *bgp.PathAttributeClusterList:
		return binary.AppendUvarint(b, uint64(len(a.Value)))
	case *bgp.PathAttributeMpReachNLRI:
		return appendSized(appendSized(b, a.Nexthop), a.LinkLocalNexthop)
	case *bgp.PathAttributeExtendedCommunities:
		for _, c := range a.Value {
			if rt, is := decodeRT(c); is {
				b = binary.BigEndian.AppendUint64(append(b, 1), uint64(rt))
			} else if e, is := decodeExtended(c); is {
				b = binary.BigEndian.AppendUint64(append(b, 2), uint64(e))
			}
			b = appendOverlay(b, c)
		}
		return append(b, 0)
	case *bgp.PathAttributeLargeCommunities:
		b = binary.AppendUvarint(b, uint64(len(a.Values)))
		for _, c := range a.Values {
			b = binary.BigEndian.AppendUint32(b, c.ASN)
			b = binary.BigEndian.AppendUint32(b, c.LocalData1)
			b = binary.BigEndian.AppendUint32(b, c.LocalData2)
		}
	default:
		return b[:len(b)-1]
	}
	return b
}

// decodeAttrs decodes attributes that a neighbour called name sent. beside is the link-local
// address that it sent beside the nexthop, and GoBGP has not kept.
func (d *decoder) decodeAttrs(s *sender, name string, list []bgp.PathAttributeInterface, beside netip.Addr) (*rib.Attrs, error) {
	d.via, d.tags = rib.Via{Imported: s.ours, As: s.why}, rib.Tags{}
	a := &rib.Attrs{Via: &d.via, Tags: &d.tags, LocalPref: speaker.DefaultLocalPref}
	zone := ""
	if peer, err := netip.ParseAddr(name); err == nil {
		n, configured := d.neighbours[name]
		local := d.global
		if configured && n.LocalAS != 0 {
			local = n.LocalAS
		}
		a.PeerAS, a.IBGP = s.as, s.as == local
		a.RouterID, _ = addrOf(s.id) // none before the OPEN
		// A route of another PE with the RD of one of our VRFs is not of that
		// VRF: the neighbour says where a path was learned.
		a.Source, zone = n.VRF, cmp.Or(peer.Zone(), n.Zone)
		a.Peer = zoned(peer, zone)
		if n.VRF == "" {
			a.Carrier = s.carrier
		}
	} else if s.rd != 0 {
		a.Source = d.vrfs[s.rd]
	} else if s.ours {
		a.Source = speaker.Default
	}
	if a.Carrier == rib.ByEVPN {
		a.EncapKind = rib.EncapVXLAN // where the path names none
	}
	for _, attr := range list {
		if err := decodeAttr(a, attr); err != nil {
			return nil, err
		}
		if sid, is := attr.(*bgp.PathAttributePrefixSID); is && d.readsSIDs && a.Carrier == rib.ByVPN {
			takeService(a.Via, sid, s.six)
		}
	}
	if !a.LinkLocal.IsValid() && a.Carrier != rib.ByEVPN { // a VTEP is on no link of the VRF
		a.LinkLocal = beside
	}
	for _, nh := range []*netip.Addr{&a.Nexthop, &a.LinkLocal} {
		if nh.IsLinkLocalUnicast() && nh.Is6() && zone != "" {
			*nh = nh.WithZone(zone)
		}
	}
	a.Via = d.shared(&d.via)
	d.shareTags(a)
	return a, nil
}

func decodeAttr(a *rib.Attrs, attr bgp.PathAttributeInterface) error {
	var ok bool
	switch attr := attr.(type) {
	case *bgp.PathAttributeOrigin:
		a.Origin = attr.Value
	case *bgp.PathAttributeAsPath:
		decodeASPath(a, attr.Value)
	case *bgp.PathAttributeNextHop:
		if a.Nexthop, ok = addrOf(attr.Value); !ok {
			return fmt.Errorf("nexthop: it has %d bytes", len(attr.Value))
		}
	case *bgp.PathAttributeMultiExitDisc:
		a.MED = attr.Value
	case *bgp.PathAttributeLocalPref:
		a.LocalPref = attr.Value
	case *bgp.PathAttributeCommunities:
		for _, c := range attr.Value {
			a.Communities = append(a.Communities, rib.Community(c))
			a.Stale = a.Stale || rib.Community(c) == llgrStale
		}
	case *bgp.PathAttributeOriginatorId:
		if a.OriginatorID, ok = addrOf(attr.Value); !ok {
			return fmt.Errorf("originator: it has %d bytes", len(attr.Value))
		}
	case *bgp.PathAttributeClusterList:
		a.ClusterLen = len(attr.Value)
	case *bgp.PathAttributeMpReachNLRI:
		// In a path that a VRF announced the NLRI in here is still the unicast
		// one; the nexthops are right.
		if a.Nexthop, ok = addrOf(attr.Nexthop); !ok {
			return fmt.Errorf("nexthop: it has %d bytes", len(attr.Nexthop))
		}
		a.LinkLocal = netip.Addr{} // mostly none
		if attr.LinkLocalNexthop.IsLinkLocalUnicast() {
			a.LinkLocal, _ = addrOf(attr.LinkLocalNexthop)
		}
	case *bgp.PathAttributeExtendedCommunities:
		for _, c := range attr.Value {
			if rt, is := decodeRT(c); is && !rib.IsCarriageMark(rt) { // nobody but GoBGP's policies need know
				a.RTs = append(a.RTs, rt)
			} else if e, is := decodeExtended(c); is {
				rare := rareOf(a)
				rare.Extended = append(rare.Extended, e)
			}
		}
		if a.Carrier == rib.ByEVPN {
			overlay(a.Via, attr.Value)
		}
	case *bgp.PathAttributeLargeCommunities:
		for _, c := range attr.Values {
			a.Large = append(a.Large, rib.LargeCommunity{Global: c.ASN, Local1: c.LocalData1, Local2: c.LocalData2})
		}
	}
	return nil
}

// decodeASPath leaves confederation segments out: they count nothing, and the
// neighbouring AS is the first one outside of the confederation. A path that is not one
// sequence alone is kept by its segments too.
func decodeASPath(a *rib.Attrs, segments []bgp.AsPathParamInterface) {
	if slices.ContainsFunc(segments, func(s bgp.AsPathParamInterface) bool { return s.GetType() != bgp.BGP_ASPATH_ATTR_TYPE_SEQ }) {
		rare := rareOf(a)
		for _, s := range segments {
			rare.Segments = append(rare.Segments, rib.ASSegment{Kind: rib.SegmentKind(s.GetType()), ASes: s.GetAS()})
		}
	}
	for _, s := range segments {
		numbers := s.GetAS()
		switch s.GetType() {
		case bgp.BGP_ASPATH_ATTR_TYPE_SET:
			a.ASPathLen++
		case bgp.BGP_ASPATH_ATTR_TYPE_SEQ:
			a.ASPathLen += int32(len(numbers))
		default:
			continue
		}
		a.ASPath = append(a.ASPath, numbers...)
	}
}

// rareOf is what attributes that are being decoded have of what is rare.
func rareOf(a *rib.Attrs) *rib.Rare {
	if a.Rare == nil {
		a.Rare = new(rib.Rare)
	}
	return a.Rare
}

// decodeExtended decodes an extended community that is no route target. GoBGP takes a link
// bandwidth that is transitive for one that is not.
func decodeExtended(c bgp.ExtendedCommunityInterface) (rib.ExtCommunity, bool) {
	b, err := c.Serialize()
	if err != nil || len(b) != 8 {
		return 0, false
	}
	return rib.ExtCommunity(binary.BigEndian.Uint64(b)), true
}

// decodeRT decodes a route target of the types 0x00 to 0x02 (RFC 4360 section 4, RFC
// 5668).
func decodeRT(c bgp.ExtendedCommunityInterface) (rib.RT, bool) {
	const rtSubType = bgp.EC_SUBTYPE_ROUTE_TARGET
	b := [8]byte{1: byte(rtSubType)}
	switch c := c.(type) {
	case *bgp.TwoOctetAsSpecificExtended:
		if c.SubType != rtSubType || !c.IsTransitive {
			return 0, false
		}
		binary.BigEndian.PutUint16(b[2:], c.AS)
		binary.BigEndian.PutUint32(b[4:], c.LocalAdmin)
	case *bgp.IPv4AddressSpecificExtended:
		addr := c.IPv4.To4()
		if c.SubType != rtSubType || !c.IsTransitive || addr == nil {
			return 0, false
		}
		b[0] = 0x01
		copy(b[2:], addr)
		binary.BigEndian.PutUint16(b[6:], c.LocalAdmin)
	case *bgp.FourOctetAsSpecificExtended:
		if c.SubType != rtSubType || !c.IsTransitive {
			return 0, false
		}
		b[0] = 0x02
		binary.BigEndian.PutUint32(b[2:], c.AS)
		binary.BigEndian.PutUint16(b[6:], c.LocalAdmin)
	default:
		return 0, false
	}
	return rib.RT(binary.BigEndian.Uint64(b[:])), true
}

// targets are the route targets among extended communities.
func targets(list []bgp.ExtendedCommunityInterface) map[rib.RT]bool {
	set := make(map[rib.RT]bool, len(list))
	for _, c := range list {
		if rt, is := decodeRT(c); is {
			set[rt] = true
		}
	}
	return set
}

// meet tells whether two sets of route targets have one in common.
func meet(a, b map[rib.RT]bool) bool {
	for rt := range a {
		if b[rt] {
			return true
		}
	}
	return false
}
