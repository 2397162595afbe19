package api

import (
	"context"
	"errors"
	"fmt"
	"os"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/peer"
	"google.golang.org/protobuf/testing/protocmp"

	"github.com/vrfredist/vrfredist/api/access"
	v1 "github.com/vrfredist/vrfredist/api/v1"
	"github.com/vrfredist/vrfredist/vrf"
)

func TestListNeighbors(t *testing.T) {
	client := v1.NewRedistributionClient(serve(t, newFake()))
	in := func(vrf string) *v1.Neighbor {
		return &v1.Neighbor{Address: "10.0.0.2", PeerAs: 65001, Alias: "127.1.0.5", Netns: vrf, State: "established", SinceUnix: 7, Vrf: vrf}
	}
	deleted := &v1.Neighbor{
		Address: "fe80::1%lan0", PeerAs: 65003, State: "deleted", Reason: "BGP has it no more: deleted by uid 7 (gobgp, pid 8)",
		Vrf: "vrf-red", Origin: "configuration", Interface: "lan0", Removed: []*v1.Removed{{Reason: "route target", Count: 3}},
	}
	for _, c := range []struct {
		vrf, name string
		want      []*v1.Neighbor
	}{
		{"", "", []*v1.Neighbor{in("default"), in("vrf-red"), deleted}},
		{"vrf-red", "", []*v1.Neighbor{in("vrf-red"), deleted}},
		{"vrf-red", "127.1.0.5", []*v1.Neighbor{in("vrf-red")}},
		{"", "10.0.0.2", []*v1.Neighbor{in("default"), in("vrf-red")}},
		{"", "fe80::1", []*v1.Neighbor{deleted}},
		{"", "fe80::1%lan0", []*v1.Neighbor{deleted}},
		{"", "lan0", []*v1.Neighbor{deleted}},
		{"vrf-idle", "", nil},
	} {
		got, err := client.ListNeighbors(t.Context(), &v1.ListNeighborsRequest{Vrf: c.vrf, Name: c.name})
		if err != nil {
			t.Fatalf("VRF %q, name %q: %v", c.vrf, c.name, err)
		}
		if diff := cmp.Diff(c.want, got.GetNeighbors(), protocmp.Transform()); diff != "" {
			t.Errorf("VRF %q, name %q: %s", c.vrf, c.name, diff)
		}
	}
	for _, c := range []struct {
		vrf, name string
		code      codes.Code
		says      string
	}{
		{"nobody", "", codes.NotFound, "nobody"},
		{"", "10.0.0.9", codes.NotFound, "10.0.0.9"},
		{"", "fe80::1%lan1", codes.NotFound, "fe80::1%lan1"},
		{"", "lan9", codes.NotFound, "lan9"},
		{"", "core router", codes.InvalidArgument, "name"},
	} {
		_, err := client.ListNeighbors(t.Context(), &v1.ListNeighborsRequest{Vrf: c.vrf, Name: c.name})
		wantCode(t, err, c.code, c.says)
	}
}

// countingOnce notes what it is asked to count, and counts all but the first.
type countingOnce struct {
	*fake
	asked [][]vrf.Session
	most  []int
}

func (c *countingOnce) CountRoutes(ctx context.Context, of []vrf.Session, most int, yield func(which, accepted, advertised int)) error {
	c.asked, c.most = append(c.asked, of), append(c.most, most)
	for i := range of[1:] {
		yield(i+1, 3, 4)
	}
	return errors.New("the first is gone")
}

// TestAListIsCountedAtOnce: the routes of a list of neighbours are counted by one question with a
// bound, those of one neighbour without; who has no session is not counted, and what could not be
// counted is not told.
func TestAListIsCountedAtOnce(t *testing.T) {
	f := &countingOnce{fake: newFake()}
	client := v1.NewRedistributionClient(serve(t, f))
	list, err := client.ListNeighbors(t.Context(), &v1.ListNeighborsRequest{Count: true})
	if err != nil {
		t.Fatal(err)
	}
	if len(f.asked) != 1 || len(f.asked[0]) != 2 || f.most[0] == 0 {
		t.Fatalf("asked to count %v, at most %v", f.asked, f.most)
	}
	for i, n := range list.GetNeighbors() {
		if counted := n.Accepted != nil && n.Advertised != nil; counted != (i == 1) {
			t.Errorf("neighbour %d: %v", i, n)
		}
	}
	if n := list.GetNeighbors()[1]; n.GetAccepted() != 3 || n.GetAdvertised() != 4 {
		t.Errorf("the second has %v", n)
	}
	if _, err := client.ListNeighbors(t.Context(), &v1.ListNeighborsRequest{Count: true, Name: "10.0.0.2"}); err != nil {
		t.Fatal(err)
	}
	if len(f.most) != 2 || f.most[1] != 0 {
		t.Errorf("one that is named is counted up to %v", f.most)
	}
}

// TestANeighbourWithoutAnAddress is named by its interface.
func TestANeighbourWithoutAnAddress(t *testing.T) {
	if m := neighborMessage(vrf.Session{Interface: "lan0", State: "pending"}); m.GetAddress() != "lan0" {
		t.Errorf("it is called %q", m.GetAddress())
	}
}

// TestWho: who made a change can be found again.
func TestWho(t *testing.T) {
	own, err := os.ReadFile("/proc/self/comm")
	if err != nil {
		t.Skip("there is no /proc")
	}
	pid := int32(os.Getpid())
	for want, c := range map[string]access.Caller{
		fmt.Sprintf("uid 7 (%s, pid %d)", strings.TrimSpace(string(own)), pid): {Way: access.Socket, UID: 7, PID: pid},
		"uid 7":                               {Way: access.Socket, UID: 7}, // of another process namespace
		`the holder of the certificate "noc"`: {Way: access.Certificate, Names: []string{"noc"}},
		"a user of this host, over TCP without TLS": {Way: access.Loopback},
	} {
		ctx := peer.NewContext(t.Context(), &peer.Peer{AuthInfo: &connection{caller: c}})
		if got := Who(ctx); got != want {
			t.Errorf("%q, want %q", got, want)
		}
	}
	if got := Who(context.Background()); got != "an unknown caller" {
		t.Errorf("nobody is %q", got)
	}
	if got := printable("a\x1b[31m\nb\xff"); got != "a?[31m?b?" {
		t.Errorf("a name that is none is shown as %q", got)
	}
}
