package nsworker

import (
	"errors"
	"net/netip"
	"time"

	"github.com/vrfredist/vrfredist/nsworker/ledger"
	"github.com/vrfredist/vrfredist/nsworker/nexthop"
	"github.com/vrfredist/vrfredist/rib"
)

// backups is the ledger of backup routes: where the policy has backup_routes, the route by a
// prefix's backup path stands in the table beside the first one, under the next metric. When a
// link goes, or its carrier, the kernel takes the first one away by itself, and the next
// lookup finds this one, before anything here has heard of it.
//
// Its slots are those of routes, whose entry keeps a slot as long as there is a spare.
type backups struct {
	*ledger.Ledger[rib.Slot, nexthop.Set, nexthop.Forwarding, spareNote]
	routes *routes
	slots  []rib.Slot // used again
	// until is until when none is deleted, because the first routes may be about to go with
	// their link, whatever the last reading of the table has shown.
	until time.Time
	later []rib.Slot // of which one would have been
}

// linkWait is how long no backup route is deleted after anything that may take first routes
// away.
const linkWait = 2 * time.Second

// keep has no backup route deleted for a while.
func (s *backups) keep() { s.until = time.Now().Add(linkWait) }

// resume marks those that were to be deleted, where the time is over.
func (s *backups) resume() {
	if len(s.later) == 0 || time.Now().Before(s.until) {
		return
	}
	for _, slot := range s.later {
		if e := s.Find(slot); e != nil {
			s.Mark(slot, e)
		}
	}
	s.later = nil
}

// time is when resume has something to do; zero: it has not.
func (s *backups) time() time.Time {
	if len(s.later) == 0 {
		return time.Time{}
	}
	return s.until
}

type spare = ledger.Entry[nexthop.Set, nexthop.Forwarding, spareNote]

// spareNote is what backups keeps of an entry.
type spareNote struct {
	counts bool // it has a place in the quota
	stale  bool // of an earlier run, and BGP has not spoken of its prefix yet, or not of all its paths
}

func newBackups(r *routes, c *ledger.Contention, drifts *ledger.Drifts) *backups {
	s := &backups{routes: r}
	s.Ledger = ledger.New(&spareSlots{}, s, c, drifts)
	return s
}

// spareSlots is the store of backups.
type spareSlots struct{ rib.Slots[spare] }

func (s *spareSlots) Find(slot rib.Slot) *spare { return s.Peek(slot) }
func (s *spareSlots) Drop(rib.Slot)             {}

// Comes implements ledger.Rules.
func (s *backups) Comes(e *spare) *nexthop.Forwarding {
	if e.Want == nil || !e.Note.counts {
		return nil
	}
	return e.Want.Carries
}

// Same implements ledger.Rules.
func (s *backups) Same(have, want *nexthop.Forwarding) bool { return have.Same(want) }

// Replaced implements ledger.Rules.
func (s *backups) Replaced(was, is *nexthop.Forwarding) { s.routes.sets.Objects.Hold(was, is) }

// want has the backup of a prefix wanted beside its route; nil: there is none.
func (s *backups) want(slot rib.Slot, f rib.Family, backup *nexthop.Way, w nexthop.Want, hint uint32) {
	e := s.Find(slot)
	if !s.routes.spec.Export.BackupRoutes || backup == nil {
		if e != nil && !s.holds(f, e, &w) {
			s.drop(slot, e)
		}
		return
	}
	if e == nil {
		e = s.Begin(slot, f)
	}
	if e.Have != nil {
		hint = e.Have.Group
	}
	old := e.Want
	e.Want = s.routes.sets.Get(f, nexthop.Want{Ways: []*nexthop.Way{backup}, Sent: w.BackupSent, Metric: w.Metric, PrefSrc: w.PrefSrc, Spare: true}, hint)
	s.routes.sets.Drop(old)
	e.Note.stale = false
	s.Mark(slot, e)
}

