package gobgp3

import (
	"net"
	"net/netip"
	"sync"
	"unsafe"

	"github.com/osrg/gobgp/v3/pkg/packet/bgp"
)

// peerNames says which neighbour a path or a marker is of. GoBGP tells that by the address
// alone, without the zone of a link-local one, so that two neighbours fe80::1 on two links
// would be one. But the bytes of each peer's address are its own, at one place as long as it
// lives, and everything that GoBGP says of the peer refers to that place.
//
// GoBGP itself takes the paths of two peers for those of one where AS, router ID and address
// are the same, as with a switch that has one link-local address on all its ports: the
// second path replaces the first. It compares the LocalID too, which is our router ID and
// serves for nothing else but the ORIGINATOR_ID of route target membership; so a neighbour
// on a link gets the number of its link there.
type peerNames struct {
	*loop
	// linkLocal is the link-local address that a neighbour sent beside a global one; it is
	// set before BGP runs.
	linkLocal func(neighbour string, global netip.Addr) netip.Addr

	links map[string]uint32 // the number of each link that has had a neighbour; the loop's own

	mu sync.Mutex
	// known is guarded by mu; by where the address is, which is kept so: no other comes to
	// lie there.
	known map[*byte]peerName
}

// peerName is the address that GoBGP has a neighbour under, with its zone, and what the
// neighbour said of itself when its session was established last.
type peerName struct {
	name string
	as   uint32
	id   net.IP // nil before the first session
}

func newPeerNames(l *loop) *peerNames {
	return &peerNames{loop: l, known: make(map[*byte]peerName), links: make(map[string]uint32)}
}

// mostForgotten is how many peers may be known that are gone.
const mostForgotten = 1024

// note takes in a peer whose session begins, before it has sent a path, and again when it is
// established. It is called in GoBGP's loop, with the lock of the session.
func (n *peerNames) note(key string, p livePeer, established bool) {
	info := *p.peerInfo.in(p.fsm)
	if addr, err := netip.ParseAddr(key); err == nil && addr.Zone() != "" && !p.hasFamily(bgp.RF_RTC_UC) {
		info.LocalID = n.link(addr.Zone())
	}
	n.mu.Lock()
	defer n.mu.Unlock()
	at := unsafe.SliceData(info.Address)
	is := n.known[at]
	is.name = key
	if established {
		is.as, is.id = info.AS, info.ID
	}
	n.known[at] = is
	if len(n.known) > 2*len(*n.neighbors.in(unsafe.Pointer(n.server())))+mostForgotten {
		n.forget()
	}
}

// link is the number of a link, in place of a router ID: no router has one below 1.0.0.0.
func (n *peerNames) link(zone string) net.IP {
	number, has := n.links[zone]
	if !has {
		number = uint32(len(n.links) + 1)
		n.links[zone] = number
	}
	return net.IP{0, byte(number >> 16), byte(number >> 8), byte(number)}
}

// forget lets go of peers that are gone. The caller is the loop, and holds mu.
func (n *peerNames) forget() {
	live := make(map[*byte]peerName)
	for _, p := range n.peers() {
		at := unsafe.SliceData((*p.peerInfo.in(p.fsm)).Address)
		if known, has := n.known[at]; has {
			live[at] = known
		}
	}
	n.known = live
}

// of is the name of the neighbour that a path or a marker is of: its address, with the zone
// where it is link-local and the zone is known; "": it is nobody's. A nil n knows no zones.
func (n *peerNames) of(p *bgpPeer) string {
	addr, has := addrOf(p.Address)
	if !has {
		return ""
	}
	if n == nil || !addr.Is6() || !addr.IsLinkLocalUnicast() {
		return addr.String()
	}
	n.mu.Lock()
	defer n.mu.Unlock()
	if is, known := n.known[unsafe.SliceData(p.Address)]; known {
		return is.name
	}
	return n.called(addr, p.ID)
}

// identity is the AS and the router ID of the neighbour that a path is of. A session that begins
// writes both into what the paths of the one before refer to, at any time.
func (n *peerNames) identity(p *bgpPeer) (as uint32, id net.IP) {
	if n != nil && len(p.Address) > 0 {
		n.mu.Lock()
		is := n.known[unsafe.SliceData(p.Address)]
		n.mu.Unlock()
		if is.id != nil {
			return is.as, is.id
		}
	}
	return p.AS, p.ID // originated here, or of a neighbour that is gone
}

// called is the name of the neighbour with an address and a router ID, as GoBGP's API has
// them; where several have both, none of them. The caller holds mu.
func (n *peerNames) called(addr netip.Addr, id net.IP) (name string) {
	for _, k := range n.known {
		if a, err := netip.ParseAddr(k.name); err != nil || a.WithZone("") != addr || !k.id.Equal(id) {
			continue
		}
		if name != "" && name != k.name {
			return addr.String()
		}
		name = k.name
	}
	if name == "" {
		return addr.String()
	}
	return name
}

// beside is the link-local address that a neighbour sent beside a global nexthop; invalid:
// none.
func (n *peerNames) beside(name string, nexthop net.IP) netip.Addr {
	addr, ok := addrOf(nexthop)
	if n == nil || n.linkLocal == nil || !ok || !addr.Is6() || addr.IsLinkLocalUnicast() {
		return netip.Addr{}
	}
	return n.linkLocal(name, addr)
}

// zoned is a neighbour's address with the zone of its link, where it is a link-local one.
func zoned(peer netip.Addr, zone string) netip.Addr {
	if peer.Is6() && peer.IsLinkLocalUnicast() && zone != "" {
		return peer.WithZone(zone)
	}
	return peer
}
