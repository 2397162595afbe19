package daemon

import (
	"testing"
	"time"

	"github.com/vrfredist/vrfredist/vrf"
)

func statuses(states ...vrf.State) []vrf.Status {
	var all []vrf.Status
	for i, s := range states {
		all = append(all, vrf.Status{Spec: vrf.Spec{Name: string(rune('a' + i))}, WorkerStatus: vrf.WorkerStatus{State: s}})
	}
	return all
}

func TestSettled(t *testing.T) {
	for _, tc := range []struct {
		states []vrf.State
		since  time.Duration
		want   bool
	}{
		{nil, 0, true},
		{[]vrf.State{vrf.Ready, vrf.Degraded}, 0, true},
		{[]vrf.State{vrf.Ready, vrf.Syncing}, absentTime, false},
		{[]vrf.State{vrf.Ready, vrf.Syncing}, readyTime - 1, false},
		{[]vrf.State{vrf.Ready, vrf.Syncing}, readyTime, true},
		{[]vrf.State{vrf.Pending}, absentTime - 1, false},
		{[]vrf.State{vrf.Pending, vrf.Failed}, absentTime, true},
		{[]vrf.State{vrf.Pending, vrf.Syncing}, absentTime, false},
	} {
		if got := settled(statuses(tc.states...), tc.since); got != tc.want {
			t.Errorf("%v after %v: %v, want %v", tc.states, tc.since, got, tc.want)
		}
	}
}

func TestFares(t *testing.T) {
	for want, states := range map[string][]vrf.State{
		"no VRFs":        nil,
		"1 VRF: 1 ready": {vrf.Ready},
		"4 VRFs: 1 ready, 1 syncing, 1 degraded (c), 1 failed (d)": {vrf.Ready, vrf.Syncing, vrf.Degraded, vrf.Failed},
		"5 VRFs: 1 syncing, 4 pending (b, c, d, …)":                {vrf.Syncing, vrf.Pending, vrf.Pending, vrf.Pending, vrf.Pending},
	} {
		if got := fares(statuses(states...)); got != want {
			t.Errorf("%q, want %q", got, want)
		}
	}
}
