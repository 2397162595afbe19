package gobgp3

import (
	"context"
	"fmt"
	"io/fs"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	api "github.com/osrg/gobgp/v3/api"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/types/known/wrapperspb"

	"github.com/vrfredist/vrfredist/rib"
	"github.com/vrfredist/vrfredist/rib/speaker"
)

func dial(t testing.TB, target string) *grpc.ClientConn {
	t.Helper()
	conn, err := grpc.NewClient(target, grpc.WithTransportCredentials(insecure.NewCredentials()))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { conn.Close() })
	return conn
}

// TestServices: what was registered before and GoBGP's own API are served beside
// each other, on the unix socket and on TCP.
func TestServices(t *testing.T) {
	echo := grpc.ServiceDesc{ServiceName: "test.v1.Echo", HandlerType: (*any)(nil), Streams: []grpc.StreamDesc{{
		StreamName: "Say", Handler: func(_ any, stream grpc.ServerStream) error {
			in := new(wrapperspb.StringValue)
			if err := stream.RecvMsg(in); err != nil {
				return err
			}
			return stream.SendMsg(wrapperspb.String("heard " + in.Value))
		},
	}}}
	g := grpc.NewServer()
	g.RegisterService(&echo, nil)
	tcp := fmt.Sprintf("127.0.0.1:%d", freePort(t))
	s := run(t, Options{Config: toJSON(t, baseConf(nil, nil)), Server: g, Listen: []string{tcp}})
	for _, target := range []string{"unix:" + s.socket, tcp} {
		conn := dial(t, target)
		ctx, cancel := context.WithTimeout(context.Background(), deadline)
		defer cancel()
		out := new(wrapperspb.StringValue)
		if err := conn.Invoke(ctx, "/test.v1.Echo/Say", wrapperspb.String("this"), out); err != nil || out.Value != "heard this" {
			t.Errorf("%s: our service answered %q, %v", target, out.Value, err)
		}
		if err := conn.Invoke(ctx, "/test.v1.Other/Say", wrapperspb.String("this"), out); status.Code(err) != codes.Unimplemented {
			t.Errorf("%s: another service answered %v", target, err)
		}
		got, err := api.NewGobgpApiClient(conn).GetBgp(ctx, &api.GetBgpRequest{})
		if err != nil || got.Global.Asn != 65000 {
			t.Errorf("%s: GoBGP answered %v, %v", target, got, err)
		}
	}
	info, err := os.Stat(s.socket)
	if err != nil || info.Mode() != fs.ModeSocket|0o660 {
		t.Errorf("the socket's mode is %v, %v", info.Mode(), err)
	}
}

func TestStaleSocket(t *testing.T) {
	path := filepath.Join(t.TempDir(), "sub", "api.sock")
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		t.Fatal(err)
	}
	l, err := net.ListenUnix("unix", &net.UnixAddr{Name: path, Net: "unix"})
	if err != nil {
		t.Fatal(err)
	}
	l.SetUnlinkOnClose(false)
	if err := l.Close(); err != nil {
		t.Fatal(err)
	}
	s := run(t, Options{Config: toJSON(t, baseConf(nil, nil)), Listen: []string{"unix://" + path}})
	ctx, cancel := context.WithTimeout(context.Background(), deadline)
	defer cancel()
	if _, err := api.NewGobgpApiClient(dial(t, "unix:"+path)).GetBgp(ctx, &api.GetBgpRequest{}); err != nil {
		t.Errorf("on the socket that was stale: %v", err)
	}

	second, err := New(Options{Config: toJSON(t, baseConf(nil, nil)), Listen: []string{"unix://" + path}})
	if err != nil {
		t.Fatal(err)
	}
	err = second.Run(ctx)
	if err == nil || !strings.Contains(err.Error(), fmt.Sprintf("(pid %d)", os.Getpid())) {
		t.Errorf("a second instance: %v", err)
	}
	if _, err := os.Stat(path); err != nil {
		t.Errorf("the second instance took the first one's socket: %v", err)
	}
	_ = s
}

