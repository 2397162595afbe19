package client

import (
	"context"
	"errors"
	"net"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/proto"

	v1 "github.com/vrfredist/vrfredist/api/v1"
)

// shaky is a daemon of which the first answers get lost, and whose streams break off.
type shaky struct {
	v1.UnimplementedRedistributionServer

	mu    sync.Mutex
	lost  int
	calls int
	after []uint64
}

func (s *shaky) answer() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.calls++; s.calls <= s.lost {
		return status.Error(codes.Unavailable, "lost")
	}
	return nil
}

func (s *shaky) ApplyVrf(context.Context, *v1.ApplyVrfRequest) (*v1.ApplyVrfResponse, error) {
	return &v1.ApplyVrfResponse{Generation: 3}, s.answer()
}

func (s *shaky) DeleteVrf(context.Context, *v1.DeleteVrfRequest) (*v1.DeleteVrfResponse, error) {
	return &v1.DeleteVrfResponse{Gone: true}, s.answer()
}

func (s *shaky) ListVrfs(context.Context, *v1.ListVrfsRequest) (*v1.ListVrfsResponse, error) {
	return &v1.ListVrfsResponse{}, s.answer()
}

// WatchAudit sends two entries, and breaks off.
func (s *shaky) WatchAudit(r *v1.WatchAuditRequest, stream grpc.ServerStreamingServer[v1.AuditEntry]) error {
	s.mu.Lock()
	s.after = append(s.after, r.GetAfter())
	s.mu.Unlock()
	for n := r.GetAfter() + 1; n <= r.GetAfter()+2; n++ {
		if err := stream.Send(&v1.AuditEntry{Number: n}); err != nil {
			return err
		}
	}
	return status.Error(codes.Unavailable, "it ends")
}

func dial(t *testing.T, s *shaky, patience time.Duration) *Client {
	t.Helper()
	socket := filepath.Join(t.TempDir(), "s")
	listener, err := net.Listen("unix", socket)
	if err != nil {
		t.Fatal(err)
	}
	server := grpc.NewServer()
	v1.RegisterRedistributionServer(server, s)
	go func() { _ = server.Serve(listener) }()
	t.Cleanup(server.Stop)
	c, err := Dial(Options{Address: "unix://" + socket, Patience: patience})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = c.Close() })
	return c
}

func TestOnlyWhatChangesNothingMoreIsSentAgain(t *testing.T) {
	for name, tc := range map[string]struct {
		call  func(c *Client) error
		again bool
	}{
		"a list":        {func(c *Client) error { _, err := c.ListVrfs(t.Context(), &v1.ListVrfsRequest{}); return err }, true},
		"a declaration": {func(c *Client) error { _, err := c.ApplyVrf(t.Context(), &v1.ApplyVrfRequest{}); return err }, true},
		"with a precondition": {func(c *Client) error {
			_, err := c.ApplyVrf(t.Context(), &v1.ApplyVrfRequest{Generation: proto.Uint64(2)})
			return err
		}, false},
		"a deletion": {func(c *Client) error { _, err := c.DeleteVrf(t.Context(), &v1.DeleteVrfRequest{}); return err }, false},
	} {
		s := &shaky{lost: 2}
		if err := tc.call(dial(t, s, time.Minute)); (err == nil) != tc.again {
			t.Errorf("%s: %v after %d calls", name, err, s.calls)
		}
	}
	s := &shaky{lost: 1}
	if _, err := dial(t, s, 0).ListVrfs(t.Context(), &v1.ListVrfsRequest{}); status.Code(err) != codes.Unavailable || s.calls != 1 {
		t.Errorf("without patience: %v after %d calls", err, s.calls)
	}
}

func TestNobodyListens(t *testing.T) {
	c, err := Dial(Options{Address: filepath.Join(t.TempDir(), "nobody")})
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	if _, err := c.ListVrfs(t.Context(), &v1.ListVrfsRequest{}); status.Code(err) != codes.Unavailable || c.DialFailure() == nil {
		t.Errorf("%v, dialling: %v", err, c.DialFailure())
	}
}

// TestAWatchGoesOn where its stream broke off, and tells nothing twice.
func TestAWatchGoesOn(t *testing.T) {
	s := new(shaky)
	enough := errors.New("enough")
	var got []uint64
	err := dial(t, s, 0).FollowAudit(t.Context(), 7, func(e *v1.AuditEntry) error {
		if got = append(got, e.GetNumber()); len(got) == 5 {
			return enough
		}
		return nil
	})
	if !errors.Is(err, enough) {
		t.Fatal(err)
	}
	for i, n := range got {
		if n != uint64(8+i) {
			t.Errorf("it heard %v", got)
			break
		}
	}
}

func TestSectionsAreMessages(t *testing.T) {
	m, err := VRFOf([]byte(`{"name":"a","export":{"enabled":false,"prefsrc":"10.0.0.1"},"policies":[{"name":"a/x","rules":[{"set_communities":[]}]}]}`))
	if err != nil || m.GetExport().Enabled == nil || m.GetExport().GetPrefsrc()[0] != "10.0.0.1" || m.GetPolicies()[0].GetRules()[0].GetSetCommunities() == nil {
		t.Errorf("%v, %v", m, err)
	}
	if _, err := VRFOf([]byte(`{"nmae":"a"}`)); err == nil {
		t.Error("an unknown field is taken")
	}
	n, err := NeighborOf([]byte(`{"address":"10.0.0.2","peer_as":1,"more":{"timers":{"config":{"hold-time":9}}}}`))
	if err != nil || n.GetMore().GetFields()["timers"] == nil {
		t.Errorf("%v, %v", n, err)
	}
}

func ExampleWatch() {
	c, err := Dial(Options{Address: DefaultAddress, Patience: time.Minute})
	if err != nil {
		return
	}
	defer c.Close()
	ctx := context.Background()
	// The whole of a tenant each time: the same once more changes nothing.
	_, err = c.ApplyVrf(ctx, &v1.ApplyVrfRequest{Vrf: &v1.VrfSpec{
		Name: "red", Rd: "65000:10", BothRtList: []string{"65000:10"}, Netns: "red",
		Import: &v1.ImportSpec{Enabled: proto.Bool(true), InterfaceList: []string{"*"}},
		Export: &v1.ExportSpec{Enabled: proto.Bool(true)},
	}})
	if err != nil {
		return
	}
	ready := errors.New("ready")
	_ = Watch(ctx, func(ctx context.Context) (grpc.ServerStreamingClient[v1.WatchVrfsResponse], error) {
		return c.WatchVrfs(ctx, &v1.WatchVrfsRequest{Vrf: "red"})
	}, func(m *v1.WatchVrfsResponse) error {
		if m.GetVrf().GetState() == "ready" {
			return ready
		}
		return nil
	})
}
