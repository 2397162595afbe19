package rib

import (
	"net/netip"
	"slices"
)

// Choice is what a VRF goes by for a prefix, as others leak it: the paths that it chooses among
// those that BGP has for it, as BGP has them; none: it goes by nothing that BGP has.
type Choice struct {
	Prefix netip.Prefix
	Paths  []Path
	// Untabled says that the VRF's own table need not have a route of them: its export is off,
	// or asks for communities that they do not carry. Packets get out by its interfaces, and not
	// by its table.
	Untabled bool
}

// Choice is what a verdict comes to for those who leak from the VRF. paths are those that were
// judged, as BGP has them, and room is for the chosen ones, which are appended to it. Whether
// their nexthops are reached does not count: who leaks them looks that up in the same VRF.
func (v *Verdict) Choice(prefix netip.Prefix, paths, room []Path) (c Choice, rest []Path) {
	c = Choice{Prefix: prefix, Untabled: v.Out == ExportOff || v.Out == NoCommunity}
	switch v.Out {
	case Accepted, OwnImport, OwnPrefix, NoCommunity, ExportOff:
	default:
		return c, room
	}
	from := len(room)
	for i := range v.Chosen {
		chosen := &v.Chosen[i]
		if at := slices.IndexFunc(paths, func(p Path) bool { return p.RD == chosen.RD && p.ID == chosen.ID }); at >= 0 {
			room = append(room, paths[at])
		}
	}
	c.Paths = room[from:len(room):len(room)]
	return c, room
}
