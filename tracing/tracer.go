package tracing

import (
	"context"
	"net/netip"
	"sync"
	"time"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/codes"
	"go.opentelemetry.io/otel/sdk/trace"
	api "go.opentelemetry.io/otel/trace"

	"github.com/vrfredist/vrfredist/rib"
	"github.com/vrfredist/vrfredist/vrf"
)

// goodbyeTime bounds how long the end of the daemon waits for the collector.
const goodbyeTime = 3 * time.Second

// mostExemplars bounds the VRFs of which the newest trace is remembered.
const mostExemplars = 10000

// Tracer makes a trace of each route that is followed. It is safe for concurrent use.
type Tracer struct {
	provider *trace.TracerProvider
	tracer   api.Tracer

	mu     sync.Mutex
	newest map[place]vrf.Exemplar // guarded by mu
}

// place is where routes are counted together.
type place struct {
	vrf    string
	family rib.Family
}

func newTracer(to trace.SpanExporter, options ...trace.TracerProviderOption) *Tracer {
	p := trace.NewTracerProvider(append(options, trace.WithBatcher(to))...) // which drops what is too much
	return &Tracer{provider: p, tracer: p.Tracer("github.com/vrfredist/vrfredist"), newest: make(map[place]vrf.Exemplar)}
}

// Run waits until ctx ends, and sends what is left then.
func (t *Tracer) Run(ctx context.Context) error {
	<-ctx.Done()
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), goodbyeTime)
	defer cancel()
	_ = t.provider.Shutdown(ctx) // the log has that the collector does not answer
	return nil
}

// Follow begins the trace of a route of which BGP changed a path at a time, and returns what ends
// it; nil: this one is not traced.
func (t *Tracer) Follow(name string, prefix netip.Prefix, changed time.Time) func(vrf.RouteWay) {
	ctx, root := t.tracer.Start(context.Background(), "route", api.WithTimestamp(changed),
		api.WithAttributes(attribute.String("vrf", name), attribute.String("prefix", prefix.String())))
	if !root.IsRecording() {
		return nil
	}
	return func(w vrf.RouteWay) { t.end(ctx, root, w) }
}

// end makes the spans of a way: how long the change waited for the worker, the choice, and the
// kernel.
func (t *Tracer) end(ctx context.Context, root api.Span, w vrf.RouteWay) {
	step := func(name string, from, to time.Time, wrong string, of attribute.KeyValue) {
		_, s := t.tracer.Start(ctx, name, api.WithTimestamp(from), api.WithAttributes(of))
		if wrong != "" {
			s.SetStatus(codes.Error, wrong)
		}
		s.End(api.WithTimestamp(to))
	}
	step("bgp", w.Changed, w.Taken, "", attribute.String("family", rib.FamilyOf(w.Prefix).String()))
	step("choice", w.Taken, w.Chosen, "", attribute.Int("paths", w.Paths))
	if w.Written() {
		wrong := ""
		if w.What == vrf.RouteRefused {
			wrong = w.Reason
		}
		step("kernel", w.Chosen, w.Ended, wrong, attribute.String("route", w.Text))
		t.remember(root, w)
	}
	root.SetAttributes(attribute.String("netns", w.Netns), attribute.String("outcome", w.What))
	if w.Reason != "" {
		root.SetAttributes(attribute.String("reason", w.Reason))
	}
	if w.Wrong() {
		root.SetStatus(codes.Error, w.Reason)
	}
	root.End(api.WithTimestamp(w.Ended))
}

// remember makes a route that was written the newest example of its VRF and family.
func (t *Tracer) remember(root api.Span, w vrf.RouteWay) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if len(t.newest) >= mostExemplars {
		clear(t.newest)
	}
	t.newest[place{w.VRF, rib.FamilyOf(w.Prefix)}] = vrf.Exemplar{
		Trace: root.SpanContext().TraceID().String(), Took: w.Ended.Sub(w.Changed), At: w.Ended,
	}
}

// Exemplar returns the newest route of a VRF and family that was written and traced.
func (t *Tracer) Exemplar(name string, f rib.Family) (vrf.Exemplar, bool) {
	t.mu.Lock()
	defer t.mu.Unlock()
	x, there := t.newest[place{name, f}]
	return x, there
}
