package kernel

import (
	"context"
	"log/slog"
	"sync"
)

// monitors are the running monitors, one for each namespace in use.
type monitors struct {
	spaces *Namespaces
	ports  *ports
	log    *slog.Logger
	wg     sync.WaitGroup // their goroutines

	mu      sync.Mutex // guards the rest, and refs of each monitor
	stopped bool
	all     map[identity]*monitor
}

func newMonitors(spaces *Namespaces, ports *ports, log *slog.Logger) *monitors {
	return &monitors{spaces: spaces, ports: ports, log: log, all: make(map[identity]*monitor)}
}

// acquire returns the running monitor of the namespace called name, and counts
// the caller as its user.
func (o *monitors) acquire(ctx context.Context, name string) (*monitor, error) {
	ns, err := o.spaces.open(name)
	if err != nil {
		return nil, err
	}
	o.mu.Lock()
	if o.stopped {
		o.mu.Unlock()
		ns.close()
		return nil, errStopped
	}
	m := o.all[ns.id]
	if m == nil {
		m = newMonitor(ns, o.ports, o.log)
		o.all[ns.id] = m
	} else {
		ns.close()
	}
	m.refs++
	o.mu.Unlock()
	m.start.Do(func() {
		// Others may wait for the same start, whose end must not be this ctx's.
		if m.failed = m.open(context.WithoutCancel(ctx)); m.failed == nil {
			o.wg.Add(1)
			go o.run(m)
		} else {
			close(m.done)
		}
	})
	if m.failed != nil {
		o.release(m)
		return nil, m.failed
	}
	return m, nil
}

// run is the goroutine of a monitor.
func (o *monitors) run(m *monitor) {
	defer o.wg.Done()
	defer close(m.done)
	err := m.run()
	if err == nil {
		return
	}
	o.log.Error("lost the events of a namespace", "netns", m.ns.name, "error", err)
	o.forget(m)
	m.breakDown(err)
}

// forget lets the next user of the namespace start a new monitor.
func (o *monitors) forget(m *monitor) {
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.all[m.ns.id] == m {
		delete(o.all, m.ns.id)
	}
}

// release ends one use of m. The last user stops it and waits for its end.
func (o *monitors) release(m *monitor) {
	o.mu.Lock()
	m.refs--
	last := m.refs == 0
	if last && o.all[m.ns.id] == m {
		delete(o.all, m.ns.id)
	}
	o.mu.Unlock()
	if !last {
		return
	}
	m.close()
	<-m.done
}

// stop ends and joins all monitors, and lets no further start.
func (o *monitors) stop() {
	o.mu.Lock()
	o.stopped = true
	running := make([]*monitor, 0, len(o.all))
	for _, m := range o.all {
		running = append(running, m)
	}
	o.mu.Unlock()
	for _, m := range running {
		// Waits for a monitor that is starting, and keeps one from starting that has not.
		m.start.Do(func() { m.failed = errStopped; close(m.done) })
		m.close()
	}
	o.wg.Wait()
}
