package gobgp3

import (
	"context"
	"strings"
	"testing"

	api "github.com/osrg/gobgp/v3/api"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
)

// redConf has one VRF.
func redConf(t *testing.T) []byte {
	t.Helper()
	return toJSON(t, baseConf([]any{vrfConf("red", "65000:1", []string{"65000:1"}, []string{"65000:1"})}, nil))
}

// TestTheGroundStays: what would take it from under the configuration is refused,
// with what to do instead, and leaves everything as it was.
func TestTheGroundStays(t *testing.T) {
	s := run(t, Options{Config: redConf(t)})
	s.announce(t, "red", change("10.1.0.0/16", 5))
	ctx, cancel := context.WithTimeout(context.Background(), deadline)
	defer cancel()
	client := api.NewGobgpApiClient(dial(t, "unix:"+s.socket))
	_, start := client.StartBgp(ctx, &api.StartBgpRequest{Global: &api.Global{Asn: 65099, RouterId: "192.0.2.99", ListenPort: -1}})
	_, stop := client.StopBgp(ctx, &api.StopBgpRequest{})
	_, remove := client.DeleteVrf(ctx, &api.DeleteVrfRequest{Name: "red"})
	for _, tc := range []struct {
		err  error
		says string
	}{{start, "restart vrfredist"}, {stop, "systemctl stop vrfredist"}, {remove, "`vrfredist reload`"}} {
		if status.Code(tc.err) != codes.FailedPrecondition || !strings.Contains(tc.err.Error(), tc.says) {
			t.Errorf("%v, want FailedPrecondition with %s", tc.err, tc.says)
		}
	}
	got, err := client.GetBgp(ctx, &api.GetBgpRequest{})
	if err != nil || got.GetGlobal().GetAsn() != 65000 {
		t.Errorf("BGP is %v, %v", got, err)
	}
	s.await(t, "red", "10.1.0.0/16", count(1))
}
