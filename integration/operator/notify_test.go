package operator_test

import (
	"errors"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/vrfredist/vrfredist/integration/netns/lab"
)

// serviceManager is what systemd is to a daemon: a socket that is told things.
type serviceManager struct {
	t    *testing.T
	conn *net.UnixConn
	path string
}

func newServiceManager(t *testing.T, dir string) *serviceManager {
	t.Helper()
	m := &serviceManager{t: t, path: filepath.Join(dir, "notify.sock")}
	var err error
	if m.conn, err = net.ListenUnixgram("unixgram", &net.UnixAddr{Name: m.path, Net: "unixgram"}); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { m.conn.Close() })
	return m
}

// environment starts a daemon as the manager would.
func (m *serviceManager) environment(watchdog time.Duration) []string {
	return []string{"env", "NOTIFY_SOCKET=" + m.path, fmt.Sprintf("WATCHDOG_USEC=%d", watchdog.Microseconds())}
}

// hear returns the next message; none where it does not come within limit.
func (m *serviceManager) hear(limit time.Duration) []string {
	m.t.Helper()
	b := make([]byte, 4096)
	err := m.conn.SetReadDeadline(time.Now().Add(limit))
	n := 0
	if err == nil {
		n, err = m.conn.Read(b)
	}
	if errors.Is(err, os.ErrDeadlineExceeded) {
		return nil
	}
	if err != nil {
		m.t.Fatal(err)
	}
	return strings.Split(string(b[:n]), "\n")
}

// until returns all messages up to one that has a line which begins so.
func (m *serviceManager) until(prefix string) (all [][]string) {
	m.t.Helper()
	for deadline := time.Now().Add(lab.Patience); ; {
		message := m.hear(time.Until(deadline))
		if message == nil {
			m.t.Fatalf("no %s within %v; there were %q", prefix, lab.Patience, all)
		}
		all = append(all, message)
		if slices.ContainsFunc(message, func(s string) bool { return strings.HasPrefix(s, prefix) }) {
			return all
		}
	}
}

// TestServiceManagerIsTold runs the daemon under a service manager: when it is
// ready, of a reload, and of its end.
func TestServiceManagerIsTold(t *testing.T) {
	s := newSiteWithoutDaemon(t)
	m := newServiceManager(t, s.Dir)
	config := strings.ReplaceAll(siteConfig, "RED", s.red.Name)
	start := time.Now()
	d := s.rtr.DaemonAs(m.environment(time.Minute), config)
	s.daemon = d

	said := m.until("READY=1")
	took := time.Since(start)
	last := said[len(said)-1]
	// blue is pending: it holds READY up for five seconds, and no longer.
	if !slices.Contains(last, "STATUS=2 VRFs: 1 ready, 1 pending (blue)") {
		t.Errorf("ready says %q", last)
	}
	if took < 5*time.Second {
		t.Errorf("ready after %v: a namespace may still come in the first 5 s", took)
	}
	if !slices.ContainsFunc(said[0], func(s string) bool { return strings.HasPrefix(s, "EXTEND_TIMEOUT_USEC=") }) {
		t.Errorf("the first message is %q", said[0])
	}

	blue := s.Namespace("blue")
	d.Reload(strings.ReplaceAll(config, "not-there", blue.Name))
	said = m.until("RELOADING=1")
	var now unix.Timespec
	usec, err := strconv.ParseInt(strings.TrimPrefix(final(said)[1], "MONOTONIC_USEC="), 10, 64)
	if err = errors.Join(err, unix.ClockGettime(unix.CLOCK_MONOTONIC, &now)); err != nil {
		t.Errorf("a reload says %q: %v", final(said), err)
	}
	if age := time.Duration(now.Nano() - usec*1000); age < 0 || age > time.Minute {
		t.Errorf("a reload of %v ago, by the monotonic clock: %q", age, final(said))
	}
	m.until("READY=1")
	m.until("STATUS=2 VRFs: 2 ready")

	d.Stop()
	m.until("STOPPING=1")
	if message := m.hear(100 * time.Millisecond); message != nil {
		t.Errorf("after its end it says %q", message)
	}
}

// final is the last of several messages.
func final(said [][]string) []string { return said[len(said)-1] }

// TestReadyAtOnceWhereAllAre: with every VRF there, nothing holds
// READY up.
func TestReadyAtOnceWhereAllAre(t *testing.T) {
	s := newSiteWithoutDaemon(t)
	m := newServiceManager(t, s.Dir)
	blue := s.Namespace("blue")
	s.rtr.DaemonAs(m.environment(0), strings.NewReplacer("RED", s.red.Name, "not-there", blue.Name).Replace(siteConfig))
	if last := final(m.until("READY=1")); !slices.Contains(last, "STATUS=2 VRFs: 2 ready") {
		t.Errorf("ready says %q", last)
	}
}

// TestWatchdogIsFedWhileAReloadFails has the daemon reload a configuration file that is
// a pipe to which nobody writes: it is refused, and holds up neither the loop that feeds
// the watchdog nor the next reload.
func TestWatchdogIsFedWhileAReloadFails(t *testing.T) {
	s := newSiteWithoutDaemon(t)
	m := newServiceManager(t, s.Dir)
	const interval = 1500 * time.Millisecond
	config := strings.ReplaceAll(siteConfig, "RED", s.red.Name)
	d := s.rtr.DaemonAs(m.environment(interval), config)
	m.until("READY=1")
	m.until("WATCHDOG=1")

	file := filepath.Join(s.Dir, "vrfredist.toml")
	content, err := os.ReadFile(file)
	if err = errors.Join(err, os.Remove(file)); err == nil {
		err = syscall.Mkfifo(file, 0o600)
	}
	if err != nil {
		t.Fatal(err)
	}
	d.Signal(syscall.SIGHUP)
	m.until("RELOADING=1")
	m.until("READY=1")
	m.until("WATCHDOG=1")
	if !strings.Contains(d.Output(), "vrfredist.toml") {
		t.Errorf("nothing is logged:\n%s", d.Output())
	}
	if err := errors.Join(os.Remove(file), os.WriteFile(file, content, 0o600)); err != nil {
		t.Fatal(err)
	}
	d.Signal(syscall.SIGHUP)
	m.until("RELOADING=1")
	m.until("READY=1")
	m.until("WATCHDOG=1")
}
