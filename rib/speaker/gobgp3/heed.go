package gobgp3

import (
	"context"
	"errors"
	"net/netip"

	api "github.com/osrg/gobgp/v3/api"
	"google.golang.org/grpc"

	"github.com/vrfredist/vrfredist/rib/speaker/gobgp3/reload"
)

// Around a client's call these parts of the gRPC server do what GoBGP's method leaves out.

// heedReach has a neighbour that a client adds or changes answered with a TTL that gets
// to it, from its first connection on.
func (c *clients) heedReach(ctx context.Context, request any, _ *grpc.UnaryServerInfo, handler grpc.UnaryHandler) (any, error) {
	switch request.(type) {
	case *api.AddPeerRequest, *api.UpdatePeerRequest, *api.DeletePeerRequest:
	case *api.AddPeerGroupRequest, *api.UpdatePeerGroupRequest, *api.AddDynamicNeighborRequest:
		// Who will dial in is known when they do.
		c.listening.strangers.Store(true)
	default:
		return handler(ctx, request)
	}
	if c.server() == nil {
		return handler(ctx, request)
	}
	if err := c.listening.farthest(); err != nil {
		return nil, err
	}
	answer, err := handler(ctx, request)
	return answer, errors.Join(err, c.listening.answer(c.inForce()))
}

// heedTTL takes a neighbour out and puts it in again where its TTL changes.
func (c *clients) heedTTL(ctx context.Context, request any, _ *grpc.UnaryServerInfo, handler grpc.UnaryHandler) (any, error) {
	bgp := c.server()
	if bgp == nil {
		return handler(ctx, request)
	}
	var answer any
	var err error
	switch r := request.(type) {
	case *api.UpdatePeerRequest:
		answer, err = reload.UpdatePeer(ctx, bgp, r, handler)
	case *api.UpdatePeerGroupRequest:
		answer, err = reload.UpdatePeerGroup(ctx, bgp, r, handler)
	default:
		return handler(ctx, request)
	}
	c.guarding.judgeAgain() // the rules of its messages may have changed
	return answer, err
}

// heedVRF has a VRF that a client deletes leave no path behind.
func (c *clients) heedVRF(ctx context.Context, request any, _ *grpc.UnaryServerInfo, handler grpc.UnaryHandler) (answer any, err error) {
	r, is := request.(*api.DeleteVrfRequest)
	if !is || c.server() == nil {
		return handler(ctx, request)
	}
	_ = c.inLoop(func() error { c.whole.gone.finish(r.GetName()); return nil }) // its error is that of a GoBGP that was stopped
	err = c.withoutPaths(r.GetName(), func() error {
		answer, err = handler(ctx, request)
		return err
	})
	return answer, err
}

// heedDelete is told of each call of another client that is about a neighbour: where
// one is taken out, GoBGP tells its watchers nothing.
func (c *clients) heedDelete(ctx context.Context, request any) {
	r, is := request.(*api.DeletePeerRequest)
	if bgp := c.server(); is && bgp != nil {
		if addr, err := netip.ParseAddr(r.GetAddress()); err == nil {
			c.sessions.asking.Lock()
			defer c.sessions.asking.Unlock()
			c.sessions.look(ctx, bgp, addr.WithZone(""), r.GetInterface())
		}
	}
}
