package gobgp3

import (
	"cmp"
	"slices"
	"sync/atomic"
	"time"
	"unsafe"

	"github.com/osrg/gobgp/v3/pkg/config/oc"
	"github.com/osrg/gobgp/v3/pkg/packet/bgp"

	"github.com/vrfredist/vrfredist/rib/speaker/gobgp3/conf"
)

// stales lets go of the routes that were kept for a neighbour while it restarted
// (RFC 4724, 4.2, and RFC 9494, 4.2). GoBGP does so when every family that the
// neighbour ever offered has had its End-of-RIB, and so never where one marker does not
// come: where the neighbour is back without graceful restart, or without that family, or
// does not send the marker. GoBGP does not look at the F bit either.
//
// So from a neighbour's return on its stale routes are kept here: those of a family
// that it has not preserved go at once, and each other family's with its End-of-RIB,
// or after a time.
type stales struct {
	*loop
	changes *changes
	gone    *removals
	log     *logger
	up      map[unsafe.Pointer]bool     // the peers that were established
	waits   map[unsafe.Pointer]*await   // the peers with stale routes, since their return
	conf    atomic.Pointer[conf.Config] // in force
}

// await is the wait for a neighbour's End-of-RIB.
type await struct {
	families []bgp.RouteFamily
	until    time.Time
}

// staleTime is how long a neighbour may take whose OPEN had no restart time.
const staleTime = 2 * time.Minute

func newStales(c *changes, gone *removals, log *logger) *stales {
	return &stales{loop: c.loop, changes: c, gone: gone, log: log, up: make(map[unsafe.Pointer]bool), waits: make(map[unsafe.Pointer]*await)}
}

// look is called in the loop: after each change of a session's state, after each
// End-of-RIB, and once a second.
func (s *stales) look() {
	there := make(map[unsafe.Pointer]bool, len(s.up))
	for addr, p := range s.peers() {
		there[p.at] = true
		up := p.established()
		if up && !s.up[p.at] {
			s.back(addr, p)
		}
		s.up[p.at] = up
		if w := s.waits[p.at]; up && w != nil {
			s.end(addr, p, w)
		}
	}
	for at := range s.up {
		if !there[at] {
			delete(s.up, at)
			delete(s.waits, at)
		}
	}
}

// back deals with a session that has just been established.
func (s *stales) back(addr string, p livePeer) {
	var restarting bool
	var told time.Duration
	var group string
	var o offers
	p.change(func(conf *oc.Neighbor) {
		o = p.offered()
		o.forget(conf)
		restarting = conf.GracefulRestart.State.PeerRestarting
		group = conf.Config.PeerGroup
		told = time.Duration(conf.GracefulRestart.State.PeerRestartTime) * time.Second
	})
	if !restarting {
		return
	}
	preserved := o.preserved
	if len(*p.llgrEnds.in(p.at)) > 0 {
		preserved = o.longLived
	}
	var gone, kept []bgp.RouteFamily
	for f := range p.adjIn().table {
		if preserved[f] {
			kept = append(kept, f)
		} else {
			gone = append(gone, f)
		}
	}
	// Its end stops GoBGP's timers of long-lived routes, at the end of which GoBGP
	// would take fresh routes for stale ones.
	peerStopRestarting(p.at)
	s.drop(addr, p, gone, "it came back without having kept them")
	w := s.waits[p.at]
	if w == nil || len(kept) == 0 {
		// A neighbour that comes back again and again does not begin its time anew.
		w = &await{until: time.Now().Add(s.wait(addr, group, told))}
	}
	if w.families = kept; len(kept) == 0 {
		delete(s.waits, p.at)
		return
	}
	s.waits[p.at] = w
}

func (s *stales) configure(c *conf.Config) { s.conf.Store(c) }

// wait is how long a neighbour of a peer group may take: as its terms say, or else as
// long as it said itself.
func (s *stales) wait(addr, group string, told time.Duration) time.Duration {
	if c := s.conf.Load(); c != nil {
		told = cmp.Or(c.TermsOf(addr, group).StaleTime, told)
	}
	return cmp.Or(told, staleTime)
}

// end ends the wait for families whose End-of-RIB has come, and for all when the time is
// over.
func (s *stales) end(addr string, p livePeer, w *await) {
	var came []bgp.RouteFamily
	p.read(func(conf *oc.Neighbor, _ bgp.FSMState) {
		for _, a := range conf.AfiSafis {
			if a.MpGracefulRestart.State.EndOfRibReceived && slices.Contains(w.families, a.State.Family) {
				came = append(came, a.State.Family)
			}
		}
	})
	s.drop(addr, p, came, "")
	w.families = slices.DeleteFunc(w.families, func(f bgp.RouteFamily) bool { return slices.Contains(came, f) })
	if len(w.families) > 0 && time.Now().After(w.until) {
		s.drop(addr, p, w.families, "its End-of-RIB did not come in time")
		w.families = nil
	}
	if len(w.families) == 0 {
		delete(s.waits, p.at)
	}
}

// drop withdraws the stale routes of families, and logs why where there are any; "": the
// neighbour did as it should.
func (s *stales) drop(addr string, p livePeer, families []bgp.RouteFamily, why string) {
	if len(families) == 0 {
		return
	}
	say := func(routes int) {
		if why != "" && routes > 0 {
			s.log.slog.Warn("Routes of a neighbour that restarted gracefully are given up: "+why+".",
				"neighbor", addr, "routes", routes)
		}
	}
	if s.gone.stale(addr, p, families, say) {
		return
	}
	paths := adjRibDropStale(p.adjIn(), families)
	if len(paths) > 0 {
		s.changes.during(p.vrf(), paths, func() { serverPropagate(s.server(), p.at, paths) })
	}
	say(len(paths))
}
