package gobgp3

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"net/netip"
	"time"

	api "github.com/osrg/gobgp/v3/api"
	"github.com/osrg/gobgp/v3/pkg/server"

	"github.com/vrfredist/vrfredist/rib"
)

// Steering is what a Speaker is asked about one neighbour, and does to it. name is BGP's own
// everywhere.
type Steering struct{ of *Speaker }

func (s *Steering) inspection(name string) *inspection { return s.inspections(name)[0] }

// inspections share what is made of the configuration, which takes a while where it has many VRFs.
func (s *Steering) inspections(names ...string) []*inspection {
	c := s.of.inForce()
	d, list := newDecoder(c, s.of.keeper.names), make([]*inspection, len(names))
	for i, name := range names {
		list[i] = &inspection{tables: s.of.tables, name: name, flags: s.of.keeper.reach.flags, decoder: d, words: c.Words}
	}
	return list
}

// NeighborRoutes calls yield with what a neighbour sent, each with why BGP does not have it in its
// table, or with what it is told, until it returns false. It is in no order, and what changes
// meanwhile may be missing. name is BGP's own.
func (s *Steering) NeighborRoutes(ctx context.Context, name string, advertised bool, wants func(netip.Prefix) bool, yield func(rib.NeighborRoute) bool) error {
	i := s.inspection(name)
	i.wants = wants
	after := func() bool {
		for _, r := range i.batch {
			if !yield(r) {
				return false
			}
		}
		i.batch = i.batch[:0]
		return true
	}
	if !advertised {
		return i.walk(ctx, sentBy, i.received, after)
	}
	return i.walk(ctx, i.heard, i.told, after)
}

// steer does something to one neighbour, while nothing else changes the configuration.
func (s *Steering) steer(ctx context.Context, name, what string, do func(bgp *server.BgpServer) error) error {
	if err := s.of.waitStarted(ctx); err != nil {
		return err
	}
	s.of.changing.Lock()
	defer s.of.changing.Unlock()
	if err := do(s.of.server()); err != nil {
		return fmt.Errorf("%s neighbor %s: %w", what, s.called(name), err)
	}
	return nil
}

func (s *Steering) called(name string) string {
	if s.of.options.Called == nil {
		return name
	}
	return s.of.options.Called(name)
}

// Reset ends the session of a neighbour, which begins anew, or does what is softer. reason is told
// to the neighbour (RFC 9003).
func (s *Steering) Reset(ctx context.Context, name string, soft rib.SoftReset, reason string) error {
	return s.steer(ctx, name, "reset", func(bgp *server.BgpServer) error {
		if soft&rib.SoftIn != 0 {
			if err := s.of.keeper.changes.rejudge(name); err != nil {
				return err
			}
		}
		r := &api.ResetPeerRequest{Address: name, Communication: reason}
		switch {
		case soft&rib.SoftOut != 0:
			r.Soft, r.Direction = true, api.ResetPeerRequest_OUT
		case soft != rib.Hard:
			return nil
		}
		return bgp.ResetPeer(ctx, r)
	})
}

// Disable ends the session of a neighbour, and keeps it down. by is who wants that.
func (s *Steering) Disable(ctx context.Context, name, reason, by string) error {
	return s.steer(ctx, name, "disable", func(bgp *server.BgpServer) error {
		if err := s.of.stops.put(name, &rib.Disabled{By: by, Reason: reason, Since: time.Now()}); err != nil {
			return err
		}
		s.of.sessions.disabling(name, by, reason)
		err := bgp.DisablePeer(ctx, &api.DisablePeerRequest{Address: name, Communication: reason})
		if err != nil {
			err = errors.Join(err, s.of.stops.put(name, nil))
		}
		s.of.drift.note(touch{ofNeighbors, name, by, time.Now()})
		return err
	})
}

// Enable lets a neighbour have a session again.
func (s *Steering) Enable(ctx context.Context, name, by string) error {
	return s.steer(ctx, name, "enable", func(bgp *server.BgpServer) error {
		err := s.of.stops.enable(name, func() error { return bgp.EnablePeer(ctx, &api.EnablePeerRequest{Address: name}) })
		s.of.drift.note(touch{ofNeighbors, name, by, time.Now()})
		return err
	})
}

// Drain begins, or ends, a graceful shutdown of a neighbour of the configuration: it is told to
// prefer other ways, and any other way is preferred to its own (RFC 8326). It returns when that is
// told. until has the end of it kept, over a restart; nil: the shutdown is over, and the session may
// stay.
func (s *Steering) Drain(ctx context.Context, name string, until *rib.Disabled) error {
	is := until != nil
	if _, configured := s.of.inForce().Neighbor(name); is && !configured {
		return fmt.Errorf("neighbor %s is of no configuration, and has no graceful shutdown: disable it without", s.called(name))
	}
	if err := s.of.stops.put(name, until); err != nil {
		return err
	}
	err := s.of.reloader.drain(ctx, name, is)
	if err != nil && is {
		err = errors.Join(err, s.of.stops.put(name, nil))
	}
	return err
}

// Interrupted are the graceful shutdowns that the end of the daemon cut short, by BGP's name of the
// neighbour. Their sessions begin as others do.
func (s *Steering) Interrupted() map[string]rib.Disabled {
	all := s.of.stops.of(s.of.inForce())
	maps.DeleteFunc(all, func(_ string, one rib.Disabled) bool { return !one.Draining() })
	return all
}

// Turned is signalled when a session may fare otherwise than Sessions returned. It is for one
// reader.
func (s *Steering) Turned() <-chan struct{} { return s.of.sessions.turned }
