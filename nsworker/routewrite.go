package nsworker

import (
	"errors"
	"net/netip"
	"syscall"

	"github.com/vrfredist/vrfredist/nsworker/ledger"
	"github.com/vrfredist/vrfredist/nsworker/nexthop"
	"github.com/vrfredist/vrfredist/rib"
)

// owns is the one predicate that says whose a route is: within the VRF's table, its
// protocol decides, but for those that the core has there.
func (r *routes) owns(o rib.Route) bool { return o.Own(r.spec.Protocol) }

// write is a change of a route, and the entry that it is of.
type write struct {
	slot  rib.Slot // noSlot: of surplus
	spare bool     // of a backup route
	rib.Change
}

// changes builds the next batch. A route whose key changes is added under the new key
// before it is deleted under the old one; what is surplus is deleted last, and waits for a
// reading that is due (mayDelete): it may be wanted again by then. What is returned is good
// until the next call.
func (r *routes) changes(buf []write, mayDelete bool) []write {
	for len(buf) < writeBatch {
		r.room.slots = r.Next(r.room.slots, writeBatch-len(buf))
		if len(r.room.slots) == 0 {
			break
		}
		r.room.prefixes = r.feed.Prefixes(r.room.prefixes[:0], r.room.slots)
		for i, slot := range r.room.slots {
			if c, is := r.change(slot, r.room.prefixes[i]); is {
				buf = append(buf, write{slot, false, c})
			}
		}
	}
	buf = r.backups.changes(buf)
	for mayDelete && len(buf) < writeBatch && r.Waiting()+r.backups.Waiting() == 0 {
		o, there := r.surplus.next()
		if !there {
			break
		}
		buf = append(buf, write{noSlot, false, rib.Change{Op: rib.OpDelete, Route: o}})
	}
	return buf
}

// change is what brings one due entry to what it should be; false: nothing, for now.
func (r *routes) change(slot rib.Slot, prefix netip.Prefix) (c rib.Change, is bool) {
	e := r.Find(slot)
	want, protocol := r.Comes(e), r.spec.Protocol
	switch {
	case want == nil && e.Have == nil, want != nil && e.Have.Same(want):
		r.Mark(slot, e) // it changed its mind
		return c, false
	case want == nil:
		return rib.Change{Op: rib.OpDelete, Route: e.Have.Route(prefix, protocol)}, true
	case r.foreignAt(prefix, want.Metric):
		r.setState(slot, e, rib.Conflict)
		if e.Have == nil {
			return c, false
		}
		// It stands beside the foreign one, and is out of date.
		return rib.Change{Op: rib.OpDelete, Route: e.Have.Route(prefix, protocol)}, true
	case e.Have != nil && e.Have.Metric == want.Metric:
		return rib.Change{Op: rib.OpReplace, Route: want.Route(prefix, protocol)}, true
	}
	if e.Have != nil {
		r.surplus.add(e.Have.Route(prefix, protocol))
		r.Put(e, nil)
	}
	return rib.Change{Op: rib.OpAdd, Route: want.Route(prefix, protocol)}, true
}

// foreignAt tells whether a foreign route has this key.
func (r *routes) foreignAt(prefix netip.Prefix, metric uint32) bool {
	for _, o := range r.sets.Resolver.View.Foreign.Get(prefix) {
		if o.Metric == metric {
			return true
		}
	}
	return false
}

