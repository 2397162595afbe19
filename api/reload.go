package api

import (
	"context"
	"errors"
	"fmt"
	"time"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	vrfredistv1 "github.com/vrfredist/vrfredist/api/v1"
	"github.com/vrfredist/vrfredist/vrf"
)

// ErrNothingToConfirm is matched by the error of a Backend that no reload waits
// to be confirmed at.
var ErrNothingToConfirm = errors.New("no reload waits to be confirmed")

// longestWait bounds for how long a reload may wait to be confirmed.
const longestWait = 24 * time.Hour

// Reload applies the configuration file anew.
func (s *Server) Reload(ctx context.Context, r *vrfredistv1.ReloadRequest) (*vrfredistv1.ReloadResponse, error) {
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

// Confirm keeps what a reload brought.
func (s *Server) Confirm(ctx context.Context, _ *vrfredistv1.ConfirmRequest) (*vrfredistv1.ConfirmResponse, error) {
	err := s.view(ctx).Confirm(ctx)
	if errors.Is(err, ErrNothingToConfirm) {
		return nil, status.Error(codes.FailedPrecondition, err.Error())
	}
	return &vrfredistv1.ConfirmResponse{}, s.view(ctx).failed("", err)
}

// unconfirmed says how the last reload stands; nil: there is nothing to say.
func (s *Server) unconfirmed() *vrfredistv1.Unconfirmed {
	u, ok := s.all.Unconfirmed()
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
