package api

import (
	"context"
	"fmt"
	"maps"
	"net/netip"
	"slices"
	"strings"
	"time"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"github.com/vrfredist/vrfredist/api/access"
	vrfredistv1 "github.com/vrfredist/vrfredist/api/v1"
	"github.com/vrfredist/vrfredist/doctor"
	"github.com/vrfredist/vrfredist/rib"
	"github.com/vrfredist/vrfredist/vrf"
)

// view is the backend as one caller may see it: a VRF that its roles do not cover does
// not exist. The door judges each request before; a caller who gets here with more than
// it may have finds nothing all the same.
type view struct {
	Backend
	grant access.Grant
}

// sees tells whether the caller may know of a worker: of a VRF's, or of one for a
// further table to which the VRF's routes go.
func (v view) sees(s vrf.Spec) bool { return v.grant.Sees(s.Name) || v.grant.Sees(s.Of()) }

// views give each caller its view of the daemon.
type views struct{ all Backend }

// view returns the backend for the caller of ctx.
func (o views) view(ctx context.Context) view { return view{o.all, grantOf(ctx)} }

// unconfirmed says how the last reload stands; nil: there is nothing to say.
func (o views) unconfirmed() *vrfredistv1.Unconfirmed {
	u, ok := o.all.Unconfirmed()
	switch {
	case !ok:
		return nil
	case u.Until.IsZero():
		return &vrfredistv1.Unconfirmed{Text: "the last reload was not confirmed in time, and the configuration from before it is in force; " +
			"`vrfredist reload` applies the file as it is now"}
	}
	left := max(0, time.Until(u.Until)).Round(time.Second)
	return &vrfredistv1.Unconfirmed{
		RollbackUnix: u.Until.Unix(), LeftSeconds: uint32(left.Seconds()),
		Text: fmt.Sprintf("the last reload waits to be confirmed: unless `vrfredist confirm` is run, the configuration from before it comes back in %s", left),
	}
}

// List implements Backend.
func (v view) List() []vrf.Status {
	all := v.Backend.List()
	if v.grant.SeesAll() {
		return all
	}
	var list []vrf.Status
	for _, st := range all {
		if v.sees(st.Spec) {
			list = append(list, st.Confined())
		}
	}
	return list
}

// changeable is List of the VRFs that the caller may change.
func (v view) changeable() []vrf.Status {
	var list []vrf.Status
	for _, st := range v.Backend.List() {
		if v.grant.Changes(st.Spec.Name) {
			list = append(list, st)
		}
	}
	return list
}

// Get implements Backend.
func (v view) Get(name string) (vrf.Status, bool) {
	if !v.grant.Sees(name) {
		return vrf.Status{}, false
	}
	st, ok := v.Backend.Get(name)
	if !v.grant.SeesAll() {
		st = st.Confined()
	}
	return st, ok
}

// Leaks implements Backend. Where a leak is from is told to who sees that VRF.
func (v view) Leaks(name string) []vrf.Leak {
	if !v.grant.Sees(name) {
		return nil
	}
	list := v.Backend.Leaks(name)
	for i := range list {
		if !v.grant.Sees(list[i].From) {
			list[i].From = rib.Elsewhere
		}
	}
	return list
}

// Sessions implements Backend.
func (v view) Sessions(ctx context.Context, name string) ([]vrf.Session, error) {
	if !v.grant.Sees(name) {
		return nil, ErrUnknownVRF
	}
	return v.Backend.Sessions(ctx, name)
}

// AllSessions implements Backend.
func (v view) AllSessions(ctx context.Context) (map[string][]vrf.Session, error) {
	all, err := v.Backend.AllSessions(ctx)
	maps.DeleteFunc(all, func(name string, _ []vrf.Session) bool { return !v.grant.Sees(name) })
	return all, err
}

// NeighborRoutes implements Backend. Whose neighbour it is was looked at where it was found.
func (v view) NeighborRoutes(ctx context.Context, of vrf.Session, advertised bool, wants func(netip.Prefix) bool, yield func(rib.NeighborRoute) bool) error {
	if !v.grant.SeesAll() && advertised {
		plain := yield
		yield = func(r rib.NeighborRoute) bool { // what it is told is on the wire, whatever VRF it came of
			r.Path.Attrs, r.RD = withoutSource(r.Path.Attrs), ""
			return plain(r)
		}
	}
	return v.Backend.NeighborRoutes(ctx, of, advertised, wants, yield)
}

func withoutSource(a *rib.Attrs) *rib.Attrs {
	if a == nil || a.Source == "" {
		return a
	}
	c := *a
	c.Source = ""
	return &c
}

// changesOf tells whether the caller may change what a VRF's neighbours do.
func (v view) changesOf(name string) bool { return v.grant.Changes(name) }

// SetLogLevel implements Backend.
func (v view) SetLogLevel(level, by string) error {
	if !v.grant.Admin() {
		return status.Error(codes.PermissionDenied, "the level of the log needs the role admin")
	}
	return v.Backend.SetLogLevel(level, by)
}

