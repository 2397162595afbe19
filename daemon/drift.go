package daemon

import (
	"cmp"
	"context"
	"fmt"
	"strings"

	"github.com/vrfredist/vrfredist/doctor"
	"github.com/vrfredist/vrfredist/rib/speaker"
	"github.com/vrfredist/vrfredist/vrf"
)

// heldBGP is BGP as far as it is held to the configuration.
type heldBGP interface {
	// Drift returns what BGP has otherwise than the configuration says.
	Drift() []speaker.Difference
	// Additions returns what other clients added.
	Additions() []speaker.Addition
	// Restore puts right what Drift returns, and returns a line for each thing.
	Restore(ctx context.Context) ([]string, error)
	// Reannounce sends again what of a VRF's announcements BGP has lost.
	Reannounce(ctx context.Context, vrf string) (int, error)
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

// driftFindings are what doctor has to say of BGP.
func driftFindings(bgp heldBGP) []doctor.Drift {
	var out []doctor.Drift
	for _, diff := range bgp.Drift() {
		out = append(out, doctor.Drift{Subject: fmt.Sprintf("%s %s", diff.Kind, cmp.Or(diff.Shown, diff.Name)), What: diff.String()})
	}
	for _, a := range bgp.Additions() {
		drift := doctor.Drift{Subject: fmt.Sprintf("%s %s", a.Kind, a.Name), Added: true}
		if drift.What = "added by " + a.By; a.By == "" {
			drift.What = "added by another client of the API"
		}
		out = append(out, drift)
	}
	return out
}
