package daemon

import (
	"context"
	"slices"
	"strings"

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
	// sessions are the BGP neighbours of each VRF; nil: none are known.
	sessions func() map[string][]vrf.Session
	// absent are VRFs that are wanted and are not in force; nil: none is.
	absent func() []vrf.Status
	// leftOut is what was applied over the API and is not in force; nil: nothing is.
	leftOut func() []vrf.Layer
	// unfilled is why interfaces are not in the VRF device of a binding that is made here; nil:
	// none is.
	unfilled func(rib.Binding) string
}

// List implements api.Backend.
func (v *vrfs) List() []vrf.Status {
	list := v.running.List()
	v.count(list)
	if drift := v.bgp.Drift(); len(drift) > 0 {
		for i := range list {
			list[i] = drifted(list[i], drift)
		}
	}
	if v.leftOut != nil {
		if left := v.leftOut(); len(left) > 0 {
			for i := range list {
				list[i] = lacking(list[i], left)
			}
		}
	}
	if v.unfilled != nil {
		for i := range list {
			list[i] = unfilled(list[i], v.unfilled(list[i].Spec.Binding))
		}
	}
	return v.withAbsent(list)
}

// lacking is the status of a VRF of which something that was applied over the API is left out.
func lacking(st vrf.Status, left []vrf.Layer) vrf.Status {
	var reasons []string
	for _, l := range left {
		if l.VRF == st.Spec.Name {
			reasons = append(reasons, "what was applied over the API to "+l.Key.String()+" is left out: "+l.Failed)
		}
	}
	if len(reasons) == 0 || st.State != vrf.Ready && st.State != vrf.Degraded {
		return st
	}
	if st.Reason != "" {
		reasons = append(reasons, st.Reason)
	}
	st.State, st.Reason = vrf.Degraded, strings.Join(reasons, "; ")
	return st
}

// withAbsent adds the VRFs that are wanted and cannot be had, where nothing else is in force of that
// name.
func (v *vrfs) withAbsent(list []vrf.Status) []vrf.Status {
	for _, st := range v.missing() {
		at, is := slices.BinarySearchFunc(list, st, func(a, b vrf.Status) int { return strings.Compare(a.Spec.Name, b.Spec.Name) })
		if !is {
			list = slices.Insert(list, at, st)
		}
	}
	return list
}

func (v *vrfs) missing() (list []vrf.Status) {
	if v.absent == nil {
		return nil
	}
	for _, st := range v.absent() {
		if _, below := v.force.spec(st.Spec.Name); !below {
			list = append(list, st)
		}
	}
	return list
}

// Get implements api.Backend. A VRF that nothing was enabled for has a status
// too: it is configured, and nothing runs for it.
func (v *vrfs) Get(name string) (vrf.Status, bool) {
	if st, ok := v.running.Get(name); ok {
		one := []vrf.Status{drifted(st, v.bgp.Drift())}
		if v.leftOut != nil {
			one[0] = lacking(one[0], v.leftOut())
		}
		if v.unfilled != nil {
			one[0] = unfilled(one[0], v.unfilled(st.Spec.Binding))
		}
		v.count(one)
		return one[0], true
	}
	s, ok := v.force.spec(name)
	if !ok {
		for _, st := range v.missing() {
			if st.Spec.Name == name {
				return st, true
			}
		}
	}
	return vrf.Status{Spec: s}, ok
}

// count says how the neighbours of each VRF fare. The session of a neighbour says nothing of
// whether table and BGP agree, which the state of a VRF is about, so it is told beside that.
func (v *vrfs) count(list []vrf.Status) {
	if v.sessions == nil {
		return
	}
	all := v.sessions()
	for i := range list {
		if list[i].Spec.VRF == "" { // a further table has no neighbours
			list[i].Sessions = vrf.CountSessions(all[list[i].Spec.Name])
		}
	}
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
