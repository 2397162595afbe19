package api

import (
	"testing"

	"github.com/google/go-cmp/cmp"
	"google.golang.org/grpc/codes"
	"google.golang.org/protobuf/testing/protocmp"

	v1 "github.com/vrfredist/vrfredist/api/v1"
)

func TestExplainRoute(t *testing.T) {
	client := v1.NewRedistributionClient(serve(t, newFake()))
	got, err := client.ExplainRoute(t.Context(), &v1.ExplainRouteRequest{Vrf: "vrf-red", Target: "10.1.0.0/16"})
	if err != nil {
		t.Fatal(err)
	}
	want := &v1.ExplainRouteResponse{
		Vrf: "vrf-red", Prefix: "10.1.0.0/16", StoppedBy: "nexthop", Verdict: "longest false",
		Export: &v1.Walk{StoppedBy: "nexthop", Steps: []*v1.Step{
			{Name: "filter", Outcome: "passed", Text: "yes", Details: []string{"a", "b"}},
			{Name: "nexthop", Outcome: "stopped", Text: "no"},
		}},
		Import: &v1.Walk{},
	}
	if diff := cmp.Diff(want, got, protocmp.Transform()); diff != "" {
		t.Error(diff)
	}
	for target, prefix := range map[string]string{"10.1.2.3": "10.1.2.3/32", "2001:db8::1": "2001:db8::1/128", "::ffff:10.1.2.3": "10.1.2.3/32"} {
		got, err := client.ExplainRoute(t.Context(), &v1.ExplainRouteRequest{Target: target})
		if err != nil || got.GetPrefix() != prefix || got.GetVerdict() != "longest true" || got.GetVrf() != "default" {
			t.Errorf("%s: %v, %v", target, got, err)
		}
	}
}

func TestExplainRouteRefuses(t *testing.T) {
	client := v1.NewRedistributionClient(serve(t, newFake()))
	for _, tc := range []struct {
		vrf, target string
		code        codes.Code
		says        string
	}{
		{"", "", codes.InvalidArgument, "target: is empty"},
		{"", "10.1.0.0/33", codes.InvalidArgument, "no prefix"},
		{"", "ten", codes.InvalidArgument, "neither a prefix nor an address"},
		{"", "fe80::1%eth0", codes.InvalidArgument, "neither a prefix nor an address"},
		{"", "10.1.2.3/16", codes.InvalidArgument, "write 10.1.0.0/16 for the prefix, or 10.1.2.3"},
		{"nobody", "10.0.0.0/8", codes.NotFound, "nobody"},
		{"vrf-idle", "10.0.0.0/8", codes.FailedPrecondition, "enable import or export"},
	} {
		_, err := client.ExplainRoute(t.Context(), &v1.ExplainRouteRequest{Vrf: tc.vrf, Target: tc.target})
		wantCode(t, err, tc.code, tc.says)
	}
}
