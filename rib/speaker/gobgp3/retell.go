package gobgp3

import (
	"errors"
	"fmt"
	"net/netip"
	"reflect"
	"slices"
	"unsafe"

	api "github.com/osrg/gobgp/v3/api"
	"github.com/osrg/gobgp/v3/pkg/packet/bgp"
	"github.com/osrg/gobgp/v3/pkg/server"

	"github.com/vrfredist/vrfredist/rib"
)

// Another rule for a neighbour whose session is up has to be heard of by it. GoBGP's soft
// reset sends what the neighbour may have now, and takes nothing back: a route that a
// policy has come to reject stays with the neighbour for good. So what is taken back is
// sent by ourselves, in GoBGP's loop, as a soft reset is.

//go:linkname retellPeers github.com/osrg/gobgp/v3/pkg/server.(*BgpServer).addrToPeers
func retellPeers(s *server.BgpServer, address string) ([]unsafe.Pointer, error)

//go:linkname retellFamilies github.com/osrg/gobgp/v3/pkg/server.familiesForSoftreset
func retellFamilies(peer unsafe.Pointer, family bgp.RouteFamily) []bgp.RouteFamily

//go:linkname retellBest github.com/osrg/gobgp/v3/pkg/server.(*BgpServer).getBestFromLocal
func retellBest(s *server.BgpServer, peer unsafe.Pointer, families []bgp.RouteFamily) (paths, filtered []*bgpPath)

//go:linkname retellSend github.com/osrg/gobgp/v3/pkg/server.sendfsmOutgoingMsg
func retellSend(peer unsafe.Pointer, paths []*bgpPath, notification *bgp.BGPMessage, stayIdle bool)

//go:linkname clonePath github.com/osrg/gobgp/v3/internal/pkg/table.(*Path).Clone
func clonePath(p *bgpPath, withdraw bool) *bgpPath

//go:linkname pathToLocal github.com/osrg/gobgp/v3/internal/pkg/table.(*Path).ToLocal
func pathToLocal(p *bgpPath) *bgpPath

// retell tells the neighbours whose rules are others in next than in old, whose sessions
// stay up.
func (s *Speaker) retell(old, next *conf) error {
	was, is := crowdOf(old), crowdOf(next)
	blackholes := func(c *conf, p party) bool {
		return p.vrf != "" && c.kept(p.vrf) || p.vrf == "" && (c.kept(Default) || p.vpn && len(c.keptBlackholes) > 0)
	}
	var errs []error
	for key, addr := range s.sessions.up() {
		a, had := was.of(addr)
		b, has := is.of(addr)
		if had != has || a.vrf != b.vrf || b.client {
			continue // a session that begins anew, or one that no rule is about
		}
		if a.inside() == b.inside() && a.internal == b.internal && a.terms.NextHopSelf == b.terms.NextHopSelf &&
			(b.inside() || blackholes(old, a) == blackholes(next, b)) {
			continue
		}
		if err := retellPeer(s.server(), key); err != nil {
			errs = append(errs, fmt.Errorf("tell neighbour %s what it may have now: %w", key, err))
		}
	}
	return errors.Join(errs...)
}

// retellAll tells all neighbours with a session anew what they may have.
func (s *Speaker) retellAll() error {
	var errs []error
	for key := range s.sessions.up() {
		if err := retellPeer(s.server(), key); err != nil {
			errs = append(errs, fmt.Errorf("tell neighbour %s what it may have now: %w", key, err))
		}
	}
	return errors.Join(errs...)
}

// up returns the neighbours with a session, by the key that GoBGP calls them by.
func (s *sessions) up() map[string]netip.Addr {
	s.mu.Lock()
	defer s.mu.Unlock()
	up := make(map[string]netip.Addr)
	for key, n := range s.known {
		if n.State == stateName(api.PeerState_ESTABLISHED) {
			up[key] = n.at
		}
	}
	return up
}

// retellPeer sends a neighbour all that it may have, and takes back what a rule of ours
// can keep from it.
func retellPeer(bgpServer *server.BgpServer, address string) error {
	return mgmtOperation(bgpServer, func() error {
		peers, err := retellPeers(bgpServer, address)
		if err != nil || len(peers) != 1 || !isUp(peers[0]) {
			return nil //nolint:nilerr // it is gone, or down: what comes up is told all
		}
		paths, filtered := retellBest(bgpServer, peers[0], retellFamilies(peers[0], 0))
		inVRF := isInVRF(peers[0])
		for _, p := range filtered {
			if !mayBeKept(p) {
				continue
			}
			if inVRF {
				p = pathToLocal(p)
			}
			paths = append(paths, clonePath(p, true))
		}
		if len(paths) > 0 {
			retellSend(peers[0], paths, nil, false)
		}
		return nil
	}, true)
}

// mayBeKept tells whether a path has a community that a rule of ours is about.
func mayBeKept(p *bgpPath) bool {
	for _, a := range p.attributes() {
		c, is := a.(*bgp.PathAttributeCommunities)
		if is && slices.ContainsFunc(c.Value, func(v uint32) bool {
			return rib.Community(v) == rib.CommunityBlackhole || v >= 0xffffff01 && v <= 0xffffff03
		}) {
			return true
		}
	}
	return false
}

// peerType is server.peer.
func peerType() reflect.Type { return follow(reflect.TypeFor[server.BgpServer](), "neighborMap") }

// peerField reads a field of a neighbour, in GoBGP's loop.
func peerField(peer unsafe.Pointer, fields ...string) reflect.Value {
	v := reflect.NewAt(peerType(), peer).Elem()
	for _, name := range fields {
		v = reflect.Indirect(v.FieldByName(name))
	}
	return v
}

func isUp(peer unsafe.Pointer) bool {
	return bgp.FSMState(peerField(peer, "fsm", "state").Int()) == bgp.BGP_FSM_ESTABLISHED
}

func isInVRF(peer unsafe.Pointer) bool {
	return peerField(peer, "fsm", "pConf", "Config", "Vrf").String() != ""
}

// checkPeer compares what is read of a neighbour with GoBGP's types.
func checkPeer() error {
	p := peerType()
	if p == nil {
		return internalsError("BgpServer.neighborMap is no map of neighbours")
	}
	fsm := follow(p, "fsm")
	if fsm == nil {
		return internalsError("peer.fsm is no struct")
	}
	if state, has := fsm.FieldByName("state"); !has || state.Type != reflect.TypeFor[bgp.FSMState]() {
		return internalsError("fsm.state is no FSMState")
	}
	config := follow(fsm, "pConf", "Config")
	if config == nil {
		return internalsError("fsm.pConf.Config is no struct")
	}
	if vrf, has := config.FieldByName("Vrf"); !has || vrf.Type.Kind() != reflect.String {
		return internalsError("fsm.pConf.Config.Vrf is no text")
	}
	return nil
}
