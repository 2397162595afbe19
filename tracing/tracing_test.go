package tracing

import (
	"bytes"
	"context"
	"log/slog"
	"net"
	"net/netip"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"go.opentelemetry.io/otel/sdk/trace"

	"github.com/vrfredist/vrfredist/integration/otlp"
	"github.com/vrfredist/vrfredist/rib"
	"github.com/vrfredist/vrfredist/vrf"
)

// environment sets the variables of OpenTelemetry to these and no others.
func environment(t *testing.T, set ...string) {
	t.Helper()
	for _, name := range []string{
		"OTEL_EXPORTER_OTLP_ENDPOINT", "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", "OTEL_EXPORTER_OTLP_PROTOCOL", "OTEL_EXPORTER_OTLP_TRACES_PROTOCOL",
		"OTEL_SDK_DISABLED", "OTEL_TRACES_EXPORTER", "OTEL_TRACES_SAMPLER", "OTEL_TRACES_SAMPLER_ARG", "OTEL_SERVICE_NAME", "OTEL_RESOURCE_ATTRIBUTES",
	} {
		t.Setenv(name, "")
	}
	for _, s := range set {
		name, value, _ := strings.Cut(s, "=")
		t.Setenv(name, value)
	}
}

func loopback(t *testing.T) net.Listener {
	t.Helper()
	at, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	return at
}

// way is one of a route of VRF red that took 30 ms.
func way(prefix string, began time.Time) vrf.RouteWay {
	at := func(ms int) time.Time { return began.Add(time.Duration(ms) * time.Millisecond) }
	return vrf.RouteWay{
		VRF: "red", Netns: "tenant", Prefix: netip.MustParsePrefix(prefix), Changed: began, Taken: at(5), Chosen: at(10), Ended: at(30),
		Paths: 2, What: vrf.RouteAdded, Text: prefix + " via 192.0.2.9 dev eth0",
	}
}

