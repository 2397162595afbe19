// Package metrics shows Prometheus how the VRFs fare.
//
// It promises that the number of series grows with VRFs and neighbours, never with routes,
// and that between two scrapes it costs nothing: it keeps no values, and reads the status
// of each VRF, which the supervisor owns, when it is asked. Begin reading at families, the
// list of all metrics with their help texts, then at Collector.Collect.
package metrics

import (
	"context"
	"fmt"
	"log/slog"
	"maps"
	"slices"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/vrfredist/vrfredist/rib"
	"github.com/vrfredist/vrfredist/vrf"
)

// Source is the daemon as the metrics need it. It is safe for concurrent use.
type Source interface {
	// List returns the VRFs that run.
	List() []vrf.Status
	// WaitingOf returns how many prefixes of a family wait in a VRF's mailbox.
	WaitingOf(name string, f rib.Family) int
	// SessionStates counts the neighbours of each VRF by the state of their
	// session.
	SessionStates(ctx context.Context) (map[string]map[string]int, error)
	// Policies returns the policies with how often each rule matched.
	Policies() []vrf.Policy
	// Limits returns how many prefixes neighbours have sent, and leaks let in, where there is
	// a limit.
	Limits() []vrf.PrefixLimit
	// Guarded returns the counts of messages of each BGP neighbour that were changed.
	Guarded() []vrf.Guarded
}

// Core is the network between PEs.
type Core interface {
	// Count returns how many other PEs VRFs have paths of, and how many of those are not reached.
	Count() (watched, unreached int)
}

// sessionTime bounds how long BGP may take to answer.
const sessionTime = 5 * time.Second

// Collector is a prometheus.Collector over a Source. The number of its series
// grows with the VRFs and BGP neighbours that are configured, never with routes.
type Collector struct {
	source Source
	core   Core
	log    *slog.Logger
	descs  map[string]*prometheus.Desc
}

// NewCollector returns a collector of source and core.
func NewCollector(source Source, core Core, log *slog.Logger) *Collector {
	c := &Collector{source: source, core: core, log: log, descs: make(map[string]*prometheus.Desc)}
	for _, f := range families() {
		c.descs[f.name] = prometheus.NewDesc(f.name, f.help, append([]string{"vrf", "netns"}, f.labels...), nil)
	}
	return c
}

// Describe implements prometheus.Collector.
func (c *Collector) Describe(out chan<- *prometheus.Desc) {
	for _, d := range c.descs {
		out <- d
	}
}

// Collect implements prometheus.Collector. A panic in it would end the daemon
// for a question, so it is logged instead.
func (c *Collector) Collect(out chan<- prometheus.Metric) {
	defer func() {
		if v := recover(); v != nil {
			c.log.Error("metrics could not be collected", "panic", v)
		}
	}()
	ctx, cancel := context.WithTimeout(context.Background(), sessionTime)
	defer cancel()
	sessions, err := c.source.SessionStates(ctx)
	if err != nil {
		c.log.Warn("the states of the sessions are missing in the metrics", "err", err)
	}
	limits := make(map[string][]vrf.PrefixLimit)
	for _, l := range c.source.Limits() {
		limits[l.VRF] = append(limits[l.VRF], l)
	}
	for _, st := range c.source.List() {
		s := series{c, out, st.Spec.Name, st.Spec.Binding.Netns}
		s.states(st)
		s.work(st.Totals)
		s.repairs(st.Totals)
		s.carried(st)
		s.gauge(contested, float64(st.Contested.Routes), "route")
		s.gauge(contested, float64(st.Contested.Strangers), "stranger")
		s.gauge(contested, float64(st.Contested.Nexthops), "nexthop")
		for f := range rib.Families {
			s.latency(f.String(), st.Totals.Latency[f])
			s.gauge(mailboxDepth, float64(c.source.WaitingOf(st.Spec.Name, f)), f.String())
		}
		s.limits(limits[st.Spec.Name])
		for _, state := range slices.Sorted(maps.Keys(sessions[st.Spec.Name])) {
			s.gauge(sessionCount, float64(sessions[st.Spec.Name][state]), state)
		}
	}
	none := series{c, out, "", ""} // of no VRF
	for _, p := range c.source.Policies() {
		none.rules(p)
	}
	watched, unreached := c.core.Count()
	none.gauge(corePEs, float64(watched-unreached), "reached")
	none.gauge(corePEs, float64(unreached), "unreached")
	for _, g := range c.source.Guarded() {
		s := series{c, out, g.VRF, g.Netns}
		s.counter(guardUpdates, g.Plain, g.Neighbor, "plain")
		s.counter(guardUpdates, g.Rehearsed, g.Neighbor, "rehearsed")
		for _, reason := range slices.Sorted(maps.Keys(g.Removed)) {
			s.counter(guardActions, g.Removed[reason], g.Neighbor, reason)
		}
	}
}

