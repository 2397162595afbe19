package metrics

import (
	"bytes"
	"compress/gzip"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/prometheus/client_golang/prometheus"
	dto "github.com/prometheus/client_model/go"
	"github.com/prometheus/common/expfmt"
	"github.com/prometheus/common/model"
	"google.golang.org/protobuf/testing/protocmp"

	"github.com/vrfredist/vrfredist/rib"
	"github.com/vrfredist/vrfredist/vrf"
)

// awkward has names that need care in text.
func awkward() *fakeSource {
	s := newSource()
	for _, name := range []string{`a "quoted" one`, `back\slash`, "two\nlines", "ünïcode", ""} {
		s.list = append(s.list, vrf.Status{
			Spec:         vrf.Spec{Name: name, Binding: vrf.Spec{}.Binding},
			WorkerStatus: vrf.WorkerStatus{State: vrf.Ready},
		})
		s.list[len(s.list)-1].Spec.Binding.Netns = name
	}
	s.list[len(s.list)-1].Totals.Latency[rib.IPv6] = vrf.Latency{Sum: 1e15}
	s.list[len(s.list)-1].Totals.Writes[rib.IPv4].Added = 1 << 53
	return s
}

// TestTextIsWhatTheLibraryWrites: the text that we write says, read again, what Prometheus's library
// would have said, in both formats, and each line of it is one that the library writes.
func TestTextIsWhatTheLibraryWrites(t *testing.T) {
	d := thisDaemon()
	d.Exemplars = fakeExemplars{}
	c := NewCollector(awkward(), fakeCore{}, d, slog.New(slog.DiscardHandler))
	registry := prometheus.NewPedanticRegistry()
	registry.MustRegister(c)
	families, err := registry.Gather()
	if err != nil {
		t.Fatal(err)
	}
	for _, format := range []expfmt.Format{expfmt.NewFormat(expfmt.TypeTextPlain), expfmt.NewFormat(expfmt.TypeOpenMetrics)} {
		var theirs, ours bytes.Buffer
		encoder := expfmt.NewEncoder(&theirs, format)
		for _, f := range families {
			if err := encoder.Encode(f); err != nil {
				t.Fatal(err)
			}
		}
		mine := newText(format.FormatType() == expfmt.TypeOpenMetrics, nil)
		c.collect(mine)
		if err := mine.write(&ours); err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(sortedLines(theirs.String()), sortedLines(ours.String())); diff != "" {
			t.Errorf("%s, the library's (-), and ours (+):\n%s", format, diff)
		}
		if format.FormatType() == expfmt.TypeTextPlain {
			if diff := cmp.Diff(parsed(t, theirs.String()), parsed(t, ours.String()), protocmp.Transform(), protocmp.SortRepeated(func(a, b *dto.Metric) bool { return a.String() < b.String() })); diff != "" {
				t.Errorf("read again, the library's (-), and ours (+):\n%s", diff)
			}
		}
	}
}

func sortedLines(text string) map[string]int {
	lines := make(map[string]int)
	for line := range strings.Lines(text) {
		lines[line]++
	}
	return lines
}

func parsed(t *testing.T, text string) map[string]*dto.MetricFamily {
	t.Helper()
	p := expfmt.NewTextParser(model.LegacyValidation)
	families, err := p.TextToMetricFamilies(strings.NewReader(text))
	if err != nil {
		t.Fatalf("%v in\n%s", err, text)
	}
	return families
}

// TestFamiliesAreTogether: a family's series follow each other, behind its help and its type, as both
// formats demand.
func TestFamiliesAreTogether(t *testing.T) {
	c := NewCollector(newSource(), fakeCore{}, thisDaemon(), slog.New(slog.DiscardHandler))
	mine := newText(false, nil)
	c.collect(mine)
	var b bytes.Buffer
	if err := mine.write(&b); err != nil {
		t.Fatal(err)
	}
	current, seen := "", map[string]bool{}
	for line := range strings.Lines(b.String()) {
		if rest, is := strings.CutPrefix(line, "# HELP "); is {
			current, _, _ = strings.Cut(rest, " ")
			if seen[current] {
				t.Errorf("%s is there twice", current)
			}
			seen[current] = true
		} else if !strings.HasPrefix(line, "# TYPE "+current+" ") && !strings.HasPrefix(line, current) {
			t.Errorf("among those of %s: %s", current, line)
		}
	}
}

