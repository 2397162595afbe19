package gobgp3

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"time"

	"github.com/vrfredist/vrfredist/rib"
	"github.com/vrfredist/vrfredist/rib/speaker"
	"github.com/vrfredist/vrfredist/rib/speaker/gobgp3/conf"
	"github.com/vrfredist/vrfredist/rib/speaker/gobgp3/reload"
)

// reloader brings configurations into force while BGP runs, and gives each part of the
// speaker its share of the new one.
type reloader struct {
	*embedded
	unnumbered
	feeder    *feeder
	announcer *speaker.Announcer
	tables    *tables
	keeper    *keeper
	guarding  *guarding
	listening *listening
	drift     *drift
	stops     *stops
}

// reload is Speaker.Reload.
func (r *reloader) reload(ctx context.Context, text []byte, extras rib.Extras) (changes []string, err error) {
	if err := r.waitStarted(ctx); err != nil {
		return nil, err
	}
	if err := conf.Check(text); err != nil {
		return nil, err
	}
	r.changing.Lock()
	defer r.changing.Unlock()
	extras.Draining = r.inForce().Extras.Draining
	next, err := r.read(ctx, text, extras, r.inForce())
	if err != nil {
		return nil, err
	}
	return r.replace(ctx, next)
}

// drain is Speaker.Drain: what is judged by other policies is judged anew, as in a reload.
func (r *reloader) drain(ctx context.Context, name string, is bool) error {
	if err := r.waitStarted(ctx); err != nil {
		return err
	}
	r.changing.Lock()
	defer r.changing.Unlock()
	old := r.inForce()
	extras := old.Extras
	if slices.Contains(extras.Draining, name) == is {
		return nil
	}
	if extras.Draining = slices.DeleteFunc(slices.Clone(extras.Draining), func(n string) bool { return n == name }); is {
		extras.Draining = append(extras.Draining, name)
	}
	slices.Sort(extras.Draining)
	next, err := r.read(ctx, old.Text, extras, old)
	if err != nil {
		return err
	}
	_, err = r.replace(ctx, next)
	return err
}

// restore is Speaker.Restore.
func (r *reloader) restore(ctx context.Context) (changes []string, err error) {
	if err := r.waitStarted(ctx); err != nil {
		return nil, err
	}
	r.changing.Lock()
	defer r.changing.Unlock()
	return r.replace(ctx, r.inForce())
}

// replace puts next in the place of the configuration in force. The caller holds
// changing.
func (r *reloader) replace(ctx context.Context, next *conf.Config) (changes []string, err error) {
	old := r.inForce()
	if r.feeder.fenced() {
		return nil, errStopped
	}
	if err := conf.Unchangeable(old, next); err != nil {
		return nil, err
	}
	by := reload.New(r.keeper, r.announcer, old)
	defer by.Release()
	now, err := reload.ReadBack(ctx, r.keeper)
	if err != nil {
		return nil, err
	}
	claim := r.drift.held()
	by.Correct(claim, now, reload.All)
	by.StayDisabled(r.stops.of(next))
	by.SuspendMissing(claim)
	r.feeder.feeds.Add(next.VRFs)
	if err := r.listening.answer(old, next); err != nil {
		return nil, err
	}
	asked := ctx
	// A change that has begun is finished: half a configuration is worse than a late one.
	ctx = context.WithoutCancel(ctx)
	r.keeper.out.expect(next, conf.SameCarriage(old, next))
	if err := by.Reach(ctx, next); err != nil {
		r.keeper.out.expect(old, true)
		if back := by.Reach(ctx, old); back != nil {
			err = errors.Join(err, fmt.Errorf("and the old configuration could not be restored: %w; restart the daemon", back))
		}
		return nil, errors.Join(err, r.rejudge(ctx, by, old), r.adopt(ctx, old, true))
	}
	changes = slices.Concat(by.Changes, conf.ExtraChanges(old, next), reload.WaitingLines(old, next))
	rejudged := r.rejudge(ctx, by, next)
	leaks := conf.SameLeaks(old, next)
	again := by.VRFsChanged || !conf.SameNeighbors(old, next) || !leaks || !conf.SameAwaited(old, next)
	watch := r.feeder.rewatch
	if gone, come, alone := conf.VRFsAlone(old, next); alone && by.VRFsPut == len(come) && by.VRFsDropped == len(gone) {
		watch = func(ctx context.Context) error { return r.feeder.follow(ctx, old, next, gone, come) }
	}
	err = errors.Join(rejudged, r.adoptBy(ctx, next, again, watch))
	if err == nil && !leaks {
		err = r.feeder.awaitTables(ctx)
	}
	r.keeper.awaitCarried(asked)
	return changes, err
}

