package metrics

import (
	"fmt"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/vrfredist/vrfredist/vrf"
)

// sink is where series are written: what Prometheus's library collects, or text. vrf and netns
// count where the family has those labels.
type sink interface {
	value(f *family, kind prometheus.ValueType, value float64, vrf, netns string, own values)
	histogram(f *family, h *histogram, vrf, netns string, own values)
}

// values are those of a family's own labels, in its order. No slice: one would be made for each of
// hundreds of thousands of series.
type values [4]string

// histogram counts how often something took how long.
type histogram struct {
	bounds      []float64 // in seconds, ascending
	below       []uint64  // how often it was not longer than each
	all         uint64
	sum         float64 // of the seconds
	exemplar    vrf.Exemplar
	hasExemplar bool
}

// registry hands series to Prometheus's library.
type registry struct{ out chan<- prometheus.Metric }

func (r registry) value(f *family, kind prometheus.ValueType, value float64, vrf, netns string, own values) {
	r.out <- prometheus.MustNewConstMetric(f.desc, kind, value, f.values(vrf, netns, &own)...)
}

func (r registry) histogram(f *family, h *histogram, vrf, netns string, own values) {
	buckets := make(map[float64]uint64, len(h.bounds))
	for i, bound := range h.bounds {
		buckets[bound] = h.below[i]
	}
	m, err := prometheus.NewConstHistogram(f.desc, h.all, h.sum, buckets, f.values(vrf, netns, &own)...)
	if err != nil {
		m = prometheus.NewInvalidMetric(f.desc, fmt.Errorf("VRF %q: %w", vrf, err))
	} else if h.hasExemplar {
		with, err := prometheus.NewMetricWithExemplars(m, prometheus.Exemplar{
			Value: h.exemplar.Took.Seconds(), Labels: prometheus.Labels{traceID: h.exemplar.Trace}, Timestamp: h.exemplar.At,
		})
		if err == nil { // else its label is too long for an exemplar, which it never is
			m = with
		}
	}
	r.out <- m
}

// traceID is the label by which an exemplar names a trace.
const traceID = "trace_id"

// values are those of all labels, in the order of the description.
func (f *family) values(vrf, netns string, own *values) []string {
	if ofDaemon(f.name) {
		return own[:len(f.labels)]
	}
	return append([]string{vrf, netns}, own[:len(f.labels)]...)
}
