package nexthop

import (
	"iter"
	"maps"
	"net/netip"
	"slices"

	"github.com/vrfredist/vrfredist/rib"
)

// Which ways a change can touch.

// leaking yields the ways that other VRFs leak here, and all where another VRF's table may
// hold any nexthop.
func (w *Ways) leaking() iter.Seq[*Way] {
	if w.Resolver.Home != "" {
		return w.ways.all
	}
	return maps.Keys(w.tracker.leaks)
}

// overCore yields the ways that are looked up in the core.
func (w *Ways) overCore() iter.Seq[*Way] { return maps.Keys(w.tracker.pes) }

// covered yields the ways to a nexthop inside one of the prefixes.
func (w *Ways) covered(prefixes []netip.Prefix) iter.Seq[*Way] {
	return func(yield func(*Way) bool) {
		for _, p := range prefixes {
			for way := range w.tracker.nexthops.Under(p) {
				if !yield(way) {
					return
				}
			}
		}
	}
}

// onLinks yields the ways whose resolution depends on one of these links, and those that
// name an address of one.
func (w *Ways) onLinks(changed []int, before, now rib.Links) iter.Seq[*Way] {
	return func(yield func(*Way) bool) {
		for way := range w.tracker.pes {
			if !yield(way) {
				return
			}
		}
		for _, i := range append(slices.Clone(changed), 0) {
			for way := range w.tracker.onLink[i] {
				if !yield(way) {
					return
				}
			}
			for _, p := range append(slices.Clone(before[i].Addrs), now[i].Addrs...) {
				for way := range w.tracker.nexthops.Of(p.Addr()) {
					if !yield(way) {
						return
					}
				}
			}
		}
	}
}
