package speaker

import (
	"slices"

	"github.com/vrfredist/vrfredist/rib"
)

// Default is the name under which the global table has a feed.
const Default = "default"

// VRF is a VRF of BGP's configuration. Its route targets are sorted and unique.
type VRF struct {
	Name                 string
	RD                   rib.RD
	ImportRTs, ExportRTs []rib.RT
	// Carried is how what goes out of it is carried; nil: as VPN routes that nothing here delivers.
	// It is nobody's to change.
	Carried *rib.Carried
}

// ByEVPN tells whether what goes out of it is told by EVPN, and not as VPN routes.
func (v *VRF) ByEVPN() bool { return v.Carried != nil && v.Carried.ByEVPN() }

// ByLabel tells whether what goes out of it is VPN routes that lead packets over the core, by MPLS
// or SRv6.
func (v *VRF) ByLabel() bool { return v.Carried != nil && !v.Carried.ByEVPN() }

// FindVRF returns the VRF called name.
func FindVRF(vrfs []VRF, name string) (VRF, bool) {
	for _, v := range vrfs {
		if v.Name == name {
			return v, true
		}
	}
	return VRF{}, false
}

// namesOf are the names of VRFs, and Default.
func namesOf(vrfs []VRF) map[string]bool {
	names := map[string]bool{Default: true}
	for _, v := range vrfs {
		names[v.Name] = true
	}
	return names
}

// CloneVRFs returns VRFs that have no memory in common with these.
func CloneVRFs(vrfs []VRF) []VRF {
	out := slices.Clone(vrfs)
	for i, v := range out {
		out[i].ImportRTs, out[i].ExportRTs = slices.Clone(v.ImportRTs), slices.Clone(v.ExportRTs)
		if v.Carried != nil {
			by := *v.Carried
			out[i].Carried = &by
		}
	}
	return out
}

// meet tells whether two lists have a route target in common.
func meet(a, b []rib.RT) bool {
	return slices.ContainsFunc(a, func(rt rib.RT) bool { return slices.Contains(b, rt) })
}
