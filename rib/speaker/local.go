package speaker

import (
	"context"
	"io"

	api "github.com/osrg/gobgp/v3/api"
	"google.golang.org/grpc"
	"google.golang.org/protobuf/types/known/emptypb"
)

// local lets the announcer call GoBGP's API within the process.
type local struct{ serves api.GobgpApiServer }

// AddPathStream makes a stream of which the messages are taken when it is closed.
func (l local) AddPathStream(ctx context.Context) (*localStream, error) {
	return &localStream{ctx: ctx, serves: l.serves}, nil
}

// localStream is both ends of a stream within the process.
type localStream struct {
	grpc.ServerStream
	ctx      context.Context //nolint:containedctx // a ServerStream has one
	serves   api.GobgpApiServer
	requests []*api.AddPathStreamRequest
}

// Context implements grpc.ServerStream.
func (l *localStream) Context() context.Context { return l.ctx }

// Send implements the client's end.
func (l *localStream) Send(r *api.AddPathStreamRequest) error {
	l.requests = append(l.requests, r)
	return nil
}

// CloseAndRecv implements the client's end: GoBGP takes all that was sent.
func (l *localStream) CloseAndRecv() (*emptypb.Empty, error) {
	if err := l.serves.AddPathStream(l); err != nil {
		return nil, err
	}
	return &emptypb.Empty{}, nil
}

// Recv implements the server's end.
func (l *localStream) Recv() (*api.AddPathStreamRequest, error) {
	if len(l.requests) == 0 {
		return nil, io.EOF
	}
	r := l.requests[0]
	l.requests = l.requests[1:]
	return r, nil
}

// SendAndClose implements the server's end.
func (l *localStream) SendAndClose(*emptypb.Empty) error { return nil }
