package daemon

import (
	"cmp"
	"context"
	"fmt"
	"log/slog"
	"os"
	"slices"
	"time"

	"github.com/vrfredist/vrfredist/api"
	"github.com/vrfredist/vrfredist/doctor"
	"github.com/vrfredist/vrfredist/nsworker/kernel"
	"github.com/vrfredist/vrfredist/rib"
	"github.com/vrfredist/vrfredist/rib/speaker"
	"github.com/vrfredist/vrfredist/vrf"
)

// unstarted is the daemon while BGP waits to be started, as who asks sees it: what is configured, and
// that it waits. It is as much of the api.Backend as is served meanwhile, and the source of metrics and
// status page.
type unstarted struct {
	api.Backend // nil: nothing else of it is served
	file        string
	force       *inForce
	shown       *shownConfig
	levels      *levels
	host        surveyed
	list        []vrf.Status
	sessions    map[string][]vrf.Session // by VRF
	tap         vrf.Tap                  // nothing happens to routes
}

// waitsForBGP is the reason of a VRF, and of a neighbour.
const waitsForBGP = "BGP waits for StartBgp over the API (`gobgp global as 65000 router-id 192.0.2.1`), because the file has no [global.config]"

// errWaitsForBGP is the error of asking for routes.
var errWaitsForBGP = fmt.Errorf("%w: %s", vrf.ErrNotRunning, waitsForBGP)

func newUnstarted(o Options, force *inForce, shown *shownConfig, sessions []speaker.Session) *unstarted {
	w := &unstarted{
		file: o.File, force: force, shown: shown, levels: newLevels(o.Level, o.Log),
		host:     kernel.NewHost(slog.New(slog.DiscardHandler)),
		sessions: make(map[string][]vrf.Session),
	}
	inside := byAlias(force.config().Neighbors)
	for _, s := range sessions {
		n := vrf.Session{Peer: s.Address, PeerAS: s.PeerAS, State: s.State, Reason: s.Reason, Interface: s.Interface, Origin: string(s.Origin), Stopped: s.Stopped}
		if in, is := inside[s.Address]; is {
			n.Peer, n.Alias, n.Netns, n.Local = in.Peer, in.Alias, in.Netns, in.Local
		}
		name := cmp.Or(s.VRF, vrf.Default)
		w.sessions[name] = append(w.sessions[name], n)
	}
	for _, s := range force.specs() {
		w.list = append(w.list, vrf.Status{Spec: s, WorkerStatus: vrf.WorkerStatus{State: vrf.Pending, Reason: waitsForBGP}, Since: time.Now()})
	}
	return w
}

func (w *unstarted) List() []vrf.Status { return slices.Clone(w.list) }

func (w *unstarted) Get(name string) (vrf.Status, bool) {
	for _, st := range w.list {
		if st.Spec.Name == name {
			return st, true
		}
	}
	return vrf.Status{}, false
}

// Changed is never closed: nothing changes until BGP runs.
func (w *unstarted) Changed() <-chan struct{} { return nil }

func (w *unstarted) Leaks(string) []vrf.Leak              { return nil }
func (w *unstarted) Unconfirmed() (vrf.Unconfirmed, bool) { return vrf.Unconfirmed{}, false }
func (w *unstarted) Made(string) bool                     { return false }

func (w *unstarted) Sessions(_ context.Context, name string) ([]vrf.Session, error) {
	return slices.Clone(w.sessions[name]), nil
}

func (w *unstarted) AllSessions(context.Context) (map[string][]vrf.Session, error) {
	all := make(map[string][]vrf.Session, len(w.sessions))
	for name, list := range w.sessions {
		all[name] = slices.Clone(list)
	}
	return all, nil
}

// CountRoutes has nothing to count: no neighbour has sent anything.
func (w *unstarted) CountRoutes(context.Context, []vrf.Session, int, func(which, accepted, advertised int)) error {
	return nil
}

func (w *unstarted) Listen(wants func(vrf.RouteEvent) bool) *vrf.Listener { return w.tap.Listen(wants) }
func (w *unstarted) Policies() []vrf.Policy                               { return (&vrfs{force: w.force}).Policies() }
func (w *unstarted) InForce(ctx context.Context) (vrf.InForce, error)     { return w.shown.InForce(ctx) }
func (w *unstarted) LogLevel() string                                     { return w.levels.LogLevel() }
func (w *unstarted) SetLogLevel(level, by string) error                   { return w.levels.SetLogLevel(level, by) }

// Diagnose implements api.Backend. That BGP waits is said once, and not of each VRF and neighbour.
func (w *unstarted) Diagnose(ctx context.Context) ([]doctor.Finding, error) {
	facts, err := gather(ctx, w.host, w.force.config(), w.force.specs())
	if err != nil {
		return nil, err
	}
	facts.File, facts.Running, facts.States, facts.Policies = w.file, true, w.list, w.Policies()
	facts.Host = doctor.ReadHost(os.DirFS("/"), "", bySystemd())
	return doctor.Judge(facts), nil
}

// What follows is what metrics and status page ask for besides.

func (w *unstarted) Reloads() vrf.Reloads             { return vrf.Reloads{} }
func (w *unstarted) Limits() []vrf.PrefixLimit        { return nil }
func (w *unstarted) Guarded() []vrf.Guarded           { return nil }
func (w *unstarted) Waiting(string) int               { return 0 }
func (w *unstarted) WaitingOf(string, rib.Family) int { return 0 }

func (w *unstarted) Routes(context.Context, string, vrf.RouteQuery, func(rib.RouteStatus) bool) error {
	return errWaitsForBGP
}

func (w *unstarted) Explain(context.Context, string, rib.Question) (rib.Explanation, error) {
	return rib.Explanation{}, errWaitsForBGP
}

// unseenCore is the network between PEs before anybody was heard of.
type unseenCore struct{}

func (unseenCore) Count() (watched, unreached int)              { return 0, 0 }
func (unseenCore) Entrances() (labels, sids rib.EntranceCounts) { return labels, sids }
