package main

import (
	"path/filepath"
	"slices"
)

// setting is one way to build or run vrfredist.
type setting struct {
	name string
	options
}

// settings are what the tuning scenarios compare: vrfredist as it ships, and
// with one thing each as it was before it was tuned.
func settings(daemon string) []setting {
	plain := filepath.Join(filepath.Dir(daemon), "vrfredist-plain")
	inline := gobgpConfig("ipv4-unicast", "ipv6-unicast") + "[netlink]\n  nexthop_objects = false\n[netlink.export]\n  enabled = true\n"
	return []setting{
		{"as it ships", options{}},
		{"GOGC=100, Go's default", options{env: []string{"GOGC=100"}}},
		{"GOGC=800", options{env: []string{"GOGC=800"}}},
		{"without its profile (-pgo=off)", options{daemon: plain}},
		{"nexthop_objects = false", options{config: inline}},
	}
}

// tuning plays, for one setting, the scenarios on which settings tell.
func tuning(w *work, t *stage, s *sender, by setting) {
	by.export = true
	r := w.receive(newRouter(t, w, s.ns), ours, by.options)
	l := &loaded{w, r, s}
	l.session(false)
	w.settle(t)
	keep(w, by, "session", "s")
	keep(w, by, "session", "CPU s")
	w.note("tuning", by.name, "RSS after it, MB", status(t, r.pids(), "VmRSS")/1e6)
	l.r.failover(l.w, "failover", l.r.sock, l.w.v4)
	keep(w, by, "failover", "ms")
	l.writing()
	keep(w, by, "writing", "routes/s")
	r.stop()
	w.Figures = slices.DeleteFunc(w.Figures, func(f *figure) bool { return f.Scenario != "tuning" })
}

// keep notes the newest value of a scenario's figure as one of a setting.
func keep(w *work, by setting, scenario, quantity string) {
	values := w.find(scenario, ours, quantity).Values
	w.note("tuning", by.name, scenario+", "+quantity, values[len(values)-1])
}
