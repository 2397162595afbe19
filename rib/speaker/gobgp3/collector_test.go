package gobgp3

import (
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
)

// TestCollectorSpares: GoBGP is asked once in a while, and less often where it
// takes long to answer.
func TestCollectorSpares(t *testing.T) {
	desc := prometheus.NewDesc("asked", "How often it was asked.", nil, nil)
	now, asked, took := time.Unix(1000, 0), 0, time.Duration(0)
	var panics []any
	c := &collector{
		now: func() time.Time { return now },
		collect: func(out chan<- prometheus.Metric) {
			asked++
			now = now.Add(took)
			out <- prometheus.MustNewConstMetric(desc, prometheus.GaugeValue, float64(asked))
			if asked == 4 {
				panic("no messages")
			}
		},
		panicked: func(v any) { panics = append(panics, v) },
	}
	for i, step := range []struct{ passed, takes, asked int }{
		{0, 0, 1},     // the first
		{29, 0, 1},    // what was said is said again
		{1, 3, 2},     // half a minute has passed; now it takes 3 s
		{299, 0, 2},   // 1 % of the time is in 300 s
		{1, 0, 3},     // and it is quick again
		{30, 0, 4},    // panics, and what it said before stays
		{10, 0, 4},    //
		{1000, 0, 5},  //
		{-5000, 0, 5}, // the clock was set back: what is there is good enough
	} {
		now = now.Add(time.Duration(step.passed) * time.Second)
		took = time.Duration(step.takes) * time.Second
		out := make(chan prometheus.Metric, 10)
		c.Collect(out)
		if asked != step.asked || len(out) != 1 {
			t.Fatalf("step %d: asked %d times and got %d metrics, want %d times and 1", i, asked, len(out), step.asked)
		}
	}
	if len(panics) != 1 {
		t.Errorf("panics: %v", panics)
	}
}
