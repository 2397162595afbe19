package daemon

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"sync"
	"time"

	"github.com/vrfredist/vrfredist/api"
	"github.com/vrfredist/vrfredist/config"
	"github.com/vrfredist/vrfredist/rib/speaker/gobgp3"
	"github.com/vrfredist/vrfredist/vrf"
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
	overlay, err := config.OpenOverlay(o.StateDir)
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
	waiting := newWaitingVRFs(newInForce(cfg, overlay).specs())
	m := newManager(o.Log)
	beside.Go(func() { m.attend(ctx, waiting) })
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

func startedOf(b gobgp3.Start) *config.Started {
	return &config.Started{AS: b.AS, RouterID: b.RouterID, Port: b.Port, Listen: b.Listen, Multipath: b.Multipath, By: b.By}
}

// waitingVRFs are the VRFs while BGP waits to be started. It is as much of the api.Backend as is
// served meanwhile.
type waitingVRFs struct {
	api.Backend // nil: nothing of it is served
	list        []vrf.Status
}

func newWaitingVRFs(specs []vrf.Spec) *waitingVRFs {
	w := new(waitingVRFs)
	for _, s := range specs {
		w.list = append(w.list, vrf.Status{Spec: s, WorkerStatus: vrf.WorkerStatus{State: vrf.Pending, Reason: waitsForBGP}, Since: time.Now()})
	}
	return w
}

// waitsForBGP is the reason of a VRF.
const waitsForBGP = "BGP waits for StartBgp over the API (`gobgp global as 65000 router-id 192.0.2.1`), because the file has no [global.config]"

func (w *waitingVRFs) List() []vrf.Status { return slices.Clone(w.list) }

func (w *waitingVRFs) Get(name string) (vrf.Status, bool) {
	for _, st := range w.list {
		if st.Spec.Name == name {
			return st, true
		}
	}
	return vrf.Status{}, false
}

// Changed is never closed: nothing changes until BGP runs.
func (w *waitingVRFs) Changed() <-chan struct{} { return nil }

func (w *waitingVRFs) Leaks(string) []vrf.Leak                                 { return nil }
func (w *waitingVRFs) Sessions(context.Context, string) ([]vrf.Session, error) { return nil, nil }
func (w *waitingVRFs) Unconfirmed() (vrf.Unconfirmed, bool)                    { return vrf.Unconfirmed{}, false }
func (w *waitingVRFs) Made(string) bool                                        { return false }

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
