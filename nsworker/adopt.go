package nsworker

import (
	"maps"
	"net/netip"
	"slices"
	"time"

	"github.com/vrfredist/vrfredist/rib"
	"github.com/vrfredist/vrfredist/vrf"
)

// adopt takes in a whole reading of the table: what is ours there, what is
// foreign, and the links. Everything that differs afterwards is due.
func (s *session) adopt(t rib.Table) {
	s.objects.on = t.Objects && s.spec.NexthopObjects
	s.loadObjects(t)
	foreign, mine := s.sort(t.Routes)
	for slot, i := range mine.All {
		if *i != 0 {
			s.found(slot, t.Routes[*i-1])
		}
	}
	s.resolver.view.Links = t.Links
	s.resolver.view.FIB = rib.NewFIB(foreign)
	s.publish()
	s.deadHops = slices.ContainsFunc(foreign, func(r rib.Route) bool { return hasDead(r.Hops) })
	for _, tg := range s.targets.byKey {
		tg.inline = false // what refused an object may have changed
	}
	s.reresolve()
	for slot, e := range s.entries.All {
		if !e.used() {
			continue
		}
		if *mine.At(slot) == 0 {
			if e.have != nil {
				s.seen(e, vrf.Missing)
			}
			s.hold(e, nil)
			if e.state == rib.Stale {
				s.set(slot, e, 0)
			}
		}
		s.settle(slot, e)
		s.drift(slot, e)
	}
	s.owns(rib.OwnPrefixesOf(foreign, t.Links, s.member()))
	s.importAll()
}

// sort divides a reading into foreign routes and ours, one a prefix: mine has one
// more than the index of the route, 0 where there is none. Where there are two of
// ours, from a time with another metric, the one under the metric in use counts
// and the other is extra.
func (s *session) sort(routes []rib.Route) (foreign []rib.Route, mine rib.Slots[int32]) {
	known := s.extras()
	s.extra = s.extra[:0]
	clear(s.fight.spared)
	for i, r := range routes {
		if !s.own(r) {
			foreign = append(foreign, r)
			continue
		}
		if s.spares(r) {
			continue
		}
		at := mine.At(s.feed.Hold(r.Prefix))
		switch {
		case *at == 0:
			*at = int32(i + 1)
		case r.Metric == s.spec.Export.Metric:
			s.extra = append(s.extra, routes[*at-1])
			*at = int32(i + 1)
		default:
			s.extra = append(s.extra, r)
		}
	}
	now := s.extras()
	for f := range rib.Families {
		s.strangers(f, max(0, now[f]-known[f]))
	}
	return foreign, mine
}

// found takes in one own route of the table.
func (s *session) found(slot rib.Slot, r rib.Route) {
	e := s.entries.At(slot)
	if !e.used() {
		e.begin(r.Prefix)
		if s.spec.Export.Enabled && !s.swept[rib.FamilyOf(r.Prefix)] {
			// BGP may not have come to it yet. Its place in the quota it has.
			e.counts = true
			s.wanted++
			s.set(slot, e, rib.Stale)
		}
	}
	if have := forwardingOf(r); !e.have.same(&have) {
		s.differs(e)
		s.hold(e, s.shared(have))
	}
}

// shared returns one forwarding for all routes that hang on the same group: what
// a whole table is read with need not be there a million times.
func (s *session) shared(f forwarding) *forwarding {
	if f.group == 0 {
		return &f
	}
	if last := s.lastShared; last != nil && last.same(&f) {
		return last
	}
	s.lastShared = &f
	return &f
}

// differs notes that the table has another route of ours than it should.
func (s *session) differs(e *entry) {
	if e.have == nil {
		s.seen(e, vrf.Strange)
	} else {
		s.seen(e, vrf.Altered)
	}
}

// sweepTime is when the sweep is to be considered; zero: not by time.
func (s *session) sweepTime() time.Time {
	if s.sweptAll() || !s.read {
		return time.Time{}
	}
	return s.sweepDeadline
}

func (s *session) sweptAll() bool { return !slices.Contains(s.swept[:], false) }

// sweepDue tells whether own routes of a family that BGP did not speak of may go now.
func (s *session) sweepDue(of rib.Family, now time.Time) bool {
	if s.swept[of] {
		return false
	}
	if !now.Before(s.sweepDeadline) {
		return true
	}
	if !s.feed.Converged(of) {
		return false
	}
	_, waiting := s.feed.LenOf(of)
	return waiting == 0 && !s.awaitsVRF(of) && !s.awaitsImports(of)
}

