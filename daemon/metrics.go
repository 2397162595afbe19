package daemon

import (
	"log/slog"
	"net/http"
	"os"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/vrfredist/vrfredist/config"
	"github.com/vrfredist/vrfredist/metrics"
	"github.com/vrfredist/vrfredist/rib"
	"github.com/vrfredist/vrfredist/rib/speaker"
	"github.com/vrfredist/vrfredist/status"
	"github.com/vrfredist/vrfredist/vrf"
)

// shownThere is what metrics and status page show: the backend.
type shownThere interface {
	metrics.Source
	status.Source
	status.Judges
}

// newMetrics returns the server of the metrics, which has its address already, and the
// status page that it serves; nil where the configuration wants none. own has GoBGP's own
// metrics.
func newMetrics(source shownThere, pes metrics.Core, own func() prometheus.Collector, cfg config.Metrics, whole metrics.Daemon, log *slog.Logger) (*metrics.Server, *status.Page, error) {
	if cfg.Listen == "" {
		return nil, nil, nil
	}
	collectors := []prometheus.Collector{metrics.NewCollector(source, pes, whole, log)}
	if cfg.GoBGP {
		collectors = append(collectors, own())
	}
	s, err := metrics.NewServer(metrics.Options{Listen: cfg.Listen, OpenMetrics: cfg.OpenMetrics, Log: log}, collectors...)
	if err != nil {
		return nil, nil, err
	}
	var page *status.Page
	if cfg.StatusPage {
		page = newStatus(source, source, cfg, whole.Build.Version, log)
		s.Handle(status.Prefix, page.Handler())
		s.Handle("GET /{$}", http.RedirectHandler(status.Prefix, http.StatusSeeOther))
	}
	return s, page, s.Listen()
}

func newStatus(source status.Source, judges status.Judges, cfg config.Metrics, version string, log *slog.Logger) *status.Page {
	host, err := os.Hostname()
	if err != nil {
		host = "this host"
	}
	return status.New(source, judges, status.Options{
		Identity: status.Identity{Host: host, Version: version},
		Hosts:    cfg.StatusHosts,
		Log:      log,
	})
}

// feeder has the mailboxes of the VRFs.
type feeder interface {
	Feed(vrf string) (*rib.Feed, error)
	// Leaks returns how many prefixes come in by each leak of the configuration.
	Leaks() []speaker.LeakCount
	// Limits returns how many prefixes neighbours have sent, where there is a limit.
	Limits() []speaker.Limit
}

// mailboxes says how many prefixes wait in the mailbox of a VRF. A VRF without one is on
// its way out.
type mailboxes struct{ bgp feeder }

// WaitingOf implements metrics.Source.
func (m mailboxes) WaitingOf(name string, f rib.Family) int {
	feed, err := m.bgp.Feed(name)
	if err != nil {
		return 0
	}
	_, waiting := feed.LenOf(f)
	return waiting
}

// Leaks implements api.Backend.
func (m mailboxes) Leaks(name string) (list []vrf.Leak) {
	for _, l := range m.bgp.Leaks() {
		if l.Into != name {
			continue
		}
		leak := vrf.Leak{From: l.Rule.From, Link: l.Rule.Link, Prefixes: l.Prefixes, Most: int(l.Rule.MaxPrefixes), Over: l.Over}
		if l.Rule.Policy != nil {
			leak.Policy = l.Rule.Policy.Name()
		}
		list = append(list, leak)
	}
	return list
}

// Limits implements metrics.Source.
func (m mailboxes) Limits() (list []vrf.PrefixLimit) {
	for _, l := range m.bgp.Leaks() {
		list = append(list, vrf.PrefixLimit{VRF: l.Into, From: l.Rule.From, Prefixes: l.Prefixes, Most: int(l.Rule.MaxPrefixes), Over: l.Over})
	}
	for _, l := range m.bgp.Limits() {
		list = append(list, vrf.PrefixLimit{
			VRF: l.VRF, Neighbor: l.Neighbor, Family: l.Family, Prefixes: l.Prefixes, Most: int(l.Most), Stopped: l.Stopped,
		})
	}
	return list
}

// Waiting implements status.Source.
func (m mailboxes) Waiting(name string) int {
	feed, err := m.bgp.Feed(name)
	if err != nil {
		return 0
	}
	_, waiting := feed.Len()
	return waiting
}
