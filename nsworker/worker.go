package nsworker

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/netip"
	"time"

	"github.com/vrfredist/vrfredist/nsworker/ledger"
	"github.com/vrfredist/vrfredist/rib"
	"github.com/vrfredist/vrfredist/vrf"
)

// Deps are what every worker of a daemon shares. All of it is safe for
// concurrent use.
type Deps struct {
	Kernel Kernel
	BGP    BGP
	Board  *Board
	Log    *slog.Logger
	Tap    *vrf.Tap // nil: nobody listens
	// Leaking names the VRFs of this daemon that import kernel routes which a Spec
	// accepts; nil: there are none.
	Leaking func(vrf.Spec) []string
	// Link returns where a neighbour is whose session runs in a namespace that is not
	// BGP's own: that namespace, as a Binding names it, the interface, "" where it is not
	// known, and the address that it has inside; nil: there are none.
	Link  func(peer netip.Addr) (netns, device string, inside netip.Addr)
	Core  Core   // the network between PEs; nil: there is none
	Trace Tracer // nil: no route is followed
}

// Worker keeps one VRF true. It satisfies vrf.Worker.
type Worker struct {
	deps    Deps
	log     *slog.Logger
	report  vrf.Report
	name    string
	specs   chan vrf.Spec         // holds the newest one that the loop has not taken yet
	queries chan func(*tableSync) // run by the loop's goroutine; nil: there is no table
	ended   chan struct{}         // closed when Run returns
	wakes   chan struct{}         // the board's: a VRF that leaks into this one changed

	// What follows belongs to the goroutine of Run.
	spec   vrf.Spec
	feed   *rib.Feed
	absent string // what the VRF waits for while it has no table
	totals vrf.Totals
	drifts ledger.Drifts
}

var errGone = errors.New("the binding is gone")

// New returns a worker for one start of a VRF.
func New(d Deps, spec vrf.Spec, report vrf.Report) *Worker {
	return &Worker{
		deps:    d,
		log:     d.Log.With("vrf", spec.Name, "netns", spec.Binding.Netns),
		report:  report,
		name:    spec.Name,
		specs:   make(chan vrf.Spec, 1),
		queries: make(chan func(*tableSync)),
		ended:   make(chan struct{}),
		wakes:   make(chan struct{}, 1),
		spec:    spec,
	}
}

// Reconfigure implements vrf.Worker.
func (w *Worker) Reconfigure(spec vrf.Spec) {
	for {
		select {
		case w.specs <- spec:
			return
		default:
		}
		select { // an older one that the loop has not taken makes room
		case <-w.specs:
		default:
		}
	}
}

// Run implements vrf.Worker.
func (w *Worker) Run(ctx context.Context) error {
	defer close(w.ended)
	feed, err := w.deps.BGP.Feed(w.name)
	if err != nil {
		return fmt.Errorf("subscribe to BGP: %w", err)
	}
	w.feed = feed
	chooses := &elector{func(ctx context.Context, prefixes []netip.Prefix, yield func(*rib.Choice)) error {
		return goesBy(ctx, w, prefixes, yield)
	}}
	w.deps.Board.enter(w.name, chooses)
	defer w.deps.Board.exit(w.name, chooses)
	// A worker that fails leaves its view to those it leaks into: their routes stand,
	// and the next worker shows them what it finds.
	defer func() {
		if errors.Is(context.Cause(ctx), vrf.ErrRemoved) {
			w.deps.Board.retract(w.name)
		}
	}()
	for {
		table, err := w.open(ctx)
		if err != nil {
			return err
		}
		if table == nil {
			return w.leaveUnopened(ctx)
		}
		err = w.serve(ctx, table)
		if !errors.Is(err, errGone) {
			return err
		}
		w.deps.Board.retract(w.name)
	}
}

// serve works on one open table until ctx ends (nil), the binding goes
// (errGone) or something fails. It closes the table.
func (w *Worker) serve(ctx context.Context, table Table) (err error) {
	if err := w.deps.Board.take(table.Where(), w.name); err != nil {
		w.deps.Board.retract(w.name)
		return errors.Join(err, table.Close())
	}
	s := newTableSync(w, table)
	failed := true // also by a panic
	defer func() {
		w.deps.Board.leave(table.Where(), failed)
		if cerr := table.Close(); cerr != nil && err == nil {
			err = fmt.Errorf("close the table: %w", cerr)
		}
		s.close()
	}()
	err = s.run(ctx)
	failed = err != nil && !errors.Is(err, errGone)
	return err
}

