package daemon

import (
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/vrfredist/vrfredist/doctor"
	"github.com/vrfredist/vrfredist/rib/speaker"
	"github.com/vrfredist/vrfredist/vrf"
)

// driftOf is a neighbour of a VRF that somebody deleted; of "": of all of BGP.
func driftOf(name string) speaker.Difference {
	return speaker.Difference{Kind: speaker.KindNeighbor, Name: "192.0.2.2", VRF: name, Missing: true, By: "uid 7", Since: time.Unix(1000, 0)}
}

// TestDrifted: a VRF is degraded where BGP has something of it otherwise; what is of BGP
// as a whole is told where the global table is, and counted elsewhere.
func TestDrifted(t *testing.T) {
	const deleted = "neighbour 192.0.2.2: BGP has it no more: deleted by uid 7; `vrfredist reload` puts it right"
	of := func(name string, state vrf.State, reason string) vrf.Status {
		st := vrf.Status{Spec: vrf.Spec{Name: name}}
		st.State, st.Reason = state, reason
		return st
	}
	for _, tc := range []struct {
		name  string
		st    vrf.Status
		drift speaker.Difference
		state vrf.State
		says  string
	}{
		{"its own", of("red", vrf.Ready, ""), driftOf("red"), vrf.Degraded, deleted},
		{"beside a trouble", of("red", vrf.Degraded, "2 failed"), driftOf("red"), vrf.Degraded, deleted + "; 2 failed"},
		{"another VRF's", of("red", vrf.Ready, ""), driftOf("blue"), vrf.Ready, ""},
		{"of a VRF that does not run", of("red", vrf.Pending, "waits"), driftOf("red"), vrf.Pending, "waits"},
		{"of all, elsewhere", of("red", vrf.Ready, ""), driftOf(""), vrf.Degraded, "BGP as a whole is not as the configuration says (1 difference); `vrfredist reload` puts it right"},
		{"of all, in the global table", of("default", vrf.Ready, ""), driftOf(""), vrf.Degraded, deleted},
	} {
		got := drifted(tc.st, []speaker.Difference{tc.drift})
		if got.State != tc.state || got.Reason != tc.says {
			t.Errorf("%s: %s (%s)\nwant %s", tc.name, got.State, got.Reason, tc.says)
		}
	}
}

func TestDriftFindings(t *testing.T) {
	b := &fakeBGP{
		trail: new(trail), drift: []speaker.Difference{driftOf("red")},
		additions: []speaker.Addition{{Kind: speaker.KindNeighbor, Name: "192.0.2.9"}, {Kind: speaker.KindNeighbor, Name: "192.0.2.8", By: "uid 7"}},
	}
	kind := string(speaker.KindNeighbor)
	want := []doctor.Drift{
		{Subject: kind + " 192.0.2.2", What: kind + " 192.0.2.2: BGP has it no more: deleted by uid 7"},
		{Subject: kind + " 192.0.2.9", What: "added by another client of the API", Added: true},
		{Subject: kind + " 192.0.2.8", What: "added by uid 7", Added: true},
	}
	if d := cmp.Diff(want, driftFindings(b)); d != "" {
		t.Errorf("(-want +got)\n%s", d)
	}
}
