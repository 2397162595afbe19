package metrics

import (
	"slices"
	"strings"

	"github.com/prometheus/client_golang/prometheus"
)

// family is one metric by its name. Each has the labels vrf and netns besides
// its own, but for those of the daemon.
type family struct {
	name   string
	kind   string // as Prometheus has it
	labels []string
	help   string

	desc   *prometheus.Desc
	sorted []label // all of them, by name, as Prometheus shows them
}

// label is a label of a family: its name, and the index of its value among those of the family's
// own labels, or one of the two that all have.
type label struct {
	name  string
	which int
}

const (
	ofVRF   = -1
	ofNetns = -2
)

// complete works out what follows from the rest.
func (f *family) complete() {
	names := f.labels
	if !ofDaemon(f.name) {
		names = append([]string{"vrf", "netns"}, f.labels...)
		f.sorted = []label{{"vrf", ofVRF}, {"netns", ofNetns}}
	}
	for i, name := range f.labels {
		f.sorted = append(f.sorted, label{name, i})
	}
	slices.SortFunc(f.sorted, func(a, b label) int { return strings.Compare(a.name, b.name) })
	f.desc = prometheus.NewDesc(f.name, f.help, names, nil)
}

// ofDaemon tells whether a metric is of the whole daemon, and has neither vrf nor netns.
func ofDaemon(name string) bool {
	return name == buildInfo || strings.HasPrefix(name, "vrfredist_reload")
}

const (
	vrfState      = "vrfredist_vrf_state"
	routes        = "vrfredist_routes"
	bgpPrefixes   = "vrfredist_bgp_prefixes"
	foreignRoutes = "vrfredist_foreign_routes"
	mailboxDepth  = "vrfredist_mailbox_depth"
	sessionCount  = "vrfredist_sessions"
	restarts      = "vrfredist_worker_restarts_total"
	writes        = "vrfredist_route_writes_total"
	writeErrors   = "vrfredist_route_write_errors_total"
	unconfirmed   = "vrfredist_unconfirmed_batches_total"
	objectWrites  = "vrfredist_nexthop_writes_total"
	announcements = "vrfredist_announcements_total"
	resyncs       = "vrfredist_resyncs_total"
	readFailures  = "vrfredist_table_read_failures_total"
	driftFound    = "vrfredist_drift_found_total"
	driftRepaired = "vrfredist_drift_repaired_total"
	contested     = "vrfredist_contested"
	exportLatency = "vrfredist_export_latency_seconds"
	guardUpdates  = "vrfredist_guard_updates_total"
	guardActions  = "vrfredist_guard_actions_total"
	policyMatches = "vrfredist_policy_matches_total"
	leakPrefixes  = "vrfredist_leak_prefixes"

	nexthopObjects = "vrfredist_nexthop_objects"
	vxlanDevice    = "vrfredist_vxlan_device"
	vxlanEndpoints = "vrfredist_vxlan_endpoints"
	corePEs        = "vrfredist_core_pes"
	entrance       = "vrfredist_entrance"
	entrances      = "vrfredist_entrances"

	limitedPrefixes = "vrfredist_limited_prefixes"
	prefixLimit     = "vrfredist_prefix_limit"
	maxRoutes       = "vrfredist_max_routes"

	neighborUp    = "vrfredist_neighbor_up"
	neighborState = "vrfredist_neighbor_state"

	buildInfo         = "vrfredist_build_info"
	reloadCount       = "vrfredist_reloads_total"
	reloadSuccessful  = "vrfredist_reload_last_successful"
	reloadTime        = "vrfredist_reload_last_timestamp_seconds"
	reloadTook        = "vrfredist_reload_last_duration_seconds"
	reloadUnconfirmed = "vrfredist_reload_unconfirmed"
)

