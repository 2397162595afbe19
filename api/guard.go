package api

import (
	"context"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/peer"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/proto"

	"github.com/vrfredist/vrfredist/api/access"
	"github.com/vrfredist/vrfredist/vrf"
)

// call is one call that was let in.
type call struct {
	door   *Door
	conn   *connection
	method string
	rules  *rules // under which grant holds
	grant  access.Grant
}

type grantKey struct{}

// grantOf returns what the caller of a handler may do: nothing where the call did
// not come through a door.
func grantOf(ctx context.Context) access.Grant {
	g, _ := ctx.Value(grantKey{}).(access.Grant)
	return g
}

// enter lets a call in, or says why not. After a call was let in, leave must be
// called.
func (d *Door) enter(ctx context.Context, method string) (*call, context.Context, error) {
	p, _ := peer.FromContext(ctx)
	conn, ok := (*connection)(nil), false
	if p != nil {
		conn, ok = p.AuthInfo.(*connection)
	}
	if !ok || conn.door != d {
		return nil, nil, status.Error(codes.PermissionDenied, "who calls is not known")
	}
	if conn.refusal != "" {
		return nil, nil, status.Error(codes.ResourceExhausted, conn.refusal)
	}
	r := d.rules.Load()
	c := &call{door: d, conn: conn, method: method, rules: r, grant: r.policy.Grant(conn.caller)}
	if err := c.judge(); err != nil {
		return nil, nil, err
	}
	if n := conn.calls.Add(1); !conn.self && n > int64(d.limits.Calls) {
		conn.calls.Add(-1)
		return nil, nil, status.Errorf(codes.ResourceExhausted,
			"%d calls are under way on this connection, which is the limit (calls under [netlink.api.limits]); end some, or wait for them", n-1)
	}
	return c, context.WithValue(ctx, grantKey{}, c.grant), nil
}

func (c *call) leave() { c.conn.calls.Add(-1) }

// judge decides by what is known before the request.
func (c *call) judge() error {
	if until := c.conn.caller.Until; !until.IsZero() && time.Now().After(until) {
		return status.Errorf(codes.Unauthenticated, "the certificate of this connection ran out on %s; connect again with a new one", until.Format(time.RFC3339))
	}
	err := c.grant.Enter(c.conn.caller, c.method)
	if err == nil || c.grant.Admin() && !served(c.method) {
		return nil // the server says itself that it has no such method
	}
	return status.Error(codes.PermissionDenied, err.Error())
}

// ask decides by the VRF that the request names.
func (c *call) ask(request any) error {
	if c.grant.Admin() {
		return nil
	}
	name := ""
	switch r := request.(type) {
	case interface{ GetVrf() string }:
		name = r.GetVrf()
	case interface{ GetService() string }: // of the health service
		name = r.GetService()
	}
	if err := c.grant.Ask(c.conn.caller, c.method, name, vrf.Default); err != nil {
		return status.Error(codes.PermissionDenied, err.Error())
	}
	return nil
}

// still decides anew where the configuration has changed since the call came in.
func (c *call) still() error {
	r := c.door.rules.Load()
	if r == c.rules {
		return nil
	}
	if !r.policy.Grant(c.conn.caller).Equal(c.grant) {
		return status.Error(codes.PermissionDenied, "the roles of the caller have changed; call again")
	}
	c.rules = r
	return nil
}

// reveal returns a message as the caller may read it.
func (c *call) reveal(m any) (any, error) {
	if err := c.still(); err != nil {
		return nil, err
	}
	if c.grant.SeesAll() {
		return m, nil
	}
	message, ok := m.(proto.Message)
	if !ok {
		return nil, status.Error(codes.Internal, "the answer is no message")
	}
	message = proto.Clone(message)
	concealIn(message.ProtoReflect(), c.grant)
	return message, nil
}

// answer is an error as the caller may read it.
func (c *call) answer(err error) error {
	if err == nil || c.grant.SeesAll() {
		return err
	}
	st := status.Convert(err)
	switch st.Code() {
	case codes.Internal, codes.Unknown:
		// What went wrong inside may be about anything.
		c.door.log.Error("a call failed, and its caller, who may not see every VRF, was not told why", "method", c.method, "caller", c.conn.caller.String(), "err", err)
		return status.Error(st.Code(), "this failed inside vrfredist, whose log says why; ask an administrator")
	}
	p := proto.CloneOf(st.Proto())
	p.Message = conceal(p.GetMessage(), c.grant)
	for _, detail := range p.GetDetails() {
		m, err := detail.UnmarshalNew()
		if err != nil {
			p.Details = nil // nobody can tell what it says
			break
		}
		concealIn(m.ProtoReflect(), c.grant)
		if detail.MarshalFrom(m) != nil {
			p.Details = nil
			break
		}
	}
	return status.FromProto(p).Err()
}

// unary is the interceptor of the methods that gRPC knows: GoBGP's.
func (d *Door) unary(ctx context.Context, request any, info *grpc.UnaryServerInfo, handle grpc.UnaryHandler) (any, error) {
	c, ctx, err := d.enter(ctx, info.FullMethod)
	if err != nil {
		return nil, err
	}
	defer c.leave()
	if err := c.ask(request); err != nil {
		return nil, err
	}
	reply, err := handle(ctx, request)
	if err != nil {
		return nil, c.answer(err)
	}
	return c.reveal(reply)
}

// stream is the interceptor of streams, and of all methods of our own.
func (d *Door) stream(server any, stream grpc.ServerStream, info *grpc.StreamServerInfo, handle grpc.StreamHandler) error {
	c, ctx, err := d.enter(stream.Context(), info.FullMethod)
	if err != nil {
		return err
	}
	defer c.leave()
	return c.answer(handle(server, &guarded{stream, c, ctx}))
}

// guarded is a stream behind the door.
type guarded struct {
	grpc.ServerStream
	call *call
	ctx  context.Context //nolint:containedctx // a ServerStream has one
}

func (g *guarded) Context() context.Context { return g.ctx }

// RecvMsg implements grpc.ServerStream.
func (g *guarded) RecvMsg(m any) error {
	if err := g.ServerStream.RecvMsg(m); err != nil {
		return err
	}
	return g.call.ask(m)
}

// SendMsg implements grpc.ServerStream.
func (g *guarded) SendMsg(m any) error {
	m, err := g.call.reveal(m)
	if err != nil {
		return err
	}
	return g.ServerStream.SendMsg(m)
}
