package gobgp3

import (
	"slices"

	"github.com/osrg/gobgp/v3/pkg/config/oc"
	"github.com/osrg/gobgp/v3/pkg/packet/bgp"
)

// audience is by what GoBGP chooses, of a destination's paths, those that a neighbour is told of.
type audience struct {
	client bool   // of our route server
	second bool   // it is one that is told of the next path where its policies reject the best
	table  string // of a client, its name for GoBGP
	as     uint32 // that the session's OPEN has
}

// audienceOf is a neighbour as one.
func audienceOf(p livePeer) (a audience) {
	p.read(func(n *oc.Neighbor, _ bgp.FSMState) {
		a.client = n.RouteServer.Config.RouteServerClient
		a.second = a.client && n.RouteServer.Config.SecondaryRoute
		a.as = n.State.PeerAs
	})
	a.table = *p.tableID.in(p.at)
	return a
}

// fitting are those paths of which the neighbour may be told: a client of our route server of none
// that it sent, nor of one that went through its own AS.
func (a audience) fitting(paths []*bgpPath) []*bgpPath {
	if !a.client {
		return paths
	}
	lacks := func(p *bgpPath) bool { return clientLacks(a.table, a.as, p) }
	if !slices.ContainsFunc(paths, lacks) {
		return paths
	}
	return slices.DeleteFunc(slices.Clone(paths), lacks)
}

// choices are those paths of which the neighbour is told the first one that its policies let pass: the
// best one alone, but where the neighbour is told of the next one too.
func (a audience) choices(paths []*bgpPath) []*bgpPath {
	list := a.fitting(unflagged(paths))
	if len(list) > 1 && !a.second {
		return list[:1]
	}
	return list
}
