package gobgp3

import (
	"slices"
	"sync"

	"github.com/osrg/gobgp/v3/pkg/config/oc"
	"github.com/osrg/gobgp/v3/pkg/packet/bgp"
)

// GoBGP tells the neighbours of a VRF of a VPN route that its import targets let in, and
// forgets about them where the next best path of that route has other targets: they keep
// a route of another tenant for good. So a route that left a VRF is taken back from them
// by ourselves.

// leavers are VPN routes that left VRFs, and are to be taken back from their neighbours.
type leavers struct {
	*loop
	screens *screens
	wake    chan struct{} // signalled when there is a leaver

	mu   sync.Mutex
	list []leaver // guarded by mu
}

// leaver is a best path that does not lead into a VRF, into which the best path before it
// did.
type leaver struct {
	vrf  string
	path *bgpPath
}

func newLeavers(l *loop, s *screens) *leavers {
	return &leavers{loop: l, screens: s, wake: make(chan struct{}, 1)}
}

// left notes a leaver. It waits for nothing.
func (l *leavers) left(vrf string, path *bgpPath) {
	l.mu.Lock()
	l.list = append(l.list, leaver{vrf, path})
	l.mu.Unlock()
	select {
	case l.wake <- struct{}{}:
	default:
	}
}

// leaversAtOnce is how many routes are taken back in one turn of the loop.
const leaversAtOnce = 256

// takeBack takes the routes of all leavers back, in turns of the loop.
func (l *leavers) takeBack() {
	l.mu.Lock()
	list := l.list
	l.list = nil
	l.mu.Unlock()
	for some := range slices.Chunk(list, leaversAtOnce) {
		_ = l.inLoop(func() error { l.send(some); return nil }) // its error is ours, and there is none
	}
}

// send is called in the loop.
func (l *leavers) send(list []leaver) {
	byVRF := make(map[string][]*bgpPath)
	for _, x := range list {
		if !l.isBack(x) {
			byVRF[x.vrf] = append(byVRF[x.vrf], pathClone(pathToLocal(x.path), true))
		}
	}
	for _, p := range l.peers() {
		var paths []*bgpPath
		p.read(func(conf *oc.Neighbor, state bgp.FSMState) {
			if state == bgp.BGP_FSM_ESTABLISHED && conf.Config.Vrf != "" {
				paths = byVRF[conf.Config.Vrf]
			}
		})
		if len(paths) > 0 {
			sendToPeer(p.at, paths, nil, false)
		}
	}
}

// isBack tells whether the best path leads into the VRF again: then its neighbours have
// been told so meanwhile.
func (l *leavers) isBack(x leaver) bool {
	rib, nlri := l.rib(), x.path.origin().nlri
	vrf, table := rib.Vrfs[x.vrf], rib.Tables[bgp.AfiSafiToRouteFamily(nlri.AFI(), nlri.SAFI())]
	if vrf == nil || table == nil {
		return true // it has no neighbours any more
	}
	if l.screens.has(x.vrf) && rdOf(nlri).String() != vrf.Rd.String() {
		return true // they are told of none but the VRF's own
	}
	d := tableGetDestination(table, nlri)
	return d != nil && len(d.knownPathList) > 0 && !d.knownPathList[0].IsNexthopInvalid && importsOf(vrf).take(d.knownPathList[0])
}
