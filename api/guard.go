package api

import (
	"context"
	"errors"
	"io"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/peer"
	"google.golang.org/grpc/status"
	"google.golang.org/grpc/tap"
	"google.golang.org/protobuf/proto"

	"github.com/vrfredist/vrfredist/api/access"
	"github.com/vrfredist/vrfredist/vrf"
)

// call is a call that was let in.
type call struct {
	door   *Door
	conn   *connection
	id     uint32 // of its stream
	method string
	rules  *rules // under which grant holds
	grant  access.Grant
	stream *stream
	began  time.Time
	held   int // bytes that it is charged for, beside its stream
}

type callKey struct{}

type grantKey struct{}

// grantOf returns the grant of a handler's caller: it is empty where the call did
// not come through a door.
func grantOf(ctx context.Context) access.Grant {
	g, _ := ctx.Value(grantKey{}).(access.Grant)
	return g
}

// callerOf returns the key of a call's caller; "": the call did not come through a door.
func callerOf(ctx context.Context) string {
	c, ok := ctx.Value(callKey{}).(*call)
	if !ok {
		return ""
	}
	return c.conn.key
}

// tap judges a stream when its headers have come, and nothing else. gRPC drops a stream
// that is refused here, with all that its client sends on it.
func (d *Door) tap(ctx context.Context, info *tap.Info) (context.Context, error) {
	p, _ := peer.FromContext(ctx)
	conn, ok := (*connection)(nil), false
	if p != nil {
		conn, ok = p.AuthInfo.(*connection)
	}
	if !ok || conn.door != d {
		return ctx, status.Error(codes.PermissionDenied, "who calls is not known")
	}
	if conn.refusal != nil {
		return ctx, conn.refusal
	}
	r := d.rules.Load()
	c := &call{door: d, conn: conn, method: info.FullMethodName, rules: r, grant: r.policy.Grant(conn.caller).Making(d.made), began: time.Now()}
	if err := c.judge(); err != nil {
		return ctx, err
	}
	if err := c.admit(); err != nil {
		return ctx, err
	}
	return context.WithValue(context.WithValue(ctx, callKey{}, c), grantKey{}, c.grant), nil
}

// admit counts the stream whose headers gRPC has just read: it reads nothing else before
// the tap has judged it.
func (c *call) admit() error {
	d, conn := c.door, c.conn
	d.accounts.mu.Lock()
	defer d.accounts.mu.Unlock()
	s := conn.streams[conn.last]
	if s == nil || conn.gone {
		return status.FromContextError(context.Canceled).Err() // the caller has gone
	}
	a := d.accounts.of(conn.key)
	defer d.accounts.settle(conn.key)
	switch {
	case conn.busy >= d.limits.Calls:
		return status.Errorf(codes.ResourceExhausted,
			"%d calls are under way on this connection, which is the limit (calls under [netlink.api.limits]); end some, or wait for them", conn.busy)
	case !conn.caller.Owner && a.streams >= d.limits.StreamsPerUser:
		return status.Errorf(codes.ResourceExhausted,
			"%s has %d calls under way, which is the limit (streams_per_user under [netlink.api.limits]); end some, or wait for them", conn.caller, a.streams)
	}
	if err := d.accounts.take(conn, streamCost); err != nil {
		return err
	}
	s.admitted, s.most, s.large = true, access.MostOf(c.method, d.limits.MessageSize), make(chan struct{})
	conn.busy++
	a.streams++
	c.id, c.stream = conn.last, s
	return nil
}

// enter is called before anybody works for the call; leave must be called after.
func (c *call) enter() error {
	c.door.accounts.mu.Lock()
	defer c.door.accounts.mu.Unlock()
	s := c.conn.streams[c.id]
	if s == nil {
		return status.FromContextError(context.Canceled).Err() // the caller has gone
	}
	s.running = true
	return nil
}

func (c *call) leave() {
	c.door.accounts.mu.Lock()
	defer c.door.accounts.mu.Unlock()
	c.door.accounts.give(c.conn, c.held)
	c.held = 0
	if s := c.conn.streams[c.id]; s != nil {
		s.running = false
		c.conn.settle(c.id)
	}
}

// judge decides by caller and method, before the request is read.
func (c *call) judge() error {
	if until := c.conn.caller.Until; !until.IsZero() && time.Now().After(until) {
		return status.Errorf(codes.Unauthenticated, "the certificate of this connection ran out on %s; connect again with a new one", until.Format(time.RFC3339))
	}
	err := c.grant.Enter(c.conn.caller, c.method)
	if err == nil || c.grant.Admin() && access.RuleOf(c.method) == access.Denied {
		return nil // where the server has no such method, it says so itself
	}
	return status.Error(codes.PermissionDenied, err.Error())
}

