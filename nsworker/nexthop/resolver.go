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
	Binding  rib.Binding
	Carriage rib.Carriage // how its packets get to other PEs
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
	// Carriage is how packets get to other PEs, which Core knows; nil: there is none.
	Carriage rib.Carriage
	Core     Core
	// Refused are hops that the kernel takes for none, whatever leads to them: a broadcast
	// address, say (fib_check_nh). The list is replaced, not changed.
	Refused []rib.Hop
	// Lacking are the encapsulations that the kernel has not, each with its words. The map is
	// replaced, not changed.
	Lacking map[rib.EncapKind]string
}

// reach is how hops are reached: over a link with carrier, or only over others. The kernel
// itself uses a link without carrier unless ignore_routes_with_linkdown is set.
func (r *Resolver) reach(hops []rib.Hop) rib.Reach {
	switch {
	case len(hops) == 0:
		return rib.Unreached
	case slices.ContainsFunc(hops, r.refuses):
		return rib.Refused
	case slices.ContainsFunc(hops, r.carries):
		return rib.Reached
	}
	return rib.NoCarrier
}

// refuses tells whether the kernel takes a hop for none.
func (r *Resolver) refuses(h rib.Hop) bool {
	return slices.ContainsFunc(r.Refused, h.Equal)
}

// lacks says what the kernel lacks for hops; nil: nothing that is known.
func (r *Resolver) lacks(hops []rib.Hop) error {
	for _, h := range hops {
		if why, is := r.Lacking[h.Encap.Kind()]; is {
			return fmt.Errorf("%s", why)
		}
	}
	return nil
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
// weighs no more for it. The lists stay as they are.
func mergeHops(to, hops []rib.Hop) []rib.Hop {
	if len(to) == 0 && len(hops) == 1 {
		return hops[:1:1]
	}
	for _, h := range hops {
		if !slices.ContainsFunc(to, h.SameWay) {
			to = append(to, h)
		}
	}
	return to
}

// Lead is how far the routes lead to a nexthop of routes of a family that others wrote: in the
// table of this VRF, or in that of the VRF that leaks it.
func (r *Resolver) Lead(m Member, ipv6 bool) rib.Lead {
	if m.Source == "" && m.carried() {
		return r.overCore(&View{View: r.View, Binding: rib.Binding{Netns: r.Netns}, Carriage: r.Carriage}, m, ipv6)
	}
	if m.Source == "" {
		l := m.in(r.View, r.Netns)
		if l.Err == nil || r.Home == "" {
			return l
		}
		return r.atHome(m, l)
	}
	from, ok := r.Views.View(m.Source)
	if !ok {
		return rib.Lead{Err: fmt.Errorf("leaked from VRF %q, which %w", m.Source, errNoView)}
	}
	if m.Link == "" && !from.Where.SameNamespace(r.View.Where) {
		return rib.Lead{Err: fmt.Errorf("leaked from VRF %q in another network namespace (%s); a leak needs both VRFs in one namespace, or the link between them", m.Source, from.Binding)}
	}
	var l rib.Lead
	switch {
	case m.carried():
		l = r.overCore(&from, m, ipv6)
	case !m.Originated:
		l = leaked(from, m)
	case m.Link == "":
		l = originated(from)
	}
	asked := l.Err != nil && !m.Prefix.IsValid() && !l.Settled() && !m.linkLocal()
	if m.Link != "" {
		l = r.byLink(from, m, ipv6, l)
	}
	switch {
	case asked:
		l.Err = fmt.Errorf("leaked from VRF %q, where BGP's own routes are not asked: %w", m.Source, l.Err)
	case l.Err != nil:
		l.Err = fmt.Errorf("leaked from VRF %q: %w", m.Source, l.Err)
	}
	return l
}

// atHome looks m up in the VRF's own table, after this secondary one had nothing for it.
func (r *Resolver) atHome(m Member, nothing rib.Lead) rib.Lead {
	from, ok := r.Views.View(r.Home)
	if !ok {
		nothing.Err = fmt.Errorf("%w; and VRF %q %w", nothing.Err, r.Home, errNoView)
		return nothing
	}
	if !from.Where.SameNamespace(r.View.Where) {
		nothing.Err = fmt.Errorf("%w; and VRF %q has no table in this network namespace now", nothing.Err, r.Home)
		return nothing
	}
	l := leaked(from, m)
	if l.Err != nil {
		nothing.Err = fmt.Errorf("%w; nor is it found in VRF %q: %w", nothing.Err, r.Home, l.Err)
		return nothing
	}
	return l
}

// leaked looks m up in the VRF it came from. Its gateways are on a link that is not in
// the receiving table's subnets, so the kernel must be told not to look for them there
// (RTNH_F_ONLINK).
func leaked(from View, m Member) rib.Lead {
	var l rib.Lead
	if m.Prefix.IsValid() {
		var by rib.Route
		l.Hops, by, l.Err = from.LeakedPrefix(m.Prefix)
		l.By = &by
	} else {
		l = m.in(from.View, from.Binding.Netns)
	}
	if l.Err != nil {
		return l
	}
	hops := make([]rib.Hop, len(l.Hops))
	for i, h := range l.Hops {
		h.OnLink = h.Gateway.IsValid()
		hops[i] = h
	}
	l.Hops = hops
	return l
}

// in looks m up in a view of the namespace that a Binding calls netns. An interface of
// another namespace is not this one's of the same name.
func (m Member) in(v rib.View, netns string) rib.Lead {
	if (m.Addr.Zone() != "" || m.Peer.IsValid()) && !rib.SameNetns(m.Netns, netns) {
		return rib.Lead{Err: fmt.Errorf("nexthop %s is unresolved: it is link-local, and its interface is in another network namespace", m.Addr)}
	}
	nh := m.On(v)
	if m.Peer.IsValid() && nh.Zone() == "" {
		return rib.Lead{Err: fmt.Errorf("nexthop %s is unresolved: it is link-local, and its interface is not known: the neighbour that sent it is not directly connected in this VRF", nh)}
	}
	return v.Lead(nh)
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