// Policies implements Backend. Who sees some VRFs alone sees the policies that are called after
// them, and of their uses those by these VRFs.
func (v view) Policies() []vrf.Policy {
	all := v.Backend.Policies()
	if v.grant.SeesAll() {
		return all
	}
	var list []vrf.Policy
	for _, p := range all {
		if of, _, is := strings.Cut(p.Name, "/"); !is || !v.grant.Sees(of) {
			continue
		}
		p.Uses = slices.DeleteFunc(slices.Clone(p.Uses), func(u vrf.PolicyUse) bool { return !v.grant.Sees(u.VRF) })
		list = append(list, p)
	}
	return list
}

// Restore implements Backend. BGP's configuration is an administrator's; the resync of
// anybody else is about tables alone.
func (v view) Restore(ctx context.Context, name string) ([]string, error) {
	if !v.grant.Admin() {
		return nil, nil
	}
	return v.Backend.Restore(ctx, name)
}

// Redistribute implements Backend.
func (v view) Redistribute(ctx context.Context, name string, d vrf.Direction, change func(*vrf.Spec)) error {
	if !v.grant.Changes(name) {
		return ErrUnknownVRF
	}
	return v.Backend.Redistribute(ctx, name, d, change)
}

// Routes implements Backend. The source VRF of a leaked route is for those who may see
// that VRF.
func (v view) Routes(ctx context.Context, name string, q vrf.RouteQuery, yield func(rib.RouteStatus) bool) error {
	if !v.grant.Sees(name) {
		return ErrUnknownVRF
	}
	if v.grant.SeesAll() {
		return v.Backend.Routes(ctx, name, q, yield)
	}
	st, ok := v.Backend.Get(name)
	if !ok {
		return ErrUnknownVRF
	}
	return v.Backend.Routes(ctx, name, q, func(r rib.RouteStatus) bool { return yield(r.Confined(st.Spec.Of())) })
}

// Listen implements Backend.
func (v view) Listen(wants func(vrf.RouteEvent) bool) *vrf.Listener {
	return v.Backend.Listen(func(e vrf.RouteEvent) bool {
		return (v.grant.Sees(e.VRF) || v.grant.Sees(e.Of)) && wants(e)
	})
}

// confined returns events as the caller may read them. An event does not say whether
// its route leads through another VRF, so its text is left out; ListRoutes and
// ExplainRoute tell what the caller may know.
func (v view) confined(events []vrf.RouteEvent) []vrf.RouteEvent {
	if v.grant.SeesAll() {
		return events
	}
	for i := range events {
		events[i].Text = ""
		if events[i].What == rib.Unresolved.String() {
			events[i].Reason = "it has no way to its nexthop; ask for an explanation of the prefix"
		}
	}
	return events
}

// Resync implements Backend.
func (v view) Resync(ctx context.Context, name string) (vrf.Repair, error) {
	if !v.grant.Changes(name) {
		return vrf.Repair{}, ErrUnknownVRF
	}
	return v.Backend.Resync(ctx, name)
}

// Explain implements Backend.
func (v view) Explain(ctx context.Context, name string, q rib.Question) (rib.Explanation, error) {
	if !v.grant.Sees(name) {
		return rib.Explanation{}, ErrUnknownVRF
	}
	q.Confined = !v.grant.SeesAll()
	return v.Backend.Explain(ctx, name, q)
}

// Reload implements Backend.
func (v view) Reload(ctx context.Context, confirm time.Duration) ([]string, time.Time, error) {
	if !v.grant.Admin() {
		return nil, time.Time{}, status.Error(codes.PermissionDenied, "a reload needs the role admin")
	}
	return v.Backend.Reload(ctx, confirm)
}

// Confirm implements Backend.
func (v view) Confirm(ctx context.Context) error {
	if !v.grant.Admin() {
		return status.Error(codes.PermissionDenied, "to confirm a reload needs the role admin")
	}
	return v.Backend.Confirm(ctx)
}

// Diagnose implements Backend.
func (v view) Diagnose(ctx context.Context) ([]doctor.Finding, error) {
	if !v.grant.SeesAll() {
		return nil, status.Error(codes.PermissionDenied, "what is wrong on the host is about every VRF, and needs the role admin or read")
	}
	return v.Backend.Diagnose(ctx)
}

// Plan implements Backend.
func (v view) Plan(ctx context.Context, r vrf.PlanRequest, yield func(vrf.PlanItem) error) error {
	if !v.grant.Admin() {
		return status.Error(codes.PermissionDenied, "a plan is about every VRF, and needs the role admin")
	}
	return v.Backend.Plan(ctx, r, yield)
}

// Applied implements Backend.
func (v view) Applied() (list []vrf.Layer) {
	for _, l := range v.Backend.Applied() {
		if v.grant.Sees(l.VRF) {
			list = append(list, l)
		}
	}
	return list
}
