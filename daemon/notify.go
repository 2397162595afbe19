package daemon

import (
	"fmt"
	"log/slog"
	"strings"
	"sync"
	"time"

	systemd "github.com/coreos/go-systemd/v22/daemon"
	"golang.org/x/sys/unix"
)

// manager is the service manager that started the daemon, as sd_notify(3)
// reaches it. Where there is none, what it is told goes nowhere. It is safe for
// concurrent use.
type manager struct {
	log  *slog.Logger
	send func(state string) error

	mu    sync.Mutex
	ready bool // guarded by mu
	ended bool // guarded by mu: nothing is said after STOPPING
}

func newManager(log *slog.Logger) *manager {
	return &manager{log: log, send: func(state string) error {
		_, err := systemd.SdNotify(false, state)
		return err
	}}
}

// tell sends lines of state. The caller holds mu.
func (m *manager) tell(state ...string) {
	if m.ended {
		return
	}
	if err := m.send(strings.Join(state, "\n")); err != nil {
		m.log.Warn("the service manager could not be told how the daemon fares", "state", state[0], "err", err)
	}
}

// starting keeps the manager from losing patience before readyTime.
func (m *manager) starting() {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.tell("STATUS=BGP runs, the VRFs start", fmt.Sprintf("EXTEND_TIMEOUT_USEC=%d", (readyTime+30*time.Second).Microseconds()))
}

// status tells how the VRFs fare, and that the daemon is ready where it is.
func (m *manager) status(text string, ready bool) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if ready && !m.ready {
		m.ready = true
		m.tell("READY=1", "STATUS="+text)
		return
	}
	m.tell("STATUS=" + text)
}

// reloading tells that a reload begins; the function that it returns tells of
// its end. Before the daemon is ready the manager knows of no reload.
func (m *manager) reloading() (done func()) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if !m.ready {
		return func() {}
	}
	var now unix.Timespec
	if err := unix.ClockGettime(unix.CLOCK_MONOTONIC, &now); err != nil {
		m.log.Warn("the service manager is not told of the reload: there is no monotonic clock", "err", err)
		return func() {}
	}
	m.tell("RELOADING=1", fmt.Sprintf("MONOTONIC_USEC=%d", now.Nano()/1000))
	return func() {
		m.mu.Lock()
		defer m.mu.Unlock()
		m.tell("READY=1")
	}
}

func (m *manager) stopping() {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.tell("STOPPING=1", "STATUS=ending")
	m.ended = true
}

func (m *manager) alive() {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.tell("WATCHDOG=1")
}
