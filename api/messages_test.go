package api

import (
	"context"
	"errors"
	"io"
	"net/netip"
	"slices"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"google.golang.org/protobuf/testing/protocmp"

	v1 "github.com/vrfredist/vrfredist/api/v1"
	"github.com/vrfredist/vrfredist/rib"
	"github.com/vrfredist/vrfredist/vrf"
)

func TestVRFMessages(t *testing.T) {
	client := v1.NewRedistributionClient(serve(t, newFake()))
	list, err := client.ListVrfs(t.Context(), &v1.ListVrfsRequest{})
	if err != nil {
		t.Fatal(err)
	}
	one, err := client.GetVrf(t.Context(), &v1.GetVrfRequest{Vrf: "vrf-red"})
	if err != nil {
		t.Fatal(err)
	}
	red := &v1.Vrf{
		Name: "vrf-red", State: "degraded", Reason: "1 route is unresolved", SinceUnix: 1000, Restarts: 2,
		Rd: "65000:10", ImportRts: []string{"65000:10"}, ExportRts: []string{"65000:11"},
		Netns: "red", Table: 1001, Binding: "netns red, table 1001",
		Import: &v1.RedistributionInfo{Vrf: "vrf-red"}, Export: &v1.RedistributionInfo{Vrf: "vrf-red"},
		Counts: &v1.Counts{Paths: 3, Installed: 2, Unresolved: 1},
	}
	none := &v1.Vrf{
		Name: "default", State: "ready", Binding: "main", Counts: &v1.Counts{},
		Import: &v1.RedistributionInfo{Vrf: "default"}, Export: &v1.RedistributionInfo{Vrf: "default"},
	}
	if diff := cmp.Diff([]*v1.Vrf{none, red}, list.GetVrfs(), protocmp.Transform()); diff != "" {
		t.Error(diff)
	}
	red.Neighbors = []*v1.Neighbor{{
		Address: "10.0.0.2", PeerAs: 65001, Alias: "127.1.0.5", Netns: "vrf-red", State: "established", SinceUnix: 7,
	}}
	red.Leaks = []*v1.Leak{{From: "vrf-blue", Policy: "some", Prefixes: 3, MaxPrefixes: 4, Over: 2}}
	if diff := cmp.Diff(red, one.GetVrf(), protocmp.Transform()); diff != "" {
		t.Error(diff)
	}
}

