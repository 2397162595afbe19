package api

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"
	"google.golang.org/genproto/googleapis/rpc/errdetails"
	"google.golang.org/grpc"
	channelzpb "google.golang.org/grpc/channelz/grpc_channelz_v1"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/testing/protocmp"
	"google.golang.org/protobuf/types/known/emptypb"

	v1 "github.com/vrfredist/vrfredist/api/v1"
	"github.com/vrfredist/vrfredist/vrf"
)

func TestOurServiceLivesBesideAnother(t *testing.T) {
	conn := serve(t, newFake())
	ctx := t.Context()
	_, err := channelzpb.NewChannelzClient(conn).GetServers(ctx, &channelzpb.GetServersRequest{})
	wantCode(t, err, codes.PermissionDenied, "it has no rule") // of no one, as long as nobody has said whose it is
	if _, err := v1.NewRedistributionClient(conn).ListVrfs(ctx, &v1.ListVrfsRequest{}); err != nil {
		t.Errorf("ours: %v", err)
	}
	for method, words := range map[string]string{
		"/vrfredist.v1.Redistribution/Nonsense": "unknown method Nonsense for service vrfredist.v1.Redistribution",
		"/grpc.health.v1.Health/Nonsense":       "unknown method Nonsense for service grpc.health.v1.Health",
		"/nobody.v1.Nothing/Do":                 "unknown service nobody.v1.Nothing",
	} {
		err := conn.Invoke(ctx, method, &emptypb.Empty{}, &emptypb.Empty{})
		wantCode(t, err, codes.Unimplemented, words)
	}
}

func TestACallWithoutAMessage(t *testing.T) {
	conn := serve(t, newFake())
	stream, err := conn.NewStream(t.Context(), &grpc.StreamDesc{ClientStreams: true}, v1.Redistribution_GetVrf_FullMethodName)
	if err != nil {
		t.Fatal(err)
	}
	if err := stream.CloseSend(); err != nil {
		t.Fatal(err)
	}
	wantCode(t, stream.RecvMsg(&v1.GetVrfResponse{}), codes.InvalidArgument, "no request message")
}

func TestAPanicIsAnErrorOfThatCall(t *testing.T) {
	f := newFake()
	f.reload = func() ([]string, error) { panic("boom") }
	client := v1.NewRedistributionClient(serve(t, f))
	_, err := client.Reload(t.Context(), &v1.ReloadRequest{})
	wantCode(t, err, codes.Internal, "boom")
	if _, ok := status.Convert(err).Details()[0].(*errdetails.DebugInfo); !ok {
		t.Error("the stack is lost")
	}
	if _, err := client.ListVrfs(t.Context(), &v1.ListVrfsRequest{}); err != nil {
		t.Errorf("the next call: %v", err)
	}
}

func TestEnable(t *testing.T) {
	for _, tc := range []struct {
		name    string
		request *v1.EnableRedistributionRequest
		want    *v1.GetRedistributionResponse
	}{
		{
			"import, default VRF",
			&v1.EnableRedistributionRequest{Interfaces: []string{"eth0", "vlan*"}},
			&v1.GetRedistributionResponse{
				Import: &v1.RedistributionInfo{Enabled: true, Vrf: "default", Interfaces: []string{"eth0", "vlan*"}},
				Export: &v1.RedistributionInfo{Vrf: "default"},
			},
		},
		{
			"export of everything replaces the filter",
			&v1.EnableRedistributionRequest{Vrf: "vrf-red"},
			&v1.GetRedistributionResponse{
				Import: &v1.RedistributionInfo{Vrf: "vrf-red"},
				Export: &v1.RedistributionInfo{Enabled: true, Vrf: "vrf-red"},
			},
		},
		{
			"export with each kind of community",
			&v1.EnableRedistributionRequest{
				Vrf: "vrf-red", CommunityName: "65001:100", CommunityList: []string{"65001:200", "NO_EXPORT", "65001"},
				LargeCommunityList: []string{"65001:1:100"},
			},
			&v1.GetRedistributionResponse{
				Import: &v1.RedistributionInfo{Vrf: "vrf-red"},
				Export: &v1.RedistributionInfo{
					Enabled: true, Vrf: "vrf-red", CommunityName: "65001:100",
					CommunityList: []string{"65001:200", "no-export", "0:65001"}, LargeCommunityList: []string{"65001:1:100"},
				},
			},
		},
		{
			"a VRF that is configured and idle",
			&v1.EnableRedistributionRequest{Vrf: "vrf-idle", Interfaces: []string{"*"}},
			&v1.GetRedistributionResponse{
				Import: &v1.RedistributionInfo{Enabled: true, Vrf: "vrf-idle", Interfaces: []string{"*"}},
				Export: &v1.RedistributionInfo{Vrf: "vrf-idle"},
			},
		},
	} {
		t.Run(tc.name, func(t *testing.T) {
			client := v1.NewRedistributionClient(serve(t, newFake()))
			if _, err := client.EnableRedistribution(t.Context(), tc.request); err != nil {
				t.Fatal(err)
			}
			got, err := client.GetRedistribution(t.Context(), &v1.GetRedistributionRequest{Vrf: tc.request.GetVrf()})
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(tc.want, got, protocmp.Transform()); diff != "" {
				t.Error(diff)
			}
		})
	}
}

