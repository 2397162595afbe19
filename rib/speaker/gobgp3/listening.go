package gobgp3

import (
	"errors"
	"fmt"
	"net/netip"
	"os"
	"sync/atomic"

	"github.com/osrg/gobgp/v3/pkg/config/oc"
	"golang.org/x/sys/unix"

	"github.com/vrfredist/vrfredist/rib/speaker/gobgp3/conf"
)

// The kernel answers a neighbour's SYN, and acknowledges its segments until GoBGP has
// accepted the connection, with the TTL of the listening socket. GoBGP has 255 there, for
// neighbours with TTL security, whatever the neighbours are. It gets the TTL that they
// have in common: the highest, where they differ, because it must get to the farthest.

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
func (r *reach) of(c *conf.Config) {
	groups := c.Groups()
	for i := range c.Set.Neighbors {
		a, _ := netip.ParseAddr(c.Set.Neighbors[i].State.NeighborAddress)
		r.add(a, ttlOf(&c.Set.Neighbors[i]))
	}
	for _, d := range c.Set.DynamicNeighbors {
		if p, err := netip.ParsePrefix(d.Config.Prefix); err == nil {
			r.add(p.Addr(), ttlOfGroup(groups[d.Config.PeerGroup], &c.Set.Global))
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

// listening is the TTL of GoBGP's listening sockets.
type listening struct {
	*loop
	strangers atomic.Bool // a client of the API let dynamic neighbours in: see answer
}

// answer gives the sockets the TTL that these configurations, and the neighbours that
// GoBGP has, need; unless a client of the API let dynamic neighbours in, of which nothing
// is known before they come.
func (l *listening) answer(all ...*conf.Config) error {
	if l.strangers.Load() {
		return nil // it is 255
	}
	return l.inAnyLoop(func() error {
		var r reach
		for _, c := range all {
			r.of(c)
		}
		for key, p := range l.peers() {
			a, _ := netip.ParseAddr(key)
			r.add(a, ttlOf(*p.conf.in(p.fsm)))
		}
		return l.set(r)
	})
}

// farthest gives the sockets a TTL that gets everywhere.
func (l *listening) farthest() error {
	return l.inAnyLoop(func() error { return l.set(reach{farthest, farthest}) })
}

// set is called in GoBGP's loop.
func (l *listening) set(r reach) error {
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
		for _, socket := range serverListeners(l.server(), any) {
			raw, err := socket.SyscallConn()
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
