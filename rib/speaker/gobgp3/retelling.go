package gobgp3

import (
	"slices"
	"unsafe"

	"github.com/osrg/gobgp/v3/pkg/config/oc"
	"github.com/osrg/gobgp/v3/pkg/packet/bgp"
)

// Where a reload has paths judged anew as well as what neighbours are told of them, each neighbour
// would be told twice: what the new judgement of the path comes to by the policies of before, and
// then by those of now (retell). So while paths are judged anew GoBGP tells these neighbours
// nothing of them, and they are told, in the same turn of the loop, what differs from what they
// were told, by the policies of now.

// retelling are the neighbours that are about to be told by other policies. It is the loop's own.
// A nil one is of nobody.
type retelling struct {
	*loop
	names map[string]bool
	told  map[string]*toldAnew
}

// toldAnew is of which best paths a neighbour has been told by the policies of now, since it asked
// for all last: of what it asks for it is told by those of before.
type toldAnew struct {
	asked asking
	paths map[*bgpPath]struct{}
}

// asking is by what is seen that a neighbour asked for all: its session began, or it sent a route
// refresh.
type asking struct {
	began     int64
	refreshes uint64
}

// askingOf is that of a neighbour now.
func askingOf(p livePeer) (a asking) {
	p.read(func(conf *oc.Neighbor, _ bgp.FSMState) {
		a = asking{conf.Timers.State.Uptime, conf.State.Messages.Received.Refresh}
	})
	return a
}

// around calls do, which changes paths. in makes their NLRIs those of GoBGP's own tables.
func (r *retelling) around(in func(bgp.AddrPrefixInterface) bgp.AddrPrefixInterface, paths []*bgpPath, do func()) {
	if r == nil || len(r.names) == 0 {
		do()
		return
	}
	var at []place
	for _, p := range paths {
		nlri := in(p.origin().nlri)
		family := bgp.AfiSafiToRouteFamily(nlri.AFI(), nlri.SAFI())
		if t := r.rib().Tables[family]; t != nil {
			at = append(at, place{family, tableKey(t, nlri)})
		}
	}
	before := make([]*bgpPath, len(at))
	for i := range at {
		before[i], _ = r.best(at[i])
	}
	to := r.quiet()
	do()
	for _, p := range to {
		p.hear()
	}
	for name, p := range to {
		r.tell(name, p, at, before)
	}
}

// quiet keeps GoBGP from telling the neighbours, as hush does, and returns which those are. A client
// of our route server is told twice: it has other tables than these.
func (r *retelling) quiet() map[string]livePeer {
	to := make(map[string]livePeer)
	for name, p := range r.peers() {
		if !r.names[name] || p.sendsAll() || p.judgedBy() == "" {
			continue
		}
		if p.deafen() {
			to[name] = p
		}
	}
	return to
}

// best is the best path of a place. known tells whether it is what neighbours are told: of a prefix
// with paths that they are not to be told of they are told after the turn (flags).
func (r *retelling) best(at place) (best *bgpPath, known bool) {
	d := r.rib().Tables[at.family].destinations[at.key]
	if d == nil {
		return nil, true
	}
	flagged := slices.ContainsFunc(d.knownPathList, func(p *bgpPath) bool { return p.IsNexthopInvalid })
	return bestOf(d.knownPathList), !flagged
}

// tell tells a neighbour what has changed.
func (r *retelling) tell(name string, p livePeer, places []place, before []*bgpPath) {
	judge := r.judge.in(p.at)
	was, is := *judge, *r.policy.in(unsafe.Pointer(r.server()))
	defer func() { *judge = was }()
	told := func(by unsafe.Pointer, path *bgpPath) *bgpPath {
		if path == nil {
			return nil
		}
		*judge = by
		return asTold(serverFilter(r.server(), p.at, path, nil))
	}
	done := r.told[name]
	if done == nil || done.asked != askingOf(p) {
		done = &toldAnew{askingOf(p), make(map[*bgpPath]struct{})}
		r.told[name] = done
	}
	var send []*bgpPath
	for i, at := range places {
		now, known := r.best(at)
		if !known || now == before[i] {
			continue
		}
		old, next := told(was, before[i]), told(is, now)
		switch {
		case next != nil && (old == nil || !pathEqual(next, old)):
			send = append(send, next)
		case next == nil && old != nil:
			send = append(send, pathClone(old, true))
		}
		if now != nil {
			done.paths[now] = struct{}{}
		}
	}
	if len(send) > 0 {
		sendToPeer(p.at, send, nil, false)
	}
}

// by is of which paths a neighbour has been told by the policies of now.
func (r *retelling) by(name string, p livePeer) map[*bgpPath]struct{} {
	if r == nil || r.told[name] == nil || r.told[name].asked != askingOf(p) {
		return nil
	}
	return r.told[name].paths
}

// asTold is a path as a neighbour has it; nil: it has not. GoBGP makes a withdrawal of one that
// is kept from it for other reasons than a policy.
func asTold(p *bgpPath) *bgpPath {
	if p == nil || p.IsWithdraw {
		return nil
	}
	return p
}
