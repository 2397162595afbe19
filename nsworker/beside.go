package nsworker

import (
	"maps"
	"slices"

	"github.com/vrfredist/vrfredist/rib"
)

// Tables beside the VRF's own are read for import alone: nothing is written to them, and no
// nexthop is looked up in them.

// setBeside takes in what another table holds now.
func (s *tableSync) setBeside(table uint32, now *rib.ForeignTable) {
	v := s.view()
	next := maps.Clone(v.Beside) // others may read the old one
	if next == nil {
		next = make(map[uint32]*rib.ForeignTable)
	}
	next[table] = now
	v.Beside = next
}

// onBeside takes in a change that another program made in such a table.
func (s *tableSync) onBeside(ev rib.RouteEvent) {
	before, followed := s.view().Beside[ev.Table]
	switch {
	case !followed: // no more, or not yet read
		return
	case s.routes.owns(ev.Route):
		if ev.Replaces {
			s.doubt(rib.ResyncOverwritten) // maybe of a route that is in here
		}
		return
	}
	next, sure := before.After(ev)
	if !sure {
		s.doubt(rib.ResyncOverwritten)
	}
	s.setBeside(ev.Table, next)
	s.announced.look(ev.Route.Prefix)
	s.routes.chooseAgain(ev.Route.Prefix)
}

// others returns what is not ours of the routes of another table, where another VRF may have
// written them.
func (r *routes) others(all []rib.Route) []rib.Route { return slices.DeleteFunc(all, r.owns) }
