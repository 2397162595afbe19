package vrf

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"reflect"
	"runtime/debug"
	"sync"
	"time"

	"github.com/cenkalti/backoff/v5"

	"github.com/vrfredist/vrfredist/rib"
)

// The waits between the starts of a worker that fails, and how long it must
// have run for its next failure to count as the first.
const (
	firstRetry = 500 * time.Millisecond
	lastRetry  = time.Minute
	goodRun    = 2 * time.Minute
)

// errReturned is the failure of a worker that ends without being told to.
var errReturned = errors.New("the worker ended without being told to")

// keeper keeps the worker of one VRF running as long as Binding, Protocol,
// RD and Carriage stay the same (see SameHome). Where one of the four changes, another keeper takes
// over, which waits for this one to leave.
type keeper struct {
	sup   *Supervisor
	name  string
	log   *slog.Logger
	after []*keeper // must have left before a worker starts

	done chan struct{} // closed when it has left
	err  error         // why not cleanly; read it after done

	mu        sync.Mutex // taken after Supervisor.mu, never held while a worker is called
	cancel    context.CancelCauseFunc
	abandoned bool // nobody waits for it any longer: err goes to the log
	spec      Spec
	worker    Worker // nil while none runs
	life      int    // number of the worker: reports of an earlier one are void
	status    Status
	past      Totals // of the workers before the one that runs
}

func newKeeper(s *Supervisor, spec Spec, restarts int, after []*keeper) *keeper {
	log := s.log.With("vrf", spec.Name)
	if spec.Binding.Netns != "" {
		log = log.With("netns", spec.Binding.Netns)
	}
	return &keeper{
		sup: s, name: spec.Name, log: log, after: after,
		done: make(chan struct{}),
		spec: spec,
		status: Status{
			Spec: spec, WorkerStatus: WorkerStatus{State: Pending, Reason: notStarted},
			Since: time.Now(), Restarts: restarts,
		},
	}
}

// start starts the keeper's goroutine, which ends with base or with leave.
func (k *keeper) start(base context.Context) {
	ctx, cancel := context.WithCancelCause(base)
	k.mu.Lock()
	k.cancel = cancel
	k.mu.Unlock()
	go func() {
		defer cancel(nil)
		if k.clearWay(ctx) {
			k.err = k.run(ctx)
		}
		k.end()
	}()
}

// end says that the keeper has left. Its error goes to the goroutine that joins it, and
// to the log where that one has given up.
func (k *keeper) end() {
	k.mu.Lock()
	abandoned := k.abandoned
	close(k.done)
	k.mu.Unlock()
	if abandoned && k.err != nil {
		k.log.Error("a worker ended badly, and routes may be left", "err", k.err)
	}
	k.sup.forget(k)
}

// abandon tells the keeper that nobody waits for it any longer. It returns
// false where it has left already.
func (k *keeper) abandon() bool {
	k.mu.Lock()
	defer k.mu.Unlock()
	select {
	case <-k.done:
		return false
	default:
		k.abandoned = true
		return true
	}
}

// leave ends the keeper with cause. A keeper that never started is gone at once.
func (k *keeper) leave(cause error) {
	k.mu.Lock()
	cancel := k.cancel
	k.mu.Unlock()
	if cancel != nil {
		cancel(cause)
		return
	}
	close(k.done)
	// Supervisor.mu is held: forget must wait for it.
	delete(k.sup.leaving, k)
}

// clearWay waits for the keepers before this one. It returns false where ctx
// ended first: then there is no worker, and nothing to take out.
func (k *keeper) clearWay(ctx context.Context) bool {
	for _, other := range k.after {
		k.set(func(st *Status) {
			st.State = Pending
			st.Reason, st.ToTenant = fmt.Sprintf("it waits for the earlier worker of VRF %q to take its routes out", other.name), ""
		})
		select {
		case <-other.done:
		case <-ctx.Done():
			return false
		}
	}
	k.after = nil
	return true
}

// run starts the worker, and again after each failure, until ctx ends.
func (k *keeper) run(ctx context.Context) error {
	wait := backoff.NewExponentialBackOff()
	wait.InitialInterval, wait.MaxInterval = firstRetry, lastRetry
	wait.Multiplier, wait.RandomizationFactor = 2, 0.25
	for {
		began := time.Now()
		err := k.work(ctx)
		if ctx.Err() == nil {
			if time.Since(began) >= goodRun {
				wait.Reset()
			}
			k.fail(ctx, err, wait.NextBackOff())
		}
		if ctx.Err() == nil {
			continue
		}
		if err == nil || !k.mustClean(ctx) {
			return nil // a failure was reported when it happened
		}
		// A worker that failed left its routes for the next worker. Where the routes must
		// go, one more worker has to take them out, even though its context has ended.
		return k.work(ctx)
	}
}

