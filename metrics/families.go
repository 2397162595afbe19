package metrics

// family is one metric by its name. Each has the labels vrf and netns besides
// its own.
type family struct {
	name   string
	kind   string // as Prometheus has it
	labels []string
	help   string
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

	limitedPrefixes = "vrfredist_limited_prefixes"
	prefixLimit     = "vrfredist_prefix_limit"
	maxRoutes       = "vrfredist_max_routes"
)

// families are all of them, in the order of docs/METRICS.md, which has the same
// names, types, labels and sentences.
func families() []family {
	return []family{
		{vrfState, "gauge", []string{"state"}, "1 for the state that the VRF is in, 0 for the others."},
		{routes, "gauge", []string{"family", "direction", "state"}, "Routes by what became of them."},
		{bgpPrefixes, "gauge", []string{"family"}, "Prefixes that BGP has for the VRF."},
		{foreignRoutes, "gauge", []string{"family"}, "Routes of other programs in the VRF's table."},
		{mailboxDepth, "gauge", []string{"family"}, "Prefixes that changed in BGP and that the worker has not taken yet."},
		{sessionCount, "gauge", []string{"state"}, "BGP neighbours of the VRF by the state of their session; states that none is in are absent."},
		{restarts, "counter", nil, "Restarts of the VRF's worker after a failure."},
		{writes, "counter", []string{"family", "operation"}, "Changes of routes that the kernel confirmed."},
		{writeErrors, "counter", []string{"family", "reason"}, "Changes of routes that did not succeed."},
		{unconfirmed, "counter", nil, "Batches of changes that got no answer, so that the table was read again."},
		{objectWrites, "counter", nil, "Changes of nexthop objects that the kernel confirmed."},
		{nexthopObjects, "gauge", nil, "Nexthop objects that the kernel has for the VRF."},
		{vxlanDevice, "gauge", nil, "Of a VRF with an encapsulation: 1 where its VXLAN device is there and as it has to be, else 0."},
		{vxlanEndpoints, "gauge", nil, "Other PEs that the VXLAN device of the VRF has entries for."},
		{corePEs, "gauge", []string{"state"}, "Other PEs that VRFs have paths of, by whether the core reaches them; vrf and netns are empty."},
		{announcements, "counter", []string{"family", "operation"}, "Changes of what the VRF announces that BGP confirmed."},
		{resyncs, "counter", []string{"reason"}, "Readings of the whole table by their reason."},
		{readFailures, "counter", nil, "Readings of the table that failed and were repeated."},
		{driftFound, "counter", []string{"family", "kind"}, "Own routes that were found other than written and had to be put right."},
		{driftRepaired, "counter", []string{"family", "kind"}, "Own routes of those that are as they should be again."},
		{contested, "gauge", []string{"kind"}, "What is left alone for a while, because another program keeps changing it."},
		{exportLatency, "histogram", []string{"family"}, "Time from BGP's event to the kernel's confirmation, for each route that was written."},
		{guardUpdates, "counter", []string{"neighbor", "kind"}, "UPDATEs of a BGP neighbour that passed the guard as they came, or were rehearsed first."},
		{policyMatches, "counter", []string{"policy", "rule"}, "Routes that a rule of a policy matched, each time that they were judged; vrf and netns are empty."},
		{limitedPrefixes, "gauge", []string{"neighbor", "family"}, "Prefixes that a neighbour has sent, or all neighbours of a VRF (neighbor empty), where vrfredist_prefix_limit says how many may be."},
		{prefixLimit, "gauge", []string{"neighbor", "family"}, "How many prefixes a neighbour may send (prefix-limit), or all neighbours of a VRF together (max_prefixes; neighbor empty). Of 80 % on the log and doctor warn."},
		{maxRoutes, "gauge", nil, "How many routes the VRF may have in its table (max_routes). Of 80 % on the log and doctor warn."},
		{leakPrefixes, "gauge", []string{"from", "state"}, "Prefixes that leak in from another VRF by the configuration, and those that max_prefixes of the leak keeps out."},
		{guardActions, "counter", []string{"neighbor", "reason"}, "What the guard removed, withdrew, held back or ended of a BGP neighbour's messages."},
	}
}
