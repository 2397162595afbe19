package metrics

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/testutil"

	"github.com/vrfredist/vrfredist/rib"
	"github.com/vrfredist/vrfredist/vrf"
)

type fakeSource struct {
	list     []vrf.Status
	sessions func() (map[string][]vrf.Session, error)
}

func (f *fakeSource) List() []vrf.Status                           { return f.list }
func (f *fakeSource) WaitingOf(name string, family rib.Family) int { return len(name) + int(family) }
func (f *fakeSource) AllSessions(context.Context) (map[string][]vrf.Session, error) {
	return f.sessions()
}

func (f *fakeSource) Policies() []vrf.Policy {
	return []vrf.Policy{{Name: "to-kernel", Rules: []vrf.PolicyRule{{Title: "rule 1 (customers)", Matched: 12}, {Title: "default", Matched: 3}}}}
}

func (f *fakeSource) Limits() []vrf.PrefixLimit {
	return []vrf.PrefixLimit{
		{VRF: "red", From: "default", Prefixes: 10, Over: 3},
		{VRF: "red", Neighbor: "192.0.2.2", Family: "ipv4-unicast", Prefixes: 85, Most: 100},
		{VRF: "red", Prefixes: 90, Most: 1000},
	}
}

func (f *fakeSource) Guarded() []vrf.Guarded {
	return []vrf.Guarded{{VRF: "red", Netns: "tenant", Neighbor: "192.0.2.2", Plain: 7, Rehearsed: 2, Removed: map[string]uint64{"route_target": 3}}}
}

// fakeCore has three PEs, one of which is not reached.
type fakeCore struct{}

func (fakeCore) Count() (watched, unreached int) { return 3, 1 }

func (fakeCore) Entrances() (labels, sids rib.EntranceCounts) {
	return rib.EntranceCounts{Standing: 5, Missing: 2}, rib.EntranceCounts{Conflict: 1}
}

// fakeChanges has three reloads, the last of which waits to be confirmed.
type fakeChanges struct{}

func (fakeChanges) Reloads() vrf.Reloads {
	return vrf.Reloads{
		Count: map[string]uint64{vrf.ReloadApplied: 2, vrf.ReloadFailed: 1},
		Last:  vrf.Reload{Outcome: vrf.ReloadApplied, Ended: time.UnixMilli(1_800_000_000_500), Took: 1500 * time.Millisecond},
	}
}

func (fakeChanges) Unconfirmed() (vrf.Unconfirmed, bool) {
	return vrf.Unconfirmed{Until: time.UnixMilli(1_800_000_100_000)}, true
}

func thisDaemon() Daemon {
	return Daemon{Build: Build{Version: "v1.2.3", Revision: "abc", GoBGP: "v3.37.0", Go: "go1.26"}, Changes: fakeChanges{}}
}

func newSource() *fakeSource {
	t := vrf.Totals{
		Writes: rib.ByFamily[vrf.Writes]{
			{Added: 9, Replaced: 2, Deleted: 3, Refused: 4, Conflicts: 3, Announced: 6, Withdrawn: 4},
			{Added: 1, Conflicts: 2, Withdrawn: 3},
		},
		Objects: 8, Unconfirmed: 9, ReadFailures: 1}
	t.Resyncs[rib.ResyncLink] = 3
	t.Found[rib.IPv4][vrf.Missing], t.Mended[rib.IPv4][vrf.Missing] = 3, 3
	t.Found[rib.IPv6][vrf.Missing], t.Mended[rib.IPv6][vrf.Missing] = 2, 1
	t.Latency[rib.IPv4].Observe(3*time.Millisecond, 7)
	t.Latency[rib.IPv6].Observe(time.Minute, 1)
	return &fakeSource{
		list: []vrf.Status{{
			Spec: vrf.Spec{Name: "red", Binding: rib.Binding{Netns: "tenant"}, Carriage: rib.Carriage{Kind: rib.EncapVXLAN}}, Restarts: 2,
			WorkerStatus: vrf.WorkerStatus{
				State: vrf.Degraded, Totals: t, Contested: vrf.Contested{Routes: 6, Strangers: 5, Nexthops: 4},
				Objects: 12, Carried: vrf.Carried{Endpoints: 3, Device: true},
				Counts: rib.ByFamily[vrf.Counts]{
					{Paths: 7, Imported: 10, Installed: 10, Unresolved: 14, Foreign: 14},
					{Paths: 4, Installed: 3, Imported: 2, Foreign: 1},
				},
			},
		}, {Spec: vrf.Spec{Name: "default"}, WorkerStatus: vrf.WorkerStatus{State: vrf.Ready}}, {
			Spec:         vrf.Spec{Name: "green", Carriage: rib.Carriage{Kind: rib.EncapMPLS, Label: 16000}},
			WorkerStatus: vrf.WorkerStatus{State: vrf.Ready, Carried: vrf.Carried{Device: true}},
		}},
		sessions: func() (map[string][]vrf.Session, error) {
			return map[string][]vrf.Session{"red": {
				{Peer: netip.MustParseAddr("192.0.2.2"), PeerAS: 65001, Netns: "tenant", State: "established"},
				{Peer: netip.MustParseAddr("fe80::2%eth0"), PeerAS: 65001, Netns: "tenant", State: "established"},
				{Peer: netip.MustParseAddr("192.0.2.2"), PeerAS: 65001, State: "idle"},
			}}, nil
		},
	}
}

