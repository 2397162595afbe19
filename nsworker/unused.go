package nsworker

import (
	"github.com/vrfredist/vrfredist/nsworker/nexthop"
	"github.com/vrfredist/vrfredist/rib"
)

// deleteUnused has nexthop objects and entries for other PEs deleted that nothing has used for a
// while.
func deleteUnused(s *tableSync) {
	may := s.mayTidy()
	s.sets.Endpoints.Tidy(may)
	unused := s.sets.Objects.Tidy(may)
	if unused {
		s.routes.markUsers(s.sets.Separate())
	}
	if s.sets.Endpoints.Doubted(may) || unused {
		s.routes.ways.tidy(s.feed)
	}
}

// fewWays is how many nexthops are kept without asking whether a path has them still, unless
// one of them has entries on the VXLAN device, which another PE may need.
const fewWays = 4096

// tidy forgets the nexthops that no path of a feed has any more, and what they were found by.
func (w *pathWays) tidy(feed *rib.Feed) {
	if w.ways.Len() < max(fewWays, 2*w.kept) && !w.ways.Spare() {
		return
	}
	were, became := w.byVia, w.became
	w.forget()
	used := make(map[*nexthop.Way]struct{})
	feed.Each(func(p rib.Path) {
		if p.Attrs.Imported && w.leaks(p.Attrs) {
			used[w.way(&p)] = struct{}{} // it is found by no Via
			return
		}
		f := rib.FamilyOf(p.Prefix)
		keep := func(via *rib.Via) {
			// A path without one is not decided yet, or rejected.
			if way := were[f][via].at(&p, w.labelled(&p)); way != nil {
				w.found(f, via, &p, way)
				used[way] = struct{}{}
			}
		}
		keep(p.Attrs.Via)
		for _, is := range became[p.Attrs.Via] {
			keep(is)
		}
		if is := became[p.Attrs.Via]; len(is) > 0 {
			w.became[p.Attrs.Via] = is
		}
	})
	w.ways.Keep(func(way *nexthop.Way) bool { _, is := used[way]; return is })
	w.kept = w.ways.Len()
}
