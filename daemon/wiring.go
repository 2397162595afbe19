package daemon

import (
	"context"
	"crypto/rand"
	"errors"
	"log/slog"
	"net/netip"
	"path/filepath"

	"github.com/vrfredist/vrfredist/api"
	"github.com/vrfredist/vrfredist/config"
	"github.com/vrfredist/vrfredist/metrics"
	"github.com/vrfredist/vrfredist/nsworker"
	"github.com/vrfredist/vrfredist/nsworker/core"
	"github.com/vrfredist/vrfredist/nsworker/devices"
	"github.com/vrfredist/vrfredist/nsworker/kernel"
	"github.com/vrfredist/vrfredist/nsworker/relay"
	"github.com/vrfredist/vrfredist/nsworker/routeradvert"
	"github.com/vrfredist/vrfredist/rib/speaker/gobgp3"
	"github.com/vrfredist/vrfredist/rib/speaker/gobgp3/conf"
	"github.com/vrfredist/vrfredist/tracing"
	"github.com/vrfredist/vrfredist/vrf"
)

// This file and awaiting.go alone know which speaker there is. The others see it through interfaces
// that stand where they are used.

// bgp is the speaker as the daemon's parts see it.
type bgp struct{ *gobgp3.Speaker }

// Guarded implements sessions.
func (b bgp) Guarded() []vrf.Guarded {
	var list []vrf.Guarded
	for _, r := range b.Removed() {
		list = append(list, vrf.Guarded{VRF: r.VRF, Neighbor: r.Neighbour, Plain: r.Plain, Rehearsed: r.Rehearsed, Removed: r.Removed})
	}
	return list
}

// bgpPart is what config needs to know to judge GoBGP's part of a file. secret may be
// nil where nothing is started from it.
func bgpPart(secret []byte) config.BGP {
	return config.BGP{Schema: conf.Schema(), Check: conf.Check, Filled: conf.Filled, Secret: secret, Waits: linkWaits}
}

// LoadConfig reads and validates a file as the daemon does, and starts nothing from it.
func LoadConfig(path string) (*config.Config, error) { return config.Load(path, bgpPart(nil)) }

// newSecret makes the key between the relay and GoBGP. It lives as long as the
// process: both ends of those connections are in it.
func newSecret() []byte {
	key := make([]byte, 32)
	_, _ = rand.Read(key) // never fails, since Go 1.24
	return key
}

// bgpAddress is where the relay reaches GoBGP.
func bgpAddress(cfg *config.Config) netip.AddrPort {
	return netip.AddrPortFrom(netip.MustParseAddr("127.0.0.1"), cfg.BGPPort)
}

// absolute is a path from any directory.
func absolute(path string) string {
	if abs, err := filepath.Abs(path); err == nil {
		return abs
	}
	return path
}

// wire makes the parts of a daemon, and starts none of them.
// start is what a client of the API started BGP with; nil: the file says it.
func wire(ctx context.Context, o Options, start *config.Started) (*daemon, error) {
	log, judge := o.Log, bgpPart(newSecret())
	judge.Started = func() *config.Started { return start }
	overlay, err := config.OpenOverlay(o.StateDir)
	if err != nil {
		return nil, err
	}
	stops, err := config.OpenStops(o.StateDir)
	if err != nil {
		return nil, err
	}
	layers, err := openLayering(o, judge)
	if err != nil {
		return nil, err
	}
	w := &wiring{options: o, judge: judge, stores: stores{layers: layers, stops: stops}, host: kernel.NewHost(log), board: nsworker.NewBoard()}
	w.tenants = newArrivals(w.host.Tenants(), log)
	cfg, found, err := w.begin(ctx, overlay)
	if err != nil {
		return nil, err
	}
	logNotes(log, cfg.Notes)
	w.numbers = newNumbers(o.StateDir, coreKernel{w.host}, log)
	if cfg, err = w.numbers.begin(ctx, cfg); err != nil {
		return nil, err
	}
	if w.left, err = newLeftovers(o.StateDir, cfg, log); err != nil {
		return nil, err
	}
	w.force = newInForce(cfg, overlay)
	if w.gate, err = newGate(o.Listen, cfg.API, log); err != nil {
		return nil, err
	}
	w.host.Identify(absolute(o.File))
	w.core = core.New(coreKernel{w.host}, w.host.Fixtures(), coreOf(cfg), log)
	w.devices = devices.New(kernel.NewDevices(w.host), log)
	w.devices.OnChange(func() { w.supervisor.Nudge() })
	configureDevices(w.devices, cfg)
	w.links = newHostLinks(w.host)
	w.relay = relay.New(bgpAddress(cfg), w.host, log)
	w.relay.OnCall(w.tenants.called)
	w.adverts = routeradvert.New(log)
	w.neighbors = &neighbors{relay: w.relay, adverts: w.adverts, log: log, made: func(key vrf.LayerKey) bool { return w.force.config().Made(key) }}
	w.neighbors.know(cfg.Neighbors) // the log names them before they have a session
	w.sysctls = &sysctls{w.host, w.force, log}
	w.tracer = newTracer(ctx, o)
	w.supervise()
	w.leave()
	if err := w.speak(ctx); err != nil {
		return nil, err
	}
	return w.daemon(found)
}

