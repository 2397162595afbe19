package gobgp3

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/osrg/gobgp/v3/pkg/config"
	"github.com/osrg/gobgp/v3/pkg/server"
	"google.golang.org/grpc"

	"github.com/vrfredist/vrfredist/rib/speaker/gobgp3/reload"
)

// Run starts BGP and serves until ctx ends or Stop is called, and then returns
// nil. It is called once. When it returns the watch has ended and no feed
// changes any more, but the BGP sessions are as they were: a process that exits
// now leaves its neighbours to graceful restart, and its kernel routes in
// place. Call Stop for anything else.
//
// GoBGP's server loop is the one goroutine that nobody can join: it has no end.
func (s *Speaker) Run(ctx context.Context) error {
	sockets, err := openSockets(s.options.Listen, s.options.SocketGroup)
	if err != nil {
		return err
	}
	defer sockets.close()

	bgp := server.NewBgpServer(server.LoggerOption(s.log), server.TimingHookOption(s.keeper))
	serves, err := apiOf(bgp)
	if err != nil {
		return err
	}
	s.keeper.changes.untold.gone = countServer()
	s.running.Store(bgp)
	go bgp.Serve()
	defer s.feeder.fence()

	ctx, end := context.WithCancel(ctx)
	defer end()
	defer s.keeper.reach.end()
	if err := s.start(ctx, bgp); err != nil {
		if ctx.Err() != nil || s.stopped() {
			return nil
		}
		return err
	}
	var beside sync.WaitGroup
	beside.Go(func() { s.reloader.run(ctx) })
	beside.Go(func() { s.drift.run(ctx) })
	beside.Go(func() { s.keeper.out.run(ctx, s.embedded, s.announcer.Repeat) })
	beside.Go(func() { s.keeper.reach.run(ctx) })
	beside.Go(func() { s.keeper.validation.run(ctx) })
	defer func() { end(); beside.Wait() }()
	defer s.keeper.start(ctx)()
	if err := sockets.publish(); err != nil {
		return err
	}
	served := serve(s.options.Server, func(g grpc.ServiceRegistrar) { s.clients.register(g, serves) }, sockets.listeners)
	defer served.stop()
	close(s.started)
	select {
	case err := <-served.failed:
		return err
	case <-ctx.Done():
		return nil
	case <-s.stop:
		return nil
	case <-s.log.fatal:
		return s.log.err()
	}
}

// start brings everything up in the order in which one needs the other. The goroutines
// that it leaves running end with until.
func (s *Speaker) start(until context.Context, bgp *server.BgpServer) error {
	ctx, done := s.untilFatal(until)
	defer done()
	c := s.inForce()
	s.sessions.configure(c)
	set := c.CopySet()
	if err := s.stops.begin(set); err != nil {
		return err
	}
	s.keeper.configure(c)
	s.keeper.out.expect(c, true)
	s.keeper.reach.begin()
	s.keeper.whole.told.opening.begin(s.vrfs())
	if err := s.sessions.watch(until, bgp); err != nil {
		return err
	}
	err := s.log.guard(func() error {
		_, err := config.InitialConfig(ctx, bgp, set, s.options.GracefulRestart)
		return err
	})
	if err != nil {
		return startError(err)
	}
	if err := errors.Join(s.stops.runs(), s.reloader.listening.answer(c), reload.CheckPolicies(ctx, bgp, &c.Set), reload.GivePolicies(ctx, s.keeper, c), retell(s.keeper.changes, nil), remark(s.keeper.out, c, false, func() error { return nil }), s.keeper.screens.rescreen(c, false)); err != nil {
		return fmt.Errorf("start BGP: %w", err)
	}
	if err := s.feeder.rewatch(ctx); err != nil {
		return err
	}
	s.changing.Lock()
	defer s.changing.Unlock()
	return s.drift.hold(ctx, c)
}

// Started is closed when BGP runs, the API listens and the watch is on.
func (s *Speaker) Started() <-chan struct{} { return s.started }

// Stop fences the feeds, makes Run return, and ends BGP. With graceful it
// leaves the sessions alone, so that the end of the process cuts them and
// neighbours with graceful restart keep our routes. Without, every neighbour
// gets a CEASE notification and forgets our routes at once, and the API stops.
// It may be called before, during and after Run, and more than once.
func (s *Speaker) Stop(ctx context.Context, graceful bool) error {
	s.feeder.fence()
	s.once.Do(func() { close(s.stop) })
	bgp := s.server()
	if graceful || bgp == nil {
		return nil
	}
	quiet, cancel := context.WithTimeout(ctx, time.Second)
	defer cancel()
	_ = s.guarding.guard.Quiet(quiet) // a reader that is held up elsewhere does not keep the daemon
	done := make(chan struct{})
	go func() { // GoBGP's Stop takes no context; the process ends soon
		defer close(done)
		bgp.Stop()
		s.keeper.changes.untold.gone()
	}()
	select {
	case <-done:
		return nil
	case <-ctx.Done():
		return fmt.Errorf("stop BGP: the sessions did not end in time: %w", ctx.Err())
	}
}
