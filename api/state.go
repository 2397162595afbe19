package api

import (
	"context"
	"errors"
	"net/netip"

	"google.golang.org/grpc"

	vrfredistv1 "github.com/vrfredist/vrfredist/api/v1"
	"github.com/vrfredist/vrfredist/rib"
	"github.com/vrfredist/vrfredist/vrf"
)

// states tell of the VRFs, their routes and their neighbours.
type states struct{ views }

// ListVrfs returns the state of every VRF that runs.
func (s *states) ListVrfs(ctx context.Context, _ *vrfredistv1.ListVrfsRequest) (*vrfredistv1.ListVrfsResponse, error) {
	list := s.view(ctx).List()
	out := &vrfredistv1.ListVrfsResponse{Vrfs: make([]*vrfredistv1.Vrf, 0, len(list)), Unconfirmed: s.unconfirmed()}
	for _, st := range list {
		out.Vrfs = append(out.Vrfs, vrfMessage(st))
	}
	return out, nil
}

// GetVrf returns the state of one VRF.
func (s *states) GetVrf(ctx context.Context, r *vrfredistv1.GetVrfRequest) (*vrfredistv1.GetVrfResponse, error) {
	name := vrfName(r.GetVrf())
	st, ok := s.view(ctx).Get(name)
	if !ok {
		return nil, s.view(ctx).notFound(name)
	}
	sessions, err := s.view(ctx).Sessions(ctx, name)
	if err != nil {
		return nil, s.view(ctx).failed(name, err)
	}
	m := vrfMessage(st)
	for _, n := range sessions {
		m.Neighbors = append(m.Neighbors, neighborMessage(n))
	}
	for _, l := range s.view(ctx).Leaks(name) {
		m.Leaks = append(m.Leaks, &vrfredistv1.Leak{
			From: l.From, Policy: l.Policy, Link: l.Link, Prefixes: uint32(l.Prefixes), MaxPrefixes: uint32(l.Most), Over: uint32(l.Over),
		})
	}
	return &vrfredistv1.GetVrfResponse{Vrf: m, Unconfirmed: s.unconfirmed()}, nil
}

// ListRoutes streams the routes of one direction of a VRF.
func (s *states) ListRoutes(r *vrfredistv1.ListRoutesRequest, stream grpc.ServerStreamingServer[vrfredistv1.Route]) error {
	d, err := direction(r.GetDirection())
	if err != nil {
		return err
	}
	q, err := routeQuery(d, r)
	if err != nil {
		return err
	}
	name := vrfName(r.GetVrf())
	ctx := stream.Context()
	st, ok := s.view(ctx).Get(name)
	if !ok {
		return s.view(ctx).notFound(name)
	}
	var sending error
	err = s.view(ctx).Routes(ctx, name, q, func(route rib.RouteStatus) bool {
		if sending = ctx.Err(); sending == nil && q.Wants(route.Prefix, route.State) {
			sending = stream.Send(routeMessage(name, d, route))
		}
		return sending == nil
	})
	switch {
	case sending != nil:
		return s.view(ctx).failed(name, sending)
	case errors.Is(err, ErrUnknownVRF):
		return idle(st, "it has no routes to list")
	}
	return s.view(ctx).failed(name, err)
}

// Announced is the state of a kernel route that BGP has: it is BGP that it was put into. In a
// request "installed" means it too.
const Announced = "announced"

// routeQuery returns the query of a request. Each route of the answer is held against it
// again: a worker may return more.
func routeQuery(d vrf.Direction, r *vrfredistv1.ListRoutesRequest) (q vrf.RouteQuery, err error) {
	q.Direction = d
	if q.Within, err = prefixFilter(r.GetPrefix(), r.GetExact()); err != nil {
		return q, err
	}
	if r.GetExact() {
		q.Only = netip.MustParsePrefix(r.GetPrefix()) // it is one, or prefixFilter had refused it
	}
	for _, text := range r.GetStates() {
		state := rib.Installed
		if d == vrf.Import && text == Announced {
			text = rib.Installed.String()
		}
		for state <= rib.LastState && state.String() != text {
			state++
		}
		if state > rib.LastState {
			if d == vrf.Import {
				return q, invalid("states", "%q is no state of such a route; write announced or filtered", text)
			}
			return q, invalid("states", "%q is no state; write installed, filtered, unresolved, conflict, over-quota, over-limit, failed or stale", text)
		}
		q.States = append(q.States, state)
	}
	return q, nil
}
