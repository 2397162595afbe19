package nexthop

import (
	"errors"
	"fmt"
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

// resolve finds out what a set resolves to, or why it does not. Of several nexthops those
// that resolve are used; where none does, nothing is installed.
func (r *Resolver) resolve(set *Set) {
	set.Carries, set.Hops, set.Reason, set.Waits = nil, nil, "", false
	if set.Blackhole {
		set.Carries = &Forwarding{Metric: r.Policy.Metric, Kind: rib.KindBlackhole}
		return
	}
	var hops []rib.Hop
	for _, m := range set.Members {
		h, err := r.Hops(m)
		if err == nil && set.ipv6 {
			err = onlyIPv6(m, h)
		}
		if err != nil {
			if set.Reason == "" {
				set.Reason = err.Error()
			}
			set.Waits = set.Waits || errors.Is(err, errNoView)
			continue
		}
		hops = mergeHops(hops, h)
	}
	if len(hops) == 0 {
		return
	}
	set.Reason, set.Waits, set.Hops = "", false, hops
	src := r.Policy.PrefSrc[rib.IPv4]
	if set.ipv6 {
		src = r.Policy.PrefSrc[rib.IPv6]
	}
	if src.IsValid() && !r.View.Links.Source(src) {
		set.Hops = nil
		set.Reason = fmt.Sprintf("prefsrc %s is no address of this host, or none that it may use yet; set it on an interface, or write another prefsrc", src)
		return
	}
	set.Carries = &Forwarding{Metric: r.Policy.Metric, Kind: rib.KindUnicast, Hops: hops, PrefSrc: src}
}

// onlyIPv6 refuses an IPv6 route through an IPv4 gateway, as a path has it whose nexthop is
// ::ffff:192.0.2.1 (RFC 4798, RFC 4659): the kernel has no way to do that.
func onlyIPv6(m Member, hops []rib.Hop) error {
	if slices.ContainsFunc(hops, func(h rib.Hop) bool { return h.Gateway.Is4() }) {
		return fmt.Errorf("nexthop %s is unresolved: an IPv6 route cannot go through an IPv4 gateway", m.Addr)
	}
	return nil
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
	if m.Addr.Zone() != "" && !rib.SameNetns(m.Netns, netns) {
		return nil, fmt.Errorf("nexthop %s is unresolved: it is link-local, and its interface is in another network namespace", m.Addr)
	}
	hops, _, err := v.Resolve(m.Addr)
	return hops, err
}