func gather(t *testing.T, s Source) string {
	t.Helper()
	registry := prometheus.NewPedanticRegistry()
	registry.MustRegister(NewCollector(s, fakeCore{}, thisDaemon(), slog.New(slog.DiscardHandler)))
	families, err := registry.Gather()
	if err != nil {
		t.Fatal(err)
	}
	var b bytes.Buffer
	for _, f := range families {
		for _, m := range f.GetMetric() {
			fmt.Fprintf(&b, "%s %v\n", f.GetName(), m)
		}
	}
	return b.String()
}

func TestCollector(t *testing.T) {
	registry := prometheus.NewPedanticRegistry()
	collector := NewCollector(newSource(), fakeCore{}, thisDaemon(), slog.New(slog.DiscardHandler))
	registry.MustRegister(collector)
	problems, err := testutil.GatherAndLint(registry)
	if err != nil || len(problems) > 0 {
		t.Errorf("lint: %v, %v", problems, err)
	}
	const red = `netns="tenant"`
	text := expose(t, registry)
	for _, line := range []string{
		`vrfredist_vrf_state{` + red + `,state="degraded",vrf="red"} 1`,
		`vrfredist_vrf_state{` + red + `,state="ready",vrf="red"} 0`,
		`vrfredist_vrf_state{netns="",state="ready",vrf="default"} 1`,
		`vrfredist_routes{direction="export",family="ipv4",` + red + `,state="installed",vrf="red"} 10`,
		`vrfredist_routes{direction="export",family="ipv6",` + red + `,state="installed",vrf="red"} 3`,
		`vrfredist_routes{direction="export",family="ipv4",` + red + `,state="unresolved",vrf="red"} 14`,
		`vrfredist_routes{direction="import",family="ipv6",` + red + `,state="announced",vrf="red"} 2`,
		`vrfredist_limited_prefixes{family="ipv4-unicast",neighbor="192.0.2.2",` + red + `,vrf="red"} 85`,
		`vrfredist_prefix_limit{family="ipv4-unicast",neighbor="192.0.2.2",` + red + `,vrf="red"} 100`,
		`vrfredist_limited_prefixes{family="",neighbor="",` + red + `,vrf="red"} 90`,
		`vrfredist_prefix_limit{family="",neighbor="",` + red + `,vrf="red"} 1000`,
		`vrfredist_max_routes{` + red + `,vrf="red"} 4e+06`,
		`vrfredist_bgp_prefixes{family="ipv4",` + red + `,vrf="red"} 7`,
		`vrfredist_bgp_prefixes{family="ipv6",` + red + `,vrf="red"} 4`,
		`vrfredist_foreign_routes{family="ipv4",` + red + `,vrf="red"} 14`,
		`vrfredist_mailbox_depth{family="ipv4",` + red + `,vrf="red"} 3`,
		`vrfredist_mailbox_depth{family="ipv6",` + red + `,vrf="red"} 4`,
		`vrfredist_sessions{` + red + `,state="established",vrf="red"} 2`,
		`vrfredist_neighbor_up{as="65001",neighbor="192.0.2.2",netns="tenant",vrf="red"} 1`,
		`vrfredist_neighbor_up{as="65001",neighbor="192.0.2.2",netns="",vrf="red"} 0`,
		`vrfredist_neighbor_state{as="65001",neighbor="fe80::2%eth0",netns="tenant",state="established",vrf="red"} 1`,
		`vrfredist_neighbor_state{as="65001",neighbor="192.0.2.2",netns="",state="idle",vrf="red"} 1`,
		`vrfredist_build_info{go="go1.26",gobgp="v3.37.0",revision="abc",version="v1.2.3"} 1`,
		`vrfredist_reloads_total{outcome="applied"} 2`,
		`vrfredist_reloads_total{outcome="failed"} 1`,
		`vrfredist_reloads_total{outcome="undone"} 0`,
		`vrfredist_reload_last_successful 1`,
		`vrfredist_reload_last_timestamp_seconds 1.8000000005e+09`,
		`vrfredist_reload_last_duration_seconds 1.5`,
		`vrfredist_reload_unconfirmed{state="waiting"} 1`,
		`vrfredist_reload_unconfirmed{state="undone"} 0`,
		`vrfredist_worker_restarts_total{` + red + `,vrf="red"} 2`,
		`vrfredist_route_writes_total{family="ipv4",` + red + `,operation="add",vrf="red"} 9`,
		`vrfredist_route_writes_total{family="ipv6",` + red + `,operation="add",vrf="red"} 1`,
		`vrfredist_route_write_errors_total{family="ipv6",` + red + `,reason="conflict",vrf="red"} 2`,
		`vrfredist_announcements_total{family="ipv4",` + red + `,operation="withdraw",vrf="red"} 4`,
		`vrfredist_resyncs_total{` + red + `,reason="link",vrf="red"} 3`,
		`vrfredist_drift_found_total{family="ipv4",kind="missing",` + red + `,vrf="red"} 3`,
		`vrfredist_drift_found_total{family="ipv6",kind="missing",` + red + `,vrf="red"} 2`,
		`vrfredist_drift_repaired_total{family="ipv4",kind="missing",` + red + `,vrf="red"} 3`,
		`vrfredist_drift_repaired_total{family="ipv6",kind="missing",` + red + `,vrf="red"} 1`,
		`vrfredist_nexthop_objects{` + red + `,vrf="red"} 12`,
		`vrfredist_nexthop_objects{netns="",vrf="default"} 0`,
		`vrfredist_vxlan_device{` + red + `,vrf="red"} 1`,
		`vrfredist_vxlan_endpoints{` + red + `,vrf="red"} 3`,
		`vrfredist_core_pes{netns="",state="reached",vrf=""} 2`,
		`vrfredist_core_pes{netns="",state="unreached",vrf=""} 1`,
		`vrfredist_entrance{netns="",vrf="green"} 1`,
		`vrfredist_entrances{kind="label",netns="",state="missing",vrf=""} 2`,
		`vrfredist_entrances{kind="label",netns="",state="standing",vrf=""} 5`,
		`vrfredist_entrances{kind="sid",netns="",state="conflict",vrf=""} 1`,
		`vrfredist_contested{kind="nexthop",` + red + `,vrf="red"} 4`,
		`vrfredist_contested{kind="route",` + red + `,vrf="red"} 6`,
		`vrfredist_contested{kind="stranger",` + red + `,vrf="red"} 5`,
		`vrfredist_export_latency_seconds_bucket{family="ipv4",` + red + `,vrf="red",le="0.002"} 0`,
		`vrfredist_export_latency_seconds_bucket{family="ipv4",` + red + `,vrf="red",le="0.005"} 7`,
		`vrfredist_export_latency_seconds_bucket{family="ipv4",` + red + `,vrf="red",le="30"} 7`,
		`vrfredist_export_latency_seconds_bucket{family="ipv4",` + red + `,vrf="red",le="+Inf"} 7`,
		`vrfredist_export_latency_seconds_sum{family="ipv4",` + red + `,vrf="red"} 0.021`,
		`vrfredist_export_latency_seconds_sum{family="ipv6",` + red + `,vrf="red"} 60`,
	} {
		if !strings.Contains(text, line+"\n") {
			t.Errorf("missing: %s", line)
		}
	}
	if t.Failed() {
		t.Log(text)
	}
}