func TestEnableKeepsWhatItHasNoFieldFor(t *testing.T) {
	f := newFake()
	client := v1.NewRedistributionClient(serve(t, f))
	for _, r := range []*v1.EnableRedistributionRequest{
		{Vrf: "vrf-red", Interfaces: []string{"eth0"}},
		{Vrf: "vrf-red", CommunityName: "65001:100"},
	} {
		if _, err := client.EnableRedistribution(t.Context(), r); err != nil {
			t.Fatal(err)
		}
	}
	st, _ := f.Get("vrf-red")
	if st.Spec.Export.Metric != 20 || st.Spec.Export.MaxPaths != 4 || *st.Spec.Import.MED != 7 || len(st.Spec.Import.Protocols) != 1 {
		t.Errorf("lost on the way: %+v", st.Spec)
	}
}

func TestDisable(t *testing.T) {
	f := newFake()
	client := v1.NewRedistributionClient(serve(t, f))
	for _, r := range []*v1.EnableRedistributionRequest{
		{Vrf: "vrf-red", Interfaces: []string{"eth0"}},
		{Vrf: "vrf-red", CommunityName: "65001:100"},
	} {
		if _, err := client.EnableRedistribution(t.Context(), r); err != nil {
			t.Fatal(err)
		}
	}
	for _, tc := range []struct {
		d                v1.Direction
		imports, exports bool
	}{
		{v1.Direction_DIRECTION_EXPORT, true, false},
		{v1.Direction_DIRECTION_IMPORT, false, false},
	} {
		if _, err := client.DisableRedistribution(t.Context(), &v1.DisableRedistributionRequest{Vrf: "vrf-red", Direction: tc.d}); err != nil {
			t.Fatal(err)
		}
		st, _ := f.Get("vrf-red")
		if st.Spec.Import.Enabled != tc.imports || st.Spec.Export.Enabled != tc.exports {
			t.Errorf("after %v: import %v, export %v", tc.d, st.Spec.Import.Enabled, st.Spec.Export.Enabled)
		}
	}
}

