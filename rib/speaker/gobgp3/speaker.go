package gobgp3

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/netip"
	"slices"

	api "github.com/osrg/gobgp/v3/api"

	"github.com/vrfredist/vrfredist/rib"
	"github.com/vrfredist/vrfredist/rib/speaker"
	"github.com/vrfredist/vrfredist/rib/speaker/gobgp3/conf"
)

// Speaker is one embedded BGP server. A process may run one at a time: GoBGP
// keeps its path selection options in package variables. Its methods are safe
// for concurrent use.
type Speaker struct {
	*embedded
	*Steering
	options   Options
	sessions  *sessions
	keeper    *keeper
	guarding  *guarding
	feeder    *feeder
	announcer *speaker.Announcer
	tables    *tables
	stops     *stops
	drift     *drift
	reloader  *reloader
	clients   *clients
}

// New makes a speaker and starts nothing. Its error is that of the
// configuration or of a listen address.
func New(o Options) (*Speaker, error) {
	if o.Logger == nil {
		o.Logger = slog.New(slog.NewTextHandler(io.Discard, nil))
	}
	at, err := learnGoBGP()
	if err != nil {
		return nil, err
	}
	if err := conf.Check(o.Config); err != nil {
		return nil, err
	}
	for _, l := range o.Listen {
		if err := checkListen(l, o.Secured); err != nil {
			return nil, err
		}
	}
	sessions := newSessions()
	u := unnumbered{o.Links, sessions}
	c, err := u.read(context.Background(), o.Config, o.Extras, nil)
	if err != nil {
		return nil, err
	}
	s := &Speaker{options: o, sessions: sessions}
	s.Steering = &Steering{s}
	s.wire(at, c, u)
	return s, nil
}

// wire makes the parts, each with those that it needs.
func (s *Speaker) wire(at *insides, c *conf.Config, u unnumbered) {
	l, log := &loop{insides: at, rpki: cmp.Or(s.options.RPKI, new(rib.RPKI))}, newLogger(s.options.Logger)
	s.embedded = newEmbedded(l, log)
	s.force.Store(c)
	s.keeper = newKeeper(l, new(pacer), log)
	s.keeper.whole.told.opening.imports, s.keeper.whole.told.opening.restarted = s.options.Imports, s.options.GracefulRestart
	s.guarding = newGuarding(l, s.options.OwnPrefix, c, log)
	s.keeper.names.linkLocal = s.guarding.guard.LinkLocal
	s.guarding.six, s.guarding.restarted = s.options.OwnSix, s.options.GracefulRestart
	s.guarding.names, s.guarding.local, s.guarding.whole = s.keeper.names, s.keeper.local, s.keeper.whole
	s.keeper.out.services = func(c *conf.Config) { s.guarding.guard.Serve(servicesOf(c)) }
	log.down, log.guarding, log.dials = s.sessions.down, s.guarding, s.sessions
	s.feeder = newFeeder(s.embedded, s.keeper, c.VRFs)
	log.endings = newEndings(s.feeder)
	s.keeper.validation = newValidation(l, s.keeper.reach.judgeAnew, s.feeder.feeds)
	log.lostROAs = func() { s.keeper.validation.lost.Store(true) }
	s.tables = &tables{s.embedded, s.feeder}
	s.announcer = speaker.NewAnnouncer(injector{l, s.tables, s.keeper.changes, s.keeper.reach.flags}, s.feeder.feeds)
	guests := newGuests(l, log.slog)
	s.keeper.guests = guests.look
	s.stops = &stops{s.embedded, s.sessions, guests, s.options.Stops}
	mender, listening := newMender(s.embedded, s.announcer), &listening{loop: l}
	s.drift = newDrift(s.embedded, s.keeper, s.stops, mender)
	s.drift.called, s.drift.drifted = s.options.Called, s.options.Drifted
	s.reloader = &reloader{
		embedded: s.embedded, unnumbered: u, feeder: s.feeder, announcer: s.announcer, tables: s.tables,
		keeper: s.keeper, guarding: s.guarding, listening: listening, drift: s.drift, stops: s.stops,
	}
	s.clients = &clients{
		embedded: s.embedded, sessions: s.sessions, guarding: s.guarding, listening: listening,
		mender: mender, out: s.keeper.out, whole: s.keeper.whole, drift: s.drift, stops: s.stops, who: s.options.Who, serves: s.options.Serves,
		startedBy: startedBy(s.options.StartedBy),
	}
}

