package gobgp3

import (
	"context"
	"sync"
	"time"

	api "github.com/osrg/gobgp/v3/api"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/types/known/emptypb"
)

// Start is what a client starts BGP with (StartBgp).
type Start struct {
	AS        uint32
	RouterID  string
	Port      int32    // where BGP listens; 0: 179, -1: nowhere
	Listen    []string // the addresses on which it does; none: all
	Multipath bool
	By        string // who, as it stands in a log
}

// StartMethod is the one method of GoBGP's API that is served before BGP runs.
const StartMethod = "/apipb.GobgpApi/StartBgp"

// Awaiting is the API while BGP waits to be started by a client of it.
type Awaiting struct {
	Listen      []string // as in Options, and so are the next two
	SocketGroup *int
	Server      interface {
		GRPC
		GracefulStop()
	}
	Who func(ctx context.Context) string
	// Judge says why BGP cannot be started so.
	Judge func(Start) error
}

// awaiting serves StartBgp, once.
type awaiting struct {
	api.UnimplementedGobgpApiServer
	of      Awaiting
	starts  chan Start    // holds one
	outcome chan error    // of the start
	ended   chan struct{} // closed when nobody waits for a start any more

	mu    sync.Mutex
	taken *Start // guarded by mu
}

// Run serves the API until a client starts BGP in a way that can be had, or until ctx ends, which is
// its error. The client gets its answer by the function that is returned, which is called once, and
// has the server end.
func (a Awaiting) Run(ctx context.Context) (Start, func(error), error) {
	sockets, err := openSockets(a.Listen, a.SocketGroup)
	if err != nil {
		return Start{}, nil, err
	}
	if err := sockets.publish(); err != nil {
		sockets.close()
		return Start{}, nil, err
	}
	w := &awaiting{of: a, starts: make(chan Start, 1), outcome: make(chan error, 1), ended: make(chan struct{})}
	served := serve(a.Server, func(g grpc.ServiceRegistrar) { api.RegisterGobgpApiServer(g, w) }, sockets.listeners)
	select {
	case s := <-w.starts:
		sockets.close() // BGP is about to serve there; the client keeps its connection
		return s, func(err error) { w.outcome <- err; w.end(served) }, nil
	case err = <-served.failed:
	case <-ctx.Done():
		err = context.Cause(ctx)
	}
	close(w.ended)
	served.stop()
	return Start{}, nil, err
}

// partTime bounds how long the client may take to read its answer.
const partTime = 2 * time.Second

// end lets the client read its answer, and ends the server.
func (w *awaiting) end(served *serving) {
	late := time.AfterFunc(partTime, w.of.Server.Stop)
	defer late.Stop()
	w.of.Server.GracefulStop()
	served.all.Wait()
}

// StartBgp implements api.GobgpApiServer.
func (w *awaiting) StartBgp(ctx context.Context, r *api.StartBgpRequest) (*emptypb.Empty, error) {
	s, err := startOf(r.GetGlobal())
	if err != nil {
		return nil, err
	}
	s.By = "another client of the API"
	if w.of.Who != nil {
		s.By = w.of.Who(ctx)
	}
	if err := w.of.Judge(s); err != nil {
		return nil, status.Error(codes.InvalidArgument, err.Error())
	}
	w.mu.Lock()
	before := w.taken
	if before == nil {
		w.taken = &s
	}
	w.mu.Unlock()
	if before != nil {
		return nil, status.Errorf(codes.FailedPrecondition, "BGP is starting already, as AS %d with router ID %s, %s; restart vrfredist to have it otherwise", before.AS, before.RouterID, startedBy(before.By))
	}
	w.starts <- s
	select { // BGP starts, whether or not the client waits for that
	case err := <-w.outcome:
		if err != nil {
			return nil, status.Error(codes.Aborted, err.Error())
		}
		return &emptypb.Empty{}, nil
	case <-w.ended:
		return nil, status.Error(codes.Unavailable, "vrfredist ends")
	case <-ctx.Done():
		return nil, ctx.Err()
	}
}

// startOf reads a request. What of it is not taken is an error.
func startOf(g *api.Global) (Start, error) {
	if g == nil {
		return Start{}, status.Error(codes.InvalidArgument, "the request has no global configuration: give it asn and router_id")
	}
	for name, given := range map[string]bool{
		"families": len(g.GetFamilies()) > 0, "route_selection_options": g.GetRouteSelectionOptions() != nil, "default_route_distance": g.GetDefaultRouteDistance() != nil,
		"confederation": g.GetConfederation() != nil, "graceful_restart": g.GetGracefulRestart() != nil, "apply_policy": g.GetApplyPolicy() != nil, "bind_to_device": g.GetBindToDevice() != "",
	} {
		if given {
			return Start{}, status.Errorf(codes.InvalidArgument, "%s is not taken over the API; write it under [global] of the file, where it may stand without [global.config]", name)
		}
	}
	port := g.GetListenPort()
	if port < -1 || port > 65535 {
		return Start{}, status.Errorf(codes.InvalidArgument, "listen_port %d is no port; give one from 1 to 65535, 0 for 179, or -1 for none", port)
	}
	return Start{AS: g.GetAsn(), RouterID: g.GetRouterId(), Port: port, Listen: g.GetListenAddresses(), Multipath: g.GetUseMultiplePaths()}, nil
}

// startedBy says by whose word BGP runs as it does.
func startedBy(client string) string {
	if client == "" {
		return "by [global.config] of the file"
	}
	return "as " + client + " started it"
}
