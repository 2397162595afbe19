package main

import (
	"context"
	"fmt"
	"log/slog"
	"reflect"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/vrfredist/vrfredist/api"
	"github.com/vrfredist/vrfredist/config"
	"github.com/vrfredist/vrfredist/metrics"
	"github.com/vrfredist/vrfredist/nsworker"
	"github.com/vrfredist/vrfredist/nsworker/kernel"
	"github.com/vrfredist/vrfredist/nsworker/relay"
	"github.com/vrfredist/vrfredist/rib"
	"github.com/vrfredist/vrfredist/rib/speaker"
	"github.com/vrfredist/vrfredist/status"
	"github.com/vrfredist/vrfredist/vrf"
)

// daemon holds what is configured, and applies changes of it one at a time: a
// reload of the file, and what is enabled or disabled over the API. It is the
// api.Backend.
type daemon struct {
	file       string
	listen     []string // --api-listen: takes the place of the file's addresses
	log        *slog.Logger
	overlay    *config.Overlay
	door       *api.Door // before the API
	speaker    *speaker.Speaker
	supervisor *vrf.Supervisor
	host       *kernel.Host
	relay      *relay.Relay
	secret     []byte          // between the relay and GoBGP
	metrics    *metrics.Server // nil: none
	board      *nsworker.Board
	manager    *manager
	page       *status.Page // nil: none

	planning sync.Mutex // held for the whole of a plan
	mu       sync.Mutex // held for the whole of a change
	cfg      atomic.Pointer[config.Config]
}

// endTime bounds how long BGP may take to say goodbye.
const endTime = 5 * time.Second

// endBGP ends the speaker after the workers. Where routes stay in the kernel the
// sessions are left to graceful restart; a neighbour that is told of our end
// would take its traffic elsewhere at once.
func (d *daemon) endBGP() error {
	keep := slices.ContainsFunc(d.specs(), func(s vrf.Spec) bool { return s.OnExit == vrf.Keep })
	ctx, cancel := context.WithTimeout(context.Background(), endTime)
	defer cancel()
	return d.speaker.Stop(ctx, keep)
}

// loadConfig reads a file. secret may be nil where nothing is started from it.
func loadConfig(path string, secret []byte) (*config.Config, error) {
	return config.Load(path, config.BGP{Schema: speaker.Schema(), Check: speaker.Check, Secret: secret})
}

// List implements api.Backend.
func (d *daemon) List() []vrf.Status { return d.supervisor.List() }

// Changed implements api.Backend.
func (d *daemon) Changed() <-chan struct{} { return d.supervisor.Changed() }

// Get implements api.Backend. A VRF that nothing was enabled for has a status
// too: it is configured, and nothing runs for it.
func (d *daemon) Get(name string) (vrf.Status, bool) {
	if st, ok := d.supervisor.Get(name); ok {
		return st, true
	}
	s, ok := d.spec(name)
	return vrf.Status{Spec: s}, ok
}

// Routes implements api.Backend.
func (d *daemon) Routes(ctx context.Context, name string, dir vrf.Direction, yield func(rib.RouteStatus) bool) error {
	return d.supervisor.Routes(ctx, name, dir, yield)
}

// Resync implements api.Backend.
func (d *daemon) Resync(ctx context.Context, name string) (vrf.Repair, error) {
	return d.supervisor.Resync(ctx, name)
}

// Explain implements api.Backend.
func (d *daemon) Explain(ctx context.Context, name string, q rib.Question) (rib.Explanation, error) {
	return d.supervisor.Explain(ctx, name, q)
}

// Redistribute implements api.Backend: it changes one direction of a VRF, keeps
// the change for the next start, and applies it.
func (d *daemon) Redistribute(ctx context.Context, name string, dir vrf.Direction, change func(*vrf.Spec)) error {
	d.mu.Lock()
	defer d.mu.Unlock()
	spec, ok := d.spec(name)
	if !ok {
		return api.ErrUnknownVRF
	}
	change(&spec)
	if spec.VRF != "" && spec.Import.Enabled {
		return fmt.Errorf("%q is a further table of VRF %q, which takes routes and gives none; enable import for VRF %q", name, spec.VRF, spec.VRF)
	}
	if err := d.keep(spec, dir); err != nil {
		return err
	}
	return d.supervisor.Apply(ctx, d.specs())
}

// keep writes one direction of spec to the state directory.
func (d *daemon) keep(spec vrf.Spec, dir vrf.Direction) error {
	r := config.Redistribution{Enabled: spec.Import.Enabled, Interfaces: spec.Import.Interfaces}
	if dir == vrf.Export {
		r = config.Redistribution{
			Enabled:          spec.Export.Enabled,
			Community:        spec.Export.Community,
			CommunityList:    spec.Export.CommunityList,
			LargeCommunities: spec.Export.LargeCommunities,
		}
	}
	return d.overlay.Set(spec.Name, dir, r)
}