// carried is how the VRF's packets get to other PEs.
func (s series) carried(st vrf.Status) {
	s.gauge(nexthopObjects, float64(st.Objects))
	if st.Spec.Carriage.Kind == 0 {
		return
	}
	is := 0.0
	if st.Carried.Device {
		is = 1
	}
	s.gauge(vxlanDevice, is)
	s.gauge(vxlanEndpoints, float64(st.Carried.Endpoints))
}

// limits are how many prefixes there are of those that the VRF's limits allow.
func (s series) limits(all []vrf.PrefixLimit) {
	for i := range all {
		l := &all[i]
		if l.From != "" {
			s.gauge(leakPrefixes, float64(l.Prefixes), l.From, "in")
			s.gauge(leakPrefixes, float64(l.Over), l.From, "kept out")
			continue
		}
		s.gauge(limitedPrefixes, float64(l.Prefixes), l.Neighbor, l.Family)
		s.gauge(prefixLimit, float64(l.Most), l.Neighbor, l.Family)
	}
}

// series are the time series of one VRF.
type series struct {
	*Collector
	out        chan<- prometheus.Metric
	vrf, netns string
}

func (s series) send(name string, kind prometheus.ValueType, value float64, labels ...string) {
	s.out <- prometheus.MustNewConstMetric(s.descs[name], kind, value, append([]string{s.vrf, s.netns}, labels...)...)
}

func (s series) gauge(name string, value float64, labels ...string) {
	s.send(name, prometheus.GaugeValue, value, labels...)
}

func (s series) counter(name string, value uint64, labels ...string) {
	s.send(name, prometheus.CounterValue, float64(value), labels...)
}

// mostRules is how many rules of a policy have a series of their own; all further ones share
// one.
const mostRules = 100

// rules tells how often each rule of a policy matched.
func (s series) rules(p vrf.Policy) {
	var further uint64
	for i, r := range p.Rules {
		if i >= mostRules && i < len(p.Rules)-1 {
			further += r.Matched
			continue
		}
		s.counter(policyMatches, r.Matched, p.Name, r.Title)
	}
	if len(p.Rules) > mostRules+1 {
		s.counter(policyMatches, further, p.Name, "further rules")
	}
}

func (s series) states(st vrf.Status) {
	for _, state := range []vrf.State{vrf.Pending, vrf.Syncing, vrf.Ready, vrf.Degraded, vrf.Failed} {
		is := 0.0
		if st.State == state {
			is = 1
		}
		s.gauge(vrfState, is, string(state))
	}
	s.gauge(maxRoutes, float64(st.Spec.Export.Quota()))
	for f := range rib.Families {
		n, family := st.Counts[f], f.String()
		for state, count := range map[rib.State]int{
			rib.Installed: n.Installed, rib.Filtered: n.Filtered, rib.Unresolved: n.Unresolved, rib.Conflict: n.Conflict,
			rib.OverQuota: n.OverQuota, rib.Failed: n.Failed, rib.Stale: n.Stale,
		} {
			s.gauge(routes, float64(count), family, "export", state.String())
		}
		s.gauge(routes, float64(n.Imported), family, "import", "announced")
		s.gauge(foreignRoutes, float64(n.Foreign), family)
		s.gauge(bgpPrefixes, float64(n.Paths), family)
	}
	s.counter(restarts, uint64(max(0, st.Restarts)))
}

func (s series) work(t vrf.Totals) {
	for f := range rib.Families {
		n, family := t.Writes[f], f.String()
		s.counter(writes, n.Added, family, "add")
		s.counter(writes, n.Replaced, family, "replace")
		s.counter(writes, n.Deleted, family, "delete")
		s.counter(writeErrors, n.Refused, family, "refused")
		s.counter(writeErrors, n.Conflicts, family, "conflict")
		s.counter(announcements, n.Announced, family, "announce")
		s.counter(announcements, n.Withdrawn, family, "withdraw")
	}
	s.counter(unconfirmed, t.Unconfirmed)
	s.counter(objectWrites, t.Objects)
}

func (s series) repairs(t vrf.Totals) {
	for reason, n := range t.Resyncs {
		s.counter(resyncs, n, rib.ResyncReason(reason).String())
	}
	s.counter(readFailures, t.ReadFailures)
	for f := range rib.Families {
		for kind, found := range t.Found[f] {
			s.counter(driftFound, found, f.String(), vrf.Drift(kind).String())
			s.counter(driftRepaired, t.Mended[f][kind], f.String(), vrf.Drift(kind).String())
		}
	}
}

func (s series) latency(family string, l vrf.Latency) {
	buckets := make(map[float64]uint64)
	var below uint64
	for i, bound := range vrf.LatencyBounds() {
		below += l.Counts[i]
		buckets[bound.Seconds()] = below
	}
	all := below + l.Counts[len(l.Counts)-1]
	m, err := prometheus.NewConstHistogram(s.descs[exportLatency], all, l.Sum.Seconds(), buckets, s.vrf, s.netns, family)
	if err != nil {
		m = prometheus.NewInvalidMetric(s.descs[exportLatency], fmt.Errorf("VRF %q: %w", s.vrf, err))
	}
	s.out <- m
}
