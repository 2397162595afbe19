package daemon

import (
	"context"
	"fmt"
	"log/slog"
	"strings"
	"sync"
	"time"

	systemd "github.com/coreos/go-systemd/v22/daemon"
	"golang.org/x/sync/errgroup"
	"golang.org/x/sys/unix"

	"github.com/vrfredist/vrfredist/vrf"
)

// The daemon is ready when every VRF that can be is. A VRF whose namespace or
// device is away, or which fails, is waited for this long from the start on; one
// that is still at its first sync, as long as all of readyTime, which is more
// than sweep_delay lets it take unless configured.
const (
	absentTime = 5 * time.Second
	readyTime  = 2 * time.Minute
)

// statusPause is the least time between two lines of status.
const statusPause = time.Second

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

// report tells the manager how the VRFs fare until ctx ends.
func (d *daemon) report(ctx context.Context) {
	start := time.Now()
	told, ready := "", false
	for {
		changed := d.supervisor.Changed()
		all := d.supervisor.List()
		since := time.Since(start)
		now := settled(all, since)
		if text := fares(all); text != told || now && !ready {
			told, ready = text, ready || now
			d.manager.status(text, ready)
		}
		var bound <-chan time.Time // the next at which time alone makes ready
		pause := statusPause
		if !ready {
			pause = 50 * time.Millisecond
			next := absentTime - since
			if next <= 0 {
				next = readyTime - since
			}
			bound = time.After(next)
		}
		select {
		case <-ctx.Done():
			return
		case <-bound:
		case <-changed:
			select {
			case <-ctx.Done():
				return
			case <-time.After(pause):
			}
		}
	}
}

// settled tells whether every VRF that can be ready is, that long after the
// start.
func settled(all []vrf.Status, since time.Duration) bool {
	if since >= readyTime {
		return true
	}
	for _, st := range all {
		switch st.State {
		case vrf.Ready, vrf.Degraded:
		case vrf.Pending, vrf.Failed:
			if since < absentTime {
				return false
			}
		default:
			return false
		}
	}
	return true
}

// fares sums up how the VRFs fare, and names some that do not well.
func fares(all []vrf.Status) string {
	counts := make(map[vrf.State]int)
	names := make(map[vrf.State][]string)
	for _, st := range all {
		counts[st.State]++
		names[st.State] = append(names[st.State], st.Spec.Name)
	}
	parts := []string{}
	for _, state := range []vrf.State{vrf.Ready, vrf.Syncing, vrf.Degraded, vrf.Pending, vrf.Failed} {
		n := counts[state]
		if n == 0 {
			continue
		}
		part := fmt.Sprintf("%d %s", n, state)
		const most = 3
		switch {
		case state == vrf.Ready || state == vrf.Syncing:
		case n > most:
			part += " (" + strings.Join(names[state][:most], ", ") + ", …)"
		default:
			part += " (" + strings.Join(names[state], ", ") + ")"
		}
		parts = append(parts, part)
	}
	if len(parts) == 0 {
		return "no VRFs"
	}
	return vrf.CountOf(len(all), "VRF") + ": " + strings.Join(parts, ", ")
}

// probe is a part of the daemon whose answer shows that it is not stuck.
type probe struct {
	name   string
	answer func(context.Context) error
}

// watchdog tells the manager that the daemon is alive, three times in every
// interval, for as long as all parts answer within such a third. It ends with
// ctx, and does not wait for a part that is stuck: there is no way to end that.
func (m *manager) watchdog(ctx context.Context, interval time.Duration, probes ...probe) {
	every := interval / 3
	tick := time.NewTicker(every)
	defer tick.Stop()
	var asked chan error // nil: nobody is being asked
	late := false
	for {
		if asked == nil {
			asked = make(chan error, 1)
			go func() { asked <- ask(ctx, probes) }()
		}
		select {
		case <-ctx.Done():
			return
		case err := <-asked:
			asked = nil
			switch {
			case err == nil:
				late = false
				m.alive()
			case ctx.Err() == nil:
				m.log.Warn("a part of the daemon does not answer", "err", err)
			}
			select {
			case <-ctx.Done():
				return
			case <-tick.C:
			}
		case <-tick.C:
			if !late {
				late = true
				m.log.Warn("a part of the daemon does not answer; the service manager restarts it unless that does", "watchdog", interval)
			}
		}
	}
}

// ask waits until all probes have answered.
func ask(ctx context.Context, probes []probe) error {
	var all errgroup.Group
	for _, p := range probes {
		all.Go(func() error {
			if err := p.answer(ctx); err != nil {
				return fmt.Errorf("%s: %w", p.name, err)
			}
			return nil
		})
	}
	return all.Wait()
}

// tellManager tells the service manager how the daemon fares until ctx ends,
// and has it watched where the manager asks for that. pings is what the loop of
// serve answers.
func (d *daemon) tellManager(ctx context.Context, pings chan<- chan struct{}) {
	var parts errgroup.Group
	parts.Go(func() error { d.report(ctx); return nil })
	interval, err := systemd.SdWatchdogEnabled(false)
	if err != nil {
		d.log.Warn("the watchdog of the service manager is not fed", "err", err)
		interval = 0
	}
	if interval > 0 {
		parts.Go(func() error {
			d.manager.watchdog(ctx, interval,
				probe{"the daemon's loop", func(ctx context.Context) error { return ping(ctx, pings) }},
				probe{"the supervisor", func(context.Context) error { d.supervisor.List(); return nil }},
				probe{"BGP", d.speaker.Answers})
			return nil
		})
	}
	_ = parts.Wait() // its functions return none
}

// ping has a loop answer.
func ping(ctx context.Context, loop chan<- chan struct{}) error {
	answer := make(chan struct{})
	select {
	case loop <- answer:
	case <-ctx.Done():
		return ctx.Err()
	}
	select {
	case <-answer:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}