// specs are the VRFs to run now.
func (d *daemon) specs() []vrf.Spec {
	cfg := d.cfg.Load()
	return d.overlay.Apply(cfg.VRFs, cfg.Others)
}

// spec returns what is configured for one VRF, with what was changed at run
// time laid over it.
func (d *daemon) spec(name string) (vrf.Spec, bool) {
	for _, list := range [][]vrf.Spec{d.specs(), d.cfg.Load().Others} {
		if i := slices.IndexFunc(list, func(s vrf.Spec) bool { return s.Name == name }); i >= 0 {
			return list[i], true
		}
	}
	return vrf.Spec{}, false
}

// Reload implements api.Backend. A file with an error changes nothing.
func (d *daemon) Reload(ctx context.Context) ([]string, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	defer d.manager.reloading()()
	cfg, err := loadConfig(d.file, d.secret)
	if err != nil {
		return nil, err
	}
	before, old := d.specs(), d.cfg.Load()
	d.cfg.Store(cfg)
	after := d.specs()
	// Workers of VRFs that go must be done with BGP before BGP forgets them.
	if err := d.supervisor.Apply(ctx, common(before, after)); err != nil {
		return nil, d.restore(ctx, before, old, fmt.Errorf("end the VRFs that left the file: %w", err))
	}
	changes, err := d.speaker.Reload(ctx, cfg.BGP)
	if err != nil {
		return nil, d.restore(ctx, before, old, fmt.Errorf("apply the file to BGP: %w", err))
	}
	if err := d.speaker.Mirror(ctx, mirrors(cfg)); err != nil {
		return nil, d.restore(ctx, before, old, err)
	}
	if err := d.setNeighbors(cfg.Neighbors); err != nil {
		return nil, d.restore(ctx, before, old, err)
	}
	d.checkSysctls(cfg)
	if err := d.supervisor.Apply(ctx, after); err != nil {
		return nil, fmt.Errorf("the file is in force, but not all went well: %w", err)
	}
	changes = append(append(changes, d.later(old, cfg)...), specChanges(before, after)...)
	logNotes(d.log, cfg)
	d.log.Info("the configuration was reloaded", "file", d.file, "changes", len(changes))
	return changes, nil
}

// later says what of a changed configuration takes effect at the next start.
func (d *daemon) later(old, next *config.Config) (changes []string) {
	if d.listen == nil && !slices.Equal(old.API.Listen, next.API.Listen) {
		changes = append(changes, "netlink.api.listen changed: it takes effect at the next start")
	}
	if !reflect.DeepEqual(old.Metrics, next.Metrics) {
		changes = append(changes, "netlink.metrics changed: it takes effect at the next start")
	}
	return changes
}

// restore puts the old configuration wholly in force again after a reload that
// failed half way.
func (d *daemon) restore(ctx context.Context, specs []vrf.Spec, old *config.Config, why error) error {
	d.cfg.Store(old)
	why = fmt.Errorf("%w; the old configuration is in force again", why)
	if _, err := d.speaker.Reload(ctx, old.BGP); err != nil {
		return fmt.Errorf("%w, except that BGP refused a part of it: %w; restart vrfredist", why, err)
	}
	if err := d.speaker.Mirror(ctx, mirrors(old)); err != nil {
		return fmt.Errorf("%w, except for what goes to further tables of a VRF: %w; restart vrfredist", why, err)
	}
	if err := d.setNeighbors(old.Neighbors); err != nil {
		return fmt.Errorf("%w, except for the neighbours inside namespaces: %w; restart vrfredist", why, err)
	}
	if err := d.supervisor.Apply(ctx, specs); err != nil {
		return fmt.Errorf("%w, except that VRFs could not be started: %w; restart vrfredist", why, err)
	}
	return why
}

// mirrors are the workers that need a copy of another VRF's feed.
func mirrors(cfg *config.Config) map[string]string {
	of := make(map[string]string)
	for _, s := range cfg.VRFs {
		if s.VRF != "" {
			of[s.Name] = s.VRF
		}
	}
	return of
}

// common returns those of before that after has too.
func common(before, after []vrf.Spec) []vrf.Spec {
	var out []vrf.Spec
	for _, s := range before {
		if slices.ContainsFunc(after, func(o vrf.Spec) bool { return o.Name == s.Name }) {
			out = append(out, s)
		}
	}
	return out
}
