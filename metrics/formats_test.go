package metrics

import (
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"os/exec"
	"strings"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/vrfredist/vrfredist/rib"
	"github.com/vrfredist/vrfredist/vrf"
)

// asked is the answer of a server to a question for the metrics in a format.
func asked(t *testing.T, o Options, format string) (kind, text string) {
	t.Helper()
	o.Log = slog.New(slog.DiscardHandler)
	d := thisDaemon()
	d.Exemplars = fakeExemplars{}
	s, err := NewServer(o, NewCollector(newSource(), fakeCore{}, d, o.Log))
	if err != nil {
		t.Fatal(err)
	}
	r := httptest.NewRequest(http.MethodGet, "/metrics", nil)
	r.Header.Set("Accept", format)
	w := httptest.NewRecorder()
	s.mux.ServeHTTP(w, r)
	body, err := io.ReadAll(w.Body)
	if err != nil || w.Code != http.StatusOK {
		t.Fatalf("%d, %v", w.Code, err)
	}
	return w.Header().Get("Content-Type"), string(body)
}

// fakeExemplars has one route of VRF red.
type fakeExemplars struct{}

func (fakeExemplars) Exemplar(name string, f rib.Family) (vrf.Exemplar, bool) {
	return vrf.Exemplar{Trace: "4bf92f3577b34da6a3ce929d0e0e4736", Took: 3 * time.Millisecond, At: time.UnixMilli(1_800_000_000_500)}, name == "red" && f == rib.IPv4
}

const openMetrics = "application/openmetrics-text; version=1.0.0"

// The process and Go's runtime are seen beside the VRFs, and OpenMetrics is spoken where the
// configuration says so, to who asks for it.
func TestFormats(t *testing.T) {
	kind, text := asked(t, Options{}, openMetrics)
	if !strings.HasPrefix(kind, "text/plain") || strings.Contains(text, "# EOF") {
		t.Errorf("OpenMetrics is off, and the answer is %s", kind)
	}
	for _, name := range []string{"go_goroutines", "go_gc_duration_seconds_count", "process_open_fds", "process_resident_memory_bytes", "process_cpu_seconds_total", buildInfo, vrfState} {
		if !strings.Contains(text, "\n"+name+" ") && !strings.Contains(text, "\n"+name+"{") {
			t.Errorf("%s is missing", name)
		}
	}
	kind, text = asked(t, Options{OpenMetrics: true}, openMetrics)
	if !strings.HasPrefix(kind, "application/openmetrics-text") || !strings.HasSuffix(text, "# EOF\n") {
		t.Errorf("asked for OpenMetrics, where it is on, the answer is %s", kind)
	}
	const exemplar = `vrfredist_export_latency_seconds_bucket{family="ipv4",netns="tenant",vrf="red",le="0.005"} 7 # {trace_id="4bf92f3577b34da6a3ce929d0e0e4736"} 0.003 1.8000000005e+09`
	if !strings.Contains(text, exemplar) || strings.Count(text, "trace_id") != 1 {
		t.Errorf("the exemplar is missing: %s", exemplar)
	}
	if kind, text = asked(t, Options{OpenMetrics: true}, "text/plain"); !strings.HasPrefix(kind, "text/plain") {
		t.Errorf("asked for Prometheus' format the answer is %s", kind)
	} else if strings.Contains(text, "trace_id") {
		t.Error("Prometheus' own format has no exemplars")
	}
}

func TestPromtoolAcceptsTheMetrics(t *testing.T) {
	promtool, err := exec.LookPath("promtool")
	if err != nil {
		t.Skip("promtool is not installed: it is in Debian's package prometheus")
	}
	_, text := asked(t, Options{}, "text/plain")
	cmd := exec.Command(promtool, "check", "metrics")
	cmd.Stdin = strings.NewReader(text)
	if out, err := cmd.CombinedOutput(); err != nil || len(out) > 0 {
		t.Errorf("promtool check metrics: %v\n%s", err, out)
	}
}

// Before any reload there is nothing to say of the last one.
func TestBeforeAReload(t *testing.T) {
	registry := prometheus.NewPedanticRegistry()
	d := Daemon{Changes: quietChanges{}}
	registry.MustRegister(NewCollector(newSource(), fakeCore{}, d, slog.New(slog.DiscardHandler)))
	text := expose(t, registry)
	if strings.Contains(text, reloadSuccessful) || !strings.Contains(text, `vrfredist_reloads_total{outcome="failed"} 0`) {
		t.Errorf("%s", text)
	}
	for _, line := range []string{`vrfredist_reload_unconfirmed{state="undone"} 1`, `vrfredist_reload_unconfirmed{state="waiting"} 0`} {
		if !strings.Contains(text, line+"\n") {
			t.Errorf("missing: %s", line)
		}
	}
}

// quietChanges has no reload; the one before the start was undone.
type quietChanges struct{}

func (quietChanges) Reloads() vrf.Reloads                 { return vrf.Reloads{} }
func (quietChanges) Unconfirmed() (vrf.Unconfirmed, bool) { return vrf.Unconfirmed{}, true }
