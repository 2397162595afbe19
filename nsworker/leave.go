package nsworker

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"

	"github.com/vrfredist/vrfredist/rib"
	"github.com/vrfredist/vrfredist/vrf"
)

// How a session ends, and what it takes with it.

// gone ends the session because the binding no longer holds. What we wrote may
// still be reachable through the open socket: a VRF device that moved to another
// table leaves its old one behind, and nobody else would clean it.
func (s *session) gone(ctx context.Context, what string) error {
	s.log.Info("the VRF's table is gone", "what", what)
	s.report(vrf.WorkerStatus{State: vrf.Pending, Reason: what + " is gone", Totals: s.totals})
	if err := s.removeOwn(ctx); err != nil {
		s.log.Info("routes in the old table could not be removed", "err", err)
	}
	if err := s.withdrawAll(ctx); err != nil {
		return err
	}
	return errGone
}

// leave ends the session because its context ended.
func (s *session) leave(ctx context.Context) error {
	if !s.takesRoutesOut(ctx) {
		return nil
	}
	why := context.Cause(ctx)
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), leaveTime)
	defer cancel()
	if err := s.removeOwn(ctx); err != nil {
		return fmt.Errorf("remove the routes of a VRF that ends: %w", err)
	}
	if errors.Is(why, vrf.ErrRemoved) {
		return s.withdrawAll(ctx)
	}
	return nil
}

// removeOwn deletes every own route of the table. One that the kernel does not let
// go keeps no other.
func (s *session) removeOwn(ctx context.Context) error {
	t, err := s.table.Read(ctx)
	if err != nil {
		return err
	}
	// The groups first: the kernel takes the routes of one along at once.
	changes := s.objects.removal(t)
	mine := slices.DeleteFunc(t.Routes, func(r rib.Route) bool {
		_, goes := s.objects.known[r.NexthopID]
		return !s.own(r) || goes
	})
	changes = append(changes, rib.Diff(nil, mine, nil)...)
	var refused error // the first
	for len(changes) > 0 {
		n := min(len(changes), writeBatch)
		errs, err := s.table.Apply(ctx, changes[:n])
		if err != nil {
			return err
		}
		for _, err := range errs {
			refused = cmp.Or(refused, err)
		}
		changes = changes[n:]
	}
	return refused
}
