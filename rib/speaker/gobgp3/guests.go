package gobgp3

import (
	"log/slog"
	"net/netip"
	"sync/atomic"
	"time"
	"unsafe"

	"github.com/osrg/gobgp/v3/pkg/config/oc"

	"github.com/vrfredist/vrfredist/rib"
	"github.com/vrfredist/vrfredist/rib/speaker/gobgp3/conf"
)

// guests are the dynamic neighbours that somebody disabled. GoBGP forgets a dynamic neighbour when
// its session ends, and takes it in again when it dials: so it is disabled each time, before it has
// a session.
type guests struct {
	*loop
	log   *slog.Logger
	down  atomic.Pointer[map[string]rib.Disabled] // by address; nil: none
	asked map[string]request                      // the loop's own
}

// request is when GoBGP was asked to disable a peer.
type request struct {
	of unsafe.Pointer
	at time.Time
}

func newGuests(l *loop, log *slog.Logger) *guests {
	return &guests{loop: l, log: log, asked: make(map[string]request)}
}

// set says who is disabled, before GoBGP is asked to disable one that is there.
func (g *guests) set(down map[string]rib.Disabled) {
	if len(down) == 0 {
		g.down.Store(nil)
		return
	}
	g.down.Store(&down)
	if g.server() == nil {
		return
	}
	_ = g.inLoop(func() error { // its error is ours, and there is none
		for addr := range down {
			if p, there := g.peerOf(addr); there && p.isGuest() && !p.isDown() {
				p.linger()
			}
		}
		return nil
	})
}

// look is called in the loop, after each change of a session's state and once a second.
func (g *guests) look() {
	down := g.down.Load()
	if down == nil {
		clear(g.asked)
		return
	}
	for addr, one := range *down {
		p, there := g.peerOf(addr)
		if !there || !p.isGuest() {
			continue
		}
		if p.isDown() {
			p.keepName(addr)
			continue
		}
		// The peer takes the request as soon as it looks, and has room for no other.
		if last := g.asked[addr]; last.of == p.at && time.Since(last.at) < quietEach {
			continue
		}
		g.asked[addr] = request{p.at, time.Now()}
		p.linger()
		if err := serverSetAdminState(g.server(), addr, one.Reason, false); err != nil {
			g.log.Error("a dynamic neighbour that is disabled dialled in, and cannot be kept down", "neighbor", addr, "error", err)
		}
	}
}

// present are the dynamic neighbours that GoBGP has under a name; "": all.
func (g *guests) present(name string) (list []string) {
	if g.server() == nil {
		return nil
	}
	_ = g.inLoop(func() error { // its error is ours, and there is none
		for addr, p := range g.peers() {
			if (name == "" || addr == name) && p.isGuest() {
				list = append(list, addr)
			}
		}
		return nil
	})
	return list
}

// lets tells whether GoBGP lets a neighbour in that dials: a client of the API can have added the
// prefix.
func (g *guests) lets(addr netip.Addr) (is bool) {
	_ = g.inLoop(func() error { // its error is ours, and there is none
		for _, group := range *g.groups.in(unsafe.Pointer(g.server())) {
			for text := range *g.dynamic.in(group) {
				p, err := netip.ParsePrefix(text)
				is = is || err == nil && p.Contains(addr)
			}
		}
		return nil
	})
	return is
}

// hostOf is the peer group by which a configuration lets a neighbour in that dials; false: it does
// not.
func hostOf(c *conf.Config, addr netip.Addr) (group oc.PeerGroup, is bool) {
	longest, groups := -1, c.Groups()
	for _, d := range c.Set.DynamicNeighbors {
		p, err := netip.ParsePrefix(d.Config.Prefix)
		if err == nil && p.Contains(addr) && p.Bits() > longest {
			longest, group = p.Bits(), groups[d.Config.PeerGroup]
		}
	}
	return group, longest >= 0
}
