package api

import (
	"context"
	"errors"
	"io"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/credentials/insecure"
	healthpb "google.golang.org/grpc/health/grpc_health_v1"
	"google.golang.org/grpc/status"

	"github.com/vrfredist/vrfredist/api/access"
	v1 "github.com/vrfredist/vrfredist/api/v1"
	"github.com/vrfredist/vrfredist/rib"
	"github.com/vrfredist/vrfredist/vrf"
)

const patient = 20 * time.Second

// behind serves a listener behind a door.
func behind(t *testing.T, d *Door, l net.Listener, b Backend) {
	t.Helper()
	server := NewGateway(d, b)
	ended := make(chan error)
	go func() { ended <- server.Serve(l) }()
	t.Cleanup(func() {
		server.Stop()
		if err := <-ended; err != nil && !errors.Is(err, grpc.ErrServerStopped) { // stopped before it served
			t.Error(err)
		}
	})
}

func listenUnix(t *testing.T) (net.Listener, string) {
	t.Helper()
	path := filepath.Join(t.TempDir(), "s")
	l, err := net.Listen("unix", path)
	if err != nil {
		t.Fatal(err)
	}
	return l, "unix://" + path
}

func listenTCP(t *testing.T, address string) (net.Listener, string) {
	t.Helper()
	l, err := net.Listen("tcp", address)
	if err != nil {
		t.Fatal(err)
	}
	return l, l.Addr().String()
}

func connect(t *testing.T, target string) *grpc.ClientConn {
	t.Helper()
	conn, err := grpc.NewClient(target, grpc.WithTransportCredentials(insecure.NewCredentials()))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { conn.Close() })
	return conn
}

func check(t *testing.T, conn *grpc.ClientConn) error {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), patient)
	defer cancel()
	_, err := healthpb.NewHealthClient(conn).Check(ctx, &healthpb.HealthCheckRequest{})
	return err
}

// eventually waits for ok with a deadline.
func eventually(t *testing.T, what string, ok func() bool) {
	t.Helper()
	tick := time.NewTicker(10 * time.Millisecond)
	defer tick.Stop()
	for end := time.After(patient); !ok(); {
		select {
		case <-tick.C:
		case <-end:
			t.Fatalf("not in time: %s", what)
		}
	}
}

func (d *Door) count() (open, refused int) {
	d.accounts.mu.Lock()
	defer d.accounts.mu.Unlock()
	return len(d.guests.open), d.guests.refused
}

// loopback is a policy under which TCP of this host has a role: what comes over
// it is nobody's, and never the owner's.
func loopback(r access.Role) access.Policy {
	return access.Policy{Entries: []access.Entry{{Role: r, Loopback: true}}}
}

func TestConnectionsOfOneUserAreBounded(t *testing.T) {
	limits := access.DefaultLimits()
	limits.ConnectionsPerUser = 3
	d := NewDoor(limits, loopback(access.Read), nil, nil)
	l, target := listenTCP(t, "127.0.0.1:0")
	behind(t, d, l, newFake())
	conns := make([]*grpc.ClientConn, 3)
	for i := range conns {
		conns[i] = connect(t, target)
		if err := check(t, conns[i]); err != nil {
			t.Fatal(err)
		}
	}
	wantCode(t, check(t, connect(t, target)), codes.ResourceExhausted, "has 3 connections open already, which is the limit", "connections_per_user")
	conns[0].Close()
	eventually(t, "a place is free again", func() bool { return check(t, connect(t, target)) == nil })
}

