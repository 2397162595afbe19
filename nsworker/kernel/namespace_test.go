package kernel

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/vrfredist/vrfredist/rib"
)

func TestOpenOfWhatIsNoNamespace(t *testing.T) {
	needRoot(t)
	h := startHost(t)
	dir := t.TempDir()
	empty := filepath.Join(dir, "empty")
	if err := os.WriteFile(empty, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	run(t, "mkfifo", filepath.Join(dir, "fifo"))
	tests := []struct {
		netns  string
		absent bool
		text   string
	}{
		{"no-such-namespace-here", true, "netns no-such-namespace-here is not there (/run/netns/no-such-namespace-here)"},
		{filepath.Join(dir, "none"), true, "is not there"},
		{filepath.Join(dir, "none", "deeper"), true, "is not there"},
		{empty, true, "is not mounted on " + empty + " yet"},
		{"/etc/passwd", false, "/etc/passwd is not a network namespace"},
		{dir, false, "is not a network namespace"},
		{filepath.Join(dir, "fifo"), false, "is not a network namespace"},
		{"/dev/null", false, "is not a network namespace"},
		{"/proc/self/ns/mnt", false, "is a namespace, but not a network namespace"},
		{"../etc", false, `invalid namespace name "../etc"`},
		{"..", false, "invalid namespace name"},
		{"a/b", false, "invalid namespace name"},
		{"a\x00b", false, "invalid namespace name"},
		{strings.Repeat("n", 256), false, "invalid namespace name"},
	}
	for _, tt := range tests {
		c, err := h.Open(t.Context(), rib.Binding{Netns: tt.netns}, rib.ProtoOwn)
		if err == nil {
			c.Close()
			t.Errorf("%q was opened", tt.netns)
			continue
		}
		if errors.Is(err, rib.ErrAbsent) != tt.absent || !strings.Contains(err.Error(), tt.text) {
			t.Errorf("%q: %v (absent: %v)", tt.netns, err, errors.Is(err, rib.ErrAbsent))
		}
	}
}

func TestBindings(t *testing.T) {
	ns := netns(t)
	h := startHost(t)
	byName := open(t, h, rib.Binding{Netns: ns})
	byPath := open(t, h, rib.Binding{Netns: rib.NetnsDir + "/" + ns, Table: 7})
	own := open(t, h, rib.Binding{})
	if w := byName.Where(); w.Table != 254 || w.Device != 0 || w.Inode == 0 {
		t.Errorf("by name: %+v", w)
	}
	if w := byPath.Where(); w.Table != 7 || !w.SameNamespace(byName.Where()) {
		t.Errorf("by path: %+v", w)
	}
	if byPath.mon != byName.mon {
		t.Error("two monitors in one namespace")
	}
	if own.Where().SameNamespace(byName.Where()) || own.Where().Table != 254 {
		t.Errorf("own: %+v", own.Where())
	}
	if _, err := h.Open(t.Context(), rib.Binding{Device: "x", Table: 7}, rib.ProtoOwn); err == nil {
		t.Error("a device and a table at once")
	}
}

// TestNothingFallsIntoAnotherNamespace writes to two namespaces at once.
func TestNothingFallsIntoAnotherNamespace(t *testing.T) {
	a, b := lab(t), lab(t)
	h := startHost(t)
	ca, cb := open(t, h, rib.Binding{Netns: a}), open(t, h, rib.Binding{Netns: b})
	own := ipRoutesHere(t)
	apply(t, ca, rib.Change{Op: rib.OpAdd, Route: route("10.1.0.0/16", via("192.0.2.2"))})
	apply(t, cb, rib.Change{Op: rib.OpAdd, Route: route("10.2.0.0/16", via("192.0.2.2"))})
	connected := []string{"192.0.2.0/24 dev v0 proto kernel metric 0 src 192.0.2.1", "198.51.100.0/24 dev w0 proto kernel metric 0 src 198.51.100.1"}
	wantRoutes(t, a, "-4", 254, append([]string{"10.1.0.0/16 via 192.0.2.2 dev v0 proto 179 metric 20"}, connected...)...)
	wantRoutes(t, b, "-4", 254, append([]string{"10.2.0.0/16 via 192.0.2.2 dev v0 proto 179 metric 20"}, connected...)...)
	if now := ipRoutesHere(t); now != own {
		t.Errorf("the daemon's own table changed:\n%s\nwas:\n%s", now, own)
	}
}

func ipRoutesHere(t *testing.T) string {
	return run(t, "ip", "route", "show", "table", "all") + run(t, "ip", "-6", "route", "show", "table", "all")
}

func awaitGone(t *testing.T, c *Conn, by string) {
	t.Helper()
	start := time.Now()
	seen := awaitEvents(t, c, "end", func(e rib.KernelEvents) bool { return e.Gone })
	if e := seen[len(seen)-1]; e.GoneBy != by {
		t.Errorf("gone by %q, want %q", e.GoneBy, by)
	}
	if d := time.Since(start); d > time.Second {
		t.Errorf("it took %v to see it", d)
	}
	if e := c.Events(); !e.Gone {
		t.Error("gone only once")
	}
}

func TestNamespaceDeletedAndMadeAgain(t *testing.T) {
	ns := netns(t)
	h := startHost(t)
	c := open(t, h, rib.Binding{Netns: ns})
	path := open(t, h, rib.Binding{Netns: rib.NetnsDir + "/" + ns, Table: table})
	bystander := netns(t)
	other := open(t, h, rib.Binding{Netns: bystander})
	run(t, "ip", "netns", "del", ns)
	awaitGone(t, c, "netns "+ns+" was removed")
	awaitGone(t, path, "netns "+rib.NetnsDir+"/"+ns+" was removed")
	run(t, "ip", "netns", "add", ns)
	again := open(t, h, rib.Binding{Netns: ns})
	if again.Where().SameNamespace(c.Where()) {
		t.Error("the new namespace is taken for the old one")
	}
	quiet(t, other, bystander)
}

func TestNameGivenToAnotherNamespace(t *testing.T) {
	a, b := netns(t), netns(t)
	link := filepath.Join(t.TempDir(), "tenant")
	if err := os.Symlink(rib.NetnsDir+"/"+a, link); err != nil {
		t.Fatal(err)
	}
	c := open(t, startHost(t), rib.Binding{Netns: link})
	// At once, as a careful program does it.
	if err := os.Symlink(rib.NetnsDir+"/"+b, link+".new"); err != nil {
		t.Fatal(err)
	}
	if err := os.Rename(link+".new", link); err != nil {
		t.Fatal(err)
	}
	awaitGone(t, c, "netns "+link+" is another namespace now")
}

// TestNamespacesComeAndGo counts what is left of a hundred of them.
func TestNamespacesComeAndGo(t *testing.T) {
	h := startHost(t)
	round := func(n int) {
		for range n {
			ns := freshName(t)
			b := rib.Binding{Netns: ns, Table: table}
			changed, stop, err := h.Await(b)
			if err != nil {
				t.Fatal(err)
			}
			device, stopDevice, err := h.Await(rib.Binding{Netns: ns, Device: "vrf-x"})
			if err != nil {
				t.Fatal(err)
			}
			_ = device
			run(t, "ip", "netns", "add", ns)
			openWhenSignalled(t, h, b, changed)
			c, err := h.Open(t.Context(), b, rib.ProtoOwn)
			if err != nil {
				t.Fatal(err)
			}
			read(t, c)
			run(t, "ip", "netns", "del", ns)
			awaitGone(t, c, "netns "+ns+" was removed")
			if err := c.Close(); err != nil {
				t.Fatal(err)
			}
			stop()
			stopDevice()
		}
	}
	round(5) // what is made once and kept
	files, threads, goroutines := held(t)
	round(100)
	f, th, g := held(t)
	if f > files || g > goroutines {
		t.Errorf("descriptors %d, then %d; goroutines %d, then %d", files, f, goroutines, g)
	}
	// The runtime makes a few more threads for blocking system calls, and never
	// one a namespace.
	if th > threads+10 {
		t.Errorf("threads %d, then %d", threads, th)
	}
	nothingLeft(t, h)
}

// held counts descriptors, threads and goroutines of this process.
func held(t *testing.T) (files, threads, goroutines int) {
	t.Helper()
	runtime.GC()
	count := func(dir string) int {
		entries, err := os.ReadDir(dir)
		if err != nil {
			t.Fatal(err)
		}
		return len(entries)
	}
	return count("/proc/self/fd"), count("/proc/self/task"), runtime.NumGoroutine()
}

// TestIdleNamespacesHoldNoThread has many open at once.
func TestIdleNamespacesHoldNoThread(t *testing.T) {
	h := startHost(t)
	_, before, _ := held(t)
	for range 40 {
		open(t, h, rib.Binding{Netns: netns(t)})
	}
	if _, after, _ := held(t); after > before+15 {
		t.Errorf("threads %d, then %d", before, after)
	}
}

func TestThreadsStayInTheirNamespace(t *testing.T) {
	h := startHost(t)
	for range 10 {
		open(t, h, rib.Binding{Netns: netns(t)})
	}
	// A thread that entered a namespace ends with its goroutine, a moment later.
	deadline := time.Now().Add(soon)
	for strangers(t, h) > 0 {
		if time.Now().After(deadline) {
			t.Fatalf("%d threads stay in other namespaces than the daemon's", strangers(t, h))
		}
		runtime.Gosched()
	}
}

// strangers counts the threads that are not in the daemon's namespace.
func strangers(t testing.TB, h *Host) (n int) {
	tasks, err := os.ReadDir("/proc/self/task")
	if err != nil {
		t.Fatal(err)
	}
	for _, task := range tasks {
		if got := identify(fmt.Sprintf("/proc/self/task/%s/ns/net", task.Name())); got != h.own.id && got != (identity{}) {
			n++
		}
	}
	return n
}

// TestOpenWithoutCapability runs this test's own program without CAP_NET_ADMIN.
func TestOpenWithoutCapability(t *testing.T) {
	if os.Getenv("VRT_WITHOUT_CAPABILITY") != "" {
		_, err := NewHost(quietLog).Open(t.Context(), rib.Binding{}, rib.ProtoOwn)
		if err == nil || !strings.Contains(err.Error(), "run with CAP_NET_ADMIN") {
			t.Fatalf("own namespace: %v", err)
		}
		_, err = NewHost(quietLog).Open(t.Context(), rib.Binding{Netns: os.Getenv("VRT_NETNS")}, rib.ProtoOwn)
		if err == nil || !strings.Contains(err.Error(), "run with CAP_SYS_ADMIN") {
			t.Fatalf("another namespace: %v", err)
		}
		return
	}
	ns := netns(t)
	setpriv, err := exec.LookPath("setpriv")
	if err != nil {
		t.Skip("setpriv is not installed, which takes a capability away")
	}
	cmd := exec.Command(setpriv, "--bounding-set=-net_admin,-sys_admin", "--inh-caps=-net_admin,-sys_admin",
		os.Args[0], "-test.run=^TestOpenWithoutCapability$")
	cmd.Env = append(os.Environ(), "VRT_WITHOUT_CAPABILITY=1", "VRT_NETNS="+ns)
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Errorf("%v\n%s", err, out)
	}
}

