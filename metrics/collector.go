// Package metrics shows Prometheus how the VRFs fare.
//
// It promises that the number of series grows with VRFs and neighbours, never with routes,
// and that between two scrapes it costs nothing: it keeps no values, and reads the status
// of each VRF, which the supervisor owns, when it is asked. Begin reading at families, the
// list of all metrics with their help texts, then at Collector.Collect.
package metrics

import (
	"context"
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
	// AllSessions returns the neighbours of each VRF.
	AllSessions(ctx context.Context) (map[string][]vrf.Session, error)
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
	// Entrances returns how many labels and SIDs VRFs have.
	Entrances() (labels, sids rib.EntranceCounts)
}

// Changes are the changes of the configuration.
type Changes interface {
	// Reloads counts those since the start.
	Reloads() vrf.Reloads
	// Unconfirmed returns the reload that nobody has confirmed, if there is one.
	Unconfirmed() (vrf.Unconfirmed, bool)
}

// sessionTime bounds how long BGP may take to answer.
const sessionTime = 5 * time.Second

// Collector is a prometheus.Collector over a Source. The number of its series
// grows with the VRFs and BGP neighbours that are configured, never with routes.
type Collector struct {
	source Source
	core   Core
	daemon Daemon
	log    *slog.Logger
	all    map[string]*family
	bounds []float64 // of the latencies, in seconds
}

// NewCollector returns a collector of source, core and daemon.
func NewCollector(source Source, core Core, daemon Daemon, log *slog.Logger) *Collector {
	c := &Collector{source: source, core: core, daemon: daemon, log: log, all: make(map[string]*family)}
	for _, f := range families() {
		c.all[f.name] = &f
	}
	for _, bound := range vrf.LatencyBounds() {
		c.bounds = append(c.bounds, bound.Seconds())
	}
	return c
}

// Describe implements prometheus.Collector.
func (c *Collector) Describe(out chan<- *prometheus.Desc) {
	for _, f := range c.all {
		out <- f.desc
	}
}

// Collect implements prometheus.Collector.
func (c *Collector) Collect(out chan<- prometheus.Metric) { c.collect(registry{out}) }

// collect writes all series. A panic in it would end the daemon for a question, so it is logged
// instead.
func (c *Collector) collect(out sink) {
	defer func() {
		if v := recover(); v != nil {
			c.log.Error("metrics could not be collected", "panic", v)
		}
	}()
	ctx, cancel := context.WithTimeout(context.Background(), sessionTime)
	defer cancel()
	c.whole(out)
	sessions, err := c.source.AllSessions(ctx)
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
			s.latency(f, st.Totals.Latency[f])
			s.gauge(mailboxDepth, float64(c.source.WaitingOf(st.Spec.Name, f)), f.String())
		}
		s.limits(limits[st.Spec.Name])
		s.sessions(sessions[st.Spec.Name])
	}
	for name, neighbors := range sessions {
		c.neighbors(out, name, neighbors)
	}
	none := series{c, out, "", ""} // of no VRF
	for _, p := range c.source.Policies() {
		none.rules(p)
	}
	watched, unreached := c.core.Count()
	none.gauge(corePEs, float64(watched-unreached), "reached")
	none.gauge(corePEs, float64(unreached), "unreached")
	labels, sids := c.core.Entrances()
	none.entrances(labels, "label")
	none.entrances(sids, "sid")
	for _, g := range c.source.Guarded() {
		s := series{c, out, g.VRF, g.Netns}
		s.counter(guardUpdates, g.Plain, g.Neighbor, "plain")
		s.counter(guardUpdates, g.Rehearsed, g.Neighbor, "rehearsed")
		for _, reason := range slices.Sorted(maps.Keys(g.Removed)) {
			s.counter(guardActions, g.Removed[reason], g.Neighbor, reason)
		}
	}
}

// sessions are the VRF's neighbours by state.
func (s series) sessions(neighbors []vrf.Session) {
	states := vrf.SessionStates(neighbors)
	for _, state := range slices.Sorted(maps.Keys(states)) {
		s.gauge(sessionCount, float64(states[state]), state)
	}
}

// carried is how the VRF's packets get to other PEs.
func (s series) carried(st vrf.Status) {
	s.gauge(nexthopObjects, float64(st.Objects))
	switch st.Spec.Carriage.Kind {
	case 0:
	case rib.EncapVXLAN:
		s.gauge(vxlanDevice, is(st.Carried.Device))
		s.gauge(vxlanEndpoints, float64(st.Carried.Endpoints))
	default:
		s.gauge(entrance, is(st.Carried.Device))
	}
}

// entrances are the labels, or SIDs, of all VRFs.
func (s series) entrances(n rib.EntranceCounts, kind string) {
	s.gauge(entrances, float64(n.Standing), kind, "standing")
	s.gauge(entrances, float64(n.Missing), kind, "missing")
	s.gauge(entrances, float64(n.Conflict), kind, "conflict")
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
	out        sink
	vrf, netns string
}

func (s series) send(name string, kind prometheus.ValueType, value float64, labels ...string) {
	var own values
	copy(own[:], labels)
	s.out.value(s.all[name], kind, value, s.vrf, s.netns, own)
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
		s.gauge(vrfState, is(st.State == state), string(state))
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

func (s series) latency(f rib.Family, l vrf.Latency) {
	h := histogram{sum: l.Sum.Seconds(), bounds: s.bounds, below: make([]uint64, len(s.bounds))}
	for i := range h.bounds {
		h.all += l.Counts[i]
		h.below[i] = h.all
	}
	h.all += l.Counts[len(l.Counts)-1]
	if s.daemon.Exemplars != nil {
		h.exemplar, h.hasExemplar = s.daemon.Exemplars.Exemplar(s.vrf, f)
	}
	s.out.histogram(s.all[exportLatency], &h, s.vrf, s.netns, values{f.String()})
}
