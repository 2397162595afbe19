package rib

// Mirror says whose paths a second feed has.
type Mirror struct {
	VRF string
	// Carried leaves it those that other PEs sent: it is for a table that puts packets into the VRF's
	// encapsulation, and does nothing else.
	Carried bool
}

// ofPE tells whether another PE sent a path into the VRF that has it: it is not of a neighbour in it,
// and no other VRF leaks it.
func ofPE(p *Path) bool { return p.Attrs.Carrier != NotCarried && p.Attrs.Source == "" }

// CarriedOf are those of paths that other PEs sent.
func CarriedOf(paths []Path) []Path {
	var out []Path
	for i := range paths {
		if ofPE(&paths[i]) {
			out = append(out, paths[i])
		}
	}
	return out
}
