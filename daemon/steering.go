package daemon

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"sync"
	"time"

	"github.com/vrfredist/vrfredist/api"
	"github.com/vrfredist/vrfredist/rib"
	"github.com/vrfredist/vrfredist/vrf"
)

// steering is what can be asked of BGP about one neighbour, and done to it. name is BGP's own.
type steering interface {
	// NeighborRoutes calls yield with what a neighbour sent, or is told, of the prefixes that
	// are wanted, until it returns false.
	NeighborRoutes(ctx context.Context, name string, advertised bool, wants func(netip.Prefix) bool, yield func(rib.NeighborRoute) bool) error
	// CountRoutes counts how much of what neighbours sent is in BGP's table, and of how many prefixes
	// they are told, of those that fit into most (0: any number).
	CountRoutes(ctx context.Context, names []string, most int, yield func(which, accepted, advertised int)) error
	// Reset ends the session, or does what is softer.
	Reset(ctx context.Context, name string, soft rib.SoftReset, reason string) error
	// Disable ends the session, and keeps it down; Enable lets it be up again.
	Disable(ctx context.Context, name, reason, by string) error
	Enable(ctx context.Context, name, by string) error
	// Drain begins what a graceful shutdown does beforehand (RFC 8326), and keeps until when that is;
	// nil: it ends it.
	Drain(ctx context.Context, name string, until *rib.Disabled) error
	// Interrupted are the graceful shutdowns that the end of the daemon cut short.
	Interrupted() map[string]rib.Disabled
}

// drains are the graceful shutdowns that wait for their end.
type drains struct {
	mu  sync.Mutex
	due map[string]*time.Timer // guarded by mu; by BGP's name of the neighbour
}

// stop forgets one. It tells whether it was there, and had not come.
func (d *drains) stop(name string) bool {
	d.mu.Lock()
	defer d.mu.Unlock()
	t := d.due[name]
	delete(d.due, name)
	return t != nil && t.Stop()
}

func (d *drains) set(name string, t *time.Timer) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.due == nil {
		d.due = make(map[string]*time.Timer)
	}
	d.due[name] = t
}

// NeighborRoutes implements api.Backend.
func (n *neighbors) NeighborRoutes(ctx context.Context, of vrf.Session, advertised bool, wants func(netip.Prefix) bool, yield func(rib.NeighborRoute) bool) error {
	return n.steer.NeighborRoutes(ctx, of.BGPName(), advertised, wants, yield)
}

// CountRoutes implements api.Backend.
func (n *neighbors) CountRoutes(ctx context.Context, of []vrf.Session, most int, yield func(which, accepted, advertised int)) error {
	names := make([]string, len(of))
	for i, s := range of {
		names[i] = s.BGPName()
	}
	return n.steer.CountRoutes(ctx, names, most, yield)
}

// ResetNeighbor implements api.Backend.
func (n *neighbors) ResetNeighbor(ctx context.Context, of vrf.Session, soft rib.SoftReset, reason string) error {
	return n.steer.Reset(ctx, of.BGPName(), soft, reason)
}

// DisableNeighbor implements api.Backend. Of a graceful one the end comes by itself.
func (n *neighbors) DisableNeighbor(ctx context.Context, of vrf.Session, how vrf.Shutdown) (end time.Time, err error) {
	name, by := of.BGPName(), api.Who(ctx)
	n.drain.stop(name)
	if how.Graceful == 0 || of.State != vrf.Established {
		return time.Time{}, n.steer.Disable(ctx, name, how.Reason, by)
	}
	now := time.Now()
	until := rib.Disabled{By: by, Reason: how.Reason, Since: now, Due: now.Add(how.Graceful)}
	if err := n.shutDown(ctx, name, of.Name(), until); err != nil {
		return time.Time{}, err
	}
	return until.Due, nil
}

// shutDown begins a graceful shutdown, whose end comes by itself.
func (n *neighbors) shutDown(ctx context.Context, name, called string, until rib.Disabled) error {
	if err := n.steer.Drain(ctx, name, &until); err != nil {
		return fmt.Errorf("begin the graceful shutdown of neighbor %s: %w", called, err)
	}
	n.drain.set(name, time.AfterFunc(time.Until(until.Due), func() {
		ctx, cancel := context.WithTimeout(context.Background(), steerTime)
		defer cancel()
		if err := n.steer.Disable(ctx, name, until.Reason, until.By); err != nil && n.log != nil {
			n.log.Error("the session of a neighbor could not be ended after its graceful shutdown", "neighbor", called, "err", err)
		}
	}))
	return nil
}

// resume goes on with the graceful shutdowns that the end of the daemon before cut short. It is
// called when BGP runs.
func (n *neighbors) resume(ctx context.Context) error {
	var errs []error
	for name, until := range n.steer.Interrupted() {
		n.log.Info("a graceful shutdown goes on that the end of vrfredist cut short", "neighbor", n.called(name), "due", until.Due)
		errs = append(errs, n.shutDown(ctx, name, n.called(name), until))
	}
	return errors.Join(errs...)
}

// EnableNeighbor implements api.Backend.
func (n *neighbors) EnableNeighbor(ctx context.Context, of vrf.Session) error {
	name := of.BGPName()
	waited := n.drain.stop(name)
	if of.Draining {
		if err := n.steer.Drain(ctx, name, nil); err != nil {
			return fmt.Errorf("end the graceful shutdown of neighbor %s: %w", of.Name(), err)
		}
		if waited {
			return nil // it was never down
		}
	}
	return n.steer.Enable(ctx, name, api.Who(ctx))
}

// steerTime bounds how long BGP may take to end a session.
const steerTime = 30 * time.Second
