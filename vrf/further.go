package vrf

import (
	"cmp"
	"net/netip"
	"slices"
	"strconv"

	"github.com/vrfredist/vrfredist/rib"
)

// Encapsulates tells whether s is the further table of a VRF that puts packets for other PEs into
// the VRF's encapsulation, in the core's namespace: see Further.
func (s *Spec) Encapsulates() bool { return s.VRF != "" && s.Carriage.Kind != 0 }

// Further is the secondary table of a VRF whose own table leads to other PEs through it: it is in the
// core's namespace, and has what other PEs sent, and nothing else, with the encapsulation. false: the
// VRF has none. What decides about paths is the same for both, so that the one has what the other
// leads to.
func Further(s *Spec) (Spec, bool) {
	to := s.Carriage.Through.To
	if s.VRF != "" || s.Carriage.Through == (rib.Through{}) {
		return Spec{}, false
	}
	f := *s
	f.VRF, f.Binding = s.Name, to
	f.Name += "/" + cmp.Or(to.Device, strconv.FormatUint(uint64(to.Table), 10))
	// Its own label or SID is the VRF's business, and another one changes nothing here.
	f.Carriage = rib.Carriage{Kind: s.Carriage.Kind, Core: s.Carriage.Core, SRv6: rib.SRv6{Reduced: s.Carriage.SRv6.Reduced}}
	f.Import = rib.ImportPolicy{AcceptMartians: s.Import.AcceptMartians}
	f.Makes = rib.OwnDevice{}
	f.Leaks, f.Originates, f.Customers, f.MaxPrefixes = nil, rib.Origination{}, false, 0
	// An address of the tenant is none of the core's, and its own table has chosen the source before.
	f.Export.PrefSrc = [rib.Families]netip.Addr{}
	f.Export.AdvertiseInstalled, f.Export.AdvertiseRejected = false, false
	return f, true
}

// WithFurther returns specs with the further tables of the VRFs in it that have one, and without
// others of that kind, in the order of names.
func WithFurther(specs []Spec) []Spec {
	out := make([]Spec, 0, len(specs))
	for i := range specs {
		if specs[i].Encapsulates() {
			continue
		}
		out = append(out, specs[i])
		if f, has := Further(&specs[i]); has {
			out = append(out, f)
		}
	}
	slices.SortFunc(out, func(a, b Spec) int { return cmp.Compare(a.Name, b.Name) })
	return out
}

// CountOfSpecs is how many VRFs there are among specs, and how many tables beside those: "2 VRFs", "2
// VRFs with 1 further table".
func CountOfSpecs(specs []Spec) string {
	vrfs := 0
	for i := range specs {
		if specs[i].VRF == "" {
			vrfs++
		}
	}
	s := CountOf(vrfs, "VRF")
	if tables := len(specs) - vrfs; tables > 0 {
		s += " with " + CountOf(tables, "secondary table")
	}
	return s
}
