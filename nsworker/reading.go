package nsworker

import (
	"cmp"
	"context"
	"fmt"
	"maps"
	"net/netip"
	"slices"
	"time"

	"github.com/vrfredist/vrfredist/nsworker/nexthop"
	"github.com/vrfredist/vrfredist/rib"
	"github.com/vrfredist/vrfredist/vrf"
)

// reconcile reads the table and has everything that differs put right. It is the one answer
// to every doubt. A failed reading is no news: what was known stays, and it is tried again.
func (s *tableSync) reconcile(ctx context.Context) error {
	s.write.rest()
	reason := s.resync.reason
	s.totals.Resyncs[reason]++
	if s.routes.inState(rib.Installed)+s.view().Foreign.Len() >= manyRoutes {
		s.report(true)
	}
	t, err := s.table.Read(ctx, s.spec.Import.Tables...)
	if err != nil {
		if ctx.Err() != nil {
			return err
		}
		s.totals.ReadFailures++
		s.resync.failures++
		if s.resync.failures >= attempts {
			return fmt.Errorf("read the table (%s), %d times in a row: %w", reason, s.resync.failures, err)
		}
		s.log.Warn("the table could not be read; it is read again", "reason", reason.String(), "err", err)
		s.resync.at(time.Now().Add(resyncGap<<s.resync.failures), reason)
		return nil
	}
	s.resync.done()
	s.later.when = time.Time{}
	before := s.count()
	s.adopt(t)
	s.pass()
	s.askings.wasRead(before, s.count())
	s.tell.event(netip.Prefix{}, vrf.TableRead, reason.String(), nil)
	s.routes.Trusted, s.routes.backups.Trusted = true, true
	if s.spec.ResyncInterval > 0 {
		s.slow.when = time.Now().Add(s.spec.ResyncInterval)
	}
	return nil
}

// count is what those who asked for a reading are told of.
func (s *tableSync) count() counted {
	t := s.withDrifts(s.totals)
	return counted{t.Found.Total(), s.announced.Waiting(), t.Objects}
}

// adopt takes in a whole reading of the table: what is ours there, what is foreign, and the
// links. Everything that differs is due after the next pass.
func (s *tableSync) adopt(t rib.Table) {
	trusted := s.phase.known()
	s.phase = s.phase.read()
	o, v := s.sets.Objects, s.view()
	o.On = t.Objects && s.spec.NexthopObjects
	o.Load(t, s.spec.Protocol, trusted)
	s.sets.Endpoints.Load(t.Endpoints, trusted)
	o.Settle() // which of them are left alone, before the sets that hang on them are resolved
	foreign := s.routes.adopt(&t.Routes, func(f rib.Family) bool { return !s.sweeps.done[f] })
	s.expiry.begin()
	v.Links, v.Foreign, v.Beside = t.Links, rib.NewForeignTable(s.expiry.look(foreign)), nil
	for table, routes := range t.Beside { // of which other VRFs may have written some
		s.setBeside(table, rib.NewForeignTable(s.expiry.look(slices.DeleteFunc(routes, s.routes.owns))))
	}
	s.publish()
	s.write.carried.looks(v)
	s.deadHops = slices.ContainsFunc(foreign, func(r rib.Route) bool { return hasDead(r.Hops) })
	s.sets.TryObjects() // what refused an object, or a route, may have changed
	s.routes.unbar()
	s.sets.ResolveAll() // every entry is marked
	s.setOwn(rib.OwnPrefixesOf(*v, foreign))
	s.importAll()
}

func hasDead(hops []rib.Hop) bool {
	return slices.ContainsFunc(hops, func(h rib.Hop) bool { return h.Dead })
}

// losesStep takes in that the outcome of a batch is not known.
func (s *tableSync) losesStep() {
	s.phase = s.phase.lost()
	s.routes.Trusted, s.routes.backups.Trusted = false, false
}

// hasten moves a reading that is due to where it would be without busyGap and lossGap.
func (s *tableSync) hasten() {
	s.resync.held = time.Time{}
	if !s.resync.when.IsZero() && s.resync.failures == 0 {
		s.doubt(s.resync.reason)
	}
}

// removeOwn deletes every own route of the table. One that the kernel does not let go keeps
// no other.
func (s *tableSync) removeOwn(ctx context.Context) error {
	t, err := s.table.Read(ctx)
	if err != nil {
		return err
	}
	// The groups first: the kernel takes the routes of one along at once.
	changes, goes := s.sets.Objects.Removal(t, s.spec.Protocol)
	for _, r := range t.Routes.All {
		if s.routes.owns(r) && (r.NexthopID == 0 || !goes(r.NexthopID)) {
			changes = append(changes, rib.Change{Op: rib.OpDelete, Route: r})
		}
	}
	changes = append(changes, s.sets.Endpoints.Removal(t.Endpoints)...)
	var refused error // the first
	for batch := range slices.Chunk(changes, writeBatch) {
		errs, err := s.table.Apply(ctx, batch)
		if err != nil {
			return err
		}
		for _, err := range errs {
			refused = cmp.Or(refused, err)
		}
	}
	return refused
}

