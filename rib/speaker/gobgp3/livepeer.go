package gobgp3

import (
	"slices"
	"unsafe"

	"github.com/osrg/gobgp/v3/pkg/config/oc"
	"github.com/osrg/gobgp/v3/pkg/packet/bgp"

	"github.com/vrfredist/vrfredist/rib/speaker"
	"github.com/vrfredist/vrfredist/rib/speaker/gobgp3/reload"
)

// livePeer is one of GoBGP's peers; for functions that run in GoBGP's loop. Its pointers
// are good until the function returns: GoBGP may take the neighbour out after that.
type livePeer struct {
	*insides
	at, fsm unsafe.Pointer
}

// adminUp and adminDown are GoBGP's adminStates in which a neighbour may have a session,
// and in which somebody stopped it; GoBGP has one more for a prefix-limit.
const (
	adminUp   = 0
	adminDown = 1
)

func (p livePeer) adjIn() *bgpAdjRib { return *p.adjRibIn.in(p.at) }

// read calls f with the fields that other goroutines of GoBGP's write too.
func (p livePeer) read(f func(conf *oc.Neighbor, state bgp.FSMState)) {
	lock := p.lock.in(p.fsm)
	lock.RLock()
	defer lock.RUnlock()
	f(*p.conf.in(p.fsm), *p.state.in(p.fsm))
}

// change is read for a change.
func (p livePeer) change(f func(conf *oc.Neighbor)) {
	lock := p.lock.in(p.fsm)
	lock.Lock()
	defer lock.Unlock()
	f(*p.conf.in(p.fsm))
}

// established tells whether the session is up.
func (p livePeer) established() (is bool) {
	p.read(func(_ *oc.Neighbor, state bgp.FSMState) { is = state == bgp.BGP_FSM_ESTABLISHED })
	return is
}

// vrf is the VRF that the neighbour is in; "": none.
func (p livePeer) vrf() (name string) {
	p.read(func(n *oc.Neighbor, _ bgp.FSMState) { name = n.Config.Vrf })
	return name
}

// isDown tells whether somebody, or a limit, keeps the neighbour from having a session.
func (p livePeer) isDown() (is bool) {
	p.read(func(*oc.Neighbor, bgp.FSMState) { is = *p.adminState.in(p.fsm) != adminUp })
	return is
}

// sendsAll tells whether the neighbour gets several paths of a prefix.
func (p livePeer) sendsAll() (does bool) {
	p.read(func(*oc.Neighbor, bgp.FSMState) {
		for _, mode := range *p.families.in(p.fsm) {
			does = does || mode&bgp.BGP_ADD_PATH_SEND != 0
		}
	})
	return does
}

// listensIn is the VRF that the neighbour is in and of which it is told the best paths; "": it is
// in none, has no session, or gets several paths of a prefix.
func (p livePeer) listensIn() (vrf string) {
	p.read(func(n *oc.Neighbor, state bgp.FSMState) {
		if n.Config.Vrf == "" || state != bgp.BGP_FSM_ESTABLISHED {
			return
		}
		for _, mode := range *p.families.in(p.fsm) {
			if mode&bgp.BGP_ADD_PATH_SEND != 0 {
				return
			}
		}
		vrf = n.Config.Vrf
	})
	return vrf
}

// restarts tells whether GoBGP waits for the end of its own restart before it tells the neighbour
// anything.
func (p livePeer) restarts() (does bool) {
	p.read(func(n *oc.Neighbor, _ bgp.FSMState) { does = n.GracefulRestart.State.LocalRestarting })
	return does
}

// deafen marks a neighbour with a session, so that GoBGP tells it nothing (hush). It returns false where it has none, or is marked
// already.
func (p livePeer) deafen() (marked bool) {
	p.change(func(n *oc.Neighbor) {
		state := &n.GracefulRestart.State
		if *p.state.in(p.fsm) == bgp.BGP_FSM_ESTABLISHED && !state.LocalRestarting {
			state.LocalRestarting, marked = true, true
		}
	})
	return marked
}

// hear takes the mark away.
func (p livePeer) hear() {
	p.change(func(n *oc.Neighbor) { n.GracefulRestart.State.LocalRestarting = false })
}

// judgedBy is the VRF that judges the paths of the neighbour: "default" of one in no VRF;
// "": none, because it is a route server's client.
func (p livePeer) judgedBy() (vrf string) {
	p.read(func(n *oc.Neighbor, _ bgp.FSMState) {
		if !n.RouteServer.Config.RouteServerClient {
			vrf = vrfOrDefault(n.Config.Vrf)
		}
	})
	return vrf
}

// getsAll tells of which families the neighbour gets all paths of a prefix, and in which
// VRF it is.
func (p livePeer) getsAll() (unicast, vpn bool, vrf string) {
	p.read(func(n *oc.Neighbor, state bgp.FSMState) {
		if state != bgp.BGP_FSM_ESTABLISHED || n.RouteServer.Config.RouteServerClient {
			return
		}
		vrf = n.Config.Vrf
		for family, mode := range *p.families.in(p.fsm) {
			all := mode&bgp.BGP_ADD_PATH_SEND != 0
			vpn = vpn || all && isVPN(family)
			unicast = unicast || all && vpnOf(family) != family
		}
	})
	return unicast, vpn, vrf
}

// copied is the neighbour as its session has it.
func (p livePeer) copied() (n reload.Neighbor) {
	p.read(func(conf *oc.Neighbor, _ bgp.FSMState) {
		n.Neighbor = *conf
		n.AfiSafis = slices.Clone(conf.AfiSafis) // a session that opens writes into the list
		n.Disabled = *p.adminState.in(p.fsm) == adminDown && !conf.Config.AdminDown
	})
	n.Dynamic = isDynamic(&n.Neighbor)
	return n
}

// keepName gives a dynamic neighbour back the address by which GoBGP's loop finds it: GoBGP clears
// it with the counters of one that was disabled, and takes no message of its session any more.
func (p livePeer) keepName(addr string) {
	p.change(func(n *oc.Neighbor) {
		if n.State.NeighborAddress == "" {
			n.State.NeighborAddress = addr
			*p.idleHold.in(p.fsm) = 0
		}
	})
}

// linger makes the neighbour's next idle state one of some seconds, until keepName: at the end of
// that of a disabled one GoBGP logs the address without the lock under which keepName writes it.
func (p livePeer) linger() {
	const seconds = 5 // as GoBGP's own after the first
	p.change(func(*oc.Neighbor) { *p.idleHold.in(p.fsm) = seconds })
}

// isGuest tells whether a peer group let the neighbour in.
func (p livePeer) isGuest() (is bool) {
	p.read(func(n *oc.Neighbor, _ bgp.FSMState) { is = isDynamic(n) })
	return is
}

// hasFamily tells whether a session may have a family. The caller holds its lock.
func (p livePeer) hasFamily(f bgp.RouteFamily) bool {
	for _, a := range (*p.conf.in(p.fsm)).AfiSafis {
		if a.State.Family == f {
			return true
		}
	}
	return false
}

// isDynamic tells whether a peer group let a neighbour in.
func isDynamic(n *oc.Neighbor) bool {
	return n.Config.NeighborAddress == "" && n.Config.NeighborInterface == ""
}

func vrfOrDefault(vrf string) string {
	if vrf == "" {
		return speaker.Default
	}
	return vrf
}

// tables are those of which the neighbour is told: a client's are our route server's.
func (p livePeer) tables() *bgpTables { return *p.localRib.in(p.at) }
