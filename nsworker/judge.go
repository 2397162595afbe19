package nsworker

import (
	"net/netip"

	"github.com/vrfredist/vrfredist/rib"
	"github.com/vrfredist/vrfredist/vrf"
)

// exporting is how a VRF judges what BGP has for it.
func exporting(s vrf.Spec) *rib.Exporting { return rib.NewExporting(s.Name, s.Of(), s.Export) }

// importing is how a VRF judges the kernel's routes.
func importing(s vrf.Spec) *rib.Importing { return rib.NewImporting(s.Name, s.Import, s.Protocol) }

// decide says what becomes of a prefix with these paths. The paths that it chooses are
// good until the next call.
func (s *session) decide(prefix netip.Prefix, paths []rib.Path) rib.Verdict {
	v := rib.Decide(s.exporting, rib.Candidates{Prefix: prefix, Paths: paths, Own: s.mine, Room: s.pathBuf}, nil)
	s.pathBuf = v.Chosen
	return v
}
