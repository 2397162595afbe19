package nsworker

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"time"

	"github.com/vrfredist/vrfredist/nsworker/nexthop"
	"github.com/vrfredist/vrfredist/rib"
	"github.com/vrfredist/vrfredist/vrf"
)

// tableSync is a worker's time on one open table. All of it belongs to the worker's
// goroutine.
//
// Each turn of its loop takes in one event, which marks in the books what it may concern.
// One pass evaluates what is marked, and decides; then the writer brings about a bounded part
// of what is due.
type tableSync struct {
	*Worker
	*books
	table     Table
	phase     phase
	follows   *follower
	sweeps    sweeps
	tell      teller
	write     writer
	askings   askings
	unreached unreached
	deadHops  bool // some foreign hop was RTNH_F_DEAD at the last read. The kernel sends no event when it revives, so the next link-up needs a reading

	resync schedule
	slow   schedule // the reading after resync_interval
	later  schedule // a reading that nothing waits for
	expiry expiry

	down    rib.Down         // whose sessions have ended, as the feed last said
	told    vrf.WorkerStatus // what was reported last
	toldAll bool             // the board knows that all imports were announced

	nearQuota bool // somebody was warned
	entries   []rib.Entry
}

const (
	// feedBatch bounds how many prefixes one turn of the loop takes, so that a flood does not
	// keep the worker from links, queries and the end.
	feedBatch = 2048

	resyncGap = 100 * time.Millisecond // between two readings of the table
	busyGap   = 300 * time.Millisecond // the same, in the midst of writing what the one before made due
	lossGap   = 5 * time.Second        // how long it waits, at most, for routes to be written that a link took with it
	laterGap  = 2 * time.Second        // a link that comes up says so in several messages, and IPv6 takes a second more
)

func newTableSync(w *Worker, table Table) *tableSync {
	s := &tableSync{Worker: w, table: table, follows: &follower{w.deps.Board, w.wakes, make(map[string]int)}}
	s.books = newBooks(w, table.Where(), s.follows, s.doubt)
	s.tell = teller{books: s.books, name: w.name, spec: &w.spec, from: w.deps.Tap}
	s.sweeps = sweeps{
		books: s.books, feed: w.feed, deps: &w.deps, spec: &w.spec, follows: s.follows, log: w.log,
		deadline: time.Now().Add(w.spec.SweepDelay),
	}
	s.unreached = unreached{bgp: w.deps.BGP, spec: &w.spec, ways: s.routes.ways}
	s.routes.adopted.late, s.routes.beside.origin.late = s.sweeps.late, s.sweeps.late
	s.write = writer{books: s.books, Worker: w, table: table, tell: &s.tell, doubt: s.doubt, lost: s.losesStep, carried: carried{core: w.deps.Core, bgp: w.deps.BGP, spec: &w.spec}}
	s.write.traces = newTraces(w.deps.Trace, &s.tell)
	return s
}

func (s *tableSync) run(ctx context.Context) error {
	if home := s.spec.VRF; home != "" {
		s.follows.follow(home, +1)
	}
	s.announced.begin(s.routes.beside.origin.inherit)
	s.feed.Restart()
	s.write.carried.begin()
	s.resync.at(time.Now(), rib.ResyncStart)
	s.report(false)
	timer := time.NewTimer(0)
	defer timer.Stop()
	for {
		timer.Reset(s.nextTimer())
		select {
		case <-ctx.Done():
			return s.leave(ctx)
		case <-s.table.Ready():
			switch ev := s.table.Events(); {
			case ev.Gone:
				return s.gone(ctx, ev.GoneBy)
			case ev.Broken != nil:
				return ev.Broken // the next worker reads the table and begins with that
			default:
				s.onKernel(ev)
			}
		case <-s.news():
			s.onFeed()
		case <-s.wakes:
			s.tell.look()
			s.routes.markUsers(s.sets.Leaking())
			if s.routes.ways.haveMoved() {
				rib.MarkAll(s.feed, s.routes.ways.leakedByPE)
			}
		case <-s.write.carried.news:
			s.tell.look()
			if s.phase.known() {
				s.write.carried.looks(s.view())
			}
			s.routes.markUsers(s.sets.OverCore())
		case spec := <-s.specs:
			s.reconfigure(spec)
		case q := <-s.queries:
			q(s)
		case <-timer.C:
		}
		if err := s.work(ctx); err != nil {
			if ctx.Err() != nil {
				return s.leave(ctx)
			}
			return err
		}
		s.report(false)
		if s.idle() {
			s.askings.answer(s.books, s.totals.Objects)
			if _, waiting := s.feed.Len(); waiting == 0 && len(s.askings.settling) > 0 && !s.write.carried.moves() {
				s.askings.settled()
			}
		}
	}
}

