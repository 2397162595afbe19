package nsworker

import (
	"slices"

	"github.com/vrfredist/vrfredist/nsworker/nexthop"
	"github.com/vrfredist/vrfredist/rib"
)

// adopted judges routes that stand in the table since an earlier run. One is left as it is
// until BGP has said all it knows (RFC 4724, 4.1, of a speaker that restarts: no choice before
// End-of-RIB): else it would follow whichever neighbour comes back first, and then be written
// back.
type adopted struct {
	late func(rib.Family) bool // BGP may not have said all of a family since the start
	ways *pathWays
}

// look takes in which paths there are for a standing route, as BGP has them, and as the
// policy left them.
func (s *adopted) look(e *route, paths, judged []rib.Path) {
	made := func(p rib.Path) bool { return s.mayHaveMade(e.Have, &p) }
	e.Note.past.saw(e.Have != nil && (slices.ContainsFunc(paths, made) || slices.ContainsFunc(judged, made)))
}

// mayHaveMade tells whether a path leads where a standing route does.
func (s *adopted) mayHaveMade(f *nexthop.Forwarding, p *rib.Path) bool {
	if f.Kind == rib.KindBlackhole {
		return s.ways.discards(p.Attrs)
	}
	hops := s.ways.way(p).Hops
	return len(hops) > 0 && !slices.ContainsFunc(hops, func(h rib.Hop) bool { return !slices.ContainsFunc(f.Hops, h.SameWay) })
}

// holds tells whether an entry's standing route is left as it is, though another set is
// wanted.
func (s *adopted) holds(e *route, set *nexthop.Set) bool {
	return set.Carries != nil && s.late(e.Family()) && e.Note.past.maker() != makerLeft && !leadsTo(e.Have, set) && s.works(e.Have)
}

// mayBeOf tells whether an entry's standing route may be of a path that BGP has not told of
// yet, and its policy rejects those that it has: another one may come that it accepts. Where
// one of those leads as the route does, the route is its, and goes.
func (s *adopted) mayBeOf(e *route) bool {
	return e.Note.state == rib.Stale && e.Have != nil && s.late(e.Family()) && e.Note.past.maker() == makerUnknown && s.works(e.Have)
}

// works tells whether packets get out by a standing route: over links that are up, to
// gateways that are on them.
func (s *adopted) works(f *nexthop.Forwarding) bool {
	if f.Kind != rib.KindUnicast {
		return true
	}
	v := &s.ways.ways.Resolver.View
	return len(f.Hops) > 0 && !slices.ContainsFunc(f.Hops, func(h rib.Hop) bool {
		link, there := v.Links[h.Ifindex]
		return h.Dead || !there || !link.Up || h.Gateway.IsValid() && !h.OnLink && !v.OnLink(h)
	})
}

// elsewhere tells whether an entry, which may be nil, is a standing route that leads
// elsewhere than a set.
func elsewhere(e *route, set *nexthop.Set) bool {
	return e != nil && e.Note.state == rib.Stale && e.Have != nil && !leadsTo(e.Have, set)
}

// leadsTo tells whether a standing route leads where a set does.
func leadsTo(f *nexthop.Forwarding, set *nexthop.Set) bool {
	if set.Carries == nil {
		return false
	}
	return rib.SameWays(rib.Route{Kind: f.Kind, Hops: f.Hops}, rib.Route{Kind: set.Carries.Kind, Hops: set.Hops})
}
