package speaker

import (
	"context"
	"fmt"
	"net/netip"
	"time"

	api "github.com/osrg/gobgp/v3/api"
)

// Session is how a configured neighbour fares.
type Session struct {
	VRF     string // "": the global table
	Address netip.Addr
	PeerAS  uint32
	State   string    // as RFC 4271 names it, in lower case: idle, active, …, established
	Since   time.Time // when it was established; zero: it is not
}

// Sessions returns the configured neighbours, in GoBGP's order.
func (s *Speaker) Sessions(ctx context.Context) ([]Session, error) {
	bgp := s.server()
	if bgp == nil {
		return nil, nil
	}
	var out []Session
	err := bgp.ListPeer(ctx, &api.ListPeerRequest{}, func(p *api.Peer) {
		session := Session{VRF: p.GetConf().GetVrf(), PeerAS: p.GetConf().GetPeerAsn(), State: stateName(p.GetState().GetSessionState())}
		// One that cannot be parsed is a neighbour by interface whose address is
		// not known yet.
		session.Address, _ = netip.ParseAddr(p.GetConf().GetNeighborAddress())
		if up := p.GetTimers().GetState().GetUptime(); session.State == "established" && up != nil {
			session.Since = up.AsTime()
		}
		out = append(out, session)
	})
	if err != nil {
		return nil, fmt.Errorf("list the neighbours: %w", err)
	}
	return out, nil
}

// Answers returns when GoBGP's loop has answered: it is not stuck. GoBGP ignores
// the end of ctx.
func (s *Speaker) Answers(ctx context.Context) error {
	bgp := s.server()
	if bgp == nil {
		return nil
	}
	if _, err := bgp.GetBgp(ctx, &api.GetBgpRequest{}); err != nil {
		return fmt.Errorf("ask BGP how it fares: %w", err)
	}
	return nil
}

func stateName(s api.PeerState_SessionState) string {
	switch s {
	case api.PeerState_IDLE:
		return "idle"
	case api.PeerState_CONNECT:
		return "connect"
	case api.PeerState_ACTIVE:
		return "active"
	case api.PeerState_OPENSENT:
		return "opensent"
	case api.PeerState_OPENCONFIRM:
		return "openconfirm"
	case api.PeerState_ESTABLISHED:
		return "established"
	}
	return "unknown"
}
