// Package api serves vrfredist's gRPC services (api/v1) over the daemon, beside
// GoBGP's own services on the same address.
package api

import (
	"context"
	"errors"
	"fmt"
	"io"
	"runtime/debug"
	"slices"
	"strings"
	"time"

	"google.golang.org/genproto/googleapis/rpc/errdetails"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	healthpb "google.golang.org/grpc/health/grpc_health_v1"
	"google.golang.org/grpc/status"

	vrfredistv1 "github.com/vrfredist/vrfredist/api/v1"
	"github.com/vrfredist/vrfredist/doctor"
	"github.com/vrfredist/vrfredist/rib"
	"github.com/vrfredist/vrfredist/vrf"
)

// ErrUnknownVRF is matched by the error of a Backend that does not know the VRF.
var ErrUnknownVRF = vrf.ErrUnknown

// Backend is the daemon as the API needs it. It is safe for concurrent use.
type Backend interface {
	// List returns the VRFs that run, ordered by name.
	List() []vrf.Status
	// Get returns a configured VRF. The State of one that does not run, because
	// nothing is redistributed for it, is "".
	Get(name string) (vrf.Status, bool)
	// Changed returns a channel that is closed when a status that List returns
	// changes after the call.
	Changed() <-chan struct{}
	// Sessions returns the BGP neighbours of a VRF, "default" those of none.
	Sessions(ctx context.Context, name string) ([]vrf.Session, error)
	// AllSessions returns the BGP neighbours of every VRF.
	AllSessions(ctx context.Context) (map[string][]vrf.Session, error)
	// Redistribute applies change to one direction of the VRF's spec, keeps the
	// result for the next start, and brings it into force.
	Redistribute(ctx context.Context, name string, d vrf.Direction, change func(*vrf.Spec)) error
	// Listen hands on what happens to single routes, where wants returns true,
	// until the listener is closed.
	Listen(wants func(vrf.RouteEvent) bool) *vrf.Listener
	// Routes calls yield with each route that q asks for, ordered by prefix, until
	// it returns false; with more than those, where it cannot tell before.
	Routes(ctx context.Context, name string, q vrf.RouteQuery, yield func(rib.RouteStatus) bool) error
	// Resync has a VRF's table read again now, and waits until what differed is
	// put right.
	Resync(ctx context.Context, name string) (vrf.Repair, error)
	// Restore puts right what BGP has otherwise than the configuration says of a VRF,
	// "" of any, and says what it did, a line each.
	Restore(ctx context.Context, name string) ([]string, error)
	// Explain says why a prefix is, or is not, in a VRF's table and in BGP.
	Explain(ctx context.Context, name string, q rib.Question) (rib.Explanation, error)
	// Diagnose says what stands in the way of the daemon on its host.
	Diagnose(ctx context.Context) ([]doctor.Finding, error)
	// Reload applies the configuration file as it is now, and returns what
	// changed, a line each. After an error nothing has, unless it says so. Where
	// confirm is not 0, what was in force before comes back at until, unless
	// Confirm is called.
	Reload(ctx context.Context, confirm time.Duration) (changes []string, until time.Time, err error)
	// Confirm keeps what the last Reload brought. Its error may match
	// ErrNothingToConfirm.
	Confirm(ctx context.Context) error
	// Unconfirmed returns the last Reload where it was not confirmed.
	Unconfirmed() (vrf.Unconfirmed, bool)
	// Plan yields what a Reload of a file would change, and changes nothing. It
	// ends where yield fails. Its error may be a FileError or ErrBusy.
	Plan(ctx context.Context, r vrf.PlanRequest, yield func(vrf.PlanItem) error) error
}

// Server implements the Redistribution service. It is safe for concurrent use.
type Server struct {
	vrfredistv1.UnimplementedRedistributionServer
	all  Backend // a handler sees it through view
	pace pace
}

// New returns a server over b.
func New(b Backend) *Server { return &Server{all: b, pace: usualPace()} }

// Handler returns what serves the Redistribution service, and the standard
// health service, as the handler of a server's unknown services
// (grpc.UnknownServiceHandler). The server must stand behind a Door: a call that
// came through none may see nothing. GoBGP makes its gRPC server itself and registers
// its own services only; this is the door it leaves. Any other method is
// Unimplemented, in grpc's own words.
func (s *Server) Handler() grpc.StreamHandler {
	serve := make(map[string]grpc.StreamHandler)
	register(serve, vrfredistv1.Redistribution_ServiceDesc, s)
	register(serve, healthpb.Health_ServiceDesc, &health{server: s})
	return func(srv any, stream grpc.ServerStream) (err error) {
		method, _ := grpc.MethodFromServerStream(stream)
		handle, known := serve[method]
		if !known {
			return unimplemented(method)
		}
		// A panic here would end BGP for every tenant.
		defer func() {
			if v := recover(); v != nil {
				err = panicked(method, v, debug.Stack())
			}
		}()
		return handle(srv, stream)
	}
}

// register adds the methods of a service that implementation serves.
func register(serve map[string]grpc.StreamHandler, desc grpc.ServiceDesc, implementation any) {
	for _, m := range desc.Methods {
		serve["/"+desc.ServiceName+"/"+m.MethodName] = unary(implementation, m)
	}
	for _, m := range desc.Streams {
		serve["/"+desc.ServiceName+"/"+m.StreamName] = func(_ any, stream grpc.ServerStream) error {
			return m.Handler(implementation, stream)
		}
	}
}

// unary lets a unary method answer on the stream that grpc makes of a call to an
// unknown service.
func unary(implementation any, m grpc.MethodDesc) grpc.StreamHandler {
	return func(_ any, stream grpc.ServerStream) error {
		receive := func(request any) error {
			err := stream.RecvMsg(request)
			if errors.Is(err, io.EOF) {
				return status.Error(codes.InvalidArgument, "the call has no request message: send one, an empty one where there is nothing to say")
			}
			return err
		}
		reply, err := m.Handler(implementation, stream.Context(), receive, nil)
		if err != nil {
			return err
		}
		return stream.SendMsg(reply)
	}
}

// served tells whether a method is one of ours.
func served(method string) bool {
	service, name, _ := strings.Cut(strings.TrimPrefix(method, "/"), "/")
	for _, desc := range []grpc.ServiceDesc{vrfredistv1.Redistribution_ServiceDesc, healthpb.Health_ServiceDesc} {
		if desc.ServiceName != service {
			continue
		}
		return slices.ContainsFunc(desc.Methods, func(m grpc.MethodDesc) bool { return m.MethodName == name }) ||
			slices.ContainsFunc(desc.Streams, func(m grpc.StreamDesc) bool { return m.StreamName == name })
	}
	return false
}

func unimplemented(method string) error {
	service, name, _ := strings.Cut(strings.TrimPrefix(method, "/"), "/")
	if service == vrfredistv1.Redistribution_ServiceDesc.ServiceName || service == healthpb.Health_ServiceDesc.ServiceName {
		return status.Errorf(codes.Unimplemented, "unknown method %v for service %v", name, service)
	}
	return status.Errorf(codes.Unimplemented, "unknown service %v", service)
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
