package nsworker

import (
	"context"
	"fmt"
	"net/netip"
	"slices"
	"time"

	"github.com/vrfredist/vrfredist/nsworker/nexthop"
	"github.com/vrfredist/vrfredist/rib"
	"github.com/vrfredist/vrfredist/vrf"
)

// reconcile reads the table and has everything that differs put right. It is the one answer
// to every doubt. A failed reading is no news: what was known stays, and it is tried again.
func (s *tableSync) reconcile(ctx context.Context) error {
	reason := s.resync.reason
	s.totals.Resyncs[vrf.ResyncOf(reason)]++
	s.tellReading()
	t, err := s.table.Read(ctx)
	if err != nil {
		if ctx.Err() != nil {
			return err
		}
		s.totals.ReadFailures++
		s.resync.failures++
		if s.resync.failures >= readFailures {
			return fmt.Errorf("read the table (%s), %d times in a row: %w", reason, s.resync.failures, err)
		}
		s.log.Warn("the table could not be read; it is read again", "reason", reason, "err", err)
		s.resync.at(time.Now().Add(resyncGap<<s.resync.failures), reason)
		return nil
	}
	s.resync.done()
	s.later.when = time.Time{}
	before := s.count()
	trusted := s.phase.known()
	s.phase = s.phase.read()
	s.adopt(t, trusted)
	s.pass()
	s.readFor(before)
	if s.tap != nil {
		s.event(netip.Prefix{}, vrf.TableRead, reason, nil)
	}
	s.routes.Trusted = true
	if s.spec.ResyncInterval > 0 {
		s.slow.when = time.Now().Add(s.spec.ResyncInterval)
	}
	return nil
}

// adopt takes in a whole reading of the table: what is ours there, what is foreign, and the
// links. Everything that differs is due after the next pass.
func (s *tableSync) adopt(t rib.Table, trusted bool) {
	o := s.sets.Objects
	o.On = t.Objects && s.spec.NexthopObjects
	o.Load(t, s.spec.Protocol, trusted)
	o.Settle() // which of them are left alone, before the sets that hang on them are resolved
	foreign := s.routes.adopt(t.Routes, func(f rib.Family) bool { return !s.sweeps.done[f] })
	v := &s.sets.Resolver.View
	v.Links, v.Foreign = t.Links, rib.NewForeignTable(foreign)
	s.publish()
	s.deadHops = slices.ContainsFunc(foreign, func(r rib.Route) bool { return hasDead(r.Hops) })
	s.sets.TryObjects() // what refused an object may have changed
	s.sets.ResolveAll() // every entry is marked
	s.setOwn(rib.OwnPrefixesOf(*v, foreign))
	s.importAll()
}

func hasDead(hops []rib.Hop) bool {
	return slices.ContainsFunc(hops, func(h rib.Hop) bool { return h.Dead })
}

// publish shows the VRF's view to those it leaks into.
func (s *tableSync) publish() {
	s.deps.Board.publish(s.name, nexthop.View{View: s.sets.Resolver.View, Binding: s.spec.Binding})
}

// doubt asks for a reading of the table, soon. What takes many routes away says so in several
// messages: the reading for the first makes them due again, and one more before they are
// written would hold them up.
func (s *tableSync) doubt(reason string) {
	at, gap := time.Now(), resyncGap
	if s.routes.Waiting() > 0 {
		gap = busyGap
	}
	if next := s.resync.last.Add(gap); next.After(at) {
		at = next
	}
	s.resync.at(at, reason)
}

// hasten moves a reading that is due to where it would be without busyGap.
func (s *tableSync) hasten() {
	if !s.resync.when.IsZero() && s.resync.failures == 0 {
		s.doubt(s.resync.reason)
	}
}
