package gobgp3

import (
	"context"
	"log/slog"
	"reflect"
	"slices"
	"sync"

	"github.com/osrg/gobgp/v3/pkg/packet/bgp"

	"github.com/vrfredist/vrfredist/rib"
)

// atOnce is after how many paths of one event, which may be those of the whole table,
// whoever waits for the watch comes in between.
const atOnce = 256

// watch takes GoBGP's best paths and End-of-RIB markers, in their one order,
// into the feeds. What it has not taken is queued without bound, so nothing in here
// waits.
type watch struct {
	log    *slog.Logger
	giveUp func(error)
	cancel context.CancelFunc
	done   chan struct{} // closed when no event is read any more
	eors   *eors
	pacer  *pacer
	queued func() int // how many events wait in the queue

	mu      sync.Mutex // guards all below
	ended   bool
	shapes  shapes
	decoder *decoder
	index   *index
	awaited map[*rib.Feed][]eor // of the feeds that are not converged yet
	feeds   []*rib.Feed

	// The paths of one destination, gathered until another one, or the end of
	// what belongs together, comes.
	pending []candidate
	at      key
	open    bool
	first   *bgpPath // the best of them

	taken    int                 // how many paths
	synced   bool                // the snapshot is complete
	replaces bool                // there was a watch before: feeds may hold more than there is
	global   map[key]struct{}    // during the snapshot, where replaces: the index has no global paths
	failed   map[string]struct{} // decoding errors that were logged
}

// rewatch starts a watch with a snapshot, in place of the one that runs. When
// the snapshot is in, feeds hold what it had and nothing else. Its callers take
// turns: the start, and then one Reload at a time.
func (s *Speaker) rewatch(ctx context.Context) error {
	s.mu.Lock()
	old, ended, bgp := s.watch, s.ended, s.bgp
	w := newWatch(s.conf, s.sinks(), s.eors, s.pacer, s.log.slog)
	w.index.left = func(vrf string) { s.keeper.leaver.left(vrf, w.first) }
	s.mu.Unlock()
	if ended {
		return nil
	}
	if old != nil {
		old.end()
		w.replaces = true
		// What goes until the next watch is there leaves its destination behind.
		defer s.keeper.sweepAll()
	}
	// The watch outlives the call that starts it.
	wctx, cancel := context.WithCancel(context.WithoutCancel(ctx))
	w.cancel = cancel
	w.giveUp = s.log.giveUp
	go w.run(wctx, watchBest(bgp, s.keeper.seen()))
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.ended { // fenced meanwhile
		w.end()
		return nil
	}
	s.watch = w
	return nil
}

func newWatch(c *conf, feeds sinks, eors *eors, pacer *pacer, log *slog.Logger) *watch {
	w := &watch{
		log:     log,
		done:    make(chan struct{}),
		eors:    eors,
		pacer:   pacer,
		decoder: newDecoder(c),
		index:   newIndex(c.vrfs, feeds),
		awaited: c.awaited(feeds),
		global:  make(map[key]struct{}),
		failed:  make(map[string]struct{}),
	}
	for f := range w.awaited {
		w.feeds = append(w.feeds, f)
	}
	return w
}

// run reads events until ctx ends, and joins in when GoBGP's loop gets to take the
// watch away, for which nobody else need wait.
func (w *watch) run(ctx context.Context, b bestPaths) {
	defer b.stop()
	defer close(w.done)
	w.queued = b.live.waiting
	for {
		select {
		case ev := <-b.events:
			if ev == (snapshotEnd{}) {
				w.follow(ctx, b.live)
				return
			}
			w.take([]any{ev})
		case <-ctx.Done():
			return
		}
	}
}

// follow reads what comes after the snapshot.
func (w *watch) follow(ctx context.Context, live *queue) {
	var events []any
	for {
		select {
		case <-live.ready:
			events = live.take(events)
			for rest := events; len(rest) > 0; {
				n := min(len(rest), atOnce)
				w.take(rest[:n])
				live.done(n)
				rest = rest[n:]
			}
		case <-ctx.Done():
			return
		}
	}
}

// end ends the watch. When it returns, no feed changes any more.
func (w *watch) end() {
	w.cancel()
	w.pacer.follow(nil)
	w.mu.Lock()
	w.ended = true
	w.mu.Unlock()
	<-w.done
}

// take takes GoBGP's events in.
func (w *watch) take(events []any) {
	w.mu.Lock()
	defer w.mu.Unlock()
	for _, ev := range events {
		w.event(ev)
	}
}

// event takes one of GoBGP's events in. The caller holds mu.
func (w *watch) event(ev any) {
	if w.ended {
		return
	}
	best, eor, err := w.shapes.read(ev)
	switch {
	case err != nil:
		w.ended = true
		w.giveUp(err)
	case eor != nil:
		w.endOfRIB(eor)
	default:
		w.best(best)
	}
}

