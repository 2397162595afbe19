// Package lab builds small networks of namespaces on the real kernel for
// tests: namespaces, veth pairs, BGP peers (FRR, BIRD), the daemon under test,
// and a watch over everybody's routes. All of it is gone when the test ends,
// whatever its result.
//
// Tests judge by what `ip` and the peers say, never by what the daemon
// believes.
package lab

import (
	"fmt"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"
)

// Run is what all labs of one test binary share. TestMain makes one.
type Run struct {
	// Daemon is the path of the vrfredist program under test.
	Daemon string
	// Protocol is the daemon's route protocol: whatever has another is foreign.
	Protocol int

	namespaces atomic.Int64

	mu         sync.Mutex
	tools      map[int]struct{} // ids of programs that a test ran to change routes
	events     int              // route messages seen by all watches
	violations []string
}

// Summary says how many route messages were seen in all namespaces of the run,
// and every one that changed a route which was not the daemon's to change.
func (r *Run) Summary() (events int, violations []string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.events, append([]string(nil), r.violations...)
}

// namePrefix starts the name of every namespace of a lab; the id of the test's
// process follows.
const namePrefix = "vr"

// SweepLeftovers deletes the namespaces that test processes left which were
// killed before they could clean up.
func SweepLeftovers() error {
	entries, err := os.ReadDir(netnsDir)
	if os.IsNotExist(err) {
		return nil
	}
	if err != nil {
		return fmt.Errorf("list namespaces: %w", err)
	}
	for _, e := range entries {
		owner, _, ok := strings.Cut(strings.TrimPrefix(e.Name(), namePrefix), "-")
		pid, err := strconv.Atoi(owner)
		if !ok || err != nil || !strings.HasPrefix(e.Name(), namePrefix) {
			continue
		}
		if _, err := os.Stat(filepath.Join("/proc", owner)); err == nil && pid != os.Getpid() {
			continue // its test still runs
		}
		if out, err := exec.Command("ip", "netns", "del", e.Name()).CombinedOutput(); err != nil {
			return fmt.Errorf("delete the left-over namespace %s: %w: %s", e.Name(), err, out)
		}
	}
	return nil
}

// Lab is the network of one test.
type Lab struct {
	T   testing.TB
	Run *Run
	// Dir holds the configurations, sockets and logs of this lab's programs.
	// Its path is short enough for a unix socket's name.
	Dir string
}

// New returns an empty lab that is taken down when the test ends. It fails the
// test where somebody's foreign route was changed by the daemon.
func New(t testing.TB, run *Run) *Lab {
	t.Helper()
	// t.TempDir carries the test's name, and a socket's path must stay below
	// 108 bytes.
	dir, err := os.MkdirTemp("", "vrlab")
	if err != nil {
		t.Fatalf("make the lab's directory: %v", err)
	}
	// FRR gives up root and must still reach its socket and its log.
	if err := os.Chmod(dir, 0o755); err != nil {
		t.Fatalf("open the lab's directory: %v", err)
	}
	t.Cleanup(func() {
		if err := os.RemoveAll(dir); err != nil {
			t.Errorf("remove the lab's directory: %v", err)
		}
	})
	return &Lab{T: t, Run: run, Dir: dir}
}

// File writes a file into the lab's directory and returns its path.
func (l *Lab) File(name, content string) string {
	l.T.Helper()
	path := filepath.Join(l.Dir, name)
	if err := os.WriteFile(path, []byte(content), 0o640); err != nil {
		l.T.Fatalf("write %s: %v", name, err)
	}
	return path
}

// Namespace makes a namespace with a unique name that ends in role, brings its
// loopback up and watches its routes. It is deleted when the test ends, if the
// test has not done so.
func (l *Lab) Namespace(role string) *Namespace {
	l.T.Helper()
	return l.named(role, l.unique(role))
}

// Called makes a namespace with exactly this name, for a configuration that
// names it. The test must have a /run of its own.
func (l *Lab) Called(name string) *Namespace {
	l.T.Helper()
	return l.named(name, name)
}

func (l *Lab) named(role, name string) *Namespace {
	l.T.Helper()
	n := &Namespace{lab: l, Role: role, Name: name}
	n.Tables = Tables{n}
	l.T.Cleanup(n.cleanup)
	n.Make()
	return n
}

// Link joins two namespaces by a veth pair, both ends up.
func (l *Lab) Link(a *Namespace, aName string, b *Namespace, bName string) {
	l.T.Helper()
	l.ip("link", "add", aName, "netns", a.Name, "type", "veth", "peer", "name", bName, "netns", b.Name)
	a.IP("link", "set", aName, "up")
	b.IP("link", "set", bName, "up")
}

// Subnet joins two namespaces by a Link and numbers it: a's end gets each address, and
// b's the next one of the same prefix.
func (l *Lab) Subnet(a *Namespace, aName string, b *Namespace, bName string, addrs ...string) {
	l.T.Helper()
	l.Link(a, aName, b, bName)
	for _, text := range addrs {
		p, err := netip.ParsePrefix(text)
		if err != nil || !p.Contains(p.Addr().Next()) {
			l.T.Fatalf("number the link of %s and %s with %q: no address with another one behind it", a.Role, b.Role, text)
		}
		a.Address(aName, text)
		b.Address(bName, netip.PrefixFrom(p.Addr().Next(), p.Bits()).String())
	}
}

func (l *Lab) ip(args ...string) string {
	l.T.Helper()
	out, err := l.runIP("", args...)
	if err != nil {
		l.T.Fatal(err)
	}
	return out
}

// runIP runs ip and notes its process id, by which the watch knows that a
// change was the test's own.
func (l *Lab) runIP(stdin string, args ...string) (string, error) {
	cmd := exec.Command("ip", args...)
	var out strings.Builder
	cmd.Stdin, cmd.Stdout, cmd.Stderr = strings.NewReader(stdin), &out, &out
	if err := l.startTool(cmd); err != nil {
		return "", fmt.Errorf("ip %s: %w", strings.Join(args, " "), err)
	}
	if err := cmd.Wait(); err != nil {
		return "", fmt.Errorf("ip %s: %w: %s", strings.Join(args, " "), err, strings.TrimSpace(out.String()))
	}
	return out.String(), nil
}

func (l *Lab) startTool(cmd *exec.Cmd) error {
	// Under the lock, so that no watch judges a message of a process whose id
	// is not noted yet.
	l.Run.mu.Lock()
	defer l.Run.mu.Unlock()
	if err := cmd.Start(); err != nil {
		return err
	}
	if l.Run.tools == nil {
		l.Run.tools = make(map[int]struct{})
	}
	l.Run.tools[cmd.Process.Pid] = struct{}{}
	return nil
}

// NeedRoot skips a test where it cannot make namespaces.
func NeedRoot(t testing.TB) {
	t.Helper()
	if os.Geteuid() != 0 {
		t.Skip("not root: network namespaces need it")
	}
}

// interval is how often a condition is looked at while it is waited for.
const interval = 25 * time.Millisecond

// Bare is a namespace with a unique name that somebody else makes, deletes and watches.
func (l *Lab) Bare(role string) *Namespace {
	n := &Namespace{lab: l, Role: role, Name: l.unique(role)}
	n.Tables = Tables{n}
	return n
}

// unique is a namespace's name.
func (l *Lab) unique(role string) string {
	return fmt.Sprintf("%s%d-%d-%s", namePrefix, os.Getpid(), l.Run.namespaces.Add(1), role)
}
