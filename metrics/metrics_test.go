package metrics

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
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
	sessions func() (map[string]map[string]int, error)
}

func (f *fakeSource) List() []vrf.Status                           { return f.list }
func (f *fakeSource) WaitingOf(name string, family rib.Family) int { return len(name) + int(family) }
func (f *fakeSource) SessionStates(context.Context) (map[string]map[string]int, error) {
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
		}, {Spec: vrf.Spec{Name: "default"}, WorkerStatus: vrf.WorkerStatus{State: vrf.Ready}}},
		sessions: func() (map[string]map[string]int, error) {
			return map[string]map[string]int{"red": {"established": 2, "idle": 1}}, nil
		},
	}
}

func gather(t *testing.T, s Source) string {
	t.Helper()
	registry := prometheus.NewPedanticRegistry()
	registry.MustRegister(NewCollector(s, fakeCore{}, slog.New(slog.DiscardHandler)))
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
	collector := NewCollector(newSource(), fakeCore{}, slog.New(slog.DiscardHandler))
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
	s.sessions = func() (map[string]map[string]int, error) { return nil, errors.New("BGP does not answer") }
	if text := gather(t, s); !strings.Contains(text, routes) || strings.Contains(text, sessionCount) {
		t.Errorf("without sessions:\n%s", text)
	}
	s.sessions = func() (map[string]map[string]int, error) { panic("boom") }
	gather(t, s)
}

// The series of a VRF are as many whatever it holds.
func TestCardinalityIsBounded(t *testing.T) {
	s := newSource()
	s.list = nil
	for i := range 100 {
		s.list = append(s.list, vrf.Status{Spec: vrf.Spec{Name: fmt.Sprint("vrf-", i)}, WorkerStatus: vrf.WorkerStatus{State: vrf.Ready}})
	}
	few := testutil.CollectAndCount(NewCollector(s, fakeCore{}, slog.New(slog.DiscardHandler)))
	if few > 100*95 {
		t.Errorf("%d series of 100 VRFs", few)
	}
	for i := range s.list {
		s.list[i].Counts[rib.IPv4] = vrf.Counts{Paths: 1e6, Installed: 1e6}
		s.list[i].Totals.Writes[rib.IPv4].Added = 1e9
	}
	if many := testutil.CollectAndCount(NewCollector(s, fakeCore{}, slog.New(slog.DiscardHandler))); many != few {
		t.Errorf("%d series of full VRFs, %d of empty ones", many, few)
	}
}

// rows is the table of docs/METRICS.md, made of what is exported.
func rows() string {
	var b strings.Builder
	for _, f := range families() {
		labels := make([]string, len(f.labels))
		for i, l := range f.labels {
			labels[i] = "`" + l + "`"
		}
		fmt.Fprintf(&b, "| `%s` | %s | %s | %s |\n", f.name, f.kind, strings.Join(labels, ", "), f.help)
	}
	return b.String()
}

func TestTheDocumentationIsRight(t *testing.T) {
	doc, err := os.ReadFile("../docs/METRICS.md")
	if err != nil {
		t.Fatal(err)
	}
	if !strings.Contains(string(doc), rows()) {
		t.Errorf("docs/METRICS.md lacks a row, or has another; its table is\n%s", rows())
	}
	for _, state := range []rib.State{rib.Installed, rib.Filtered, rib.Unresolved, rib.Conflict, rib.OverQuota, rib.Failed, rib.Stale} {
		if !strings.Contains(string(doc), "`"+state.String()+"`") {
			t.Errorf("docs/METRICS.md does not name the state %s", state)
		}
	}
	for i := range (vrf.Resyncs{}) {
		if name := rib.ResyncReason(i).String(); !strings.Contains(string(doc), "`"+name+"`") {
			t.Errorf("docs/METRICS.md does not name the reason %s", name)
		}
	}
}

// What is exported is what families says, by type too.
func TestFamiliesAreWhatIsExported(t *testing.T) {
	registry := prometheus.NewPedanticRegistry()
	registry.MustRegister(NewCollector(newSource(), fakeCore{}, slog.New(slog.DiscardHandler)))
	got, err := registry.Gather()
	if err != nil {
		t.Fatal(err)
	}
	var exported, said []string
	for _, f := range got {
		exported = append(exported, f.GetName()+" "+strings.ToLower(f.GetType().String()))
	}
	for _, f := range families() {
		said = append(said, f.name+" "+f.kind)
	}
	slices.Sort(said)
	if !slices.Equal(exported, said) {
		t.Errorf("exported\n%v\nsaid\n%v", exported, said)
	}
}

