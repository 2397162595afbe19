package nsworker

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"slices"
	"syscall"
	"time"

	"github.com/vrfredist/vrfredist/rib"
)

// takeFeed takes in what changed in BGP, a bounded part of it.
func (s *session) takeFeed() {
	s.tap = s.deps.Tap.Open()
	s.entryBuf = s.feed.Take(s.entryBuf[:0], feedBatch)
	due := s.due.waiting
	for _, in := range s.entryBuf {
		s.choose(in.Slot, in.Prefix, in.Paths)
	}
	if s.synced { // before, BGP's routes waited for the worker, and not for the kernel
		s.ages.took(s.feed.Since(), s.due.waiting-due)
	}
	clear(s.entryBuf)
}

// choose decides what one prefix should be in the kernel, given its candidates.
func (s *session) choose(slot rib.Slot, prefix netip.Prefix, paths []rib.Path) {
	e := s.entries.At(slot)
	if len(paths) == 0 || !s.spec.Export.Enabled {
		switch {
		case !e.used():
			s.feed.Release(slot)
		case e.state == rib.Stale && s.spec.Export.Enabled:
			// A stale route keeps its state until the sweep decides.
		default:
			s.aim(slot, e, nil, 0)
		}
		return
	}
	e.begin(prefix)
	s.pathBuf = rib.Select(s.pathBuf[:0], paths, s.spec.Export.MaxPaths)
	best := s.pathBuf[0].Attrs
	e.itself = best.Imported && best.Source == s.spec.Of()
	if e.itself || !s.spec.Export.Match(best) {
		s.aim(slot, e, nil, rib.Filtered)
		return
	}
	s.aim(slot, e, s.targetOf(prefix, best, s.pathBuf), 0)
}

// targetOf returns the target of the chosen paths, resolved.
func (s *session) targetOf(prefix netip.Prefix, best *rib.Attrs, paths []rib.Path) *target {
	v6 := prefix.Addr().Is6()
	if s.spec.Export.AcceptBlackhole && slices.Contains(best.Communities, rib.CommunityBlackhole) {
		return s.resolved(s.targets.get(v6, true, nil))
	}
	hops := make([]nexthop, 0, 4)
	for _, p := range paths {
		if !s.spec.Export.Match(p.Attrs) {
			continue // an equal path that the policy leaves out forwards nothing
		}
		n := nexthop{addr: nexthopOf(p.Attrs)}
		if p.Attrs.Source != "" && p.Attrs.Source != s.spec.Of() {
			n.source = p.Attrs.Source
			if p.Attrs.Imported {
				n.prefix, n.addr = prefix, netip.Addr{}
			}
		}
		hops = append(hops, n)
	}
	return s.resolved(s.targets.get(v6, false, hops))
}

// nexthopOf prefers the global address: it says which link it is on by itself.
// Only where there is none does the link-local one of RFC 2545 serve.
func nexthopOf(a *rib.Attrs) netip.Addr {
	if !a.Nexthop.IsValid() || a.Nexthop.IsUnspecified() && a.LinkLocal.IsValid() {
		return a.LinkLocal
	}
	if a.Nexthop.IsLinkLocalUnicast() && a.Nexthop.Zone() == "" && a.LinkLocal.IsValid() {
		return a.LinkLocal
	}
	return a.Nexthop
}

func (s *session) resolved(tg *target, fresh bool) *target {
	if fresh {
		s.tracker.watch(tg)
		s.resolve(tg)
		s.followAll(tg, +1)
	}
	return tg
}

// aim points an entry at a target (nil: nothing), with the use of it, and says
// what became of it when there is none.
func (s *session) aim(slot rib.Slot, e *entry, tg *target, state rib.State) {
	old := e.target
	e.target = tg
	s.drop(old)
	if tg == nil {
		s.set(slot, e, state)
	}
	s.settle(slot, e)
}

// drop gives back one use of a target.
func (s *session) drop(tg *target) {
	if tg != nil && s.targets.put(tg) {
		s.followAll(tg, -1)
		s.objects.drop(tg)
		s.tracker.forget(tg)
	}
}

// settle compares what a prefix should be with what it is, and puts it on the
// due list where they differ. It is the only way onto that list.
func (s *session) settle(slot rib.Slot, e *entry) {
	tg := e.target
	if tg == nil && e.state == rib.Stale && e.have != nil {
		return // until the sweep decides
	}
	if tg != nil && tg.want == nil {
		s.set(slot, e, rib.Unresolved)
	}
	s.quota(slot, e, tg != nil && tg.want != nil)
	want := e.want()
	switch {
	case want == nil && e.have == nil:
		s.due.remove(e)
		s.fight.forget(slot)
		s.mended(e)
		if tg == nil && (e.state == 0 || e.state == rib.Stale) {
			s.forget(slot, e)
		}
	case e.have.same(want):
		if want != e.have {
			s.hold(e, want) // the shared one, so that the next comparison is of pointers
		}
		s.set(slot, e, rib.Installed)
		s.due.remove(e)
		s.fight.forget(slot)
		s.mended(e)
	case want != nil && s.leftAlone(slot):
		s.set(slot, e, rib.Conflict)
		s.due.remove(e)
	default:
		s.due.add(slot, e)
	}
}

