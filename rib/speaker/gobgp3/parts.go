package gobgp3

import (
	"context"
	"slices"
	"sync"
	"time"
)

// What GoBGP does with a whole table it does in one turn of its loop: it tells a neighbour all when
// its session begins, withdraws all when it ends, and looks at nothing else until it has, for
// seconds. Here that is done in parts, each a turn of a few milliseconds, between which the loop
// takes whatever else there is.

// parts are the jobs that are done so, in turns of one after the other.
type parts struct {
	*loop
	pacer *pacer
	wake  chan struct{} // there is a job
	jobs  []job         // the next one first; the loop's own
	each  time.Duration // how long a part takes

	mu    sync.Mutex
	asked []func() // guarded by mu; what the loop is to do first
}

// job is done in parts.
type job interface {
	// waits tells whether it cannot go on for the moment. The loop calls it.
	waits() bool
	// step does a part, of about parts.each, and tells whether there is more. The loop calls it.
	step() (more bool)
	// beside is called between two parts, out of the loop.
	beside()
	// end gives up what is left of it. The loop calls it.
	end()
}

const (
	// partFor is how long a part of a job takes: it is what others wait for.
	partFor = 2 * time.Millisecond
	// partPause is after how long jobs that all wait are looked at again.
	partPause = time.Millisecond
)

func newParts(l *loop, p *pacer) *parts {
	return &parts{loop: l, pacer: p, wake: make(chan struct{}, 1), each: partFor}
}

// add begins a job. It is called in the loop.
func (p *parts) add(j job) {
	p.jobs = append(p.jobs, j)
	p.rouse()
}

func (p *parts) rouse() {
	select {
	case p.wake <- struct{}{}:
	default: // it is awake
	}
}

// ask has the loop call do, and does not wait for that.
func (p *parts) ask(do func()) {
	p.mu.Lock()
	p.asked = append(p.asked, do)
	p.mu.Unlock()
	p.rouse()
}

// answer is called in the loop.
func (p *parts) answer() {
	p.mu.Lock()
	asked := p.asked
	p.asked = nil
	p.mu.Unlock()
	for _, do := range asked {
		do()
	}
}

// run has the loop do the jobs until ctx ends.
func (p *parts) run(ctx context.Context) {
	defer func() { _ = p.inLoop(func() error { p.end(); return nil }) }()
	pause := time.NewTimer(0)
	defer pause.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-p.wake:
		}
		for more := true; more && ctx.Err() == nil; {
			var did job
			if err := p.inLoop(func() error { did, more = p.turn(); return nil }); err != nil {
				break // GoBGP was stopped
			}
			if did != nil {
				did.beside()
			}
			if did != nil || !more {
				continue
			}
			pause.Reset(partPause)
			select {
			case <-ctx.Done():
			case <-pause.C:
			}
		}
	}
}

// turn does a part of the first job that does not wait, and tells whether there is more to do. While
// the watch has enough to do, all wait: what changes beside them would come behind it.
func (p *parts) turn() (did job, more bool) {
	p.answer()
	if p.pacer.waiting() > mostQueued {
		return nil, len(p.jobs) > 0
	}
	for range len(p.jobs) {
		j := p.jobs[0]
		p.jobs = append(p.jobs[1:], j)
		if j.waits() {
			continue
		}
		if !j.step() {
			p.jobs = slices.Delete(p.jobs, len(p.jobs)-1, len(p.jobs)) // no table is kept by it
		}
		return j, len(p.jobs) > 0
	}
	return nil, len(p.jobs) > 0
}

// end gives all jobs up.
func (p *parts) end() {
	for _, j := range p.jobs {
		j.end()
	}
	p.jobs = nil
}
