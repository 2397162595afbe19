package gobgp3

import (
	"testing"
	"testing/synctest"
)

// TestQueue: everything that is put comes out once, in its order, and what waits is
// counted until it is done.
func TestQueue(t *testing.T) {
	const n = 3*mostRoom + 5
	synctest.Test(t, func(t *testing.T) {
		q := newQueue()
		go func() {
			for i := range n {
				q.put(item{of: i})
				if i%1000 == 0 {
					synctest.Wait() // the reader has taken all of it
					if open := q.waiting(); open != 0 {
						t.Errorf("%d wait after all were taken", open)
					}
				}
			}
		}()
		var events []item
		for next := 0; next < n; {
			<-q.ready
			events = q.take(events)
			if open := q.waiting(); open < len(events) {
				t.Fatalf("%d wait while %d are in hand", open, len(events))
			}
			for _, ev := range events {
				if ev.of != next {
					t.Fatalf("%v after %d", ev.of, next-1)
				}
				next++
			}
			q.done(len(events))
		}
		if rest := q.take(events); len(rest) != 0 || q.waiting() != 0 {
			t.Errorf("%d too many, and %d wait", len(rest), q.waiting())
		}
	})
}

// TestQueueGivesItsRoomBack: what was queued once does not stay in memory.
func TestQueueGivesItsRoomBack(t *testing.T) {
	q := newQueue()
	for range 2 * mostRoom {
		q.put(item{of: 0})
	}
	many := q.take(nil)
	q.take(many)
	q.put(item{of: 0})
	if room := cap(q.take(nil)); room > mostRoom {
		t.Errorf("room for %d is kept", room)
	}
}
