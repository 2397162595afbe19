package nsworker

import (
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

// beside is how the kernel's routes that the VRF imports and our own stand beside each other.
type beside struct {
	taken rib.Taken
	moved func(rib.Slot) // our route of a slot came, went, or changed its metric
}

// note tells where our route came, went, or changed its metric, of which metric is in use.
func (b *beside) note(slot rib.Slot, e *route, metric uint32) {
	now := standsNot
	switch {
	case e.Have == nil:
	case e.Have.Metric == metric:
		now = standsHere
	default:
		now = standsElsewhere
	}
	if now != e.Note.past.stood() {
		e.Note.past.stand(now)
		b.moved(slot)
	}
}