// learnGoBGP compares this package's mirrors of GoBGP's insides with GoBGP.
func learnGoBGP() (*insides, error) {
	if err := errors.Join(checkInternals(), checkAPIServer()); err != nil {
		return nil, err
	}
	return learnInsides()
}

// Feed returns the mailbox of a VRF: for "default" the global table's IPv4 and
// IPv6 unicast, for a VRF the VPN routes, and the IP prefix routes of EVPN, that meet its import
// RTs. It is the same one as long as the VRF is configured.
func (s *Speaker) Feed(vrf string) (*rib.Feed, error) { return s.feeder.feeds.Feed(vrf) }

// VRFs returns the configured VRFs by name, without the default one.
func (s *Speaker) VRFs() []speaker.VRF { return speaker.CloneVRFs(s.vrfs()) }

// Announced returns what is announced for a VRF, by prefix: what BGP confirmed.
func (s *Speaker) Announced(vrf string) []rib.Announcement { return s.announcer.Announced(vrf) }

// Announce makes changes to what a VRF announces, as speaker.Announcer does. It waits
// until BGP runs.
func (s *Speaker) Announce(ctx context.Context, vrf string, changes []rib.AnnounceChange) error {
	if err := s.waitStarted(ctx); err != nil {
		return fmt.Errorf("announce routes of VRF %q: %w", vrf, err)
	}
	return s.announcer.Announce(ctx, vrf, changes)
}

// Reannounce looks for each announcement of a VRF in BGP, sends again the missing ones,
// and returns how many those were.
func (s *Speaker) Reannounce(ctx context.Context, vrf string) (int, error) {
	if err := s.waitStarted(ctx); err != nil {
		return 0, err
	}
	return s.announcer.Reannounce(ctx, vrf, nil)
}

// Candidates returns every path that BGP has for prefix, best first within an
// RD: of the global table for "default", and else of the VPN table and of EVPN's with whatever
// route targets, under every RD that was ever seen. It is for a person who asks
// about one prefix.
func (s *Speaker) Candidates(ctx context.Context, vrf string, prefix netip.Prefix) ([]rib.Path, error) {
	return s.tables.candidates(ctx, vrf, prefix)
}

// Offers are what neighbours sent of a prefix and BGP does not have in the VRF's table, with
// the reason where that is known: of a VRF's own neighbours, and VPN routes of other PEs
// under the RDs that were seen. It is for a person who asks about one prefix.
func (s *Speaker) Offers(_ context.Context, vrf string, prefix netip.Prefix) ([]rib.Offer, error) {
	return s.tables.offers(vrf, prefix)
}

// Telling returns what neighbours are told of a prefix of a VRF, Default included, and what keeps
// others from it.
func (s *Speaker) Telling(vrf string, prefix netip.Prefix) (rib.Telling, error) {
	return tellingOf(s.feeder, vrf, prefix, s.options.Called)
}

// Refused are the neighbours of a VRF whose last announcement of a prefix was taken for
// a withdrawal, and why; of no prefix: all that are remembered, by prefix.
func (s *Speaker) Refused(vrf string, p netip.Prefix) []rib.Refusal {
	return s.guarding.refused(vrf, p)
}

// Removed reports what the guard removed from the messages of each neighbour.
func (s *Speaker) Removed() []speaker.Report { return s.guarding.reports() }

// OwnChanged says that subnets and addresses of a VRF came and went, so that routes of
// neighbours to them are judged again.
func (s *Speaker) OwnChanged(vrf string, came, went []netip.Prefix) {
	s.guarding.guard.Own(vrfOrGlobal(vrf), came, went)
}

