package daemon

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/netip"
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
	links      hostLinks
	relay      *relay.Relay
	secret     []byte          // between the relay and GoBGP
	metrics    *metrics.Server // nil: none
	board      *nsworker.Board
	manager    *manager
	page       *status.Page // nil: none
	tap        vrf.Tap
	stateDir   string
	version    string
	signals    signals
	rollback   *time.Timer // of a reload that waits to be confirmed

	planning sync.Mutex // held for the whole of a plan
	mu       sync.Mutex // held for the whole of a change
	cfg      atomic.Pointer[config.Config]
	inside   atomic.Pointer[map[netip.Addr]vrf.Neighbor] // the neighbours in namespaces, by alias
	doubt    atomic.Pointer[doubt]                       // nil: what is in force was confirmed
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

// endState removes what the daemon keeps in its state directory where it was told to
// end, and every VRF leaves nothing (on_exit = "remove"). A configuration that waits
// for a confirmation keeps its state: the next start must go back to the old one.
func (d *daemon) endState(why error) error {
	specs := d.specs()
	keeps := func(s vrf.Spec) bool { return s.OnExit == vrf.Keep }
	if !errors.Is(why, vrf.ErrExit) || len(specs) == 0 || slices.ContainsFunc(specs, keeps) || d.doubt.Load() != nil {
		return nil
	}
	return d.overlay.Remove()
}

// loadConfig reads a file. secret may be nil where nothing is started from it.
func loadConfig(path string, secret []byte) (*config.Config, error) {
	return config.Load(path, bgpPart(secret))
}

// LoadConfig reads and validates a file as the daemon does, and starts nothing from it.
func LoadConfig(path string) (*config.Config, error) { return loadConfig(path, nil) }

// bgpPart is what config needs to know to judge GoBGP's part of a file.
func bgpPart(secret []byte) config.BGP {
	return config.BGP{Schema: speaker.Schema(), Check: speaker.Check, Secret: secret, Waits: linkWaits}
}

// linkWaits says why nobody is there on an interface of this process's namespace; "":
// somebody is, or it is not known.
func linkWaits(device string) string {
	now, err := kernel.NewHost(slog.New(slog.DiscardHandler)).Adjacent(context.Background())
	if err != nil {
		return "" // the start meets it too, and says so
	}
	return now.Waits(device)
}

// Changed implements api.Backend.
func (d *daemon) Changed() <-chan struct{} { return d.supervisor.Changed() }

// Get implements api.Backend. A VRF that nothing was enabled for has a status
// too: it is configured, and nothing runs for it.
func (d *daemon) Get(name string) (vrf.Status, bool) {
	if st, ok := d.supervisor.Get(name); ok {
		return drifted(st, d.speaker.Drift()), true
	}
	s, ok := d.spec(name)
	return vrf.Status{Spec: s}, ok
}

// Listen implements api.Backend.
func (d *daemon) Listen(wants func(vrf.RouteEvent) bool) *vrf.Listener { return d.tap.Listen(wants) }

// Routes implements api.Backend.
func (d *daemon) Routes(ctx context.Context, name string, q vrf.RouteQuery, yield func(rib.RouteStatus) bool) error {
	return d.supervisor.Routes(ctx, name, q, yield)
}

// Resync implements api.Backend.
func (d *daemon) Resync(ctx context.Context, name string) (vrf.Repair, error) {
	repair, err := d.supervisor.Resync(ctx, name)
	if err != nil {
		return repair, err
	}
	lost, err := d.reannounce(ctx, name)
	repair.Announced += lost
	return repair, err
}

// Explain implements api.Backend.
func (d *daemon) Explain(ctx context.Context, name string, q rib.Question) (rib.Explanation, error) {
	return d.supervisor.Explain(ctx, name, q)
}

// Redistribute implements api.Backend: it changes one direction of a VRF, keeps
// the change for the next start, and applies it. For a worker that takes its routes
// out it waits while others may make their changes.
func (d *daemon) Redistribute(ctx context.Context, name string, dir vrf.Direction, change func(*vrf.Spec)) error {
	wait, err := d.redistribute(name, dir, change)
	if err != nil {
		return err
	}
	return wait(ctx)
}

func (d *daemon) redistribute(name string, dir vrf.Direction, change func(*vrf.Spec)) (wait func(context.Context) error, err error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	spec, ok := d.spec(name)
	if !ok {
		return nil, api.ErrUnknownVRF
	}
	change(&spec)
	if spec.VRF != "" && spec.Import.Enabled {
		return nil, fmt.Errorf("%q is a further table of VRF %q, which takes routes and gives none; enable import for VRF %q", name, spec.VRF, spec.VRF)
	}
	if err := d.keepRedistribution(spec, dir); err != nil {
		return nil, err
	}
	return d.supervisor.Begin(d.specs())
}

// keepRedistribution writes one direction of spec to the state directory.
func (d *daemon) keepRedistribution(spec vrf.Spec, dir vrf.Direction) error {
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
