package gobgp3

import (
	"context"
	"errors"
	"maps"
	"slices"
	"time"

	"github.com/vrfredist/vrfredist/rib"
)

// What workers say of how their VRFs take packets of other PEs, as what goes out of those follows it.

// takes says by what a VRF takes packets now; the zero one: it takes none. told is called once PEs have
// been told, unless it has been called again by then. It does not wait for the loop.
func (o *outgoing) takes(vrf string, by rib.Carried, told func()) {
	o.mu.Lock()
	_, due := o.due[vrf]
	if o.hears[vrf] == by && !due && o.turns == 0 {
		o.mu.Unlock()
		told()
		return
	}
	defer o.mu.Unlock()
	if o.hears[vrf] = by; by == (rib.Carried{}) {
		delete(o.hears, vrf)
	}
	o.due[vrf] = told
	o.stir()
}

// deaf tells whether other PEs are told of none of a VRF's routes.
func (o *outgoing) deaf(vrf string) bool {
	o.mu.Lock()
	defer o.mu.Unlock()
	d := o.by[vrf]
	return o.isDeaf(vrf, &d)
}

// settled tells whether GoBGP has what was said of VRFs.
func (o *outgoing) settled() bool {
	o.mu.Lock()
	defer o.mu.Unlock()
	return len(o.due) == 0 && o.turns == 0
}

// stir has run look.
func (o *outgoing) stir() {
	select {
	case o.wake <- struct{}{}:
	default: // it is awake
	}
}

// listenAgain is when a VRF is tried again that could not be made deaf, or not any more.
const listenAgain = time.Second

// run has VRFs go out by what they take packets by, until ctx ends. announce has BGP take again what a
// VRF announces.
func (o *outgoing) run(ctx context.Context, e *embedded, announce func(ctx context.Context, vrf string) error) {
	again := time.NewTimer(0)
	defer again.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-again.C:
		case <-o.wake:
		}
		if err := o.turn(ctx, e, announce); err != nil && ctx.Err() == nil {
			e.log.slog.Error("other PEs may still be told of routes of VRFs that take no packets, or not of those that do, or by a label or SID of before; it is tried again", "in", listenAgain, "err", err)
			again.Reset(listenAgain)
		}
	}
}

// turn does so with those that are due.
func (o *outgoing) turn(ctx context.Context, e *embedded, announce func(ctx context.Context, vrf string) error) error {
	e.changing.Lock()
	defer e.changing.Unlock()
	due := o.begin()
	var errs []error
	for _, name := range slices.Sorted(maps.Keys(due)) {
		err := o.listen(ctx, name, announce)
		if err != nil {
			errs = append(errs, err)
		}
		if o.did(name, due[name], err != nil) {
			due[name]()
		}
	}
	o.mu.Lock()
	defer o.mu.Unlock()
	o.turns--
	return errors.Join(errs...)
}

// begin takes the VRFs of a turn.
func (o *outgoing) begin() map[string]func() {
	o.mu.Lock()
	defer o.mu.Unlock()
	due := o.due
	o.due = make(map[string]func())
	o.turns++
	for name := range due {
		d, said := o.by[name], o.hears[name]
		if d.listens() && said.Kind == d.by.Kind && d.by.ByNumberOf(said) != d.by {
			o.renew() // for all of them
			break
		}
	}
	return due
}

// did takes in that one was done, or failed and is due again, and tells whether who said it is to hear
// of it: it has said nothing else since.
func (o *outgoing) did(name string, told func(), failed bool) bool {
	o.mu.Lock()
	defer o.mu.Unlock()
	if _, again := o.due[name]; again {
		return false
	}
	if failed {
		o.due[name] = told
	}
	return !failed
}

// listen has a VRF go out by what it takes packets by.
func (o *outgoing) listen(ctx context.Context, name string, announce func(ctx context.Context, vrf string) error) error {
	changed := false
	if err := o.inLoop(func() error {
		if v, d := o.rib().Vrfs[name], o.dress(name); v != nil && d.listens() {
			changed = o.put(name, v, false)
		}
		return nil
	}); err != nil || !changed && !o.late[name] {
		return err
	}
	o.late[name] = true
	err := again(o.changes, map[string]bool{name: true}, func() error { return announce(ctx, name) })
	if err == nil {
		delete(o.late, name)
	}
	return err
}