func TestConnectionsOfAllAreBounded(t *testing.T) {
	limits := access.DefaultLimits()
	limits.Connections = 2
	d := NewDoor(limits, loopback(access.Read), nil, nil)
	tcp, target := listenTCP(t, "127.0.0.1:0")
	behind(t, d, tcp, newFake())
	for range 2 {
		if err := check(t, connect(t, target)); err != nil {
			t.Fatal(err)
		}
	}
	wantCode(t, check(t, connect(t, target)), codes.ResourceExhausted, "2 connections are open already")
	// Beyond those that are told why, a connection is closed.
	for range maxRefusedPerUser + 5 {
		conn, err := net.Dial("tcp", target)
		if err != nil {
			t.Fatal(err)
		}
		defer conn.Close()
	}
	eventually(t, "the refused are as many as may be", func() bool { _, refused := d.count(); return refused == maxRefusedPerUser })
	eventually(t, "the refused are gone", func() bool { open, refused := d.count(); return open == 2 && refused == 0 })
}

// TestConnectionsGiveTheirPlaceBack however they end: before a call, in the
// middle of the preface, and after a call.
func TestConnectionsGiveTheirPlaceBack(t *testing.T) {
	limits := access.DefaultLimits()
	limits.Handshake = time.Second
	d := NewDoor(limits, loopback(access.Read), nil, nil)
	l, target := listenTCP(t, "127.0.0.1:0")
	behind(t, d, l, newFake())
	for i := range 30 {
		conn, err := net.Dial("tcp", target)
		if err != nil {
			t.Fatal(err)
		}
		if i%2 == 0 {
			if _, err := io.WriteString(conn, "PRI * HT"); err != nil {
				t.Fatal(err)
			}
		}
		conn.Close()
	}
	if err := check(t, connect(t, target)); err != nil {
		t.Fatal(err)
	}
	eventually(t, "one is open", func() bool { open, _ := d.count(); return open == 1 })
}

func TestASilentConnectionIsClosed(t *testing.T) {
	limits := access.DefaultLimits()
	limits.Handshake = 200 * time.Millisecond
	d := NewDoor(limits, loopback(access.Read), nil, nil)
	l, target := listenTCP(t, "127.0.0.1:0")
	behind(t, d, l, newFake())
	conn, err := net.Dial("tcp", target)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	if err := conn.SetDeadline(time.Now().Add(patient)); err != nil {
		t.Fatal(err)
	}
	if _, err := io.Copy(io.Discard, conn); errors.Is(err, os.ErrDeadlineExceeded) {
		t.Error("the server waits on")
	}
	eventually(t, "its place is free", func() bool { open, _ := d.count(); return open == 0 })
}

func TestCallsOfOneConnectionAreBounded(t *testing.T) {
	limits := access.DefaultLimits()
	limits.Calls = 3
	d := NewDoor(limits, loopback(access.Read), nil, nil)
	l, target := listenTCP(t, "127.0.0.1:0")
	behind(t, d, l, newFake())
	conn := connect(t, target)
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	for range 3 {
		stream, err := v1.NewRedistributionClient(conn).WatchVrfs(ctx, &v1.WatchVrfsRequest{})
		if err != nil {
			t.Fatal(err)
		}
		if _, err := stream.Recv(); err != nil {
			t.Fatal(err)
		}
	}
	wantCode(t, check(t, conn), codes.ResourceExhausted, "3 calls are under way on this connection, which is the limit")
	if err := check(t, connect(t, target)); err != nil {
		t.Errorf("another connection: %v", err)
	}
	cancel()
	eventually(t, "a call ended", func() bool { return check(t, conn) == nil })
}

func TestALargeMessageIsRefused(t *testing.T) {
	limits := access.DefaultLimits()
	limits.MessageSize = 1 << 20
	d := NewDoor(limits, loopback(access.Admin), nil, nil)
	l, target := listenTCP(t, "127.0.0.1:0")
	behind(t, d, l, newFake())
	_, err := v1.NewRedistributionClient(connect(t, target)).GetVrf(t.Context(), &v1.GetVrfRequest{Vrf: strings.Repeat("x", 2<<20)})
	wantCode(t, err, codes.ResourceExhausted, "larger than max")
}

