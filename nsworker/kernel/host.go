package kernel

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync"

	"github.com/vrfredist/vrfredist/rib"
)

// Host is the kernel of this machine. It is safe for concurrent use.
type Host struct {
	log    *slog.Logger
	own    *namespace // the daemon's
	ownErr error      // why own is nil
	bufs   *buffers
	ports  *ports
	claims *claims
	wg     sync.WaitGroup // the monitors' goroutines

	mu       sync.Mutex // guards what follows; may be held while a monitor's is taken, not the reverse
	stopped  bool
	monitors map[identity]*monitor
	paths    map[string]*watched
	wake     func() // of Run's watch; nil while it does not run
}

// watched is who depends on the namespace at one path.
type watched struct {
	conns  map[*Conn]struct{}
	awaits map[*await]struct{}
}

// NewHost returns the kernel as the calling thread's network namespace has it:
// that is the daemon's own from then on. Run must be called too.
func NewHost(log *slog.Logger) *Host {
	h := &Host{
		log:      log,
		bufs:     newBuffers(),
		ports:    newPorts(),
		claims:   newClaims(log),
		monitors: make(map[identity]*monitor),
		paths:    make(map[string]*watched),
	}
	h.own, h.ownErr = ownNamespace()
	return h
}

// Run watches for namespaces that come and go, until ctx ends. Then it stops
// and joins all monitors: open Conns can still read and write, and get no more
// events. A nil error is the end of ctx.
func (h *Host) Run(ctx context.Context) error {
	err := h.watch(ctx)
	h.mu.Lock()
	h.stopped = true
	monitors := make([]*monitor, 0, len(h.monitors))
	for _, m := range h.monitors {
		monitors = append(monitors, m)
	}
	h.mu.Unlock()
	for _, m := range monitors {
		// Waits for one that is starting, and keeps one from starting.
		m.start.Do(func() { m.failed = errStopped; close(m.done) })
		m.close()
	}
	h.wg.Wait()
	return err
}

// namespace opens what a binding calls name.
func (h *Host) namespace(name string) (*namespace, error) {
	if name != "" {
		return openNamespace(name)
	}
	if h.own == nil {
		return nil, h.ownErr
	}
	return h.own, nil
}

// Open binds to the table of b. Where its namespace or device is not there, the
// error matches rib.ErrAbsent and says what is waited for. protocol is the route
// protocol of our own routes.
func (h *Host) Open(ctx context.Context, b rib.Binding, protocol uint8) (*Conn, error) {
	if b.Device != "" && b.Table != 0 {
		return nil, fmt.Errorf("open %v: a VRF has a device or a table, not both", b)
	}
	m, err := h.acquire(ctx, b.Netns)
	if err != nil {
		return nil, fmt.Errorf("open %v: %w", b, err)
	}
	c, err := h.open(ctx, m, b, protocol)
	if err != nil {
		h.release(m)
		return nil, fmt.Errorf("open %v: %w", b, err)
	}
	return c, nil
}

func (h *Host) open(ctx context.Context, m *monitor, b rib.Binding, protocol uint8) (*Conn, error) {
	c := &Conn{
		host:     h,
		mon:      m,
		binding:  b,
		text:     b.String(),
		protocol: protocol,
		ready:    make(chan struct{}, 1),
		shared:   make(map[rib.Key]struct{}),
	}
	var err error
	if b.Netns != "" {
		if c.path, err = netnsPath(b.Netns); err != nil {
			return nil, err
		}
	}
	if c.sock, err = dial(m.ns, h.bufs, replyBuffer, h.ports); err != nil {
		return nil, err
	}
	if err = c.sock.probe(ctx, m.ns); err == nil {
		err = m.bind(c)
	}
	if err == nil {
		if err = h.filterEchoes(m); err != nil {
			m.remove(c)
		}
	}
	if err != nil {
		c.sock.close() // the error that counts is the first
		return nil, err
	}
	h.watchConn(c)
	return c, nil
}

// acquire returns the running monitor of the namespace called name, and counts
// the caller as its user.
func (h *Host) acquire(ctx context.Context, name string) (*monitor, error) {
	ns, err := h.namespace(name)
	if err != nil {
		return nil, err
	}
	h.mu.Lock()
	if h.stopped {
		h.mu.Unlock()
		ns.close()
		return nil, errStopped
	}
	m := h.monitors[ns.id]
	if m == nil {
		m = newMonitor(ns, h.bufs)
		h.monitors[ns.id] = m
	} else {
		ns.close()
	}
	m.refs++
	h.mu.Unlock()
	m.start.Do(func() {
		// Others may wait for the same start, whose end must not be this ctx's.
		if m.failed = m.open(context.WithoutCancel(ctx)); m.failed == nil {
			h.wg.Add(1)
			go h.run(m)
		} else {
			close(m.done)
		}
	})
	if m.failed != nil {
		h.release(m)
		return nil, m.failed
	}
	return m, nil
}

// run is the goroutine of a monitor.
func (h *Host) run(m *monitor) {
	defer h.wg.Done()
	defer close(m.done)
	err := m.run()
	if err == nil {
		return
	}
	h.log.Error("lost the events of a namespace", "netns", m.ns.name, "error", err)
	h.forget(m)
	m.breakDown(err)
}

// forget lets the next user of the namespace start a new monitor.
func (h *Host) forget(m *monitor) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.monitors[m.ns.id] == m {
		delete(h.monitors, m.ns.id)
	}
}

// release ends one use of m. The last one stops it and waits for its end.
func (h *Host) release(m *monitor) {
	h.mu.Lock()
	m.refs--
	last := m.refs == 0
	if last && h.monitors[m.ns.id] == m {
		delete(h.monitors, m.ns.id)
	}
	h.mu.Unlock()
	if !last {
		return
	}
	m.close()
	<-m.done
}

// isAbsent tells whether err says that a binding is not there.
func isAbsent(err error) bool { return errors.Is(err, rib.ErrAbsent) }
