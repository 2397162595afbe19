package nsworker

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"slices"
	"time"

	"github.com/vrfredist/vrfredist/rib"
)

// entry is one prefix on its way from BGP to the kernel.
type entry struct {
	target *target     // what the best paths come down to; nil: nothing is to be installed
	have   *forwarding // what the kernel confirmed, or showed, of ours; nil: nothing
	state  rib.State
	reason string // of Filtered, Conflict, OverQuota and Failed
	counts bool   // holds a place in the quota
	seen   uint8  // 1 + the vrf.Drift that a reading showed just now; 0: none
	drift  uint8  // the same, counted and not mended yet
}

// want is what should be in the kernel.
func (e *entry) want() *forwarding {
	if e.target == nil || e.state == rib.OverQuota {
		return nil
	}
	return e.target.want
}

// takeFeed takes in what changed in BGP, a bounded part of it.
func (s *session) takeFeed() {
	s.entryBuf = s.feed.Take(s.entryBuf[:0], feedBatch)
	due := len(s.due)
	for _, in := range s.entryBuf {
		s.choose(in.Prefix, in.Paths)
	}
	if s.synced { // before, BGP's routes waited for the worker, and not for the kernel
		s.ages.took(s.feed.Since(), len(s.due)-due)
	}
	clear(s.entryBuf)
}

// reconsider chooses anew for one prefix, from what the feed has now.
func (s *session) reconsider(prefix netip.Prefix) { s.choose(prefix, s.feed.Lookup(prefix)) }

