package gobgp3

import (
	"bytes"
	"context"
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

	"github.com/vrfredist/vrfredist/integration/patience"
	"github.com/vrfredist/vrfredist/rib"
	"github.com/vrfredist/vrfredist/rib/speaker/gobgp3/conf"
	"github.com/vrfredist/vrfredist/rib/speaker/gobgp3/conf/conftest"
)

// Two BgpServers in one process share GoBGP's package variables of path
// selection; all tests but one leave them at their defaults, and none runs in
// parallel with another.

const deadline = 20 * time.Second

// stretch is how many times as long a loaded machine has: GoBGP takes in tens of thousands of
// routes in some tests. What ends by itself, as a restart time of 60 s does, takes longer.
const stretch = 2.5

func prefix(s string) netip.Prefix { return netip.MustParsePrefix(s) }

func rt(t testing.TB, s string) rib.RT {
	t.Helper()
	v, err := rib.ParseRT(s)
	if err != nil {
		t.Fatal(err)
	}
	return v
}

func rd(t testing.TB, s string) rib.RD {
	t.Helper()
	v, err := rib.ParseRD(s)
	if err != nil {
		t.Fatal(err)
	}
	return v
}

// eventually waits for ok with a deadline, longer where the machine is loaded, and looks once
// more behind it: a look that takes seconds then says what was so when it began.
func eventually(t testing.TB, what string, ok func() bool) {
	t.Helper()
	tick := time.NewTicker(10 * time.Millisecond)
	defer tick.Stop()
	began, over := time.Now(), false
	for !ok() {
		if over {
			t.Fatalf("not in time: %s", what)
		}
		<-tick.C
		waited := time.Since(began)
		over = waited > deadline && waited > patience.Stretch(deadline, stretch)
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

type obj = conftest.Obj

var (
	toJSON       = conftest.JSON
	baseConf     = conftest.Base
	vrfConf      = conftest.VRF
	neighborConf = conftest.Neighbor
	byInterface  = conftest.ByInterface
	inVRF        = conftest.InVRF
	set          = conftest.Set
	goodConf     = conftest.Good
	allFamilies  = conftest.Families()
)

func readConf(t testing.TB, c obj, extras rib.Extras) *conf.Config {
	t.Helper()
	read, err := conf.Read(toJSON(t, c), extras, nil)
	if err != nil {
		t.Fatal(err)
	}
	return read
}

// running is a speaker that runs.
type running struct {
	*Speaker
	socket string
	log    *syncBuffer
	done   chan error // what Run returned
}

func run(t testing.TB, o Options) *running {
	t.Helper()
	return runWith(t, o, func(*Speaker) {})
}

// runWith runs a speaker that was prepared.
func runWith(t testing.TB, o Options, prepare func(*Speaker)) *running {
	t.Helper()
	r := launch(t, o, prepare)
	r.awaitStart(t)
	return r
}

// launch is runWith, and does not wait.
func launch(t testing.TB, o Options, prepare func(*Speaker)) *running {
	t.Helper()
	r := &running{log: new(syncBuffer), socket: filepath.Join(t.TempDir(), "api.sock"), done: make(chan error, 1)}
	o.Listen = append([]string{"unix://" + r.socket}, o.Listen...)
	o.Logger = slog.New(slog.NewTextHandler(r.log, &slog.HandlerOptions{Level: slog.LevelDebug})) // GoBGP's own words too
	s, err := New(o)
	if err != nil {
		t.Fatal(err)
	}
	prepare(s)
	r.Speaker = s
	ctx, cancel := context.WithCancel(context.Background())
	go func() { r.done <- s.Run(ctx) }()
	t.Cleanup(func() {
		cancel()
		if err := <-r.done; err != nil {
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
	return r
}

func (r *running) awaitStart(t testing.TB) {
	t.Helper()
	select {
	case <-r.Started():
	case err := <-r.done:
		r.done <- nil
		t.Fatalf("Run ended: %v", err)
	case <-time.After(deadline):
		t.Fatal("not started in time")
	}
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

// allParts waits until GoBGP's loop has done all that it does in parts.
func (r *running) allParts(t testing.TB) {
	t.Helper()
	eventually(t, "all that is done in parts is done", func() (is bool) {
		_ = r.keeper.inLoop(func() error { is = len(r.keeper.whole.parts.jobs) == 0; return nil })
		return is
	})
}
