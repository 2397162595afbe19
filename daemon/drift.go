package daemon

import (
	"cmp"
	"context"
	"fmt"
	"net/netip"
	"strings"

	"github.com/vrfredist/vrfredist/api"
	"github.com/vrfredist/vrfredist/doctor"
	"github.com/vrfredist/vrfredist/rib/speaker"
	"github.com/vrfredist/vrfredist/vrf"
)

// List implements api.Backend: how the VRFs fare, in the kernel and in BGP.
func (d *daemon) List() []vrf.Status {
	list := d.supervisor.List()
	if drift := d.speaker.Drift(); len(drift) > 0 {
		for i := range list {
			list[i] = drifted(list[i], drift)
		}
	}
	return list
}

// drifted is the status of a VRF of which BGP has something otherwise than the
// configuration says. What is about BGP as a whole is told in full where the global
// table is: it may be of other tenants.
func drifted(st vrf.Status, drift []speaker.Difference) vrf.Status {
	var reasons []string
	others := 0
	for _, diff := range drift {
		of := st.Spec.Of()
		switch {
		case diff.VRF != "" && diff.VRF != of:
			continue
		case diff.VRF == "" && of != vrf.Default:
			others++
			continue
		case diff.Kind == speaker.KindVRF:
			reasons = append(reasons, diff.Reason())
		default:
			reasons = append(reasons, diff.String())
		}
		if st.State == vrf.Ready {
			st.Since = diff.Since
		}
	}
	if others > 0 {
		reasons = append(reasons, fmt.Sprintf("BGP as a whole is not as the configuration says (%s)", vrf.CountOf(others, "difference")))
	}
	if len(reasons) == 0 || st.State != vrf.Ready && st.State != vrf.Degraded {
		return st
	}
	reasons = append(reasons, "`vrfredist reload` puts it right")
	if st.Reason != "" {
		reasons = append(reasons, st.Reason)
	}
	st.State, st.Reason = vrf.Degraded, strings.Join(reasons, "; ")
	return st
}

// drifts are what doctor has to say of BGP.
func (d *daemon) drifts() []doctor.Drift {
	var out []doctor.Drift
	for _, diff := range d.speaker.Drift() {
		out = append(out, doctor.Drift{Subject: fmt.Sprintf("%s %s", diff.Kind, cmp.Or(diff.Shown, diff.Name)), What: diff.String()})
	}
	for _, a := range d.speaker.Additions() {
		drift := doctor.Drift{Subject: fmt.Sprintf("%s %s", a.Kind, a.Name), Added: true}
		if drift.What = "added by " + a.By; a.By == "" {
			drift.What = "added by another client of the API"
		}
		out = append(out, drift)
	}
	return out
}

// Restore implements api.Backend.
func (d *daemon) Restore(ctx context.Context, name string) ([]string, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	concerned := name == ""
	for _, diff := range d.speaker.Drift() {
		concerned = concerned || diff.VRF == "" || diff.VRF == name
	}
	if !concerned {
		return nil, nil
	}
	// What has begun is finished, and a client that goes away ends nothing.
	changes, err := d.speaker.Restore(context.WithoutCancel(ctx))
	if err != nil {
		return nil, fmt.Errorf("put BGP right: %w", err)
	}
	return changes, nil
}

// reannounce sends again what of a VRF's announcements BGP has lost.
func (d *daemon) reannounce(ctx context.Context, name string) (int, error) {
	spec, ok := d.spec(name)
	if !ok || spec.VRF != "" {
		return 0, nil // a further table announces nothing
	}
	return d.speaker.Reannounce(ctx, name)
}

// serves tells BGP whether the routes of a VRF are in a kernel table.
func (d *daemon) serves(name string) bool {
	for _, st := range d.supervisor.List() {
		if st.Spec.Of() == name {
			return true
		}
	}
	return false
}

// called is a neighbour's address as people know it, where BGP knows it by an alias.
func (d *daemon) called(name string) string {
	inside, addr := d.inside.Load(), netip.Addr{}
	if alias, err := netip.ParseAddr(name); err == nil {
		addr = alias
	}
	if inside == nil {
		return name
	}
	if n, ok := (*inside)[addr]; ok {
		return fmt.Sprintf("%s (in the gobgp command line %s)", n, name)
	}
	return name
}

var _ api.Backend = (*daemon)(nil)
