package reload

import (
	"fmt"
	"slices"

	"github.com/osrg/gobgp/v3/pkg/config/oc"
)

// A VRF whose route targets alone are others than before stays, and its sessions with it: it is
// given the new ones. Where it gets other import and other export targets it imports by those of
// before too until all that goes out of it has the new ones, so that its own routes are never away.

// Retargeted is a VRF that has other route targets than before.
type Retargeted struct {
	// Were are the export targets that routes of it may have yet.
	Were []string
	// Imports and Exports are its targets.
	Imports, Exports []string
	// Also are the import targets of before where it imports by these too: see VRFs.Retarget.
	Also []string
}

// All are the import targets that it has meanwhile.
func (t Retargeted) All() []string { return union(t.Imports, t.Also) }

// retargets tells whether a VRF stays with other route targets.
func retargets(r *Reconciler, name string, want *state) bool {
	return r.vrfKept(name, want) && !sameVRF(r.vrfs[name], want.vrfs[name])
}

// retarget gives VRFs that stay the route targets that they are to have.
func retarget(r *Reconciler, want *state) error {
	exports := exportsChange(r, want)
	for _, name := range sortedNames(want.vrfs) {
		if _, had := r.vrfs[name]; !had || !retargets(r, name, want) {
			continue
		}
		was, is := r.vrfs[name].Config, want.vrfs[name].Config
		t, before := r.Retargeted[name], r.Retargeted[name].All()
		t.Were = union(t.Were, was.ExportRtList)
		t.Imports, t.Exports = is.ImportRtList, is.ExportRtList
		if exports {
			t.Also = union(before, was.ImportRtList)
		}
		if err := r.server.Retarget(name, t.All(), t.Exports); err != nil {
			return fmt.Errorf("give VRF %q other route targets: %w", name, err)
		}
		r.Retargeted[name], r.vrfs[name] = t, want.vrfs[name]
		r.VRFsChanged = true
		r.changed("VRF %s has other route targets: import RTs %v, export RTs %v", name, is.ImportRtList, is.ExportRtList)
	}
	return nil
}

// exportsChange tells whether a VRF that stays comes to have other export targets: what others import
// of it is theirs by their new targets only when it has gone out with its own.
func exportsChange(r *Reconciler, want *state) bool {
	for name, is := range want.vrfs {
		if was, had := r.vrfs[name]; had && retargets(r, name, want) && !sameTargets(was.Config.ExportRtList, is.Config.ExportRtList) {
			return true
		}
	}
	return false
}

func sameVRF(a, b oc.Vrf) bool {
	return a.Config.Rd == b.Config.Rd && sameTargets(a.Config.ImportRtList, b.Config.ImportRtList) &&
		sameTargets(a.Config.ExportRtList, b.Config.ExportRtList)
}

func sameTargets(a, b []string) bool { return slices.Equal(union(a, nil), union(b, nil)) }

// union are the targets of both lists, in order.
func union(a, b []string) []string {
	return slices.Compact(slices.Sorted(slices.Values(slices.Concat(a, b))))
}
