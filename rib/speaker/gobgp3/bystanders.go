package gobgp3

import (
	"net/netip"
	"slices"

	"github.com/osrg/gobgp/v3/pkg/packet/bgp"
)

// GoBGP asks for each change of a VPN route, and for each neighbour in a VRF, whether the route
// leads into that VRF, by regular expressions that it makes of the VRF's import targets each
// time: some ten microseconds a target, of the loop that all tenants share, for routes of any
// tenant. So it is found out here, for each VRF once, and GoBGP is kept from asking about the
// neighbours of VRFs into which the route does not lead (hush).

// bystanders are the neighbours in VRFs into which the change in hand does not lead. It is the
// loop's own.
type bystanders struct {
	hush *hush
	from netip.Addr // the neighbour whose message the loop handles
	// listeners are the neighbours with a session in a VRF, by VRF, since the loop's turn began;
	// nil: nobody has looked.
	listeners map[string]*listeners
	known     map[string]knownTargets // by VRF
	told      [][]bgp.ExtendedCommunityInterface
}

// listeners are the neighbours of one VRF.
type listeners struct {
	wants  importTargets
	peers  []livePeer
	apart  bool       // what was told last does not lead into the VRF
	marked []livePeer // since then
}

// knownTargets are a VRF's import targets as they were read from a list, which is never changed in
// place.
type knownTargets struct {
	list []bgp.ExtendedCommunityInterface
	importTargets
}

// judge is called for each event of best paths, before GoBGP tells its neighbours.
func (b *bystanders) judge(ev *bestEvent) {
	if len(ev.PathList) == 0 || !isForVRFs(ev.PathList[0].parent) {
		return // of all others GoBGP asks nothing
	}
	if b.listeners == nil {
		b.look()
	}
	if b.hush.on {
		b.release()
		return
	}
	if len(b.listeners) == 0 {
		return
	}
	b.told = b.told[:0]
	for _, clone := range ev.PathList {
		b.told = append(b.told, extendedCommunities(clone.parent))
	}
	for _, l := range b.listeners {
		switch leads := slices.ContainsFunc(b.told, l.wants.takeOne); {
		case leads && l.apart:
			b.join(l)
		case !leads && !l.apart:
			l.part()
		}
	}
	clear(b.told)
}

// part has GoBGP tell them nothing.
func (l *listeners) part() {
	l.apart = true
	for _, p := range l.peers {
		if p.deafen() {
			l.marked = append(l.marked, p)
		}
	}
}

// join has them be told again; while nobody is told, afterwards.
func (b *bystanders) join(l *listeners) {
	for _, p := range l.marked {
		if b.hush.on {
			b.hush.peers = append(b.hush.peers, p)
		} else {
			p.hear()
		}
	}
	l.apart, l.marked = false, l.marked[:0]
}

// release has all be told again.
func (b *bystanders) release() {
	for _, l := range b.listeners {
		b.join(l)
	}
}

// forget ends a turn of the loop.
func (b *bystanders) forget() {
	b.release()
	b.listeners, b.from = nil, netip.Addr{}
}

// look finds the listeners. Left out are those who are told of other paths than best ones (RFC
// 7911), and the neighbour whose message is handled: at its End-of-RIB GoBGP reads the mark.
func (b *bystanders) look() {
	b.listeners = make(map[string]*listeners)
	for addr, p := range b.hush.loop.peers() {
		name := p.listensIn()
		v := b.hush.rib().Vrfs[name]
		if name == "" || v == nil || b.from.IsValid() && zoneless(addr).Unmap() == b.from {
			continue
		}
		l := b.listeners[name]
		if l == nil {
			l = &listeners{wants: b.wants(name, v)}
			b.listeners[name] = l
		}
		l.peers = append(l.peers, p)
	}
}

// wants are the import targets of a VRF.
func (b *bystanders) wants(name string, v *bgpVRF) importTargets {
	was, is := b.known[name]
	if !is || len(was.list) != len(v.ImportRt) || len(was.list) > 0 && &was.list[0] != &v.ImportRt[0] {
		was = knownTargets{v.ImportRt, importsOf(v)}
		if b.known == nil {
			b.known = make(map[string]knownTargets)
		}
		b.known[name] = was
	}
	return was.importTargets
}

// isForVRFs tells whether GoBGP may tell the neighbours of VRFs of a path.
func isForVRFs(p *bgpPath) bool {
	nlri := p.origin().nlri
	return hasVRFs(bgp.AfiSafiToRouteFamily(nlri.AFI(), nlri.SAFI()))
}

// hasVRFs tells whether GoBGP tells the neighbours of VRFs of routes of a family.
func hasVRFs(f bgp.RouteFamily) bool {
	return isVPN(f) || f == bgp.RF_FS_IPv4_VPN || f == bgp.RF_FS_IPv6_VPN
}