// wiring holds the parts while they are made: some of them need each other.
type wiring struct {
	options Options
	judge   config.BGP
	force   *inForce
	stores
	gate  *gate
	host  *kernel.Host
	links hostLinks
	board *nsworker.Board
	making
	left       *leftovers
	tenants    *arrivals
	tap        vrf.Tap
	tracer     *tracing.Tracer // nil: nothing is traced
	relay      *relay.Relay
	adverts    *routeradvert.Advertiser
	neighbors  *neighbors
	sysctls    *sysctls
	supervisor *vrf.Supervisor
	backend    backend
	bgp        bgp
}

// making makes what VRFs need in the kernel beside their routes.
type making struct {
	core    *core.Core
	devices *devices.Keeper
}

// stores are what the state directory keeps beside what was enabled at run time.
type stores struct {
	layers  *layering
	numbers *numbers
	stops   *config.Stops
}

// supervise makes the supervisor. Its workers are made when it runs, and ask for the
// speaker only then.
func (w *wiring) supervise() {
	w.supervisor = vrf.NewSupervisor(func(s vrf.Spec, r vrf.Report) vrf.Worker {
		deps := nsworker.Deps{
			Kernel: devicesOpen{hostKernel{w.host, w.sysctls.prepare}, w.devices, s.Name}, BGP: w.bgp, Board: w.board, Log: w.options.Log, Tap: &w.tap,
			Leaking: w.supervisor.Leaking, Link: w.neighbors.link, Core: w.core, Trace: traced(w.tracer),
		}
		return owning{nsworker.New(deps, s, w.neighbors.reporting(s.Binding.Netns, r)), w.host, s.Binding, s.Makes.Table, w.devices}
	}, w.options.Log)
}

// leave makes what looks after what VRFs leave behind.
func (w *wiring) leave() {
	w.left.core, w.left.devices, w.left.now = w.core, w.devices, func() []vrf.Spec { return w.force.specs() }
	w.left.inUse = func(s *vrf.Spec) error { return w.numbers.inUse(w.force.config(), s) }
	w.left.clear = func(ctx context.Context, s vrf.Spec) error {
		defer w.host.Disown(s.Binding)
		return nsworker.Clear(ctx, nsworker.Deps{Kernel: hostKernel{w.host, func(string) {}}, BGP: w.bgp, Board: w.board, Log: w.options.Log, Core: w.core}, s)
	}
}

// speak makes the speaker, with the API beside GoBGP's own.
func (w *wiring) speak(ctx context.Context) error {
	cfg := w.force.config()
	serves := func(name string) bool { return w.backend.serves(name) }
	s, err := gobgp3.New(gobgp3.Options{
		Config: cfg.BGP, Extras: cfg.Extras, Listen: w.gate.addresses(cfg.API), SocketGroup: cfg.API.SocketGroup,
		Server: api.NewGateway(w.gate.door, &w.backend), Secured: cfg.API.TLS != nil,
		GracefulRestart: w.options.GracefulRestart, Logger: slog.New(realNames{w.options.Log.Handler(), w.neighbors}), Links: w.links,
		Who: api.Who, Serves: serves, Called: w.neighbors.called, Drifted: w.supervisor.Nudge,
		OwnSix: func(neighbour string, local netip.Addr, bound string) netip.Addr {
			return w.ownSix(ctx, neighbour, local, bound)
		},
		OwnPrefix: func(vrf string, p netip.Prefix) bool { return w.board.Own(vrf).Has(p) }, Imports: w.importing(), RPKI: w.board.RPKI(), Stops: w.stops, StartedBy: w.startedBy(),
	})
	if err != nil {
		return err
	}
	w.bgp, w.neighbors.bgp, w.neighbors.steer = bgp{s}, bgp{s}, bgp{s}
	w.relay.EndAfter(s.AfterRepair)
	w.gate.warnOfStrangers(cfg.API)
	if err := errors.Join(s.Mirror(ctx, mirrors(cfg)), s.Withhold(ctx, withheld(w.force.specs()))); err != nil {
		return err
	}
	w.board.OnOwn(s.OwnChanged)
	return nil
}

// startedBy is who started BGP; "": the file has it.
func (w *wiring) startedBy() string {
	if start := w.judge.Started(); start != nil {
		return start.By
	}
	return ""
}

// importing returns what tells how far a VRF that begins with the daemon is with announcing what it
// imports.
func (w *wiring) importing() func(name string) gobgp3.Imports {
	begins := make(map[string]bool)
	for _, s := range w.force.specs() {
		begins[s.Name] = true
	}
	return func(name string) gobgp3.Imports {
		if !begins[name] {
			return gobgp3.NoImports
		}
		if w.board.Announced(name) {
			return gobgp3.ImportsAnnounced
		}
		switch st, runs := w.supervisor.Get(name); {
		case !runs, st.Settling(), st.State == vrf.Ready, st.State == vrf.Degraded:
			return gobgp3.ImportsComing
		default:
			return gobgp3.NoImports
		}
	}
}