// TestRolesChangeUnderWay: a stream that was let in ends when its caller has lost
// what it was let in for, and goes on where nothing changed for it.
func TestRolesChangeUnderWay(t *testing.T) {
	d := NewDoor(access.DefaultLimits(), loopback(access.Read), nil, nil)
	l, target := listenTCP(t, "127.0.0.1:0")
	f := newFake()
	next := make(chan struct{})
	f.routes = func(ctx context.Context, _ vrf.Direction, yield func(rib.RouteStatus) bool) error {
		for ctx.Err() == nil && yield(rib.RouteStatus{State: rib.Installed}) {
			select {
			case <-next:
			case <-ctx.Done():
			}
		}
		return ctx.Err()
	}
	behind(t, d, l, f)
	ctx, cancel := context.WithTimeout(t.Context(), patient)
	defer cancel()
	stream, err := v1.NewRedistributionClient(connect(t, target)).ListRoutes(ctx, &v1.ListRoutesRequest{Vrf: "vrf-red", Direction: v1.Direction_DIRECTION_EXPORT})
	if err != nil {
		t.Fatal(err)
	}
	receive := func() error {
		t.Helper()
		_, err := stream.Recv()
		return err
	}
	if err := receive(); err != nil {
		t.Fatal(err)
	}
	p := loopback(access.Read)
	p.Entries = append(p.Entries, access.Entry{Role: access.Admin, UIDs: []uint32{7}})
	d.Set(p, nil)
	next <- struct{}{}
	if err := receive(); err != nil {
		t.Fatalf("another's role was changed: %v", err)
	}
	d.Set(loopback("vrf:vrf-blue"), nil)
	next <- struct{}{}
	wantCode(t, receive(), codes.PermissionDenied, "have changed")
}

// TestTheOwnerIsAdmin: root, and who runs the daemon, whatever the policy says.
func TestTheOwnerIsAdmin(t *testing.T) {
	d := NewDoor(access.DefaultLimits(), loopback(access.Read), nil, nil)
	l, target := listenUnix(t)
	f := newFake()
	f.reload = func() ([]string, error) { return nil, nil }
	behind(t, d, l, f)
	if _, err := v1.NewRedistributionClient(connect(t, target)).Reload(t.Context(), &v1.ReloadRequest{}); err != nil {
		t.Error(err)
	}
}

// TestWithoutADoorNothingIsSeen: a server that was put together without one.
func TestWithoutADoorNothingIsSeen(t *testing.T) {
	l, target := listenUnix(t)
	server := grpc.NewServer()
	New(newFake()).register(server)
	ended := make(chan error)
	go func() { ended <- server.Serve(l) }()
	defer func() { server.Stop(); <-ended }()
	client := v1.NewRedistributionClient(connect(t, target))
	list, err := client.ListVrfs(t.Context(), &v1.ListVrfsRequest{})
	if err != nil || len(list.GetVrfs()) > 0 {
		t.Errorf("%v, %v", list, err)
	}
	_, err = client.EnableRedistribution(t.Context(), &v1.EnableRedistributionRequest{Vrf: "vrf-red"})
	if status.Code(err) == codes.OK {
		t.Error("it changes a VRF")
	}
}

func TestPlainTCPFromElsewhereIsRefused(t *testing.T) {
	address := ""
	addrs, err := net.InterfaceAddrs()
	if err != nil {
		t.Fatal(err)
	}
	for _, a := range addrs {
		if p, ok := a.(*net.IPNet); ok && !p.IP.IsLoopback() && p.IP.To4() != nil {
			address = p.IP.String() + ":0"
		}
	}
	if address == "" {
		t.Skip("this host has loopback addresses alone")
	}
	d := NewDoor(access.DefaultLimits(), access.Policy{}, nil, nil)
	l, target := listenTCP(t, address)
	behind(t, d, l, newFake())
	wantCode(t, check(t, connect(t, target)), codes.Unavailable)
}
