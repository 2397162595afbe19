package api

import (
	"context"
	"errors"
	"time"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	vrfredistv1 "github.com/vrfredist/vrfredist/api/v1"
	"github.com/vrfredist/vrfredist/vrf"
)

// ErrNothingToConfirm is matched by the error of a Backend where no reload waits to be
// confirmed.
var ErrNothingToConfirm = errors.New("no reload waits to be confirmed")

// longestWait bounds for how long a reload may wait to be confirmed.
const longestWait = 24 * time.Hour

// reloads apply the configuration file, and say what it would change.
type reloads struct {
	views
	pace pace
}

// Reload applies the configuration file anew.
func (s *reloads) Reload(ctx context.Context, r *vrfredistv1.ReloadRequest) (*vrfredistv1.ReloadResponse, error) {
	confirm := time.Duration(r.GetConfirmSeconds()) * time.Second
	if confirm > longestWait {
		return nil, invalid("confirm_seconds", "%d seconds are too long; the most is a day, which is %d", r.GetConfirmSeconds(), int(longestWait.Seconds()))
	}
	changes, until, err := s.view(ctx).Reload(ctx, confirm)
	switch {
	case err == nil:
		return &vrfredistv1.ReloadResponse{Changes: changes, RollbackUnix: unix(until)}, nil
	case errors.Is(err, context.Canceled), errors.Is(err, context.DeadlineExceeded), errors.Is(err, vrf.ErrStopped):
		return nil, s.view(ctx).failed("", err)
	}
	return nil, status.Error(codes.FailedPrecondition, err.Error())
}

// Confirm keeps the configuration of a reload.
func (s *reloads) Confirm(ctx context.Context, _ *vrfredistv1.ConfirmRequest) (*vrfredistv1.ConfirmResponse, error) {
	err := s.view(ctx).Confirm(ctx)
	if errors.Is(err, ErrNothingToConfirm) {
		return nil, status.Error(codes.FailedPrecondition, err.Error())
	}
	return &vrfredistv1.ConfirmResponse{}, s.view(ctx).failed("", err)
}
