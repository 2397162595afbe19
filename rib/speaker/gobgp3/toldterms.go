package gobgp3

import (
	"fmt"
	"strings"

	"github.com/osrg/gobgp/v3/pkg/packet/bgp"

	"github.com/vrfredist/vrfredist/rib"
)

// termsOf is what a neighbour is told with a prefix, in a line: what decides where it sends
// packets, and what others may act on.
func termsOf(p *bgpPath) string {
	var nexthop, path string
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
		case *bgp.PathAttributeLargeCommunities:
			for _, c := range a.Values {
				rest = append(rest, rib.LargeCommunity{Global: c.ASN, Local1: c.LocalData1, Local2: c.LocalData2}.String())
			}
		}
	}
	parts := []string{"nexthop " + nexthop}
	if path != "" {
		parts = append(parts, "AS path "+path)
	}
	return strings.Join(append(parts, rest...), " ")
}
