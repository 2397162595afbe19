package vrf

import (
	"testing"
	"time"
)

// A listener gets what it wants, in order; of a burst the first events and the
// number of the others. Nobody waits for it.
func TestTap(t *testing.T) {
	t.Parallel()
	var none *Tap
	if none.Open() != nil {
		t.Error("a nil tap is open")
	}
	tap := &Tap{}
	if tap.Open() != nil {
		t.Error("a tap is open to which nobody listens")
	}
	l := tap.Listen(func(e RouteEvent) bool { return e.VRF == "red" })
	if tap.Open() != tap {
		t.Error("a tap is not open to which somebody listens")
	}
	start, completed := time.Unix(1000, 0), 0
	emit := func(vrf string, at time.Time) {
		tap.Emit(RouteEvent{Time: at, VRF: vrf, What: RouteAdded}, func(e *RouteEvent) { completed++; e.Text = "x" })
	}
	for i := range 3 * burst {
		emit("red", start.Add(time.Duration(i)))
		emit("blue", start)
	}
	<-l.Ready()
	events, skipped := l.Take()
	if len(events) != burst || skipped["red"] != 2*burst || len(skipped) != 1 || completed != burst || events[0].Text != "x" {
		t.Errorf("of a burst: %d events, skipped %v, %d completed", len(events), skipped, completed)
	}
	emit("red", start.Add(time.Second/2))
	if events, skipped = l.Take(); len(events) != 0 || skipped["red"] != 1 {
		t.Errorf("in the same second: %d events, skipped %v", len(events), skipped)
	}
	emit("red", start.Add(2*time.Second))
	if events, skipped = l.Take(); len(events) != 1 || skipped != nil {
		t.Errorf("after it: %d events, skipped %v", len(events), skipped)
	}
	l.Close()
	if emit("red", start); tap.Open() != nil {
		t.Error("the tap is open after its listener closed")
	}
}
