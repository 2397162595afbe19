package api

import (
	"cmp"
	"context"
	"maps"
	"slices"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	vrfredistv1 "github.com/vrfredist/vrfredist/api/v1"
	"github.com/vrfredist/vrfredist/rib"
	"github.com/vrfredist/vrfredist/vrf"
)

// neighborCalls are what is asked about one neighbour, and done to it.
type neighborCalls struct {
	views
	pace pace
}

// WatchNeighbors streams how the neighbours fare.
func (s *neighborCalls) WatchNeighbors(r *vrfredistv1.WatchNeighborsRequest, stream grpc.ServerStreamingServer[vrfredistv1.WatchNeighborsResponse]) error {
	ctx := stream.Context()
	wanted, err := neighborFilter(r.GetName())
	if err != nil {
		return err
	}
	if name := r.GetVrf(); name != "" {
		if _, ok := s.view(ctx).Get(name); !ok {
			return s.view(ctx).notFound(name)
		}
	}
	seen := make(map[string]*vrfredistv1.Neighbor)
	for {
		changed := s.all.Changed()
		all, err := s.view(ctx).AllSessions(ctx)
		if err != nil {
			return s.view(ctx).failed(r.GetVrf(), err)
		}
		maps.DeleteFunc(all, func(name string, _ []vrf.Session) bool { return r.GetVrf() != "" && r.GetVrf() != name })
		if err := sendWithin(stream, s.pace.patience, neighborNews(seen, all, wanted, time.Now())...); err != nil {
			return err
		}
		if err := rest(ctx, s.pace.look, nil, nil); err != nil {
			return err
		}
		if err := rest(ctx, 0, changed, nil); err != nil {
			return err
		}
	}
}

// neighborNews are the neighbours that fare otherwise than was seen, which it brings up to date.
func neighborNews(seen map[string]*vrfredistv1.Neighbor, all map[string][]vrf.Session, wanted func(vrf.Session) bool, now time.Time) (news []*vrfredistv1.WatchNeighborsResponse) {
	there := make(map[string]bool)
	for _, name := range slices.Sorted(maps.Keys(all)) {
		for _, n := range all[name] {
			if !wanted(n) {
				continue
			}
			key := name + " " + cmp.Or(n.Interface, n.BGPName()) + " " + n.BGPName()
			there[key] = true
			m := neighborMessage(n)
			m.Vrf = name
			was := seen[key]
			seen[key] = m
			if was != nil && was.GetState() == m.GetState() && was.GetReason() == m.GetReason() && was.GetDraining() == m.GetDraining() && was.GetEstablished() == m.GetEstablished() {
				continue
			}
			news = append(news, &vrfredistv1.WatchNeighborsResponse{TimeUnixNano: now.UnixNano(), Neighbor: m, Was: was.GetState()})
		}
	}
	for _, key := range slices.Sorted(maps.Keys(seen)) {
		if was := seen[key]; !there[key] {
			delete(seen, key)
			news = append(news, &vrfredistv1.WatchNeighborsResponse{TimeUnixNano: now.UnixNano(), Neighbor: was, Was: was.GetState(), Gone: true})
		}
	}
	return news
}

