package speaker

import (
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/osrg/gobgp/v3/pkg/server"
)

// rested plays the loop for a while of work, and returns how long it was kept.
func rested(p *pacer, op server.FSMOperation, did time.Duration) time.Duration {
	began := time.Now()
	p.Observe(op, did, 0)
	return time.Since(began)
}

// takes plays a watch that has n events to take, one after the other.
func (p *pacer) takes(n int, each time.Duration) {
	for range n {
		p.begin()
		time.Sleep(each)
		p.end()
	}
}

func TestPacer(t *testing.T) {
	for _, tc := range []struct {
		name        string
		op          server.FSMOperation
		did         time.Duration
		active      bool
		events      int
		each        time.Duration
		least, most time.Duration
	}{
		{"no watch", server.FSMMessage, time.Second, false, 10, time.Millisecond, 0, 0},
		{"little work", server.FSMMessage, workAhead - 1, true, 10, time.Millisecond, 0, 0},
		{"a request of the API", server.FSMMgmtOp, time.Second, true, 10, time.Millisecond, 0, 0},
		{"nothing for the watch", server.FSMMessage, time.Second, true, 0, 0, 0, 0},
		{"a watch behind", server.FSMMessage, workAhead, true, 10, time.Millisecond, 10 * time.Millisecond, 11 * time.Millisecond},
		{"a watch that stands still", server.FSMMessage, workAhead, true, 1, time.Hour, mostRest, mostRest + restStep},
	} {
		synctest.Test(t, func(t *testing.T) {
			p := newPacer()
			p.active.Store(tc.active)
			var watch sync.WaitGroup
			defer watch.Wait()
			watch.Go(func() { p.takes(tc.events, tc.each) })
			synctest.Wait()
			if took := rested(p, tc.op, tc.did); took < tc.least || took > tc.most {
				t.Errorf("%s: the loop rested %v, want %v to %v", tc.name, took, tc.least, tc.most)
			}
		})
	}
}

// The work of many messages counts together, and a rest begins it anew.
func TestPacerCountsWork(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := newPacer()
		p.active.Store(true)
		var watch sync.WaitGroup
		defer watch.Wait()
		watch.Go(func() { p.takes(50, time.Millisecond) })
		synctest.Wait()
		rests := 0
		for range 16 {
			if rested(p, server.FSMMessage, workAhead/8) > 0 {
				rests++
			}
		}
		if rests != 1 { // after the first, the watch has caught up
			t.Errorf("%d rests, want 1", rests)
		}
	})
}

// A watch that ends lets the loop go.
func TestPacerEndsWithTheWatch(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := newPacer()
		p.active.Store(true)
		p.begin()
		go func() {
			time.Sleep(3 * time.Millisecond)
			p.active.Store(false)
		}()
		if took := rested(p, server.FSMMessage, time.Second); took > 4*time.Millisecond {
			t.Errorf("the loop rested %v", took)
		}
	})
}
