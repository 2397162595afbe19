package speaker

import (
	"cmp"
	"slices"
	"sync"

	"github.com/vrfredist/vrfredist/rib"
)

// Family is an address family of routes that lead into kernel tables: unicast, VPN or EVPN,
// IPv4 or IPv6. On a session EVPN is one for both.
type Family struct {
	Of        rib.Family
	VPN, EVPN bool // at most one of them
}

var allFamilies = []Family{
	{Of: rib.IPv4}, {Of: rib.IPv6}, {Of: rib.IPv4, VPN: true}, {Of: rib.IPv6, VPN: true}, {Of: rib.IPv4, EVPN: true}, {Of: rib.IPv6, EVPN: true},
}

// FamilyOf is the family in whose table a server has a path: one of a neighbour in a VRF is a VPN
// path.
func FamilyOf(p *rib.Path) Family {
	evpn := p.InEVPN()
	return Family{rib.FamilyOf(p.Prefix), p.RD != 0 && !evpn, evpn}
}

// plain tells whether it is unicast.
func (f Family) plain() bool { return !f.VPN && !f.EVPN }

// Marker is the End-of-RIB of a neighbour for a family (RFC 4724, 2), or the wait for
// it.
type Marker struct {
	Neighbour string // its address, a link-local one with its zone
	Family    Family
}

// Neighbour is a configured neighbour, as far as convergence depends on it.
type Neighbour struct {
	Address  string // as in Marker
	VRF      string // "": the global table
	Families []Family
	Down     bool // administratively: it is not waited for
}

// Markers are the End-of-RIB markers that came since the start. A session that falls
// and comes back does not undo its marker: the feed had once all routes of the neighbour.
type Markers struct {
	mu   sync.Mutex
	seen map[Marker]bool // guarded by mu
}

// NewMarkers returns none.
func NewMarkers() *Markers { return &Markers{seen: make(map[Marker]bool)} }

func (m *Markers) add(came Marker) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.seen[came] = true
}

// all tells whether every marker of a list came that is of a family.
func (m *Markers) all(list []Marker, of rib.Family) bool {
	m.mu.Lock()
	defer m.mu.Unlock()
	return !slices.ContainsFunc(list, func(x Marker) bool { return x.Family.Of == of && !m.seen[x] })
}

// awaited returns, for the feeds of some of the VRFs that there are, and of the global table, the markers after which it is converged, in each
// family after the markers of that family:
//
//   - the default feed: of the neighbours in no VRF, for IPv4 and IPv6 unicast;
//   - a VRF's: of the neighbours in no VRF for vpnv4 and vpnv6, and where its routes are
//     carried by EVPN for that; and of the neighbours in a VRF whose export route targets it
//     imports, for IPv4 and IPv6 unicast;
//   - each: of the neighbours in a VRF, or in none, from which a rule lets paths in.
//
// A neighbour that is administratively down is not waited for. One that never sends the
// marker, or does not come up, leaves the feed unconverged, and the worker to its
// timer: GoBGP itself, for example, sends End-of-RIB only where graceful restart was
// negotiated.
func awaited(vrfs, some []VRF, rules map[string][]rib.LeakRule, neighbours []Neighbour, feeds map[string][]*rib.Feed) map[*rib.Feed][]Marker {
	m := make(map[*rib.Feed][]Marker)
	add := func(vrf string, markers ...Marker) {
		for _, f := range feeds[vrf] {
			m[f] = append(m[f], markers...)
		}
	}
	add(Default)
	for _, v := range some {
		add(v.Name)
	}
	byName := make(map[string]VRF, len(vrfs))
	for _, v := range vrfs {
		byName[v.Name] = v
	}
	for _, n := range neighbours {
		if n.Down {
			continue
		}
		from := byName[n.VRF]
		for _, f := range n.Families {
			marker := Marker{n.Address, f}
			for into, list := range rules {
				if f.plain() && slices.ContainsFunc(list, func(r rib.LeakRule) bool { return r.From == cmp.Or(n.VRF, Default) }) {
					add(into, marker)
				}
			}
			if f.plain() && n.VRF == "" {
				add(Default, marker)
				continue
			}
			for _, v := range some {
				if f.VPN || f.EVPN && v.ByEVPN() || f.plain() && meet(from.ExportRTs, v.ImportRTs) {
					add(v.Name, marker)
				}
			}
		}
	}
	return m
}