// one finds the neighbour that a request names. changes: the caller is to be allowed to change it.
func (s *neighborCalls) one(ctx context.Context, name, of string, changes bool) (vrf.Session, string, error) {
	view := s.view(ctx)
	if name == "" {
		return vrf.Session{}, "", invalid("name", "name a neighbour: its address, or its interface")
	}
	wanted, err := neighborFilter(name)
	if err != nil {
		return vrf.Session{}, "", err
	}
	all, err := view.AllSessions(ctx)
	if err != nil {
		return vrf.Session{}, "", view.failed(of, err)
	}
	var found []vrf.Session
	var in []string
	for _, v := range slices.Sorted(maps.Keys(all)) {
		for _, n := range all[v] {
			if wanted(n) && (of == "" || of == v) {
				found, in = append(found, n), append(in, v)
			}
		}
	}
	switch {
	case len(found) == 0:
		return vrf.Session{}, "", status.Errorf(codes.NotFound, "there is no neighbour %s; `vrfredist neighbor` lists those that there are", name)
	case len(found) > 1:
		return vrf.Session{}, "", invalid("name", "%s names neighbours of %s: add --vrf, or name one by its interface or its alias", name, vrf.Enumerate(slices.Compact(in), "and"))
	case changes && !view.changesOf(in[0]):
		return vrf.Session{}, "", status.Errorf(codes.PermissionDenied, "to do something to a neighbour of VRF %q needs the role admin, or that of the VRF", in[0])
	case !found[0].Peer.IsValid():
		return vrf.Session{}, "", status.Errorf(codes.FailedPrecondition, "the neighbour on %s is not there yet: %s", name, found[0].Reason)
	}
	return found[0], in[0], nil
}

// after is how a neighbour fares now.
func (s *neighborCalls) after(ctx context.Context, n vrf.Session, of string) *vrfredistv1.Neighbor {
	list, err := s.view(ctx).Sessions(ctx, of)
	if i := slices.IndexFunc(list, func(o vrf.Session) bool { return o.BGPName() == n.BGPName() }); err == nil && i >= 0 {
		n = list[i]
	}
	m := neighborMessage(n)
	m.Vrf = of
	return m
}

// ListNeighborRoutes streams what a neighbour sent, or is told.
func (s *neighborCalls) ListNeighborRoutes(r *vrfredistv1.ListNeighborRoutesRequest, stream grpc.ServerStreamingServer[vrfredistv1.NeighborRoute]) error {
	ctx := stream.Context()
	within, err := prefixFilter(r.GetPrefix(), r.GetExact())
	if err != nil {
		return err
	}
	n, of, err := s.one(ctx, r.GetName(), r.GetVrf(), false)
	if err != nil {
		return err
	}
	var sending error
	err = s.view(ctx).NeighborRoutes(ctx, n, r.GetAdvertised(), within, func(route rib.NeighborRoute) bool {
		sending = stream.Send(neighborRouteMessage(of, route, !r.GetAdvertised()))
		return sending == nil
	})
	return s.view(ctx).failed(of, cmp.Or(sending, err))
}

func neighborRouteMessage(of string, r rib.NeighborRoute, sent bool) *vrfredistv1.NeighborRoute {
	var route vrfredistv1.Route
	addPath(&route, of, r.Path)
	return &vrfredistv1.NeighborRoute{
		Prefix: r.Prefix, Family: r.Family, Rd: r.RD, Nexthops: route.GetNexthops(), AsPath: route.GetAsPath(), LocalPref: route.GetLocalPref(), Med: route.GetMed(),
		Communities: route.GetCommunities(), LargeCommunities: route.GetLargeCommunities(), Label: route.GetLabel(), Terms: r.Terms,
		Accepted: sent && r.Reason == "", Reason: r.Reason,
	}
}

// mostSaid is how long a shutdown communication may be (RFC 9003, 2, has 255 bytes; RFC 8203,
// which others go by, 128).
const mostSaid = 128

func reasonOf(text string) error {
	if len(text) > mostSaid {
		return invalid("reason", "it has %d bytes, and a neighbour may be told %d (RFC 8203): shorten it", len(text), mostSaid)
	}
	return nil
}