// news is signalled when the feed has something, once the table is known: what is in the
// table keeps its place in the quota before anything new takes one.
func (s *tableSync) news() <-chan struct{} {
	if !s.phase.known() {
		return nil
	}
	return s.feed.Ready()
}

// idle tells whether nothing is due: everything has been tried.
func (s *tableSync) idle() bool { return s.phase.known() && s.books.idle() }

// nextTimer is how long the loop may wait: not at all while there is work that the last turn
// left.
func (s *tableSync) nextTimer() time.Duration {
	next := until(time.Hour, s.resync.when, s.later.when, s.slow.when, s.routes.RetryTime(), s.routes.backups.RetryTime(), s.routes.backups.time(), s.expiry.next, s.contention.Again(), s.contention.CalmTime())
	if !s.phase.known() {
		return next
	}
	if !s.routes.written() || s.sets.Due() || s.routes.surplus.routes.Len() > 0 && s.resync.when.IsZero() || !s.sets.Objects.Idle() || !s.sets.Endpoints.Idle() {
		return 0
	}
	next = until(next, s.sweeps.time(), s.announced.sendTime())
	if s.mayTidy() {
		next = until(next, s.sets.Objects.TidyTime(), s.sets.Endpoints.TidyTime())
	}
	return next
}

// until is how long it is until the first of some times, of which a zero one is none, and no longer than
// most.
func until(most time.Duration, times ...time.Time) time.Duration {
	for _, t := range times {
		if !t.IsZero() {
			most = min(most, max(0, time.Until(t)))
		}
	}
	return most
}

// work does what is due now, a bounded part of it.
func (s *tableSync) work(ctx context.Context) error {
	s.tell.look()
	now := time.Now()
	if s.later.passed(now) {
		s.resync.at(now, s.later.reason)
	}
	if s.slow.passed(now) {
		s.resync.at(now, rib.ResyncTimer)
	}
	if s.expiry.passed(now) {
		s.resync.at(now, rib.ResyncExpired)
	}
	if s.resync.passed(now) {
		if err := s.reconcile(ctx); err != nil {
			return err
		}
	}
	if !s.phase.known() {
		return nil // nothing may be written before the table is known
	}
	s.pass()
	s.retry()
	s.sweeps.sweep(now)
	s.pass()
	s.write.traces.look()
	if err := s.write.objects(ctx); err != nil || !s.phase.known() {
		return err
	}
	s.chooseMoved()   // behind what moves them at once
	s.tellUnreached() // before what takes long
	s.routes.confirms.tell()
	s.routes.beside.choices.tell()
	for _, step := range []func(context.Context) error{s.writeRoutes, s.write.announce} {
		if err := step(ctx); err != nil || !s.phase.known() {
			return err
		}
	}
	s.tellUnreached()
	deleteUnused(s)
	s.pass()
	s.write.traces.look()
	s.routes.confirms.tell()
	s.routes.beside.choices.tell()
	s.announcedAll()
	return nil
}

// tellUnreached tells BGP which nexthops are not reached. While routes are being written that a
// link took with it, BGP waits: it needs the processors too for what it makes of that.
func (s *tableSync) tellUnreached() {
	repairs := s.routes.Waiting() > 0 && time.Now().Before(s.resync.held)
	if s.feed.SetRepairing(repairs); repairs {
		return
	}
	if !s.resync.held.IsZero() {
		s.hasten()
	}
	s.unreached.tell()
}

func (s *tableSync) writeRoutes(ctx context.Context) error {
	wrote, err := s.write.some(ctx, s.resync.when.IsZero())
	if wrote && s.routes.Waiting() == 0 {
		s.hasten()
	}
	return err
}

// mayTidy tells whether what is known of the table says what is unused.
func (s *tableSync) mayTidy() bool {
	return s.phase.known() && s.sweeps.all() && s.routes.idle() && s.sets.Objects.Idle() && s.sets.Endpoints.Idle()
}

// announcedAll tells those who wait for it, once, that BGP has all that the table had for it.
func (s *tableSync) announcedAll() {
	if !s.toldAll && s.announced.Idle() {
		s.toldAll = true
		s.deps.Board.announcedAll(s.name)
	}
}

