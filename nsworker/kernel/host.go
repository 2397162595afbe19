package kernel

import (
	"context"
	"fmt"
	"log/slog"

	"github.com/vrfredist/vrfredist/rib"
)

// Host is the kernel of this machine. It is safe for concurrent use.
type Host struct {
	*Namespaces
	ports    *ports // of the sockets that write
	monitors *monitors
	paths    *paths
	claims   *claims
}

// NewHost returns the kernel as seen from the calling thread's network namespace, which
// is the daemon's own from then on. Run must be called too.
func NewHost(log *slog.Logger) *Host {
	spaces, ports := OwnNamespaces(), newPorts()
	return &Host{
		Namespaces: spaces,
		ports:      ports,
		monitors:   newMonitors(spaces, ports, log),
		paths:      newPaths(log),
		claims:     newClaims(spaces, log),
	}
}

// Run watches for namespaces that come and go, until ctx ends. Then it stops
// and joins all monitors: open Conns can still read and write, and get no more
// events. A nil error is the end of ctx.
func (h *Host) Run(ctx context.Context) error {
	err := h.paths.run(ctx)
	h.monitors.stop()
	return err
}

// Open binds to the table of b. Where its namespace or device is not there, the
// error matches rib.ErrAbsent and names what is missing. protocol is the route
// protocol of our own routes.
func (h *Host) Open(ctx context.Context, b rib.Binding, protocol uint8) (*Conn, error) {
	if b.Device != "" && b.Table != 0 {
		return nil, fmt.Errorf("open %v: a VRF has a device or a table, not both", b)
	}
	m, err := h.monitors.acquire(ctx, b.Netns)
	if err != nil {
		return nil, fmt.Errorf("open %v: %w", b, err)
	}
	c, err := h.open(ctx, m, b, protocol)
	if err != nil {
		h.monitors.release(m)
		return nil, fmt.Errorf("open %v: %w", b, err)
	}
	return c, nil
}

func (h *Host) open(ctx context.Context, m *monitor, b rib.Binding, protocol uint8) (*Conn, error) {
	c, err := openConn(ctx, h, m, b, protocol)
	if err != nil {
		return nil, err
	}
	if err = m.bind(c); err == nil {
		if err = m.filterEchoes(); err != nil {
			m.remove(c)
		}
	}
	if err != nil {
		_ = c.sock.close() // the error that counts is the first
		return nil, err
	}
	c.bound.where = c.where
	h.paths.add(&c.bound)
	return c, nil
}

// Own is Open for who is to write: where another daemon owns the table, the error
// matches rib.ErrAbsent and names that daemon, and a watch of the binding (Await) is
// signalled when it ends. After Close the table stays this daemon's, for the next
// worker of the VRF, unless the binding was gone; Disown ends that.
func (h *Host) Own(ctx context.Context, b rib.Binding, protocol uint8) (*Conn, error) {
	c, err := h.Open(ctx, b, protocol)
	if err != nil {
		return nil, err
	}
	if err := h.claims.take(ctx, c); err != nil {
		_ = c.Close() // the error that counts is the first
		return nil, fmt.Errorf("open %v: %w", b, err)
	}
	return c, nil
}

// Disown gives up the tables that were owned for a binding and are not open.
func (h *Host) Disown(b rib.Binding) {
	h.claims.release(func(_ claimKey, c *claim) bool { return c.binding == b && c.users == 0 })
}

// Identify says with which configuration this daemon runs. It is called before Own.
func (h *Host) Identify(file string) { h.claims.identify(file) }

// Rivals are the programs that hold the name of a table of ours: the daemons that
// this daemon waits for, and strangers.
func (h *Host) Rivals() []rib.Rival { return h.claims.listRivals() }

// Fixtures are for what is in the core's namespace beside routes, labels and SIDs.
func (h *Host) Fixtures() Fixtures { return Fixtures{h.Namespaces} }

// Tenants look which namespaces and VRF devices there are.
func (h *Host) Tenants() Tenants { return Tenants{h.Namespaces} }

// Await returns a channel that is signalled whenever b might be there, also at
// once where it is, and a function that ends the watch. A signal may be false:
// Open decides.
func (h *Host) Await(b rib.Binding) (<-chan struct{}, func(), error) {
	a, err := newAwait(h, b)
	if err != nil {
		return nil, nil, fmt.Errorf("wait for %v: %w", b, err)
	}
	return a.ready, a.stop, nil
}