// Unreached says which nexthops of the paths that a VRF's neighbours sent are not reached:
// paths by them take no part in the choice, so that neighbours are told of the next path,
// or of none. It replaces what was said of that VRF before; of a nil map BGP heeds
// nothing. "default" is the global table, with what neighbours in no VRF send. The paths
// of route server clients, VPN routes of other PEs and what originated here are not
// concerned. It waits for nothing, and may be called before Run; the map may not be
// changed any more.
func (s *Speaker) Unreached(vrf string, of map[rib.PathNexthop]struct{}) {
	s.keeper.reach.say(vrf, of)
}

// Withhold says what others are told of the paths that the neighbours of VRFs sent; of a VRF that
// is not named, of all. What they are not told of takes no part in BGP's choice. It replaces what
// was said before, and concerns the same paths as Unreached. It returns when neighbours have been
// told what follows from it; before Run, at once.
func (s *Speaker) Withhold(ctx context.Context, of map[string]rib.Advertising) error {
	started := false
	select {
	case <-s.started:
		started = true
	default:
	}
	done := s.keeper.reach.withhold(of, started)
	s.keeper.screens.on.Store(&of)
	if !started {
		return nil
	}
	c := s.inForce()
	if err := errors.Join(s.keeper.screens.rescreen(c, true), s.keeper.screens.rescreen(c, false)); err != nil || done == nil {
		return err
	}
	select {
	case <-done:
		return nil
	case <-s.stop:
		return errStopped
	case <-ctx.Done():
		return fmt.Errorf("neighbors may still be told of what the policies of exports reject: %w", context.Cause(ctx))
	}
}

// Confirmed says which prefixes of a VRF are confirmed from now on, or are not any more: where
// Withhold says so, neighbours are told of confirmed ones alone. whole: nothing else is. It waits
// for nothing. The list may not be changed any more.
func (s *Speaker) Confirmed(vrf string, whole bool, changes []rib.Confirmation) {
	s.keeper.reach.confirm(report{vrf, whole, changes})
}

// Takes says by what a VRF whose packets are carried over the core takes them from other PEs now; the
// zero one: it takes none, and they are told of none of its routes. Of one that is carried by MPLS or
// SRv6 they are told of none until this is called for it, and then by the label or SIDs that it says,
// also where the configuration has others. told is called when they have been told, unless this has
// been called again by then. It waits for nothing.
func (s *Speaker) Takes(vrf string, by rib.Carried, told func()) {
	s.keeper.carrier.setDeaf(vrf, by == rib.Carried{})
	s.keeper.out.takes(vrf, by, told)
}

// Chose says what a VRF goes by for some prefixes, of which others leak. It waits for nothing but
// for a watch that takes some paths in. The list is the speaker's then.
func (s *Speaker) Chose(vrf string, list []rib.Choice) { s.feeder.chose(vrf, list) }

// Limits returns the limits that are configured, by VRF and neighbour, with what counts
// against them.
func (s *Speaker) Limits() []speaker.Limit { return s.keeper.limits.list() }

// Leaks returns how many prefixes come in by each rule beside route targets.
func (s *Speaker) Leaks() []speaker.LeakCount { return s.feeder.leaks() }

// Mirror makes feeds with the paths of another VRF's feed, for a second reader of its
// routes: mirrors has the VRF by the name of the feed, which is no VRF's. Mirrors of an
// earlier call that are not in it go. A mirror of a VRF that is not configured is empty.
// It may be called before Run and while it runs.
func (s *Speaker) Mirror(ctx context.Context, mirrors map[string]rib.Mirror) error {
	return s.feeder.mirror(ctx, mirrors)
}

