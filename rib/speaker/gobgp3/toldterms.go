package gobgp3

import (
	"bytes"
	"fmt"
	"slices"
	"strings"

	"github.com/osrg/gobgp/v3/pkg/packet/bgp"

	"github.com/vrfredist/vrfredist/rib"
)

// termsOf is what a neighbour is told with a prefix, in a line: what decides where it sends
// packets, and what others may act on. services are those that the guard gives routes with a mark.
func termsOf(p *bgpPath, services map[rib.RT]rib.Carried) string {
	nexthop, path, way := "", "", labelIn(p.origin().nlri)
	var rest []string
	for _, a := range p.attributes() {
		switch a := a.(type) {
		case *bgp.PathAttributeNextHop:
			nexthop = a.Value.String()
		case *bgp.PathAttributeMpReachNLRI:
			nexthop = a.Nexthop.String()
		case *bgp.PathAttributeAsPath:
			path = bgp.AsPathString(a)
		case *bgp.PathAttributeMultiExitDisc:
			rest = append(rest, fmt.Sprintf("MED %d", a.Value))
		case *bgp.PathAttributeLocalPref:
			rest = append(rest, fmt.Sprintf("local preference %d", a.Value))
		case *bgp.PathAttributeCommunities:
			for _, c := range a.Value {
				rest = append(rest, rib.Community(c).String())
			}
		case *bgp.PathAttributeExtendedCommunities:
			for _, c := range a.Value {
				if rt, _ := decodeRT(c); rib.IsServiceMark(rt) {
					way = sidIn(services[rt].SRv6, p.origin().nlri.AFI() == bgp.AFI_IP6)
				}
			}
		case *bgp.PathAttributeLargeCommunities:
			for _, c := range a.Values {
				rest = append(rest, rib.LargeCommunity{Global: c.ASN, Local1: c.LocalData1, Local2: c.LocalData2}.String())
			}
		}
	}
	parts := []string{"nexthop " + nexthop}
	if way != "" {
		parts = append(parts, way)
	}
	if path != "" {
		parts = append(parts, "AS path "+path)
	}
	return strings.Join(append(parts, rest...), " ")
}

// labelIn is the label of a VPN route that leads into a VRF; "": it has none such.
func labelIn(nlri bgp.AddrPrefixInterface) string {
	var labels []uint32
	switch n := nlri.(type) {
	case *bgp.LabeledVPNIPAddrPrefix:
		labels = n.Labels.Labels
	case *bgp.LabeledVPNIPv6AddrPrefix:
		labels = n.Labels.Labels
	}
	if len(labels) == 0 || labels[0] < rib.FirstLabel || labels[0] > rib.MaxLabel {
		return ""
	}
	return fmt.Sprintf("label %d", labels[0])
}

// sidIn is the SID of the routes of a family.
func sidIn(s rib.SRv6, six bool) string {
	if six && s.SID6.IsValid() {
		return "SID " + s.SID6.String()
	}
	return "SID " + s.SID.String()
}

// sameToCustomer tells whether a neighbour in a VRF is told the same by two paths. Of a route of IPv6
// GoBGP has the label in the attributes then, and does not write it.
func sameToCustomer(a, b *bgpPath) bool {
	if pathEqual(a, b) {
		return true
	}
	x, y := a.attributes(), b.attributes()
	return len(x) == len(y) && a.origin().source == b.origin().source && slices.EqualFunc(x, y, func(p, q bgp.PathAttributeInterface) bool {
		m, is := p.(*bgp.PathAttributeMpReachNLRI)
		n, too := q.(*bgp.PathAttributeMpReachNLRI)
		if is && too {
			return m.Nexthop.Equal(n.Nexthop) && m.LinkLocalNexthop.Equal(n.LinkLocalNexthop)
		}
		s, err := p.Serialize()
		t, also := q.Serialize()
		return err == nil && also == nil && bytes.Equal(s, t)
	})
}