// expose renders what a registry has as Prometheus reads it.
func expose(t *testing.T, g prometheus.Gatherer) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "metrics")
	if err := prometheus.WriteToTextfile(path, g); err != nil {
		t.Fatal(err)
	}
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

// What goes wrong in a source costs its own part at most.
func TestASourceThatFails(t *testing.T) {
	s := newSource()
	s.sessions = func() (map[string][]vrf.Session, error) { return nil, errors.New("BGP does not answer") }
	if text := gather(t, s); !strings.Contains(text, routes) || strings.Contains(text, sessionCount) {
		t.Errorf("without sessions:\n%s", text)
	}
	s.sessions = func() (map[string][]vrf.Session, error) { panic("boom") }
	gather(t, s)
}

// The series of a VRF are as many whatever it holds.
func TestCardinalityIsBounded(t *testing.T) {
	s := newSource()
	s.list = nil
	for i := range 100 {
		s.list = append(s.list, vrf.Status{Spec: vrf.Spec{Name: fmt.Sprint("vrf-", i)}, WorkerStatus: vrf.WorkerStatus{State: vrf.Ready}})
	}
	few := testutil.CollectAndCount(NewCollector(s, fakeCore{}, thisDaemon(), slog.New(slog.DiscardHandler)))
	if few > 100*95 {
		t.Errorf("%d series of 100 VRFs", few)
	}
	for i := range s.list {
		s.list[i].Counts[rib.IPv4] = vrf.Counts{Paths: 1e6, Installed: 1e6}
		s.list[i].Totals.Writes[rib.IPv4].Added = 1e9
	}
	if many := testutil.CollectAndCount(NewCollector(s, fakeCore{}, thisDaemon(), slog.New(slog.DiscardHandler))); many != few {
		t.Errorf("%d series of full VRFs, %d of empty ones", many, few)
	}
}
