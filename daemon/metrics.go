package daemon

import (
	"cmp"
	"context"
	"log/slog"
	"net/http"
	"net/netip"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/vrfredist/vrfredist/config"
	"github.com/vrfredist/vrfredist/metrics"
	"github.com/vrfredist/vrfredist/rib"
	"github.com/vrfredist/vrfredist/status"
	"github.com/vrfredist/vrfredist/vrf"
)

// newMetrics returns the server of the metrics, which has its address already;
// nil where the configuration wants none.
func newMetrics(d *daemon, cfg config.Metrics, log *slog.Logger) (*metrics.Server, error) {
	if cfg.Listen == "" {
		return nil, nil
	}
	collectors := []prometheus.Collector{metrics.NewCollector(d, log)}
	if cfg.GoBGP {
		collectors = append(collectors, d.speaker.Collector())
	}
	s, err := metrics.NewServer(cfg.Listen, log, collectors...)
	if err != nil {
		return nil, err
	}
	if cfg.StatusPage {
		d.page = newStatus(d, cfg, log)
		s.Handle(status.Prefix, d.page.Handler())
		s.Handle("GET /{$}", http.RedirectHandler(status.Prefix, http.StatusSeeOther))
	}
	return s, s.Listen()
}

// WaitingOf implements metrics.Source.
func (d *daemon) WaitingOf(name string, f rib.Family) int {
	feed, err := d.speaker.Feed(name)
	if err != nil {
		return 0 // the VRF is on its way out
	}
	_, waiting := feed.LenOf(f)
	return waiting
}

// Waiting implements status.Source.
func (d *daemon) Waiting(name string) int {
	feed, err := d.speaker.Feed(name)
	if err != nil {
		return 0 // the VRF is on its way out
	}
	_, waiting := feed.Len()
	return waiting
}

// SessionStates implements metrics.Source.
func (d *daemon) SessionStates(ctx context.Context) (map[string]map[string]int, error) {
	states := make(map[string]map[string]int)
	for _, s := range d.speaker.Sessions() {
		name := cmp.Or(s.VRF, vrf.Default)
		if states[name] == nil {
			states[name] = make(map[string]int)
		}
		states[name][s.State]++
	}
	return states, nil
}

// Guarded implements metrics.Source. A neighbour inside a namespace has its own address.
func (d *daemon) Guarded() []vrf.Guarded {
	inside := d.inside.Load()
	var list []vrf.Guarded
	for _, r := range d.speaker.Removed() {
		g := vrf.Guarded{VRF: cmp.Or(r.VRF, vrf.Default), Neighbor: r.Neighbour, Plain: r.Plain, Rehearsed: r.Rehearsed, Removed: make(map[string]uint64, len(r.Counts))}
		if addr, err := netip.ParseAddr(r.Neighbour); err == nil && inside != nil {
			if n, is := (*inside)[addr]; is {
				g.Neighbor, g.Netns = n.Peer.String(), n.Netns
			}
		}
		for reason, n := range r.Counts {
			g.Removed[reason.Name()] = n
		}
		list = append(list, g)
	}
	return list
}
