package api

import (
	"context"
	"errors"

	"golang.org/x/sync/errgroup"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	vrfredistv1 "github.com/vrfredist/vrfredist/api/v1"
	"github.com/vrfredist/vrfredist/vrf"
)

// resyncsAtOnce bounds how many tables are read at the same time where every
// VRF is asked: each reading may be a million routes long.
const resyncsAtOnce = 4

// Resync has tables read again now.
func (s *changes) Resync(ctx context.Context, r *vrfredistv1.ResyncRequest) (*vrfredistv1.ResyncResponse, error) {
	if name := r.GetVrf(); name != "" {
		st, ok := s.view(ctx).Get(name)
		if !ok {
			return nil, s.view(ctx).notFound(name)
		}
		repair, err := s.view(ctx).Resync(ctx, name)
		if errors.Is(err, ErrUnknownVRF) {
			return nil, idle(st, "it has no table to read")
		}
		if err != nil {
			return nil, s.view(ctx).failed(name, err)
		}
		out := &vrfredistv1.ResyncResponse{Repairs: []*vrfredistv1.Repair{repairMessage(name, repair)}}
		if out.Bgp, err = s.view(ctx).Restore(ctx, name); err != nil {
			return nil, s.view(ctx).failed(name, err)
		}
		return out, nil
	}
	list := s.view(ctx).changeable()
	out := &vrfredistv1.ResyncResponse{Repairs: make([]*vrfredistv1.Repair, len(list))}
	var all errgroup.Group
	all.SetLimit(resyncsAtOnce)
	for i, st := range list {
		name := st.Spec.Name
		all.Go(func() error {
			repair, err := s.view(ctx).Resync(ctx, name)
			out.Repairs[i] = repairMessage(name, repair)
			if err != nil { // of this VRF alone: the others go on
				out.Repairs[i].Error = err.Error()
			}
			return nil
		})
	}
	_ = all.Wait() // its functions return none
	if err := ctx.Err(); err != nil {
		return nil, s.view(ctx).failed("", err)
	}
	var err error
	if out.Bgp, err = s.view(ctx).Restore(ctx, ""); err != nil {
		return nil, s.view(ctx).failed("", err)
	}
	return out, nil
}

// idle is the error for a VRF that is configured and does not run.
func idle(st vrf.Status, why string) error {
	if st.Reason != "" { // it is wanted, and is not in force
		return status.Errorf(codes.FailedPrecondition, "VRF %q: %s, because it is %s: %s", st.Spec.Name, why, st.State, st.Reason)
	}
	return status.Errorf(codes.FailedPrecondition,
		"VRF %q is configured, and nothing is redistributed for it: %s; enable import or export for it", st.Spec.Name, why)
}

func repairMessage(name string, r vrf.Repair) *vrfredistv1.Repair {
	return &vrfredistv1.Repair{
		Vrf: name, Own: uint32(r.Own), Foreign: uint32(r.Foreign),
		Missing: uint32(r.Found[vrf.Missing]), Altered: uint32(r.Found[vrf.Altered]), Strange: uint32(r.Found[vrf.Strange]),
		Unmended: uint32(r.Unmended), Objects: uint32(r.Objects), Announcements: uint32(r.Announced),
	}
}
