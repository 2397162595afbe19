package api

import (
	"cmp"
	"context"
	"errors"
	"net/netip"
	"slices"
	"time"

	"google.golang.org/genproto/googleapis/rpc/errdetails"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/fieldmaskpb"

	vrfredistv1 "github.com/vrfredist/vrfredist/api/v1"
	"github.com/vrfredist/vrfredist/vrf"
)

// applying answers the calls about VRFs and neighbours that are made over the API.
type applying struct {
	views
	patience time.Duration // with a VRF that is not in force yet, of calls without a deadline
}

// Bounds of an answer.
const (
	applyPatience = 30 * time.Second
	mostPlanLines = 10_000 // of a dry run; Plan lists any number
)

// ApplyVrf makes or changes a VRF.
func (s *applying) ApplyVrf(ctx context.Context, r *vrfredistv1.ApplyVrfRequest) (*vrfredistv1.ApplyVrfResponse, error) {
	name := r.GetVrf().GetName()
	if name == "" {
		return nil, invalid("vrf.name", `is empty; name the VRF, or "default" for the global routing table`)
	}
	request, err := applyRequest(vrf.LayerKey{Name: name}, r.GetVrf(), r.GetMask(), r.Generation, r.GetOwner())
	if err != nil {
		return nil, err
	}
	view := tenantView{s.view(ctx)}
	if r.GetDryRun() {
		plan, err := s.plan(ctx, view, name, request)
		if err != nil {
			return nil, view.refused(name, "vrf", err)
		}
		return &vrfredistv1.ApplyVrfResponse{Generation: view.generation(request.Key), Plan: plan}, nil
	}
	out := new(vrfredistv1.ApplyVrfResponse)
	if out.Generation, err = view.applyTo(ctx, name, request); err != nil {
		return nil, view.refused(name, "vrf", err)
	}
	if st, ok := s.settled(ctx, view, name); ok {
		out.Vrf = vrfMessage(st)
	}
	return out, nil
}

// ApplyNeighbor makes or changes a neighbour.
func (s *applying) ApplyNeighbor(ctx context.Context, r *vrfredistv1.ApplyNeighborRequest) (*vrfredistv1.ApplyNeighborResponse, error) {
	n := r.GetNeighbor()
	key, err := neighborKey("neighbor.address", n.GetAddress(), n.GetNetns())
	if err != nil {
		return nil, err
	}
	request, err := applyRequest(key, n, r.GetMask(), r.Generation, r.GetOwner())
	if err != nil {
		return nil, err
	}
	view, name := tenantView{s.view(ctx)}, vrfName(n.GetVrf())
	if r.GetDryRun() {
		plan, err := s.plan(ctx, view, name, request)
		if err != nil {
			return nil, view.refused(name, "neighbor", err)
		}
		return &vrfredistv1.ApplyNeighborResponse{Generation: view.generation(key), Plan: plan}, nil
	}
	out := new(vrfredistv1.ApplyNeighborResponse)
	if out.Generation, err = view.applyTo(ctx, name, request); err != nil {
		return nil, view.refused(name, "neighbor", err)
	}
	out.Neighbor = view.session(ctx, name, key)
	return out, nil
}

// applyRequest is a request as the backend takes it.
func applyRequest(key vrf.LayerKey, spec proto.Message, mask *fieldmaskpb.FieldMask, generation *uint64, owner string) (vrf.ApplyRequest, error) {
	if mask != nil && len(mask.GetPaths()) == 0 {
		return vrf.ApplyRequest{}, invalid("mask", "names no field; name those that are to change, or leave the mask out to apply the whole")
	}
	text, err := section(spec)
	return vrf.ApplyRequest{Key: key, Section: text, Fields: mask.GetPaths(), Generation: generation, Owner: owner}, err
}

// neighborKey finds a neighbour by the address and the namespace of its session.
func neighborKey(field, address, netns string) (vrf.LayerKey, error) {
	a, err := netip.ParseAddr(address)
	if err != nil {
		return vrf.LayerKey{}, invalid(field, `%q is no address; write that of the neighbour, such as "192.0.2.2" or "fe80::1%%eth0"`, address)
	}
	return vrf.NeighborKey(a.Unmap().String(), netns), nil
}

// plan says what a request would change.
func (s *applying) plan(ctx context.Context, view tenantView, name string, r vrf.ApplyRequest) (items []*vrfredistv1.PlanItem, err error) {
	r, err = view.restricted(name, r)
	if err != nil {
		return nil, err
	}
	err = view.PlanApply(ctx, r, func(item vrf.PlanItem) error {
		of := cmp.Or(item.VRF, vrf.Default)
		if len(items) < mostPlanLines && (view.grant.SeesAll() || item.Kind != vrf.PlanSetting && view.grant.Sees(of)) || item.Kind == vrf.PlanSummary {
			items = append(items, planMessage(item))
		}
		return nil
	})
	return items, err
}

// settled waits until a VRF's worker is done with what it was given, and returns how it fares;
// also where its time is over before.
func (s *applying) settled(ctx context.Context, view tenantView, name string) (vrf.Status, bool) {
	ctx, cancel := beforeDeadline(ctx, s.patience)
	defer cancel()
	for {
		changed := view.Changed()
		st, ok := view.Get(name)
		if !st.Settling() {
			return st, ok
		}
		select {
		case <-changed:
		case <-ctx.Done():
			return st, ok
		}
	}
}

// beforeDeadline ends a little before a call's deadline, so that there is time for an answer.
func beforeDeadline(ctx context.Context, patience time.Duration) (context.Context, context.CancelFunc) {
	left := patience
	if at, has := ctx.Deadline(); has {
		left = time.Until(at)
		left -= min(left/4, time.Second)
	}
	return context.WithTimeout(ctx, left)
}

