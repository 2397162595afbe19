package operator_test

import (
	"context"
	"testing"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials/insecure"
	healthpb "google.golang.org/grpc/health/grpc_health_v1"

	"github.com/vrfredist/vrfredist/integration/netns/lab"
)

// The standard health service answers on the daemon's address, a VRF each.
func TestHealth(t *testing.T) {
	t.Parallel()
	s := newSite(t, "")
	conn, err := grpc.NewClient(s.daemon.Target(), grpc.WithTransportCredentials(insecure.NewCredentials()))
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	client := healthpb.NewHealthClient(conn)
	for service, want := range map[string]healthpb.HealthCheckResponse_ServingStatus{
		"red": healthpb.HealthCheckResponse_SERVING, "blue": healthpb.HealthCheckResponse_NOT_SERVING,
		"": healthpb.HealthCheckResponse_NOT_SERVING, "default": healthpb.HealthCheckResponse_SERVING,
	} {
		lab.WaitEqual(t, "the health of "+service, want, func() healthpb.HealthCheckResponse_ServingStatus {
			ctx, cancel := context.WithTimeout(t.Context(), 5*time.Second)
			defer cancel()
			r, err := client.Check(ctx, &healthpb.HealthCheckRequest{Service: service})
			if err != nil {
				t.Fatal(err)
			}
			return r.GetStatus()
		})
	}
}
