package nsworker

import (
	"context"
	"fmt"
	"net/netip"
	"time"

	"github.com/vrfredist/vrfredist/nsworker/ledger"
	"github.com/vrfredist/vrfredist/nsworker/nexthop"
	"github.com/vrfredist/vrfredist/rib"
	"github.com/vrfredist/vrfredist/vrf"
)

// tableSync is a worker's time on one open table. All of it belongs to the worker's
// goroutine.
//
// Each turn of its loop takes in one event, which marks what it may concern in the three
// ledgers: the routes, the nexthop objects that they hang on, the announcements. One pass
// evaluates what is marked (pass); then a bounded part of what is due is written (work).
type tableSync struct {
	*Worker
	table      Table
	phase      phase
	routes     *routes
	sets       *nexthop.Sets
	announced  *announcements
	importing  *rib.Importing // how the Spec judges the kernel's routes
	contention *ledger.Contention
	follows    map[string]int // VRFs that leak here, by number of sets
	sweeps     sweeps
	deadHops   bool // some foreign hop was RTNH_F_DEAD at the last read. The kernel sends no event when it revives, so the next link-up needs a reading

	resync schedule
	slow   schedule // the reading after resync_interval
	later  schedule // a reading that nothing waits for

	tap     *vrf.Tap   // nil: nobody listens
	told    vrf.Status // what was reported last
	toldAll bool       // the board knows that all imports were announced
	askings []*asking
	ages    [rib.Families]ages

	unconfirmed int // batches in a row whose outcome is not known
	room        room
}

// room is slices that are used again.
type room struct {
	entries []rib.Entry
	writes  []write
	changes []rib.Change
}

// phase is how well the table is known.
type phase uint8

const (
	unread    phase = iota // nothing is written before the table was read
	catchUp                // it was read, and what that and BGP made due is not all done yet
	inStep                 // everything was done once
	outOfStep              // the outcome of a batch is not known: nothing is written before the next reading
)

// known tells whether what is known of the table was read, or confirmed.
func (p phase) known() bool { return p == catchUp || p == inStep }

// synced tells whether everything was done once.
func (p phase) synced() bool { return p >= inStep }

// read is the phase after a reading.
func (p phase) read() phase {
	if p.synced() {
		return inStep
	}
	return catchUp
}

// lost is the phase after a batch whose outcome is not known.
func (p phase) lost() phase {
	if p.synced() {
		return outOfStep
	}
	return unread
}

const (
	// feedBatch bounds how many prefixes one turn of the loop takes, so that a flood does not
	// keep the worker from links, queries and the end.
	feedBatch = 2048
	// writeBatch bounds the changes of one Apply.
	writeBatch = 1024

	resyncGap    = 100 * time.Millisecond // between two readings of the table
	busyGap      = 300 * time.Millisecond // the same, in the midst of writing what the one before made due
	laterGap     = 2 * time.Second        // a link that comes up says so in several messages, and IPv6 takes a second more
	retryFirst   = 200 * time.Millisecond
	readFailures = 6 // in a row, before the worker gives up and is restarted
)

func newTableSync(w *Worker, table Table) *tableSync {
	s := &tableSync{Worker: w, table: table, follows: make(map[string]int)}
	s.contention = ledger.NewContention(time.Now)
	s.sweeps = sweeps{deadline: time.Now().Add(w.spec.SweepDelay)}
	s.sets = nexthop.NewSets(nexthop.Resolver{
		View: rib.View{Where: table.Where()}, Netns: w.spec.Binding.Netns,
		Views: w.deps.Board, Home: w.spec.VRF, Policy: w.spec.Export,
	}, nexthop.NewObjects(w.deps.Board.ids, table.Where(), s.contention, time.Now), s.follow)
	s.routes = &routes{
		feed: w.feed, spec: &w.spec, sets: s.sets, link: w.deps.Link, doubt: s.doubt,
		surplus: newSurplus(s.contention, &w.drifts), over: make(map[rib.Slot]struct{}),
		exporting: exporting(w.spec),
	}
	s.routes.Ledger = ledger.New(&bySlot{feed: w.feed}, s.routes, s.contention, &w.drifts)
	s.importing = importing(w.spec)
	s.announced = newAnnouncements(w.name, w.deps.BGP, s.contention, s.toAnnounce)
	return s
}

