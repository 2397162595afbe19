package daemon

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/netip"
	"path/filepath"
	"reflect"
	"sync"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/vrfredist/vrfredist/api"
	"github.com/vrfredist/vrfredist/config"
	"github.com/vrfredist/vrfredist/nsworker"
	"github.com/vrfredist/vrfredist/nsworker/kernel"
	"github.com/vrfredist/vrfredist/nsworker/relay"
	"github.com/vrfredist/vrfredist/rib"
	"github.com/vrfredist/vrfredist/rib/speaker"
	"github.com/vrfredist/vrfredist/vrf"
)

// hostKernel gives the workers a kernel.Host as the interface they declare.
type hostKernel struct {
	*kernel.Host
	prepare func(netns string) // is told of each namespace in which a table was opened
}

func (h hostKernel) Open(ctx context.Context, b rib.Binding, protocol uint8) (nsworker.Table, error) {
	c, err := h.Own(ctx, b, protocol)
	if err != nil {
		return nil, err // a nil *Conn in the interface would not be nil
	}
	h.prepare(b.Netns)
	return c, nil
}

// owning is a worker whose table stays this daemon's over its failures, until the
// worker is told to end.
type owning struct {
	vrf.Worker
	host    *kernel.Host
	binding rib.Binding
}

func (o owning) Run(ctx context.Context) error {
	defer func() { // after a panic too
		if ctx.Err() != nil {
			o.host.Disown(o.binding)
		}
	}()
	return o.Worker.Run(ctx)
}

// absolute is a path from any directory.
func absolute(path string) string {
	if abs, err := filepath.Abs(path); err == nil {
		return abs
	}
	return path
}

// Options are the parameters of Run.
type Options struct {
	File            string
	StateDir        string
	Listen          []string // where the API is served; none: what the file says
	GracefulRestart bool     // tell the neighbours that this is a graceful restart
	Version         string   // of the program, for people
	Log             *slog.Logger
}

// Run runs until ctx ends, a signal comes, or something that the daemon cannot live
// without fails.
func Run(ctx context.Context, opts Options) error {
	log := opts.Log
	signals := heedSignals()
	defer signals.letGo()
	tuneGC()
	secret := newSecret()
	overlay, err := config.OpenOverlay(opts.StateDir)
	if err != nil {
		return err
	}
	cfg, unconfirmed, err := startConfig(opts, secret, overlay, log)
	if err != nil {
		return err
	}
	logNotes(log, cfg)
	d := &daemon{file: opts.File, listen: opts.Listen, log: log, overlay: overlay, secret: secret, stateDir: opts.StateDir, version: opts.Version, manager: newManager(log), signals: signals}
	d.cfg.Store(cfg)
	d.doubt.Store(unconfirmed)
	d.rollback = time.NewTimer(time.Hour)
	d.rollback.Stop()
	if d.door, err = d.newDoor(cfg.API); err != nil {
		return err
	}
	d.host, d.board = kernel.NewHost(log), nsworker.NewBoard()
	d.host.Identify(absolute(opts.File))
	d.links = newHostLinks(d.host)
	d.speaker, err = speaker.New(speaker.Options{
		Config: cfg.BGP, Extras: cfg.Extras, Listen: d.addresses(), SocketGroup: cfg.API.SocketGroup,
		Server: api.NewGateway(d.door, d), Secured: cfg.API.TLS != nil,
		GracefulRestart: opts.GracefulRestart, Logger: log, Links: d.links,
		Who: api.Who, Serves: d.serves, Called: d.called, Drifted: func() { d.supervisor.Nudge() },
		OwnPrefix: func(vrf string, p netip.Prefix) bool { return d.board.Own(vrf).Has(p) },
	})
	if err != nil {
		return err
	}
	d.warnOfStrangers(cfg.API)
	if err := d.speaker.Mirror(ctx, mirrors(cfg)); err != nil {
		return err
	}
	d.board.OnOwn(d.speaker.OwnChanged)
	d.relay = relay.New(bgpAddress(cfg), d.host, log)
	deps := nsworker.Deps{
		Kernel: hostKernel{d.host, d.prepareNetns}, BGP: d.speaker, Board: d.board, Log: log, Tap: &d.tap,
		Leaking: func(into vrf.Spec) []string { return d.supervisor.Leaking(into) }, Link: d.link,
	}
	d.supervisor = vrf.NewSupervisor(func(s vrf.Spec, r vrf.Report) vrf.Worker {
		return owning{nsworker.New(deps, s, d.tellRelay(s.Binding.Netns, r)), d.host, s.Binding}
	}, log)
	if d.metrics, err = newMetrics(d, cfg.Metrics, log); err != nil {
		return err
	}
	return d.run(ctx)
}

