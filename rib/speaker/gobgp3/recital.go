package gobgp3

import (
	"cmp"
	"iter"
	"maps"
	"slices"
	"time"

	"github.com/osrg/gobgp/v3/pkg/config/oc"
	"github.com/osrg/gobgp/v3/pkg/packet/bgp"
)

// recital tells a neighbour all that it may have, in parts. What changes meanwhile GoBGP tells it as
// ever, and a part says what is so by then: whichever comes first, the last word on a prefix is the
// right one.
//
// The prefixes of a family are gathered first, and told with those next to one another whose paths
// have the same attributes: in the order of the table few would share a message.
type recital struct {
	*loop
	parts    *parts
	opening  *opening
	key      string
	peer     livePeer
	began    int64             // of its session
	families []toldFamily      // that are left, the one in hand first
	owed     []bgp.RouteFamily // were told, and their End-of-RIB was not sent yet
	over     bool              // another one took its place
	ended    func()            // is called at the end

	leads func(*bgpPath) bool // whether a path is of its VRF; nil: it is in none
	table bgp.RouteFamily     // of GoBGP's own, in which the family in hand is
	next  func() (string, *bgpDestination, bool)
	stop  func()
	spots []recited // that were gathered
	state recitalState
}

// toldFamily is a family of a session, and whether an End-of-RIB ends it.
type toldFamily struct {
	bgp.RouteFamily
	ends bool
}

// recitalState is how far a recital is with a family.
type recitalState uint8

const (
	toGather recitalState = iota
	gathering
	toSort
	reciting
)

// recited is a destination with what its best path has in common with others.
type recited struct {
	key  string
	hash uint32
}

const (
	// recitedAtOnce is of how many destinations GoBGP is asked at once, and mostRecited of how
	// many in one part.
	recitedAtOnce = 128
	mostRecited   = 512
	// mostOutgoing is how many parts may wait for the neighbour, each of several messages.
	mostOutgoing = 16
)

// newRecital is called in the loop.
func newRecital(in *parts, o *opening, key string, p livePeer, families []toldFamily) *recital {
	return &recital{loop: in.loop, parts: in, opening: o, key: key, peer: p, began: askingOf(p).began, families: families, ended: func() {}}
}

// waits implements job: a neighbour that takes little is waited for. GoBGP's queue has no bound.
func (r *recital) waits() bool {
	return !r.done() && (r.keptBack() || (*r.peer.outgoing.in(r.peer.fsm)).Len() > mostOutgoing)
}

// keptBack tells whether nothing is left but End-of-RIBs that may not go out yet.
func (r *recital) keptBack() bool {
	return len(r.families) == 0 && len(r.owed) > 0 && r.opening.lasts()
}

// tells tells whether it has an End-of-RIB sent of a family.
func (r *recital) tells(f bgp.RouteFamily) bool {
	return slices.ContainsFunc(r.families, func(t toldFamily) bool { return t.RouteFamily == f && t.ends })
}

// done tells whether there is nobody to be told any more.
func (r *recital) done() bool {
	p, there := r.peerOf(r.key)
	return r.over || len(r.families)+len(r.owed) == 0 || !there || p.at != r.peer.at || !p.established() || askingOf(p).began != r.began
}

// step implements job.
func (r *recital) step() bool {
	if r.done() {
		r.end()
		return false
	}
	if len(r.families) == 0 {
		r.settle()
		return true
	}
	switch until := time.Now().Add(r.parts.each); r.state {
	case toGather:
		r.begin()
		fallthrough
	case gathering:
		r.gather(until)
	case reciting:
		r.tell(until)
	case toSort: // beside does
	}
	return true
}

// beside implements job.
func (r *recital) beside() {
	if r.state == toSort {
		slices.SortFunc(r.spots, func(a, b recited) int { return cmp.Compare(a.hash, b.hash) })
		r.state = reciting
	}
}

// end implements job.
func (r *recital) end() {
	if r.stop != nil {
		r.stop()
	}
	r.families, r.owed, r.spots, r.next, r.stop = nil, nil, nil, nil, nil
	r.ended()
}

// begin begins with a family.
func (r *recital) begin() {
	r.state, r.spots, r.leads = gathering, nil, nil
	var all iter.Seq2[string, *bgpDestination] = func(func(string, *bgpDestination) bool) {}
	if of := peerTables(r.peer.at, []bgp.RouteFamily{r.families[0].RouteFamily}); len(of) == 1 { // of others a VRF's neighbour has none
		r.table = of[0]
		if t := r.tables().Tables[r.table]; t != nil {
			all = maps.All(t.destinations)
		}
	}
	if v := r.rib().Vrfs[r.peer.vrf()]; v != nil && r.tables() == r.rib() {
		r.leads = importsOf(v).take
	}
	r.next, r.stop = iter.Pull2(all)
}