func TestRouteMessages(t *testing.T) {
	addr := netip.MustParseAddr
	exported := rib.RouteStatus{
		Prefix: netip.MustParsePrefix("10.1.0.0/24"), State: rib.Unresolved, Reason: "192.0.2.9 has no route in this VRF",
		Best: rib.Path{
			RD: must(rib.ParseRD("65000:10")), Label: 100,
			Attrs: &rib.Attrs{
				Via:       &rib.Via{Nexthop: addr("2001:db8::1"), LinkLocal: addr("fe80::1"), Peer: addr("192.0.2.1"), Source: "vrf-blue"},
				LocalPref: 200, MED: 5, ASPath: []uint32{65001, 65002},
				Tags: &rib.Tags{
					Communities: []rib.Community{must(rib.ParseCommunity("65001:1"))},
					Large:       []rib.LargeCommunity{{Global: 1, Local1: 2, Local2: 3}},
				},
			},
		},
		Route: rib.Route{
			Metric: 20, Kind: rib.KindUnicast,
			Hops: []rib.Hop{{Gateway: addr("192.0.2.9"), Ifindex: 2, Weight: 3}, {Ifindex: 3}},
		},
		Devices: []string{"eth0", "eth1"},
		Backup:  rib.Path{Attrs: &rib.Attrs{Via: &rib.Via{Nexthop: addr("192.0.2.8"), Peer: addr("192.0.2.7"), Source: "vrf-red"}}},
	}
	stale := rib.RouteStatus{Prefix: netip.MustParsePrefix("10.2.0.0/24"), State: rib.Stale, Reason: "not heard of yet"}
	imported := rib.RouteStatus{
		Prefix: netip.MustParsePrefix("10.3.0.0/24"), State: rib.Installed, MED: 9, Comms: []string{"65001:1", "1:2:3"},
		Route: rib.Route{Protocol: rib.ProtoStatic, Metric: 9, Kind: rib.KindUnicast},
	}
	f := newFake()
	f.routes = func(_ context.Context, d vrf.Direction, yield func(rib.RouteStatus) bool) error {
		if d == vrf.Import {
			yield(imported)
			return nil
		}
		yield(exported)
		yield(stale)
		return nil
	}
	client := v1.NewRedistributionClient(serve(t, f))
	for _, tc := range []struct {
		d    v1.Direction
		want []*v1.Route
	}{
		{v1.Direction_DIRECTION_EXPORT, []*v1.Route{
			{
				Prefix: "10.1.0.0/24", State: "unresolved", Reason: "192.0.2.9 has no route in this VRF",
				Hops:   []*v1.Hop{{Gateway: "192.0.2.9", Device: "eth0", Weight: 3}, {Device: "eth1", Weight: 1}},
				Metric: 20, Kind: "unicast", Rd: "65000:10", Nexthops: []string{"2001:db8::1", "fe80::1"},
				Peer: "192.0.2.1", AsPath: []uint32{65001, 65002}, LocalPref: 200, Med: 5,
				Communities: []string{"65001:1"}, LargeCommunities: []string{"1:2:3"}, Source: "vrf-blue", Label: 100,
				Backup: &v1.Backup{Nexthops: []string{"192.0.2.8"}, Peer: "192.0.2.7"},
			},
			{Prefix: "10.2.0.0/24", State: "stale", Reason: "not heard of yet"},
		}},
		{v1.Direction_DIRECTION_IMPORT, []*v1.Route{{
			Prefix: "10.3.0.0/24", State: "announced", Metric: 9, Protocol: "static", Kind: "unicast", Med: 9,
			Communities: []string{"65001:1"}, LargeCommunities: []string{"1:2:3"},
		}}},
	} {
		stream, err := client.ListRoutes(t.Context(), &v1.ListRoutesRequest{Vrf: "vrf-red", Direction: tc.d})
		if err != nil {
			t.Fatal(err)
		}
		var got []*v1.Route
		for {
			r, err := stream.Recv()
			if errors.Is(err, io.EOF) {
				break
			}
			if err != nil {
				t.Fatal(err)
			}
			got = append(got, r)
		}
		if diff := cmp.Diff(tc.want, got, protocmp.Transform()); diff != "" {
			t.Errorf("%v: %s", tc.d, diff)
		}
	}
}

func TestListRoutesEndsWithItsCaller(t *testing.T) {
	f := newFake()
	ended := make(chan struct{})
	f.routes = func(ctx context.Context, _ vrf.Direction, yield func(rib.RouteStatus) bool) error {
		defer close(ended)
		for yield(rib.RouteStatus{Prefix: netip.MustParsePrefix("10.0.0.0/8"), State: rib.Installed}) {
		}
		return ctx.Err()
	}
	client := v1.NewRedistributionClient(serve(t, f))
	ctx, cancel := context.WithCancel(t.Context())
	stream, err := client.ListRoutes(ctx, &v1.ListRoutesRequest{Direction: v1.Direction_DIRECTION_EXPORT})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := stream.Recv(); err != nil {
		t.Fatal(err)
	}
	cancel()
	select {
	case <-ended:
	case <-time.After(10 * time.Second):
		t.Error("the listing goes on without a listener")
	}
}

func TestNearest(t *testing.T) {
	known := []string{"default", "vrf-red", "vrf-blue", "tenant-1", "tenant-2"}
	for name, want := range map[string][]string{
		"vrf-rde":  {"vrf-red"},
		"VRF-BLUE": {"vrf-blue"},
		"tenant-3": {"tenant-1", "tenant-2"},
		"zzzzz":    nil,
	} {
		if got := nearest(name, known); !slices.Equal(got, want) {
			t.Errorf("%s: %v, want %v", name, got, want)
		}
	}
}
