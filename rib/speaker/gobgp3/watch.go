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

// atOnce is after how many items of the queue whoever waits for the watch comes in between.
const atOnce = 256

// watch takes the paths of GoBGP's destinations and End-of-RIB markers, in their one order,
// into the feeds. What it has not taken is queued without bound, so nothing in here waits.
type watch struct {
	log    *slog.Logger
	giveUp func(error)
	cancel context.CancelFunc
	done   chan struct{} // closed when nothing is taken any more
	synced chan struct{} // closed when all is taken that the tables had when it began
	pacer  *pacer
	queue  *queue // nil before it runs

	mu      sync.Mutex // guards all below
	ended   bool
	by      *conf.Config
	decoder *decoder
	intake  *speaker.Intake
	routes  *routebook
	first   *bgpPath            // the best path of the destination in hand
	failed  map[string]struct{} // decoding errors that were logged
}

func newWatch(c *conf.Config, feeds *speaker.Feeds, markers *speaker.Markers, k *keeper, log *logger) *watch {
	w := &watch{
		log:     log.slog,
		giveUp:  log.giveUp,
		done:    make(chan struct{}),
		synced:  make(chan struct{}),
		pacer:   k.pacer,
		by:      c,
		decoder: newDecoder(c, k.names),
		failed:  make(map[string]struct{}),
		routes:  newRoutebook(),
	}
	left := func(vrf string) { k.leaver.left(vrf, w.first) }
	w.intake = speaker.NewIntake(c.VRFs, c.Extras.Leaks, c.Awaited(), feeds, markers, left)
	w.intake.Validate(k.rpki)
	return w
}

// run takes what a stream has until ctx ends, while r reads the tables into it. It joins in
// when GoBGP's loop gets to take the stream away, for which nobody else need wait.
func (w *watch) run(ctx context.Context, s stream, r *reading) {
	var beside sync.WaitGroup
	beside.Go(func() { r.run(ctx) })
	beside.Go(func() { r.answer(ctx) })
	defer beside.Wait()
	defer s.stop()
	defer close(w.done)
	for {
		select {
		case ev := <-s.events:
			if ev == (pastEnd{}) {
				w.follow(ctx, s)
				return
			}
			w.take([]item{marker(ev)})
		case <-ctx.Done():
			return
		}
	}
}

// marker is an event that came before pastEnd, which has to be an End-of-RIB.
func marker(event any) item {
	_, eor, _, err := new(shapes).read(event)
	switch {
	case err != nil:
		return item{of: err}
	case eor == nil:
		return item{of: errLate(event)}
	}
	return item{of: eor}
}

// follow takes what comes by the queue. All does: an event that comes by the channel went
// past the filters, and all later ones would do so too.
func (w *watch) follow(ctx context.Context, s stream) {
	var items []item
	for {
		select {
		case <-s.live.ready:
			items = s.live.take(items)
			for rest := items; len(rest) > 0 && ctx.Err() == nil; {
				n := min(len(rest), atOnce)
				w.take(rest[:n])
				s.live.done(n)
				rest = rest[n:]
			}
		case ev := <-s.events:
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
	w.queue.close()
	w.mu.Lock()
	w.ended = true
	w.mu.Unlock()
	<-w.done
}

// take takes items in.
func (w *watch) take(items []item) {
	w.mu.Lock()
	defer w.mu.Unlock()
	for _, it := range items {
		if w.ended {
			return
		}
		w.item(it)
	}
}

// item takes one item in. The caller holds mu.
func (w *watch) item(it item) {
	switch of := it.of.(type) {
	case nil:
		w.paths(it.paths)
	case bgp.AddrPrefixInterface:
		w.gone(of)
	case *eorEvent:
		w.endOfRIB(of)
	case departure:
		w.intake.Depart(speaker.Departure{Peer: w.decoder.peerOf(of.key), Gone: of.gone, Whole: of.whole})
	case arrival:
		w.intake.Arrive(w.decoder.peerOf(of.key))
	case forgotten:
		w.intake.Arrive(of.peer)
	case tablesRead:
		if w.intake.Sync() {
			close(w.synced)
			w.pacer.follow(w.queue.waiting)
		}
	case partRead:
		w.intake.Complete(of.feeds)
	case error:
		w.ended = true
		w.giveUp(of)
	default:
		w.ended = true
		w.giveUp(internalsError("a %T came by the queue", of))
	}
}

// paths hands all paths of a destination to the intake, the best one first.
func (w *watch) paths(paths []known) {
	defer func() { w.first = nil }()
	for _, k := range paths {
		d, label, err := w.decoder.destination(k.path.origin().nlri)
		if err != nil {
			w.fail(err)
			continue
		}
		w.intake.Begin(d)
		w.routes.note(d, k.path.origin().nlri)
		if d.EVPN && k.path.originated() {
			continue
		}
		if as, _ := announcedAs(k.path.origin()); as == rib.FromLeak { // readers have the path itself, of another destination
			w.intake.Hide()
			continue
		}
		w.path(k, d, label)
	}
	w.intake.Flush()
}

// gone tells the intake of a destination without a path.
func (w *watch) gone(nlri bgp.AddrPrefixInterface) {
	d, _, err := w.decoder.destination(nlri)
	if err != nil {
		w.fail(err)
		return
	}
	w.routes.forget(d)
	w.intake.Begin(d)
	w.intake.Flush()
}

// path hands a path to the intake.
func (w *watch) path(k known, d speaker.Destination, label uint32) {
	if err := noCandidate(k.path.origin().nlri); err != nil {
		w.fail(err)
		return
	}
	path, entry, err := w.decoder.path(k.path, k.id, d, label)
	if err != nil {
		w.fail(err)
		return // a path that we do not understand is none
	}
	w.routes.target(d, entry.attrs.RTs)
	if d.RD != 0 && entry.importers == nil {
		entry.importers = w.intake.Importers(entry.attrs.RTs)
	}
	if w.intake.Add(path, entry.importers) && !d.EVPN {
		w.first = k.path
	}
}

func (w *watch) endOfRIB(e *eorEvent) {
	for _, family := range conf.InFeeds(e.Family) {
		w.intake.EndOfRIB(speaker.Marker{Neighbour: w.decoder.names.of(e.PeerInfo), Family: family})
	}
}

// change has it go on with VRFs that come, and without those that go, in place of a configuration; false:
// it cannot.
func (w *watch) change(old, next *conf.Config, gone, come []speaker.VRF, feeds *speaker.Feeds) bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.ended || w.by != old || !w.intake.Change(next.VRFs, gone, come, next.Awaited(), feeds) {
		return false
	}
	w.by = next
	w.decoder.adopt(next.VRFs)
	if p, some := partOf(gone, come, feeds); some {
		p.routes = w.routes.within(p.rds, p.rts)
		w.queue.ask(p)
	}
	return true
}

// chose takes in what a VRF's worker chose; false: the watch has ended.
func (w *watch) chose(vrf string, list []rib.Choice) bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.ended {
		return false
	}
	w.intake.Chose(vrf, list)
	return true
}

// chosen tells whether each VRF that others leak from has said what it chooses.
func (w *watch) chosen() bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.ended || w.intake.Chosen()
}

// leaks are how much comes in by each rule beside route targets.
func (w *watch) leaks() []speaker.LeakCount {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.intake.Leaks()
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
