package reload

import (
	"context"
	"fmt"
	"strings"

	api "github.com/osrg/gobgp/v3/api"
	"github.com/osrg/gobgp/v3/pkg/server"
	"google.golang.org/grpc"
	"google.golang.org/protobuf/proto"
)

// GoBGP sets a neighbour's new TTL on the connection of its session, which must be a
// *net.TCPConn for that: with the guard before it, it panics, in its loop. A session with
// another TTL is another session anyway, so such a neighbour is taken out and put in
// again, as GoBGP v4 ends its session.

// ttls are the keys that decide about a session's TTL.
type ttls struct {
	multihop, security bool
	hops, least        uint32
}

func ttlsOf(m *api.EbgpMultihop, t *api.TtlSecurity) ttls {
	return ttls{m.GetEnabled(), t.GetEnabled(), m.GetMultihopTtl(), t.GetTtlMin()}
}

// UpdatePeer is GoBGP's method for another client of its API, where next is GoBGP's own.
// A neighbour that gets another TTL is taken out and put in again. Calls take turns.
func UpdatePeer(ctx context.Context, bgp *server.BgpServer, r *api.UpdatePeerRequest, next grpc.UnaryHandler) (any, error) {
	var have *api.Peer
	if err := bgp.ListPeer(ctx, peerRequest(r.GetPeer()), func(p *api.Peer) { have = p }); err != nil {
		return nil, err
	}
	want := ttlsOf(r.GetPeer().GetEbgpMultihop(), r.GetPeer().GetTtlSecurity())
	if name := r.GetPeer().GetConf().GetPeerGroup(); name != "" && want == (ttls{}) {
		// GoBGP fills in the group's before it compares.
		if g, err := FindGroup(ctx, bgp, name); err == nil {
			want = ttlsOf(g.GetEbgpMultihop(), g.GetTtlSecurity())
		}
	}
	if have == nil || want == ttlsOf(have.GetEbgpMultihop(), have.GetTtlSecurity()) {
		return next(ctx, r)
	}
	if err := replacePeer(ctx, bgp, have, r.GetPeer()); err != nil {
		return nil, err
	}
	return &api.UpdatePeerResponse{}, nil
}

// peerRequest asks for the neighbour that GoBGP would change.
func peerRequest(p *api.Peer) *api.ListPeerRequest {
	address := p.GetConf().GetNeighborAddress()
	if address == "" {
		address = p.GetConf().GetNeighborInterface()
	}
	return &api.ListPeerRequest{Address: address}
}

// replacePeer takes a neighbour out and puts it in again.
func replacePeer(ctx context.Context, bgp *server.BgpServer, have, want *api.Peer) error {
	gone := &api.DeletePeerRequest{Address: have.GetState().GetNeighborAddress(), Interface: have.GetConf().GetNeighborInterface()}
	if err := bgp.DeletePeer(ctx, gone); err != nil {
		return fmt.Errorf("take the neighbour out, to give it another TTL: %w", err)
	}
	if err := bgp.AddPeer(ctx, &api.AddPeerRequest{Peer: want}); err != nil {
		if back := bgp.AddPeer(ctx, &api.AddPeerRequest{Peer: have}); back != nil {
			return fmt.Errorf("put the neighbour in again with another TTL: %w; it is gone, because it could not be put back: %w", err, back)
		}
		return fmt.Errorf("put the neighbour in again with another TTL: %w; it is as it was", err)
	}
	return nil
}

// UpdatePeerGroup is UpdatePeer for a group: one whose TTL changes is changed while none
// of its neighbours is there. Those who dialled in are gone until they dial again.
func UpdatePeerGroup(ctx context.Context, bgp *server.BgpServer, r *api.UpdatePeerGroupRequest, next grpc.UnaryHandler) (any, error) {
	name := r.GetPeerGroup().GetConf().GetPeerGroupName()
	g, err := FindGroup(ctx, bgp, name)
	if err != nil || ttlsOf(g.GetEbgpMultihop(), g.GetTtlSecurity()) == ttlsOf(r.GetPeerGroup().GetEbgpMultihop(), r.GetPeerGroup().GetTtlSecurity()) {
		return next(ctx, r) // whose error names the mistake
	}
	var members []*api.Peer
	if err := bgp.ListPeer(ctx, &api.ListPeerRequest{}, func(p *api.Peer) {
		if p.GetConf().GetPeerGroup() == name {
			members = append(members, proto.Clone(p).(*api.Peer))
		}
	}); err != nil {
		return nil, err
	}
	for _, p := range members {
		if err := bgp.DeletePeer(ctx, &api.DeletePeerRequest{Address: p.GetState().GetNeighborAddress(), Interface: p.GetConf().GetNeighborInterface()}); err != nil {
			return nil, fmt.Errorf("take neighbour %s of the group out, to give it another TTL: %w", p.GetState().GetNeighborAddress(), err)
		}
	}
	answer, err := next(ctx, r)
	if err != nil && strings.Contains(err.Error(), "doesn't exist") {
		// It is changed: DeletePeer leaves a neighbour in its group, and GoBGP then
		// looks for it.
		answer, err = &api.UpdatePeerGroupResponse{}, nil
	}
	for _, p := range members {
		if p.GetConf().GetNeighborAddress() == "" && p.GetConf().GetNeighborInterface() == "" {
			continue // it dialled in, and will again
		}
		if err == nil {
			p.EbgpMultihop, p.TtlSecurity = nil, nil // the group's
		}
		if back := bgp.AddPeer(ctx, &api.AddPeerRequest{Peer: p}); back != nil && err == nil {
			err = fmt.Errorf("put neighbour %s of the group in again with another TTL: %w", p.GetState().GetNeighborAddress(), back)
		}
	}
	if err != nil {
		return nil, err
	}
	return answer, nil
}

// FindGroup returns a peer group that GoBGP has.
func FindGroup(ctx context.Context, bgp *server.BgpServer, name string) (*api.PeerGroup, error) {
	var found *api.PeerGroup
	err := bgp.ListPeerGroup(ctx, &api.ListPeerGroupRequest{PeerGroupName: name}, func(g *api.PeerGroup) { found = g })
	if err == nil && found == nil {
		err = fmt.Errorf("there is no peer group %q", name)
	}
	return found, err
}
