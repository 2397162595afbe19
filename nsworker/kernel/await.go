package kernel

import (
	"context"
	"fmt"
	"sync"

	"github.com/vrfredist/vrfredist/rib"
)

// await is somebody who waits for a binding that is absent.
type await struct {
	host    *Host
	binding rib.Binding
	path    string // of the namespace's file; "": the daemon's own
	ready   chan struct{}
	last    identity // what was at path when looked last; guarded by Host.mu

	mu      sync.Mutex // guards what follows; held over a start or stop of a monitor
	mon     *monitor   // of the namespace, for a device that is waited for
	stopped bool
	vigil   *vigil // over the daemon that owns the table; nil: none does
}

// Await returns a channel that is signalled whenever b might be there, also at
// once where it is, and a function that ends the watch. A signal may be false:
// Open decides.
func (h *Host) Await(b rib.Binding) (<-chan struct{}, func(), error) {
	a := &await{host: h, binding: b, ready: make(chan struct{}, 1)}
	if b.Netns != "" {
		var err error
		if a.path, err = netnsPath(b.Netns); err != nil {
			return nil, nil, fmt.Errorf("wait for %v: %w", b, err)
		}
	}
	// Watched before looked at, so that nothing falls between.
	h.watchAwait(a)
	h.claims.waits(a, true)
	if err := a.look(); err != nil {
		a.stop()
		return nil, nil, fmt.Errorf("wait for %v: %w", b, err)
	}
	return a.ready, a.stop, nil
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
		ns, err := a.host.namespace(a.binding.Netns)
		if isAbsent(err) {
			return nil
		}
		if err == nil {
			ns.close()
			a.signal()
		}
		return err
	}
	m, err := a.host.acquire(context.Background(), a.binding.Netns)
	if err != nil && !isAbsent(err) {
		return err
	}
	a.follow(m) // nil: the namespace is absent
	return nil
}

// follow takes over one use of m in place of the monitor before.
func (a *await) follow(m *monitor) {
	if old := a.mon; old != nil {
		old.mu.Lock()
		delete(old.awaits, a)
		old.mu.Unlock()
		a.host.release(old)
	}
	a.mon = m
	if m == nil {
		return
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	m.awaits[a] = struct{}{}
	if m.hasDevice(a.binding.Device) || m.broken != nil {
		a.signal()
	}
}

func (a *await) stop() {
	a.host.unwatchAwait(a)
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
