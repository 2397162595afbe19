package rib

import (
	"errors"
	"fmt"
	"net/netip"
	"slices"
)

// MaxRecursion bounds how often a gateway is looked up to reach another.
const MaxRecursion = 8

// Resolve returns the ways to a nexthop, and the foreign route that leads there
// (the zero Route for a link-local nexthop).
//
// The lookup is the kernel's own (fib_table_lookup, fib6_table_lookup), in this
// table alone: the longest prefix first, of one prefix the lowest metric first.
// Hops that are dead, or whose interface is missing or down, are passed over; a
// route without any other is passed over for the next metric and then for the
// next shorter prefix. A route that discards ends the lookup, and so does one that
// encapsulates on any of its ways: ours would send packets bare where it does not. Unlike the
// kernel, the default route is used only with ByDefault: nearly any nexthop would be
// reachable by it. An interface without carrier is used as the kernel does: unless
// ignore_routes_with_linkdown made the kernel call the hop dead.
//
// A nexthop that is link-local in IPv6 needs its interface as zone, by name or
// index. The error is one short sentence about the nexthop.
func (v View) Resolve(nh netip.Addr) (hops []Hop, via Route, err error) {
	l := v.Lead(nh)
	if l.Err != nil {
		return nil, Route{}, l.Err
	}
	return l.Hops, l.Route(), nil
}

// Lead looks a nexthop up as Resolve does.
func (v View) Lead(nh netip.Addr) Lead {
	if !zoned(nh) {
		nh = nh.WithZone("")
	}
	if err := v.usable(nh); err != nil {
		return Lead{Err: err, settled: true}
	}
	if zoned(nh) {
		hop, err := v.linkLocal(nh)
		if err != nil {
			return Lead{Err: unresolved(nh, err), settled: true}
		}
		return Lead{Hops: []Hop{hop}, settled: true}
	}
	hops, by, err := v.lookup(nh, 0)
	if err != nil {
		return Lead{By: &by, Err: unresolved(nh, err)}
	}
	return Lead{Hops: hops, By: &by, settled: by.Prefix.Bits() > 0 && slices.ContainsFunc(by.Hops, Hop.direct)}
}

// LinkOf returns the interface on which a neighbour is directly connected: the one of the
// route that leads to it without a gateway.
func (v View) LinkOf(peer netip.Addr) (Link, bool) {
	hops, _, err := v.lookup(peer, 0)
	if err != nil || len(hops) != 1 || hops[0].Gateway != peer {
		return Link{}, false
	}
	link, found := v.Links[hops[0].Ifindex]
	return link, found
}

// IsLink tells whether the zone of an address is an interface that a nexthop can be on. A
// VRF device is none, though a session may be bound to it.
func (v View) IsLink(nh netip.Addr) bool {
	link, found := v.zone(nh)
	return found && link.VRFTable == 0
}

// ResolvePrefix returns the live hops of the foreign route of exactly p, for
// the import of one VRF that is exported into another. Where p is directly
// connected, Gateway is invalid.
func (v View) ResolvePrefix(p netip.Prefix) ([]Hop, Route, error) {
	err := errors.New("the VRF it comes from has no such route")
	for i, r := range v.importedFirst(p) {
		if r.Kind != KindUnicast && !r.Expired {
			if i == 0 {
				err = fmt.Errorf("the VRF it comes from has a route of type %s for it", r.Kind)
			}
			continue
		}
		hops, why := v.live(r)
		if why := encapsulates(r, hops); why != nil {
			return nil, Route{}, fmt.Errorf("prefix %s is unresolved: %w", p, why)
		}
		if len(hops) > 0 {
			return hops, r, nil
		}
		if i == 0 {
			err = why
		}
	}
	return nil, Route{}, fmt.Errorf("prefix %s is unresolved: %w", p, err)
}

// importedFirst returns the routes of exactly p, the one that the VRF imports before the
// others: another one may have the lower metric, and be none that the policy lets out.
func (v View) importedFirst(p netip.Prefix) []Route {
	routes := v.Foreign.Get(p)
	if v.Imports == nil {
		return routes
	}
	all := v.Imports.find(nil, v, p)
	got := v.Imports.pick(all, v, nil, false, nil)
	if got.at < 0 || all[got.at].address {
		return routes
	}
	return append([]Route{*all[got.at].route}, routes...)
}

// usable refuses what can never be a nexthop of this router.
func (v View) usable(nh netip.Addr) error {
	switch {
	case !nh.IsValid():
		return errors.New("the path has no nexthop")
	case nh.Is4In6():
		return fmt.Errorf("nexthop %s is an IPv4-mapped address, which the kernel does not forward to", nh)
	case nh.IsUnspecified():
		return fmt.Errorf("nexthop %s is the unspecified address", nh)
	case nh.IsMulticast():
		return fmt.Errorf("nexthop %s is a multicast address", nh)
	case nh.IsLoopback():
		return fmt.Errorf("nexthop %s is a loopback address", nh)
	case v.own(nh):
		return fmt.Errorf("nexthop %s is this router's own address", nh)
	}
	return nil
}

func (v View) linkLocal(nh netip.Addr) (Hop, error) {
	if nh.Zone() == "" {
		return Hop{}, errors.New("it is link-local, and its interface is not known")
	}
	link, found := v.zone(nh)
	switch {
	case !found:
		return Hop{}, fmt.Errorf("interface %s is not there", nh.Zone())
	case !v.Member(link):
		return Hop{}, fmt.Errorf("interface %s does not belong to this VRF", link.Name)
	case link.VRFTable != 0:
		return Hop{}, fmt.Errorf("%s is a VRF device, and which interface of it is not known", link.Name)
	case !link.Up:
		return Hop{}, fmt.Errorf("%s is down", link.Name)
	}
	return Hop{Gateway: nh.WithZone(""), Ifindex: link.Index, Weight: 1}, nil
}

