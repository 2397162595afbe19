package api

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"google.golang.org/genproto/googleapis/rpc/errdetails"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"github.com/vrfredist/vrfredist/vrf"
)

// invalid is InvalidArgument for one field of a request. The field is also in
// the details, for programs.
func invalid(field, format string, args ...any) error {
	why := fmt.Sprintf(format, args...)
	st := status.New(codes.InvalidArgument, field+": "+why)
	detail := &errdetails.BadRequest{FieldViolations: []*errdetails.BadRequest_FieldViolation{{Field: field, Description: why}}}
	if with, err := st.WithDetails(detail); err == nil {
		st = with
	}
	return st.Err()
}

// failed gives an error of the backend its gRPC code.
func (v view) failed(name string, err error) error {
	switch {
	case err == nil:
		return nil
	case errors.Is(err, ErrUnknownVRF):
		return v.notFound(name)
	case errors.Is(err, context.Canceled), errors.Is(err, context.DeadlineExceeded):
		return status.FromContextError(err).Err()
	case errors.Is(err, vrf.ErrNotRunning), errors.Is(err, vrf.ErrPending):
		return status.Error(codes.FailedPrecondition, err.Error())
	case errors.Is(err, vrf.ErrStopped):
		return status.Error(codes.Unavailable, "vrfredist is ending; try again when it has started anew")
	}
	if _, ok := status.FromError(err); ok {
		return err
	}
	return status.Error(codes.Internal, err.Error())
}

// notFound says which VRFs there are: the nearest names first, and not more
// than a person reads.
func (v view) notFound(name string) error {
	var known []string
	for _, st := range v.List() {
		known = append(known, st.Spec.Name)
	}
	near := nearest(name, known)
	switch {
	case len(known) == 0:
		return status.Errorf(codes.NotFound, "there is no VRF %q; add it to the configuration file and reload", name)
	case len(near) > 0:
		return status.Errorf(codes.NotFound, "there is no VRF %q; did you mean %s?", name, strings.Join(near, " or "))
	}
	slices.Sort(known)
	const most = 8
	more := ""
	if len(known) > most {
		more = fmt.Sprintf(" and %d more", len(known)-most)
		known = known[:most]
	}
	return status.Errorf(codes.NotFound, "there is no VRF %q; there are %s%s", name, strings.Join(known, ", "), more)
}

// nearest returns up to three names that name may be a slip of, the likeliest
// first.
func nearest(name string, known []string) []string {
	type near struct {
		name  string
		slips int
	}
	var found []near
	for _, k := range known {
		slips := vrf.Slips(strings.ToLower(name), strings.ToLower(k))
		if slips <= max(1, len(name)/3) {
			found = append(found, near{k, slips})
		}
	}
	slices.SortFunc(found, func(a, b near) int {
		return cmp.Or(cmp.Compare(a.slips, b.slips), strings.Compare(a.name, b.name))
	})
	var names []string
	for _, f := range found[:min(3, len(found))] {
		names = append(names, f.name)
	}
	return names
}