func (s *tableSync) run(ctx context.Context) error {
	s.followHome()
	s.announced.begin()
	s.feed.Restart()
	s.resync.at(time.Now(), "start")
	s.tell()
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
			s.listen()
			s.routes.markUsers(s.sets.Leaking())
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
		s.tell()
		s.answer()
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

// nextTimer is how long the loop may wait: not at all while there is work that the last
// turn left.
func (s *tableSync) nextTimer() time.Duration {
	next := time.Hour
	if s.phase.known() {
		if !s.routes.Idle() || len(s.routes.surplus.routes) > 0 && s.resync.when.IsZero() || !s.sets.Objects.Idle() {
			return 0
		}
		if !s.announced.Idle() || s.announced.failed > 0 {
			next = max(0, time.Until(s.announced.again))
		}
	}
	for _, t := range []time.Time{
		s.resync.when, s.later.when, s.slow.when, s.routes.RetryTime(), s.sweepTime(), s.tidyTime(),
		s.contention.Again(), s.contention.CalmTime(),
	} {
		if !t.IsZero() {
			next = min(next, max(0, time.Until(t)))
		}
	}
	return next
}

// idle tells whether nothing is due: everything has been tried.
func (s *tableSync) idle() bool {
	return s.phase.known() && s.routes.idle() && s.sets.Objects.Idle() && s.announced.Idle()
}

// pass evaluates what is marked, once: the nexthop objects before the routes, of which the
// state says so where an object is left alone to another program.
func (s *tableSync) pass() {
	o := s.sets.Objects
	before := o.LeftAlone()
	o.Settle()
	if o.LeftAlone()+before > 0 {
		s.routes.markUsers(s.sets.Contested())
	}
	s.routes.Pass(s.routes.evaluate)
	s.routes.admit()
	s.announced.Pass(s.announced.evaluate)
}

// work does what is due now, a bounded part of it.
func (s *tableSync) work(ctx context.Context) error {
	s.listen()
	now := time.Now()
	if s.later.passed(now) {
		s.resync.at(now, s.later.reason)
	}
	if s.slow.passed(now) {
		s.resync.at(now, "timer")
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
	s.routes.Retry()
	if s.contention.Over() {
		s.routes.takeBack()
		s.sets.Objects.TakeBack()
		s.routes.markUsers(s.sets.Contested())
	}
	s.contention.Relax()
	for of := range rib.Families {
		if s.sweepDue(of, now) {
			s.sweepStale(of)
		}
	}
	s.pass()
	for _, step := range []func(context.Context) error{s.writeObjects, s.writeRoutes, s.announce} {
		if err := step(ctx); err != nil || !s.phase.known() {
			return err
		}
	}
	s.sets.Objects.Tidy(s.mayTidy())
	s.pass()
	s.announcedAll()
	return nil
}

// reconfigure takes over a changed Spec. The feed is rewound, so that every route passes the
// new policy; one that both allow stays as it is.
func (s *tableSync) reconfigure(spec vrf.Spec) {
	s.listen()
	if s.spec.NexthopObjects != spec.NexthopObjects {
		s.doubt("nexthop_objects changed")
	}
	s.spec = spec
	s.sets.Resolver.Policy = spec.Export
	s.routes.exporting, s.importing = exporting(spec), importing(spec)
	s.routes.markUsers(s.sets.ResolveAll())
	s.announced.ask() // another RD or RT made BGP forget them
	s.feed.Rewind()
	for slot, e := range s.routes.All { // a route that is gone from the feed is not rewound
		s.routes.MarkAnew(slot, e)
	}
	s.importAll()
}

// onFeed takes in what changed in BGP, a bounded part of it.
func (s *tableSync) onFeed() {
	s.listen()
	s.room.entries = s.feed.Take(s.room.entries[:0], feedBatch)
	before := [rib.Families]int{s.routes.WaitingOf(rib.IPv4), s.routes.WaitingOf(rib.IPv6)}
	s.routes.take(s.room.entries)
	if s.phase.synced() { // before, BGP's routes waited for the worker, and not for the kernel
		for f := range rib.Families {
			s.ages[f].took(s.feed.Since(), s.routes.WaitingOf(f)-before[f])
		}
	}
	clear(s.room.entries)
}

// listen looks whether somebody listens to what becomes of routes.
func (s *tableSync) listen() {
	s.tap = s.deps.Tap.Open()
	s.routes.tellState = nil
	if s.tap != nil {
		s.routes.tellState = s.tellState
	}
}

// toAnnounce is what is to be announced of a prefix of the table.
func (s *tableSync) toAnnounce(prefix netip.Prefix) (rib.Announcement, bool) {
	in, out := rib.DecideImport(s.importing, s.sets.Resolver.View, prefix, nil)
	return in.Announcement, out == rib.Accepted
}

// importAll has what is announced of the whole table decided again.
func (s *tableSync) importAll() {
	if s.phase.known() {
		s.announced.want(rib.ImportSet(s.importing, s.sets.Resolver.View))
	}
}

// writeObjects brings about the nexthop objects that are due, before any route that is to
// hang on them.
func (s *tableSync) writeObjects(ctx context.Context) error {
	o := s.sets.Objects
	for {
		changes := o.Changes()
		if len(changes) == 0 {
			return nil
		}
		errs, err := s.table.Apply(ctx, changes)
		if err != nil {
			return s.unknown(ctx, err)
		}
		for i, c := range changes {
			s.wroteObject(c, errs[i])
		}
		s.pass()
	}
}

// wroteObject takes in the kernel's answer to one change of a nexthop object.
func (s *tableSync) wroteObject(c rib.Change, err error) {
	o, id := s.sets.Objects, c.Nexthop.ID
	switch {
	case err == nil:
		s.totals.Objects++
		o.Confirmed(c)
		if c.Op == rib.OpDeleteNexthop && nexthop.IsGroup(id) {
			s.sets.Lost(id)
			s.routes.lostGroup(id)
		}
	case c.Op == rib.OpDeleteNexthop:
		o.Kept(id)
		s.doubt("refused")
	default:
		s.log.Debug("a nexthop object was refused; the routes carry their nexthops themselves", "err", err)
		s.routes.markUsers(s.sets.Inline(s.sets.Using(id)))
	}
}

// writeRoutes makes one batch of the due changes.
func (s *tableSync) writeRoutes(ctx context.Context) error {
	s.room.writes = s.routes.changes(s.room.writes[:0], s.resync.when.IsZero())
	if len(s.room.writes) == 0 {
		return nil
	}
	s.room.changes = s.room.changes[:0]
	for _, w := range s.room.writes {
		s.room.changes = append(s.room.changes, w.Change)
	}
	errs, err := s.table.Apply(ctx, s.room.changes)
	if err != nil {
		return s.unknown(ctx, err)
	}
	s.unconfirmed = 0
	var confirmed [rib.Families]int
	for i, w := range s.room.writes {
		s.tally(w.Change, errs[i])
		if s.tap != nil {
			s.tellWrite(w, errs[i])
		}
		s.routes.wrote(w, errs[i])
		if errs[i] == nil {
			confirmed[rib.FamilyOf(w.Route.Prefix)]++
		}
	}
	s.pass()
	s.aged(confirmed)
	if len(s.routes.surplus.routes) == 0 {
		s.routes.surplus.mended()
	}
	if s.routes.Waiting() == 0 {
		s.hasten()
	}
	return nil
}

// aged observes how old the changes were that the kernel confirmed.
func (s *tableSync) aged(confirmed [rib.Families]int) {
	now := time.Now()
	s.ages[rib.IPv4].wrote(confirmed[rib.IPv4], now, &s.totals.Latency)
	s.ages[rib.IPv6].wrote(confirmed[rib.IPv6], now, &s.totals.Latency, &s.totals.Latency6)
	for f := range s.ages {
		if s.routes.WaitingOf(rib.Family(f)) == 0 {
			s.ages[f].clear()
		}
	}
}

// unknown takes in that it is not known what the kernel did with a batch: the table is read
// before anything else is decided.
func (s *tableSync) unknown(ctx context.Context, err error) error {
	if ctx.Err() != nil {
		return err
	}
	s.log.Warn("a batch of changes was not confirmed; the table is read again", "err", err)
	if s.unconfirmed++; s.unconfirmed >= readFailures {
		return fmt.Errorf("write routes, %d times in a row: %w", s.unconfirmed, err)
	}
	s.doubt("write")
	s.totals.Unconfirmed++
	s.phase = s.phase.lost()
	s.routes.Trusted = false
	return nil
}

// announce makes one batch of the due announcements.
func (s *tableSync) announce(ctx context.Context) error {
	changes, err := s.announced.send(ctx)
	switch {
	case err != nil && ctx.Err() != nil:
		return err
	case err != nil:
		s.log.Warn("announcements were not confirmed by BGP; they are made again", "err", err)
		return s.announced.failedToSend(err)
	}
	for _, c := range changes {
		s.totals.Told(c.Withdraw)
		if rib.FamilyOf(c.Prefix) == rib.IPv6 {
			s.totals.IPv6.Told(c.Withdraw)
		}
		if s.tap != nil {
			s.tellAnnouncement(c)
		}
	}
	return nil
}

// mayTidy tells whether what is known of the table says what is unused.
func (s *tableSync) mayTidy() bool {
	return s.phase.known() && s.sweeps.all() && s.routes.idle() && s.sets.Objects.Idle()
}

// tidyTime is when unused nexthop objects are to be deleted; zero: not now.
func (s *tableSync) tidyTime() time.Time {
	if !s.mayTidy() {
		return time.Time{}
	}
	return s.sets.Objects.TidyTime()
}