// lookup returns the ways to nh and the foreign route that leads there. With an error the route
// is the one that ends the lookup, if one does.
func (v View) lookup(nh netip.Addr, depth int) ([]Hop, Route, error) {
	if depth > MaxRecursion {
		return nil, Route{}, fmt.Errorf("more than %d gateways lead to each other", MaxRecursion)
	}
	// Of all prefixes that cover nh the longest counts: its reason is the one that is told.
	var reason error
	for prefix, routes := range v.Foreign.Covering(nh) {
		if prefix.Bits() == 0 && !v.ByDefault {
			if reason == nil {
				reason = errors.New(OnlyByDefault)
			}
			break
		}
		for _, r := range routes {
			if r.Kind != KindUnicast && !r.Expired {
				if reason == nil {
					reason = discards(r)
				}
				return nil, r, reason
			}
			hops, err := v.towards(nh, r, depth)
			if encap := (*encapError)(nil); errors.As(err, &encap) {
				return nil, r, err
			}
			if len(hops) > 0 {
				return fitted(hops), r, nil
			}
			if reason == nil {
				reason = err
			}
		}
	}
	if reason == nil {
		reason = errors.New("no route in this VRF covers it")
	}
	return nil, Route{}, reason
}

func discards(r Route) error {
	switch r.Kind {
	case KindLocal:
		return fmt.Errorf("%s is local to this router", r.Prefix)
	case KindBroadcast, KindMulticast, KindAnycast:
		return fmt.Errorf("%s is a route of type %s", r.Prefix, r.Kind)
	}
	return fmt.Errorf("the route that covers it is %s %s", r.Kind, destination(r))
}

// towards returns the hops by which r leads to nh.
func (v View) towards(nh netip.Addr, r Route, depth int) ([]Hop, error) {
	live, reason := v.live(r)
	if why := encapsulates(r, live); why != nil {
		return nil, why
	}
	var hops []Hop
	for _, h := range live {
		switch {
		case h.Ifindex != 0 && h.Gateway.IsValid():
			h.OnLink = h.OnLink || v.doubted(h.Gateway, h.Ifindex, scopeLink)
			hops = merge(hops, h)
		case h.Ifindex != 0:
			h.Gateway, h.OnLink = nh, v.doubted(nh, h.Ifindex, r.Scope)
			hops = merge(hops, h)
		case zoned(h.Gateway):
			reason = fmt.Errorf("its gateway %s is link-local, and the interface is not known", h.Gateway)
		default:
			inner, _, err := v.lookup(h.Gateway, depth+1)
			if err != nil {
				reason = fmt.Errorf("its gateway %s: %w", h.Gateway, err)
			}
			if encap := (*encapError)(nil); errors.As(err, &encap) {
				return nil, reason
			}
			for _, i := range inner {
				i.Weight = share(i.weight(), h.weight())
				hops = merge(hops, i)
			}
		}
	}
	return hops, reason
}

// doubted tells whether the kernel may not take a gateway on a link, which was found there by a
// route of a scope, unless it is told not to ask a table (RTNH_F_ONLINK).
//
// In IPv6 it asks by all routes, ours too, and one of ours may lead to the gateway by another
// (ip6_route_check_nh in net/ipv6/route.c); in IPv4 by those of scope link alone
// (fib_check_nh_v4_gw in net/ipv4/fib_semantics.c). A link-local gateway of IPv6 it takes as
// it is.
func (v View) doubted(gateway netip.Addr, index int, scope uint8) bool {
	switch {
	case zoned(gateway):
		return false
	case gateway.Is4():
		return scope < scopeLink
	}
	return !v.plain() || !v.alsoOn(gateway, index)
}

// alsoOn tells whether the main table beside a plain one leads to a gateway by another link, in
// whose subnet it lies: that table is asked then, and the gateway refused
// (ip6_route_check_nh_onlink).
func (v View) alsoOn(gateway netip.Addr, index int) bool {
	for i, link := range v.Links {
		if i != index && v.device(link) == 0 && link.Admin &&
			slices.ContainsFunc(link.Addrs, func(a netip.Prefix) bool { return a.Contains(gateway) }) {
			return true
		}
	}
	return false
}

// live returns the hops of r that can be used now, and where there is none,
// why.
func (v View) live(r Route) (hops []Hop, why error) {
	switch {
	case r.Expired:
		return nil, fmt.Errorf("the route %s has expired", destination(r))
	case len(r.Hops) == 0:
		return nil, fmt.Errorf("the route %s has no hop", destination(r))
	}
	for _, h := range r.Hops {
		link, found := v.Links[h.Ifindex]
		switch {
		case h.Ifindex == 0 && h.Gateway.IsValid() && !h.Dead:
			// Not on a link: to be looked up again.
		case !found:
			why = fmt.Errorf("the interface of route %s is not there", destination(r))
			continue
		case !link.Admin:
			why = fmt.Errorf("%s is down", link.Name)
			continue
		case h.Dead:
			why = fmt.Errorf("the route %s by %s is dead", destination(r), link.Name)
			continue
		}
		h.Dead, h.Weight = false, h.weight()
		hops = append(hops, h)
	}
	return fitted(hops), why
}

// share is the weight of a hop within a hop, both at most MaxWeight.
func share(inner, outer uint16) uint16 { return inner * outer }

func unresolved(nh netip.Addr, why error) error {
	return fmt.Errorf("nexthop %s is unresolved: %w", nh, why)
}

// OnlyByDefault is why a nexthop is not reached that a default route alone covers.
const OnlyByDefault = "only the default route covers it, which is used for nexthops only with resolve_by_default"
