package nsworker

import (
	"context"
	"fmt"
	"net/netip"
	"time"

	"github.com/vrfredist/vrfredist/rib"
	"github.com/vrfredist/vrfredist/vrf"
)

// session is a worker's time on one open table. All of it belongs to the
// worker's goroutine.
type session struct {
	*Worker
	table    Table
	resolver resolver
	targets  targets
	objects  objects
	tracker  tracker
	entries  rib.Slots[entry] // what BGP has for this VRF, and what the kernel has of ours
	extra    []rib.Route      // own routes under keys that we do not use: to be deleted
	due      dueList
	failed   map[rib.Slot]string   // refused by the kernel, and why: tried again
	over     map[rib.Slot]struct{} // refused by the quota: tried again when there is room
	counts   [rib.Families]byState // entries by family and state
	wanted   int                   // entries that are in the kernel or due to be: what the quota counts

	mine     *rib.OwnPrefixes // connected subnets, and addresses; nil before the first reading
	deadHops bool             // a foreign route has had one, which may come to life again in silence

	announced  map[netip.Prefix]rib.Announcement
	announced6 int // what of it is IPv6
	importDue  map[netip.Prefix]struct{}
	filtered   string         // why a path that the export policy leaves out is left out
	follows    map[string]int // VRFs that leak here, by number of targets

	synced  bool     // the table was read, and the feed taken once
	reading bool     // the table is being read
	tap     *vrf.Tap // nil: nobody listens
	read    bool     // the table is known; nothing is written while it is not

	// Own routes that BGP has not spoken of may only be late: a peer that
	// restarts sends its table in its own time. They go when swept.
	swept         [rib.Families]bool
	sweepDeadline time.Time
	leaking       leaking

	resync schedule
	retry  schedule
	fight  fight
	slow   schedule
	later  schedule         // a reading that nothing waits for
	told   vrf.WorkerStatus // what was reported last

	trusted  bool              // what is known to be in the table was read, or confirmed
	drifting int               // entries whose drift is not mended yet
	strange  [rib.Families]int // routes of extra that nobody here wrote
	askings  []*asking
	ages     [rib.Families]ages

	unconfirmed      int // batches in a row whose outcome is not known
	announceFailures int // Announce calls in a row that failed
	announceRetry    time.Time
	toldAll          bool // the board knows that all imports were announced

	lastShared *forwarding // what shared returned last

	entryBuf  []rib.Entry // reused
	pathBuf   []rib.Path
	changeBuf []rib.Change
	slotBuf   []rib.Slot
	prefixBuf []netip.Prefix
}

// byState counts entries by their state.
type byState [rib.Stale + 1]int

const (
	// feedBatch bounds how many prefixes one turn of the loop takes, so that a
	// flood does not keep the worker from links, queries and the end.
	feedBatch = 2048
	// writeBatch bounds the changes of one Apply.
	writeBatch = 1024
	// announceBatch bounds the changes of one Announce.
	announceBatch = 1000

	resyncGap    = 100 * time.Millisecond // between two readings of the table
	busyGap      = 300 * time.Millisecond // the same, in the midst of writing what the one before made due
	laterGap     = 2 * time.Second        // a link that comes up says so in several messages, and IPv6 takes a second more
	retryFirst   = 200 * time.Millisecond
	retryMost    = 30 * time.Second
	readFailures = 6 // in a row, before the worker gives up and is restarted
)

func newSession(w *Worker, table Table) *session {
	s := &session{
		Worker:    w,
		table:     table,
		targets:   targets{byKey: make(map[string]*target)},
		failed:    make(map[rib.Slot]string),
		over:      make(map[rib.Slot]struct{}),
		announced: make(map[netip.Prefix]rib.Announcement),
		importDue: make(map[netip.Prefix]struct{}),
		follows:   make(map[string]int),

		sweepDeadline: time.Now().Add(w.spec.SweepDelay),
	}
	s.objects = newObjects(w, table.Where())
	s.fight = newFight()
	s.objects.fight = &s.fight
	s.tracker = newTracker()
	s.resolver = resolver{netns: w.spec.Binding.Netns, board: w.deps.Board, home: w.spec.VRF, policy: w.spec.Export, objects: &s.objects}
	s.resolver.view.Where = table.Where()
	s.filtered = leftOutBy(w.spec.Export)
	return s
}

func (s *session) run(ctx context.Context) error {
	s.followHome()
	s.askAnnounced()
	s.feed.Restart()
	s.resync.at(time.Now(), rib.ResyncStart)
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
				s.heed(ev)
			}
		case <-s.news():
			s.takeFeed()
		case <-s.wakes:
			s.resolveLeaks()
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

