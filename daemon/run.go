package daemon

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync"

	"golang.org/x/sync/errgroup"

	"github.com/vrfredist/vrfredist/vrf"
)

// Options are the parameters of Run.
type Options struct {
	File            string
	StateDir        string
	Listen          []string // where the API is served; none: what the file says
	GracefulRestart bool     // tell the neighbours that this is a graceful restart
	Build           Build
	Log             *slog.Logger
	Level           *slog.LevelVar // of Log; nil: it cannot be changed
}

// Build is the program, as it was built.
type Build struct {
	Version  string // for people
	Revision string // of its repository; "": it is not known
	GoBGP    string // the version of GoBGP in it
	Go       string // the version of Go that built it
}

// Run runs until ctx ends, a signal comes, or something that the daemon cannot live
// without fails.
func Run(ctx context.Context, o Options) error {
	signals := heedSignals()
	defer signals.letGo()
	spreadThreads()
	endKeeping := keepMemory(ctx)
	defer endKeeping()
	start, told, err := awaitStart(ctx, o, signals)
	switch {
	case errors.Is(err, errEnds), err != nil && ctx.Err() != nil:
		return nil
	case err != nil:
		return err
	}
	d, err := wire(ctx, o, start)
	if err != nil {
		told(err)
		return err
	}
	join := tell(ctx, d.bgp.Started(), told)
	err = d.run(ctx, signals)
	join(cmp.Or(err, errEnds))
	return err
}

// run owns the daemon's parts and joins them. They end in the order in which
// they need each other: workers first, so that nothing that BGP takes back
// while it ends reaches a kernel table.
func (d *daemon) run(ctx context.Context, signals signals) error {
	ctx, stop := context.WithCancelCause(ctx)
	defer stop(nil)
	below, stopBelow := context.WithCancel(context.WithoutCancel(ctx))
	defer stopBelow()

	var parts errgroup.Group
	for _, p := range d.parts {
		parts.Go(func() error {
			err := p.run(below)
			if err == nil && below.Err() == nil {
				err = errors.New("ended by itself")
			}
			if err != nil {
				err = fmt.Errorf("%s: %w", p.name, err)
				stop(err)
			}
			return err
		})
	}

	select {
	case <-d.bgp.Started():
		workers := make(chan error, 1)
		go func() { workers <- d.supervisor.Run(ctx) }()
		err := d.serve(ctx, stop, signals)
		stop(err)
		err = errors.Join(err, <-workers)
		stopBelow() // before BGP ends, so that its end is not a failure
		err = errors.Join(err, d.endBGP(), endState(context.Cause(ctx), d.force, d.changer.confirm))
		return errors.Join(err, parts.Wait())
	case sig := <-signals.end:
		d.log.Info("vrfredist ends, before BGP had started", "signal", sig.String())
		stopBelow()
		return parts.Wait()
	case <-ctx.Done():
		stopBelow()
		return parts.Wait()
	}
}

// serve starts the VRFs and heeds signals until ctx ends. The cause with which
// it stops the workers says whether they may take their routes out.
func (d *daemon) serve(ctx context.Context, stop context.CancelCauseFunc, signals signals) error {
	defer signals.letGo()
	d.manager.starting()
	if err := d.changer.start(ctx); err != nil {
		return err
	}
	d.sayWhatRuns()
	pings := make(chan chan struct{})
	ctx, end := context.WithCancel(ctx)
	var beside sync.WaitGroup
	beside.Go(func() {
		d.manager.attend(ctx, d.supervisor,
			probe{"the daemon's loop", func(ctx context.Context) error { return ping(ctx, pings) }},
			probe{"the supervisor", func(context.Context) error { d.supervisor.List(); return nil }},
			probe{"BGP", d.bgp.Answers})
	})
	beside.Go(func() { d.changer.heed(ctx, signals) })
	if d.levels != nil {
		beside.Go(func() { d.levels.heed(ctx, signals) })
	}
	if d.chronicle != nil {
		beside.Go(func() { d.chronicle.run(ctx) })
	}
	defer func() { end(); beside.Wait(); d.manager.stopping() }()
	for {
		select {
		case <-ctx.Done():
			return nil
		case answer := <-pings:
			close(answer)
		case sig := <-signals.end:
			d.log.Info("vrfredist ends", "signal", sig.String())
			stop(vrf.ErrExit)
			return nil
		}
	}
}

// sayWhatRuns logs what is in force, and what of the file and of the state is not.
func (d *daemon) sayWhatRuns() {
	cfg := d.force.config()
	for _, name := range d.force.orphans() {
		d.log.Warn("redistribution was changed at run time for a VRF that is not configured any more; it is kept for when the VRF is back", "vrf", name)
	}
	for _, line := range d.force.hidden(cfg) {
		d.log.Info(line)
	}
	for _, l := range d.changer.layers.leftOut(cfg) {
		d.log.Error("what was applied over the API cannot be had beside the file, and is left out; change the one or the other", "of", l.Key.String(), "why", l.Failed)
	}
	d.log.Info("vrfredist is running", "vrfs", len(d.force.specs()), "api", d.gate.addresses(cfg.API))
}