// awaitsVRF tells whether the table of another VRF has to be there before it can be
// said what is to become of a route. All workers begin at once, and theirs may be long
// to read.
func (s *session) awaitsVRF(of rib.Family) bool {
	targets := maps.Keys(s.tracker.leaks)
	if s.resolver.home != "" {
		targets = maps.Values(s.targets.byKey)
	}
	for tg := range targets {
		if tg.waits && tg.ipv6 == (of == rib.IPv6) {
			return true
		}
	}
	return false
}

// sweepStale deletes what was adopted and not heard of.
func (s *session) sweepStale(of rib.Family) {
	s.swept[of] = true
	n := 0
	for slot, e := range s.entries.All {
		if e.state == rib.Stale && e.is(of) {
			n++
			s.set(slot, e, 0)
			s.settle(slot, e)
		}
	}
	if n > 0 {
		s.log.Info("routes of an earlier run that BGP has no more are removed", "family", of, "routes", n)
	}
}

// heedLinks takes in what the interfaces are now, ahead of the reading of the
// table that will follow: a nexthop that has another way out takes it at once.
func (s *session) heedLinks(links rib.Links) {
	before := s.resolver.view.Links
	changed := rib.ChangedLinks(before, links)
	if len(changed) == 0 {
		return
	}
	s.resolver.view.Links = links
	s.publish()
	s.heedAddresses(changed, before, links)
	s.resolveOn(changed, before, links)
	s.importAll()
}

func hasDead(hops []rib.Hop) bool {
	return slices.ContainsFunc(hops, func(h rib.Hop) bool { return h.Dead })
}

// heedRoutes takes in single changes that others made in the table.
func (s *session) heedRoutes(events []rib.RouteEvent) {
	fib := s.resolver.view.FIB
	var changed []netip.Prefix
	for _, ev := range events {
		if s.own(ev.Route) {
			if ev.Replaces && s.foreignAt(ev.Route.Prefix, ev.Route.Metric) {
				s.doubt(rib.ResyncOverwritten) // a foreign one
			}
			s.heedOwn(ev)
			continue
		}
		s.deadHops = s.deadHops || hasDead(ev.Route.Hops)
		next, sure := fib.After(ev)
		if !sure {
			s.doubt(rib.ResyncOverwritten)
		}
		fib = next
		changed = append(changed, ev.Route.Prefix)
	}
	if len(changed) == 0 {
		return
	}
	s.resolver.view.FIB = fib
	s.publish()
	s.resolveCovered(changed)
	for _, prefix := range changed {
		s.importDue[prefix] = struct{}{}
		s.heedConnected(prefix)
		slot, e := s.entryOf(prefix)
		if e == nil {
			continue
		}
		if e.have != nil && s.foreignAt(prefix, e.have.metric) {
			// It stands beside ours, or took its place without a word.
			s.doubt(rib.ResyncOverwritten)
		}
		s.settle(slot, e)
	}
}

// entryOf returns the entry of a prefix, nil where there is none.
func (s *session) entryOf(prefix netip.Prefix) (rib.Slot, *entry) {
	if slot, held := s.feed.Find(prefix); held {
		if e := s.entries.At(slot); e.used() {
			return slot, e
		}
	}
	return noSlot, nil
}

// heedOwn takes in a change of an own route that was not ours: deleted, it is
// put back; added or changed, it is put right.
func (s *session) heedOwn(ev rib.RouteEvent) {
	if ev.Deleted {
		delete(s.fight.spared, ev.Route.Key())
	} else if s.spares(ev.Route) {
		return
	}
	slot, e := s.entryOf(ev.Route.Prefix)
	have := forwardingOf(ev.Route)
	switch {
	case e == nil && ev.Deleted:
		return
	case e == nil:
		slot = s.feed.Hold(ev.Route.Prefix)
		e = s.entries.At(slot)
		e.begin(ev.Route.Prefix)
		s.differs(e)
		s.hold(e, &have)
	case e.have != nil && e.have.metric != ev.Route.Metric:
		if !ev.Deleted {
			s.extra = append(s.extra, ev.Route)
			s.strangers(rib.FamilyOf(ev.Route.Prefix), 1)
		}
		return
	case ev.Deleted:
		if e.have != nil {
			s.seen(e, vrf.Missing)
		}
		s.hold(e, nil)
		if e.state == rib.Stale {
			s.set(slot, e, 0)
		}
	case !e.have.same(&have):
		s.differs(e)
		s.hold(e, &have)
	}
	s.settle(slot, e)
	s.drift(slot, e)
}

// publish shows the VRF's view to those it leaks into.
func (s *session) publish() {
	s.deps.Board.publish(s.name, boardView{s.resolver.view, s.spec.Binding})
}
