// Package gobgp3 is the embedded GoBGP, and the only importer of it. It runs
// the BGP server with gobgpd's own configuration, turns its best paths into
// rib.Paths, puts them into the feeds of the VRFs that import them, and
// announces what VRFs import from their kernel tables.
//
// Nothing outside may assume that GoBGP runs in this process.
package gobgp3

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/netip"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/osrg/gobgp/v3/pkg/config"
	"github.com/osrg/gobgp/v3/pkg/server"

	"github.com/vrfredist/vrfredist/rib"
)

// Default is the name under which the global table has a feed.
const Default = "default"

// VRF is a VRF of GoBGP's configuration. Its RTs are sorted and unique.
type VRF struct {
	Name                 string
	RD                   rib.RD
	ImportRTs, ExportRTs []rib.RT
}

// Options are the parameters of New.
type Options struct {
	// Config is GoBGP's part of the configuration file as JSON, with GoBGP's
	// own kebab-case keys.
	Config []byte
	// Extras are what the configuration says of BGP beside Config.
	rib.Extras
	// Listen are the gRPC addresses for users: "unix:///path" or "host:port",
	// with a loopback host unless Secured.
	Listen []string
	// SocketGroup is the gid that the unix sockets get; nil: that of the process.
	SocketGroup *int
	// Server is what serves GoBGP's API on them, beside what is registered with it
	// already; nil: one that serves GoBGP's alone, to everybody.
	Server GRPC
	// Secured says that Server has TCP clients prove who they are.
	Secured bool
	// GracefulRestart starts as `gobgpd -r`: neighbours with graceful restart
	// are told that we restart, and keep their routes to us meanwhile.
	GracefulRestart bool
	// Links says who is on the interfaces that neighbours are named by; nil: GoBGP looks
	// once, and refuses the configuration where nobody is.
	Links Links
	// Who says who makes a call to the API, as it stands in a log; nil: nobody knows.
	Who func(ctx context.Context) string
	// Serves tells whether a VRF's routes are in a kernel table, so that it may not be
	// deleted by another client; nil: those of all VRFs of the configuration are.
	Serves func(vrf string) bool
	// Called is what people call the neighbour that BGP calls name; nil: the same.
	Called func(name string) string
	// Drifted is called when what Drift returns has changed; nil: nobody is.
	Drifted func()
	Logger  *slog.Logger // nil: none
	// OwnPrefix tells whether a prefix is a subnet connected in a VRF, or one of its own
	// addresses: neighbours may not announce those. It is called for every route of an
	// eBGP neighbour, by many goroutines. nil: none is known.
	OwnPrefix func(vrf string, p netip.Prefix) bool
}

// Speaker is one embedded BGP server. A process may run one at a time: GoBGP
// keeps its path selection options in package variables. Its methods are safe
// for concurrent use.
type Speaker struct {
	options Options
	log     *logger
	started chan struct{}
	stop    chan struct{} // closed by Stop
	once    sync.Once

	reloading sync.Mutex // held for the whole of a Reload; taken before mu
	replacing sync.Mutex // held while a neighbour is out, to be put in again; taken before mu

	mu      sync.Mutex
	conf    *conf                // guarded by mu; what is in force
	feeds   map[string]*rib.Feed // guarded by mu; of VRFs and of mirrors
	mirrors map[string]string    // guarded by mu, never modified: see Mirror
	watch   *watch               // guarded by mu; nil before Run, and once fenced
	ended   bool                 // guarded by mu; fenced for good
	bgp     *server.BgpServer    // guarded by mu; nil before Run

	eors      *eors
	announcer *announcer
	pacer     *pacer
	keeper    *keeper
	sessions  *sessions
	drift     *drift
	guarding  *guarding
	strangers atomic.Bool // a client of the API let dynamic neighbours in: see answer
}

// New makes a speaker and starts nothing. Its error is that of the
// configuration or of a listen address.
func New(o Options) (*Speaker, error) {
	if o.Logger == nil {
		o.Logger = slog.New(slog.NewTextHandler(io.Discard, nil))
	}
	if err := errors.Join(checkInternals(), checkAPIServer()); err != nil {
		return nil, err
	}
	at, err := learnInsides()
	if err != nil {
		return nil, err
	}
	if err := Check(o.Config); err != nil {
		return nil, err
	}
	for _, l := range o.Listen {
		if err := checkListen(l, o.Secured); err != nil {
			return nil, err
		}
	}
	s := &Speaker{
		options:  o,
		log:      newLogger(o.Logger),
		started:  make(chan struct{}),
		stop:     make(chan struct{}),
		feeds:    map[string]*rib.Feed{Default: rib.NewFeed()},
		eors:     newEORs(),
		pacer:    newPacer(),
		sessions: newSessions(),
		drift:    newDrift(),
	}
	s.keeper = newKeeper(at, s.pacer, s.log)
	s.announcer = newAnnouncer(s.keeper)
	c, err := s.fit(context.Background(), o.Config, o.Extras, nil)
	if err != nil {
		return nil, err
	}
	s.conf = c
	s.log.down = s.sessions.down
	for _, v := range c.vrfs {
		s.feeds[v.Name] = rib.NewFeed()
	}
	if s.guarding, err = newGuarding(o, s.log); err != nil {
		return nil, err
	}
	s.guarding.conf.Store(c)
	s.log.guarding = s.guarding
	return s, nil
}

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
	s.guarding.bgp.Store(bgp)
	s.keeper.bgp = bgp
	go bgp.Serve()
	s.mu.Lock()
	s.bgp = bgp
	s.mu.Unlock()
	defer s.fence()

	ctx, end := context.WithCancel(ctx)
	defer end()
	if err := s.start(ctx, bgp); err != nil {
		if ctx.Err() != nil || s.stopped() {
			return nil
		}
		return err
	}
	followed := make(chan struct{})
	go func() { defer close(followed); s.follow(ctx) }()
	defer func() { end(); <-followed }()
	overseen := make(chan struct{})
	go func() { defer close(overseen); s.oversee(ctx) }()
	defer func() { end(); <-overseen }()
	defer s.keeper.start(ctx)()
	if err := sockets.publish(); err != nil {
		return err
	}
	api := s.serve(serves, sockets.listeners)
	defer api.stop()
	close(s.started)
	select {
	case err := <-api.failed:
		return err
	case <-ctx.Done():
		return nil
	case <-s.stop:
		return nil
	case <-s.log.fatal:
		return s.log.err()
	}
}

