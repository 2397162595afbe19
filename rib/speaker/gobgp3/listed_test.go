package gobgp3

import (
	"context"
	"testing"

	api "github.com/osrg/gobgp/v3/api"
	"google.golang.org/protobuf/proto"
)

// TestReadVRFs: they are read as GoBGP lists them, with RDs and route targets of each kind.
func TestReadVRFs(t *testing.T) {
	s := run(t, Options{Config: toJSON(t, baseConf([]any{
		vrfConf("red", "65000:1", []string{"65000:1", "192.0.2.1:5"}, []string{"65000:1"}),
		vrfConf("blue", "192.0.2.1:2", []string{"64086.59904:9"}, nil),
		vrfConf("green", "64086.59904:3", nil, []string{"65000:3", "65000:4"}),
	}, nil))})
	want := make(map[string]*api.Vrf)
	if err := s.server().ListVrf(context.Background(), &api.ListVrfRequest{}, func(v *api.Vrf) { want[v.GetName()] = v }); err != nil {
		t.Fatal(err)
	}
	got, err := s.keeper.ReadVRFs()
	if err != nil || len(got) != 3 || len(want) != 3 {
		t.Fatalf("%d of %d are read, %v", len(got), len(want), err)
	}
	for _, v := range got {
		if !proto.Equal(v, want[v.GetName()]) {
			t.Errorf("%v is read as %v", want[v.GetName()], v)
		}
	}
}
