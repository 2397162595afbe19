package daemon

import (
	"math"
	"runtime/debug"
	"runtime/metrics"
	"sync"
	"time"
)

const (
	// heapSlack is about how much memory a job that throws much away may have more than the process
	// had. A full table beside it, at gcPercent, would let it grow by gigabytes.
	heapSlack = 128 << 20
	// heapLook is how often is looked whether what lives has grown meanwhile: whoever else allocates
	// is not to collect all the time for the job's sake.
	heapLook = 500 * time.Millisecond
)

// tightening is how tightly the collector is held for jobs that go on.
type tightening struct {
	mu    sync.Mutex
	jobs  int
	was   int64 // the limit without them
	limit int64
	done  chan struct{}
	ended sync.WaitGroup
}

// collector is this process's.
var collector tightening

// tighten has the collector keep the process about as large as it is until the function that it
// returns is called. What is free of the heap is used first, so that it collects no more often than
// it must. It makes nothing looser than it is.
func (t *tightening) tighten() (end func()) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.jobs++; t.jobs == 1 {
		t.was = debug.SetMemoryLimit(-1) // which only returns it
		t.set(inUse().mapped + heapSlack)
		t.done = make(chan struct{})
		t.ended.Go(func() { t.follow(t.done) })
	}
	return func() {
		t.mu.Lock()
		last := t.jobs == 1
		if t.jobs--; last {
			debug.SetMemoryLimit(t.was)
			close(t.done)
		}
		t.mu.Unlock()
		if last {
			t.ended.Wait()
		}
	}
}

// bound sets the limit that is in force without jobs.
func (t *tightening) bound(limit int64) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.was = limit; t.jobs > 0 {
		limit = min(limit, t.limit)
	}
	debug.SetMemoryLimit(limit)
}

// set sets the limit, which mu guards.
func (t *tightening) set(limit int64) {
	t.limit = limit
	debug.SetMemoryLimit(min(t.was, limit))
}

// follow raises the limit as more lives, until done is closed.
func (t *tightening) follow(done <-chan struct{}) {
	look := time.NewTicker(heapLook)
	defer look.Stop()
	for {
		select {
		case <-done:
			return
		case <-look.C:
			t.mu.Lock()
			if need := inUse().needed() + heapSlack; t.jobs > 0 && need > t.limit {
				t.set(need)
			}
			t.mu.Unlock()
		}
	}
}

// memory is what the process has, in bytes, as the collector's limit counts it.
type memory struct {
	mapped int64 // and not given back
	heap   int64 // of which is the heap's, used or free
	live   int64 // of that, what the last collection has found alive

	allocated int64 // since the process began
}

// needed is what the process would have if it had no free heap.
func (m memory) needed() int64 { return m.mapped - m.heap + m.live }

func inUse() memory {
	s := []metrics.Sample{
		{Name: "/memory/classes/total:bytes"}, {Name: "/memory/classes/heap/released:bytes"},
		{Name: "/memory/classes/heap/objects:bytes"}, {Name: "/memory/classes/heap/unused:bytes"}, {Name: "/memory/classes/heap/free:bytes"},
		{Name: "/gc/heap/live:bytes"}, {Name: "/gc/heap/allocs:bytes"},
	}
	metrics.Read(s)
	n := make([]int64, len(s))
	for i := range s {
		if s[i].Value.Kind() == metrics.KindUint64 {
			n[i] = int64(min(s[i].Value.Uint64(), math.MaxInt64/4))
		}
	}
	return memory{mapped: n[0] - n[1], heap: n[2] + n[3] + n[4], live: n[5], allocated: n[6]}
}
