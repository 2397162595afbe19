package nsworker

import (
	"maps"

	"github.com/vrfredist/vrfredist/rib"
	"github.com/vrfredist/vrfredist/vrf"
)

// unreached tells BGP which nexthops of what the VRF's neighbours sent are not reached, so that
// BGP's own choice leaves their paths out, and neighbours hear what really forwards. A
// nexthop on a link without carrier is not, whatever the kernel goes on doing.
type unreached struct {
	bgp  BGP
	spec *vrf.Spec // the worker's
	ways *pathWays
	told map[rib.PathNexthop]struct{} // nil: nothing
}

// tell tells what has changed since it was called last.
func (u *unreached) tell() {
	if !u.ways.news {
		return
	}
	u.ways.news = false
	var now map[rib.PathNexthop]struct{}
	if x := u.spec.Export; u.spec.VRF == "" && x.Enabled && !x.AnnounceUnreached {
		now = u.ways.unreached(u.spec.Of())
	}
	if !maps.Equal(now, u.told) {
		u.told = now
		u.bgp.Unreached(u.spec.Of(), now)
	}
}

// end takes everything back: nobody watches the nexthops any more.
func (u *unreached) end() {
	if u.told != nil {
		u.told = nil
		u.bgp.Unreached(u.spec.Of(), nil)
	}
}

// unreached are the nexthops that are not reached of the paths that a VRF's own neighbours
// sent; nil: all are reached.
func (w *pathWays) unreached(vrfName string) map[rib.PathNexthop]struct{} {
	if vrfName == vrf.Default {
		vrfName = "" // what is in no VRF
	}
	var not map[rib.PathNexthop]struct{}
	for f := range w.byVia {
		for via, by := range w.byVia[f] {
			if way := by.way; way != nil && way.Reach != rib.Reached && via.Source == vrfName && via.Peer.IsValid() {
				if not == nil {
					not = make(map[rib.PathNexthop]struct{})
				}
				not[via.PathNexthop()] = struct{}{}
			}
		}
	}
	return not
}
