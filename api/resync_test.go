package api

import (
	"context"
	"testing"

	"github.com/google/go-cmp/cmp"
	"google.golang.org/grpc/codes"
	"google.golang.org/protobuf/testing/protocmp"

	v1 "github.com/vrfredist/vrfredist/api/v1"
)

func TestResync(t *testing.T) {
	client := v1.NewRedistributionClient(serve(t, newFake()))
	red := &v1.Repair{
		Vrf: "vrf-red", Own: 9, Foreign: 8, Missing: 1, Altered: 2, Strange: 3, Unmended: 4, Objects: 5, Announcements: 6,
	}
	for name, want := range map[string][]*v1.Repair{
		"vrf-red": {red},
		"":        {{Vrf: "default", Error: `VRF "default": resync: it has no table now: waiting for table 7`}, red},
	} {
		got, err := client.Resync(t.Context(), &v1.ResyncRequest{Vrf: name})
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(want, got.GetRepairs(), protocmp.Transform()); diff != "" {
			t.Errorf("VRF %q: %s", name, diff)
		}
		if diff := cmp.Diff([]string{"restored " + name}, got.GetBgp()); diff != "" {
			t.Errorf("what was put right in BGP for VRF %q: %s", name, diff)
		}
	}
	_, err := client.Resync(t.Context(), &v1.ResyncRequest{Vrf: "default"})
	wantCode(t, err, codes.FailedPrecondition, "waiting for table 7")
	_, err = client.Resync(t.Context(), &v1.ResyncRequest{Vrf: "vrf-idle"})
	wantCode(t, err, codes.FailedPrecondition, "vrf-idle", "enable")
	_, err = client.Resync(t.Context(), &v1.ResyncRequest{Vrf: "nobody"})
	wantCode(t, err, codes.NotFound, "nobody")

	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	_, err = New(newFake()).Resync(ctx, &v1.ResyncRequest{})
	wantCode(t, err, codes.Canceled)
}
