package nsworker

import (
	"cmp"

	"github.com/vrfredist/vrfredist/rib"
	"github.com/vrfredist/vrfredist/vrf"
)

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
func (t telling) tells(paths []rib.Path) bool {
	for i := range paths {
		p := &paths[i]
		if t.are(p) && (t.by == nil || !t.by.Judge(rib.Subject{Prefix: p.Prefix, RD: p.RD, Attrs: p.Attrs, VRF: t.of, Unacted: true}, nil).Rejected) {
			return true
		}
	}
	return false
}

// told says of how many prefixes neighbours would be told no more, and of how many anew.
func (d *differ) told(was, is vrf.Spec, paths Candidates) {
	before, after := tellingOf(was), tellingOf(is)
	if before == after {
		return
	}
	less, more := 0, 0
	for _, prefix := range paths.WithPaths() {
		list := paths.Lookup(prefix)
		switch a, b := before.tells(list), after.tells(list); {
		case a && !b:
			less++
		case b && !a:
			more++
		}
	}
	if less > 0 {
		d.note("neighbours would be told no more of %s that the policy of the export rejects; with advertise_rejected = true they would be", vrf.CountOf(less, "prefix"))
	}
	if more > 0 {
		d.note("neighbours would be told of %s that they are not told of now", vrf.CountOf(more, "prefix"))
	}
}
