package main

import (
	"context"
	"net/netip"
	"time"

	"github.com/vrfredist/vrfredist/api"
	"github.com/vrfredist/vrfredist/rib"
	"github.com/vrfredist/vrfredist/vrf"
)

// Plan has something of every kind; with a VRF named it has nothing.
func (f *fakeDaemon) Plan(_ context.Context, r vrf.PlanRequest, yield func(vrf.PlanItem) error) error {
	p := netip.MustParsePrefix
	items := []vrf.PlanItem{
		{Kind: vrf.PlanSetting, Op: vrf.PlanChange, Text: "netlink.metrics changed: it takes effect at the next start"},
		{Kind: vrf.PlanNeighbor, Op: vrf.PlanAdd, Text: "192.0.2.9 AS 65300", Notes: []string{"which routes it will send cannot be known before"}},
		{Kind: vrf.PlanNeighbor, Op: vrf.PlanChange, Text: "192.0.2.1 AS 65100", Details: []string{"timers.config.hold-time: 90 -> 30"}},
		{Kind: vrf.PlanVRF, Op: vrf.PlanChange, VRF: "red", Text: "red (table 1002)", Details: []string{"binding: table 1001 -> table 1002", "export.metric: 20 -> 30"}},
		{Kind: vrf.PlanRoute, Op: vrf.PlanRemove, VRF: "red", Prefix: p("10.0.0.0/8"), Text: "10.0.0.0/8 via 198.51.100.1 dev eth0 proto vrfredist metric 20", Where: rib.Binding{Table: 1001}},
		{Kind: vrf.PlanRoute, Op: vrf.PlanAdd, VRF: "red", Prefix: p("10.0.0.0/8"), Text: "10.0.0.0/8 via 198.51.100.1 dev eth0 proto vrfredist metric 30", Where: rib.Binding{Table: 1002}},
		{Kind: vrf.PlanAnnouncement, Op: vrf.PlanRemove, VRF: "red", Prefix: p("192.0.2.0/24"), Text: "192.0.2.0/24 MED 0"},
		{Kind: vrf.PlanOfVRF, VRF: "red", Totals: &vrf.PlanTotals{PlanCounts: vrf.PlanCounts{Added: 3, Removed: 3, Kept: 2, Withdrawn: 1}, Unlisted: 4}},
		{Kind: vrf.PlanVRF, Op: vrf.PlanRemove, VRF: "blue", Text: "blue (netns b)"},
		{Kind: vrf.PlanOfVRF, VRF: "blue", Totals: &vrf.PlanTotals{}},
		{Kind: vrf.PlanSummary, Text: "2 VRFs, 2 neighbours and 1 setting would change. Nothing was changed.",
			Totals: &vrf.PlanTotals{PlanCounts: vrf.PlanCounts{Added: 3, Removed: 3, Kept: 2, Withdrawn: 1}, Unlisted: 4, VRFs: 2, Neighbors: 2, Settings: 1}},
	}
	if r.VRF != "" {
		items = []vrf.PlanItem{{Kind: vrf.PlanSummary, Text: "Nothing would change: the file says what is in force.", Totals: &vrf.PlanTotals{}}}
	}
	for _, i := range items {
		if err := yield(i); err != nil {
			return err
		}
	}
	return nil
}

func (f *fakeDaemon) Reload(_ context.Context, confirm time.Duration) ([]string, time.Time, error) {
	changes, err := f.changes()
	if confirm == 0 || err != nil {
		return changes, time.Time{}, err
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	f.waits = true
	return changes, now.Add(confirm), nil
}

func (f *fakeDaemon) Listen(wants func(vrf.RouteEvent) bool) *vrf.Listener {
	return new(vrf.Tap).Listen(wants)
}

func (f *fakeDaemon) Confirm(context.Context) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	if !f.waits {
		return api.ErrNothingToConfirm
	}
	f.waits = false
	return nil
}

func (f *fakeDaemon) Unconfirmed() (vrf.Unconfirmed, bool) {
	f.mu.Lock()
	defer f.mu.Unlock()
	return vrf.Unconfirmed{}, f.waits
}
