package api

import (
	"net/netip"
	"testing"
	"time"

	"google.golang.org/grpc/codes"

	vrfredistv1 "github.com/vrfredist/vrfredist/api/v1"
	"github.com/vrfredist/vrfredist/rib"
	"github.com/vrfredist/vrfredist/vrf"
)

// Who asks for the routes of a VRF inside a prefix is told of these alone.
func TestWatchRoutes(t *testing.T) {
	t.Parallel()
	f := newFake()
	client := vrfredistv1.NewRedistributionClient(serve(t, f))
	watch, err := client.WatchVrfs(t.Context(), &vrfredistv1.WatchVrfsRequest{Vrf: "vrf-red", Routes: true, Prefix: "10.0.0.0/8"})
	if err != nil {
		t.Fatal(err)
	}
	if m, err := watch.Recv(); err != nil || m.GetVrf().GetName() != "vrf-red" {
		t.Fatalf("the first message: %v, %v", m, err)
	}
	for _, e := range []struct{ vrf, prefix string }{
		{"vrf-red", "10.1.0.0/16"}, {"default", "10.2.0.0/16"}, {"vrf-red", "0.0.0.0/0"}, {"vrf-red", "10.0.0.0/8"}, {"vrf-red", "11.0.0.0/8"},
	} {
		f.tap.Emit(vrf.RouteEvent{Time: time.Now(), VRF: e.vrf, Prefix: netip.MustParsePrefix(e.prefix), What: vrf.RouteAdded, Reason: "r"}, nil)
	}
	var got []string
	for len(got) < 2 {
		m, err := watch.Recv()
		if err != nil {
			t.Fatal(err)
		}
		for _, e := range m.GetEvents() {
			got = append(got, e.GetPrefix())
		}
	}
	if len(got) != 2 || got[0] != "10.1.0.0/16" || got[1] != "10.0.0.0/8" {
		t.Errorf("told of %v", got)
	}
	for _, r := range []*vrfredistv1.WatchVrfsRequest{{Prefix: "10.0.0.0/8"}, {Routes: true, Prefix: "10.0.0.1/8"}, {Routes: true, Prefix: "x"}} {
		w, err := client.WatchVrfs(t.Context(), r)
		if err == nil {
			_, err = w.Recv()
		}
		wantCode(t, err, codes.InvalidArgument, "prefix")
	}
}

func TestRouteFilter(t *testing.T) {
	t.Parallel()
	route := func(prefix string, state rib.State) rib.RouteStatus {
		return rib.RouteStatus{Prefix: netip.MustParsePrefix(prefix), State: state}
	}
	for _, tc := range []struct {
		request *vrfredistv1.ListRoutesRequest
		route   rib.RouteStatus
		want    bool
	}{
		{&vrfredistv1.ListRoutesRequest{}, route("10.0.0.0/8", rib.Stale), true},
		{&vrfredistv1.ListRoutesRequest{Prefix: "10.0.0.0/8"}, route("10.1.0.0/16", rib.Stale), true},
		{&vrfredistv1.ListRoutesRequest{Prefix: "10.0.0.0/8", Exact: true}, route("10.1.0.0/16", rib.Stale), false},
		{&vrfredistv1.ListRoutesRequest{Prefix: "10.1.0.0/16"}, route("10.0.0.0/8", rib.Stale), false},
		{&vrfredistv1.ListRoutesRequest{Prefix: "::/0"}, route("10.0.0.0/8", rib.Stale), false},
		{&vrfredistv1.ListRoutesRequest{States: []string{"failed", "over-quota"}}, route("10.0.0.0/8", rib.OverQuota), true},
		{&vrfredistv1.ListRoutesRequest{States: []string{"failed"}}, route("10.0.0.0/8", rib.Installed), false},
	} {
		q, err := routeQuery(vrf.Export, tc.request)
		if err != nil || q.Wants(tc.route.Prefix, tc.route.State) != tc.want {
			t.Errorf("%v of %v: %v", tc.request, tc.route.Prefix, err)
		}
	}
	for field, r := range map[string]*vrfredistv1.ListRoutesRequest{
		"prefix": {Prefix: "10.0.0.1/8"}, "exact": {Exact: true}, "states": {States: []string{"fine"}},
	} {
		_, err := routeQuery(vrf.Export, r)
		wantCode(t, err, codes.InvalidArgument, field)
	}
}
