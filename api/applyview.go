package api

import (
	"context"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"github.com/vrfredist/vrfredist/api/access"
	vrfredistv1 "github.com/vrfredist/vrfredist/api/v1"
	"github.com/vrfredist/vrfredist/vrf"
)

// tenantView is a view for who changes what is beside the file.
type tenantView struct{ view }

// may says which fields of a VRF, and of its neighbours, the caller may change; nil: every one.
func (v tenantView) may(name string) (func(field string, was, value any) error, error) {
	if v.grant.Whole(name) {
		return nil, nil
	}
	if _, exists := v.Backend.Get(name); v.grant.Provisions() && !exists && name != vrf.Default {
		return nil, nil
	}
	if !v.grant.Changes(name) {
		return nil, status.Errorf(codes.PermissionDenied, "VRF %q was not made over the API, and is an administrator's to change", name)
	}
	return func(field string, was, value any) error {
		if err := access.OwnField(name, field, was, value); err != nil {
			return status.Error(codes.PermissionDenied, err.Error())
		}
		return nil
	}, nil
}

// restricted is a request with what its caller may change.
func (v tenantView) restricted(name string, r vrf.ApplyRequest) (vrf.ApplyRequest, error) {
	var err error
	r.May, err = v.may(name)
	r.Alone = err == nil && r.May == nil && !v.grant.Admin()
	return r, err
}

// applyTo applies what the caller may change. What has begun is finished.
func (v tenantView) applyTo(ctx context.Context, name string, r vrf.ApplyRequest) (uint64, error) {
	r, err := v.restricted(name, r)
	if err != nil {
		return 0, err
	}
	return v.Apply(context.WithoutCancel(ctx), r)
}

// generation is that of what is applied; 0: nothing is.
func (v tenantView) generation(key vrf.LayerKey) uint64 {
	for _, l := range v.Applied() {
		if l.Key == key {
			return l.Generation
		}
	}
	return 0
}

// session is how a neighbour fares; nil: it is not known.
func (v tenantView) session(ctx context.Context, name string, key vrf.LayerKey) *vrfredistv1.Neighbor {
	list, err := v.Sessions(ctx, name)
	if err != nil {
		return nil
	}
	for _, s := range list {
		if m := neighborMessage(s); vrf.NeighborKey(m.GetAddress(), m.GetNetns()) == key {
			m.Vrf = name
			return m
		}
	}
	return nil
}
