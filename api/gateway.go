package api

import (
	"fmt"
	"runtime/debug"
	"slices"
	"strings"

	"google.golang.org/genproto/googleapis/rpc/errdetails"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	healthpb "google.golang.org/grpc/health/grpc_health_v1"
	"google.golang.org/grpc/reflection"
	"google.golang.org/grpc/status"

	vrfredistv1 "github.com/vrfredist/vrfredist/api/v1"
)

// Gateway is the gRPC server of the daemon. Every service that is registered with it
// stands behind its door: nothing of a request is read before the door has let its
// caller in.
type Gateway struct {
	*grpc.Server
	waits func(method string) error // says why a method is not served yet; nil: all are
}

// NewGateway makes a server behind d that serves the Redistribution service over b,
// the standard health service, and reflection of all that is registered.
func NewGateway(d *Door, b Backend) *Gateway { return newGateway(d, b, nil) }

// beforeBGP are the methods that are served before BGP runs, beside those of GoBGP's API.
var beforeBGP = []string{
	vrfredistv1.Redistribution_ListVrfs_FullMethodName, vrfredistv1.Redistribution_GetVrf_FullMethodName, healthpb.Health_Check_FullMethodName,
	vrfredistv1.Redistribution_WatchVrfs_FullMethodName, vrfredistv1.Redistribution_ListNeighbors_FullMethodName,
	vrfredistv1.Redistribution_GetConfig_FullMethodName, vrfredistv1.Redistribution_ListPolicies_FullMethodName,
	vrfredistv1.Redistribution_Diagnose_FullMethodName,
	vrfredistv1.Redistribution_GetLogLevel_FullMethodName, vrfredistv1.Redistribution_SetLogLevel_FullMethodName,
}

// NewWaitingGateway makes a server for the time before BGP runs: it tells what is configured
// and that it waits, and serves one method, which makes BGP run. All others are refused with why. Of b
// it needs what those of beforeBGP ask for.
func NewWaitingGateway(d *Door, b Backend, starts, why string) *Gateway {
	served := append(slices.Clone(beforeBGP), starts)
	return newGateway(d, b, func(method string) error {
		if slices.Contains(served, method) {
			return nil
		}
		return status.Error(codes.FailedPrecondition, why)
	})
}

func newGateway(d *Door, b Backend, waits func(string) error) *Gateway {
	g := &Gateway{grpc.NewServer(d.options()...), waits}
	d.made = b.Made
	s := New(b)
	s.audit = d.audit
	s.register(g)
	reflection.Register(g)
	return g
}

// register registers our services.
func (s *Server) register(g grpc.ServiceRegistrar) {
	vrfredistv1.RegisterRedistributionServer(g, s)
	healthpb.RegisterHealthServer(g, &health{views: s.states.views, pace: s.watches.pace})
}

// RegisterService implements grpc.ServiceRegistrar.
func (g *Gateway) RegisterService(desc *grpc.ServiceDesc, implementation any) {
	out := streamed(desc, implementation)
	if g.waits != nil {
		for i := range out.Streams {
			out.Streams[i].Handler = g.later(out.Streams[i].Handler)
		}
	}
	g.Server.RegisterService(out, implementation)
}

// later refuses a method that is not served yet.
func (g *Gateway) later(handle grpc.StreamHandler) grpc.StreamHandler {
	return func(implementation any, stream grpc.ServerStream) error {
		method, _ := grpc.MethodFromServerStream(stream)
		if err := g.waits(method); err != nil {
			return err
		}
		return handle(implementation, stream)
	}
}

// streamed returns a service with all of its methods as streams, which a client cannot
// tell apart: grpc reads the request of a unary method first, and asks its interceptors
// afterwards.
func streamed(desc *grpc.ServiceDesc, implementation any) *grpc.ServiceDesc {
	out := *desc
	out.Methods, out.Streams = nil, nil
	for _, m := range desc.Methods {
		out.Streams = append(out.Streams, grpc.StreamDesc{StreamName: m.MethodName, Handler: caught(unary(implementation, m))})
	}
	for _, s := range desc.Streams {
		s.Handler = caught(s.Handler)
		if s.ClientStreams {
			s.Handler = opened(s.Handler)
		}
		out.Streams = append(out.Streams, s)
	}
	for i := range out.Streams {
		out.Streams[i].ClientStreams = true // else grpc answers in its own words where there is no request
	}
	return &out
}

// opened lets the client of a streaming method send more than one message.
func opened(handle grpc.StreamHandler) grpc.StreamHandler {
	return func(implementation any, stream grpc.ServerStream) error {
		if g, behind := stream.(*guarded); behind {
			g.open = true
		}
		return handle(implementation, stream)
	}
}

// caught makes an error of a panic, which would end BGP for every tenant.
func caught(handle grpc.StreamHandler) grpc.StreamHandler {
	return func(implementation any, stream grpc.ServerStream) (err error) {
		defer func() {
			if v := recover(); v != nil {
				method, _ := grpc.MethodFromServerStream(stream)
				err = panicked(method, v, debug.Stack())
			}
		}()
		return handle(implementation, stream)
	}
}

// unary lets a unary method answer on a stream.
func unary(implementation any, m grpc.MethodDesc) grpc.StreamHandler {
	return func(_ any, stream grpc.ServerStream) error {
		reply, err := m.Handler(implementation, stream.Context(), stream.RecvMsg, nil)
		if err != nil {
			return err
		}
		return stream.SendMsg(reply)
	}
}

// panicked reports a panic with its stack where a developer finds it, in the
// details, and a person does not have to read it.
func panicked(method string, v any, stack []byte) error {
	st := status.New(codes.Internal, fmt.Sprintf("%s failed by a fault of vrfredist: panic: %v; the daemon goes on", method, v))
	if with, err := st.WithDetails(&errdetails.DebugInfo{StackEntries: strings.Split(string(stack), "\n")}); err == nil {
		st = with
	}
	return st.Err()
}