// Rules and dashboard name no metric that there is not.
func TestContribUsesWhatIsThere(t *testing.T) {
	known := map[string]bool{}
	for _, f := range families() {
		known[f.name] = true
		if f.kind == "histogram" {
			for _, end := range []string{"_bucket", "_sum", "_count"} {
				known[f.name+end] = true
			}
		}
	}
	for _, file := range []string{"../contrib/prometheus/vrfredist.rules.yml", "../contrib/grafana/vrfredist.json"} {
		text, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		used := regexp.MustCompile(`vrfredist_[a-z_]+`).FindAllString(string(text), -1)
		if len(used) < 5 {
			t.Errorf("%s uses %d metrics", file, len(used))
		}
		for _, name := range used {
			if !known[name] {
				t.Errorf("%s uses %s, which is not exported", file, name)
			}
		}
	}
}

func TestPromtoolAcceptsTheRules(t *testing.T) {
	promtool, err := exec.LookPath("promtool")
	if err != nil {
		t.Skip("promtool is not installed: it is in Debian's package prometheus")
	}
	for _, args := range [][]string{{"check", "rules", "vrfredist.rules.yml"}, {"test", "rules", "vrfredist.test.yml"}} {
		cmd := exec.Command(promtool, args...)
		cmd.Dir = "../contrib/prometheus"
		if out, err := cmd.CombinedOutput(); err != nil {
			t.Errorf("promtool %v: %v\n%s", args, err, out)
		}
	}
}

func TestServer(t *testing.T) {
	log := slog.New(slog.DiscardHandler)
	s, err := NewServer("127.0.0.1:0", log, NewCollector(newSource(), fakeCore{}, log))
	if err != nil {
		t.Fatal(err)
	}
	if err := s.Listen(); err != nil {
		t.Fatal(err)
	}
	other, err := NewServer(s.Addr().String(), log)
	if err != nil {
		t.Fatal(err)
	}
	if err := other.Listen(); err == nil || !strings.Contains(err.Error(), "netlink.metrics") {
		t.Errorf("an address that is taken: %v", err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() { ended <- s.Run(ctx) }()
	for path, want := range map[string]int{"/metrics": http.StatusOK, "/": http.StatusNotFound, "/debug/pprof/": http.StatusNotFound} {
		r, err := http.Get("http://" + s.Addr().String() + path)
		if err != nil {
			t.Fatal(err)
		}
		body, err := io.ReadAll(r.Body)
		if err := errors.Join(err, r.Body.Close()); err != nil || r.StatusCode != want {
			t.Errorf("%s: %s, %v", path, r.Status, err)
		}
		if want == http.StatusOK && !strings.Contains(string(body), `vrfredist_vrf_state{netns="tenant",state="degraded",vrf="red"} 1`) {
			t.Errorf("%s: %s", path, body)
		}
	}
	cancel()
	if err := <-ended; err != nil {
		t.Error(err)
	}
}

// Whoever reaches the address must not take the descriptors that the tables need.
func TestConnectionsAreBounded(t *testing.T) {
	s, err := NewServer("127.0.0.1:0", slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	if err := s.Listen(); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() { ended <- s.Run(ctx) }()
	defer func() {
		cancel()
		if err := <-ended; err != nil {
			t.Error(err)
		}
	}()
	dial := func() net.Conn {
		c, err := net.Dial("tcp", s.Addr().String())
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { c.Close() })
		if _, err := io.WriteString(c, "GET /metrics HTTP/1.1\r\nHost: x\r\n\r\n"); err != nil {
			t.Fatal(err)
		}
		return c
	}
	answered := func(c net.Conn, patience time.Duration) error {
		if err := c.SetReadDeadline(time.Now().Add(patience)); err != nil {
			t.Fatal(err)
		}
		_, err := c.Read(make([]byte, 64))
		return err
	}
	var first net.Conn
	for range connections {
		first = dial()
		if err := answered(first, 10*time.Second); err != nil {
			t.Fatal(err)
		}
	}
	more := dial()
	if err := answered(more, 200*time.Millisecond); !errors.Is(err, os.ErrDeadlineExceeded) {
		t.Errorf("one connection over the limit: %v", err)
	}
	first.Close()
	if err := answered(more, 10*time.Second); err != nil {
		t.Errorf("when another one has ended: %v", err)
	}
}
