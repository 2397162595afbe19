package daemon

import (
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"syscall"
	"testing"
	"testing/synctest"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promhttp"

	"github.com/vrfredist/vrfredist/metrics"
	"github.com/vrfredist/vrfredist/nsworker/core"
	"github.com/vrfredist/vrfredist/rib"
	"github.com/vrfredist/vrfredist/vrf"
)

// scrape is what Prometheus would read.
func scrape(t *testing.T, source *backend) string {
	t.Helper()
	registry := prometheus.NewRegistry()
	registry.MustRegister(metrics.NewCollector(source, core.New(nil, nil, core.Settings{}, nil), metrics.Daemon{Changes: source}, slog.New(slog.DiscardHandler)))
	answer := httptest.NewRecorder()
	promhttp.HandlerFor(registry, promhttp.HandlerOpts{}).ServeHTTP(answer, httptest.NewRequest(http.MethodGet, "/metrics", nil))
	text, err := io.ReadAll(answer.Body)
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

// TestWhatAWorkerReportsIsScraped: each field of its status comes through the supervisor
// to the metrics. What two other programs fight over with us once did not.
func TestWhatAWorkerReportsIsScraped(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		said := vrf.WorkerStatus{State: vrf.Degraded, Reason: "3 failed", Table: 1001, Contested: vrf.Contested{Routes: 6, Strangers: 5, Nexthops: 4}, Objects: 5}
		said.Counts = rib.ByFamily[vrf.Counts]{{Paths: 6, Installed: 3, Failed: 3}, {Paths: 1, Installed: 1}}
		said.Totals = vrf.Totals{Writes: rib.ByFamily[vrf.Writes]{{Added: 7}, {Added: 2}}, Unconfirmed: 8}
		said.Totals.Resyncs[rib.ResyncLink] = 2
		d, s, signals := whole(t, vrf.Keep)
		sup := vrf.NewSupervisor(func(spec vrf.Spec, r vrf.Report) vrf.Worker {
			return fakeWorker{s.trail, spec, func(vrf.WorkerStatus) { r(said) }}
		}, d.log)
		d.supervisor, s.changer.apply.workers = sup, sup
		ended := make(chan error)
		go func() { ended <- d.run(t.Context(), signals) }()
		synctest.Wait()

		got := scrape(t, &backend{
			vrfs: &vrfs{sup, d.force, s.bgp, new(vrf.Tap), nil, nil, nil, nil}, neighbors: s.changer.apply.neighbors, mailboxes: mailboxes{s.bgp}, changer: s.changer,
		})
		for _, want := range []string{
			`vrfredist_nexthop_objects{netns="a",vrf="a"} 5`,
			`vrfredist_contested{kind="route",netns="a",vrf="a"} 6`,
			`vrfredist_leak_prefixes{from="default",netns="a",state="in",vrf="a"} 2`,
			`vrfredist_leak_prefixes{from="default",netns="a",state="kept out",vrf="a"} 1`,
			`vrfredist_contested{kind="stranger",netns="a",vrf="a"} 5`,
			`vrfredist_contested{kind="nexthop",netns="a",vrf="a"} 4`,
			`vrfredist_vrf_state{netns="a",state="degraded",vrf="a"} 1`,
			`vrfredist_routes{direction="export",family="ipv4",netns="a",state="installed",vrf="a"} 3`,
			`vrfredist_routes{direction="export",family="ipv6",netns="a",state="installed",vrf="a"} 1`,
			`vrfredist_route_writes_total{family="ipv4",netns="a",operation="add",vrf="a"} 7`,
			`vrfredist_unconfirmed_batches_total{netns="a",vrf="a"} 8`,
			`vrfredist_resyncs_total{netns="a",reason="link",vrf="a"} 2`,
		} {
			if !strings.Contains(got, want+"\n") {
				t.Errorf("%s is not in\n%s", want, got)
			}
		}
		signals.end <- syscall.SIGTERM
		if err := <-ended; err != nil {
			t.Error(err)
		}
	})
}
