package gobgp3

import (
	"context"
	"unsafe"
)

// From when on, and until when, changes of GoBGP's tables are judged by what was said.

// begin has what was said already in force before GoBGP has a neighbour: the session of one that
// dials in is up, and its routes are told to others, as soon as there is one. It is called
// before GoBGP is given its configuration.
func (r *reachability) begin() {
	if !r.hasWord() {
		return
	}
	r.judged = watchChanges(r.loop, r.flags.judge)
	_ = r.inAnyLoop(func() error { r.early = true; return nil }) // its error is ours, and there is none
}

// end is called when nothing is to be brought in line any more.
func (r *reachability) end() {
	_ = r.inAnyLoop(func() error { r.stop(); return nil })
	if r.judged.watcher != nil {
		r.judged.stop()
	}
}

// run has the loop bring the paths in line until ctx ends.
func (r *reachability) run(ctx context.Context) {
	for {
		select {
		case <-ctx.Done():
			return
		case <-r.wake:
		}
		if r.judged.watcher == nil && r.hasWord() {
			r.judged = watchChanges(r.loop, r.flags.judge)
		}
		for more := true; more && ctx.Err() == nil; {
			if err := r.inLoop(func() error { more = r.turn(); return nil }); err != nil {
				break // GoBGP was stopped
			}
		}
		if r.judged.watcher != nil && !r.hasWord() && r.disarmed() {
			r.judged.stop() // each event costs GoBGP's loop something
			r.judged = stream{}
		}
	}
}

// disarmed tells whether no path is judged any more. It waits for the loop.
func (r *reachability) disarmed() (is bool) {
	err := r.inLoop(func() error { is = !r.flags.armed; return nil })
	return err == nil && is
}

// hasWord tells whether a worker has said something.
func (r *reachability) hasWord() bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	return len(r.said) > 0
}

// stop gives up what is under way.
func (r *reachability) stop() {
	r.flags.hush.set(false)
	if r.walk != nil {
		r.walk.end()
		r.walk = nil
	}
}

// watchChanges has judge called in GoBGP's loop for each event of best paths.
func watchChanges(l *loop, judge func(*bestEvent)) stream {
	var kinds shapes
	divert := func(opts unsafe.Pointer) {
		filters := *(*map[string]func(any) bool)(unsafe.Add(opts, filtersAt()))
		filters[eventKinds[0]] = func(event any) bool {
			if best, _, _, err := kinds.read(event); err == nil && best != nil {
				judge(best) // where it is not as expected, the feeds' watch gives up
			}
			return false
		}
	}
	return stream{watcher: serverWatch(l.server(), watchBestPath(false), divert)}
}
