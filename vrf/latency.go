package vrf

import "time"

const latencyBounds = 12

// LatencyBounds are the upper bounds of the buckets of a Latency, ascending. A
// last bucket is for routes that took longer than all of them.
func LatencyBounds() [latencyBounds]time.Duration {
	const ms = time.Millisecond
	return [latencyBounds]time.Duration{
		ms, 2 * ms, 5 * ms, 10 * ms, 20 * ms, 50 * ms, 100 * ms, 250 * ms, 500 * ms,
		time.Second, 5 * time.Second, 30 * time.Second,
	}
}

// Latency is a histogram of the times that routes took: a value that is copied.
type Latency struct {
	Counts [latencyBounds + 1]uint64 // each bucket by itself, not cumulative
	Sum    time.Duration
}

// Observe counts n routes that took d.
func (l *Latency) Observe(d time.Duration, n int) {
	bounds := LatencyBounds()
	i := 0
	for i < len(bounds) && d > bounds[i] {
		i++
	}
	l.Counts[i] += uint64(n)
	l.Sum += d * time.Duration(n)
}

// Plus adds two histograms.
func (l Latency) Plus(o Latency) Latency {
	for i := range l.Counts {
		l.Counts[i] += o.Counts[i]
	}
	l.Sum += o.Sum
	return l
}
