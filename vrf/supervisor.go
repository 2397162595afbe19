package vrf

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"reflect"
	"slices"
	"sync"
	"time"

	"github.com/vrfredist/vrfredist/rib"
)

// ErrUnknown is matched by the error that names a VRF which is not configured.
var ErrUnknown = errors.New("no such VRF")

// ErrNotRunning is matched by the error of asking the worker of a VRF while
// there is none: it failed and waits for its next start, or has not started.
var ErrNotRunning = errors.New("its worker does not run")

// ErrPending is matched by the error of asking for a table while the VRF has
// none.
var ErrPending = errors.New("it has no table now")

// ErrStopped is returned by Apply once Run has ended.
var ErrStopped = errors.New("the supervisor has ended")

// leaveTimeout bounds how long Run and Apply wait for workers that were told to
// end. Taking out a full table is a matter of seconds.
const leaveTimeout = 15 * time.Second

// settleTimeout bounds how long Apply waits for workers that were given another Spec. A
// million routes are judged anew, and written, in a part of it.
const settleTimeout = time.Minute

// Supervisor keeps exactly the configured workers running. It restarts a worker that
// fails or panics, with backoff; the others do not notice. Its methods are safe
// for concurrent use, and none of them but Run and Apply waits for a worker.
type Supervisor struct {
	factory Factory
	log     *slog.Logger

	applying sync.Mutex // one Apply at a time decides; taken before mu

	mu      sync.Mutex         // never held while a worker is called
	base    context.Context    // of all workers; nil before Run
	ended   bool               // Run has ended, or is about to
	keepers map[string]*keeper // by VRF
	leaving map[*keeper]struct{}
	changed chan struct{} // closed at the next change of a status; nil: nobody waits
}

// NewSupervisor returns a supervisor without VRFs. It makes workers with f.
func NewSupervisor(f Factory, log *slog.Logger) *Supervisor {
	return &Supervisor{
		factory: f,
		log:     log,
		keepers: make(map[string]*keeper),
		leaving: make(map[*keeper]struct{}),
	}
}

// Run runs the workers of all applied VRFs until ctx ends, and joins them. The
// cause of ctx's end becomes that of the workers' contexts; a plain cancel
// reads ErrExit. Run is called once. It returns nil unless workers did not end
// in time, or not cleanly: its error names their VRFs.
func (s *Supervisor) Run(ctx context.Context) error {
	base, end := context.WithCancelCause(context.WithoutCancel(ctx))
	defer end(nil)
	s.mu.Lock()
	s.base = base
	for _, k := range s.keepers {
		k.start(base)
	}
	s.mu.Unlock()

	<-ctx.Done()
	cause := context.Cause(ctx)
	if errors.Is(cause, context.Canceled) {
		cause = ErrExit
	}
	s.mu.Lock()
	s.ended = true
	all := make([]*keeper, 0, len(s.keepers)+len(s.leaving))
	for _, k := range s.keepers {
		all = append(all, k)
	}
	for k := range s.leaving {
		all = append(all, k)
	}
	s.mu.Unlock()
	end(cause)

	return join(context.Background(), all)
}

// Apply brings the running set to specs, and waits until the workers that leave
// have ended: the workers of VRFs that are not in specs, and of VRFs whose Binding,
// Protocol, RD or Carriage changed (see SameHome), which start anew once the old worker is gone. Any
// other change is handed to the running worker, and Apply waits, a while, until it is in force; an
// unchanged VRF is not disturbed.
//
// An error about specs comes before anything is done. An error afterwards
// (ctx, a worker that does not end, routes that could not be taken out) names
// the VRFs, and specs are in force all the same.
func (s *Supervisor) Apply(ctx context.Context, specs []Spec) error {
	wait, err := s.Begin(specs)
	if err != nil {
		return err
	}
	return wait(ctx)
}

// Begin is Apply without the wait, which is the function that it returns. The workers
// that leave have begun to; a new worker of the same table starts when they are gone.
func (s *Supervisor) Begin(specs []Spec) (wait func(context.Context) error, err error) {
	want := make(map[string]Spec, len(specs))
	for _, spec := range specs {
		if _, twice := want[spec.Name]; twice {
			return nil, fmt.Errorf("VRF %q is configured twice", spec.Name)
		}
		want[spec.Name] = spec
	}
	gone, changed, err := s.steer(want)
	if err != nil {
		return nil, err
	}
	return func(ctx context.Context) error {
		err := join(ctx, gone)
		settle(ctx, changed)
		return err
	}, nil
}

// steer starts, stops and reconfigures without waiting, and returns the keepers
// that were told to leave, and those that were given another Spec.
func (s *Supervisor) steer(want map[string]Spec) (gone, changed []*keeper, err error) {
	s.applying.Lock()
	defer s.applying.Unlock()

	type change struct {
		keeper *keeper
		spec   Spec
	}
	var changes []change
	s.mu.Lock()
	if s.ended {
		s.mu.Unlock()
		return nil, nil, ErrStopped
	}
	restarts := make(map[string]int)
	for name, k := range s.keepers {
		spec, stays := want[name]
		switch now := k.configured(); {
		case stays && SameHome(now, spec):
			if !reflect.DeepEqual(now, spec) {
				changes = append(changes, change{k, spec})
			}
			delete(want, name)
			continue
		case stays:
			restarts[name] = k.snapshot().Restarts
		}
		delete(s.keepers, name)
		s.leaving[k] = struct{}{}
		gone = append(gone, k)
		k.leave(ErrRemoved)
	}
	for name, spec := range want {
		k := newKeeper(s, spec, restarts[name], s.inTheWayOf(spec))
		s.keepers[name] = k
		if s.base != nil {
			k.start(s.base)
		}
	}
	s.notify()
	s.mu.Unlock()

	for _, c := range changes {
		c.keeper.reconfigure(c.spec)
		changed = append(changed, c.keeper)
	}
	return gone, changed, nil
}

