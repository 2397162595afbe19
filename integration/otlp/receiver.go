// Package otlp is an OpenTelemetry collector for tests: it takes traces by OTLP, over HTTP or
// gRPC, and keeps their spans.
package otlp

import (
	"bytes"
	"compress/gzip"
	"context"
	"encoding/hex"
	"errors"
	"io"
	"net"
	"net/http"
	"sync"
	"time"

	collector "go.opentelemetry.io/proto/otlp/collector/trace/v1"
	common "go.opentelemetry.io/proto/otlp/common/v1"
	"google.golang.org/grpc"
	"google.golang.org/protobuf/proto"
)

// Span is one that was received.
type Span struct {
	Trace, ID, Parent string
	Name              string
	Attributes        map[string]string
	Resource          map[string]string
	Start, End        time.Time
	Failed            string // the message of its status, where that is an error
}

// Receiver takes traces.
type Receiver struct {
	collector.UnimplementedTraceServiceServer

	mu    sync.Mutex
	spans []Span // guarded by mu
}

// Spans returns those that were received, in the order in which they came.
func (r *Receiver) Spans() []Span {
	r.mu.Lock()
	defer r.mu.Unlock()
	return append([]Span(nil), r.spans...)
}

// Export implements OTLP over gRPC.
func (r *Receiver) Export(_ context.Context, in *collector.ExportTraceServiceRequest) (*collector.ExportTraceServiceResponse, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, of := range in.GetResourceSpans() {
		about := texts(of.GetResource().GetAttributes())
		for _, scope := range of.GetScopeSpans() {
			for _, s := range scope.GetSpans() {
				one := Span{
					Trace: hex.EncodeToString(s.GetTraceId()), ID: hex.EncodeToString(s.GetSpanId()), Parent: hex.EncodeToString(s.GetParentSpanId()),
					Name: s.GetName(), Attributes: texts(s.GetAttributes()), Resource: about,
					Start: time.Unix(0, int64(s.GetStartTimeUnixNano())), End: time.Unix(0, int64(s.GetEndTimeUnixNano())),
				}
				one.Failed = s.GetStatus().GetMessage()
				r.spans = append(r.spans, one)
			}
		}
	}
	return new(collector.ExportTraceServiceResponse), nil
}

func texts(list []*common.KeyValue) map[string]string {
	all := make(map[string]string, len(list))
	for _, kv := range list {
		switch v := kv.GetValue().GetValue().(type) {
		case *common.AnyValue_StringValue:
			all[kv.GetKey()] = v.StringValue
		default:
			all[kv.GetKey()] = kv.GetValue().String()
		}
	}
	return all
}

// ServeHTTP implements OTLP over HTTP, of protobuf.
func (r *Receiver) ServeHTTP(w http.ResponseWriter, q *http.Request) {
	body, err := io.ReadAll(q.Body)
	if err == nil && q.Header.Get("Content-Encoding") == "gzip" {
		var unzip *gzip.Reader
		if unzip, err = gzip.NewReader(bytes.NewReader(body)); err == nil {
			body, err = io.ReadAll(unzip)
		}
	}
	in := new(collector.ExportTraceServiceRequest)
	if err = errors.Join(err, proto.Unmarshal(body, in)); err != nil || q.URL.Path != "/v1/traces" {
		http.Error(w, "no traces", http.StatusBadRequest)
		return
	}
	out, _ := r.Export(q.Context(), in) // never fails
	text, err := proto.Marshal(out)
	if err != nil {
		http.Error(w, err.Error(), http.StatusInternalServerError)
		return
	}
	w.Header().Set("Content-Type", "application/x-protobuf")
	_, _ = w.Write(text)
}

// ListenHTTP serves r on a listener, over HTTP, until stop is called.
func (r *Receiver) ListenHTTP(at net.Listener) (stop func()) {
	s := &http.Server{Handler: r, ReadHeaderTimeout: time.Second}
	ended := make(chan struct{})
	go func() { defer close(ended); _ = s.Serve(at) }()
	return func() { _ = s.Close(); <-ended }
}

// ListenGRPC serves r on a listener, over gRPC, until stop is called.
func (r *Receiver) ListenGRPC(at net.Listener) (stop func()) {
	s := grpc.NewServer()
	collector.RegisterTraceServiceServer(s, r)
	ended := make(chan struct{})
	go func() { defer close(ended); _ = s.Serve(at) }()
	return func() { s.Stop(); <-ended }
}
