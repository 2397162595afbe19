package nsworker

import (
	"net/netip"

	"github.com/vrfredist/vrfredist/rib"
)

// beside is how the kernel's routes that the VRF imports and our own stand beside each other, and
// who else is told of what is decided.
type beside struct {
	taken rib.Taken
	stood func(rib.Slot, *route) // told of each evaluated entry, of which our route may have come or gone
	// origin is told of what is chosen.
	origin *originating
	// choices are for those who leak from the VRF.
	choices choices
}

// standing implements rib.Standing.
func (b *books) standing(prefix netip.Prefix) (metric uint32, is bool) {
	if _, e := b.routes.entryOf(prefix); e != nil && e.Have != nil {
		return e.Have.Metric, true
	}
	return 0, false
}

// noteStanding looks whether our route of a slot came, went, or changed its metric, and has
// what is announced of its prefix decided again then. Of metrics that a policy sets it is not
// known whether they are what they were.
func (b *books) noteStanding(slot rib.Slot, e *route) {
	now := standsNot
	switch {
	case e.Have == nil:
	case e.Have.Metric == b.routes.spec.Export.Metric:
		now = standsHere
	default:
		now = standsElsewhere
	}
	if now == e.Note.past.stood() && now != standsElsewhere {
		return
	}
	e.Note.past.stand(now)
	if !b.importing.On() {
		return
	}
	if prefix := b.routes.feed.Prefix(slot); b.importing.Has(*b.view(), prefix) {
		b.announced.look(prefix)
	}
}

// chooseBesideImports has those prefixes decided again whose best path is the VRF's own import:
// which route is imported may be another now.
func (b *books) chooseBesideImports() {
	if b.routes.inState(rib.Filtered) == 0 {
		return
	}
	for slot, e := range b.routes.All {
		if e.Note.out == rib.OwnImport {
			b.routes.MarkAnew(slot, e)
		}
	}
}
