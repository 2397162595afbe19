package gobgp3

import (
	"sync"
	"time"

	"github.com/osrg/gobgp/v3/pkg/metrics"
	"github.com/prometheus/client_golang/prometheus"
)

// Collector returns GoBGP's own metrics, about each of its neighbours. To answer,
// GoBGP counts the routes of each neighbour, and the routes that it would advertise to
// it, on the goroutine that all of BGP runs on: with large tables and many neighbours
// that takes seconds. So an answer is given again for collectEvery, and for longer where
// it took long: BGP never stands still for more than a part in
// collectShare of the time, however often it is asked. Nothing is collected
// before Run.
func (s *Speaker) Collector() prometheus.Collector {
	return &collector{
		now: time.Now,
		collect: func(out chan<- prometheus.Metric) {
			if bgp := s.server(); bgp != nil {
				metrics.NewBgpCollector(bgp).Collect(out)
			}
		},
		panicked: func(v any) { s.log.slog.Error("GoBGP's metrics could not be collected.", "panic", v) },
	}
}

const (
	collectEvery = 30 * time.Second
	collectShare = 100
)

type collector struct {
	now      func() time.Time
	collect  func(chan<- prometheus.Metric)
	panicked func(any)

	mu   sync.Mutex          // held while GoBGP is asked: one question at a time
	last []prometheus.Metric // guarded by mu
	next time.Time           // guarded by mu; when it is asked again
}

// Describe sends nothing, which makes the collector an unchecked one: its
// metrics are not known before BGP runs.
func (c *collector) Describe(chan<- *prometheus.Desc) {}

// Collect implements prometheus.Collector.
func (c *collector) Collect(out chan<- prometheus.Metric) {
	for _, m := range c.metrics() {
		out <- m
	}
}

func (c *collector) metrics() []prometheus.Metric {
	c.mu.Lock()
	defer c.mu.Unlock()
	began := c.now()
	if began.Before(c.next) {
		return c.last
	}
	var list []prometheus.Metric
	collected, done := make(chan prometheus.Metric), make(chan struct{})
	go func() {
		defer close(done)
		for m := range collected {
			list = append(list, m)
		}
	}()
	c.ask(collected)
	<-done
	end := c.now()
	c.last, c.next = list, end.Add(max(collectEvery, collectShare*end.Sub(began)))
	return list
}

// ask closes out when GoBGP has answered.
func (c *collector) ask(out chan<- prometheus.Metric) {
	defer close(out)
	defer func() { // it takes for granted that a neighbour has every message
		if v := recover(); v != nil {
			c.panicked(v)
		}
	}()
	c.collect(out)
}
