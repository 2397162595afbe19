package api

import (
	"context"
	"testing"
	"time"

	"google.golang.org/grpc/codes"
	healthpb "google.golang.org/grpc/health/grpc_health_v1"

	"github.com/vrfredist/vrfredist/vrf"
)

func TestHealth(t *testing.T) {
	f := newFake()
	client := healthpb.NewHealthClient(serve(t, f))
	const serving, not = healthpb.HealthCheckResponse_SERVING, healthpb.HealthCheckResponse_NOT_SERVING
	check := func(service string, want healthpb.HealthCheckResponse_ServingStatus) {
		t.Helper()
		got, err := client.Check(t.Context(), &healthpb.HealthCheckRequest{Service: service})
		if err != nil || got.GetStatus() != want {
			t.Errorf("%q: %v, %v, want %v", service, got, err, want)
		}
	}
	check("", serving)
	check("vrf-red", serving) // degraded
	check("vrf-idle", serving)
	for state, want := range map[vrf.State]healthpb.HealthCheckResponse_ServingStatus{
		vrf.Pending: not, vrf.Syncing: not, vrf.Failed: not, vrf.Ready: serving,
	} {
		f.set("default", func(st *vrf.Status) { st.State = state })
		check("default", want)
		check("", want)
		check("vrf-red", serving)
	}
	_, err := client.Check(t.Context(), &healthpb.HealthCheckRequest{Service: "vrf-rde"})
	wantCode(t, err, codes.NotFound, "did you mean vrf-red?")

	f.set("default", func(st *vrf.Status) { st.State = vrf.Failed })
	list, err := client.List(t.Context(), &healthpb.HealthListRequest{})
	if err != nil {
		t.Fatal(err)
	}
	for name, want := range map[string]healthpb.HealthCheckResponse_ServingStatus{"": not, "default": not, "vrf-red": serving} {
		if got := list.GetStatuses()[name].GetStatus(); got != want {
			t.Errorf("in the list, %q is %v, want %v", name, got, want)
		}
	}
}

func TestHealthWatch(t *testing.T) {
	f := newFake()
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	defer cancel()
	stream, err := healthpb.NewHealthClient(serve(t, f)).Watch(ctx, &healthpb.HealthCheckRequest{Service: "vrf-new"})
	if err != nil {
		t.Fatal(err)
	}
	want := func(want healthpb.HealthCheckResponse_ServingStatus) {
		t.Helper()
		if got, err := stream.Recv(); err != nil || got.GetStatus() != want {
			t.Fatalf("%v, %v, want %v", got, err, want)
		}
	}
	want(healthpb.HealthCheckResponse_SERVICE_UNKNOWN)
	f.set("vrf-new", func(st *vrf.Status) { st.State = vrf.Syncing })
	want(healthpb.HealthCheckResponse_NOT_SERVING)
	f.set("vrf-new", func(st *vrf.Status) { st.State = vrf.Ready })
	want(healthpb.HealthCheckResponse_SERVING)
	f.set("vrf-new", func(st *vrf.Status) { st.State = vrf.Degraded })
	f.set("vrf-new", nil)
	want(healthpb.HealthCheckResponse_SERVICE_UNKNOWN)
}
