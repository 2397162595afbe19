package kernel

import (
	"context"
	"sync"

	"github.com/vrfredist/vrfredist/rib"
)

// await is the watch of one binding that is absent.
type await struct {
	host    *Host
	binding rib.Binding
	path    string // of the namespace's file; "": the daemon's own
	ready   chan struct{}
	last    identity // of the file at path when it was last looked at; guarded by paths.mu

	mu      sync.Mutex // guards the rest; held over a start or stop of a monitor
	mon     *monitor   // of the namespace, for a device that is waited for
	stopped bool
	vigil   *vigil // over the daemon that owns the table; nil: none does
}

// newAwait begins to watch for b.
func newAwait(h *Host, b rib.Binding) (*await, error) {
	a := &await{host: h, binding: b, ready: make(chan struct{}, 1)}
	if b.Netns != "" {
		var err error
		if a.path, err = netnsPath(b.Netns); err != nil {
			return nil, err
		}
	}
	// Watched before looked at, so that no change falls between.
	h.paths.addAwait(a)
	h.claims.waits(a, true)
	if err := a.look(); err != nil {
		a.stop()
		return nil, err
	}
	return a, nil
}

// look finds out whether the binding is there now, and signals if so. For a
// device it goes to the namespace's monitor, which signals from then on.
func (a *await) look() error {
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.stopped {
		return nil
	}
	if a.binding.Device == "" {
		ns, err := a.host.Namespaces.open(a.binding.Netns)
		if isAbsent(err) {
			return nil
		}
		if err == nil {
			ns.close()
			a.signal()
		}
		return err
	}
	m, err := a.host.monitors.acquire(context.Background(), a.binding.Netns)
	if err != nil && !isAbsent(err) {
		return err
	}
	a.follow(m) // nil: the namespace is absent
	return nil
}

// follow takes over one use of m in place of the monitor before.
func (a *await) follow(m *monitor) {
	if old := a.mon; old != nil {
		old.unwatch(a)
		a.host.monitors.release(old)
	}
	if a.mon = m; m != nil {
		m.watchFor(a)
	}
}

func (a *await) stop() {
	a.host.paths.dropAwait(a)
	a.host.claims.waits(a, false)
	a.mu.Lock()
	defer a.mu.Unlock()
	a.stopped = true
	a.endVigil()
	a.follow(nil)
}

func (a *await) signal() {
	select {
	case a.ready <- struct{}{}:
	default:
	}
}