// wrote takes in the kernel's answer to one change.
func (r *routes) wrote(w write, err error) {
	if err == nil && w.Op == rib.OpDelete && w.Route.Metric == 0 {
		r.doubt(rib.ResyncOverwritten) // RTM_DELROUTE with metric 0 matches any metric, and may have removed another route
	}
	if w.slot == noSlot {
		if err != nil {
			r.doubt(rib.ResyncRefused)
		} else {
			r.surplus.contest.PutRight(w.Route.Key())
		}
		return
	}
	if w.spare {
		r.backups.wrote(w, err)
		return
	}
	e := r.Find(w.slot)
	switch {
	case err == nil && w.Op == rib.OpDelete:
		if d, is := e.Drifted(); is && d == ledger.Strange {
			r.surplus.contest.PutRight(w.Route.Key())
		}
		r.Put(e, nil)
		r.Mark(w.slot, e)
	case err == nil:
		r.Put(e, r.Comes(e))
		r.Mark(w.slot, e)
	case errors.Is(err, rib.ErrExists):
		// A foreign route has our key. Whatever we had there is gone or shadowed: it is not
		// ours to touch until the foreign one leaves.
		r.setState(w.slot, e, rib.Conflict)
		if !r.foreignAt(w.Route.Prefix, w.Route.Metric) {
			r.doubt(rib.ResyncConflict) // whose it is, the table says
		}
	default:
		r.setState(w.slot, e, rib.Failed)
		r.Refuse(w.slot, err.Error())
		switch {
		case w.Op == rib.OpDelete || passing(err):
		case e.Want != nil && ofNexthops(err) && len(r.feed.Paths(r.room.chosen[:0], w.slot)) > 1 && r.barred.bar(w.slot, e.Want):
			r.MarkAnew(w.slot, e) // another path's route replaces what stands there
		case e.Have != nil:
			// What stands there forwards to where BGP points no more.
			r.surplus.add(e.Have.Route(w.Route.Prefix, r.spec.Protocol))
			r.Put(e, nil)
		}
	}
}

// passing tells whether the kernel refused for want of room, which says nothing about the
// route.
func passing(err error) bool {
	return errors.Is(err, syscall.ENOBUFS) || errors.Is(err, syscall.ENOMEM) || errors.Is(err, syscall.EAGAIN)
}

// adopt takes in what a whole reading of the table has of ours, and returns the foreign
// routes. Every entry is evaluated afterwards.
func (r *routes) adopt(all *rib.RouteList, waitsForSweep func(rib.Family) bool) (foreign []rib.Route) {
	foreign, mine := r.sort(all)
	for slot, i := range mine.first.All {
		if *i != 0 {
			r.found(slot, rib.FamilyOf(all.Prefix(int(*i-1))), mine.does(*i-1), waitsForSweep)
		}
	}
	r.backups.adopt(&mine, waitsForSweep)
	for slot, e := range r.All {
		if *mine.first.At(slot) == 0 {
			r.missing(slot, e)
		}
		r.Mark(slot, e)
	}
	return foreign
}

// missing takes in that the table has no route of ours for an entry.
func (r *routes) missing(slot rib.Slot, e *route) {
	if e.Have != nil {
		r.Saw(e, ledger.Missing)
		r.Put(e, nil)
	}
	if e.Note.state == rib.Stale {
		r.setState(slot, e, 0)
	}
}

// read are our routes of a reading, one a prefix, and the backup routes: one more than the
// index of a route, 0 where there is none.
type read struct {
	all           *rib.RouteList
	first, second rib.Slots[int32]
	shared        []*nexthop.Forwarding // by what routes have in common
}

// does is what a route of the reading does: what a whole table is read with need not be there a
// million times.
func (m *read) does(i int32) *nexthop.Forwarding {
	if m.shared == nil {
		m.shared = make([]*nexthop.Forwarding, len(m.all.Shapes()))
	}
	n, common := m.all.Shape(int(i))
	if m.shared[n] == nil {
		f := nexthop.ForwardingOf(*common)
		m.shared[n] = &f
	}
	return m.shared[n]
}

// others is how many routes of a reading are not ours.
func (r *routes) others(all *rib.RouteList) (n int) {
	for _, o := range all.All {
		if !r.owns(o) {
			n++
		}
	}
	return n
}