// tables are those that the neighbour is told of: of a route server's client they are others.
func (r *recital) tables() *bgpTables { return *r.localRib.in(r.peer.at) }

func (r *recital) gather(until time.Time) {
	for more := true; more; more = time.Now().Before(until) {
		for range 16 {
			key, d, more := r.next()
			if !more {
				r.stop()
				r.next, r.stop, r.state = nil, nil, toSort
				return
			}
			if len(d.knownPathList) > 0 && (r.leads == nil || slices.ContainsFunc(d.knownPathList, r.leads)) {
				r.spots = append(r.spots, recited{key, hashAt(d)})
			}
		}
	}
}

func hashAt(d *bgpDestination) uint32 {
	p := d.knownPathList[0]
	for p.parent != nil && p.attrsHash == 0 {
		p = p.parent
	}
	return p.attrsHash
}

// tell tells of the next destinations.
func (r *recital) tell(until time.Time) {
	var send []*bgpPath
	for n := 0; n < mostRecited && len(r.spots) > 0 && (n == 0 || time.Now().Before(until)); n += recitedAtOnce {
		some := r.spots[:min(len(r.spots), recitedAtOnce)]
		r.spots = r.spots[len(some):]
		send = append(send, r.pathsOf(some)...)
	}
	if len(r.spots) == 0 {
		switch f := r.families[0]; {
		case f.ends && r.opening.lasts():
			r.owed = append(r.owed, f.RouteFamily)
		case f.ends:
			send = append(send, newEndOfRIB(f.RouteFamily))
		}
		r.families, r.state, r.spots = r.families[1:], toGather, nil
	}
	if len(send) > 0 {
		sendToPeer(r.peer.at, send, nil, false)
	}
}

// settle sends the End-of-RIBs that were kept back while what VRFs import was still coming.
func (r *recital) settle() {
	var send []*bgpPath
	for _, f := range r.owed {
		send = append(send, newEndOfRIB(f))
	}
	r.owed = nil
	sendToPeer(r.peer.at, send, nil, false)
}

// pathsOf are the paths of destinations as the neighbour is told of them.
func (r *recital) pathsOf(some []recited) (send []*bgpPath) {
	whole, at := r.tables(), r.localRib.in(r.peer.at)
	t := whole.Tables[r.table]
	if t == nil {
		return nil
	}
	part := *t
	part.destinations = make(map[string]*bgpDestination, len(some))
	for _, s := range some {
		if d := t.destinations[s.key]; d != nil {
			part.destinations[s.key] = d
		}
	}
	few := *whole
	few.Tables = map[bgp.RouteFamily]*bgpTable{r.table: &part}
	*at = &few
	defer func() { *at = whole }()
	best := serverBest(r.server(), r.peer.at, r.table)
	slices.SortStableFunc(best, func(a, b *bgpPath) int { return cmp.Compare(a.attrsHash, b.attrsHash) })
	for _, p := range best {
		if told := serverFilter(r.server(), r.peer.at, p, nil); told != nil {
			send = append(send, told)
		}
	}
	return send
}

// familiesOf are those of a session. The caller holds its lock.
func familiesOf(p livePeer) []bgp.RouteFamily {
	return slices.Sorted(maps.Keys(*p.families.in(p.fsm)))
}

// routesOf are those without that of route targets, which GoBGP leaves out where it tells all again.
// The caller holds the lock.
func routesOf(p livePeer) []bgp.RouteFamily {
	return slices.DeleteFunc(familiesOf(p), func(f bgp.RouteFamily) bool { return f == bgp.RF_RTC_UC })
}

// waitsForTargets tells whether GoBGP tells a neighbour nothing but route targets until it has sent
// its own (RFC 4684). The caller holds the lock.
func waitsForTargets(p livePeer) bool {
	conf := *p.conf.in(p.fsm)
	_, agreed := (*p.families.in(p.fsm))[bgp.RF_RTC_UC]
	c := conf.GetAfiSafi(bgp.RF_RTC_UC)
	return agreed && !conf.GracefulRestart.State.PeerRestarting && c != nil && c.RouteTargetMembership.Config.DeferralTime > 0
}

// recitable tells whether a neighbour is told all in parts: not a client of a route server that has
// second best paths too. The caller holds the lock of its session.
func recitable(p livePeer) bool { return !(*p.conf.in(p.fsm)).RouteServer.Config.SecondaryRoute }

// recitableNow is the same without the lock.
func recitableNow(p livePeer) (is bool, families []bgp.RouteFamily, graceful bool) {
	p.read(func(n *oc.Neighbor, state bgp.FSMState) {
		is, families = recitable(p) && state == bgp.BGP_FSM_ESTABLISHED, familiesOf(p)
		graceful = n.GracefulRestart.State.Enabled
	})
	return is, families, graceful
}