// ask decides by the VRF that the request names.
func (c *call) ask(request any) error {
	if c.grant.Admin() {
		return nil
	}
	name := concerned(request)
	if r, is := request.(interface{ GetService() string }); is { // of the health service
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
		// An error from inside may be about any VRF.
		c.door.log.Error("a call failed, and its caller, who may not see every VRF, was not told why", "method", c.method, "caller", c.conn.caller.String(), "err", err)
		return status.Error(st.Code(), "this failed inside vrfredist, whose log says why; ask an administrator")
	}
	p := proto.CloneOf(st.Proto())
	p.Message = conceal(p.GetMessage(), c.grant)
	for _, detail := range p.GetDetails() {
		m, err := detail.UnmarshalNew()
		if err != nil {
			p.Details = nil // its names cannot be concealed
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

// stream is around every method: see streamed.
func (d *Door) stream(server any, stream grpc.ServerStream, _ *grpc.StreamServerInfo, handle grpc.StreamHandler) error {
	c, ok := stream.Context().Value(callKey{}).(*call)
	if !ok || c.door != d {
		return status.Error(codes.PermissionDenied, "who calls is not known")
	}
	if err := c.grant.Enter(c.conn.caller, c.method); err != nil {
		return status.Error(codes.PermissionDenied, err.Error())
	}
	if err := c.enter(); err != nil {
		return err
	}
	defer c.leave()
	g := &guarded{ServerStream: stream, call: c}
	err := handle(server, g)
	if c.audited() {
		d.audit.note(stream.Context(), c.method, g.asked, err)
	}
	return c.answer(err)
}

// guarded is a stream behind the door.
type guarded struct {
	grpc.ServerStream
	call *call
	open bool // the client may send for as long as it likes

	asked any // the request, once it was read
}

// RecvMsg implements grpc.ServerStream. While a request is read the caller is charged
// for the largest size that it could have, then for the size that it has.
func (g *guarded) RecvMsg(m any) error {
	c := g.call
	largest := c.cost(c.stream.most)
	if g.open { // of its later messages nobody knows the length before they are whole
		largest = max(largest, c.door.limits.MessageSize)
	}
	if err := c.hold(g.Context(), largest); err != nil {
		return err
	}
	in := &incoming{into: m, most: c.stream.most}
	err := g.receive(in)
	switch {
	case errors.Is(err, io.EOF) && !g.open:
		return status.Error(codes.InvalidArgument, "the call has no request message: send one, an empty one where there is nothing to say")
	case err != nil:
		c.shrink(0)
		return err
	case in.size > in.most:
		return c.tooLarge(in.size)
	}
	c.shrink(c.cost(in.size))
	g.asked = m
	return c.ask(m)
}

// receive reads a request. It must be whole in time, unless the client may send more.
func (g *guarded) receive(in *incoming) error {
	if g.open {
		return g.ServerStream.RecvMsg(in)
	}
	c := g.call
	// RecvMsg takes no deadline. Where it hangs, the return of the handler ends the
	// stream, and that ends RecvMsg.
	came := make(chan error, 1)
	go func() { came <- g.ServerStream.RecvMsg(in) }()
	late := time.NewTimer(time.Until(c.began.Add(c.door.limits.Request)))
	defer late.Stop()
	select {
	case err := <-came:
		return err
	case <-c.stream.large:
		c.door.accounts.mu.Lock()
		defer c.door.accounts.mu.Unlock()
		return c.tooLarge(c.stream.length())
	case <-late.C:
		return status.Errorf(codes.DeadlineExceeded, "the request was not whole after %v (request_timeout under [netlink.api.limits]); send it at once", c.door.limits.Request)
	}
}

func (c *call) tooLarge(size int) error {
	remedy := "make it smaller"
	if c.stream.most == c.door.limits.MessageSize {
		remedy += ", or raise message_size under [netlink.api.limits] and restart the daemon"
	}
	return status.Errorf(codes.ResourceExhausted, "the request is larger than max: it has %d bytes, and one of this method may have %d; %s", size, c.stream.most, remedy)
}

// cost is how much memory a request of a size takes.
func (c *call) cost(size int) int {
	if c.grant.Admin() {
		return size
	}
	return size * expanded
}

// hold charges the call for n bytes instead of the bytes that it holds.
func (c *call) hold(ctx context.Context, n int) error {
	c.shrink(0)
	if err := c.door.accounts.reserve(ctx, c.conn, n, c.door.limits.Request); err != nil {
		return err
	}
	c.held = n
	return nil
}

// shrink gives back the bytes that the call holds beyond n.
func (c *call) shrink(n int) {
	if n < c.held {
		c.door.accounts.release(c.conn, c.held-n)
		c.held = n
	}
}

// SendMsg implements grpc.ServerStream.
func (g *guarded) SendMsg(m any) error {
	m, err := g.call.reveal(m)
	if err != nil {
		return err
	}
	return g.ServerStream.SendMsg(m)
}
