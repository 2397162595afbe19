package api

import (
	"context"
	"errors"
	"net/netip"
	"strings"
	"time"

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
	if _, ok := s.view(ctx).Get(name); !ok {
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
		return idle(name, "it has no routes to list")
	}
	return s.view(ctx).failed(name, err)
}

// routeQuery returns the query of a request. Each route of the answer is held against it
// again: a worker may return more.
func routeQuery(d vrf.Direction, r *vrfredistv1.ListRoutesRequest) (q vrf.RouteQuery, err error) {
	q.Direction = d
	if q.Within, err = prefixFilter(r.GetPrefix(), r.GetExact()); err != nil {
		return q, err
	}
	for _, text := range r.GetStates() {
		state := rib.Installed
		for state <= rib.LastState && state.String() != text {
			state++
		}
		if state > rib.LastState {
			return q, invalid("states", "%q is no state; write installed, filtered, unresolved, conflict, over-quota, over-limit, failed or stale", text)
		}
		q.States = append(q.States, state)
	}
	return q, nil
}

func vrfMessage(st vrf.Status) *vrfredistv1.Vrf {
	c := st.Counts.Total()
	m := &vrfredistv1.Vrf{
		Name: st.Spec.Name, State: string(st.State), Reason: st.Reason,
		SinceUnix: unix(st.Since), RetryUnix: unix(st.Retry), Restarts: int32(st.Restarts),
		ImportRts: texts(st.Spec.ImportRTs), ExportRts: texts(st.Spec.ExportRTs),
		Netns: st.Spec.Binding.Netns, Device: st.Spec.Binding.Device, Table: st.Table,
		Binding: st.Spec.Binding.String(),
		Import:  importInfo(st.Spec), Export: exportInfo(st.Spec),
		Counts: &vrfredistv1.Counts{
			Paths: uint32(c.Paths), Imported: uint32(c.Imported), Installed: uint32(c.Installed),
			Filtered: uint32(c.Filtered), Unresolved: uint32(c.Unresolved), Conflict: uint32(c.Conflict),
			OverQuota: uint32(c.OverQuota), Failed: uint32(c.Failed), Stale: uint32(c.Stale), Foreign: uint32(c.Foreign),
		},
	}
	if p := st.Progress; p != (vrf.Progress{}) {
		m.Progress = &vrfredistv1.Progress{Phase: p.Phase, Done: uint32(p.Done), Total: uint32(p.Total)}
	}
	if st.Spec.RD != 0 {
		m.Rd = st.Spec.RD.String()
	}
	if st.Spec.Carriage.Kind != 0 {
		m.Carriage = carriageMessage(st)
	}
	return m
}

// carriageMessage says how packets get to other PEs.
func carriageMessage(st vrf.Status) *vrfredistv1.Carriage {
	c := &st.Spec.Carriage
	m := &vrfredistv1.Carriage{
		Encap: c.Kind.String(), Vni: c.VNI, Device: c.Device, DeviceReady: st.Carried.Device, Managed: c.Managed,
		Endpoints: uint32(st.Carried.Endpoints), Source: address(c.Core.VTEP), CoreNetns: c.Core.Netns,
	}
	if c.Router != (rib.MAC{}) {
		m.RouterMac = c.Router.String()
	}
	return m
}

// encapMessage is what packets are put into on a hop; nil: nothing.
func encapMessage(to rib.EncapTo) *vrfredistv1.Encap {
	if to.Encap == (rib.Encap{}) {
		return nil
	}
	m := &vrfredistv1.Encap{Kind: to.Kind().String(), Vni: to.Tunnel().VNI, Pe: address(to.PE), Text: to.String()}
	if mac := to.Tunnel().RouterMAC; to.PE.IsValid() && mac != (rib.MAC{}) {
		m.RouterMac = mac.String()
	}
	return m
}

func unix(t time.Time) int64 {
	if t.IsZero() {
		return 0
	}
	return t.Unix()
}

func routeMessage(name string, d vrf.Direction, r rib.RouteStatus) *vrfredistv1.Route {
	m := &vrfredistv1.Route{
		Prefix: r.Prefix.String(), State: r.State.String(), Reason: r.Reason,
		Metric: r.Route.Metric,
	}
	if r.Route.Kind != 0 {
		m.Kind = r.Route.Kind.String()
	}
	for i, hop := range r.Route.Hops {
		h := &vrfredistv1.Hop{Gateway: address(hop.Gateway), Weight: uint32(max(1, hop.Weight))}
		if i < len(r.Devices) {
			h.Device = r.Devices[i]
		}
		if i < len(r.Encaps) {
			h.Encap = encapMessage(r.Encaps[i])
		}
		m.Hops = append(m.Hops, h)
	}
	if d == vrf.Import {
		m.Protocol = rib.ProtocolName(r.Route.Protocol)
		m.Med = r.MED
		for _, c := range r.Comms {
			if strings.Count(c, ":") == 2 {
				m.LargeCommunities = append(m.LargeCommunities, c)
			} else {
				m.Communities = append(m.Communities, c)
			}
		}
		return m
	}
	addPath(m, name, r.Best)
	if b := r.Backup.Attrs; b != nil {
		m.Backup = &vrfredistv1.Backup{Nexthops: nexthops(b), Peer: address(b.Peer)}
		if b.Source != name {
			m.Backup.Source = b.Source
		}
	}
	return m
}

// nexthops are those of a path that it has.
func nexthops(a *rib.Attrs) (list []string) {
	for _, nexthop := range []netip.Addr{a.Nexthop, a.LinkLocal} {
		if nexthop.IsValid() {
			list = append(list, nexthop.String())
		}
	}
	return list
}

// addPath says where an exported route comes from. Of a stale route it is not known.
func addPath(m *vrfredistv1.Route, name string, best rib.Path) {
	if best.RD != 0 {
		m.Rd = best.RD.String()
	}
	a := best.Attrs
	switch {
	case a == nil:
		m.Label = best.Label
		return
	case a.Carrier == rib.ByEVPN:
		m.Vni = best.Label
	default:
		m.Label = best.Label
	}
	if a.Carrier != rib.NotCarried {
		m.Carrier = a.Carrier.String()
	}
	m.Nexthops = nexthops(a)
	m.Peer = address(a.Peer)
	m.AsPath = a.ASPath
	m.LocalPref, m.Med = a.LocalPref, a.MED
	m.Communities, m.LargeCommunities = texts(a.Communities), texts(a.Large)
	if a.Source != name {
		m.Source = a.Source
	}
}

func address(a netip.Addr) string {
	if !a.IsValid() {
		return ""
	}
	return a.String()
}
