package faults_test

import (
	"context"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	vrfredistv1 "github.com/vrfredist/vrfredist/api/v1"
	"github.com/vrfredist/vrfredist/integration/faults/oracle"
	"github.com/vrfredist/vrfredist/integration/netns/lab"
)

// The users of the row: nobody's, the operators of tenant-0 and tenant-1, and one who
// may read.
const (
	stranger = 31990 + iota
	operator0
	other0
	operator1
	reader
)

const abuseRoles = `
[[netlink.api.roles]]
  role = "vrf:tenant-0"
  users = [31991, 31992]
[[netlink.api.roles]]
  role = "vrf:tenant-1"
  users = [31993]
[[netlink.api.roles]]
  role = "read"
  users = [31994]
`

// Users of the host do to the API what they like: those without a role, and those
// with one. It costs the daemon what its limits say; root, another tenant and the
// service manager notice nothing.
func TestFault50Abuse(t *testing.T) {
	n := min(routes, 20_000)
	y := newTenancy(t, 2)
	y.letIn()
	dog := y.watchdog()
	y.daemon = y.rtr.DaemonAs([]string{"env", "NOTIFY_SOCKET=" + dog.path, "WATCHDOG_USEC=3000000"}, y.config()+abuseRoles)
	y.bird.Reconfigure(vpnConfig(vpnRoutes("t0", "65100:1", 0, prefixes4(n)...)))
	oracle.New(t, y.tenants[0].ns, run.Protocol).Wait(lab.Main, by(prefixes4(n), leg1), limit())
	if err := os.Chmod(y.socket(), 0o666); err != nil { // the roles are what is tried here
		t.Fatal(err)
	}
	before := y.resident()
	a := &abuse{tenancy: y, until: make(chan struct{})}
	list := &vrfredistv1.ListRoutesRequest{Vrf: "tenant-0", Direction: vrfredistv1.Direction_DIRECTION_EXPORT}
	for range 40 {
		a.running.Go(func() { a.half(stranger, 100, "/apipb.GobgpApi/AddPathStream", 4<<20, 16<<10) })
		a.running.Go(func() { a.half(operator0, 64, vrfredistv1.Redistribution_GetVrf_FullMethodName, 4<<20, 16<<10) })
		a.running.Go(func() { a.half(operator0, 64, vrfredistv1.Redistribution_GetVrf_FullMethodName, 60<<10, 16<<10) })
		a.running.Go(func() { a.half(operator0, 4, vrfredistv1.Redistribution_GetVrf_FullMethodName, 60<<10, 1) })
		a.running.Go(func() { a.unread(reader, 64, vrfredistv1.Redistribution_ListRoutes_FullMethodName, list) })
		a.running.Go(func() { a.half(reader, 0, "", 0, 0) }) // idle
	}
	const changes, clients, calls = 6000, 24, 64
	for range clients {
		a.running.Go(func() { a.toggle(other0, calls, changes/clients) })
	}
	client := vrfredistv1.NewRedistributionClient(a.dial(operator1))
	var slowest, rootSlowest time.Duration
	peak, tries := 0, 0
	for end := time.Now().Add(15 * time.Second); time.Now().Before(end) || a.toggled.Load() < changes; tries++ {
		if time.Now().After(end.Add(limit())) {
			t.Fatalf("%d of %d changes were answered", a.toggled.Load(), changes)
		}
		began := time.Now()
		ctx, cancel := context.WithTimeout(t.Context(), limit())
		if _, err := client.EnableRedistribution(ctx, &vrfredistv1.EnableRedistributionRequest{Vrf: "tenant-1", CommunityList: []string{fmt.Sprintf("65000:%d", tries)}}); err != nil {
			t.Errorf("another tenant's change: %v", err)
		}
		cancel()
		slowest = max(slowest, time.Since(began))
		began = time.Now()
		y.daemon.Do("vrf")
		rootSlowest = max(rootSlowest, time.Since(began))
		peak = max(peak, y.resident()-before)
	}
	gap := dog.worst()
	close(a.until)
	a.running.Wait()
	// What the lab builds has the race detector, whose memory is several times more.
	if peak > 200<<20 && os.Getenv(lab.DaemonEnv) != "" {
		t.Errorf("the daemon grew by %d MiB", peak>>20)
	}
	if gap > 3*time.Second {
		t.Errorf("the service manager heard nothing for %s, and would have killed the daemon", round(gap))
	}
	if a.let.Load() == 0 || a.refused.Load() == 0 {
		t.Errorf("of the 6,000 changes %d were made, and %d refused: this proves nothing", a.let.Load(), a.refused.Load())
	}
	promised(t, fmt.Sprintf("%d changes of another tenant, the slowest", tries), slowest, 2*time.Second)
	promised(t, "root's command, the slowest", rootSlowest, 2*time.Second)
	measured(t, "memory %+d MiB at the most; %d changes made and %d refused of who stormed; the watchdog fed each %s at the latest", peak>>20, a.let.Load(), a.refused.Load(), round(gap))
}

// letIn lets other users reach the daemon's socket.
func (y *tenancy) letIn() {
	y.T.Helper()
	for _, d := range []string{y.Dir, filepath.Dir(y.Dir)} {
		if err := os.Chmod(d, 0o755); err != nil {
			y.T.Fatal(err)
		}
	}
}

func (y *tenancy) socket() string { return strings.TrimPrefix(y.daemon.Target(), "unix://") }

// resident is the daemon's memory.
func (y *tenancy) resident() int { return (&network{Lab: y.Lab, daemon: y.daemon}).memory() }

// watchdog is a service manager that notes how long it hears nothing.
type watchdog struct {
	path string
	mu   sync.Mutex
	last time.Time     // guarded by mu
	gap  time.Duration // guarded by mu
}

func (y *tenancy) watchdog() *watchdog {
	y.T.Helper()
	w := &watchdog{path: filepath.Join(y.Dir, "notify")}
	conn, err := net.ListenUnixgram("unixgram", &net.UnixAddr{Name: w.path, Net: "unixgram"})
	if err != nil {
		y.T.Fatal(err)
	}
	y.T.Cleanup(func() { conn.Close() })
	go func() {
		b := make([]byte, 4096)
		for {
			n, err := conn.Read(b)
			if err != nil {
				return
			}
			if strings.Contains(string(b[:n]), "WATCHDOG=1") {
				w.note(time.Now())
			}
		}
	}()
	return w
}

func (w *watchdog) note(at time.Time) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if !w.last.IsZero() {
		w.gap = max(w.gap, at.Sub(w.last))
	}
	w.last = at
}

// worst is the longest time without a word, up to now.
func (w *watchdog) worst() time.Duration {
	w.mu.Lock()
	defer w.mu.Unlock()
	return max(w.gap, time.Since(w.last))
}
