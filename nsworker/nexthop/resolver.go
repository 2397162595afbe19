package nexthop

import (
	"fmt"
	"net/netip"
	"slices"

	"github.com/vrfredist/vrfredist/rib"
)

// View is what one VRF sees of the kernel. It is immutable.
type View struct {
	rib.View
	Binding rib.Binding
}

// Views are those of other VRFs.
type Views interface {
	// View returns what a VRF sees now; false: it has no table.
	View(vrf string) (View, bool)
}

// Resolver turns nexthops into hops, with the view of the VRF itself and those of the
// VRFs that leak into it.
type Resolver struct {
	View  rib.View
	Netns string // of the view, as the Binding names it
	Views Views
	// Home is the VRF in whose table nexthops are looked up after this one, because this is
	// a secondary table of it; "": none.
	Home   string
	Policy rib.ExportPolicy
}

// reach is how hops are reached: over a link with carrier, or only over others. The kernel
// itself uses a link without carrier unless ignore_routes_with_linkdown is set.
func (r *Resolver) reach(hops []rib.Hop) rib.Reach {
	switch {
	case len(hops) == 0:
		return rib.Unreached
	case slices.ContainsFunc(hops, r.carries):
		return rib.Reached
	}
	return rib.NoCarrier
}

// carries tells whether the link of a hop has carrier.
func (r *Resolver) carries(h rib.Hop) bool {
	link, known := r.View.Links[h.Ifindex]
	return link.Up || !known
}

// withCarrier are those of a nexthop's hops that are over links with carrier, or all where
// none is.
func (r *Resolver) withCarrier(hops []rib.Hop) []rib.Hop {
	if r.reach(hops) != rib.Reached || !slices.ContainsFunc(hops, func(h rib.Hop) bool { return !r.carries(h) }) {
		return hops
	}
	return slices.DeleteFunc(slices.Clone(hops), func(h rib.Hop) bool { return !r.carries(h) })
}

// onlyIPv6 refuses an IPv6 route through an IPv4 gateway, as a path has it whose nexthop is
// ::ffff:192.0.2.1 (RFC 4798, RFC 4659): the kernel has no way to do that.
func onlyIPv6(m Member, hops []rib.Hop) error {
	if slices.ContainsFunc(hops, func(h rib.Hop) bool { return h.Gateway.Is4() }) {
		return fmt.Errorf("nexthop %s is unresolved: an IPv6 route cannot go through an IPv4 gateway", m.Addr)
	}
	return nil
}

// sessionsEnded says why nexthops do not count that may be reached.
func sessionsEnded(sent []netip.Addr) string {
	if len(sent) == 1 {
		return fmt.Sprintf("the session with %s, which sent the path, has ended", sent[0])
	}
	return fmt.Sprintf("the sessions with all of %v, which sent the paths, have ended", sent)
}

// mergeHops adds hops that are not there yet. One member of a group that is reached twice
// weighs no more for it.
func mergeHops(to, hops []rib.Hop) []rib.Hop {
	for _, h := range hops {
		if !slices.ContainsFunc(to, h.SameWay) {
			to = append(to, h)
		}
	}
	return to
}

// Hops are what a nexthop resolves to.
func (r *Resolver) Hops(m Member) ([]rib.Hop, error) {
	if m.Source == "" {
		hops, err := m.in(r.View, r.Netns)
		if err == nil || r.Home == "" {
			return hops, err
		}
		return r.atHome(m, err)
	}
	from, ok := r.Views.View(m.Source)
	if !ok {
		return nil, fmt.Errorf("leaked from VRF %q, which %w", m.Source, errNoView)
	}
	if !from.Where.SameNamespace(r.View.Where) {
		return nil, fmt.Errorf("leaked from VRF %q in another network namespace (%s); a leak needs both VRFs in one namespace", m.Source, from.Binding)
	}
	hops, err := leakedHops(from, m)
	if err != nil {
		return nil, fmt.Errorf("leaked from VRF %q: %w", m.Source, err)
	}
	return hops, nil
}

// atHome resolves m in the VRF's own table, after this secondary one had nothing for it.
func (r *Resolver) atHome(m Member, nothing error) ([]rib.Hop, error) {
	from, ok := r.Views.View(r.Home)
	if !ok {
		return nil, fmt.Errorf("%w; and VRF %q %w", nothing, r.Home, errNoView)
	}
	if !from.Where.SameNamespace(r.View.Where) {
		return nil, fmt.Errorf("%w; and VRF %q has no table in this network namespace now", nothing, r.Home)
	}
	hops, err := leakedHops(from, m)
	if err != nil {
		return nil, fmt.Errorf("%w; nor is it found in VRF %q: %w", nothing, r.Home, err)
	}
	return hops, nil
}

// leakedHops resolves m in the VRF it came from. Its gateways are on a link that is not in
// the receiving table's subnets, so the kernel must be told not to look for them there
// (RTNH_F_ONLINK).
func leakedHops(from View, m Member) ([]rib.Hop, error) {
	var hops []rib.Hop
	var err error
	if m.Prefix.IsValid() {
		hops, _, err = from.LeakedPrefix(m.Prefix)
	} else {
		hops, err = m.in(from.View, from.Binding.Netns)
	}
	if err != nil {
		return nil, err
	}
	out := make([]rib.Hop, len(hops))
	for i, h := range hops {
		h.OnLink = h.Gateway.IsValid()
		out[i] = h
	}
	return out, nil
}

// in resolves m in a view of the namespace that a Binding calls netns. An interface of
// another namespace is not this one's of the same name.
func (m Member) in(v rib.View, netns string) ([]rib.Hop, error) {
	if (m.Addr.Zone() != "" || m.Peer.IsValid()) && !rib.SameNetns(m.Netns, netns) {
		return nil, fmt.Errorf("nexthop %s is unresolved: it is link-local, and its interface is in another network namespace", m.Addr)
	}
	nh := m.On(v)
	if m.Peer.IsValid() && nh.Zone() == "" {
		return nil, fmt.Errorf("nexthop %s is unresolved: it is link-local, and its interface is not known: the neighbour that sent it is not directly connected in this VRF", nh)
	}
	hops, _, err := v.Resolve(nh)
	return hops, err
}

// On is the address of m with the link that it is on as zone, where it is link-local and
// that is found in a view.
func (m Member) On(v rib.View) netip.Addr {
	if !m.Peer.IsValid() || v.IsLink(m.Addr) {
		return m.Addr
	}
	if link, on := v.LinkOf(m.Peer); on {
		return m.Addr.WithZone(link.Name)
	}
	return m.Addr
}
