package gobgp3

import (
	"context"
	"fmt"
	"sync"
	"time"

	"github.com/vrfredist/vrfredist/rib"
	"github.com/vrfredist/vrfredist/rib/speaker"
	"github.com/vrfredist/vrfredist/rib/speaker/gobgp3/conf"
)

// feeder fills the feeds from GoBGP's tables, by one watch after another.
type feeder struct {
	*embedded
	feeds   *speaker.Feeds
	markers *speaker.Markers
	keeper  *keeper

	mu    sync.Mutex
	watch *watch // guarded by mu; nil before Run, and once fenced
	ended bool   // guarded by mu; fenced for good
}

func newFeeder(e *embedded, k *keeper, vrfs []speaker.VRF) *feeder {
	return &feeder{embedded: e, keeper: k, feeds: speaker.NewFeeds(vrfs), markers: speaker.NewMarkers()}
}

// rewatch starts a watch that begins with all that the tables have, in place of the watch
// that runs. When that is in, feeds hold it and nothing else. Its callers take turns: the
// start, and then the holder of changing.
func (f *feeder) rewatch(ctx context.Context) error { return f.rewatchBy(ctx, f.inForce()) }

// rewatchBy is rewatch by a configuration that is not in force yet.
func (f *feeder) rewatchBy(ctx context.Context, c *conf.Config) error {
	old, ended := f.current()
	if ended {
		return nil
	}
	w := newWatch(c, f.feeds, f.markers, f.keeper, f.log)
	if old != nil {
		old.end()
		w.intake.Replace(old.intake)
		// A path that goes until the next watch is there leaves its destination behind.
		defer f.keeper.sweepAll()
	}
	s, err := watchAll(f.keeper.changes, f.keeper.seen())
	if err != nil {
		return err
	}
	w.queue = s.live
	// The watch outlives the call that starts it.
	wctx, cancel := context.WithCancel(context.WithoutCancel(ctx))
	w.cancel = cancel
	go w.run(wctx, s, &reading{changes: f.keeper.changes, live: s.live})
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.ended { // fenced meanwhile
		w.end()
		return nil
	}
	f.watch = w
	return nil
}

// follow has the watch go on where some VRFs have gone and others come, and nothing else has changed
// for it between two configurations; where it cannot, another takes its place. Its callers are those of
// rewatch.
func (f *feeder) follow(ctx context.Context, old, next *conf.Config, gone, come []speaker.VRF) error {
	if w, _ := f.current(); w != nil && w.change(old, next, gone, come, f.feeds) {
		return nil
	}
	return f.rewatchBy(ctx, next)
}

// rereading is how long the tables may take to be read: a million routes take some seconds.
const rereading = time.Minute

// chosenAgain is how often is looked whether workers have chosen.
const chosenAgain = 5 * time.Millisecond

// awaitTables waits until the feeds hold what the tables had when the watch that runs began,
// and nothing else, and what VRFs chose of it that others leak from.
func (f *feeder) awaitTables(ctx context.Context) error {
	w, _ := f.current()
	if w == nil {
		return nil
	}
	ctx, cancel := context.WithTimeout(ctx, rereading)
	defer cancel()
	select {
	case <-w.synced:
	case <-w.done:
		return nil
	case <-ctx.Done():
		return fmt.Errorf("BGP's tables are read anew for changed leaks, which is not done yet: %w", ctx.Err())
	}
	for again := time.NewTicker(chosenAgain); !w.chosen(); {
		select {
		case <-again.C:
		case <-ctx.Done():
			again.Stop()
			return fmt.Errorf("VRFs choose anew what others leak from them, which is not done yet: %w", ctx.Err())
		}
	}
	return nil
}

// chose is Speaker.Chose.
func (f *feeder) chose(vrf string, list []rib.Choice) {
	w, _ := f.current()
	if w == nil || w.chose(vrf, list) || f.fenced() {
		return
	}
	// Another watch takes its place, which is to hear of it too.
	if feed, err := f.feeds.Feed(vrf); err == nil {
		feed.Rewind()
	}
}

// leaks are how much comes in by each rule beside route targets.
func (f *feeder) leaks() []speaker.LeakCount {
	if w, _ := f.current(); w != nil {
		return w.leaks()
	}
	return nil
}

// current is the watch that runs; nil: none does, which is for good where ended is true.
func (f *feeder) current() (w *watch, ended bool) {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.watch, f.ended
}

// fenced tells whether no feed changes any more.
func (f *feeder) fenced() bool {
	_, ended := f.current()
	return ended
}

// fence ends the watch for good: from its return on no feed changes. It comes
// before everything else at the end, because GoBGP announces the withdrawal of
// every route when it stops, and the kernel routes are to outlive it.
func (f *feeder) fence() {
	f.mu.Lock()
	w := f.watch
	f.watch, f.ended = nil, true
	f.mu.Unlock()
	if w != nil {
		w.end()
	}
}

// setDown tells the feeds that the session of a neighbour has ended, and its paths with it.
// It waits for nothing, and may be called from any goroutine.
func (f *feeder) setDown(key string) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.watch != nil {
		f.feeds.SetDown(f.watch.decoder.peerOf(key))
	}
}

// mirror is Speaker.Mirror.
func (f *feeder) mirror(ctx context.Context, mirrors map[string]rib.Mirror) error {
	f.changing.Lock()
	defer f.changing.Unlock()
	gone, changed := f.feeds.Mirror(mirrors)
	if w, _ := f.current(); !changed || w == nil {
		return nil
	}
	// As in Reload, a change that has begun is finished.
	if err := f.rewatch(context.WithoutCancel(ctx)); err != nil {
		return err
	}
	gone.Empty() // only now that no watch writes them
	return nil
}