// inTheWayOf returns the leaving keepers that must be gone before a worker of
// spec starts: they take out the routes of the same table, or of the same VRF.
// The caller holds mu.
func (s *Supervisor) inTheWayOf(spec Spec) []*keeper {
	var list []*keeper
	for k := range s.leaving {
		if old := k.configured(); old.Name == spec.Name || MayShareTable(old.Binding, spec.Binding) {
			list = append(list, k)
		}
	}
	return list
}

// forget drops a keeper that has left.
func (s *Supervisor) forget(k *keeper) {
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.leaving, k)
}

// List returns the status of every VRF, ordered by name.
func (s *Supervisor) List() []Status {
	s.mu.Lock()
	names := slices.Sorted(maps.Keys(s.keepers)) // a status is too large to be moved about by a sort
	list := make([]Status, len(names))
	for i, name := range names {
		list[i] = s.keepers[name].snapshot()
	}
	s.mu.Unlock()
	return list
}

// Get returns the status of one VRF, and whether it is configured.
func (s *Supervisor) Get(name string) (Status, bool) {
	k := s.find(name)
	if k == nil {
		return Status{}, false
	}
	return k.snapshot(), true
}

// Changed returns a channel that is closed when a status changes after the
// call, or a VRF comes or goes. Call it first, then look, then wait: no change
// is missed that way.
func (s *Supervisor) Changed() <-chan struct{} {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.changed == nil {
		s.changed = make(chan struct{})
	}
	return s.changed
}

// Nudge closes the channel that Changed returned, for news of another kind to those who
// wait on it.
func (s *Supervisor) Nudge() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.notify()
}

// Routes calls yield with the routes of a VRF that q asks for, ordered by prefix,
// until it returns false. The error matches ErrUnknown or ErrNotRunning
// where there is no worker to ask.
func (s *Supervisor) Routes(ctx context.Context, name string, q RouteQuery, yield func(rib.RouteStatus) bool) error {
	return s.ask(name, "list routes", func(w Worker) error { return w.Routes(ctx, q, yield) })
}

// Resync has the worker of a VRF read its table again now, and waits until the
// differences are put right. Its errors match as those of Routes, and ErrPending
// where the VRF has no table.
func (s *Supervisor) Resync(ctx context.Context, name string) (r Repair, err error) {
	err = s.ask(name, "resync", func(w Worker) (err error) {
		r, err = w.Resync(ctx)
		return err
	})
	return r, err
}

// Explain says why a prefix is, or is not, in the table of a VRF and in BGP; see
// Worker.Explain. Its errors match as those of Routes.
func (s *Supervisor) Explain(ctx context.Context, name string, q rib.Question) (x rib.Explanation, err error) {
	err = s.ask(name, "explain "+q.Prefix.String(), func(w Worker) (err error) {
		x, err = w.Explain(ctx, q)
		return err
	})
	return x, err
}

// ask calls f with the worker of a VRF.
func (s *Supervisor) ask(name, what string, f func(Worker) error) error {
	k := s.find(name)
	if k == nil {
		return fmt.Errorf("VRF %q: %w", name, ErrUnknown)
	}
	w := k.current()
	if w == nil {
		return fmt.Errorf("VRF %q: %w: %s", name, ErrNotRunning, k.snapshot().Reason)
	}
	if err := guard(func() error { return f(w) }); err != nil {
		return fmt.Errorf("VRF %q: %s: %w", name, what, err)
	}
	return nil
}

// Leaking names the VRFs whose imports from the kernel into accepts, by its route targets or by a
// rule.
func (s *Supervisor) Leaking(into Spec) []string {
	s.mu.Lock()
	defer s.mu.Unlock()
	var names []string
	for name, k := range s.keepers {
		of := k.configured()
		_, ruled := into.LeakFrom(name)
		if of.Import.Enabled && of.Of() != into.Of() && (ruled || slices.ContainsFunc(of.ExportRTs, func(rt rib.RT) bool {
			return slices.Contains(into.ImportRTs, rt)
		})) {
			names = append(names, name)
		}
	}
	return names
}

func (s *Supervisor) find(name string) *keeper {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.keepers[name]
}

// notify wakes all that wait on Changed. The caller holds mu.
func (s *Supervisor) notify() {
	if s.changed != nil {
		close(s.changed)
		s.changed = nil
	}
}

// settle waits, a while, until the workers of keepers have brought into force what they were
// given. One that fails meanwhile starts with it.
func settle(ctx context.Context, keepers []*keeper) {
	limit, cancel := context.WithTimeout(ctx, settleTimeout)
	defer cancel()
	var all sync.WaitGroup
	for _, k := range keepers {
		all.Go(func() { k.settle(limit) })
	}
	all.Wait()
}

// join waits until the keepers have left, ctx ends or leaveTimeout has passed.
// Its error is a Stuck of those that have not left, or not cleanly.
func join(ctx context.Context, keepers []*keeper) error {
	limit, cancel := context.WithTimeout(ctx, leaveTimeout)
	defer cancel()
	stuck := &Stuck{make(map[string]error)}
	for _, k := range keepers {
		select {
		case <-k.done:
		case <-limit.Done():
			if k.abandon() {
				stuck.why[k.name] = errLate
				continue
			}
		}
		if k.err != nil {
			stuck.why[k.name] = fmt.Errorf("its worker ended badly, and routes may be left: %w", k.err)
		}
	}
	if len(stuck.why) > 0 {
		return stuck
	}
	return nil
}