// holds tells whether a spare of an earlier run is left behind the route of what is wanted, though
// no path for it has come yet: BGP may not have said all that it knows.
func (s *backups) holds(f rib.Family, e *spare, w *nexthop.Want) bool {
	a := &s.routes.adopted
	return e.Note.stale && e.Have != nil && s.routes.spec.Export.BackupRoutes && len(w.Ways) > 0 && e.Have.Metric == w.Metric+1 &&
		a.late(f) && a.works(e.Have)
}

// drop has the spare of a prefix wanted no more.
func (s *backups) drop(slot rib.Slot, e *spare) {
	s.routes.sets.Drop(e.Want)
	e.Want, e.Note.stale = nil, false
	s.Mark(slot, e)
}

// evaluate looks at one marked entry.
func (s *backups) evaluate(slot rib.Slot, e *spare) {
	if e.Note.stale {
		return // until the sweep
	}
	s.quota(e)
	if e.Want != nil {
		s.routes.sets.Activate(e.Want)
	}
	if s.Settle(slot, e) == ledger.Empty && e.Want == nil {
		s.Drop(slot, e)
		if first := s.routes.Find(slot); first != nil {
			s.routes.Mark(slot, first) // its slot may be given back
		}
	}
}

// quota gives a spare that is wanted a place, where there is one, or takes it back.
func (s *backups) quota(e *spare) {
	wanted := e.Want != nil && e.Want.Carries != nil
	switch {
	case wanted && !e.Note.counts && (e.Have != nil || s.routes.wanted < s.routes.spec.Export.Quota()):
		e.Note.counts = true
		s.routes.wanted++
	case !wanted && e.Note.counts:
		e.Note.counts = false
		s.routes.wanted--
	}
}

// changes adds what is due to a batch.
func (s *backups) changes(buf []write) []write {
	for len(buf) < writeBatch {
		s.slots = s.Next(s.slots, writeBatch-len(buf))
		if len(s.slots) == 0 {
			break
		}
		for _, slot := range s.slots {
			if c, is := s.change(slot); is {
				buf = append(buf, write{slot, true, c})
			}
		}
	}
	return buf
}

func (s *backups) change(slot rib.Slot) (c rib.Change, is bool) {
	e, r := s.Find(slot), s.routes
	want, prefix := s.Comes(e), r.feed.Prefix(slot)
	switch {
	case want == nil && e.Have == nil, want != nil && e.Have.Same(want):
		s.Mark(slot, e)
		return c, false
	case want == nil || r.foreignAt(prefix, want.Metric): // what another program has there is a backup too
		if e.Have == nil {
			return c, false
		}
		if want == nil && time.Now().Before(s.until) {
			s.later = append(s.later, slot)
			return c, false
		}
		return rib.Change{Op: rib.OpDelete, Route: e.Have.Route(prefix, r.spec.Protocol)}, true
	case e.Have != nil && e.Have.Metric == want.Metric:
		return rib.Change{Op: rib.OpReplace, Route: want.Route(prefix, r.spec.Protocol)}, true
	}
	if e.Have != nil {
		r.surplus.add(e.Have.Route(prefix, r.spec.Protocol))
		s.Put(e, nil)
	}
	return rib.Change{Op: rib.OpAdd, Route: want.Route(prefix, r.spec.Protocol)}, true
}

// wrote takes in the kernel's answer to one change.
func (s *backups) wrote(w write, err error) {
	e := s.Find(w.slot)
	switch {
	case err == nil && w.Op == rib.OpDelete:
		s.Put(e, nil)
		s.Mark(w.slot, e)
	case err == nil:
		s.Put(e, s.Comes(e))
		s.Mark(w.slot, e)
	case errors.Is(err, rib.ErrExists):
		if !s.routes.foreignAt(w.Route.Prefix, w.Route.Metric) {
			s.routes.doubt(rib.ResyncConflict)
		}
	default:
		s.Refuse(w.slot, err.Error())
	}
}

