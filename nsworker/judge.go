package nsworker

import (
	"github.com/vrfredist/vrfredist/rib"
	"github.com/vrfredist/vrfredist/vrf"
)

// exporting is how a VRF judges what BGP has for it.
func exporting(s vrf.Spec) *rib.Exporting {
	x := rib.NewExporting(s.Name, s.Of(), s.Export)
	if len(s.Originates.Aggregates) > 0 {
		x = x.Discarding(s.Originates.Aggregates)
	}
	return x
}

// takenOf is what a VRF imports, as the choice among its paths depends on it. A secondary table
// imports nothing: what its VRF imported is not in it.
func takenOf(s vrf.Spec, x *rib.Importing, v rib.View) rib.Taken {
	if s.VRF != "" {
		return nil
	}
	return rib.TakenOf(x, v)
}

// importing is how a VRF judges the kernel's routes.
func importing(s vrf.Spec) *rib.Importing { return rib.NewImporting(s.Name, s.Import, s.Protocol) }
