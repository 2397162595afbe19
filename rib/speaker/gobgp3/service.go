package gobgp3

import (
	"context"
	"net"
	"reflect"
	"slices"
	"unsafe"

	api "github.com/osrg/gobgp/v3/api"
	"github.com/osrg/gobgp/v3/pkg/server"
	"google.golang.org/grpc"
)

// GRPC is the server that serves the API: a *grpc.Server, or one that judges calls
// before it hands them on.
type GRPC interface {
	grpc.ServiceRegistrar
	Serve(net.Listener) error
	Stop()
}

// GoBGP makes a gRPC server only of addresses: it listens on them itself, with the
// mode that the umask decides, and ends the process where one is taken. The type that
// serves its API is not exported, and this makes a value of it that never listens.

// apiServerType is the type of which newAPIServer makes a value; nil: GoBGP's server has
// no field of it any more.
func apiServerType() reflect.Type {
	field, has := reflect.TypeFor[server.BgpServer]().FieldByName("apiServer")
	if !has || field.Type.Kind() != reflect.Pointer || !field.Type.Implements(reflect.TypeFor[api.GobgpApiServer]()) {
		return nil
	}
	if t := field.Type.Elem(); follow(t, "bgpServer") == reflect.TypeFor[server.BgpServer]() {
		return t
	}
	return nil
}

// checkAPIServer refuses a GoBGP whose API is not served as it was.
func checkAPIServer() error {
	if apiServerType() == nil {
		return internalsError("BgpServer.apiServer does not serve GoBGP's API")
	}
	return nil
}

// apiOf returns a value that serves GoBGP's API. Reflection does not show the signature of
// newAPIServer, so the value that it made is looked at.
func apiOf(bgp *server.BgpServer) (api.GobgpApiServer, error) {
	nowhere := grpc.NewServer()
	made := newAPIServer(bgp, nowhere, "")
	if _, registered := nowhere.GetServiceInfo()[api.GobgpApi_ServiceDesc.ServiceName]; !registered || made == nil {
		return nil, internalsError("newAPIserver registers no %s", api.GobgpApi_ServiceDesc.ServiceName)
	}
	v := reflect.NewAt(apiServerType(), made)
	if v.Elem().FieldByName("bgpServer").UnsafePointer() != unsafe.Pointer(bgp) {
		return nil, internalsError("newAPIserver serves another server")
	}
	serves, ok := v.Interface().(api.GobgpApiServer)
	if !ok {
		return nil, internalsError("newAPIserver makes a %s", v.Type())
	}
	return serves, nil
}

// register registers GoBGP's API with a server. Whatever another client asks GoBGP for
// comes through unary and stream.
func (c *clients) register(g grpc.ServiceRegistrar, serves api.GobgpApiServer) {
	desc := api.GobgpApi_ServiceDesc
	desc.Methods, desc.Streams = slices.Clone(desc.Methods), slices.Clone(desc.Streams)
	for i, m := range desc.Methods {
		desc.Methods[i].Handler = func(srv any, ctx context.Context, decode func(any) error, outer grpc.UnaryServerInterceptor) (any, error) {
			return m.Handler(srv, ctx, decode, inside(outer, inside(c.unary, inside(c.heedReach, inside(c.heedTTL, c.heedVRF)))))
		}
	}
	for i, m := range desc.Streams {
		info := &grpc.StreamServerInfo{FullMethod: "/" + desc.ServiceName + "/" + m.StreamName, IsClientStream: m.ClientStreams, IsServerStream: m.ServerStreams}
		desc.Streams[i].Handler = func(srv any, stream grpc.ServerStream) error {
			return c.stream(srv, stream, info, m.Handler)
		}
	}
	g.RegisterService(&desc, serves)
}

// inside puts one interceptor inside another, which may be nil.
func inside(outer, inner grpc.UnaryServerInterceptor) grpc.UnaryServerInterceptor {
	if outer == nil {
		return inner
	}
	return func(ctx context.Context, request any, info *grpc.UnaryServerInfo, handle grpc.UnaryHandler) (any, error) {
		return outer(ctx, request, info, func(ctx context.Context, request any) (any, error) {
			return inner(ctx, request, info, handle)
		})
	}
}
