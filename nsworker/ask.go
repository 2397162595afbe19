package nsworker

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"iter"
	"net/netip"
	"slices"

	"github.com/vrfredist/vrfredist/nsworker/nexthop"
	"github.com/vrfredist/vrfredist/rib"
	"github.com/vrfredist/vrfredist/vrf"
)

// What a worker is asked from other goroutines: its loop answers between two turns, with a
// copy, or with what never changes.

// ask has the loop's goroutine run f between two of its turns, and waits for
// that. f is given nil while the VRF has no table.
func (w *Worker) ask(ctx context.Context, f func(*tableSync)) error {
	ran := make(chan struct{})
	q := func(s *tableSync) { defer close(ran); f(s) }
	select {
	case w.queries <- q:
	case <-w.ended:
		return errEnded
	case <-ctx.Done():
		return context.Cause(ctx)
	}
	<-ran // the loop took it, and does nothing else meanwhile
	return nil
}

// pending is the error of asking for a table that is not there. It is called by
// the loop's goroutine.
func (w *Worker) pending() error { return fmt.Errorf("%w: %s", vrf.ErrPending, w.absent) }

// Resync implements vrf.Worker.
func (w *Worker) Resync(ctx context.Context) (vrf.Repair, error) {
	answer := make(chan resynced, 1)
	err := w.ask(ctx, func(s *tableSync) {
		if s == nil {
			answer <- resynced{err: w.pending()}
			return
		}
		s.askings.add(answer)
		s.contention.Hurry()
		s.doubt(rib.ResyncAsked)
	})
	if err != nil {
		return vrf.Repair{}, err
	}
	select {
	case r := <-answer:
		return r.repair, r.err
	case <-ctx.Done():
		return vrf.Repair{}, context.Cause(ctx)
	}
}