// open waits until the binding is there. It returns no table and no error when
// ctx ended first.
func (w *Worker) open(ctx context.Context) (Table, error) {
	// The watch starts before the first try: what appears between a failed
	// try and the watch would be missed.
	changed, stop, err := w.deps.Kernel.Await(w.spec.Binding)
	if err != nil {
		return nil, fmt.Errorf("watch for %s: %w", w.spec.Binding, err)
	}
	defer stop()
	for first := true; ; first = false {
		if ctx.Err() != nil {
			return nil, nil
		}
		table, err := w.deps.Kernel.Open(ctx, w.spec.Binding, w.spec.Protocol)
		if err == nil {
			return table, nil
		}
		if !errors.Is(err, rib.ErrAbsent) {
			if ctx.Err() != nil {
				return nil, nil
			}
			return nil, fmt.Errorf("open %s: %w", w.spec.Binding, err)
		}
		reason := absence(err)
		w.absent = reason
		w.report(vrf.WorkerStatus{State: vrf.Pending, Reason: reason, Totals: w.totals})
		if first {
			w.log.Info("waiting for the VRF's table", "reason", reason)
			w.deps.Board.retract(w.name)
			confirmNothing(w.deps.BGP, &w.spec)
			deafen(w.deps.BGP, &w.spec)
			// Interfaces that are gone announce nothing.
			if err := w.withdrawAll(ctx); err != nil {
				return nil, err
			}
		}
		if !w.await(ctx, changed) {
			return nil, nil
		}
	}
}

// absence is what is not there, without the operation that found it out.
func absence(err error) string {
	for {
		inner := errors.Unwrap(err)
		if inner == nil || !errors.Is(inner, rib.ErrAbsent) {
			return err.Error()
		}
		err = inner
	}
}

// await serves what a VRF without a table can be asked until changed fires. It
// returns false when ctx ended.
func (w *Worker) await(ctx context.Context, changed <-chan struct{}) bool {
	for {
		select {
		case <-ctx.Done():
			return false
		case <-changed:
			return true
		case w.spec = <-w.specs:
		case q := <-w.queries:
			q(nil)
		}
	}
}

// withdrawAll takes back whatever is announced for this VRF.
func (w *Worker) withdrawAll(ctx context.Context) error {
	now := w.deps.BGP.Announced(w.name)
	if len(now) == 0 {
		return nil
	}
	changes := make([]rib.AnnounceChange, len(now))
	for i, a := range now {
		changes[i] = rib.AnnounceChange{Announcement: a, Withdraw: true}
	}
	if err := w.deps.BGP.Announce(ctx, w.name, changes); err != nil {
		return fmt.Errorf("withdraw %d announcements from BGP: %w", len(now), err)
	}
	return nil
}

// leaveTime bounds what a worker does after its context ended.
const leaveTime = 10 * time.Second

// leaveUnopened is the end of a worker that has no table open: its VRF is
// pending, or the worker before it failed and this one was made to clean up.
func (w *Worker) leaveUnopened(ctx context.Context) error {
	if !w.takesRoutesOut(ctx) {
		return nil
	}
	why := context.Cause(ctx)
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), leaveTime)
	defer cancel()
	if err := w.clean(ctx); err != nil {
		return err
	}
	if errors.Is(why, vrf.ErrRemoved) {
		return w.withdrawAll(ctx)
	}
	return nil
}

// clean takes the VRF's routes out of its table, where that is there and no other VRF's.
func (w *Worker) clean(ctx context.Context) error {
	table, err := w.deps.Kernel.Open(ctx, w.spec.Binding, w.spec.Protocol)
	switch {
	case errors.Is(err, rib.ErrAbsent): // nor are there routes, then
	case err != nil:
		return fmt.Errorf("open %s to remove its routes: %w", w.spec.Binding, err)
	case w.deps.Board.others(table.Where(), w.name): // the worker was refused that table
		if err := table.Close(); err != nil {
			return fmt.Errorf("close the table of another VRF: %w", err)
		}
	default:
		s := newTableSync(w, table)
		defer s.close()
		if err := errors.Join(s.removeOwn(ctx), table.Close()); err != nil {
			return fmt.Errorf("remove the routes of a VRF that ends: %w", err)
		}
	}
	return nil
}

// Clear takes out of a table what an earlier run wrote there for a VRF that is not configured any more:
// of spec its name, binding, protocol and carriage count. BGP is told nothing.
func Clear(ctx context.Context, d Deps, spec vrf.Spec) error {
	w := New(d, spec, func(vrf.WorkerStatus) {})
	defer close(w.ended)
	w.feed = rib.NewFeed()
	ctx, cancel := context.WithTimeout(ctx, leaveTime)
	defer cancel()
	return w.clean(ctx)
}

// takesRoutesOut tells whether the cause of ctx's end asks for the kernel
// routes to be removed.
func (w *Worker) takesRoutesOut(ctx context.Context) bool {
	why := context.Cause(ctx)
	return errors.Is(why, vrf.ErrRemoved) || errors.Is(why, vrf.ErrExit) && w.spec.OnExit == vrf.Remove
}
