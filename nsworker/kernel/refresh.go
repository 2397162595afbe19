package kernel

import (
	"context"
	"errors"
	"fmt"

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

// refreshNexthops reads the nexthop objects anew. Older events that still wait in the
// queue may undo some of the reading; the newest ones put it right again.
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
// use: the kernel deletes such objects without an event, while it holds the RTNL lock
// for which the dump then waits.
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
	// The kernel says ENOBUFS once, and goes on dropping events without a word until
	// the queue has been empty: a reading before that moment may miss changes.
	if err := m.sock.drain(); err != nil {
		return err
	}
	if err := m.refresh(context.Background()); err != nil {
		return err
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	m.subscribers.linksChanged(m.links, rib.ResyncOverflow, changed, nil)
	return nil
}

// breakDown tells all subscribers that the monitor ended by itself.
func (m *monitor) breakDown(err error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.broken = fmt.Errorf("the events of %v cannot be read: %w", m.ns, err)
	m.subscribers.broken(m.broken)
}

// malformedError is an event that could not be decoded: it counts as lost.
type malformedError struct{ error }
