package gobgp3

import (
	"slices"
	"sync"

	"github.com/osrg/gobgp/v3/pkg/packet/bgp"

	"github.com/vrfredist/vrfredist/rib"
)

// eor is the End-of-RIB of a neighbour for a family, or the wait for one.
type eor struct {
	neighbour string // its address, as GoBGP's events have it
	family    bgp.RouteFamily
}

// eors are the End-of-RIB markers that came since the start. A session that
// falls and comes back does not undo one: what a neighbour had said once, the
// feed was told.
type eors struct {
	mu   sync.Mutex
	seen map[eor]bool // guarded by mu
}

func newEORs() *eors { return &eors{seen: make(map[eor]bool)} }

func (e *eors) add(m eor) {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.seen[m] = true
}

// all tells whether every one of list came that is of a family.
func (e *eors) all(list []eor, of rib.Family) bool {
	e.mu.Lock()
	defer e.mu.Unlock()
	return !slices.ContainsFunc(list, func(m eor) bool { return m.of() == of && !e.seen[m] })
}

// of is the family of the routes that a marker is about.
func (m eor) of() rib.Family {
	if m.family == bgp.RF_IPv6_UC || m.family == bgp.RF_IPv6_VPN {
		return rib.IPv6
	}
	return rib.IPv4
}

// awaited returns, for each feed, the markers after which it is converged, in each
// family after those of that family:
//
//   - the default one: of the neighbours in no VRF, for IPv4 and IPv6 unicast;
//   - a VRF's: of the neighbours in no VRF for vpnv4 and vpnv6, and of those in
//     a VRF whose export RTs it imports, for IPv4 and IPv6 unicast.
//
// One that waits for its interface, or to be heard there, is waited for as one is that
// does not answer. A neighbour that is administratively down, or dynamic, is not waited for. One
// that never sends the marker, or does not come up, leaves the feed unconverged,
// and the worker to its timer: GoBGP itself, for one, sends it only where
// graceful restart was negotiated.
func (c *conf) awaited(feeds sinks) map[*rib.Feed][]eor {
	m := make(map[*rib.Feed][]eor)
	add := func(vrf string, markers ...eor) {
		for _, f := range feeds[vrf] {
			m[f] = append(m[f], markers...)
		}
	}
	add(Default)
	for _, v := range c.vrfs {
		add(v.Name)
	}
	all := c.neighbours()
	for _, w := range c.waiting {
		all["on "+w.Interface] = w.neighbour
	}
	for addr, n := range all {
		if n.down {
			continue
		}
		for _, f := range n.families {
			marker := eor{addr, f}
			switch f {
			case bgp.RF_IPv4_UC, bgp.RF_IPv6_UC:
				if n.vrf == "" {
					add(Default, marker)
					continue
				}
				from, _ := c.vrf(n.vrf)
				for _, v := range c.vrfs {
					if meet(from.ExportRTs, v.ImportRTs) {
						add(v.Name, marker)
					}
				}
			case bgp.RF_IPv4_VPN, bgp.RF_IPv6_VPN:
				for _, v := range c.vrfs {
					add(v.Name, marker)
				}
			}
		}
	}
	return m
}

func meet(a, b []rib.RT) bool {
	return slices.ContainsFunc(a, func(rt rib.RT) bool { return slices.Contains(b, rt) })
}
