package gobgp3

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"os"
	"unsafe"

	api "github.com/osrg/gobgp/v3/api"
	"github.com/osrg/gobgp/v3/pkg/config/oc"
	"github.com/osrg/gobgp/v3/pkg/server"
	"golang.org/x/sys/unix"
	"google.golang.org/grpc"
)

// What answers a neighbour's SYN, and acknowledges what it sends until GoBGP has accepted
// the connection, is sent with the TTL of the listening socket. GoBGP has 255 there, for
// neighbours with TTL security, whatever the neighbours are. It gets the TTL that they
// have in common: the highest, where they differ, because it must get to the farthest.

//go:linkname listListeners github.com/osrg/gobgp/v3/pkg/server.(*BgpServer).listListeners
func listListeners(s *server.BgpServer, address string) []*net.TCPListener

// farthest is the TTL of a neighbour that may be anywhere.
const farthest = 255

// ttlOf is the TTL of a session, as GoBGP sets it on a connection that it accepted.
func ttlOf(n *oc.Neighbor) int {
	own := int(n.Transport.Config.Ttl)
	switch external := n.Config.PeerAs != 0 && n.Config.PeerType == oc.PEER_TYPE_EXTERNAL; {
	case n.TtlSecurity.Config.Enabled:
		return farthest
	case external && n.EbgpMultihop.Config.Enabled:
		return int(n.EbgpMultihop.Config.MultihopTtl)
	case own != 0:
		return own
	case external:
		return 1
	}
	return farthest
}

// reach is the TTL that listening sockets need, by family: IPv4 first.
type reach [2]int

func (r *reach) add(a netip.Addr, ttl int) {
	if !a.IsValid() || a.IsLoopback() {
		return // an alias: the session is elsewhere
	}
	family := 0
	if a.Is6() {
		family = 1
	}
	r[family] = max(r[family], ttl)
}

// of adds the neighbours of a configuration, dynamic ones as far as is known of them.
func (r *reach) of(c *conf) {
	groups := byName(c.set.PeerGroups, func(g oc.PeerGroup) string { return g.Config.PeerGroupName })
	for i := range c.set.Neighbors {
		a, _ := netip.ParseAddr(c.set.Neighbors[i].State.NeighborAddress)
		r.add(a, ttlOf(&c.set.Neighbors[i]))
	}
	for _, d := range c.set.DynamicNeighbors {
		if p, err := netip.ParsePrefix(d.Config.Prefix); err == nil {
			r.add(p.Addr(), ttlOfGroup(groups[d.Config.PeerGroup], &c.set.Global))
		}
	}
}

func ttlOfGroup(g oc.PeerGroup, global *oc.Global) int {
	n := oc.Neighbor{Transport: g.Transport, TtlSecurity: g.TtlSecurity, EbgpMultihop: g.EbgpMultihop}
	n.Config.PeerAs, n.Config.PeerType = g.Config.PeerAs, oc.PEER_TYPE_EXTERNAL
	if g.Config.PeerAs == global.Config.As || g.Config.PeerAs == g.Config.LocalAs {
		n.Config.PeerType = oc.PEER_TYPE_INTERNAL
	}
	return ttlOf(&n)
}

// listen gives GoBGP's listening sockets the TTL that these configurations, and the
// neighbours that GoBGP has, need.
func (s *Speaker) listen(bgp *server.BgpServer, all ...*conf) error {
	return mgmtOperation(bgp, func() error {
		var r reach
		for _, c := range all {
			r.of(c)
		}
		for peers := s.guarding.neighborMap(bgp).MapRange(); peers.Next(); {
			fsm := *(*unsafe.Pointer)(unsafe.Add(peers.Value().UnsafePointer(), s.guarding.at.fsm))
			a, _ := netip.ParseAddr(peers.Key().String())
			r.add(a, ttlOf(*(**oc.Neighbor)(unsafe.Add(fsm, s.guarding.at.neighbour))))
		}
		return setReach(bgp, r)
	}, false)
}

// setReach is called in GoBGP's loop.
func setReach(bgp *server.BgpServer, r reach) error {
	var errs []error
	for family, any := range []string{"0.0.0.0", "::"} {
		ttl := r[family]
		if ttl == 0 {
			ttl = farthest // nobody is known, and whoever comes may be anywhere
		}
		level, option := unix.IPPROTO_IP, unix.IP_TTL
		if family == 1 {
			level, option = unix.IPPROTO_IPV6, unix.IPV6_UNICAST_HOPS
		}
		for _, l := range listListeners(bgp, any) {
			raw, err := l.SyscallConn()
			if err == nil {
				err = errors.Join(err, raw.Control(func(fd uintptr) {
					errs = append(errs, os.NewSyscallError("setsockopt", unix.SetsockoptInt(int(fd), level, option, ttl)))
				}))
			}
			errs = append(errs, err)
		}
	}
	if err := errors.Join(errs...); err != nil {
		return fmt.Errorf("set the TTL of what answers neighbours: %w", err)
	}
	return nil
}

// heedReach is a part of the gRPC server: a neighbour that a client of the API adds or
// changes is answered with a TTL that gets to it, from its first connection on.
func (s *Speaker) heedReach(ctx context.Context, request any, _ *grpc.UnaryServerInfo, handler grpc.UnaryHandler) (any, error) {
	bgp := s.server()
	switch request.(type) {
	case *api.AddPeerRequest, *api.UpdatePeerRequest, *api.DeletePeerRequest:
	case *api.AddPeerGroupRequest, *api.UpdatePeerGroupRequest, *api.AddDynamicNeighborRequest:
		// Who will dial in is known when they do.
		s.strangers.Store(true)
	default:
		return handler(ctx, request)
	}
	if bgp == nil {
		return handler(ctx, request)
	}
	if err := mgmtOperation(bgp, func() error { return setReach(bgp, reach{farthest, farthest}) }, false); err != nil {
		return nil, err
	}
	answer, err := handler(ctx, request)
	s.mu.Lock()
	c := s.conf
	s.mu.Unlock()
	return answer, errors.Join(err, s.answer(bgp, c))
}

// answer is listen, unless a client of the API let dynamic neighbours in, of which
// nothing is known before they come.
func (s *Speaker) answer(bgp *server.BgpServer, all ...*conf) error {
	if s.strangers.Load() {
		return nil // it is 255
	}
	return s.listen(bgp, all...)
}
