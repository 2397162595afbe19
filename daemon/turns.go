package daemon

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"time"

	"github.com/vrfredist/vrfredist/config"
	"github.com/vrfredist/vrfredist/vrf"
)

// turns bring what several callers ask for at the same time into force as one change: the file is
// read, BGP is changed and the state directory written once for all of them. Each has its own
// answer, and one that is refused refuses no other.
type turns struct {
	changer *changer

	mu      sync.Mutex
	waiting []*edit       // guarded by mu
	came    chan struct{} // one more waits

	// Of the last turn; guarded by the changer's mu.
	took    time.Duration
	callers int // that it served, or that came meanwhile
}

func newTurns(c *changer) *turns { return &turns{changer: c, came: make(chan struct{}, 1)} }

// edit is one request about what is applied over the API.
type edit struct {
	key     vrf.LayerKey
	deletes bool
	// over returns the layers that are there with it; was itself: nothing changes.
	over func(now *config.Config, was *config.Layers) (*config.Layers, error)

	// What became of it; guarded by the changer's mu.
	done       bool
	generation uint64
	err        error
}

// errBrokenOff is what became of an edit of which nothing else is known.
var errBrokenOff = errors.New("the change broke off; `vrfredist config` shows whether it is in force")

// take waits for a turn, and returns when the edit is in force, or refused. Whoever has the
// changer first does the work of all who wait.
func (t *turns) take(ctx context.Context, e *edit) error {
	t.mu.Lock()
	t.waiting = append(t.waiting, e)
	t.mu.Unlock()
	select {
	case t.came <- struct{}{}:
	default:
	}
	t.changer.mu.Lock()
	defer t.changer.mu.Unlock()
	if !e.done {
		t.turn(context.WithoutCancel(ctx))
	}
	return e.err
}

// turn does what all who wait have asked for. Two edits of one VRF or neighbour are made one after
// the other.
func (t *turns) turn(ctx context.Context) {
	all := t.gather()
	began := time.Now()
	defer func() { t.took, t.callers = time.Since(began), len(all)+t.length() }()
	for _, e := range all {
		e.done, e.err = true, errBrokenOff
	}
	for left := all; len(left) > 0; {
		var these, later []*edit
		seen := make(map[vrf.LayerKey]bool)
		for _, e := range left {
			if seen[e.key] {
				later = append(later, e)
				continue
			}
			seen[e.key] = true
			these = append(these, e)
		}
		t.decide(ctx, these)
		left = later
	}
}

// mostGathering bounds how long a turn waits for others.
const mostGathering = 250 * time.Millisecond

// gather takes all who wait. Callers come back when they have their answer, and a turn for some of
// them and another for the rest would take twice as long: so it waits for as many as there were, but no
// longer than the last turn took. Where they come one by one, turns take half of the time and no
// more: routes need the processors too.
func (t *turns) gather() []*edit {
	enough := time.NewTimer(min(t.took, mostGathering))
	defer enough.Stop()
	for over := t.callers <= 1; !over && t.length() < t.callers; {
		select {
		case <-t.came:
		case <-enough.C:
			over = true
		}
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	all := t.waiting
	t.waiting = nil
	return all
}

func (t *turns) length() int {
	t.mu.Lock()
	defer t.mu.Unlock()
	return len(t.waiting)
}

// decide brings edits into force together, or finds out which of them cannot be.
func (t *turns) decide(ctx context.Context, edits []*edit) {
	if len(edits) == 0 {
		return
	}
	in, err := t.together(ctx, edits)
	if err == nil {
		return
	}
	if len(in) == 1 {
		in[0].err = err
		return
	}
	blamed, rest := blame(in, err)
	if len(blamed) == 0 || len(rest) == 0 {
		blamed, rest = in[len(in)/2:], in[:len(in)/2]
		t.decide(ctx, rest)
		t.decide(ctx, blamed)
		return
	}
	t.decide(ctx, rest)
	for _, e := range blamed {
		t.decide(ctx, []*edit{e})
	}
}

// together tries to bring edits into force as one change. Those that can be judged by themselves
// are; in are the others, of which none is in force where there is an error.
func (t *turns) together(ctx context.Context, edits []*edit) (in []*edit, err error) {
	c := t.changer
	now, all := c.force.config(), c.layers.layers()
	var keys []vrf.LayerKey
	for _, e := range edits {
		next, err := e.over(now, all)
		e.err = err
		if err != nil {
			continue
		}
		if _, is := now.Layers().Get(e.key); next != all || !is {
			all, in, keys = next, append(in, e), append(keys, e.key)
			continue
		}
		e.found(all)
	}
	if len(in) == 0 {
		return nil, nil
	}
	next, err := c.layers.over(now, all, keys...)
	if err != nil {
		if len(in) == 1 {
			err = in[0].contradicted(err)
		}
		return in, err
	}
	err = c.layer(ctx, keys, all, next)
	var left *vrf.Incomplete
	if err != nil && !errors.As(err, &left) {
		return in, err
	}
	for _, e := range in {
		e.found(all)
		e.err = left.Of(e.key)
	}
	return in, nil
}

// found notes the generation of what is applied.
func (e *edit) found(all *config.Layers) {
	layer, _ := all.Get(e.key)
	e.generation = layer.Generation
}

// contradicted is the error of an edit with which there is no configuration.
func (e *edit) contradicted(err error) error {
	if e.deletes {
		return fmt.Errorf("%s cannot go: without it %w", e.key, err)
	}
	return faultsOf(e.key, err)
}

// blame finds the edits that an error is about.
func blame(edits []*edit, err error) (blamed, rest []*edit) {
	var faults config.Errors
	var stuck *vrf.Stuck
	errors.As(err, &faults)
	errors.As(err, &stuck)
	for _, e := range edits {
		is := slices.ContainsFunc(faults, func(f config.Error) bool { return f.Layer != nil && *f.Layer == e.key })
		if is || !e.key.Neighbor && stuck.Names(e.key.Name) {
			blamed = append(blamed, e)
		} else {
			rest = append(rest, e)
		}
	}
	return blamed, rest
}

// layer brings other layers into force, which were asked for by key.
func (c *changer) layer(ctx context.Context, keys []vrf.LayerKey, all *config.Layers, next *config.Config) error {
	next, err := c.numbers.give(ctx, next)
	if err != nil {
		return err
	}
	old := c.force.config()
	m := &move{old: old, next: next, before: c.force.over(old), after: c.force.over(next), layers: keys}
	applied, err := c.move(ctx, m, c.layers.become(all))
	if !applied {
		return err
	}
	if err != nil {
		err = &vrf.Incomplete{Err: err}
	}
	if err := c.force.overlay.End(all); err != nil {
		c.log.Warn("what was enabled and disabled at run time before cannot be forgotten, and is left out of account", "err", err)
	}
	return err
}
