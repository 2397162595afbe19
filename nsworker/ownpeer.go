package nsworker

import (
	"net/netip"

	"github.com/vrfredist/vrfredist/rib"
)

// BGP knows a neighbour in a namespace by an alias. Who asks is told the address that it has.

// whereabouts says where a neighbour is that BGP knows by an alias, and its address there.
type whereabouts func(peer netip.Addr) (netns, device string, inside netip.Addr)

// of is a neighbour's own address.
func (w whereabouts) of(peer netip.Addr) netip.Addr {
	if w == nil || !peer.IsValid() {
		return peer
	}
	if _, _, inside := w(peer); inside.IsValid() {
		return inside
	}
	return peer
}

// called is a neighbour, which BGP names by its address or its interface, as people know it.
func (w whereabouts) called(name string) string {
	if peer, err := netip.ParseAddr(name); err == nil {
		return w.of(peer).String()
	}
	return name
}

// withOwnPeer are attributes with the neighbour's own address, where BGP knows it by an alias.
func withOwnPeer(a *rib.Attrs, link whereabouts) *rib.Attrs {
	if a == nil || a.Via == nil {
		return a
	}
	inside := link.of(a.Peer)
	if inside == a.Peer {
		return a
	}
	b, via := *a, *a.Via
	via.Peer = inside
	b.Via = &via
	return &b
}

// withOwnPeers has yield called with the addresses that neighbours have. Routes share their attributes:
// those of the last ones are made once.
func withOwnPeers(link whereabouts, yield func(rib.RouteStatus) bool) func(rib.RouteStatus) bool {
	type told struct{ was, is *rib.Attrs }
	var best, backup told
	own := func(last *told, a *rib.Attrs) *rib.Attrs {
		if last.was != a {
			*last = told{a, withOwnPeer(a, link)}
		}
		return last.is
	}
	return func(r rib.RouteStatus) bool {
		r.Best.Attrs, r.Backup.Attrs = own(&best, r.Best.Attrs), own(&backup, r.Backup.Attrs)
		return yield(r)
	}
}
