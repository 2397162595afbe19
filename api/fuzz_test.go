package api

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/netip"
	"slices"
	"testing"

	"google.golang.org/genproto/googleapis/rpc/errdetails"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/proto"

	"github.com/vrfredist/vrfredist/api/access"
	v1 "github.com/vrfredist/vrfredist/api/v1"
	"github.com/vrfredist/vrfredist/rib"
	"github.com/vrfredist/vrfredist/vrf"
)

// methods are the names of all methods of the service, in the order of the .proto.
func methods() []string {
	var list []string
	for _, m := range v1.Redistribution_ServiceDesc.Methods {
		list = append(list, m.MethodName)
	}
	for _, m := range v1.Redistribution_ServiceDesc.Streams {
		list = append(list, m.StreamName)
	}
	slices.Sort(list)
	return list
}

// oneCall is one call as the handler sees it: a method, and the bytes of its request.
// The client hears one answer, and hangs up.
type oneCall struct {
	method  string
	request []byte
	ctx     context.Context
	hangUp  context.CancelFunc
	read    bool
	answers int
}

func (c *oneCall) Method() string {
	return "/" + v1.Redistribution_ServiceDesc.ServiceName + "/" + c.method
}
func (c *oneCall) Context() context.Context   { return c.ctx }
func (*oneCall) SetHeader(metadata.MD) error  { return nil }
func (*oneCall) SendHeader(metadata.MD) error { return nil }
func (*oneCall) SetTrailer(metadata.MD)       {}
func (c *oneCall) SendMsg(m any) error        { c.answers++; c.hangUp(); return nil }

func (c *oneCall) RecvMsg(m any) error {
	if c.read {
		return io.EOF
	}
	c.read = true
	if err := proto.Unmarshal(c.request, m.(proto.Message)); err != nil {
		return fmt.Errorf("%w: %w", errMalformed, err)
	}
	return nil
}

// errMalformed: grpc itself answers bytes that are no message, before any handler can.
var errMalformed = errors.New("malformed")

// transport is a call where grpc looks for its method.
type transport struct{ *oneCall }

func (transport) SetTrailer(metadata.MD) error { return nil }

// impatient hangs up on a call that would wait for a change.
type impatient struct {
	*fake
	hangUp context.CancelFunc
}

func (b impatient) Changed() <-chan struct{} {
	b.hangUp()
	return b.fake.Changed()
}

// FuzzRequests holds that whatever a client sends to any method, the daemon does not
// panic, and answers with a code that says whose fault it is and with words.
func FuzzRequests(f *testing.F) {
	all := methods()
	for _, seed := range []proto.Message{
		&v1.EnableRedistributionRequest{Vrf: "vrf-red", Interfaces: []string{"eth*", "[a"}},
		&v1.EnableRedistributionRequest{CommunityName: "65001:100", CommunityList: []string{"NO_EXPORT", ":"}, LargeCommunityList: []string{"1:2:3"}},
		&v1.DisableRedistributionRequest{Vrf: "vrf-idle", Direction: v1.Direction_DIRECTION_EXPORT},
		&v1.ListRoutesRequest{Vrf: "nobody", Direction: 7},
		&v1.ExplainRouteRequest{Vrf: "vrf-red", Target: "10.0.0.1/8"},
		&v1.WatchVrfsRequest{Vrf: "vrf-red"},
		&v1.ApplyVrfRequest{Vrf: &v1.VrfSpec{Name: "vrf-red", Import: &v1.ImportSpec{}}, DryRun: true},
		&v1.ApplyNeighborRequest{Neighbor: &v1.NeighborSpec{Address: "192.0.2.2", Vrf: "vrf-red"}},
	} {
		b, err := proto.Marshal(seed)
		if err != nil {
			f.Fatal(err)
		}
		for i := range all {
			f.Add(uint8(i), b)
		}
	}
	allowed := []codes.Code{codes.OK, codes.InvalidArgument, codes.NotFound, codes.FailedPrecondition, codes.Canceled, codes.Unimplemented}
	f.Fuzz(func(t *testing.T, method uint8, request []byte) {
		b := newFake()
		b.reload = func() ([]string, error) { return []string{"nothing"}, nil }
		b.routes = func(_ context.Context, _ vrf.Direction, yield func(rib.RouteStatus) bool) error {
			yield(rib.RouteStatus{Prefix: netip.MustParsePrefix("10.0.0.0/8")})
			return nil
		}
		c := &oneCall{method: all[int(method)%len(all)], request: request}
		ctx, cancel := context.WithCancel(t.Context())
		defer cancel()
		c.hangUp = cancel
		// The caller is the superuser, who may ask for everything.
		ctx = context.WithValue(ctx, grantKey{}, access.NewGrant(access.Admin))
		c.ctx = grpc.NewContextWithServerTransportStream(ctx, transport{c})
		server := New(impatient{b, cancel})
		server.audit.note(ctx, "/x/Reload", nil, nil) // or who watches the audit would wait
		err := serveCall(server, c)
		if errors.Is(err, errMalformed) {
			return
		}
		st, ok := status.FromError(err)
		switch {
		case !ok:
			t.Errorf("%s: an error without a code: %v", c.method, err)
		case !slices.Contains(allowed, st.Code()):
			t.Errorf("%s: %v: %s", c.method, st.Code(), st.Message())
		case st.Code() != codes.OK && st.Message() == "":
			t.Errorf("%s: %v without words", c.method, st.Code())
		case st.Code() == codes.OK && c.answers == 0 && c.method != "ListRoutes":
			t.Errorf("%s: no answer, and no error", c.method)
		case st.Code() == codes.InvalidArgument && !namesField(st):
			t.Errorf("%s: which field? %s", c.method, st.Message())
		}
	})
}

// handlers collects what is registered, by full name.
type handlers map[string]func(grpc.ServerStream) error

func (h handlers) RegisterService(desc *grpc.ServiceDesc, implementation any) {
	for _, s := range streamed(desc, implementation).Streams {
		h["/"+desc.ServiceName+"/"+s.StreamName] = func(stream grpc.ServerStream) error { return s.Handler(implementation, stream) }
	}
}

// serveCall answers one call as a gateway would.
func serveCall(s *Server, c *oneCall) error {
	all := make(handlers)
	s.register(all)
	return all[c.Method()](c)
}

func namesField(st *status.Status) bool {
	for _, d := range st.Details() {
		if bad, ok := d.(*errdetails.BadRequest); ok {
			return len(bad.GetFieldViolations()) > 0 && bad.GetFieldViolations()[0].GetField() != ""
		}
	}
	return false
}