// manyRoutes is from how many on the reading of a table is told of: it takes a while.
const manyRoutes = 10_000

// report reports the VRF's state where it differs from what was reported last. reading says
// that the table is being read.
func (s *tableSync) report(reading bool) {
	prefixes, waiting := s.feed.Len()
	if s.phase == catchUp && waiting == 0 && s.routes.idle() && s.announced.Idle() {
		s.phase = inStep
	}
	st := vrf.WorkerStatus{Table: s.view().Where.Table, State: vrf.Syncing, Totals: s.withDrifts(s.totals), Contested: s.contested(), Counts: s.counts(s.feed), Objects: nexthop.CountObjects(s.sets.Objects)}
	var bad *nexthop.BadDevice
	st.Carried, bad = s.write.carried.now(*s.view(), s.sets.Endpoints)
	if st.Progress = s.progress(prefixes, waiting, reading); st.Progress == (vrf.Progress{}) && bad != nil && bad.Waits {
		st.Progress.Phase = "waiting for the device " + madeDevice(&s.spec.Carriage)
	}
	s.warnOfQuota()
	// A route that nobody spoke of since the start may be an earlier tenant's: with one of
	// them the VRF is not ready.
	if s.phase.synced() && st.Counts.Total().Stale == 0 && (bad == nil || !bad.Waits) {
		st.State = vrf.Ready
		if st.Reason, st.ToTenant = withDevice(bad, s.trouble(s.resync.failures > 0)); st.Reason != "" {
			st.State = vrf.Degraded
		}
	}
	if st == s.told {
		return
	}
	s.told = st
	s.Worker.report(st)
}

// warnOfQuota says once that a VRF has nearly as many routes as it may have.
func (s *tableSync) warnOfQuota() {
	q := vrf.PrefixLimit{Prefixes: s.routes.wanted, Most: s.spec.Export.Quota()}
	if near := q.Near(); near != s.nearQuota {
		switch s.nearQuota = near; {
		case near && q.Prefixes > int(q.Most):
			s.log.Warn("the VRF has more routes than its max_routes lets it have: they stay, and no further one comes in; raise it, or send fewer routes", "routes", q.Prefixes, "max_routes", q.Most)
		case near:
			s.log.Warn("the VRF has nearly as many routes as its max_routes lets it have; raise it, or send fewer routes", "routes", q.Prefixes, "max_routes", q.Most)
		}
	}
}

// progress says how far long work is; the zero value where there is none. What is done in one
// turn is not long, but for the first time.
func (s *tableSync) progress(prefixes, waiting int, reading bool) vrf.Progress {
	long := func(n, turn int) bool { return n > 0 && (!s.phase.synced() || n > turn) }
	due := s.routes.due()
	switch installed := s.routes.inState(rib.Installed); {
	case reading, !s.phase.known():
		return vrf.Progress{Phase: "reading the table"}
	case long(waiting, feedBatch):
		return vrf.Progress{Phase: "taking in BGP's routes", Done: prefixes - min(waiting, prefixes), Total: prefixes}
	case long(due, writeBatch):
		return vrf.Progress{Phase: "writing routes", Done: installed, Total: installed + due}
	case long(s.announced.Waiting(), announceBatch):
		now := s.announced.total()
		return vrf.Progress{Phase: "announcing routes", Done: now, Total: now + s.announced.Waiting()}
	}
	return vrf.Progress{}
}

// setBeside takes in what another table holds now.
func (s *tableSync) setBeside(table uint32, now *rib.ForeignTable) {
	v := s.view()
	next := maps.Clone(v.Beside) // others may read the old one
	if next == nil {
		next = make(map[uint32]*rib.ForeignTable)
	}
	next[table] = now
	v.Beside = next
}

// setOwn takes in what the VRF's own prefixes are now, and has those decided anew that came
// and went.
func (s *tableSync) setOwn(own *rib.OwnPrefixes) {
	came, went := own.Since(s.routes.own)
	first := s.routes.own == nil
	s.routes.own = own
	if !first && len(came)+len(went) == 0 {
		return
	}
	if s.spec.VRF == "" {
		s.deps.Board.publishOwn(s.name, own)
	}
	for _, prefix := range append(came, went...) {
		s.routes.chooseAgain(prefix)
	}
}
