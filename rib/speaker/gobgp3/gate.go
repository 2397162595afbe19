package gobgp3

import (
	"net/netip"

	"github.com/vrfredist/vrfredist/rib"
)

// gate is of which prefixes neighbours are told, where they are told of those of a VRF alone that
// its worker has confirmed. It is the loop's own. It costs some 20 bytes a prefix that is
// confirmed, and a second change of GoBGP's table for each path that comes before it is.
type gate struct {
	strict bool // nothing passes before the worker has said anything
	known  bool // the worker has
	four   map[uint64]struct{}
	six    map[[17]byte]struct{}
}

// passes tells whether neighbours may be told of a prefix. A nil gate is open.
func (g *gate) passes(p netip.Prefix) (is bool) {
	if g == nil || !g.known && !g.strict {
		return true
	}
	if p.Addr().Is4() {
		_, is = g.four[packed4(p)]
	} else {
		_, is = g.six[packed6(p)]
	}
	return is
}

// set takes in a confirmation.
func (g *gate) set(c rib.Confirmation) {
	switch four := c.Prefix.Addr().Is4(); {
	case four && c.Is:
		g.four[packed4(c.Prefix)] = struct{}{}
	case four:
		delete(g.four, packed4(c.Prefix))
	case c.Is:
		g.six[packed6(c.Prefix)] = struct{}{}
	default:
		delete(g.six, packed6(c.Prefix))
	}
}

// clear forgets what was confirmed.
func (g *gate) clear() { g.four, g.six = make(map[uint64]struct{}), make(map[[17]byte]struct{}) }

func packed4(p netip.Prefix) uint64 {
	a := p.Addr().As4()
	return uint64(a[0])<<32 | uint64(a[1])<<24 | uint64(a[2])<<16 | uint64(a[3])<<8 | uint64(p.Bits())
}

func packed6(p netip.Prefix) (k [17]byte) {
	a := p.Addr().As16()
	copy(k[:], a[:])
	k[16] = byte(p.Bits())
	return k
}

// report is what a VRF's worker confirms; whole: nothing else is.
type report struct {
	vrf     string
	whole   bool
	changes []rib.Confirmation
}

// gates are those of the VRFs that have one. They are the loop's own.
type gates map[string]*gate

// follow makes the gates of what is said, and takes away the others.
func (g gates) follow(said map[string]word, strict bool) {
	for vrf, w := range said {
		if w.installed && g[vrf] == nil {
			g[vrf] = &gate{strict: strict}
			g[vrf].clear()
		}
	}
	for vrf := range g {
		if !said[vrf].installed {
			delete(g, vrf)
		}
	}
}