// stopped tells whether Stop was called.
func (s *Speaker) stopped() bool {
	select {
	case <-s.stop:
		return true
	default:
		return false
	}
}

// start brings everything up in the order in which one needs the other. What it
// leaves running ends with until.
func (s *Speaker) start(until context.Context, bgp *server.BgpServer) error {
	ctx, done := s.untilFatal(until)
	defer done()
	s.mu.Lock()
	c := s.conf
	s.mu.Unlock()
	s.sessions.configure(c)
	s.keeper.configure(c)
	if err := s.sessions.watch(until, bgp); err != nil {
		return err
	}
	err := s.log.guard(func() error {
		_, err := config.InitialConfig(ctx, bgp, c.copySet(), s.options.GracefulRestart)
		return err
	})
	if err != nil {
		return startError(err)
	}
	if err := errors.Join(s.listen(bgp, c), checkPolicies(ctx, bgp, &c.set)); err != nil {
		return fmt.Errorf("start BGP: %w", err)
	}
	if err := s.rewatch(ctx); err != nil {
		return err
	}
	return s.holdFirst(ctx, bgp, c)
}

// untilFatal returns a context that also ends when GoBGP gives up, or Stop is
// called, and the function that ends it.
func (s *Speaker) untilFatal(ctx context.Context) (context.Context, func()) {
	ctx, cancel := context.WithCancelCause(ctx)
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		select {
		case <-s.log.fatal:
			cancel(s.log.err())
		case <-s.stop:
			cancel(errStopped)
		case <-ctx.Done():
		}
	}()
	return ctx, func() { cancel(nil); <-ended }
}

var errStopped = errors.New("BGP has stopped")

// Started is closed when BGP runs, the API listens and the watch is on.
func (s *Speaker) Started() <-chan struct{} { return s.started }

// fence ends the watch for good: from its return on no feed changes. It comes
// before everything else at the end, because GoBGP announces the withdrawal of
// every route when it stops, and the kernel routes are to outlive it.
func (s *Speaker) fence() {
	s.mu.Lock()
	w := s.watch
	s.watch, s.ended = nil, true
	s.mu.Unlock()
	if w != nil {
		w.end()
	}
}

// Stop fences the feeds, makes Run return, and ends BGP. With graceful it
// leaves the sessions alone, so that the end of the process cuts them and
// neighbours with graceful restart keep our routes. Without, every neighbour
// gets a CEASE notification and forgets our routes at once, and the API stops.
// It may be called before, during and after Run, and more than once.
func (s *Speaker) Stop(ctx context.Context, graceful bool) error {
	s.fence()
	s.once.Do(func() { close(s.stop) })
	s.mu.Lock()
	bgp := s.bgp
	s.mu.Unlock()
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
	}()
	select {
	case <-done:
		return nil
	case <-ctx.Done():
		return fmt.Errorf("stop BGP: the sessions did not end in time: %w", ctx.Err())
	}
}

// Feed returns the mailbox of a VRF: for "default" the global table's IPv4 and
// IPv6 unicast, for a VRF the VPN routes that meet its import RTs. It is the
// same one as long as the VRF is configured.
func (s *Speaker) Feed(vrf string) (*rib.Feed, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if f := s.feeds[vrf]; f != nil {
		return f, nil
	}
	return nil, unknownVRF(vrf)
}

// VRFs returns the configured VRFs by name, without the default one.
func (s *Speaker) VRFs() []VRF {
	s.mu.Lock()
	defer s.mu.Unlock()
	vrfs := slices.Clone(s.conf.vrfs)
	for i, v := range vrfs {
		vrfs[i].ImportRTs, vrfs[i].ExportRTs = slices.Clone(v.ImportRTs), slices.Clone(v.ExportRTs)
	}
	return vrfs
}

// inForce is the configuration that is.
func (s *Speaker) inForce() *conf {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.conf
}

func (s *Speaker) server() *server.BgpServer {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.bgp
}

// waitStarted waits until the speaker is up.
func (s *Speaker) waitStarted(ctx context.Context) error {
	select {
	case <-s.started:
		return nil
	case <-s.stop:
		return errStopped
	case <-ctx.Done():
		return fmt.Errorf("BGP is not up yet: %w", ctx.Err())
	}
}

func unknownVRF(name string) error {
	return fmt.Errorf("VRF %q is not in GoBGP's configuration: add a [[vrfs]] section for it", name)
}

// patience is how long one message to the embedded server may take before the
// server counts as stuck.
const patience = time.Minute