// reconfigure takes over a changed Spec. The feed is rewound, so that every route passes the
// new policy; one that both allow stays as it is.
func (s *tableSync) reconfigure(spec vrf.Spec) {
	s.tell.look()
	if s.spec.NexthopObjects != spec.NexthopObjects || !slices.Equal(s.spec.Import.Tables, spec.Import.Tables) {
		s.doubt(rib.ResyncOther)
	}
	s.spec = spec
	s.judgeBy(spec)
	if s.phase.known() {
		s.publish() // what is imported, and its default route, count for those that it leaks into
	}
	s.announced.ask() // another RD or RT made BGP forget them
	s.feed.Rewind()
	var paths []rib.Path
	for slot, e := range s.routes.All { // a route that is gone from the feed is not rewound
		if paths = s.feed.Paths(paths[:0], slot); len(paths) == 0 {
			s.routes.MarkAnew(slot, e)
		}
	}
	if s.phase.known() {
		s.write.carried.looks(s.view()) // it may have another label or SID
		s.importAll()
	}
}

// onFeed takes in what changed in BGP: whose session has ended, and a bounded part of the
// prefixes.
func (s *tableSync) onFeed() {
	s.tell.look()
	if down := s.feed.Down(); !maps.Equal(down, s.down) {
		s.down = down
		s.routes.markUsers(s.sets.SetDown(down))
		s.feed.Postpone() // the prefixes: this is in the kernel first
		return
	}
	s.routes.beside.choices.looked = true
	s.entries = s.feed.Take(s.entries[:0], feedBatch)
	before := [rib.Families]int{s.routes.WaitingOf(rib.IPv4), s.routes.WaitingOf(rib.IPv6)}
	if s.phase.synced() {
		s.write.traces.took(s.entries)
	}
	s.routes.take(s.entries)
	s.sets.Endpoints.Heard()
	if s.phase.synced() { // before, BGP's routes waited for the worker, and not for the kernel
		for f := range rib.Families {
			s.write.ages[f].took(s.feed.Since(), s.routes.WaitingOf(f)-before[f])
		}
	}
	clear(s.entries)
}

// gone ends it because the binding no longer holds. What we wrote may still be reachable
// through the open socket: a VRF device that moved to another table leaves its old one
// behind, and nobody else would clean it.
func (s *tableSync) gone(ctx context.Context, what string) error {
	s.log.Info("the VRF's table is gone", "what", what)
	s.Worker.report(vrf.WorkerStatus{State: vrf.Pending, Reason: what + " is gone", Totals: s.withDrifts(s.totals)})
	if err := s.removeOwn(ctx); err != nil {
		s.log.Info("routes in the old table could not be removed", "err", err)
	}
	confirmNothing(s.deps.BGP, &s.spec)
	deafen(s.deps.BGP, &s.spec)
	if err := s.withdrawAll(ctx); err != nil {
		return err
	}
	return errGone
}

// leave ends it because its context ended.
func (s *tableSync) leave(ctx context.Context) error {
	if !s.takesRoutesOut(ctx) {
		return nil
	}
	why := context.Cause(ctx)
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), leaveTime)
	defer cancel()
	if err := s.removeOwn(ctx); err != nil {
		return fmt.Errorf("remove the routes of a VRF that ends: %w", err)
	}
	s.write.carried.drop()
	if errors.Is(why, vrf.ErrRemoved) {
		return s.withdrawAll(ctx)
	}
	return nil
}

// close gives back what it holds of others.
func (s *tableSync) close() {
	s.feed.SetRepairing(false)
	s.feed.Leave()
	s.unreached.end()
	s.follows.close()
	s.write.carried.end()
	s.sets.Close()
	s.sets.Objects.Close()
	s.askings.abandon()
}

// doubt asks for a reading of the table, soon. What takes many routes away says so in several
// messages: the reading for the first makes them due again, and one more before they are
// written would hold them up.
func (s *tableSync) doubt(reason rib.ResyncReason) {
	s.routes.backups.keep()
	at, gap := time.Now(), resyncGap
	if s.routes.Waiting() > 0 {
		gap = busyGap
	}
	for _, next := range []time.Time{s.resync.last.Add(gap), s.resync.held} {
		if next.After(at) {
			at = next
		}
	}
	s.resync.at(at, reason)
}

// publish shows the VRF's view to those it leaks into.
func (s *tableSync) publish() {
	s.deps.Board.publish(s.name, nexthop.View{View: *s.view(), Binding: s.spec.Binding, Carriage: s.spec.Carriage})
}