// fail reports a failure and waits until the next start is due, or ctx ends.
func (k *keeper) fail(ctx context.Context, err error, delay time.Duration) {
	var p *panicError
	if errors.As(err, &p) {
		k.log.Error("a worker panicked", "panic", p.value, "retry_in", delay, "stack", string(p.stack))
	} else {
		k.log.Error("a worker failed", "err", err, "retry_in", delay)
	}
	k.set(func(st *Status) {
		st.State, st.Reason, st.ToTenant = Failed, err.Error(), ""
		st.Retry = time.Now().Add(delay)
		st.Table, st.Contested, st.Progress = 0, Contested{}, Progress{}
	})
	timer := time.NewTimer(delay)
	defer timer.Stop()
	select {
	case <-timer.C:
	case <-ctx.Done():
		return
	}
	k.set(func(st *Status) { st.Restarts++ })
}

// mustClean tells whether the end of ctx asks for the VRF's routes to go.
func (k *keeper) mustClean(ctx context.Context) bool {
	cause := context.Cause(ctx)
	return errors.Is(cause, ErrRemoved) || errors.Is(cause, ErrExit) && k.configured().OnExit == Remove
}

// work runs one worker from start to end. A panic of it becomes an error, and
// so does an end without a reason.
func (k *keeper) work(ctx context.Context) error {
	k.mu.Lock()
	k.life++
	life, spec := k.life, k.spec
	k.past = k.status.Totals
	k.mu.Unlock()
	k.set(func(st *Status) {
		st.State, st.Reason, st.ToTenant, st.Retry = Syncing, "", "", time.Time{}
		st.Counts, st.Carried = rib.ByFamily[Counts]{}, Carried{}
	})
	err := guard(func() error {
		w := k.sup.factory(spec, func(st WorkerStatus) { k.report(life, st) })
		k.employ(w, spec)
		return w.Run(ctx)
	})
	k.mu.Lock()
	k.worker = nil
	k.life++
	k.mu.Unlock()
	if err == nil && ctx.Err() == nil {
		return errReturned
	}
	return err
}

// employ makes w the worker to ask, and hands it the spec if that changed since w was made.
func (k *keeper) employ(w Worker, made Spec) {
	k.mu.Lock()
	k.worker = w
	now, stale := k.spec, !reflect.DeepEqual(k.spec, made)
	k.mu.Unlock()
	if stale {
		w.Reconfigure(now)
	}
}

// reconfigure hands a changed spec to the worker, and to later workers. A
// worker that panics over it is left running: it says itself how it fares.
func (k *keeper) reconfigure(spec Spec) {
	k.mu.Lock()
	k.spec = spec
	w := k.worker
	k.mu.Unlock()
	k.set(func(st *Status) { st.Spec = spec })
	if w == nil {
		return
	}
	if err := guard(func() error { w.Reconfigure(spec); return nil }); err != nil {
		k.log.Error("a worker did not take a changed configuration", "err", err)
	}
}

// settle waits until the worker has brought its Spec into force.
func (k *keeper) settle(ctx context.Context) {
	w := k.current()
	if w == nil {
		return
	}
	if err := guard(func() error { return w.Settled(ctx) }); err != nil {
		k.log.Info("what was changed is not in force everywhere yet", "err", err)
	}
}

// report takes in the status that a worker reports. It does so for each route that another program
// changes, so nothing is allocated for it.
func (k *keeper) report(life int, said WorkerStatus) {
	k.mu.Lock()
	said.Totals = k.past.Plus(said.Totals)
	if life != k.life || said == k.status.WorkerStatus {
		k.mu.Unlock()
		return
	}
	before := k.status.State
	k.status.WorkerStatus = said
	k.changed(before)
}

// set changes the status.
func (k *keeper) set(change func(*Status)) {
	k.mu.Lock()
	before := k.status.State
	change(&k.status)
	k.changed(before)
}

// changed ends a change of the status, which had the state before, and wakes the watchers. The
// caller has locked mu.
func (k *keeper) changed(before State) {
	if k.status.State != before {
		k.status.Since = time.Now()
	}
	k.mu.Unlock()

	k.sup.mu.Lock()
	k.sup.notify()
	k.sup.mu.Unlock()
}

func (k *keeper) snapshot() Status {
	k.mu.Lock()
	defer k.mu.Unlock()
	return k.status
}

func (k *keeper) configured() Spec {
	k.mu.Lock()
	defer k.mu.Unlock()
	return k.spec
}

func (k *keeper) current() Worker {
	k.mu.Lock()
	defer k.mu.Unlock()
	return k.worker
}

// panicError is a panic of a worker, as an error.
type panicError struct {
	value any
	stack []byte
}

func (p *panicError) Error() string { return fmt.Sprintf("panic: %v", p.value) }

// guard calls f and turns its panic into an error.
func guard(f func() error) (err error) {
	defer func() {
		if v := recover(); v != nil {
			err = &panicError{v, debug.Stack()}
		}
	}()
	return f()
}

// notStarted is the reason of a VRF whose worker was only just asked for.
const notStarted = "its worker has not started yet"

// Settling tells whether how the VRF fares is about to be known: its worker starts, or takes in its
// table.
func (s WorkerStatus) Settling() bool { return s.State == Syncing || s.Starting() }

// Starting tells whether the VRF's worker was only just asked for, and has said nothing yet.
func (s WorkerStatus) Starting() bool { return s.State == Pending && s.Reason == notStarted }
