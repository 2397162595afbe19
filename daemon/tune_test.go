package daemon

import (
	"context"
	"math"
	"runtime"
	"runtime/debug"
	"testing"
	"time"
)

// TestPace: the limit leaves a heap the room that gcPercent wants as long as it is small, follows what
// lives from there on, and never leaves what machine and control group have.
func TestPace(t *testing.T) { // not beside others: the collector is the process's
	defer debug.SetMemoryLimit(debug.SetMemoryLimit(-1))
	const gb = 1 << 30
	for _, c := range []struct {
		what                string
		live                int64
		machine             int64
		unbounded, unpaced  bool
		want, wantCollector int64
	}{
		{"a small one", gb / 8, 64 * gb, false, false, heapEase, heapEase},
		{"a full table", 700 << 20, 64 * gb, false, false, heapEase, heapEase},
		{"a large one", 3 * gb, 64 * gb, false, false, 6*gb - heapTight, 6*gb - heapTight},
		{"a small machine", gb / 8, gb, false, false, gb / 5 * 4, gb / 5 * 4},
		{"it does not fit", 3 * gb, gb, false, false, gb / 5 * 4, gb / 5 * 4},
		{"the operator's GOGC", gb / 8, 64 * gb, false, true, 64 * gb / 5 * 4, 64 * gb / 5 * 4},
		{"the operator's GOMEMLIMIT", gb / 8, 64 * gb, true, false, 0, 123 * gb},
	} {
		debug.SetMemoryLimit(123 * gb)
		k := memoryKeeper{confines: confines{machine: c.machine}, collector: &tightening{}, bounded: !c.unbounded, paced: !c.unpaced}
		k.pace(memory{mapped: c.live, heap: c.live, live: c.live})
		if k.limit != c.want || debug.SetMemoryLimit(-1) != c.wantCollector {
			t.Errorf("%s: the limit is %d, the collector's %d; want %d and %d", c.what, k.limit, debug.SetMemoryLimit(-1), c.want, c.wantCollector)
		}
	}
}

// TestPaceBesideAJob: a job holds the collector as tightly while the limit changes, which is what is in
// force after it.
func TestPaceBesideAJob(t *testing.T) {
	defer debug.SetMemoryLimit(debug.SetMemoryLimit(-1))
	now := func() int64 { return debug.SetMemoryLimit(-1) }
	debug.SetMemoryLimit(math.MaxInt64)
	var c tightening
	end := c.tighten()
	tight := now()
	c.bound(math.MaxInt64 / 2)
	if now() > tight+heapSlack {
		t.Errorf("the limit is %d beside a job, and was %d", now(), tight)
	}
	if end(); now() != math.MaxInt64/2 {
		t.Errorf("the limit is %d after the job", now())
	}
}

// TestRest: memory is given back where little was allocated for a while and there is much, and once.
func TestRest(t *testing.T) {
	released := 0
	m := memory{mapped: 900 << 20, heap: 880 << 20, live: 600 << 20}
	k := memoryKeeper{now: func() memory { return m }, release: func() {
		released++
		m = memory{mapped: 850 << 20, heap: 830 << 20, live: 600 << 20, allocated: m.allocated} // in pieces
	}}
	for range 10 { // busy
		m.allocated += 100 << 20
		k.rest(m)
	}
	if released != 0 {
		t.Error("a busy process gave memory back")
	}
	for range 10 {
		m.allocated += 1000
		k.rest(m)
	}
	if released != 1 {
		t.Errorf("memory was given back %d times, want once", released)
	}
	m = memory{mapped: 90 << 20, heap: 70 << 20, live: 10 << 20, allocated: m.allocated}
	for range 10 {
		k.rest(m)
	}
	if released != 1 {
		t.Error("memory was given back, of which nobody had had more")
	}
	for i := range 2 { // it comes and goes, and nobody has collected yet
		m.allocated += 200 << 20
		k.rest(m)
		for range 10 {
			k.rest(m)
		}
		if released != 2+i {
			t.Errorf("memory was given back %d times after %d bursts more", released, i+1)
		}
	}
}

// TestBurst: the system has back what a burst left, as the collector and the system count it.
func TestBurst(t *testing.T) {
	k := memoryKeeper{collector: &tightening{}, now: inUse, release: debug.FreeOSMemory, look: 5 * time.Millisecond}
	defer debug.SetGCPercent(debug.SetGCPercent(gcPercent))
	burst := make([][]byte, 0, 3000)
	for range cap(burst) {
		b := make([]byte, 100<<10)
		for i := 0; i < len(b); i += 4096 {
			b[i] = 1
		}
		burst = append(burst, b)
	}
	before := inUse().mapped
	runtime.KeepAlive(burst)
	clear(burst)
	ctx, end := context.WithCancel(context.Background())
	ended := make(chan struct{})
	go func() { k.run(ctx); close(ended) }()
	for began := time.Now(); before-inUse().mapped < 200<<20; time.Sleep(time.Millisecond) {
		if time.Since(began) > time.Minute {
			t.Fatalf("%d bytes before and %d at rest", before, inUse().mapped)
		}
	}
	end()
	<-ended
}

// TestCollectionsAreSeen: each collection is told of, not the first alone.
func TestCollectionsAreSeen(t *testing.T) {
	ctx, end := context.WithCancel(context.Background())
	defer end()
	collected := make(chan struct{}, 1)
	watchCollections(ctx, collected)
	for i := range 3 {
		runtime.GC()
		select {
		case <-collected:
		case <-time.After(time.Minute):
			t.Fatalf("collection %d was not told of", i+1)
		}
	}
}
