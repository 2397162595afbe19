package metrics

import (
	"compress/gzip"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"slices"
	"strings"
	"sync"
	"sync/atomic"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
	"github.com/prometheus/client_golang/prometheus/promhttp"
	"github.com/prometheus/common/expfmt"
)

// exposition answers who asks for the metrics. Those of the VRFs, of which there may be hundreds of
// thousands, it writes itself; the others are of Prometheus's library, and all of them where
// somebody asks for another format than text.
type exposition struct {
	own     *Collector // nil: there are none of VRFs
	others  prometheus.Gatherer
	foreign http.Handler // all, in formats that are not text
	open    bool         // OpenMetrics, to who asks for that
	asking  chan struct{}
	log     *slog.Logger
	lengths atomic.Pointer[map[string]int] // of the families, the last time
}

func newExposition(o Options, own []prometheus.Collector) (*exposition, error) {
	all, others := prometheus.NewPedanticRegistry(), prometheus.NewPedanticRegistry()
	e := &exposition{others: others, open: o.OpenMetrics, asking: make(chan struct{}, questionsAtOnce), log: o.Log}
	e.lengths.Store(new(map[string]int))
	process := collectors.NewProcessCollector(collectors.ProcessCollectorOpts{})
	for _, c := range slices.Concat(own, []prometheus.Collector{process, collectors.NewGoCollector()}) {
		if err := all.Register(c); err != nil {
			return nil, err
		}
		if ours, is := c.(*Collector); is {
			e.own = ours
		} else if err := others.Register(c); err != nil {
			return nil, err
		}
	}
	e.foreign = promhttp.HandlerFor(all, promhttp.HandlerOpts{
		ErrorLog: logged{o.Log}, ErrorHandling: promhttp.ContinueOnError, Timeout: questionTime, EnableOpenMetrics: o.OpenMetrics,
	})
	return e, nil
}

// logged gives promhttp the daemon's log.
type logged struct{ log *slog.Logger }

func (l logged) Println(v ...any) {
	l.log.Warn("a part of the metrics could not be collected", "err", fmt.Sprint(v...))
}

// ServeHTTP implements http.Handler.
func (e *exposition) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	select {
	case e.asking <- struct{}{}:
		defer func() { <-e.asking }()
	default:
		http.Error(w, fmt.Sprintf("%d others ask for the metrics at this moment: ask again later", questionsAtOnce), http.StatusServiceUnavailable)
		return
	}
	format := expfmt.Negotiate(r.Header)
	if e.open {
		format = expfmt.NegotiateIncludingOpenMetrics(r.Header)
	}
	if kind := format.FormatType(); kind != expfmt.TypeTextPlain && kind != expfmt.TypeOpenMetrics {
		e.foreign.ServeHTTP(w, r)
		return
	}
	w.Header().Set("Content-Type", string(format))
	w.Header().Add("Vary", "Accept-Encoding")
	var out io.Writer = w
	if takesGzip(r.Header) {
		w.Header().Set("Content-Encoding", "gzip")
		z := compressors.Get().(*gzip.Writer)
		z.Reset(w)
		defer compressors.Put(z)
		defer func() { _ = z.Close() }() // it writes what is left, and who asked may be gone
		out = z
	}
	if err := e.write(out, format); err != nil {
		e.log.Debug("the metrics could not be sent", "err", err)
	}
}

// write writes all metrics as text.
func (e *exposition) write(w io.Writer, format expfmt.Format) error {
	families, err := e.others.Gather()
	if err != nil {
		logged{e.log}.Println(err)
	}
	encoder := expfmt.NewEncoder(w, format)
	for _, f := range families {
		if err := encoder.Encode(f); err != nil {
			return fmt.Errorf("write %s: %w", f.GetName(), err)
		}
	}
	open := format.FormatType() == expfmt.TypeOpenMetrics
	if e.own != nil {
		t := newText(open, *e.lengths.Load())
		e.own.collect(t)
		e.lengths.Store(new(t.lengths()))
		if err := t.write(w); err != nil {
			return fmt.Errorf("write the metrics of the VRFs: %w", err)
		}
	}
	if closer, is := encoder.(expfmt.Closer); is && open {
		return closer.Close() // it writes the end of OpenMetrics
	}
	return nil
}

// compressors are used again: each has tables of its own. The least level is a sixth of what the
// others take, and text with so much in common becomes a twentieth.
var compressors = sync.Pool{New: func() any {
	z, err := gzip.NewWriterLevel(io.Discard, gzip.BestSpeed)
	if err != nil {
		panic(errors.Join(errors.New("compress/gzip has no such level"), err)) // it is one of its constants
	}
	return z
}}

// takesGzip tells whether who asks wants the answer compressed (RFC 9110, 12.5.3).
func takesGzip(h http.Header) bool {
	for part := range strings.SplitSeq(strings.Join(h.Values("Accept-Encoding"), ","), ",") {
		coding, weight, _ := strings.Cut(strings.TrimSpace(part), ";")
		if c := strings.TrimSpace(coding); c == "gzip" || c == "*" {
			q, weighted := strings.CutPrefix(strings.ReplaceAll(weight, " ", ""), "q=")
			return !weighted || strings.Trim(q, "0.") != ""
		}
	}
	return false
}
