package gobgp3

import (
	"cmp"
	"context"
	"fmt"
	"net/netip"

	api "github.com/osrg/gobgp/v3/api"
	"github.com/osrg/gobgp/v3/pkg/server"

	"github.com/vrfredist/vrfredist/rib/speaker"
)

// watch follows the neighbours of bgp until ctx ends. It begins before there
// are any, so it sees each from its first state on.
func (s *sessions) watch(ctx context.Context, bgp *server.BgpServer) error {
	request := &api.WatchEventRequest{Peer: &api.WatchEventRequest_Peer{}}
	err := bgp.WatchEvent(ctx, request, func(r *api.WatchEventResponse) { s.event(ctx, bgp, r.GetPeer()) })
	if err != nil {
		return fmt.Errorf("watch BGP's neighbours: %w", err)
	}
	return nil
}

// event takes in an event of a neighbour; it is called on the goroutine of the watch, one
// at a time.
func (s *sessions) event(ctx context.Context, bgp *server.BgpServer, e *api.WatchEventResponse_PeerEvent) {
	switch e.GetType() {
	case api.WatchEventResponse_PeerEvent_INIT, api.WatchEventResponse_PeerEvent_STATE:
	default:
		// The end of the first ones; or the last word on a neighbour that was taken
		// out, which comes late: one of the same address may be in its place.
		return
	}
	state := e.GetPeer().GetState()
	addr, err := netip.ParseAddr(state.GetNeighborAddress())
	if err != nil {
		return
	}
	defer s.turn()
	s.asking.Lock()
	defer s.asking.Unlock()
	if addr.IsLinkLocalUnicast() && state.GetSessionState() == api.PeerState_IDLE {
		defer s.fall()
	}
	if s.set(addr, state) {
		return
	}
	// GoBGP has to be asked which one it is, or whether it is still there: a
	// dynamic neighbour goes without a word of its own. That counts the routes of
	// this one neighbour, once for each change of its state.
	s.look(ctx, bgp, addr, e.GetPeer().GetConf().GetNeighborInterface())
}

// fall signals that a session on a link is no more: the neighbour may have another
// address by now.
func (s *sessions) fall() {
	select {
	case s.fell <- struct{}{}:
	default:
	}
}

// set notes the state of a neighbour that is configured, and tells whether it is
// the only one with that address: events name no zone.
func (s *sessions) set(addr netip.Addr, state *api.PeerState) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	var found *session
	for _, n := range s.known {
		if n.at != addr {
			continue
		}
		if found != nil || !n.configured() {
			return false
		}
		found = n
	}
	if found == nil {
		return false
	}
	if found.PeerAS == 0 {
		found.PeerAS = state.GetPeerAsn() // peer-as is not configured: the AS of its OPEN
	}
	found.seen = true
	found.State = stateName(state.GetSessionState())
	switch established := state.GetSessionState() == api.PeerState_ESTABLISHED; {
	case !established:
		found.fell(s.now())
	case found.Since.IsZero():
		found.rose(s.now())
	}
	return true
}

// look asks GoBGP for the neighbours with an address, whatever their zone, and
// takes in that they are gone where they are. The caller holds asking.
func (s *sessions) look(ctx context.Context, bgp *server.BgpServer, addr netip.Addr, byInterface string) {
	request := &api.ListPeerRequest{Address: cmp.Or(byInterface, addr.String())}
	if addr.IsLinkLocalUnicast() {
		request.Address = "" // GoBGP's name for it has a zone, which is not known here
	}
	there := make(map[string]speaker.Session)
	reached := make(map[string]*api.Peer)
	err := bgp.ListPeer(ctx, request, func(p *api.Peer) {
		key := p.GetState().GetNeighborAddress()
		n := speaker.Session{VRF: p.GetConf().GetVrf(), PeerAS: p.GetConf().GetPeerAsn(), State: stateName(p.GetState().GetSessionState()), Origin: speaker.Foreign}
		if p.GetConf().GetNeighborAddress() == "" && p.GetConf().GetNeighborInterface() == "" {
			n.Origin = speaker.Dynamic
		}
		n.Address, _ = netip.ParseAddr(cmp.Or(p.GetConf().GetNeighborAddress(), key))
		if up := p.GetTimers().GetState().GetUptime(); n.State == "established" && up != nil {
			n.Since = up.AsTime()
		}
		there[key], reached[key] = n, p
	})
	if err != nil {
		return // BGP has ended
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	for key, n := range s.known {
		// One that BGP never had may be about to be put in, beside another that has its
		// link-local address.
		if _, stays := there[key]; stays || n.at != addr || !n.seen && n.configured() {
			continue
		}
		if n.Origin == speaker.Dynamic && n.disabled != "" {
			n.State, n.seen = stateName(api.PeerState_IDLE), false
			n.fell(s.now())
			continue
		}
		delete(s.known, key)
	}
	for key, n := range there {
		if have := s.known[key]; have != nil {
			n.Origin, n.Down, n.Established = have.Origin, have.Down, have.Established
			wasUp := !have.Since.IsZero()
			have.Session, have.seen = n, true
			switch up := !n.Since.IsZero(); {
			case up && !wasUp:
				have.rose(n.Since)
			case !up && wasUp:
				have.fell(s.now())
			}
		} else {
			have = &session{Session: n, at: zoneless(key), seen: true}
			have.dialsAs(reached[key])
			if s.known[key] = have; n.Since.IsZero() {
				have.Down = s.now()
			} else {
				have.rose(n.Since)
			}
		}
	}
}
