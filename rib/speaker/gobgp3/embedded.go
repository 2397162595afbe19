package gobgp3

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"

	"github.com/vrfredist/vrfredist/rib/speaker"
	"github.com/vrfredist/vrfredist/rib/speaker/gobgp3/conf"
)

// embedded is GoBGP in this process, with the configuration in force. The parts of a
// Speaker have it in common.
type embedded struct {
	*loop
	log     *logger
	started chan struct{} // closed when BGP runs, the API listens and the watch is on
	stop    chan struct{} // closed by Stop
	once    sync.Once     // of closing stop

	// changing is held for the whole of whatever changes the configuration: a reload, a
	// neighbour that was heard on an interface, a call of another client. Who holds it
	// asks GoBGP, and takes other locks.
	changing sync.Mutex
	force    atomic.Pointer[conf.Config]
}

func newEmbedded(l *loop, log *logger) *embedded {
	return &embedded{loop: l, log: log, started: make(chan struct{}), stop: make(chan struct{})}
}

// inForce is the configuration that is.
func (e *embedded) inForce() *conf.Config { return e.force.Load() }

// vrfs are the configured VRFs by name, without the default one. They are nobody's to
// change.
func (e *embedded) vrfs() []speaker.VRF { return e.inForce().VRFs }

// stopped tells whether Stop was called.
func (e *embedded) stopped() bool {
	select {
	case <-e.stop:
		return true
	default:
		return false
	}
}

var errStopped = errors.New("BGP has stopped")

// waitStarted waits until the speaker is up.
func (e *embedded) waitStarted(ctx context.Context) error {
	select {
	case <-e.started:
		return nil
	case <-e.stop:
		return errStopped
	case <-ctx.Done():
		return fmt.Errorf("BGP is not up yet: %w", ctx.Err())
	}
}

// untilFatal returns a context that also ends when GoBGP gives up, or Stop is
// called, and the function that ends it.
func (e *embedded) untilFatal(ctx context.Context) (context.Context, func()) {
	ctx, cancel := context.WithCancelCause(ctx)
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		select {
		case <-e.log.fatal:
			cancel(e.log.err())
		case <-e.stop:
			cancel(errStopped)
		case <-ctx.Done():
		}
	}()
	return ctx, func() { cancel(nil); <-ended }
}
