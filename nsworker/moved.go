package nsworker

import (
	"github.com/vrfredist/vrfredist/nsworker/nexthop"
	"github.com/vrfredist/vrfredist/rib"
)

// chooseMoved has those prefixes decided anew that have several paths, one of them by a
// nexthop that is reached otherwise than before: another path may be the best one now.
func (r *routes) chooseMoved() {
	moved := r.sets.Moved()
	if len(moved) == 0 {
		return
	}
	leak := false
	for way := range moved {
		leak = leak || way.Prefix.IsValid()
	}
	r.feed.MarkSeveral(func(a *rib.Attrs) bool {
		if a.Imported {
			return leak
		}
		for f := range r.ways.byVia {
			if way := r.ways.byVia[f][a.Via]; way != nil {
				if _, is := moved[way]; is {
					return true
				}
			}
		}
		return false
	})
}

// fewWays is how many nexthops are kept without asking whether a path has them still.
const fewWays = 4096

// forgetWays forgets the nexthops that no path has any more.
func (r *routes) forgetWays() {
	if r.sets.Ways.Len() < max(fewWays, 2*r.keptWays) {
		return
	}
	used := make(map[*nexthop.Way]struct{})
	r.feed.Each(func(p rib.Path) { used[r.ways.way(&p)] = struct{}{} })
	r.sets.Keep(func(way *nexthop.Way) bool { _, is := used[way]; return is })
	r.ways.forget()
	r.keptWays = r.sets.Ways.Len()
}
