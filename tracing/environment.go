package tracing

import (
	"cmp"
	"context"
	"fmt"
	"log/slog"
	"os"
	"strings"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/exporters/otlp/otlptrace"
	"go.opentelemetry.io/otel/exporters/otlp/otlptrace/otlptracegrpc"
	"go.opentelemetry.io/otel/exporters/otlp/otlptrace/otlptracehttp"
	"go.opentelemetry.io/otel/sdk/resource"
	"go.opentelemetry.io/otel/sdk/trace"
)

// Wanted tells whether the environment names a collector, and does not say at the same time that
// nothing is to be sent there.
func Wanted() bool {
	named := cmp.Or(os.Getenv("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT"), os.Getenv("OTEL_EXPORTER_OTLP_ENDPOINT")) != ""
	return named && !strings.EqualFold(os.Getenv("OTEL_SDK_DISABLED"), "true") && os.Getenv("OTEL_TRACES_EXPORTER") != "none"
}

// FromEnvironment returns a tracer as the environment wants it; nil: it wants none. version is
// that of the program.
func FromEnvironment(ctx context.Context, version string, log *slog.Logger) (*Tracer, error) {
	if !Wanted() {
		return nil, nil
	}
	if other := os.Getenv("OTEL_TRACES_EXPORTER"); other != "" && other != "otlp" {
		return nil, fmt.Errorf("OTEL_TRACES_EXPORTER is %q, and traces are sent by OTLP alone; write otlp, or none", other)
	}
	client, protocol, err := newClient()
	if err != nil {
		return nil, err
	}
	exporter, err := otlptrace.New(ctx, client)
	if err != nil {
		return nil, fmt.Errorf("OpenTelemetry's exporter cannot be made: %w; see to the variables OTEL_EXPORTER_OTLP_*", err)
	}
	about, err := resource.New(ctx,
		resource.WithAttributes(attribute.String("service.name", "vrfredist"), attribute.String("service.version", version)),
		resource.WithHost(), resource.WithTelemetrySDK(), resource.WithFromEnv()) // what the environment says of them stands
	if err != nil {
		return nil, fmt.Errorf("OTEL_RESOURCE_ATTRIBUTES: %w; write NAME=VALUE, separated by commas", err)
	}
	options := []trace.TracerProviderOption{trace.WithResource(about)}
	if os.Getenv("OTEL_TRACES_SAMPLER") == "" {
		options = append(options, trace.WithSampler(trace.ParentBased(newFew())))
	}
	log.Info("routes are traced, and told to an OpenTelemetry collector", "protocol", protocol, "sampler", cmp.Or(os.Getenv("OTEL_TRACES_SAMPLER"), fewName))
	return newTracer(&loud{exporter, log, false}, options...), nil
}

// newClient returns what speaks to the collector. It reads its address, headers, certificates,
// compression and timeout from the environment itself.
func newClient() (client otlptrace.Client, protocol string, err error) {
	protocol = cmp.Or(os.Getenv("OTEL_EXPORTER_OTLP_TRACES_PROTOCOL"), os.Getenv("OTEL_EXPORTER_OTLP_PROTOCOL"), "http/protobuf")
	switch protocol {
	case "http/protobuf":
		return otlptracehttp.NewClient(), protocol, nil
	case "grpc":
		return otlptracegrpc.NewClient(), protocol, nil
	}
	return nil, protocol, fmt.Errorf("OTEL_EXPORTER_OTLP_PROTOCOL is %q; write http/protobuf or grpc", protocol)
}

// loud says in the log, once, when the collector takes nothing any more, and when it does again.
type loud struct {
	trace.SpanExporter
	log   *slog.Logger
	fails bool // touched by the processor's goroutine alone
}

// ExportSpans implements trace.SpanExporter. What could not be sent is lost: routes matter more.
func (l *loud) ExportSpans(ctx context.Context, spans []trace.ReadOnlySpan) error {
	err := l.SpanExporter.ExportSpans(ctx, spans)
	switch {
	case err != nil && !l.fails:
		l.log.Warn("the OpenTelemetry collector does not take traces, which are lost; see to it, or to OTEL_EXPORTER_OTLP_ENDPOINT", "err", err)
	case err == nil && l.fails:
		l.log.Info("the OpenTelemetry collector takes traces again")
	}
	l.fails = err != nil
	return nil
}
