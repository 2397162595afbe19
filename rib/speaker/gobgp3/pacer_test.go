package gobgp3

import (
	"fmt"
	"testing"
	"testing/synctest"
	"time"

	"github.com/osrg/gobgp/v3/pkg/server"

	"github.com/vrfredist/vrfredist/rib/speaker"
)

// rested plays the loop for a while of work, and returns how long it was kept.
func rested(p *pacer, op server.FSMOperation, did time.Duration) time.Duration {
	began := time.Now()
	p.Observe(op, did, 0)
	return time.Since(began)
}

// waiting makes p follow a watch that has n events to take, and takes one in each.
func waiting(p *pacer, n int, each time.Duration) {
	began := time.Now()
	p.follow(func() int { return max(0, n-int(time.Since(began)/each)) })
}

func TestPacer(t *testing.T) {
	for _, tc := range []struct {
		name        string
		op          server.FSMOperation
		did         time.Duration
		events      int
		each        time.Duration
		least, most time.Duration
	}{
		{"little work", server.FSMMessage, workAhead - 1, 1 << 20, time.Microsecond, 0, 0},
		{"a request of the API", server.FSMMgmtOp, time.Second, 1 << 20, time.Microsecond, 0, 0},
		{"nothing for the watch", server.FSMMessage, time.Second, 0, time.Second, 0, 0},
		{"little for the watch", server.FSMMessage, time.Second, mostQueued, time.Second, 0, 0},
		{"a watch behind", server.FSMMessage, workAhead, mostQueued/4 + 10000, time.Microsecond, 10 * time.Millisecond, 10*time.Millisecond + restStep},
		{"a watch that stands still", server.FSMMessage, workAhead, mostQueued + 1, time.Hour, mostRest, mostRest + restStep},
	} {
		synctest.Test(t, func(t *testing.T) {
			p := new(pacer)
			waiting(p, tc.events, tc.each)
			if took := rested(p, tc.op, tc.did); took < tc.least || took > tc.most {
				t.Errorf("%s: the loop rested %v, want %v to %v", tc.name, took, tc.least, tc.most)
			}
			p.follow(nil)
			if took := rested(p, tc.op, tc.did); took != 0 {
				t.Errorf("%s: the loop rested %v without a watch", tc.name, took)
			}
		})
	}
}

// The work of many messages counts together, and a look at the queue begins it anew.
func TestPacerCountsWork(t *testing.T) {
	p, looks := new(pacer), 0
	p.follow(func() int { looks++; return 0 })
	for range 24 {
		p.Observe(server.FSMMessage, workAhead/8, 0)
	}
	if looks != 3 {
		t.Errorf("%d looks at the queue, want 3", looks)
	}
}

// A watch that ends lets the loop go.
func TestPacerEndsWithTheWatch(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := new(pacer)
		waiting(p, 1<<20, time.Hour)
		go func() {
			time.Sleep(3 * time.Millisecond)
			p.follow(nil)
		}()
		if took := rested(p, server.FSMMessage, time.Second); took < 3*time.Millisecond || took > 4*time.Millisecond {
			t.Errorf("the loop rested %v", took)
		}
	})
}

// TestPacerSeesTheQueue: what the pacer of a speaker looks at is what waits for the watch.
func TestPacerSeesTheQueue(t *testing.T) {
	p := newPeer(t, "127.0.0.2", 65001, "ipv4-unicast")
	s := run(t, Options{Config: toJSON(t, baseConf(nil, []any{neighborConf(p.addr, 65001, p.port, "ipv4-unicast")}))})
	p.announce(spec{prefix: "10.1.0.0/16"})
	s.await(t, speaker.Default, "10.1.0.0/16", count(1))
	w, _ := s.feeder.current()
	w.mu.Lock() // the watch stands still
	for i := range 32 {
		p.announce(spec{prefix: fmt.Sprintf("10.2.%d.0/24", i)})
	}
	eventually(t, "events that wait", func() bool { return s.keeper.pacer.waiting() > 0 })
	w.mu.Unlock()
	eventually(t, "no event that waits", func() bool { return s.keeper.pacer.waiting() == 0 })
	s.await(t, speaker.Default, "10.2.31.0/24", count(1))
}
