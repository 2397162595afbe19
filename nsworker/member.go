package nsworker

import (
	"net/netip"

	"github.com/vrfredist/vrfredist/nsworker/nexthop"
	"github.com/vrfredist/vrfredist/rib"
)

// nexthopOf is which of its nexthops a path goes by. The global one says which link it is on
// by itself; the link-local one of RFC 2545 serves where there is no other, or where the VRF
// prefers it.
func nexthopOf(a *rib.Attrs, preferLinkLocal bool) netip.Addr {
	switch {
	case !a.LinkLocal.IsValid():
		return a.Nexthop
	case preferLinkLocal, !a.Nexthop.IsValid(), a.Nexthop.IsUnspecified():
		return a.LinkLocal
	case a.Nexthop.IsLinkLocalUnicast() && a.Nexthop.Zone() == "":
		return a.LinkLocal
	}
	return a.Nexthop
}

// member is the nexthop of a path. A link-local one is on the neighbour's link: that of the
// session, where it is bound to one, or else the one on which the neighbour's address is. link
// is Deps.Link.
func member(a *rib.Attrs, preferLinkLocal bool, link func(netip.Addr) (string, string, netip.Addr)) nexthop.Member {
	m := nexthop.Member{Addr: nexthopOf(a, preferLinkLocal)}
	if !m.Addr.Is6() || !m.Addr.IsLinkLocalUnicast() {
		return m
	}
	peer := a.Peer
	if link != nil {
		if netns, device, inside := link(a.Peer); inside.IsValid() {
			m.Netns, peer = netns, inside
			if m.Addr.Zone() == "" && device != "" {
				m.Addr = m.Addr.WithZone(device)
			}
		}
	}
	if peer.IsValid() && peer.Zone() == "" {
		m.Peer = peer
	}
	return m
}