// Settled implements vrf.Worker.
func (w *Worker) Settled(ctx context.Context) error {
	done := make(chan struct{})
	err := w.ask(ctx, func(s *tableSync) {
		if s == nil {
			close(done)
			return
		}
		select { // it may have been handed over just now
		case spec := <-s.specs:
			s.reconfigure(spec)
		default:
		}
		s.askings.settling = append(s.askings.settling, done)
	})
	if err != nil {
		return err
	}
	select {
	case <-done:
		return nil
	case <-w.ended:
		return errEnded
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}

// Explain implements vrf.Worker.
func (w *Worker) Explain(ctx context.Context, q rib.Question) (rib.Explanation, error) {
	var f facts
	if err := w.ask(ctx, func(s *tableSync) { f = w.facts(s, q) }); err != nil {
		return rib.Explanation{}, err
	}
	f.candidates, f.unasked = w.deps.BGP.Candidates(ctx, f.spec.Of(), f.prefix)
	f.refused = w.deps.BGP.Refused(f.spec.Of(), f.prefix)
	for _, p := range f.candidates {
		if p.Attrs.Imported && p.Attrs.Source == f.spec.Of() {
			f.ours = p
		}
	}
	f.candidates = slices.DeleteFunc(f.candidates, isPassedOn)
	f.byRules = askByRules(ctx, &f.spec, f.prefix, f.candidates, w.deps.BGP)
	offers, err := w.deps.BGP.Offers(ctx, f.spec.Of(), f.prefix)
	f.offers, f.unasked = offers, cmp.Or(f.unasked, err)
	f.telling, f.untold = w.deps.BGP.Telling(f.spec.Of(), f.prefix)
	if f.confined && f.spec.Of() != vrf.Default {
		f.candidates = slices.DeleteFunc(f.candidates, func(p rib.Path) bool { return !p.Attrs.Meets(f.spec.ImportRTs) })
		f.offers = slices.DeleteFunc(f.offers, func(o rib.Offer) bool {
			return o.Path.Attrs.Source != f.spec.Of() && !o.Path.Attrs.Meets(f.spec.ImportRTs)
		})
	}
	return f.explain(), nil
}

// facts is called by the loop's goroutine; s is nil while there is no table.
func (w *Worker) facts(s *tableSync, q rib.Question) facts {
	prefix := q.Prefix
	if q.Longest {
		prefix, _ = rib.Longest(prefix.Addr(), func(p netip.Prefix) bool {
			return len(w.feed.Lookup(p)) > 0 || s != nil && (s.routes.has(p) || s.importing.Has(*s.view(), p))
		})
	}
	f := facts{prefix: prefix, confined: q.Confined, spec: w.spec, board: w.deps.Board, heard: heard{link: w.deps.Link}}
	f.paths = w.feed.Lookup(prefix)
	_, f.waiting = w.feed.Len()
	if s == nil {
		f.absent = w.absent
		return f
	}
	f.read, f.changes, f.wanted = s.phase.known(), s.routes.Waiting(), s.routes.wanted
	f.view, f.mine, f.onlooker = *s.view(), s.routes.own, s.onlooker()
	if slot, e := s.routes.entryOf(prefix); e != nil {
		f.onlooker.barred, f.spare = s.routes.barred.by(slot), s.routes.backups.route(slot, prefix)
		f.entry, f.known, f.reason = *e, true, s.reason(slot, e)
		if e.Want != nil {
			f.set = *e.Want
		}
	}
	f.announced, f.isAnnounced = s.announced.announcedNow(prefix)
	f.announcesDue = s.announced.due(prefix)
	return f
}

// listedAtOnce is how many exported routes a query takes out of the loop at a time:
// half a millisecond's work, in which nothing else is done for the VRF.
const listedAtOnce = 1024

// Routes implements vrf.Worker.
func (w *Worker) Routes(ctx context.Context, q vrf.RouteQuery, yield func(rib.RouteStatus) bool) error {
	yield = withOwnPeers(w.deps.Link, yield)
	var snap snapshot
	there := false
	if err := w.ask(ctx, func(s *tableSync) {
		if there = s != nil; there {
			snap = snapshotOf(s)
		}
	}); err != nil || !there {
		return err
	}
	if q.Direction == vrf.Import {
		return w.imports(ctx, snap, q, yield)
	}
	batch := make([]netip.Prefix, 0, listedAtOnce)
	var rows []row
	for prefix := range w.listed(q) {
		if batch = append(batch, prefix); len(batch) < listedAtOnce {
			continue
		}
		more, err := w.exports(ctx, batch, &rows, q, yield)
		if err != nil || !more {
			return err
		}
		batch = batch[:0]
	}
	more, err := w.exports(ctx, batch, &rows, q, yield)
	if err != nil || !more {
		return err
	}
	w.refused(snap.name, q, yield)
	return keptOut(ctx, w, snap, q, yield)
}

// listed are the prefixes of the export that are asked for, in order. One alone is looked up.
func (w *Worker) listed(q vrf.RouteQuery) iter.Seq[netip.Prefix] {
	if !q.Only.IsValid() {
		return w.feed.Sorted(q.Within)
	}
	return func(yield func(netip.Prefix) bool) {
		if _, held := w.feed.Find(q.Only); held || len(w.feed.Lookup(q.Only)) > 0 {
			yield(q.Only)
		}
	}
}

// refused calls yield with what neighbours announced and BGP did not take, where it has
// no other path: it is nowhere else.
func (w *Worker) refused(name string, q vrf.RouteQuery, yield func(rib.RouteStatus) bool) {
	list := w.deps.BGP.Refused(name, q.Only)
	slices.SortFunc(list, func(a, b rib.Refusal) int { return comparePrefixes(a.Prefix, b.Prefix) })
	for i, r := range list {
		if i > 0 && list[i-1].Prefix == r.Prefix || !q.Wants(r.Prefix, rib.Filtered) || len(w.feed.Lookup(r.Prefix)) > 0 {
			continue
		}
		st := rib.RouteStatus{
			Prefix: r.Prefix, State: rib.Filtered, Reason: whereabouts(w.deps.Link).called(r.Neighbour) + " announced it, and it was not taken: " + r.Reason,
			Route: rib.Route{Prefix: r.Prefix, Kind: rib.KindUnicast},
		}
		if peer, err := netip.ParseAddr(r.Neighbour); err == nil { // else it is named by its interface
			st.Best.Attrs = &rib.Attrs{Via: &rib.Via{Peer: peer}}
		}
		if !yield(st) {
			return
		}
	}
}

// exports calls yield with the exported routes of some prefixes, and tells whether to
// go on. It uses the room of rows.
func (w *Worker) exports(ctx context.Context, prefixes []netip.Prefix, rows *[]row, q vrf.RouteQuery, yield func(rib.RouteStatus) bool) (more bool, err error) {
	var snap snapshot
	var away error
	if err := w.ask(ctx, func(s *tableSync) {
		if s == nil {
			away = w.pending()
			return
		}
		snap, *rows = snapshotOf(s), s.rows((*rows)[:0], prefixes, q)
	}); err != nil {
		return false, err
	}
	return away == nil && snap.exports(w.feed, *rows, yield), away
}

// keptOut calls yield with what the leaks of a worker's VRF keep out, where it has no other path.
func keptOut(ctx context.Context, w *Worker, s snapshot, q vrf.RouteQuery, yield func(rib.RouteStatus) bool) error {
	if len(s.leaks) == 0 || len(q.States) > 0 && !slices.Contains(q.States, rib.Filtered) && !slices.Contains(q.States, rib.OverLimit) {
		return nil
	}
	k := keeping{into: s.name, rules: s.leaks, feed: w.feed, board: w.deps.Board, bgp: w.deps.BGP}
	return k.list(ctx, q.Within, func(out *rib.KeptOut) bool {
		return !q.Wants(out.Prefix, out.State()) || yield(rib.RouteStatus{
			Prefix: out.Prefix, State: out.State(), Reason: out.Reason(), Best: out.Path, Leaked: true,
			Route: rib.Route{Prefix: out.Prefix, Metric: s.metric, Protocol: s.protocol, Kind: rib.KindUnicast},
		})
	})
}

// goesBy calls yield with what a worker's VRF goes by for some prefixes, as it tells BGP (choices),
// which keeps nothing of that. One without a table goes by nothing, and one that has ended.
func goesBy(ctx context.Context, w *Worker, prefixes []netip.Prefix, yield func(*rib.Choice)) error {
	var s snapshot
	there, barred := false, make([][]nexthop.Member, len(prefixes))
	if err := w.ask(ctx, func(t *tableSync) {
		if there = t != nil; !there {
			return
		}
		s = snapshotOf(t)
		for i, p := range prefixes {
			if slot, held := t.routes.feed.Find(p); held {
				barred[i] = t.routes.barred.by(slot)
			}
		}
	}); err != nil && !errors.Is(err, errEnded) {
		return err
	}
	if !there {
		return nil
	}
	var buf, judged, room []rib.Path
	ways := s.onlooker.pathWays()
	for i, prefix := range prefixes {
		c := rib.Candidates{Prefix: prefix, Paths: w.feed.Lookup(prefix), Own: s.mine, Taken: s.taken, Room: buf, Judged: judged}
		if s.onlooker.spec.Export.Enabled {
			ways.barring(rib.FamilyOf(prefix), barred[i])
			c.Reach = ways.reach
		}
		v := rib.Decide(s.exporting, &c, nil)
		buf, judged = v.Chosen, c.Judged
		var choice rib.Choice
		choice, room = v.Choice(prefix, c.Paths, room[:0])
		yield(&choice)
	}
	return nil
}
