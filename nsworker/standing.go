package nsworker

import (
	"slices"

	"github.com/vrfredist/vrfredist/nsworker/nexthop"
	"github.com/vrfredist/vrfredist/rib"
)

// A route that stands in the table since an earlier run is left as it is until BGP has said
// all it knows (RFC 4724, 4.1, of a speaker that restarts: no choice before End-of-RIB): else
// it would follow whichever neighbour comes back first, and then be written back.

// maker is what is known of the path that a standing route was made of.
type maker uint8

const (
	makerUnknown maker = iota
	makerCame          // there is a path that leads as the route does
	makerLeft          // there was one, and it is gone
)

// after is what is known when a path that leads as the route does is there, or is not.
func (m maker) after(there bool) maker {
	switch {
	case there:
		return makerCame
	case m == makerCame:
		return makerLeft
	}
	return m
}

// mayHaveMade tells whether one of the paths leads where a standing route does.
func (r *routes) mayHaveMade(e *route, paths []rib.Path) bool {
	if e.Have == nil {
		return false
	}
	for i := range paths {
		p := &paths[i]
		if r.ways.discards(p.Attrs) && e.Have.Kind == rib.KindBlackhole {
			return true
		}
		hops := r.ways.way(p).Hops
		if len(hops) > 0 && !slices.ContainsFunc(hops, func(h rib.Hop) bool { return !slices.ContainsFunc(e.Have.Hops, h.SameWay) }) {
			return true
		}
	}
	return false
}

// holds tells whether a standing route is left as it is, though another set is wanted.
func (r *routes) holds(e *route, set *nexthop.Set) bool {
	return set.Carries != nil && r.late(e.Family()) && e.Note.maker != makerLeft && !leadsTo(e.Have, set) && r.works(e.Have)
}

// stands tells whether a prefix has a standing route that leads elsewhere than a set.
func (r *routes) stands(slot rib.Slot, set *nexthop.Set) bool {
	e := r.Find(slot)
	return e != nil && e.Note.state == rib.Stale && e.Have != nil && !leadsTo(e.Have, set)
}

// leadsTo tells whether a standing route leads where a set does.
func leadsTo(f *nexthop.Forwarding, set *nexthop.Set) bool {
	if set.Carries == nil {
		return false
	}
	return rib.SameForwarding(rib.Route{Kind: f.Kind, Hops: f.Hops}, rib.Route{Kind: set.Carries.Kind, Hops: set.Hops})
}

// works tells whether packets get out by a standing route: over links that are up, to
// gateways that are on them.
func (r *routes) works(f *nexthop.Forwarding) bool {
	if f.Kind != rib.KindUnicast {
		return true
	}
	v := &r.sets.Resolver.View
	return len(f.Hops) > 0 && !slices.ContainsFunc(f.Hops, func(h rib.Hop) bool {
		link, there := v.Links[h.Ifindex]
		return h.Dead || !there || !link.Up || h.Gateway.IsValid() && !h.OnLink && !v.OnLink(h)
	})
}
