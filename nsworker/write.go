package nsworker

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"syscall"
	"time"

	"github.com/vrfredist/vrfredist/rib"
	"github.com/vrfredist/vrfredist/vrf"
)

// write makes one batch of the due changes.
func (s *session) write(ctx context.Context) error {
	changes, slots := s.changes()
	if len(changes) == 0 {
		return nil
	}
	errs, err := s.table.Apply(ctx, changes)
	if err != nil {
		return s.unknown(ctx, err)
	}
	s.unconfirmed = 0
	var confirmed [rib.Families]int
	for i, c := range changes {
		s.tally(c, errs[i])
		if s.tap != nil {
			s.tellWrite(slots[i], c, errs[i])
		}
		s.wrote(slots[i], c, errs[i])
		if errs[i] == nil {
			confirmed[rib.FamilyOf(c.Route.Prefix)]++
		}
	}
	now := time.Now()
	for f := range s.ages {
		s.ages[f].wrote(confirmed[f], now, &s.totals.Latency[f])
		if s.due.of(rib.Family(f)) == 0 {
			s.ages[f].clear()
		}
	}
	if len(s.extra) == 0 {
		s.strangersGone()
	}
	if s.due.waiting == 0 {
		s.hasten()
	}
	return nil
}

// unknown heeds a batch of which it is not known what the kernel did: the table
// is read before anything else is decided.
func (s *session) unknown(ctx context.Context, err error) error {
	if ctx.Err() != nil {
		return err
	}
	s.log.Warn("a batch of changes was not confirmed; the table is read again", "err", err)
	if s.unconfirmed++; s.unconfirmed >= readFailures {
		return fmt.Errorf("write routes, %d times in a row: %w", s.unconfirmed, err)
	}
	s.doubt(rib.ResyncWrite)
	s.totals.Unconfirmed++
	s.read, s.trusted = false, false
	return nil
}

// noSlot stands, beside a change, for no entry: it is of an extra route.
const noSlot = ^rib.Slot(0)

// changes builds the next batch. A route whose key changes is added under the
// new key before it is deleted under the old one, which waits for a reading that is
// due: what is extra may be wanted again by then. What it returns is good until the
// next call.
func (s *session) changes() ([]rib.Change, []rib.Slot) {
	out, slots := s.changeBuf[:0], s.slotBuf[:0]
	add := func(slot rib.Slot, op rib.Op, r rib.Route) {
		out = append(out, rib.Change{Op: op, Route: r})
		slots = append(slots, slot)
	}
	for len(out) < writeBatch {
		batch := s.due.next(writeBatch - len(out))
		if len(batch) == 0 {
			break
		}
		s.prefixBuf = s.feed.Prefixes(s.prefixBuf[:0], batch)
		for i, slot := range batch {
			s.change(slot, s.prefixBuf[i], add)
		}
	}
	for len(s.extra) > 0 && len(out) < writeBatch && s.due.waiting == 0 && s.resync.when.IsZero() {
		r := s.extra[len(s.extra)-1]
		s.extra = s.extra[:len(s.extra)-1]
		add(noSlot, rib.OpDelete, r)
	}
	s.changeBuf, s.slotBuf = out, slots
	return out, slots
}

// change adds what brings one due entry to what it should be.
func (s *session) change(slot rib.Slot, prefix netip.Prefix, add func(rib.Slot, rib.Op, rib.Route)) {
	e := s.entries.At(slot)
	e.queued = false
	if !e.due {
		return
	}
	s.due.remove(e)
	want := e.want()
	switch {
	case want == nil && e.have == nil, e.have.same(want):
		s.settle(slot, e)
	case want == nil:
		add(slot, rib.OpDelete, e.have.route(prefix, s.spec.Protocol))
	case s.foreignAt(prefix, want.metric):
		s.set(slot, e, rib.Conflict)
		if e.have != nil { // beside the foreign one, and out of date
			add(slot, rib.OpDelete, e.have.route(prefix, s.spec.Protocol))
		}
	case e.have != nil && e.have.metric == want.metric:
		add(slot, rib.OpReplace, want.route(prefix, s.spec.Protocol))
	default:
		if e.have != nil {
			s.extra = append(s.extra, e.have.route(prefix, s.spec.Protocol))
			s.hold(e, nil)
		}
		add(slot, rib.OpAdd, want.route(prefix, s.spec.Protocol))
	}
}

// foreignAt tells whether a foreign route has this key.
func (s *session) foreignAt(prefix netip.Prefix, metric uint32) bool {
	for _, r := range s.resolver.view.FIB.Get(prefix) {
		if r.Metric == metric {
			return true
		}
	}
	return false
}

// wrote takes in the kernel's answer to one change.
func (s *session) wrote(slot rib.Slot, c rib.Change, err error) {
	if err == nil && c.Op == rib.OpDelete && c.Route.Metric == 0 {
		s.doubt(rib.ResyncOverwritten) // to the kernel 0 is any metric: what is left the table says
	}
	if slot == noSlot {
		if err != nil {
			s.doubt(rib.ResyncRefused)
		} else {
			s.fight.deletedStranger(c.Route.Key())
		}
		return
	}
	e := s.entries.At(slot)
	switch {
	case err == nil && c.Op == rib.OpDelete:
		if e.drift == 1+uint8(vrf.Strange) {
			s.fight.deletedStranger(c.Route.Key())
		}
		s.hold(e, nil)
		s.settle(slot, e)
	case err == nil:
		s.hold(e, e.want())
		s.settle(slot, e)
	case errors.Is(err, rib.ErrExists):
		// A foreign route has our key. Whatever we had there is gone or shadowed:
		// it is not ours to touch until the foreign one leaves.
		s.set(slot, e, rib.Conflict)
		if !s.foreignAt(c.Route.Prefix, c.Route.Metric) {
			s.doubt(rib.ResyncConflict) // whose it is, the table says
		}
	default:
		s.fail(slot, e, err)
		if e.have != nil && c.Op != rib.OpDelete && !passing(err) {
			// What stands there forwards to where BGP points no more.
			s.extra = append(s.extra, e.have.route(c.Route.Prefix, s.spec.Protocol))
			s.hold(e, nil)
		}
	}
}

// passing tells whether the kernel refused for want of room, which says nothing
// about the route.
func passing(err error) bool {
	return errors.Is(err, syscall.ENOBUFS) || errors.Is(err, syscall.ENOMEM) || errors.Is(err, syscall.EAGAIN)
}

// retryLater schedules the next try of what the kernel refused.
func (s *session) retryLater() {
	if !s.retry.when.IsZero() {
		return
	}
	wait := min(retryMost, retryFirst<<min(s.retry.failures, 10))
	s.retry.failures++
	s.retry.by(time.Now().Add(wait))
}

// retryFailed makes what the kernel refused due again.
func (s *session) retryFailed() {
	for slot := range s.failed {
		s.settle(slot, s.entries.At(slot))
	}
}
