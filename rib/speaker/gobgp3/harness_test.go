package gobgp3

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"log/slog"
	"net"
	"net/netip"
	"path/filepath"
	"sync"
	"testing"
	"time"

	api "github.com/osrg/gobgp/v3/api"
	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials/insecure"

	"github.com/vrfredist/vrfredist/rib"
)

// Two BgpServers in one process share GoBGP's package variables of path
// selection; all tests but one leave them at their defaults, and none runs in
// parallel with another.

const deadline = 20 * time.Second

func prefix(s string) netip.Prefix { return netip.MustParsePrefix(s) }

func rt(t testing.TB, s string) rib.RT {
	t.Helper()
	v, err := parseRT(s)
	if err != nil {
		t.Fatal(err)
	}
	return v
}

func rd(t testing.TB, s string) rib.RD {
	t.Helper()
	v, err := parseRD(s)
	if err != nil {
		t.Fatal(err)
	}
	return v
}

// eventually waits for ok with a deadline.
func eventually(t testing.TB, what string, ok func() bool) {
	t.Helper()
	tick := time.NewTicker(10 * time.Millisecond)
	defer tick.Stop()
	for end := time.After(deadline); !ok(); {
		select {
		case <-tick.C:
		case <-end:
			t.Fatalf("not in time: %s", what)
		}
	}
}

// freePort returns a TCP port that was free on every loopback address.
func freePort(t testing.TB) int {
	t.Helper()
	l, err := net.Listen("tcp", "0.0.0.0:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	return l.Addr().(*net.TCPAddr).Port
}

// syncBuffer is a log that two goroutines can use.
type syncBuffer struct {
	mu  sync.Mutex
	buf bytes.Buffer
}

func (b *syncBuffer) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.buf.Write(p)
}

func (b *syncBuffer) String() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.buf.String()
}

type obj = map[string]any

func toJSON(t testing.TB, v any) []byte {
	t.Helper()
	b, err := json.Marshal(v)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func vrfConf(name, rd string, imports, exports []string) obj {
	return obj{"config": obj{"name": name, "rd": rd, "import-rt-list": imports, "export-rt-list": exports}}
}

// neighborConf is a neighbour at 127.0.0.x that we dial.
func neighborConf(addr string, as, port int, families ...string) obj {
	n := obj{
		"config":    obj{"neighbor-address": addr, "peer-as": as},
		"transport": obj{"config": obj{"remote-port": port, "local-address": "127.0.0.1"}},
		"timers":    obj{"config": obj{"connect-retry": 1, "idle-hold-time-after-reset": 1}},
	}
	var list []any
	for _, f := range families {
		list = append(list, obj{"config": obj{"afi-safi-name": f}, "mp-graceful-restart": obj{"config": obj{"enabled": true}}})
	}
	n["afi-safis"] = list
	// GoBGP sends End-of-RIB only where graceful restart was negotiated.
	n["graceful-restart"] = obj{"config": obj{"enabled": true, "restart-time": 5}}
	return n
}

func baseConf(vrfs, neighbors []any) obj {
	return obj{
		"global":    obj{"config": obj{"as": 65000, "router-id": "192.0.2.1", "port": -1}},
		"vrfs":      vrfs,
		"neighbors": neighbors,
	}
}

var allFamilies = []string{"ipv4-unicast", "ipv6-unicast", "l3vpn-ipv4-unicast", "l3vpn-ipv6-unicast"}

// running is a speaker that runs.
type running struct {
	*Speaker
	socket string
	log    *syncBuffer
}

func run(t testing.TB, o Options) *running {
	t.Helper()
	return runWith(t, o, func(*Speaker) {})
}

// runWith runs a speaker that was prepared.
func runWith(t testing.TB, o Options, prepare func(*Speaker)) *running {
	t.Helper()
	r := &running{log: new(syncBuffer), socket: filepath.Join(t.TempDir(), "api.sock")}
	o.Listen = append([]string{"unix://" + r.socket}, o.Listen...)
	o.Logger = slog.New(slog.NewTextHandler(r.log, nil))
	s, err := New(o)
	if err != nil {
		t.Fatal(err)
	}
	prepare(s)
	r.Speaker = s
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- s.Run(ctx) }()
	t.Cleanup(func() {
		cancel()
		if err := <-done; err != nil {
			t.Errorf("Run: %v", err)
		}
		sctx, cancel := context.WithTimeout(context.Background(), deadline)
		defer cancel()
		if err := s.Stop(sctx, false); err != nil {
			t.Errorf("Stop: %v", err)
		}
		if t.Failed() {
			t.Logf("the speaker's log:\n%s", r.log)
		}
	})
	select {
	case <-s.Started():
	case err := <-done:
		done <- nil
		t.Fatalf("Run ended: %v", err)
	case <-time.After(deadline):
		t.Fatal("not started in time")
	}
	return r
}

func (r *running) feed(t testing.TB, vrf string) *rib.Feed {
	t.Helper()
	f, err := r.Feed(vrf)
	if err != nil {
		t.Fatal(err)
	}
	return f
}

// await waits until the paths of a prefix are as ok wants them.
func (r *running) await(t testing.TB, vrf, p string, ok func([]rib.Path) bool) []rib.Path {
	t.Helper()
	f := r.feed(t, vrf)
	var paths []rib.Path
	eventually(t, fmt.Sprintf("the paths of %s in VRF %s", p, vrf), func() bool {
		paths = f.Lookup(prefix(p))
		return ok(paths)
	})
	return paths
}

func count(n int) func([]rib.Path) bool { return func(p []rib.Path) bool { return len(p) == n } }

// converged tells whether a feed has of both families all that it awaits.
func converged(f *rib.Feed) bool { return f.Converged(rib.IPv4) && f.Converged(rib.IPv6) }

// client is one of GoBGP's own API.
func (r *running) client(t testing.TB) api.GobgpApiClient {
	t.Helper()
	conn, err := grpc.NewClient("unix:"+r.socket, grpc.WithTransportCredentials(insecure.NewCredentials()))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = conn.Close() })
	return api.NewGobgpApiClient(conn)
}
