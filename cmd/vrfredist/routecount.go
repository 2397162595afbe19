package main

import (
	"context"

	vrfredistv1 "github.com/vrfredist/vrfredist/api/v1"
	"github.com/vrfredist/vrfredist/rib"
	"github.com/vrfredist/vrfredist/vrf"
)

// counted is what `route --count --json` prints.
type counted struct {
	Routes int            `json:"routes"`
	States map[string]int `json:"states"` // none is of 0
}

// countRoutes prints how many routes there are in which state. What the daemon
// counts anyhow it is asked for; the rest is listed, and only counted.
func (c routeCommands) countRoutes(ctx context.Context, client vrfredistv1.RedistributionClient, r *vrfredistv1.ListRoutesRequest) error {
	n := counted{States: make(map[string]int)}
	count := n.list
	if r.GetDirection() == vrfredistv1.Direction_DIRECTION_EXPORT && r.GetPrefix() == "" {
		count = n.ask
	}
	if err := count(ctx, client, r); err != nil {
		return err
	}
	for state, routes := range n.States {
		if n.Routes += routes; routes == 0 {
			delete(n.States, state)
		}
	}
	if c.json {
		return printJSON(c.out, n)
	}
	return printFolded(c.out, total(n.Routes, "route", n.States, stateOrder()))
}

// ask takes the counters of the VRF.
func (n counted) ask(ctx context.Context, client vrfredistv1.RedistributionClient, r *vrfredistv1.ListRoutesRequest) error {
	answer, err := client.GetVrf(ctx, &vrfredistv1.GetVrfRequest{Vrf: r.GetVrf()})
	if err != nil {
		return err
	}
	switch vrf.State(answer.GetVrf().GetState()) {
	case vrf.Ready, vrf.Degraded, vrf.Syncing:
	default:
		return n.list(ctx, client, r) // which says why there are none
	}
	if len(answer.GetVrf().GetLeaks()) > 0 { // what they keep out is in no counter
		return n.list(ctx, client, r)
	}
	all := answer.GetVrf().GetCounts()
	of := map[string]uint32{
		rib.Installed.String(): all.GetInstalled(), rib.Filtered.String(): all.GetFiltered(), rib.Unresolved.String(): all.GetUnresolved(),
		rib.Conflict.String(): all.GetConflict(), rib.OverQuota.String(): all.GetOverQuota(), rib.Failed.String(): all.GetFailed(), rib.Stale.String(): all.GetStale(),
	}
	wanted := r.GetStates()
	for state, routes := range of {
		if len(wanted) == 0 {
			n.States[state] = int(routes)
		}
	}
	for _, state := range wanted {
		routes, known := of[state]
		if !known { // the daemon has the words for what is no state
			return n.list(ctx, client, r)
		}
		n.States[state] = int(routes)
	}
	return nil
}

func (n counted) list(ctx context.Context, client vrfredistv1.RedistributionClient, r *vrfredistv1.ListRoutesRequest) error {
	stream, err := client.ListRoutes(ctx, r)
	if err != nil {
		return err
	}
	for {
		route, err := stream.Recv()
		if err != nil {
			return ended(err)
		}
		state := route.GetState()
		if r.GetDirection() == vrfredistv1.Direction_DIRECTION_IMPORT && state == rib.Installed.String() {
			state = announced
		}
		n.States[state]++
	}
}