func TestHostThatStopped(t *testing.T) {
	ns := lab(t)
	var log bytes.Buffer
	h := NewHost(slog.New(slog.NewTextHandler(&log, nil)))
	c, err := h.Open(t.Context(), rib.Binding{Netns: ns, Table: table}, rib.ProtoOwn) // before Run
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan error)
	go func() { ended <- h.Run(ctx) }()
	cancel()
	if err := <-ended; err != nil {
		t.Fatal(err)
	}
	// A worker that takes its routes out at the end still can.
	apply(t, c, rib.Change{Op: rib.OpAdd, Route: route("10.0.0.0/8", via("192.0.2.2"))})
	if len(read(t, c).Routes) != 1 {
		t.Error("the route is not there")
	}
	if _, err := h.Open(t.Context(), rib.Binding{Netns: ns}, rib.ProtoOwn); !errors.Is(err, errStopped) {
		t.Errorf("Open after the end: %v", err)
	}
	if err := c.Close(); err != nil {
		t.Error(err)
	}
	if log.Len() > 0 {
		t.Errorf("an orderly end is logged as trouble: %s", &log)
	}
}

// TestNamespaceThatIsBeingMade: `ip netns add` makes a file that nobody may open, and then
// mounts the namespace on it. Who comes between is to wait, and not to fail.
func TestNamespaceThatIsBeingMade(t *testing.T) {
	needRoot(t)
	path := filepath.Join(t.TempDir(), "late")
	if err := os.WriteFile(path, nil, 0); err != nil {
		t.Fatal(err)
	}
	for dir := filepath.Dir(path); dir != filepath.Clean(os.TempDir()); dir = filepath.Dir(dir) {
		if err := os.Chmod(dir, 0o755); err != nil {
			t.Fatal(err)
		}
	}
	opened := make(chan error)
	go func() { // a thread of its own, which ends with it, without what root may do with files
		runtime.LockOSThread()
		if err := unix.Setfsuid(65534); err != nil {
			opened <- err
			return
		}
		_, err := openNamespace(path)
		opened <- err
	}()
	if err := <-opened; !errors.Is(err, rib.ErrAbsent) || !strings.Contains(err.Error(), "is not mounted on") {
		t.Errorf("the error is %v", err)
	}
}
