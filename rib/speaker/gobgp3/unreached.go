package gobgp3

import (
	"net"
	"net/netip"

	"github.com/osrg/gobgp/v3/pkg/packet/bgp"

	"github.com/vrfredist/vrfredist/rib"
	"github.com/vrfredist/vrfredist/rib/speaker"
)

// unreached are the nexthops of one VRF that are not reached. It is immutable.
type unreached struct {
	of map[rib.PathNexthop]struct{}
	// addrs are the addresses in of, without zones: most paths have none of them, and then
	// their other attributes need not be looked at.
	addrs map[netip.Addr]struct{}
}

func newUnreached(of map[rib.PathNexthop]struct{}) *unreached {
	u := &unreached{of: of, addrs: make(map[netip.Addr]struct{}, len(of))}
	for n := range of {
		for _, addr := range [...]netip.Addr{n.Nexthop, n.LinkLocal} {
			if addr.IsValid() {
				u.addrs[addr.WithZone("").Unmap()] = struct{}{}
			}
		}
	}
	return u
}

// grows tells whether u has a nexthop that old, which may be nil, has not.
func (u *unreached) grows(old *unreached) bool {
	for n := range u.of {
		if old == nil {
			return true
		}
		if _, had := old.of[n]; !had {
			return true
		}
	}
	return false
}

// equal tells whether two are the same; a VRF of which nothing was said is another than
// one all of whose nexthops are reached.
func (u *unreached) equal(old *unreached) bool {
	return old != nil && len(u.of) == len(old.of) && !u.grows(old)
}

// mayHave tells whether a path can have one of the nexthops.
func (u *unreached) mayHave(p *bgpPath) bool {
	if u == nil {
		return false
	}
	for ; p != nil; p = p.parent {
		for _, a := range p.pathAttrs {
			switch a := a.(type) {
			case *bgp.PathAttributeNextHop:
				if u.hasAddr(a.Value) {
					return true
				}
			case *bgp.PathAttributeMpReachNLRI:
				if u.hasAddr(a.Nexthop) || u.hasAddr(a.LinkLocalNexthop) {
					return true
				}
			}
		}
	}
	return false
}

func (u *unreached) hasAddr(ip net.IP) bool {
	addr, is := addrOf(ip)
	if !is {
		return false
	}
	_, has := u.addrs[addr]
	return has
}

// sources says of GoBGP's paths in which VRF's neighbour they come from, and what is said of
// them there. It is the loop's own.
type sources struct {
	*loop
	decoder *decoder
	vrfs    map[*bgpPeer]string // "": no VRF judges the paths of that neighbour
	said    map[string]word
	gates   gates
}

// isWithheld tells whether a path may take no part in GoBGP's choice, because the VRF
// whose neighbour sent it does not reach its nexthop, has a policy that rejects it, or has not
// confirmed its prefix.
func (s *sources) isWithheld(p *bgpPath, family bgp.RouteFamily) bool {
	o := p.origin()
	if len(o.source.Address) == 0 {
		return false // it originated here
	}
	vrf := s.vrfOf(o.source, family)
	w, is := s.said[vrf]
	gate := s.gates[vrf]
	if !is || w.policy == nil && gate == nil && !w.nexthops.mayHave(p) {
		return false
	}
	to, label, err := s.decoder.destination(o.nlri)
	if err != nil {
		return false
	}
	if !gate.passes(to.Prefix) {
		return true
	}
	if rejected, known := w.rejectsAll(to.Prefix); known && (rejected || !w.nexthops.mayHave(p)) {
		return rejected // nor need the attributes be looked at
	}
	path, _, err := s.decoder.path(p, 0, to, label)
	if err != nil {
		return false // no VRF has a path that cannot be decoded
	}
	return w.nexthops.has(path.Attrs) || w.rejects(&path, vrf, s.rpki)
}

// has tells whether a path has one of the nexthops. Of nil nothing has.
func (u *unreached) has(a *rib.Attrs) bool {
	if u == nil {
		return false
	}
	_, is := u.of[a.PathNexthop()]
	return is
}

// vrfOf is the VRF that judges the paths of a neighbour: its own one, and for a neighbour
// in no VRF, whose VPN routes each VRF judges by itself, the one of the global table.
func (s *sources) vrfOf(source *bgpPeer, family bgp.RouteFamily) string {
	vrf, known := s.vrfs[source]
	if !known {
		s.learn()
		vrf = s.vrfs[source]
		s.vrfs[source] = vrf // of a neighbour that was taken out: none
	}
	if (vrf == speaker.Default) == isVPN(family) {
		return ""
	}
	return vrf
}

// learn learns GoBGP's neighbours anew.
func (s *sources) learn() {
	clear(s.vrfs)
	for _, p := range s.peers() {
		s.vrfs[*p.peerInfo.in(p.fsm)] = p.judgedBy()
	}
}

// judgedFamilies are those of GoBGP's own tables in which paths of neighbours are judged.
var judgedFamilies = [...]bgp.RouteFamily{bgp.RF_IPv4_UC, bgp.RF_IPv6_UC, bgp.RF_IPv4_VPN, bgp.RF_IPv6_VPN}