// TestFormatsAndCompression: who asks gets the format and the coding that he takes, and the same text
// in each.
func TestFormatsAndCompression(t *testing.T) {
	log := slog.New(slog.DiscardHandler)
	e, err := newExposition(Options{Log: log, OpenMetrics: true}, []prometheus.Collector{NewCollector(newSource(), fakeCore{}, thisDaemon(), log)})
	if err != nil {
		t.Fatal(err)
	}
	server := httptest.NewServer(e)
	defer server.Close()
	const one = `vrfredist_vrf_state{netns="tenant",state="degraded",vrf="red"} 1`
	for _, c := range []struct{ accept, encoding, kind, coding string }{
		{"", "", "text/plain", ""},
		{"", "gzip", "text/plain", "gzip"},
		{"", "deflate, gzip;q=0.5", "text/plain", "gzip"},
		{"", "gzip;q=0, *;q=0.0", "text/plain", ""},
		{"application/openmetrics-text", "*", "application/openmetrics-text", "gzip"},
		{"application/vnd.google.protobuf;proto=io.prometheus.client.MetricFamily;encoding=delimited", "", "application/vnd.google.protobuf", ""},
	} {
		r, err := http.NewRequestWithContext(t.Context(), http.MethodGet, server.URL, nil)
		if err != nil {
			t.Fatal(err)
		}
		r.Header.Set("Accept", c.accept)
		r.Header.Set("Accept-Encoding", c.encoding) // so it is not decoded by the transport
		answer, err := http.DefaultClient.Do(r)
		if err != nil {
			t.Fatal(err)
		}
		body, err := io.ReadAll(answer.Body)
		if err != nil {
			t.Fatal(err)
		}
		answer.Body.Close()
		if kind, coding := answer.Header.Get("Content-Type"), answer.Header.Get("Content-Encoding"); !strings.HasPrefix(kind, c.kind) || coding != c.coding {
			t.Errorf("%+v is answered with %s, %s", c, kind, coding)
		}
		if c.coding == "gzip" {
			body = unzipped(t, body)
		}
		if strings.HasPrefix(c.kind, "application/vnd") {
			if !bytes.Contains(body, []byte("vrfredist_vrf_state")) {
				t.Errorf("%+v has none of ours", c)
			}
			continue
		}
		if text := string(body); !strings.Contains(text, strings.TrimSuffix(one, "1")) || !strings.Contains(text, "go_goroutines ") || strings.HasSuffix(text, "# EOF\n") != (c.kind != "text/plain") {
			t.Errorf("%+v is answered with\n%s", c, text)
		}
	}
}

// TestTooManyAsk: those over the limit are sent away at once.
func TestTooManyAsk(t *testing.T) {
	log := slog.New(slog.DiscardHandler)
	e, err := newExposition(Options{Log: log}, nil)
	if err != nil {
		t.Fatal(err)
	}
	for range questionsAtOnce {
		e.asking <- struct{}{}
	}
	w := httptest.NewRecorder()
	e.ServeHTTP(w, httptest.NewRequest(http.MethodGet, "/metrics", nil))
	if w.Code != http.StatusServiceUnavailable {
		t.Errorf("one too many is answered with %d", w.Code)
	}
	<-e.asking
	w = httptest.NewRecorder()
	e.ServeHTTP(w, httptest.NewRequest(http.MethodGet, "/metrics", nil))
	if w.Code != http.StatusOK {
		t.Errorf("where there is room the answer is %d", w.Code)
	}
}

// TestAScrapeAllocatesByFamilies: what a scrape allocates, besides the text itself, does not grow with
// each series.
func TestAScrapeAllocatesByFamilies(t *testing.T) {
	per := func(vrfs int) (allocations float64, series int) {
		c := NewCollector(manyVRFs(vrfs), fakeCore{}, thisDaemon(), slog.New(slog.DiscardHandler))
		var lengths map[string]int
		allocations = testing.AllocsPerRun(3, func() {
			t := newText(false, lengths)
			c.collect(t)
			series, lengths = 0, t.lengths()
			for _, lines := range t.lines {
				series += bytes.Count(lines, []byte{'\n'})
			}
		})
		return allocations, series
	}
	few, fewSeries := per(100)
	many, manySeries := per(1100)
	if each := (many - few) / float64(manySeries-fewSeries); each > 0.1 {
		t.Errorf("%.2f allocations for each further series", each)
	}
}

func manyVRFs(n int) *fakeSource {
	s := newSource()
	s.list = nil
	for i := range n {
		s.list = append(s.list, vrf.Status{Spec: vrf.Spec{Name: fmt.Sprintf("tenant-%d", i)}, WorkerStatus: vrf.WorkerStatus{State: vrf.Ready}})
		s.list[i].Spec.Binding.Netns = fmt.Sprintf("netns-%d", i/10)
	}
	return s
}

// BenchmarkScrape is a scrape of many VRFs, compressed, and by the library's registry.
func BenchmarkScrape(b *testing.B) {
	log := slog.New(slog.DiscardHandler)
	e, err := newExposition(Options{Log: log}, []prometheus.Collector{NewCollector(manyVRFs(4000), fakeCore{}, thisDaemon(), log)})
	if err != nil {
		b.Fatal(err)
	}
	r := httptest.NewRequest(http.MethodGet, "/metrics", nil)
	r.Header.Set("Accept-Encoding", "gzip")
	for name, by := range map[string]http.Handler{"ours": e, "library": e.foreign} {
		b.Run(name, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				w := httptest.NewRecorder()
				by.ServeHTTP(w, r)
				b.ReportMetric(float64(w.Body.Len())/1e6, "MB")
			}
		})
	}
}

func unzipped(t *testing.T, body []byte) []byte {
	t.Helper()
	z, err := gzip.NewReader(bytes.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	text, err := io.ReadAll(z)
	if err != nil {
		t.Fatal(err)
	}
	return text
}