// families are all of them, in the order of docs/METRICS.md, which has the same
// names, types, labels and sentences.
func families() []family {
	list := []family{
		{name: vrfState, kind: "gauge", labels: []string{"state"}, help: "1 for the state that the VRF is in, 0 for the others."},
		{name: routes, kind: "gauge", labels: []string{"family", "direction", "state"}, help: "Routes by what became of them."},
		{name: bgpPrefixes, kind: "gauge", labels: []string{"family"}, help: "Prefixes that BGP has for the VRF."},
		{name: foreignRoutes, kind: "gauge", labels: []string{"family"}, help: "Routes of other programs in the VRF's table."},
		{name: mailboxDepth, kind: "gauge", labels: []string{"family"}, help: "Prefixes that changed in BGP and that the worker has not taken yet."},
		{name: sessionCount, kind: "gauge", labels: []string{"state"}, help: "BGP neighbours of the VRF by the state of their session; states that none is in are absent."},
		{name: neighborUp, kind: "gauge", labels: []string{"neighbor", "as"}, help: "1 for a BGP neighbour whose session is established, else 0. The label netns is where the session is."},
		{name: neighborState, kind: "gauge", labels: []string{"neighbor", "as", "state"}, help: "1 for the state that a BGP neighbour's session is in; the other states are absent."},
		{name: restarts, kind: "counter", help: "Restarts of the VRF's worker after a failure."},
		{name: writes, kind: "counter", labels: []string{"family", "operation"}, help: "Changes of routes that the kernel confirmed."},
		{name: writeErrors, kind: "counter", labels: []string{"family", "reason"}, help: "Changes of routes that did not succeed."},
		{name: unconfirmed, kind: "counter", help: "Batches of changes that got no answer, so that the table was read again."},
		{name: objectWrites, kind: "counter", help: "Changes of nexthop objects that the kernel confirmed."},
		{name: nexthopObjects, kind: "gauge", help: "Nexthop objects that the kernel has for the VRF."},
		{name: vxlanDevice, kind: "gauge", help: "Of a VRF with VXLAN: 1 where its VXLAN device is there and as it has to be, else 0."},
		{name: vxlanEndpoints, kind: "gauge", help: "Of a VRF with VXLAN: other PEs that its device has entries for."},
		{name: corePEs, kind: "gauge", labels: []string{"state"}, help: "Other PEs that VRFs have paths of, by whether the core reaches them; vrf and netns are empty."},
		{name: entrance, kind: "gauge", help: "Of a VRF with MPLS or SRv6: 1 where its label or SIDs, and what leads from its table to the core, are as they have to be, else 0."},
		{name: entrances, kind: "gauge", labels: []string{"kind", "state"}, help: "Labels and SIDs of VRFs by how they fare in the kernel; vrf and netns are empty."},
		{name: announcements, kind: "counter", labels: []string{"family", "operation"}, help: "Changes of what the VRF announces that BGP confirmed."},
		{name: resyncs, kind: "counter", labels: []string{"reason"}, help: "Readings of the whole table by their reason."},
		{name: readFailures, kind: "counter", help: "Readings of the table that failed and were repeated."},
		{name: driftFound, kind: "counter", labels: []string{"family", "kind"}, help: "Own routes that were found other than written and had to be put right."},
		{name: driftRepaired, kind: "counter", labels: []string{"family", "kind"}, help: "Own routes of those that are as they should be again."},
		{name: contested, kind: "gauge", labels: []string{"kind"}, help: "What is left alone for a while, because another program keeps changing it."},
		{name: exportLatency, kind: "histogram", labels: []string{"family"}, help: "Time from BGP's event to the kernel's confirmation, for each route that was written."},
		{name: guardUpdates, kind: "counter", labels: []string{"neighbor", "kind"}, help: "UPDATEs of a BGP neighbour that passed the guard as they came, or were rehearsed first."},
		{name: policyMatches, kind: "counter", labels: []string{"policy", "rule"}, help: "Routes that a rule of a policy matched, each time that they were judged; vrf and netns are empty."},
		{name: limitedPrefixes, kind: "gauge", labels: []string{"neighbor", "family"}, help: "Prefixes that a neighbour has sent, or all neighbours of a VRF (neighbor empty), where vrfredist_prefix_limit says how many may be."},
		{name: prefixLimit, kind: "gauge", labels: []string{"neighbor", "family"}, help: "How many prefixes a neighbour may send (prefix-limit), or all neighbours of a VRF together (max_prefixes; neighbor empty). Of 80 % on the log and doctor warn."},
		{name: maxRoutes, kind: "gauge", help: "How many routes the VRF may have in its table (max_routes). Of 80 % on the log and doctor warn."},
		{name: leakPrefixes, kind: "gauge", labels: []string{"from", "state"}, help: "Prefixes that leak in from another VRF by the configuration, and those that max_prefixes of the leak keeps out."},
		{name: guardActions, kind: "counter", labels: []string{"neighbor", "reason"}, help: "What the guard removed, withdrew, held back or ended of a BGP neighbour's messages."},
		{name: reloadCount, kind: "counter", labels: []string{"outcome"}, help: "Reloads of the configuration by how they ended."},
		{name: reloadSuccessful, kind: "gauge", help: "1 where the last reload was applied, and all of it went well, else 0; absent before there was one."},
		{name: reloadTime, kind: "gauge", help: "When the last reload ended, in seconds since 1970; absent before there was one."},
		{name: reloadTook, kind: "gauge", help: "How long the last reload took; absent before there was one."},
		{name: reloadUnconfirmed, kind: "gauge", labels: []string{"state"}, help: "1 where a reload waits to be confirmed, or was undone because nobody did and the file is not what is in force."},
		{name: buildInfo, kind: "gauge", labels: []string{"version", "revision", "gobgp", "go"}, help: "1, with the version of the program, of GoBGP in it and of the Go that built it."},
	}
	for i := range list {
		list[i].complete()
	}
	return list
}
