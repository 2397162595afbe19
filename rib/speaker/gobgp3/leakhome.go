package gobgp3

import (
	"slices"

	"github.com/osrg/gobgp/v3/pkg/packet/bgp"
)

// GoBGP tells the neighbours of a VRF of those VPN routes alone that have one of its import
// targets, and by the same targets other VRFs and other routers take a route. What is leaked
// into a VRF is for its own neighbours: it has a target that no other VRF imports, which GoBGP
// is given beside those of the configuration. It is of AS 0, which nobody has (RFC 7607), and
// routes with it are told to no neighbour of a VPN family (conf.addRules).

// homeTarget is the n-th of these targets.
func homeTarget(n uint32) bgp.ExtendedCommunityInterface {
	return bgp.NewTwoOctetAsSpecificExtended(bgp.EC_SUBTYPE_ROUTE_TARGET, 0, n, true)
}

// isHome tells whether a target is one of these.
func isHome(c bgp.ExtendedCommunityInterface) bool {
	two, is := c.(*bgp.TwoOctetAsSpecificExtended)
	return is && two.SubType == bgp.EC_SUBTYPE_ROUTE_TARGET && two.AS == 0
}

// isHomeTarget tells whether a target is one of these, and no mark.
func isHomeTarget(c bgp.ExtendedCommunityInterface) bool { return isHome(c) && !isMark(c) }

// homeOf is that of a VRF; nil: it has none.
func homeOf(v *bgpVRF) bgp.ExtendedCommunityInterface {
	if i := slices.IndexFunc(v.ImportRt, isHome); i >= 0 {
		return v.ImportRt[i]
	}
	return nil
}

// openHome gives a VRF one, among all that there are. It is called in the loop.
func openHome(v *bgpVRF, all map[string]*bgpVRF) {
	if homeOf(v) != nil {
		return
	}
	taken := make(map[uint32]bool)
	for _, other := range all {
		if two, is := homeOf(other).(*bgp.TwoOctetAsSpecificExtended); is {
			taken[two.LocalAdmin] = true
		}
	}
	n := uint32(1)
	for taken[n] {
		n++
	}
	v.ImportRt = append(slices.Clip(v.ImportRt), homeTarget(n))
}