// running is a tracer as the environment wants it; what ends it waits until all is sent.
func running(t *testing.T, log *slog.Logger) (tracer *Tracer, end func()) {
	t.Helper()
	tracer, err := FromEnvironment(t.Context(), "v1.2.3", log)
	if err != nil || tracer == nil {
		t.Fatalf("%v, %v", tracer, err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() { ended <- tracer.Run(ctx) }()
	return tracer, func() {
		cancel()
		if err := <-ended; err != nil {
			t.Error(err)
		}
	}
}

// A collector gets a trace of the route, by either protocol: how long it waited for the worker,
// the choice, and the kernel.
func TestACollectorSeesARoute(t *testing.T) {
	for protocol, serve := range map[string]func(*otlp.Receiver, net.Listener) func(){
		"http/protobuf": (*otlp.Receiver).ListenHTTP, "grpc": (*otlp.Receiver).ListenGRPC,
	} {
		t.Run(protocol, func(t *testing.T) {
			r, at := new(otlp.Receiver), loopback(t)
			defer serve(r, at)()
			environment(t, "OTEL_EXPORTER_OTLP_ENDPOINT=http://"+at.Addr().String(), "OTEL_EXPORTER_OTLP_PROTOCOL="+protocol,
				"OTEL_SERVICE_NAME=edge-1", "OTEL_RESOURCE_ATTRIBUTES=site=north")
			tracer, end := running(t, slog.New(slog.DiscardHandler))
			began := time.Now().Add(-time.Second).Truncate(time.Millisecond)
			written, refused, kept := way("10.1.0.0/16", began), way("2001:db8::/32", began), way("10.3.0.0/16", began)
			refused.What, refused.Reason = vrf.RouteRefused, "no such device"
			kept.What, kept.Text, kept.Reason, kept.Ended = "unresolved", "", "no route covers it", kept.Chosen
			for _, w := range []vrf.RouteWay{written, refused, kept} {
				tracer.Follow("red", w.Prefix, w.Changed)(w)
			}
			x, there := tracer.Exemplar("red", rib.IPv4)
			end()
			spans := make(map[string]otlp.Span)
			for _, s := range r.Spans() {
				of := s.Attributes["prefix"]
				for _, root := range r.Spans() {
					if s.Parent == root.ID {
						of = root.Attributes["prefix"]
						if s.Trace != root.Trace {
							t.Errorf("%s of %s is in another trace", s.Name, of)
						}
					}
				}
				spans[of+" "+s.Name] = s
			}
			if len(spans) != 11 || len(r.Spans()) != 11 {
				t.Errorf("%d spans, want 4, 4 and 3: %v", len(r.Spans()), spans)
			}
			root := spans["10.1.0.0/16 route"]
			if root.Parent != "" || !root.Start.Equal(began) || !root.End.Equal(written.Ended) || root.Failed != "" ||
				root.Attributes["vrf"] != "red" || root.Attributes["netns"] != "tenant" || root.Attributes["outcome"] != "added" {
				t.Errorf("the route: %+v", root)
			}
			if of := root.Resource; of["service.name"] != "edge-1" || of["service.version"] != "v1.2.3" || of["site"] != "north" || of["host.name"] == "" {
				t.Errorf("who sends: %v", of)
			}
			if !there || x.Trace != root.Trace || x.Took != 30*time.Millisecond {
				t.Errorf("the exemplar is %+v, of trace %s", x, root.Trace)
			}
			kernel := spans["10.1.0.0/16 kernel"]
			if !kernel.Start.Equal(written.Chosen) || !kernel.End.Equal(written.Ended) || kernel.Attributes["route"] != written.Text {
				t.Errorf("the kernel: %+v", kernel)
			}
			if s := spans["10.1.0.0/16 bgp"]; !s.Start.Equal(began) || !s.End.Equal(written.Taken) {
				t.Errorf("BGP: %+v", s)
			}
			if s := spans["10.1.0.0/16 choice"]; !s.Start.Equal(written.Taken) || !s.End.Equal(written.Chosen) {
				t.Errorf("the choice: %+v", s)
			}
			if spans["2001:db8::/32 route"].Failed != "no such device" || spans["2001:db8::/32 kernel"].Failed != "no such device" {
				t.Errorf("of one that the kernel refused: %+v", spans["2001:db8::/32 route"])
			}
			if s := spans["10.3.0.0/16 route"]; s.Failed != "no route covers it" || s.Attributes["outcome"] != "unresolved" {
				t.Errorf("of one that is unresolved: %+v", s)
			}
		})
	}
}

// Nothing is traced unless the environment names a collector, and what it says wrong is told.
func TestTheEnvironmentDecides(t *testing.T) {
	const endpoint = "OTEL_EXPORTER_OTLP_ENDPOINT=http://127.0.0.1:9"
	for _, off := range [][]string{
		nil, {"OTEL_SERVICE_NAME=x"}, {endpoint, "OTEL_SDK_DISABLED=true"}, {endpoint, "OTEL_TRACES_EXPORTER=none"},
	} {
		environment(t, off...)
		if tracer, err := FromEnvironment(t.Context(), "", slog.New(slog.DiscardHandler)); tracer != nil || err != nil {
			t.Errorf("%v: %v, %v", off, tracer, err)
		}
	}
	for want, wrong := range map[string][]string{
		"write http/protobuf or grpc": {endpoint, "OTEL_EXPORTER_OTLP_PROTOCOL=http/json"},
		"write otlp, or none":         {endpoint, "OTEL_TRACES_EXPORTER=zipkin"},
		"write NAME=VALUE":            {endpoint, "OTEL_RESOURCE_ATTRIBUTES=nothing"},
	} {
		environment(t, wrong...)
		if tracer, err := FromEnvironment(t.Context(), "", slog.New(slog.DiscardHandler)); tracer != nil || err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%v: %v, %v, want %s", wrong, tracer, err, want)
		}
	}
	environment(t, endpoint, "OTEL_TRACES_SAMPLER=always_off")
	tracer, end := running(t, slog.New(slog.DiscardHandler))
	defer end()
	if tracer.Follow("red", netip.MustParsePrefix("10.0.0.0/8"), time.Now()) != nil {
		t.Error("OTEL_TRACES_SAMPLER says that no route is traced, and one is")
	}
}

// A collector that is away costs its traces and one line in the log.
func TestACollectorThatIsAway(t *testing.T) {
	at := loopback(t)
	environment(t, "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT=http://"+at.Addr().String()+"/v1/traces", "OTEL_BSP_SCHEDULE_DELAY=1", "OTEL_EXPORTER_OTLP_TIMEOUT=50")
	if err := at.Close(); err != nil {
		t.Fatal(err)
	}
	var text bytes.Buffer
	tracer, end := running(t, slog.New(slog.NewTextHandler(&text, nil)))
	for range 20 {
		w := way("10.1.0.0/16", time.Now())
		if tell := tracer.Follow("red", w.Prefix, w.Changed); tell != nil {
			tell(w)
		}
		_ = tracer.provider.ForceFlush(t.Context())
	}
	end()
	if n := strings.Count(text.String(), "does not take traces"); n != 1 {
		t.Errorf("it is said %d times:\n%s", n, &text)
	}
}

// Where the environment names no sampler, the first routes of each second are traced.
func TestFew(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFew()
		for second := range 3 {
			n := 0
			for range 10 * eachSecond {
				if f.ShouldSample(trace.SamplingParameters{}).Decision == trace.RecordAndSample {
					n++
				}
			}
			if n != eachSecond {
				t.Errorf("second %d: %d, want %d", second, n, eachSecond)
			}
			time.Sleep(time.Second) // of the bubble's clock
		}
	})
}