// are tells whether an own route of the table, which is of a slot, is a backup route.
func (s *backups) are(slot rib.Slot, o rib.Route) bool {
	return s.routes.spec.Export.BackupRoutes && o.Metric == s.metricBefore(slot)+1
}

// metricBefore is the metric that the route of a slot, before its backup's, has, or is to have. Before BGP has spoken of
// its prefix it is taken to be the VRF's, whatever a policy will set.
func (s *backups) metricBefore(slot rib.Slot) uint32 {
	if slot != noSlot {
		switch e := s.routes.Find(slot); {
		case e == nil:
		case e.Want != nil:
			return e.Want.Metric
		case e.Have != nil:
			return e.Have.Metric
		}
	}
	return s.routes.spec.Export.Metric
}

// behind tells whether an own route of the table is the backup route of another, of a prefix
// of which it is not known yet what metric its policy sets.
func (s *backups) behind(slot rib.Slot, o, first rib.Route) bool {
	p := &s.routes.spec.Export
	return p.BackupRoutes && p.Policy != nil && s.routes.Find(slot) == nil && o.Metric == first.Metric+1
}

// route is the backup route that the table has for a prefix; nil: there is none.
func (s *backups) route(slot rib.Slot, prefix netip.Prefix) *rib.Route {
	e := s.Find(slot)
	if e == nil || e.Have == nil {
		return nil
	}
	r := e.Have.Route(prefix, s.routes.spec.Protocol)
	r.Hops = e.Want.HopsOf(e.Have)
	return &r
}

// adopt takes in which backup routes a reading has.
func (s *backups) adopt(mine *read, waits func(rib.Family) bool) {
	for slot, i := range mine.second.All {
		if *i != 0 {
			f := rib.FamilyOf(mine.all.Prefix(int(*i - 1)))
			s.found(slot, f, mine.does(*i-1), waits(f))
		}
	}
	for slot, e := range s.All {
		if *mine.second.At(slot) == 0 {
			s.missing(slot, e)
		}
		s.Mark(slot, e)
	}
}

// on takes in a change of a backup route that was not ours to make.
func (s *backups) on(ev rib.RouteEvent) {
	slot, first := s.routes.entryOf(ev.Route.Prefix)
	switch {
	case !ev.Deleted:
		if first == nil {
			slot = s.routes.feed.Hold(ev.Route.Prefix)
		}
		have := nexthop.ForwardingOf(ev.Route)
		s.found(slot, rib.FamilyOf(ev.Route.Prefix), &have, false)
	case first != nil:
		if e := s.Find(slot); e != nil {
			s.missing(slot, e)
		}
	}
}

// found takes in a spare that a reading of the table, or an event, shows.
func (s *backups) found(slot rib.Slot, f rib.Family, have *nexthop.Forwarding, waits bool) {
	e := s.Find(slot)
	if e == nil {
		s.routes.Begin(slot, f) // which keeps the slot
		e = s.Begin(slot, f)
		e.Note.stale = waits
	}
	if !e.Have.Same(have) {
		s.Differs(e)
		s.Put(e, have)
	}
	s.Mark(slot, e)
}

// missing takes in that the table has no spare of a prefix.
func (s *backups) missing(slot rib.Slot, e *spare) {
	if e.Have != nil {
		s.Saw(e, ledger.Missing)
		s.Put(e, nil)
	}
	e.Note.stale = false
	s.Mark(slot, e)
}

// sweep has the spares of a family go that BGP has not spoken of.
func (s *backups) sweep(f rib.Family) {
	for slot, e := range s.All {
		if e.Note.stale && e.Is(f) {
			e.Note.stale = false
			s.Mark(slot, e)
		}
	}
}

// markUsers marks the entries that want one of some sets.
func (s *backups) markUsers(of nexthop.Changed) {
	for slot, e := range s.All {
		if _, hit := of[e.Want]; hit && e.Want != nil {
			s.Mark(slot, e)
		}
	}
}
