package api

import (
	"context"

	"google.golang.org/grpc"
	healthpb "google.golang.org/grpc/health/grpc_health_v1"

	"github.com/vrfredist/vrfredist/vrf"
)

// health is the standard health service (grpc.health.v1): each VRF is a service
// of its name, and "" stands for all of them.
type health struct {
	healthpb.UnimplementedHealthServer
	views
	pace pace
}

// judge returns the health of a VRF that runs: it serves where BGP and the
// kernel agree, be it but for some routes.
func judge(st vrf.Status) healthpb.HealthCheckResponse_ServingStatus {
	if st.State == vrf.Ready || st.State == vrf.Degraded {
		return healthpb.HealthCheckResponse_SERVING
	}
	return healthpb.HealthCheckResponse_NOT_SERVING
}

// of returns the health of a service. A VRF that is configured and has nothing to do is
// SERVING; "" is SERVING where every VRF is.
func (h *health) of(ctx context.Context, service string) healthpb.HealthCheckResponse_ServingStatus {
	if service == "" {
		for _, st := range h.view(ctx).List() {
			if judge(st) != healthpb.HealthCheckResponse_SERVING {
				return healthpb.HealthCheckResponse_NOT_SERVING
			}
		}
		return healthpb.HealthCheckResponse_SERVING
	}
	st, ok := h.view(ctx).Get(service)
	switch {
	case !ok:
		return healthpb.HealthCheckResponse_SERVICE_UNKNOWN
	case st.State == "":
		return healthpb.HealthCheckResponse_SERVING
	}
	return judge(st)
}

// Check says how a service fares now.
func (h *health) Check(ctx context.Context, r *healthpb.HealthCheckRequest) (*healthpb.HealthCheckResponse, error) {
	now := h.of(ctx, r.GetService())
	if now == healthpb.HealthCheckResponse_SERVICE_UNKNOWN {
		return nil, h.view(ctx).notFound(r.GetService())
	}
	return &healthpb.HealthCheckResponse{Status: now}, nil
}

// List says how every VRF that runs fares, and all together.
func (h *health) List(ctx context.Context, _ *healthpb.HealthListRequest) (*healthpb.HealthListResponse, error) {
	all := map[string]*healthpb.HealthCheckResponse{"": {Status: h.of(ctx, "")}}
	for _, st := range h.view(ctx).List() {
		all[st.Spec.Name] = &healthpb.HealthCheckResponse{Status: judge(st)}
	}
	return &healthpb.HealthListResponse{Statuses: all}, nil
}

// Watch streams how a service fares: at first, and at each change. A VRF is
// SERVICE_UNKNOWN until it is configured.
func (h *health) Watch(r *healthpb.HealthCheckRequest, stream grpc.ServerStreamingServer[healthpb.HealthCheckResponse]) error {
	ctx := stream.Context()
	told := healthpb.HealthCheckResponse_UNKNOWN
	for {
		changed := h.all.Changed()
		if now := h.of(ctx, r.GetService()); now != told {
			told = now
			if err := sendWithin(stream, h.pace.patience, &healthpb.HealthCheckResponse{Status: now}); err != nil {
				return err
			}
		}
		if err := rest(ctx, h.pace.look, nil, nil); err != nil {
			return err
		}
		if err := rest(ctx, 0, changed, nil); err != nil {
			return err
		}
	}
}