// sort divides a reading into foreign routes and ours. Where there are two of ours, from a
// time with another metric, the one under the metric in use counts and the other is surplus.
func (r *routes) sort(all *rib.RouteList) (foreign []rib.Route, mine read) {
	known := r.surplus.begin()
	mine.all = all
	foreign = make([]rib.Route, 0, r.others(all)) // which may be a whole table, or next to none of one
	for i, o := range all.All {
		if !r.owns(o) {
			foreign = append(foreign, o)
			continue
		}
		if r.spares(o) {
			continue
		}
		slot := r.feed.Hold(o.Prefix)
		at := mine.first.At(slot)
		switch {
		case r.backups.are(slot, o):
			*mine.second.At(slot) = int32(i + 1)
		case *at == 0:
			*at = int32(i + 1)
		case o.Metric == r.backups.metricBefore(slot):
			r.surplus.add(all.At(int(*at - 1)))
			*at = int32(i + 1)
		case r.backups.behind(slot, o, all.At(int(*at-1))):
			*mine.second.At(slot) = int32(i + 1)
		case r.backups.behind(slot, all.At(int(*at-1)), o):
			*mine.second.At(slot), *at = *at, int32(i+1)
		default:
			r.surplus.add(o)
		}
	}
	r.surplus.found(known, r.Trusted)
	return foreign, mine
}

// found takes in one own route of the table.
func (r *routes) found(slot rib.Slot, f rib.Family, have *nexthop.Forwarding, waitsForSweep func(rib.Family) bool) {
	e := r.Find(slot)
	if e == nil {
		e = r.Begin(slot, f)
		if r.spec.Export.Enabled && waitsForSweep(f) {
			// BGP may not have come to it yet. Its place in the quota it has.
			e.Note.counts = true
			r.wanted++
			r.setState(slot, e, rib.Stale)
		}
	}
	if !e.Have.Same(have) {
		r.Differs(e)
		r.Put(e, have)
	}
}

// onOwn takes in a change of an own route that was not ours to make: deleted, it is put
// back; added or changed, it is put right.
func (r *routes) onOwn(ev rib.RouteEvent) {
	o := ev.Route
	if ev.Deleted {
		r.surplus.contest.InOrder(o.Key())
	} else if r.spares(o) {
		return
	}
	slot, e := r.entryOf(o.Prefix)
	have := nexthop.ForwardingOf(o)
	switch {
	case r.backups.are(slot, o):
		r.backups.on(ev)
		return
	case e == nil && ev.Deleted:
		return
	case e == nil:
		slot = r.feed.Hold(o.Prefix)
		e = r.Begin(slot, rib.FamilyOf(o.Prefix))
		r.Differs(e)
		r.Put(e, &have)
	case e.Have != nil && e.Have.Metric != o.Metric:
		if !ev.Deleted {
			r.surplus.add(o)
			r.surplus.count(rib.FamilyOf(o.Prefix), 1, r.Trusted)
		}
		return
	case ev.Deleted:
		r.missing(slot, e)
	case !e.Have.Same(&have):
		r.Differs(e)
		r.Put(e, &have)
	}
	r.Mark(slot, e)
}

// unexpected tells whether a route under our protocol, which the table has, is one that
// nobody here wrote, at a key that we have no use for.
func (r *routes) unexpected(o rib.Route) bool {
	_, e := r.entryOf(o.Prefix)
	if e == nil {
		return true
	}
	if e.Have != nil && e.Have.Metric == o.Metric {
		return false
	}
	want := r.Comes(e)
	return want == nil || want.Metric != o.Metric
}

// spares leaves an unexpected route that shows itself alone, where one like it was deleted
// too often: whoever adds it adds it again.
func (r *routes) spares(o rib.Route) bool {
	if c, k := r.surplus.contest, o.Key(); c.TooOften(k) && r.unexpected(o) {
		c.Hold(k, o)
		return true
	}
	return false
}

// takeBack has those routes written again that were left alone, and those deleted once that
// somebody adds again and again.
func (r *routes) takeBack() {
	r.TakeBack()
	r.backups.TakeBack()
	for _, o := range r.surplus.contest.Release() {
		if r.unexpected(o) {
			r.onOwn(rib.RouteEvent{Route: o})
		}
	}
}
