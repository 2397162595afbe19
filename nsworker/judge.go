package nsworker

import (
	"github.com/vrfredist/vrfredist/rib"
	"github.com/vrfredist/vrfredist/vrf"
)

// exporting is how a VRF judges what BGP has for it.
func exporting(s vrf.Spec) *rib.Exporting { return rib.NewExporting(s.Name, s.Of(), s.Export) }

// importing is how a VRF judges the kernel's routes.
func importing(s vrf.Spec) *rib.Importing { return rib.NewImporting(s.Name, s.Import, s.Protocol) }