// choose decides what one prefix should be in the kernel, given its candidates.
func (s *session) choose(prefix netip.Prefix, paths []rib.Path) {
	e := s.entries[prefix]
	if e == nil {
		if len(paths) == 0 || !s.spec.Export.Enabled {
			return
		}
		e = &entry{}
		s.entries[prefix] = e
	}
	if len(paths) == 0 || !s.spec.Export.Enabled {
		// A stale route keeps its state until the sweep decides.
		if e.state == rib.Stale && s.spec.Export.Enabled {
			return
		}
		s.aim(prefix, e, nil, 0, "")
		return
	}
	s.pathBuf = rib.Select(s.pathBuf[:0], paths, s.spec.Export.MaxPaths)
	best := s.pathBuf[0].Attrs
	switch {
	case best.Imported && best.Source == s.spec.Of():
		s.aim(prefix, e, nil, rib.Filtered, "the best path is this VRF's own import from the kernel")
	case !s.spec.Export.Match(best):
		s.aim(prefix, e, nil, rib.Filtered, s.filtered)
	default:
		s.aim(prefix, e, s.targetOf(prefix, best, s.pathBuf), 0, "")
	}
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
func (s *session) aim(prefix netip.Prefix, e *entry, tg *target, state rib.State, reason string) {
	old := e.target
	e.target = tg
	s.drop(old)
	if tg == nil {
		s.set(prefix, e, state, reason)
	}
	s.settle(prefix, e)
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
func (s *session) settle(prefix netip.Prefix, e *entry) {
	tg := e.target
	if tg == nil && e.state == rib.Stale && e.have != nil {
		return // until the sweep decides
	}
	if tg != nil && tg.want == nil {
		s.set(prefix, e, rib.Unresolved, "")
	}
	s.quota(prefix, e, tg != nil && tg.want != nil)
	want := e.want()
	switch {
	case want == nil && e.have == nil:
		delete(s.due, prefix)
		s.mended(e)
		if tg == nil && (e.state == 0 || e.state == rib.Stale) {
			s.forget(prefix, e)
		}
	case e.have.same(want):
		if want != e.have {
			s.hold(e, want) // the shared one, so that the next comparison is of pointers
		}
		s.set(prefix, e, rib.Installed, "")
		delete(s.due, prefix)
		s.mended(e)
	default:
		s.due[prefix] = struct{}{}
	}
}

// quota gives an entry that is wanted a place, or marks it over the quota; one
// that is wanted no longer gives its place to another.
func (s *session) quota(prefix netip.Prefix, e *entry, wanted bool) {
	most := s.spec.Export.MaxRoutes
	if most == 0 {
		most = rib.DefaultMaxRoutes
	}
	switch {
	case wanted && !e.counts && s.wanted >= most && e.have == nil: // those there stay
		s.set(prefix, e, rib.OverQuota, fmt.Sprintf("the VRF has its max_routes, %d; raise it, or send fewer routes", most))
		s.over[prefix] = struct{}{}
		return
	case wanted && !e.counts:
		e.counts = true
		s.wanted++
	case !wanted && e.counts:
		e.counts = false
		s.wanted--
		s.admit()
	}
	delete(s.over, prefix)
	if e.state == rib.OverQuota {
		s.set(prefix, e, 0, "")
	}
}

// admit makes one prefix that the quota kept out due again.
func (s *session) admit() {
	for prefix := range s.over {
		delete(s.over, prefix)
		if e := s.entries[prefix]; e != nil && e.state == rib.OverQuota {
			s.set(prefix, e, 0, "")
			s.settle(prefix, e)
			return
		}
	}
}

// forget drops an entry that is nothing and has nothing.
func (s *session) forget(prefix netip.Prefix, e *entry) {
	s.set(prefix, e, 0, "")
	delete(s.entries, prefix)
}

// set moves an entry to a state, and keeps the counts.
func (s *session) set(prefix netip.Prefix, e *entry, state rib.State, reason string) {
	if e.state != state {
		counts := &s.counts[rib.FamilyOf(prefix)]
		counts[e.state]--
		counts[state]++
		if e.state == rib.Failed {
			delete(s.failed, prefix)
		}
	}
	e.state, e.reason = state, reason
	if state == rib.Failed {
		s.failed[prefix] = struct{}{}
	} else if len(s.failed) == 0 {
		s.retry.failures = 0
	}
}

// write makes one batch of the due changes.
func (s *session) write(ctx context.Context) error {
	changes, prefixes := s.changes()
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
		s.wrote(prefixes[i], c, errs[i])
		if errs[i] == nil {
			confirmed++
		}
	}
	s.ages.wrote(confirmed, time.Now(), &s.totals.Latency)
	if len(s.due) == 0 {
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

// changes builds the next batch. A route whose key changes is added under the
// new key before it is deleted under the old one.
func (s *session) changes() ([]rib.Change, []netip.Prefix) {
	var out []rib.Change
	var prefixes []netip.Prefix
	add := func(p netip.Prefix, op rib.Op, f *forwarding) {
		out = append(out, rib.Change{Op: op, Route: f.route(p, s.spec.Protocol)})
		prefixes = append(prefixes, p)
	}
	for prefix := range s.due {
		if len(out) >= writeBatch {
			break
		}
		delete(s.due, prefix)
		e := s.entries[prefix]
		if e == nil {
			continue
		}
		want := e.want()
		switch {
		case want == nil && e.have == nil, e.have.same(want):
			s.settle(prefix, e)
		case want == nil:
			add(prefix, rib.OpDelete, e.have)
		case s.foreignAt(prefix, want.metric):
			s.conflict(prefix, e)
			if e.have != nil { // beside the foreign one, and out of date
				add(prefix, rib.OpDelete, e.have)
			}
		case e.have != nil && e.have.metric == want.metric:
			add(prefix, rib.OpReplace, want)
		default:
			if e.have != nil {
				s.extra = append(s.extra, e.have.route(prefix, s.spec.Protocol))
				s.hold(e, nil)
			}
			add(prefix, rib.OpAdd, want)
		}
	}
	for len(s.extra) > 0 && len(out) < writeBatch && len(s.due) == 0 {
		r := s.extra[len(s.extra)-1]
		s.extra = s.extra[:len(s.extra)-1]
		out = append(out, rib.Change{Op: rib.OpDelete, Route: r})
		prefixes = append(prefixes, netip.Prefix{})
	}
	return out, prefixes
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

// conflict leaves a foreign route with our key as it is. Whatever we had there
// is gone or shadowed: it is not ours to touch until the foreign one leaves.
func (s *session) conflict(prefix netip.Prefix, e *entry) {
	s.set(prefix, e, rib.Conflict, "another program's route has this prefix and metric; ours comes in when that one goes, or with another metric for this VRF")
}

// wrote takes in the kernel's answer to one change.
func (s *session) wrote(prefix netip.Prefix, c rib.Change, err error) {
	e := s.entries[prefix]
	if e == nil { // an extra route
		if err != nil {
			s.doubt("refused")
		}
		return
	}
	switch {
	case err == nil && c.Op == rib.OpDelete:
		s.hold(e, nil)
		s.settle(prefix, e)
	case err == nil:
		s.hold(e, e.want())
		s.settle(prefix, e)
	case errors.Is(err, rib.ErrExists):
		s.conflict(prefix, e)
		if !s.foreignAt(prefix, c.Route.Metric) {
			s.doubt("conflict") // whose it is, the table says
		}
	default:
		s.set(prefix, e, rib.Failed, err.Error())
		s.retryLater()
	}
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
	for prefix := range s.failed {
		if e := s.entries[prefix]; e != nil {
			s.settle(prefix, e)
		}
	}
}
