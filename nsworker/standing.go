package nsworker

import (
	"net/netip"

	"github.com/vrfredist/vrfredist/rib"
)

// stands is how a route of ours stands in the table, as far as the import of others beside it
// depends on that.
type stands uint8

const (
	standsNot stands = iota
	standsHere
	standsElsewhere // under another metric than that in use
)

// standing implements rib.Standing.
func (r *routes) standing(prefix netip.Prefix) (metric uint32, is bool) {
	if _, e := r.entryOf(prefix); e != nil && e.Have != nil {
		return e.Have.Metric, true
	}
	return 0, false
}

// noteStanding tells where our route came, went, or changed its metric.
func (r *routes) noteStanding(slot rib.Slot, e *route) {
	now := standsNot
	switch {
	case e.Have == nil:
	case e.Have.Metric == r.spec.Export.Metric:
		now = standsHere
	default:
		now = standsElsewhere
	}
	if now != e.Note.stands {
		e.Note.stands = now
		r.moved(slot)
	}
}

// chooseBesideImports has those prefixes decided again whose best path is the VRF's own import:
// which route is imported may be another now.
func (r *routes) chooseBesideImports() {
	if r.inState(rib.Filtered) == 0 {
		return
	}
	for slot, e := range r.All {
		if e.Note.out == rib.OwnImport {
			r.MarkAnew(slot, e)
		}
	}
}