// Reload brings another configuration into force: VRFs, peer groups,
// neighbours, dynamic neighbours and policies. It returns a line for each thing
// that it changed. Things that are the same in both are left alone; a VRF with another
// RD or other RTs is made anew, its announcements are withdrawn and announced
// again, and the neighbours in it start new sessions.
//
// Things of the configuration that another client of the API took out or changed are put
// right; things that a client added stay, and a neighbour that one disabled stays so.
//
// Where it fails, the old configuration is in force again; where even that
// fails, the error says so. The sections that GoBGP cannot change while it runs
// are refused when they differ.
//
// When VRFs changed, the watch begins anew with a snapshot, after which the feeds are
// right: a new VRF's is filled, and the feed of a VRF that is gone is empty.
func (s *Speaker) Reload(ctx context.Context, text []byte, extras rib.Extras) (changes []string, err error) {
	return s.reloader.reload(ctx, text, extras)
}

// Restore puts right the things that BGP has otherwise than the configuration in force
// says, and returns a line for each, as Reload does.
func (s *Speaker) Restore(ctx context.Context) (changes []string, err error) {
	return s.reloader.restore(ctx)
}

// Preview compares a configuration with the one in force. Its error is the one with which
// Reload would refuse the configuration.
func (s *Speaker) Preview(text []byte, extras rib.Extras) (*speaker.Preview, error) {
	return s.reloader.preview(text, extras)
}

// Drift returns the things that BGP has otherwise than the configuration says, ordered by
// kind and name.
func (s *Speaker) Drift() []speaker.Difference { return s.drift.differences() }

// Additions returns the things that other clients added, ordered by kind and name.
func (s *Speaker) Additions() []speaker.Addition { return s.drift.added() }

// Sessions returns the neighbours by address: of the configuration, let in by a peer
// group, and added through GoBGP's own API. It asks GoBGP nothing, so it costs BGP
// nothing, and answers while BGP is busy.
// Before Run there are none.
func (s *Speaker) Sessions() []speaker.Session {
	known := s.sessions.list()
	s.guarding.tell(known)
	s.keeper.limits.tell(known)
	s.keeper.limits.figures.tell(known)
	list := make([]speaker.Session, 0, len(known))
	draining := s.inForce().Extras.Draining
	for key, n := range known {
		n.Interface, n.Draining = n.Address.Zone(), slices.Contains(draining, key)
		list = append(list, n.Session)
	}
	c := s.inForce()
	for _, w := range c.Waiting {
		list = append(list, w.Session)
	}
	for _, d := range s.Drift() {
		if d.Kind != speaker.KindNeighbor || !d.Missing {
			continue
		}
		n, _ := c.Neighbor(d.Name)
		addr, _ := netip.ParseAddr(d.Name) // Check has seen that it is one
		list = append(list, speaker.Session{
			VRF: n.Config.Vrf, Address: addr, PeerAS: d.PeerAS, State: speaker.Deleted,
			Stopped: true, Reason: d.Reason(), Origin: speaker.Configured,
		})
	}
	slices.SortFunc(list, func(a, b speaker.Session) int {
		return cmp.Or(a.Address.Compare(b.Address), cmp.Compare(a.VRF, b.VRF))
	})
	return list
}

// LinkChanged says how an interface of the daemon's namespace fares. The sessions of
// neighbours on one over which nothing goes any more are ended, unless their terms say
// otherwise.
func (s *Speaker) LinkChanged(l rib.LinkFate) {
	if l.Reason != "" {
		s.guarding.guard.LinkLost(l, s.AfterRepair)
	}
}

// AfterRepair calls end when the routes that a link took with it are written by another way:
// see speaker.Feeds.
func (s *Speaker) AfterRepair(end func()) { s.feeder.feeds.AfterRepair(end) }

// Answers returns when GoBGP's loop has answered: it is not stuck. GoBGP ignores
// the end of ctx.
func (s *Speaker) Answers(ctx context.Context) error {
	bgp := s.server()
	if bgp == nil {
		return nil
	}
	if _, err := bgp.GetBgp(ctx, &api.GetBgpRequest{}); err != nil {
		return fmt.Errorf("ask BGP how it fares: %w", err)
	}
	return nil
}
