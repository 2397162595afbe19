package daemon

import (
	"context"

	"github.com/vrfredist/vrfredist/rib"
	"github.com/vrfredist/vrfredist/vrf"
)

// running are the VRFs that run, and their workers: the supervisor.
type running interface {
	faring
	Get(name string) (vrf.Status, bool)
	Routes(ctx context.Context, name string, q vrf.RouteQuery, yield func(rib.RouteStatus) bool) error
	Resync(ctx context.Context, name string) (vrf.Repair, error)
	Explain(ctx context.Context, name string, q rib.Question) (rib.Explanation, error)
}

// vrfs are the VRFs as who asks sees them: how they fare in the kernel and in BGP. It is
// a part of the api.Backend, and of the sources of metrics and status page. Routes,
// Explain and Changed are the supervisor's.
type vrfs struct {
	running
	force *inForce
	bgp   heldBGP
	tap   *vrf.Tap
}

// List implements api.Backend.
func (v *vrfs) List() []vrf.Status {
	list := v.running.List()
	if drift := v.bgp.Drift(); len(drift) > 0 {
		for i := range list {
			list[i] = drifted(list[i], drift)
		}
	}
	return list
}

// Get implements api.Backend. A VRF that nothing was enabled for has a status
// too: it is configured, and nothing runs for it.
func (v *vrfs) Get(name string) (vrf.Status, bool) {
	if st, ok := v.running.Get(name); ok {
		return drifted(st, v.bgp.Drift()), true
	}
	s, ok := v.force.spec(name)
	return vrf.Status{Spec: s}, ok
}

// Listen implements api.Backend.
func (v *vrfs) Listen(wants func(vrf.RouteEvent) bool) *vrf.Listener { return v.tap.Listen(wants) }

// Resync implements api.Backend. It sends again what of the VRF's announcements BGP has
// lost, too.
func (v *vrfs) Resync(ctx context.Context, name string) (vrf.Repair, error) {
	repair, err := v.running.Resync(ctx, name)
	if err != nil {
		return repair, err
	}
	spec, ok := v.force.spec(name)
	if !ok || spec.VRF != "" {
		return repair, nil // a secondary table announces nothing
	}
	lost, err := v.bgp.Reannounce(ctx, name)
	repair.Announced += lost
	return repair, err
}

// serves tells BGP whether the routes of a VRF are in a kernel table.
func (v *vrfs) serves(name string) bool {
	for _, st := range v.running.List() {
		if st.Spec.Of() == name {
			return true
		}
	}
	return false
}