func TestListenErrors(t *testing.T) {
	dir := t.TempDir()
	plain := filepath.Join(dir, "file")
	if err := os.WriteFile(plain, []byte("precious"), 0o600); err != nil {
		t.Fatal(err)
	}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	conf := toJSON(t, baseConf(nil, nil))
	for _, addr := range []string{"0.0.0.0:50051", ":50051", "192.0.2.1:1", "unix://relative", "unix:///a,b", "nonsense", "127.0.0.1:99999", "unix:///" + strings.Repeat("x", 200)} {
		if _, err := New(Options{Config: conf, Listen: []string{addr}}); err == nil {
			t.Errorf("New took the address %q", addr)
		}
	}
	if _, err := New(Options{Config: conf, Listen: []string{"192.0.2.1:1"}, Secured: true}); err != nil {
		t.Errorf("New with TLS: %v", err)
	}
	for _, addr := range []string{"unix://" + plain, l.Addr().String()} {
		s, err := New(Options{Config: conf, Listen: []string{addr}})
		if err != nil {
			t.Fatal(err)
		}
		ctx, cancel := context.WithTimeout(context.Background(), deadline)
		defer cancel()
		if err := s.Run(ctx); err == nil || !strings.Contains(err.Error(), strings.TrimPrefix(addr, "unix://")) {
			t.Errorf("Run on %s: %v", addr, err)
		}
	}
	if b, err := os.ReadFile(plain); err != nil || string(b) != "precious" {
		t.Errorf("the file is %q, %v", b, err)
	}
}

// TestStartFails: what GoBGP answers with a Fatal is the error of Run.
func TestStartFails(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.9:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	conf := baseConf(nil, nil)
	global := conf["global"].(obj)["config"].(obj)
	global["port"], global["local-address-list"] = l.Addr().(*net.TCPAddr).Port, []string{"127.0.0.9"}
	s, err := New(Options{Config: toJSON(t, conf)})
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(context.Background(), deadline)
	defer cancel()
	if err := s.Run(ctx); err == nil || !strings.Contains(err.Error(), "address already in use; end the BGP program that listens there") {
		t.Errorf("Run: %v", err)
	}
	if err := s.Stop(ctx, false); err != nil {
		t.Errorf("Stop: %v", err)
	}
}

// TestFence: once Run has returned, nothing changes a feed: neither the end of a
// session nor that of BGP.
func TestFence(t *testing.T) {
	p := newPeer(t, "127.0.0.2", 65001, "ipv4-unicast")
	p.announce(spec{prefix: "10.1.0.0/16"}) // before the other server starts: the two share GoBGP's globals
	s, err := New(Options{Config: toJSON(t, baseConf(nil, []any{neighborConf(p.addr, 65001, p.port, "ipv4-unicast")}))})
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	done := make(chan error, 1)
	go func() { done <- s.Run(ctx) }()
	f, err := s.Feed(speaker.Default)
	if err != nil {
		t.Fatal(err)
	}
	eventually(t, "the route arrives", func() bool { return len(f.Lookup(prefix("10.1.0.0/16"))) == 1 })
	cancel()
	if err := <-done; err != nil {
		t.Fatal(err)
	}
	sctx, scancel := context.WithTimeout(context.Background(), deadline)
	defer scancel()
	if err := s.Stop(sctx, false); err != nil {
		t.Fatal(err)
	}
	// GoBGP has withdrawn everything by now: Stop waits for its sessions.
	if len(f.Lookup(prefix("10.1.0.0/16"))) != 1 {
		t.Error("the end of BGP took the route out of the feed")
	}
	if _, err := s.Reload(sctx, toJSON(t, baseConf(nil, nil)), rib.Extras{}); err == nil {
		t.Error("Reload works after the end")
	}
}

func TestStopBeforeRun(t *testing.T) {
	s, err := New(Options{Config: toJSON(t, baseConf(nil, nil))})
	if err != nil {
		t.Fatal(err)
	}
	if err := s.Stop(context.Background(), true); err != nil {
		t.Fatal(err)
	}
	done := make(chan error, 1)
	go func() { done <- s.Run(context.Background()) }()
	select {
	case err := <-done:
		if err != nil {
			t.Errorf("Run: %v", err)
		}
	case <-time.After(deadline):
		t.Fatal("Run does not end")
	}
	ctx, cancel := context.WithTimeout(context.Background(), deadline)
	defer cancel()
	if err := s.Stop(ctx, false); err != nil {
		t.Error(err)
	}
}
