package daemon

import (
	"math"
	"runtime/debug"
	"testing"
	"time"
)

// TestTighten: the limit is as it was when the last job has ended, whichever ends first; it is never
// looser than an operator wants it, and grows with what lives.
func TestTighten(t *testing.T) { // not beside others: the collector is the process's
	now := func() int64 { return debug.SetMemoryLimit(-1) }
	defer debug.SetMemoryLimit(now())
	const loose = math.MaxInt64
	debug.SetMemoryLimit(loose)
	var c tightening
	first := c.tighten()
	tight := now()
	if most := inUse().mapped + heapSlack + 64<<20; tight > most || tight < heapSlack {
		t.Errorf("the limit is %d, and no more than %d is wanted", tight, most)
	}
	second := c.tighten()
	if first(); now() == loose {
		t.Error("there is no limit while a job goes on")
	}
	c.mu.Lock()
	c.set(1) // as if all that lives had come since
	c.mu.Unlock()
	for deadline := time.Now().Add(time.Minute); now() < inUse().live; time.Sleep(time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("the limit is %d, and %d bytes live", now(), inUse().live)
		}
	}
	if second(); now() != loose {
		t.Errorf("the limit is %d at the end", now())
	}
	debug.SetMemoryLimit(100 << 20)
	end := c.tighten()
	if now() > 100<<20 {
		t.Errorf("the limit is %d, and an operator's was 100 MB", now())
	}
	if end(); now() != 100<<20 {
		t.Errorf("the limit is %d, and was 100 MB", now())
	}
}
