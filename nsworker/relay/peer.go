package relay

import (
	"context"
	"math/rand/v2"
	"net"
	"sync"
	"time"
)

// dialLimit is how long one attempt to dial waits: for a SYN and four more.
const dialLimit = 20 * time.Second

// steady is how long a session must last for the next one to be tried soon.
// One that BGP refuses, for a wrong AS number, say, ends at once.
const steady = 10 * time.Second

// peer is the goroutine of one neighbour, in one life of its namespace.
type peer struct {
	*entry
	space *space
	id    identity // of the namespace that its sockets must be in
	wake  chan struct{}
	came  chan *net.TCPConn // accepted ones, at most one
	end   context.CancelFunc
	done  chan struct{} // closed when run has returned

	mu   sync.Mutex // guards busy
	busy bool       // has a connection, or came holds one
}

func startPeer(ctx context.Context, s *space, id identity, e *entry) *peer {
	ctx, cancel := context.WithCancel(ctx)
	p := &peer{
		entry: e,
		space: s,
		id:    id,
		wake:  make(chan struct{}, 1),
		came:  make(chan *net.TCPConn, 1),
		end:   cancel,
		done:  make(chan struct{}),
	}
	go func() {
		defer close(p.done)
		p.run(ctx)
	}()
	return p
}

// stop ends the neighbour and its session, and waits for that.
func (p *peer) stop() {
	p.end()
	<-p.done
}

// claim makes the caller's connection the neighbour's one, where it has none.
func (p *peer) claim() bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.busy {
		return false
	}
	p.busy = true
	return true
}

// release ends the claim, where no connection has come that takes the place of the one that
// is over.
func (p *peer) release() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.busy = len(p.came) > 0
}

// offer hands over a connection that the peer opened, and ends another one over which it has
// not said a word. It tells whether it was taken.
func (p *peer) offer(c *net.TCPConn) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.busy && !p.giveWay() {
		return false
	}
	p.busy = true
	p.came <- c // has room: what gives way is held, and so is not in it
	return true
}

func (p *peer) run(ctx context.Context) {
	// Nothing is offered any more once this has returned.
	defer func() {
		if !p.claim() {
			select {
			case c := <-p.came:
				c.Close()
			default:
			}
		}
	}()
	p.begin()
	retry := backoff{most: p.n.connectRetry()}
	for {
		c, accepted := p.connection(ctx, &retry)
		if c == nil {
			return
		}
		if p.session(ctx, c, accepted) > steady {
			retry.delay = firstDelay
		}
		p.release()
	}
}

// connection waits for the next connection with the peer, and claims it: one
// that we dial, or that the peer opens. It returns nil when ctx has ended.
func (p *peer) connection(ctx context.Context, retry *backoff) (c *net.TCPConn, accepted bool) {
	dialing, cancel := context.WithCancel(ctx)
	dialled := make(chan *net.TCPConn)
	var under sync.WaitGroup
	defer func() {
		cancel()
		under.Wait()
	}()
	dial := func() {
		under.Go(func() {
			c := p.dial(dialing)
			select {
			case dialled <- c:
			case <-dialing.Done():
				if c != nil {
					refuse(c)
				}
			}
		})
	}
	next := time.NewTimer(retry.next())
	defer next.Stop()
	if p.n.PassiveOnly {
		next.Stop()
	}
	underway := false
	for {
		select {
		case <-ctx.Done():
			return nil, false
		case c := <-p.came:
			return c, true
		case c := <-dialled:
			underway = false
			if c != nil && p.claim() {
				return c, false
			}
			if c != nil {
				refuse(c) // the peer was faster; its connection is in came
			}
			next.Reset(retry.next())
		case <-next.C:
			underway = true
			dial()
		case <-p.wake:
			retry.reset()
			if !underway && !p.n.PassiveOnly {
				next.Reset(retry.next())
			}
		}
	}
}

// dial makes one attempt to reach the peer. It returns nil where that fails,
// and notes why.
func (p *peer) dial(ctx context.Context) *net.TCPConn {
	p.attempt()
	fd := -1
	err := p.space.inside(p.id, func() (err error) {
		fd, err = startDial(p.n)
		return err
	})
	var c *net.TCPConn
	if err == nil {
		c, err = finishDial(ctx, fd, min(dialLimit, max(p.n.connectRetry(), time.Second)))
	}
	if err == nil {
		if err = tune(c, p.n); err != nil {
			refuse(c)
		}
	}
	if err == nil {
		return c
	}
	if ctx.Err() == nil {
		p.fail(p.idle(), dialError(p.n, err))
	}
	return nil
}

// session joins a connection with the BGP server until it ends. It returns how
// long that was, 0 where the server did not take it.
func (p *peer) session(ctx context.Context, c *net.TCPConn, accepted bool) time.Duration {
	p.set(StateWaiting)
	p.hold(c)
	defer p.hold(nil)
	server, err := knock(ctx, p.space.relay, p.n, c)
	if err != nil {
		c.Close()
		if ctx.Err() == nil {
			p.turnedAway(&reason{"no session with " + p.n.String() + ": " + err.Error(), err})
		}
		return 0
	}
	p.connected(accepted)
	start := time.Now()
	p.ended(join(ctx, c, server))
	return time.Since(start)
}

// refuse closes a connection at once, by a reset.
func refuse(c *net.TCPConn) {
	_ = c.SetLinger(0) // a failure says that it is gone already
	c.Close()
}

// backoff spaces attempts: at once, then after 1 s and twice as long each time.
type backoff struct {
	most  time.Duration
	delay time.Duration // the next one; 0: at once
}

const firstDelay = time.Second

// next returns how long to wait, up to a quarter less than the whole, so that
// two speakers do not go on in step.
func (b *backoff) next() time.Duration {
	d := b.delay
	b.delay = min(max(2*b.delay, firstDelay), b.most)
	return d - time.Duration(rand.Int64N(int64(d/4)+1))
}

func (b *backoff) reset() { b.delay = 0 }
