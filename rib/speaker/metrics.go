package speaker

import (
	"github.com/osrg/gobgp/v3/pkg/metrics"
	"github.com/prometheus/client_golang/prometheus"
)

// Collector returns GoBGP's own metrics, about each of its neighbours. To answer,
// GoBGP counts what it would advertise to each neighbour, on the goroutine that
// all of BGP runs on: with large tables and many neighbours each question costs
// seconds. Nothing is collected before Run.
func (s *Speaker) Collector() prometheus.Collector { return collector{s} }

type collector struct{ *Speaker }

// Describe sends nothing, which makes the collector an unchecked one: its
// metrics are not known before BGP runs.
func (c collector) Describe(chan<- *prometheus.Desc) {}

func (c collector) Collect(out chan<- prometheus.Metric) {
	bgp := c.server()
	if bgp == nil {
		return
	}
	defer func() { // it takes for granted that a neighbour has every message
		if v := recover(); v != nil {
			c.log.slog.Error("GoBGP's metrics could not be collected.", "panic", v)
		}
	}()
	metrics.NewBgpCollector(bgp).Collect(out)
}
