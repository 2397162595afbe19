package kernel

import (
	"context"
	"errors"

	"golang.org/x/sys/unix"

	"github.com/vrfredist/vrfredist/rib"
)

// refresh reads links and nexthop objects anew.
func (m *monitor) refresh(ctx context.Context) error {
	links, err := m.query.dumpLinks(ctx)
	if err != nil {
		return err
	}
	m.mu.Lock()
	m.links = links
	m.mu.Unlock()
	return m.refreshNexthops(ctx)
}

// refreshNexthops reads the nexthop objects anew. Events that wait in the queue
// repeat some of what it reads, in the end truly.
func (m *monitor) refreshNexthops(ctx context.Context) error {
	objects, err := m.query.dumpNexthops(ctx)
	if err != nil {
		return err
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	m.nexthops, m.stale = objects, false
	if objects == nil {
		m.nexthops = nexthops{}
	}
	return nil
}

// freshen reads the nexthop objects anew where a link went that some of them
// use: the kernel deletes these in silence, while it holds the RTNL lock that
// the dump then waits for.
func (m *monitor) freshen() error {
	m.mu.Lock()
	stale := m.stale
	m.mu.Unlock()
	if !stale {
		return nil
	}
	return m.refreshNexthops(context.Background())
}

// repair makes good for lost events, which cause names.
func (m *monitor) repair(cause error) error {
	var malformed *malformedError
	if !errors.Is(cause, unix.ENOBUFS) && !errors.Is(cause, errTruncated) && !errors.As(cause, &malformed) {
		return cause
	}
	// The kernel says ENOBUFS once, and goes on dropping without a word until
	// the queue has been empty: what is read before that moment is no truth.
	if err := m.sock.drain(); err != nil {
		return err
	}
	if err := m.refresh(context.Background()); err != nil {
		return err
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	m.linksChanged(rib.ResyncOverflow, changed)
	return nil
}

// malformedError is an event that could not be decoded: it counts as lost.
type malformedError struct{ error }