// news is signalled when the feed has something, once the table is known: what is
// in the table keeps its place in the quota before anything new takes one.
func (s *session) news() <-chan struct{} {
	if !s.read {
		return nil
	}
	return s.feed.Ready()
}

// nextTimer is how long the loop may wait: not at all while there is work that
// the last turn left.
func (s *session) nextTimer() time.Duration {
	if s.read && (s.due.waiting > 0 || len(s.extra) > 0 && s.resync.when.IsZero() || len(s.objects.due) > 0) {
		return 0
	}
	next := time.Hour
	if s.read && len(s.importDue) > 0 {
		next = max(0, time.Until(s.announceRetry))
	}
	for _, t := range []time.Time{
		s.resync.when, s.later.when, s.slow.when, s.retry.when, s.sweepTime(), s.tidyTime(),
		s.fight.again.when, s.fight.calmTime(),
	} {
		if !t.IsZero() {
			next = min(next, max(0, time.Until(t)))
		}
	}
	return next
}

// work does what is due now, a bounded part of it.
func (s *session) work(ctx context.Context) error {
	s.tap = s.deps.Tap.Open()
	now := time.Now()
	if s.later.passed(now) {
		s.resync.at(now, s.later.reason)
	}
	if s.slow.passed(now) {
		s.resync.at(now, rib.ResyncTimer)
	}
	if s.resync.passed(now) {
		if err := s.reconcile(ctx); err != nil {
			return err
		}
	}
	if !s.read {
		return nil // nothing may be written before the table is known
	}
	if s.retry.passed(now) {
		s.retryFailed()
	}
	s.makePeace(now)
	for of := range rib.Families {
		if s.sweepDue(of, now) {
			s.sweepStale(of)
		}
	}
	if err := s.writeObjects(ctx); err != nil || !s.read {
		return err
	}
	if err := s.write(ctx); err != nil || !s.read {
		return err
	}
	if err := s.tidy(ctx, now); err != nil {
		return err
	}
	if err := s.announce(ctx); err != nil {
		return err
	}
	s.announcedAll()
	return nil
}

// reconcile reads the table and puts everything that differs on the due lists.
// It is the one answer to every doubt. A failed reading is no news: what was
// known stays, and it is tried again.
func (s *session) reconcile(ctx context.Context) error {
	reason := s.resync.reason
	s.totals.Resyncs[reason]++
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
		s.log.Warn("the table could not be read; it is read again", "reason", reason.String(), "err", err)
		s.resync.at(time.Now().Add(resyncGap<<s.resync.failures), reason)
		return nil
	}
	s.resync.done()
	s.later.when = time.Time{}
	s.read = true
	before := s.count()
	s.adopt(t)
	s.readFor(before)
	if s.tap != nil {
		s.event(netip.Prefix{}, vrf.TableRead, reason.String(), nil)
	}
	s.trusted = true
	if s.spec.ResyncInterval > 0 {
		s.slow.when = time.Now().Add(s.spec.ResyncInterval)
	}
	return nil
}

// heed takes in what the kernel says.
func (s *session) heed(ev rib.KernelEvents) {
	s.tap = s.deps.Tap.Open()
	if ev.Links != nil && s.read {
		s.fight.excuse(ev, s.resolver.view.Links)
		s.heedLinks(ev.Links)
	}
	switch {
	// A reading that is due waits for what the kernel did in silence: what comes up
	// now would be taken for what it was before that.
	case ev.Resync, ev.Came && (s.deadHops || !s.resync.when.IsZero()):
		s.doubt(ev.Reason)
	case s.read: // or else the reading to come will show it
		s.heedRoutes(ev.Routes)
		if ev.Came {
			s.later.at(time.Now().Add(laterGap), ev.Reason)
		}
	}
}

// reconfigure takes over a changed Spec. The feed is rewound, so that every
// route passes the new policy; one that both allow stays as it is.
func (s *session) reconfigure(spec vrf.Spec) {
	if s.spec.NexthopObjects != spec.NexthopObjects {
		s.doubt(rib.ResyncOther)
	}
	s.spec = spec
	s.resolver.policy = spec.Export
	s.filtered = leftOutBy(spec.Export)
	s.resolveAll()
	s.askAnnounced() // another RD or RT made BGP forget them
	s.feed.Rewind()
	for slot, e := range s.entries.All { // a route that is gone from the feed is not rewound
		if e.used() {
			s.choose(slot, s.feed.Prefix(slot), s.feed.Paths(nil, slot))
		}
	}
	s.importAll()
}

// own is the one predicate that says whose a route is: within the VRF's table,
// its protocol decides.
func (s *session) own(r rib.Route) bool { return r.Protocol == s.spec.Protocol }