// DeleteVrf removes what was applied to a VRF.
func (s *applying) DeleteVrf(ctx context.Context, r *vrfredistv1.DeleteVrfRequest) (*vrfredistv1.DeleteVrfResponse, error) {
	name := r.GetVrf()
	if name == "" {
		return nil, invalid("vrf", "is empty; name the VRF of which what was applied is to go")
	}
	out, view := new(vrfredistv1.DeleteVrfResponse), tenantView{s.view(ctx)}
	below, err := s.delete(ctx, view, name, vrf.DeleteRequest{Key: vrf.LayerKey{Name: name}, Generation: r.Generation}, &out.Reason)
	if err != nil {
		return nil, view.refused(name, "vrf", err)
	}
	out.Gone = out.Reason == ""
	if below {
		if st, ok := s.settled(ctx, view, name); ok {
			out.Vrf = vrfMessage(st)
		}
	}
	return out, nil
}

// DeleteNeighbor removes what was applied to a neighbour.
func (s *applying) DeleteNeighbor(ctx context.Context, r *vrfredistv1.DeleteNeighborRequest) (*vrfredistv1.DeleteNeighborResponse, error) {
	key, err := neighborKey("address", r.GetAddress(), r.GetNetns())
	if err != nil {
		return nil, err
	}
	out, view, name := new(vrfredistv1.DeleteNeighborResponse), tenantView{s.view(ctx)}, vrfName(r.GetVrf())
	i := slices.IndexFunc(view.Applied(), func(l vrf.Layer) bool { return l.Key == key && l.VRF == name })
	if i < 0 {
		return nil, status.Errorf(codes.NotFound, "nothing was applied over the API to a neighbour %s of VRF %q; `vrfredist neighbor` lists those that there are", key.Name, name)
	}
	below, err := s.delete(ctx, view, name, vrf.DeleteRequest{Key: key, Generation: r.Generation}, &out.Reason)
	if err != nil {
		return nil, view.refused(name, "neighbor", err)
	}
	if out.Gone = out.Reason == ""; below {
		out.Neighbor = view.session(ctx, name, key)
	}
	return out, nil
}

// delete waits for a deletion until shortly before the deadline. Where it is not over then, or not
// all of it went well, reason says so.
func (s *applying) delete(ctx context.Context, view tenantView, name string, r vrf.DeleteRequest, reason *string) (below bool, err error) {
	if r.May, err = view.may(name); err != nil {
		return false, err
	}
	type end struct {
		below bool
		err   error
	}
	ended := make(chan end, 1)
	go func() {
		below, err := view.Delete(context.WithoutCancel(ctx), r)
		ended <- end{below, err}
	}()
	wait, cancel := beforeDeadline(ctx, s.patience)
	defer cancel()
	select {
	case is := <-ended:
		var left *vrf.Incomplete
		if errors.As(is.err, &left) {
			*reason = left.Error()
			return is.below, nil
		}
		return is.below, is.err
	case <-wait.Done():
		*reason = "it is still under way"
		return false, nil
	}
}

// ListApplied says what was applied.
func (s *applying) ListApplied(ctx context.Context, r *vrfredistv1.ListAppliedRequest) (*vrfredistv1.ListAppliedResponse, error) {
	out := new(vrfredistv1.ListAppliedResponse)
	for _, l := range s.view(ctx).Applied() {
		if r.GetVrf() != "" && r.GetVrf() != l.VRF || r.GetOwner() != "" && r.GetOwner() != l.Owner {
			continue
		}
		m := &vrfredistv1.Applied{
			Vrf: l.VRF, Fields: l.Fields, Generation: l.Generation, Owner: l.Owner, ChangedUnix: unix(l.Changed), Failed: l.Failed,
		}
		if l.Key.Neighbor {
			m.Neighbor, m.Netns = l.Key.Address()
		}
		out.Applied = append(out.Applied, m)
	}
	return out, nil
}

// refused gives an error about what was to be applied its gRPC code. message is the field of the
// request that says what.
func (v tenantView) refused(name, message string, err error) error {
	var faults vrf.FieldFaults
	switch {
	case errors.As(err, &faults):
		return faulty(message, faults)
	case errors.Is(err, vrf.ErrStale):
		return status.Error(codes.Aborted, err.Error())
	case errors.Is(err, vrf.ErrNothingApplied):
		return status.Error(codes.NotFound, err.Error())
	case errors.Is(err, vrf.ErrBelow):
		return status.Error(codes.PermissionDenied, err.Error()+"; it needs the role admin")
	case errors.Is(err, ErrBusy):
		return status.Error(codes.ResourceExhausted, err.Error())
	case errors.Is(err, vrf.ErrUnknown), errors.Is(err, vrf.ErrStopped), errors.Is(err, context.Canceled), errors.Is(err, context.DeadlineExceeded):
		return v.failed(name, err)
	}
	if _, ok := status.FromError(err); ok {
		return err
	}
	return status.Error(codes.FailedPrecondition, err.Error())
}

// faulty is invalid for several fields.
func faulty(message string, faults vrf.FieldFaults) error {
	named := make(vrf.FieldFaults, len(faults))
	detail := new(errdetails.BadRequest)
	for i, f := range faults {
		switch f.Field {
		case "":
			f.Field = message
		case "mask":
		default:
			f.Field = message + "." + f.Field
		}
		named[i] = f
		detail.FieldViolations = append(detail.FieldViolations, &errdetails.BadRequest_FieldViolation{Field: f.Field, Description: f.Why})
	}
	st := status.New(codes.InvalidArgument, named.Error())
	if with, err := st.WithDetails(detail); err == nil {
		st = with
	}
	return st.Err()
}
