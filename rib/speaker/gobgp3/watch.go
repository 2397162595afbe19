package gobgp3

import (
	"context"
	"log/slog"
	"sync"

	"github.com/osrg/gobgp/v3/pkg/packet/bgp"

	"github.com/vrfredist/vrfredist/rib"
	"github.com/vrfredist/vrfredist/rib/speaker"
	"github.com/vrfredist/vrfredist/rib/speaker/gobgp3/conf"
)

// atOnce is after how many paths of one event, which may have the whole table, whoever
// waits for the watch comes in between.
const atOnce = 256

// watch takes GoBGP's best paths and End-of-RIB markers, in their one order,
// into the feeds. Events that it has not taken are queued without bound, so nothing in
// here waits.
type watch struct {
	log    *slog.Logger
	giveUp func(error)
	cancel context.CancelFunc
	done   chan struct{} // closed when no event is read any more
	pacer  *pacer
	queued func() int // how many events wait in the queue

	mu      sync.Mutex // guards all below
	ended   bool
	shapes  shapes
	decoder *decoder
	intake  *speaker.Intake
	first   *bgpPath            // the best path of the destination in hand
	taken   int                 // how many paths
	failed  map[string]struct{} // decoding errors that were logged
}

func newWatch(c *conf.Config, feeds *speaker.Feeds, markers *speaker.Markers, k *keeper, log *logger) *watch {
	w := &watch{
		log:     log.slog,
		giveUp:  log.giveUp,
		done:    make(chan struct{}),
		pacer:   k.pacer,
		decoder: newDecoder(c, k.names),
		failed:  make(map[string]struct{}),
	}
	left := func(vrf string) { k.leaver.left(vrf, w.first) }
	w.intake = speaker.NewIntake(c.VRFs, c.Awaited(), feeds, markers, left)
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
				w.follow(ctx, b)
				return
			}
			w.take([]any{ev})
		case <-ctx.Done():
			return
		}
	}
}

// follow reads the events after the snapshot. They come by the queue alone: an event that
// comes by the channel went past the filters, and all later ones would do so too.
func (w *watch) follow(ctx context.Context, b bestPaths) {
	var events []any
	for {
		select {
		case <-b.live.ready:
			events = b.live.take(events)
			for rest := events; len(rest) > 0; {
				n := min(len(rest), atOnce)
				w.take(rest[:n])
				b.live.done(n)
				rest = rest[n:]
			}
		case ev := <-b.events:
			w.giveUp(errLate(ev))
			<-ctx.Done()
			return
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

// best takes the best paths of a destination; in the first event, of the whole table. The
// event of a change that is none of a best path is empty. The caller holds mu.
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
	w.intake.Flush()
	w.first = nil
	if w.intake.Sync() { // the first event is the snapshot
		w.pacer.follow(w.queued)
	}
}

// takeAll takes paths in. The caller holds mu, which is let go of after each atOnce
// paths, so that who ends the watch need not wait for a whole table: ended may be another
// after the call than before it.
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

// path hands a path to the intake.
func (w *watch) path(p *bgpPath, nlri bgp.AddrPrefixInterface) {
	d, label, err := w.decoder.destination(nlri)
	if err != nil {
		w.fail(err)
		return
	}
	w.intake.Begin(d)
	if p.IsWithdraw {
		return // it stands alone: the destination has no path left
	}
	path, entry, err := w.decoder.path(p, d, label)
	if err != nil {
		w.fail(err)
		return // a path that we do not understand is none
	}
	if d.RD != 0 && entry.importers == nil {
		entry.importers = w.intake.Importers(entry.attrs.RTs)
	}
	if w.intake.Add(path, entry.importers) {
		w.first = p
	}
}

func (w *watch) endOfRIB(e *eorEvent) {
	if family, is := conf.FamilyOf(e.Family); is {
		w.intake.EndOfRIB(speaker.Marker{Neighbour: w.decoder.names.of(e.PeerInfo), Family: family})
	}
}

// knownRDs are the route distinguishers that were decoded lately.
func (w *watch) knownRDs() (list []rib.RD) {
	w.mu.Lock()
	defer w.mu.Unlock()
	for rd := range w.decoder.rds {
		list = append(list, rd)
	}
	return list
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