// rejudge has what came from neighbours, what originates here, and what was told to
// neighbours judged by the policies of c, which are in force, where others judged before. The
// marks of what goes out of VRFs come when neighbours are told by those that take them off, and
// go before.
func (r *reloader) rejudge(ctx context.Context, by *reload.Reconciler, c *conf.Config) error {
	now, err := r.keeper.Peers()
	if err != nil {
		return errors.Join(err, retell(r.keeper.changes, nil))
	}
	again := func() error { return by.Reannounce(ctx) }
	whose := by.Rejudged(now.Neighbors)
	hearers, err := hearersOf(r.keeper.loop, by.Retargeted)
	errs := []error{
		err, r.keeper.screens.rescreen(c, true), beginRetelling(r.keeper.changes, slices.Concat(whose.Out, hearers)),
		remark(r.keeper.out, c, true, again), retargetAll(ctx, r.feeder, by, c),
	}
	for _, name := range whose.In {
		if err := r.keeper.changes.rejudge(name); err != nil {
			errs = append(errs, fmt.Errorf("judge the routes of neighbour %s by the policies of now: %w", name, err))
		}
	}
	if whose.Local {
		errs = append(errs, by.Reannounce(ctx))
	}
	return errors.Join(append(errs, retell(r.keeper.changes, whose.Out), remark(r.keeper.out, c, false, again), r.keeper.screens.rescreen(c, false))...)
}

// adopt makes c the configuration in force, once BGP has it.
func (r *reloader) adopt(ctx context.Context, c *conf.Config, rewatch bool) error {
	return r.adoptBy(ctx, c, rewatch, r.feeder.rewatch)
}

// adoptBy is adopt with the way in which the feeds come to follow c.
func (r *reloader) adoptBy(ctx context.Context, c *conf.Config, again bool, watch func(context.Context) error) error {
	return errors.Join(r.drift.hold(ctx, c), r.takeOver(ctx, c, again, watch))
}

// takeOver is adopt but for the claim that BGP is held to.
func (r *reloader) takeOver(ctx context.Context, c *conf.Config, again bool, watch func(context.Context) error) error {
	r.sessions.configure(c)
	r.guarding.adopt(c)
	answering := r.listening.answer(c)
	r.keeper.configure(c)
	r.force.Store(c)
	gone := r.feeder.feeds.Keep(c.VRFs)
	r.announcer.Keep(c.VRFs)
	if again {
		if err := watch(ctx); err != nil {
			return errors.Join(err, answering)
		}
	}
	gone.Empty() // only now that no watch writes them
	return answering
}