// run owns the daemon's parts and joins them. They end in the order in which
// they need each other: workers first, so that nothing that BGP takes back
// while it ends reaches a kernel table.
func (d *daemon) run(ctx context.Context) error {
	ctx, stop := context.WithCancelCause(ctx)
	defer stop(nil)
	below, stopBelow := context.WithCancel(context.WithoutCancel(ctx))
	defer stopBelow()

	var parts errgroup.Group
	part := func(name string, run func(context.Context) error) {
		parts.Go(func() error {
			err := run(below)
			if err == nil && below.Err() == nil {
				err = errors.New("ended by itself")
			}
			if err != nil {
				err = fmt.Errorf("%s: %w", name, err)
				stop(err)
			}
			return err
		})
	}
	part("netlink", d.host.Run)
	part("neighbours on interfaces", d.links.Run)
	part("BGP", d.speaker.Run)
	part("sessions in namespaces", d.relay.Run)
	if d.metrics != nil {
		part("metrics", d.metrics.Run)
	}
	if d.page != nil {
		part("status page", d.page.Run)
	}

	select {
	case <-d.speaker.Started():
		workers := make(chan error, 1)
		go func() { workers <- d.supervisor.Run(ctx) }()
		err := d.serve(ctx, stop)
		stop(err)
		err = errors.Join(err, <-workers)
		stopBelow() // before BGP ends, so that its end is not a failure
		err = errors.Join(err, d.endBGP(), d.endState(context.Cause(ctx)))
		return errors.Join(err, parts.Wait())
	case sig := <-d.signals.end:
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
func (d *daemon) serve(ctx context.Context, stop context.CancelCauseFunc) error {
	defer d.signals.letGo()
	d.manager.starting()
	d.mu.Lock()
	specs := d.specs()
	err := d.supervisor.Apply(ctx, specs)
	d.mu.Unlock()
	if err != nil {
		return err
	}
	cfg := d.cfg.Load()
	if err := d.setNeighbors(cfg.Neighbors); err != nil {
		return err
	}
	d.checkSysctls(cfg)
	for _, name := range d.overlay.Orphans(cfg.VRFs, cfg.Others) {
		d.log.Warn("redistribution was changed at run time for a VRF that is not configured any more; it is kept for when the VRF is back", "vrf", name)
	}
	for _, line := range d.hidden(cfg) {
		d.log.Info(line)
	}
	d.log.Info("vrfredist is running", "vrfs", len(specs), "api", d.addresses())
	pings := make(chan chan struct{})
	ctx, end := context.WithCancel(ctx)
	var beside sync.WaitGroup
	beside.Go(func() { d.tellManager(ctx, pings) })
	beside.Go(func() { d.changes(ctx) })
	defer func() { end(); beside.Wait(); d.manager.stopping() }()
	for {
		select {
		case <-ctx.Done():
			return nil
		case answer := <-pings:
			close(answer)
		case sig := <-d.signals.end:
			d.log.Info("vrfredist ends", "signal", sig.String())
			stop(vrf.ErrExit)
			return nil
		}
	}
}

// changes applies the file when it is told to, and takes back what nobody confirmed,
// until ctx ends. It is not the loop that answers the watchdog, because a change waits
// for others, for workers and for BGP.
func (d *daemon) changes(ctx context.Context) {
	for {
		select {
		case <-ctx.Done():
			return
		case <-d.rollback.C:
			d.rollBack(ctx)
		case <-d.signals.reload:
			if d.signals.ending() || ctx.Err() != nil {
				continue // which comes before it
			}
			if _, _, err := d.Reload(ctx, 0); err != nil {
				d.log.Error("the reload failed", "err", err)
			}
		}
	}
}

// addresses are where the API is served.
func (d *daemon) addresses() []string {
	if len(d.listen) > 0 {
		return d.listen
	}
	return d.cfg.Load().API.Listen
}

// logNotes says which keys of the file mean something else here than in the
// program that it was written for.
func logNotes(log *slog.Logger, cfg *config.Config) {
	for _, n := range cfg.Notes {
		log.Warn(n.Key+": "+n.Message, "file", n.File, "line", n.Line)
	}
}

// specChanges says in a line each what differs between two sets of VRFs.
func specChanges(before, after []vrf.Spec) []string {
	old := make(map[string]vrf.Spec, len(before))
	for _, s := range before {
		old[s.Name] = s
	}
	var out []string
	for _, s := range after {
		was, ok := old[s.Name]
		delete(old, s.Name)
		switch {
		case !ok:
			out = append(out, fmt.Sprintf("VRF %q: redistribution starts (%s)", s.Name, s.Binding))
		case was.Binding != s.Binding:
			out = append(out, fmt.Sprintf("VRF %q: moved from %s to %s", s.Name, was.Binding, s.Binding))
		case !reflect.DeepEqual(was, s):
			out = append(out, fmt.Sprintf("VRF %q: redistribution changed", s.Name))
		}
	}
	for _, s := range before {
		if _, gone := old[s.Name]; gone {
			out = append(out, fmt.Sprintf("VRF %q: redistribution ends", s.Name))
		}
	}
	return out
}
