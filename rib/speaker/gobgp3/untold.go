package gobgp3

import (
	"slices"
	"sync"
	"unsafe"

	"github.com/osrg/gobgp/v3/pkg/config/oc"
	"github.com/osrg/gobgp/v3/pkg/packet/bgp"
)

// Of most routes that come in nobody is told: one router's internal neighbours are not told of what another
// of them sends (RFC 4271, 9.2), and where there is but one neighbour, nobody is left. GoBGP makes an event
// of best paths for each route nevertheless, with copies of its paths, and asks each neighbour's filters. So for
// a message of which nobody is told it is kept from that.

// untold finds out of a message whether anybody is told of it, and where not, keeps GoBGP from asking.
// It is the loop's own.
type untold struct {
	*loop
	gone func() // the server has stopped; set before it serves

	from livePeer // whose message is in hand
	info bgpPeer  // the source of its paths
	// internal says that from is a neighbour of this AS, and no client of ours as a route reflector.
	internal bool
	may      bool // what was seen of the message so far allows for it
	unseen   int  // destinations of the message that were not looked at
	had      []hadPaths
	kept     bool // GoBGP is kept from it now
}

// hadPaths is a destination of the message that was there before it.
type hadPaths struct {
	in *bgpTable
	of *bgpDestination
}

// mostHeard is of how many neighbours is asked whether they are told: with more, that costs what it saves.
const mostHeard = 16

// selectionOptions has GoBGP's switch by which it chooses no best paths: it neither sorts the paths of a
// destination nor tells anybody of them. It is the process's, and read by the loop of each server in it, so it
// is left alone but where there is one server.
//
//go:linkname selectionOptions github.com/osrg/gobgp/v3/internal/pkg/table.SelectionOptions
var selectionOptions oc.RouteSelectionOptionsConfig

// servers are those of GoBGP in this process.
var servers struct {
	sync.Mutex     // held while the switch is on
	n          int // guarded by Mutex
}

// countServer counts one that is about to serve, until gone is called because it has stopped.
func countServer() (gone func()) {
	servers.Lock()
	defer servers.Unlock()
	servers.n++
	return sync.OnceFunc(func() {
		servers.Lock()
		defer servers.Unlock()
		servers.n--
	})
}

// begin looks at whose message it is, and who there is to be told.
func (u *untold) begin(from livePeer, m *bgp.BGPUpdate) {
	u.forget()
	u.may, u.from, u.unseen = false, from, len(m.NLRI)
	if len(m.WithdrawnRoutes) > 0 || len((*u.watchers.in(unsafe.Pointer(u.server())))[ofBestPaths]) != 1 {
		return
	}
	forVRFs := false
	for _, a := range m.PathAttributes {
		switch a := a.(type) {
		case *bgp.PathAttributeMpReachNLRI:
			forVRFs = forVRFs || hasVRFs(bgp.AfiSafiToRouteFamily(a.AFI, a.SAFI))
			u.unseen += len(a.Value)
		case *bgp.PathAttributeMpUnreachNLRI:
			return
		}
	}
	u.may = u.speaks() && u.nobodyHears(forVRFs)
}

// speaks finds out who sends the message; false: one that is not in GoBGP's own tables, or sends
// several paths of a prefix.
func (u *untold) speaks() (ok bool) {
	u.from.read(func(n *oc.Neighbor, state bgp.FSMState) {
		u.info = **u.peerInfo.in(u.from.fsm)
		ok = state == bgp.BGP_FSM_ESTABLISHED && n.Config.Vrf == "" && !n.RouteServer.Config.RouteServerClient
		for _, mode := range *u.families.in(u.from.fsm) {
			ok = ok && mode&bgp.BGP_ADD_PATH_RECEIVE == 0
		}
	})
	u.internal = u.info.AS == u.info.LocalAS && !u.info.RouteReflectorClient
	return ok
}

// nobodyHears tells whether no other neighbour is told of what this one sends.
func (u *untold) nobodyHears(forVRFs bool) bool {
	neighbors := *u.neighbors.in(unsafe.Pointer(u.server()))
	if len(neighbors) > mostHeard {
		return false
	}
	for _, at := range neighbors {
		if at != u.from.at && u.hears(u.peer(at), forVRFs) {
			return false
		}
	}
	return true
}

func (u *untold) hears(p livePeer, forVRFs bool) (does bool) {
	p.read(func(n *oc.Neighbor, state bgp.FSMState) {
		switch {
		case state != bgp.BGP_FSM_ESTABLISHED || n.RouteServer.Config.RouteServerClient:
		case n.Config.Vrf != "":
			does = forVRFs
		default:
			info := *u.peerInfo.in(p.fsm)
			does = !u.internal || info.AS != u.info.AS || info.LocalAS != u.info.AS || info.RouteReflectorClient
		}
	})
	return does
}

// sees is called for each destination of the message, with nil where there is none yet.
func (u *untold) sees(t *bgpTable, d *bgpDestination) {
	u.unseen--
	if !u.may || d == nil {
		return
	}
	u.may = !slices.ContainsFunc(d.knownPathList, u.wasTold)
	u.had = append(u.had, hadPaths{t, d})
}

// wasTold tells whether somebody may have been told of a path that the message's takes the place of.
func (u *untold) wasTold(p *bgpPath) bool {
	of := p.origin().source
	if of.Address.Equal(u.info.Address) {
		return false
	}
	return !u.internal || len(of.Address) == 0 || of.AS != u.info.AS || of.RouteReflectorClient
}

// keep begins it, where all of the message allows for it.
func (u *untold) keep() {
	if !u.may || u.unseen != 0 {
		return
	}
	servers.Lock()
	if servers.n != 1 || selectionOptions.DisableBestPathSelection {
		servers.Unlock()
		return
	}
	u.kept = true
	selectionOptions.DisableBestPathSelection = true
}

// end ends it with the message, and does what GoBGP left undone: paths that it has not sorted, and
// destinations whose last path a policy rejected.
func (u *untold) end() {
	if !u.kept {
		return
	}
	selectionOptions.DisableBestPathSelection = false
	u.kept = false
	servers.Unlock()
	for _, had := range u.had {
		switch len(had.of.knownPathList) {
		case 0:
			free(had.in, had.of)
		case 1:
		default:
			destinationSort(had.of)
		}
	}
	u.forget()
}

func (u *untold) forget() {
	clear(u.had)
	u.had = u.had[:0]
}
