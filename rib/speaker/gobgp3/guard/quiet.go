package guard

import (
	"context"
	"sync"
)

// quiet is how a session is kept from reading on: GoBGP writes its global configuration
// when it stops, without a lock, while the goroutine of each session reads it for the
// message in hand.
type quiet struct {
	asked   chan struct{} // closed: nothing more is passed
	reached chan struct{} // closed: the session's reader waits here, or has ended
	closed  chan struct{} // closed: the connection is
	ask     sync.Once
	reach   sync.Once
	close   sync.Once
}

func newQuiet() *quiet {
	return &quiet{asked: make(chan struct{}), reached: make(chan struct{}), closed: make(chan struct{})}
}

// holds waits until the connection is closed where nothing more is to be passed, and
// tells whether it did.
func (q *quiet) holds() bool {
	select {
	case <-q.asked:
	default:
		return false
	}
	q.ends()
	<-q.closed
	return true
}

// ends says that the session's reader deals with no message any more.
func (q *quiet) ends() { q.reach.Do(func() { close(q.reached) }) }

// Quiet has nothing more of any session passed to GoBGP, and returns when its goroutines
// are done with what was passed before, or when ctx ends. The sessions stay as they are;
// there is no way back.
func (g *Guard) Quiet(ctx context.Context) error {
	g.mu.Lock()
	g.stopping = true
	conns := make([]*Conn, 0, len(g.conns))
	for _, c := range g.conns {
		conns = append(conns, c)
	}
	g.mu.Unlock()
	for _, c := range conns {
		c.hush()
	}
	for _, c := range conns {
		select {
		case <-c.quiet.reached:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
	return nil
}