// ResetNeighbor ends a session, or does what is softer.
func (s *neighborCalls) ResetNeighbor(ctx context.Context, r *vrfredistv1.ResetNeighborRequest) (*vrfredistv1.ResetNeighborResponse, error) {
	soft, known := map[vrfredistv1.Soft]rib.SoftReset{
		vrfredistv1.Soft_SOFT_UNSPECIFIED: rib.Hard, vrfredistv1.Soft_SOFT_IN: rib.SoftIn, vrfredistv1.Soft_SOFT_OUT: rib.SoftOut,
		vrfredistv1.Soft_SOFT_BOTH: rib.SoftIn | rib.SoftOut,
	}[r.GetSoft()]
	if !known {
		return nil, invalid("soft", "%d is no way of a soft reset: write SOFT_IN, SOFT_OUT or SOFT_BOTH", r.GetSoft())
	}
	if err := reasonOf(r.GetReason()); err != nil {
		return nil, err
	}
	n, of, err := s.one(ctx, r.GetName(), r.GetVrf(), true)
	if err != nil {
		return nil, err
	}
	if n.State != vrf.Established && soft != rib.Hard {
		return nil, status.Errorf(codes.FailedPrecondition, "neighbour %s has no session of which routes could be sent again", n.Name())
	}
	if err := s.view(ctx).ResetNeighbor(ctx, n, soft, r.GetReason()); err != nil {
		return nil, s.view(ctx).failed(of, err)
	}
	return &vrfredistv1.ResetNeighborResponse{Neighbor: s.after(ctx, n, of)}, nil
}

const (
	usualWait = 60 * time.Second
	mostWait  = time.Hour
)

// DisableNeighbor ends a session for longer.
func (s *neighborCalls) DisableNeighbor(ctx context.Context, r *vrfredistv1.DisableNeighborRequest) (*vrfredistv1.DisableNeighborResponse, error) {
	if err := reasonOf(r.GetReason()); err != nil {
		return nil, err
	}
	how := vrf.Shutdown{Reason: r.GetReason()}
	wait := time.Duration(r.GetWaitSeconds()) * time.Second
	switch {
	case wait > mostWait:
		return nil, invalid("wait_seconds", "%d is more than an hour: neighbours need seconds to find other ways", r.GetWaitSeconds())
	case wait > 0 && !r.GetGraceful():
		return nil, invalid("wait_seconds", "only a graceful shutdown waits: set graceful too")
	case r.GetGraceful():
		how.Graceful = cmp.Or(wait, usualWait)
	}
	n, of, err := s.one(ctx, r.GetName(), r.GetVrf(), true)
	if err != nil {
		return nil, err
	}
	end, err := s.view(ctx).DisableNeighbor(ctx, n, how)
	if err != nil {
		return nil, s.view(ctx).failed(of, err)
	}
	return &vrfredistv1.DisableNeighborResponse{Neighbor: s.after(ctx, n, of), DownUnix: unix(end)}, nil
}

// EnableNeighbor lets a neighbour have a session again.
func (s *neighborCalls) EnableNeighbor(ctx context.Context, r *vrfredistv1.EnableNeighborRequest) (*vrfredistv1.EnableNeighborResponse, error) {
	n, of, err := s.one(ctx, r.GetName(), r.GetVrf(), true)
	if err != nil {
		return nil, err
	}
	if err := s.view(ctx).EnableNeighbor(ctx, n); err != nil {
		return nil, s.view(ctx).failed(of, err)
	}
	return &vrfredistv1.EnableNeighborResponse{Neighbor: s.after(ctx, n, of)}, nil
}

// GetLogLevel returns the least level of what is logged.
func (s *neighborCalls) GetLogLevel(context.Context, *vrfredistv1.GetLogLevelRequest) (*vrfredistv1.GetLogLevelResponse, error) {
	return &vrfredistv1.GetLogLevelResponse{Level: s.all.LogLevel()}, nil
}

// SetLogLevel sets it.
func (s *neighborCalls) SetLogLevel(ctx context.Context, r *vrfredistv1.SetLogLevelRequest) (*vrfredistv1.SetLogLevelResponse, error) {
	if !slices.Contains([]string{"debug", "info", "warn", "error"}, r.GetLevel()) {
		return nil, invalid("level", "%q is no level: write debug, info, warn or error", r.GetLevel())
	}
	was := s.all.LogLevel()
	if err := s.view(ctx).SetLogLevel(r.GetLevel(), Who(ctx)); err != nil {
		return nil, s.view(ctx).failed("", err)
	}
	return &vrfredistv1.SetLogLevelResponse{Was: was}, nil
}