func TestRefusals(t *testing.T) {
	f := newFake()
	client := v1.NewRedistributionClient(serve(t, f))
	enable := func(r *v1.EnableRedistributionRequest) error {
		_, err := client.EnableRedistribution(t.Context(), r)
		return err
	}
	list := func(r *v1.ListRoutesRequest) error {
		stream, err := client.ListRoutes(t.Context(), r)
		if err != nil {
			return err
		}
		_, err = stream.Recv()
		return err
	}
	_, unknownGet := client.GetVrf(t.Context(), &v1.GetVrfRequest{Vrf: "vrf-rde"})
	_, unknownRedistribution := client.GetRedistribution(t.Context(), &v1.GetRedistributionRequest{Vrf: "blue"})
	_, noDirection := client.DisableRedistribution(t.Context(), &v1.DisableRedistributionRequest{})
	_, badDirection := client.DisableRedistribution(t.Context(), &v1.DisableRedistributionRequest{Direction: 9})
	for _, tc := range []struct {
		name  string
		err   error
		code  codes.Code
		words []string
	}{
		{"bad glob", enable(&v1.EnableRedistributionRequest{Interfaces: []string{"eth0", "eth[0"}}), codes.InvalidArgument, []string{"interfaces", `"eth[0"`, "eth[0-3]"}},
		{"empty glob", enable(&v1.EnableRedistributionRequest{Interfaces: []string{""}}), codes.InvalidArgument, []string{"interfaces", "eth*"}},
		{"two in one", enable(&v1.EnableRedistributionRequest{Interfaces: []string{"eth0 eth1"}}), codes.InvalidArgument, []string{"interfaces", "white space"}},
		{"bad community", enable(&v1.EnableRedistributionRequest{CommunityName: "70000:1"}), codes.InvalidArgument, []string{"community_name", "70000:1", "65535"}},
		{"bad list", enable(&v1.EnableRedistributionRequest{CommunityList: []string{"65001:1", "a:b"}}), codes.InvalidArgument, []string{"community_list", "a:b", "65001:100"}},
		{"bad large", enable(&v1.EnableRedistributionRequest{LargeCommunityList: []string{"65001:1"}}), codes.InvalidArgument, []string{"large_community_list", "65001:1", "65001:1:100"}},
		{"both ways", enable(&v1.EnableRedistributionRequest{Interfaces: []string{"eth0"}, CommunityName: "65001:1"}), codes.InvalidArgument, []string{"interfaces", "one request"}},
		{"unknown VRF", enable(&v1.EnableRedistributionRequest{Vrf: "vrf-redd"}), codes.NotFound, []string{`"vrf-redd"`, "did you mean vrf-red?"}},
		{"unknown VRF, get", unknownGet, codes.NotFound, []string{"vrf-red"}},
		{"unknown VRF, far from any", unknownRedistribution, codes.NotFound, []string{"there are default, vrf-red"}},
		{"unknown VRF, routes", list(&v1.ListRoutesRequest{Vrf: "nope", Direction: v1.Direction_DIRECTION_EXPORT}), codes.NotFound, []string{"nope"}},
		{"idle VRF, routes", list(&v1.ListRoutesRequest{Vrf: "vrf-idle", Direction: v1.Direction_DIRECTION_EXPORT}), codes.FailedPrecondition, []string{"vrf-idle", "enable"}},
		{"no direction", noDirection, codes.InvalidArgument, []string{"direction", "DIRECTION_IMPORT"}},
		{"no direction, routes", list(&v1.ListRoutesRequest{}), codes.InvalidArgument, []string{"direction"}},
		{"no such direction", badDirection, codes.InvalidArgument, []string{"direction", "9"}},
	} {
		t.Run(tc.name, func(t *testing.T) {
			wantCode(t, tc.err, tc.code, tc.words...)
			if tc.code != codes.InvalidArgument {
				return
			}
			violation := status.Convert(tc.err).Details()[0].(*errdetails.BadRequest).GetFieldViolations()[0]
			if violation.GetField() != tc.words[0] {
				t.Errorf("the details blame %q", violation.GetField())
			}
		})
	}
	if st, _ := f.Get("default"); st.Spec.Import.Enabled || st.Spec.Export.Enabled {
		t.Error("a refused request changed something")
	}
}

func TestFailuresOfTheBackend(t *testing.T) {
	f := newFake()
	client := v1.NewRedistributionClient(serve(t, f))
	for _, tc := range []struct {
		err  error
		code codes.Code
	}{
		{errors.New("write state: no space left on device"), codes.Internal},
		{vrf.ErrStopped, codes.Unavailable},
		{fmt.Errorf("apply: %w", context.DeadlineExceeded), codes.DeadlineExceeded},
		{status.Error(codes.PermissionDenied, "no"), codes.PermissionDenied},
	} {
		f.trip = tc.err
		_, err := client.EnableRedistribution(t.Context(), &v1.EnableRedistributionRequest{})
		wantCode(t, err, tc.code)
	}
}

func TestReload(t *testing.T) {
	f := newFake()
	client := v1.NewRedistributionClient(serve(t, f))
	f.reload = func() ([]string, error) { return []string{`VRF "a": added`}, nil }
	got, err := client.Reload(t.Context(), &v1.ReloadRequest{})
	if err != nil || !slices.Equal(got.GetChanges(), []string{`VRF "a": added`}) {
		t.Errorf("%v, %v", got, err)
	}
	f.reload = func() ([]string, error) { return nil, errors.New("f.toml:3: one\nf.toml:9: two") }
	_, err = client.Reload(t.Context(), &v1.ReloadRequest{})
	wantCode(t, err, codes.FailedPrecondition, "f.toml:3: one\nf.toml:9: two")
}