// best takes the best paths of a destination, or first of all those of the table.
// An event of a change that is none of a best path is empty.
func (w *watch) best(ev *bestEvent) {
	if len(ev.MultiPathList) == 0 {
		w.takeAll(ev.PathList)
	}
	for _, paths := range ev.MultiPathList {
		w.takeAll(paths)
	}
	if w.ended {
		return
	}
	w.flush()
	if !w.synced {
		w.sync()
	}
}

func (w *watch) takeAll(paths []*bgpPath) {
	for _, p := range paths {
		if w.ended {
			return
		}
		if nlri := p.origin().nlri; considered(nlri) {
			w.path(p, nlri)
		}
		if w.taken++; w.taken%atOnce == 0 {
			w.mu.Unlock()
			w.mu.Lock()
		}
	}
}

// path adds a path to what is pending.
func (w *watch) path(p *bgpPath, nlri bgp.AddrPrefixInterface) {
	k, label, err := w.decoder.destination(nlri)
	if err != nil {
		w.fail(err)
		return
	}
	if w.open && k != w.at {
		w.flush()
	}
	w.open, w.at = true, k
	if p.IsWithdraw {
		return // it stands alone: the destination has no path left
	}
	path, entry, err := w.decoder.path(p, k, label)
	if err != nil {
		w.fail(err)
		return // a path that we do not understand is none
	}
	if k.rd != 0 && entry.importers == nil {
		entry.importers = w.index.match(entry.attrs.RTs)
	}
	if len(w.pending) == 0 {
		w.first = p
	}
	w.pending = append(w.pending, candidate{path, entry.importers})
}

// flush hands what is pending to the feeds.
func (w *watch) flush() {
	if !w.open {
		return
	}
	tellApart(w.pending)
	set := setter(func(f *rib.Feed, k key, paths []rib.Path) { f.Set(k.prefix, k.rd, paths) })
	if w.replaces && !w.synced {
		set = setChanged
		if w.at.rd == 0 {
			w.global[w.at] = struct{}{}
		}
	}
	w.index.put(w.at, w.pending, set)
	clear(w.pending)
	w.pending, w.open, w.first = w.pending[:0], false, nil
}

// tellApart makes the ids of a destination's paths distinct. GoBGP's local
// identifiers are, and stay with a path; where there is none the position has
// to do.
func tellApart(paths []candidate) {
	for i := range paths {
		for j := range i {
			if paths[j].path.ID == paths[i].path.ID {
				for n := range paths {
					paths[n].path.ID = uint32(n + 1)
				}
				return
			}
		}
	}
}

// setChanged leaves a feed alone that says the same already, so that a reload
// does not set every worker to work.
func setChanged(f *rib.Feed, k key, paths []rib.Path) {
	var have []rib.Path
	for _, p := range f.Lookup(k.prefix) {
		if p.RD == k.rd {
			have = append(have, p)
		}
	}
	if !slices.EqualFunc(have, paths, func(a, b rib.Path) bool { return reflect.DeepEqual(a, b) }) {
		f.Set(k.prefix, k.rd, paths)
	}
}

// sync is called once the snapshot is in. It sweeps what was in the feeds and
// is not in it.
func (w *watch) sync() {
	w.synced = true
	if w.replaces {
		for _, f := range w.index.global {
			f.Retain(func(p rib.Path) bool {
				_, there := w.global[key{p.RD, p.Prefix}]
				return there
			})
		}
		for _, f := range w.feeds {
			if !slices.Contains(w.index.global, f) {
				f.Retain(func(p rib.Path) bool { return w.index.at[key{p.RD, p.Prefix}].feeds(f) })
			}
		}
	}
	w.global = nil
	w.pacer.follow(w.queued)
	w.converge()
}

func (s *importers) feeds(f *rib.Feed) bool {
	return s != nil && slices.ContainsFunc(s.list, func(m importer) bool { return m.feed == f })
}

func (w *watch) endOfRIB(e *eorEvent) {
	w.eors.add(eor{e.PeerInfo.Address.String(), e.Family})
	if w.synced {
		w.converge()
	}
}

// converge tells the feeds for which everything awaited has come.
func (w *watch) converge() {
	for f, list := range w.awaited {
		done := true
		for of := range rib.Families {
			if w.eors.all(list, of) {
				f.SetConverged(of, true)
			} else {
				done = false
			}
		}
		if done {
			delete(w.awaited, f)
		}
	}
}

// fail logs an error of decoding, each kind once: there is no log line a route.
func (w *watch) fail(err error) {
	text := err.Error()
	if _, known := w.failed[text]; known || len(w.failed) >= 100 {
		return
	}
	w.failed[text] = struct{}{}
	w.log.Error("A BGP path cannot be decoded and is ignored.", "error", err)
}
