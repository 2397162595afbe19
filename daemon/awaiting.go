package daemon

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync"

	"github.com/vrfredist/vrfredist/api"
	"github.com/vrfredist/vrfredist/config"
	"github.com/vrfredist/vrfredist/metrics"
	"github.com/vrfredist/vrfredist/rib/speaker/gobgp3"
	"github.com/vrfredist/vrfredist/rib/speaker/gobgp3/conf"
)

// awaitStart waits, where the file has no [global.config], until a client of the API has said what is
// to be in it, or the file has one. start is nil where the file says it. told is called once, with
// how the start went.
func awaitStart(ctx context.Context, o Options, s signals) (start *config.Started, told func(error), err error) {
	for {
		cfg, err := couldStart(o, nil)
		if err != nil || !cfg.Awaits {
			return nil, func(error) {}, nil //nolint:nilerr // whoever starts with it says what is wrong with it
		}
		start, told, err = awaitClient(ctx, o, s, cfg)
		if err != nil || start != nil {
			return start, told, err
		}
	}
}

// couldStart is the configuration that the daemon would start with; with start, if a client of the
// API gave that.
func couldStart(o Options, start *config.Started) (*config.Config, error) {
	judge := bgpPart(newSecret())
	judge.Started = func() *config.Started { return start }
	overlay, err := config.OpenOverlay(o.StateDir)
	if err != nil {
		return nil, err
	}
	layers, err := openLayering(o, judge)
	if err != nil {
		return nil, err
	}
	cfg, _, err := startConfig(o, judge, overlay, layers, slog.New(slog.DiscardHandler)) // the start says it
	return cfg, err
}

// errEnds ends the wait where the daemon was told to end, and errRead where the file is to be read
// again.
var (
	errEnds = errors.New("vrfredist ends")
	errRead = errors.New("the file is read again")
)

// awaitClient serves the API until a client starts BGP, or a signal comes: SIGHUP returns no start,
// and no error.
func awaitClient(ctx context.Context, o Options, s signals, cfg *config.Config) (*config.Started, func(error), error) {
	gate, err := newGate(o.Listen, cfg.API, o.Log)
	if err != nil {
		return nil, nil, err
	}
	waiting, shows, err := beforeStart(o, cfg)
	if err != nil {
		return nil, nil, err
	}
	ctx, stop := context.WithCancelCause(ctx)
	var beside sync.WaitGroup
	defer beside.Wait()
	defer stop(nil)
	beside.Go(func() {
		select {
		case <-s.end:
			stop(errEnds)
		case <-s.reload:
			stop(errRead)
		case <-ctx.Done():
		}
	})
	m := newManager(o.Log)
	beside.Go(func() { m.attend(ctx, waiting) })
	for _, p := range shows {
		beside.Go(func() {
			if err := p.run(ctx); err != nil {
				stop(fmt.Errorf("%s: %w", p.name, err))
			}
		})
	}
	o.Log.Warn("BGP is not started: "+config.WaitsForStart, "file", o.File, "api", gate.addresses(cfg.API))
	begun, told, err := gobgp3.Awaiting{
		Listen: gate.addresses(cfg.API), SocketGroup: cfg.API.SocketGroup, Who: api.Who,
		Server: api.NewWaitingGateway(gate.door, waiting, gobgp3.StartMethod, config.WaitsForStart),
		Judge: func(b gobgp3.Start) error {
			_, err := couldStart(o, startedOf(b))
			return err
		},
	}.Run(ctx)
	switch {
	case errors.Is(err, errRead):
		return nil, nil, nil
	case err != nil:
		return nil, nil, err
	}
	o.Log.Info("a client of the API starts BGP", "as", begun.AS, "router_id", begun.RouterID, "by", begun.By)
	return startedOf(begun), told, nil
}

// beforeStart is what is shown of a configuration while BGP waits, and the parts that show it beside the
// API, which have their addresses already.
func beforeStart(o Options, cfg *config.Config) (*unstarted, []part, error) {
	overlay, err := config.OpenOverlay(o.StateDir)
	if err != nil {
		return nil, nil, err
	}
	sessions, err := conf.Unstarted(cfg.BGP, waitsForBGP)
	if err != nil {
		return nil, nil, err
	}
	force := newInForce(cfg, overlay)
	shown := &shownConfig{file: absolute(o.File), listen: o.Listen, judge: bgpPart(nil), force: force}
	waiting := newUnstarted(o, force, shown, sessions)
	asked := cfg.Metrics
	asked.GoBGP = false // it counts nothing yet
	server, page, err := newMetrics(waiting, unseenCore{}, nil, asked, metrics.Daemon{Build: metrics.Build(o.Build), Changes: waiting}, o.Log)
	if err != nil {
		return nil, nil, err
	}
	var parts []part
	if server != nil {
		parts = append(parts, part{"metrics", server.Run})
	}
	if page != nil {
		parts = append(parts, part{"status page", page.Run})
	}
	return waiting, parts, nil
}

func startedOf(b gobgp3.Start) *config.Started {
	return &config.Started{AS: b.AS, RouterID: b.RouterID, Port: b.Port, Listen: b.Listen, Multipath: b.Multipath, By: b.By}
}

// tell tells whoever started BGP how that went: when it runs, or when the daemon ends before. The
// function that it returns has that be told at once, and waits for it.
func tell(ctx context.Context, started <-chan struct{}, told func(error)) (join func(error)) {
	ctx, end := context.WithCancelCause(ctx)
	var done sync.WaitGroup
	done.Go(func() {
		select {
		case <-started:
			told(nil)
		case <-ctx.Done():
			told(fmt.Errorf("BGP was not started: %w", context.Cause(ctx)))
		}
	})
	return func(err error) {
		end(err)
		done.Wait()
	}
}
