package nsworker

import (
	"cmp"

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

// telling is which paths that a VRF's neighbours sent others are told of, as far as the policy of
// its export says so.
type telling struct {
	of string // the VRF in BGP
	by rib.Judge
}

func tellingOf(s vrf.Spec) telling {
	if x := &s.Export; s.VRF == "" && x.Enabled && !x.AdvertiseRejected {
		return telling{s.Of(), x.Policy}
	}
	return telling{of: s.Of()}
}

// are tells whether a path is one that a neighbour of the VRF sent.
func (t telling) are(p *rib.Path) bool {
	return p.Attrs.Peer.IsValid() && cmp.Or(p.Attrs.Source, vrf.Default) == t.of
}

// tells tells whether neighbours are told of some path of a prefix.
func (t telling) tells(paths []rib.Path, by *rib.RPKI) bool {
	for i := range paths {
		p := &paths[i]
		if t.are(p) && (t.by == nil || !t.by.Judge(rib.Subject{Prefix: p.Prefix, RD: p.RD, Attrs: p.Attrs, VRF: t.of, RPKI: by.For(t.by, p), Unacted: true}, nil).Rejected) {
			return true
		}
	}
	return false
}