// ownSix looks for this router's IPv6 address on the link of a neighbour's IPv4 session: there
// too where the session is in another namespace.
func (w *wiring) ownSix(ctx context.Context, neighbour string, local netip.Addr, bound string) netip.Addr {
	netns := ""
	if alias, err := netip.ParseAddr(neighbour); err == nil {
		if n, inside := w.neighbors.behind(alias); inside {
			netns, local, bound = n.Netns, n.Local, n.Device
		}
	}
	six, err := w.host.OwnSix(ctx, netns, local, bound)
	if err != nil {
		w.options.Log.Warn("our IPv6 address on the link of a session over IPv4 cannot be looked up: IPv6 routes are announced with the IPv4 address", "neighbor", neighbour, "error", err)
	}
	return six
}

// foresee reads a file as a reload would, and keeps nothing.
func (w *wiring) foresee(file string, text []byte) (*config.Config, error) {
	cfg, err := w.layers.foresee(w.force.config(), func(l *config.Layers) (*config.Config, error) {
		return config.ParseUnder(file, text, l, w.judge)
	})
	if err != nil {
		return nil, err
	}
	return w.numbers.preview(cfg)
}

// daemon makes what changes and shows the parts. found is how the start found the last
// reload.
func (w *wiring) daemon(found *unconfirmed) (*daemon, error) {
	o, cfg := w.options, w.force.config()
	d := &daemon{
		log: o.Log, force: w.force, gate: w.gate, bgp: w.bgp, supervisor: w.supervisor, manager: newManager(o.Log),
		levels: newLevels(o.Level, o.Log),
		parts: []part{
			{"netlink", w.host.Run},
			{"the core", w.core.Run},
			{"VRF devices", w.devices.Run},
			{"what VRFs leave behind", w.left.run},
			{"neighbours on interfaces", w.links.Run},
			{"links of neighbours", func(ctx context.Context) error { return w.host.WatchLinks(ctx, "", w.bgp.LinkChanged) }},
			{"BGP", w.bgp.Run},
			{"tenants of templates", w.tenants.run},
			{"sessions in namespaces", w.relay.Run},
			{"router advertisements", w.adverts.Run},
		},
	}
	d.changer = &changer{
		load:    func(l *config.Layers) (*config.Config, error) { return config.LoadUnder(o.File, l, w.judge) },
		layers:  w.layers,
		force:   w.force,
		apply:   &transition{o.File, w.force, w.supervisor, w.bgp, w.neighbors, w.gate, w.sysctls, w.core, w.devices, w.left, w.layers.ids, o.Log},
		confirm: newConfirmation(o.File, o.StateDir, found, w.supervisor.Nudge, w.stops.Hold, o.Log),
		numbers: w.numbers, tenants: w.tenants,
		bgp: w.bgp, manager: d.manager, log: o.Log,
	}
	fleet := &vrfs{w.supervisor, w.force, w.bgp, &w.tap, w.neighbors.all, func() []vrf.Status { return w.layers.absent(w.force.config()) }, func() []vrf.Layer { return w.layers.leftOut(w.force.config()) }, w.devices.Trouble}
	w.backend = backend{
		vrfs: fleet, neighbors: w.neighbors, changer: d.changer, levels: d.levels, mailboxes: mailboxes{w.bgp},
		shownConfig: &shownConfig{file: absolute(o.File), listen: o.Listen, judge: w.judge, force: w.force},
		examiner:    &examiner{o.File, w.host, w.force, fleet, mailboxes{w.bgp}},
		planner: &planner{
			force: w.force, gate: w.gate, bgp: w.bgp, status: w.supervisor.Get,
			parse: w.foresee, numbered: w.numbers.preview,
			reader: nsworker.Deps{Kernel: onlooker{w.host}, BGP: w.bgp, Board: w.board, Link: w.neighbors.link, Core: w.core},
		},
	}
	w.backend.applications = &applications{d.changer, w.layers, w.backend.planner, newTurns(d.changer)}
	d.chronicle = newChronicle(fleet, w.neighbors.all, w.bgp.Turned(), w.supervisor.Nudge, o.Log)
	if w.tracer != nil {
		d.parts = append(d.parts, part{"traces", w.tracer.Run})
	}
	whole := metrics.Daemon{Build: metrics.Build(o.Build), Changes: d.changer}
	if cfg.Metrics.Exemplars && w.tracer != nil {
		whole.Exemplars = w.tracer
	}
	server, page, err := newMetrics(&w.backend, w.core, w.bgp.Collector, cfg.Metrics, whole, o.Log)
	if err != nil {
		return nil, err
	}
	if server != nil {
		d.parts = append(d.parts, part{"metrics", server.Run})
	}
	if page != nil {
		d.parts = append(d.parts, part{"status page", page.Run})
	}
	return d, nil
}