// quota gives an entry that is wanted a place, or marks it over the quota; one
// that is wanted no longer gives its place to another.
func (s *session) quota(slot rib.Slot, e *entry, wanted bool) {
	switch {
	case wanted && !e.counts && s.wanted >= s.mostRoutes() && e.have == nil: // those there stay
		s.set(slot, e, rib.OverQuota)
		s.over[slot] = struct{}{}
		return
	case wanted && !e.counts:
		e.counts = true
		s.wanted++
	case !wanted && e.counts:
		e.counts = false
		s.wanted--
		s.admit()
	}
	if e.state == rib.OverQuota {
		s.set(slot, e, 0)
	}
}

// mostRoutes is the VRF's quota.
func (s *session) mostRoutes() int {
	if n := s.spec.Export.MaxRoutes; n != 0 {
		return n
	}
	return rib.DefaultMaxRoutes
}

// admit makes one prefix that the quota kept out due again.
func (s *session) admit() {
	for slot := range s.over {
		e := s.entries.At(slot)
		s.set(slot, e, 0)
		s.settle(slot, e)
		return
	}
}

// forget drops an entry that is nothing and has nothing.
func (s *session) forget(slot rib.Slot, e *entry) {
	s.set(slot, e, 0)
	*e = entry{queued: e.queued}
	s.fight.forget(slot)
	delete(s.fight.changes, slot)
	s.feed.Release(slot)
}

// set moves an entry to a state, and keeps the counts.
func (s *session) set(slot rib.Slot, e *entry, state rib.State) {
	if e.state == state {
		return
	}
	switch e.state {
	case rib.Failed:
		delete(s.failed, slot)
		if len(s.failed) == 0 {
			s.retry.failures = 0
		}
	case rib.OverQuota:
		delete(s.over, slot)
	}
	counts := &s.counts[e.family-1]
	counts[e.state]--
	counts[state]++
	e.state = state
	if s.tap != nil {
		s.tellState(slot, e)
	}
}

// fail marks an entry as refused by the kernel: it is tried again.
func (s *session) fail(slot rib.Slot, e *entry, why error) {
	s.set(slot, e, rib.Failed)
	s.failed[slot] = why.Error()
	s.retryLater()
}

// reason says, for a person, why an entry's state is what it is.
func (s *session) reason(slot rib.Slot, e *entry) string {
	switch e.state {
	case rib.Filtered:
		if e.itself {
			return "the best path is this VRF's own import from the kernel"
		}
		return s.filtered
	case rib.Conflict:
		if s.leftAlone(slot) {
			return s.fight.reason()
		}
		return "another program's route has this prefix and metric; ours comes in when that one goes, or with another metric for this VRF"
	case rib.OverQuota:
		return fmt.Sprintf("the VRF has its max_routes, %d; raise it, or send fewer routes", s.mostRoutes())
	case rib.Failed:
		return s.failed[slot]
	}
	return ""
}

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
	confirmed := 0
	for i, c := range changes {
		s.tally(c, errs[i])
		if s.tap != nil {
			s.tellWrite(slots[i], c, errs[i])
		}
		s.wrote(slots[i], c, errs[i])
		if errs[i] == nil {
			confirmed++
		}
	}
	s.ages.wrote(confirmed, time.Now(), &s.totals.Latency)
	if s.due.waiting == 0 {
		s.ages.clear()
	}
	if len(s.extra) == 0 {
		s.strangersGone()
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
	s.doubt("write")
	s.totals.Unconfirmed++
	s.read, s.trusted = false, false
	return nil
}

// noSlot stands, beside a change, for no entry: it is of an extra route.
const noSlot = ^rib.Slot(0)

// changes builds the next batch. A route whose key changes is added under the
// new key before it is deleted under the old one. What it returns is good until
// the next call.
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
	for len(s.extra) > 0 && len(out) < writeBatch && s.due.waiting == 0 {
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
	if slot == noSlot {
		if err != nil {
			s.doubt("refused")
		}
		return
	}
	e := s.entries.At(slot)
	switch {
	case err == nil && c.Op == rib.OpDelete:
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
			s.doubt("conflict") // whose it is, the table says
		}
	default:
		s.fail(slot, e, err)
		if e.have != nil && !passing(err) {
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
	s.retry.at(time.Now().Add(wait), "refused")
}

// retryFailed makes what the kernel refused due again.
func (s *session) retryFailed() {
	for slot := range s.failed {
		s.settle(slot, s.entries.At(slot))
	}
}