// preview is Speaker.Preview.
func (r *reloader) preview(text []byte, extras rib.Extras) (*speaker.Preview, error) {
	if err := conf.Check(text); err != nil {
		return nil, err
	}
	old := r.inForce()
	extras.Draining = old.Extras.Draining
	next, err := r.read(context.Background(), text, extras, old)
	if err != nil {
		return nil, err
	}
	if r.feeder.fenced() {
		return nil, errStopped
	}
	if err := conf.Unchangeable(old, next); err != nil {
		return nil, err
	}
	// A claim that is none, or another: BGP does not run, or another reload does.
	claim := r.drift.held()
	if claim == nil || claim.Conf != old {
		p, _ := reload.Compare(old, next, nil)
		p.Rejudged, p.RPKI = false, r.keeper.rpki
		p.Feeds, p.Tables = r.feeder.feeds, asTheyAre(r.keeper, old)
		return p, nil
	}
	now, err := reload.ReadBack(context.Background(), r.keeper)
	if err != nil {
		return nil, err
	}
	p, effects := reload.Compare(old, next, &reload.Drift{Claim: claim, Now: now, Known: r.drift.known()})
	by := reload.New(r.keeper, nil, old)
	by.Correct(claim, now, reload.All)
	f := &foresight{keeper: r.keeper, announcer: r.announcer, old: old, next: next, effects: effects}
	if err := f.foresee(context.Background(), by); err != nil {
		return nil, err
	}
	p.RPKI = r.keeper.rpki
	p.Feeds, p.Tables, p.Told = r.feeder.feeds, f.tables(), f.told
	return p, nil
}

const (
	// refitGap is the least time between two changes of who is on which interface.
	refitGap = time.Second
	// refitAgain is when a change that failed is tried again.
	refitAgain = 10 * time.Second
)

// run gives GoBGP neighbours by interface as they come, go and change, until ctx
// ends.
func (r *reloader) run(ctx context.Context) {
	if r.links == nil {
		return
	}
	timer := time.NewTimer(0)
	defer timer.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-r.links.Changed():
		case <-r.sessions.fell:
		case <-timer.C:
		}
		next := time.Hour
		if err := r.refit(ctx); err != nil && ctx.Err() == nil && !errors.Is(err, errStopped) {
			r.log.slog.Error("a neighbour on an interface could not be brought up to date; it is tried again", "in", refitAgain, "err", err)
			next = refitAgain
		}
		pause := time.NewTimer(refitGap)
		select {
		case <-pause.C:
		case <-ctx.Done():
			pause.Stop()
			return
		}
		timer.Reset(next)
	}
}

// refit has GoBGP have the configuration in force as it fits the interfaces of now.
func (r *reloader) refit(ctx context.Context) error {
	r.changing.Lock()
	defer r.changing.Unlock()
	old := r.inForce()
	if r.feeder.fenced() {
		return errStopped
	}
	if !old.Any() {
		return nil
	}
	next, err := r.read(ctx, old.Text, old.Extras, old)
	if err != nil {
		return err
	}
	r.tellWaiting(old.Waiting, next.Waiting)
	if maps.Equal(old.Placed, next.Placed) {
		if !slices.EqualFunc(old.Waiting, next.Waiting, conf.Absentee.Equal) {
			same := *old
			same.Waiting = next.Waiting
			r.force.Store(&same)
			r.drift.rename(&same)
		}
		return nil
	}
	by := reload.New(r.keeper, r.announcer, old)
	defer by.Release()
	now, err := reload.ReadBack(ctx, r.keeper)
	if err != nil {
		return err
	}
	// Differences that clients made at other neighbours wait for a reload.
	by.Correct(r.drift.held(), now, func(d speaker.Difference) bool { return d.Kind == speaker.KindNeighbor && old.IsPlaced(d.Name) })
	by.StayDisabled(r.stops.of(next))
	ctx = context.WithoutCancel(ctx)
	if err := by.Reach(ctx, next); err != nil {
		return errors.Join(err, by.Reach(ctx, old), r.rejudge(ctx, by, old))
	}
	for device, peer := range next.Placed {
		if old.Placed[device] != peer {
			r.log.slog.Info("a neighbour without an address was heard", "interface", device, "address", peer)
		}
	}
	return errors.Join(r.rejudge(ctx, by, next), r.drift.holdOn(ctx, next), r.takeOver(ctx, next, true, r.feeder.rewatch))
}

// tellWaiting logs each neighbour that waits, and did not, or for something else.
func (r *reloader) tellWaiting(before, now []conf.Absentee) {
	for _, w := range now {
		if !slices.ContainsFunc(before, w.Equal) {
			r.log.slog.Warn("a neighbour waits: "+w.Reason, "interface", w.Interface, "as", w.PeerAS)
		}
	}
}
