package daemon

import (
	"context"
	"os"
	"runtime"
	"runtime/debug"
	"sync"
	"time"
)

const (
	// gcPercent lets the heap grow to five times what lives before it is collected, up to heapEase. A
	// routing table is many small objects that live long: with Go's default of 100 collecting them is
	// the greatest single cost of taking in a full table (bench/README.md says how that is measured).
	gcPercent = 400
	// heapEase is how large the process may become before it is collected more often than gcPercent
	// says. A full table of a million routes needs three quarters of it. The larger the process has been,
	// the more holes are left between what lives, which cannot be given back.
	heapEase = 900 << 20
	// heapTight is how much less than twice what it needs a larger process may have.
	heapTight = 512 << 20

	// memoryLook is how often is looked whether the process is at rest.
	memoryLook = 2 * time.Second
	// groupLook is how often is looked at what a control group has that bounds it: the kernel's routes count
	// there, and while a table comes in they take some megabytes meanwhile.
	groupLook = 200 * time.Millisecond
	// restLooks is after how many looks in a row that saw little it is at rest.
	restLooks = 2
	// restAllocates is how much a process at rest may have allocated since the last look.
	restAllocates = 1 << 20
	// restKeeps is how much must have been allocated, and a tenth of what the process needs besides, before
	// it gives memory back: to find out what lives costs about a second of a processor for a gigabyte.
	restKeeps = 64 << 20
)

// memoryKeeper has the collector follow what lives, the machine and the control group, and gives
// the system back what a burst left. GOGC and GOMEMLIMIT of the environment stay as they are.
type memoryKeeper struct {
	confines  confines
	collector *tightening
	now       func() memory
	release   func()
	bounded   bool // the limit is ours to set
	paced     bool // and gcPercent is in force
	limit     int64
	look      time.Duration

	allocated int64 // at the last look
	released  int64 // what had been allocated when memory was given back
	still     int   // looks in a row that saw little allocated
}

// newMemoryKeeper sets the collector for a large table.
func newMemoryKeeper() *memoryKeeper {
	k := &memoryKeeper{
		confines: hostConfines(), collector: &collector, now: inUse, release: debug.FreeOSMemory,
		bounded: os.Getenv("GOMEMLIMIT") == "", paced: os.Getenv("GOGC") == "", look: memoryLook,
	}
	if k.paced {
		debug.SetGCPercent(gcPercent)
	}
	k.pace(k.now())
	return k
}

// keepMemory keeps the process's memory until the function that it returns is called.
func keepMemory(ctx context.Context) (end func()) {
	k := newMemoryKeeper()
	ctx, stop := context.WithCancel(ctx)
	var keeping sync.WaitGroup
	keeping.Go(func() { k.run(ctx) })
	return func() { stop(); keeping.Wait() }
}

// run keeps the memory until ctx ends.
func (k *memoryKeeper) run(ctx context.Context) {
	collected := make(chan struct{}, 1)
	watchCollections(ctx, collected)
	look := time.NewTicker(k.look)
	defer look.Stop()
	var group <-chan time.Time // nil: no group bounds it
	if k.bounded && k.confines.bounded() {
		t := time.NewTicker(groupLook)
		defer t.Stop()
		group = t.C
	}
	for {
		select {
		case <-ctx.Done():
			return
		case <-collected:
			k.pace(k.now())
		case <-group:
			k.pace(k.now())
		case <-look.C:
			m := k.now()
			k.pace(m)
			k.rest(m)
		}
	}
}

// pace sets the limit near which the process is collected as often as it must be.
func (k *memoryKeeper) pace(m memory) {
	if !k.bounded {
		return
	}
	limit := k.confines.room(m.mapped)
	if k.paced {
		limit = min(limit, max(heapEase, 2*m.needed()-heapTight))
	}
	// The world stops for a change, so small ones are left out.
	if off := limit - k.limit; off > k.limit/32 || off < 0 {
		k.limit = limit
		k.collector.bound(limit)
	}
}

// rest gives back what the process does not need, where nothing goes on.
func (k *memoryKeeper) rest(m memory) {
	since := m.allocated - k.allocated
	k.allocated = m.allocated
	if since > restAllocates {
		k.still = 0
		return
	}
	if k.still++; k.still < restLooks {
		return
	}
	k.still = 0
	// How much of what was allocated is dead, and how much else has died meanwhile, nobody knows before it
	// is collected; and what lies between what lives cannot be given back.
	if m.allocated-k.released > restKeeps+m.needed()/10 {
		k.release()
		k.allocated = k.now().allocated
		k.released = k.allocated
	}
}

// watchCollections says after each collection of garbage that there was one, until ctx ends: what lives
// is known then.
func watchCollections(ctx context.Context, collected chan<- struct{}) {
	// A tiny object would share its memory with others, and may live as long as they.
	sentinel := new([64]byte)
	runtime.AddCleanup(sentinel, func(struct{}) {
		if ctx.Err() != nil {
			return
		}
		select {
		case collected <- struct{}{}:
		default: // it is about to look
		}
		watchCollections(ctx, collected)
	}, struct{}{})
}
