package gobgp3

import (
	"iter"
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

// toldAnew is of which paths a neighbour has been told by the policies of now, since it asked for
// all last: of what it asks for it is told by those of before. Of each destination it has the last ones.
type toldAnew struct {
	asked asking
	paths map[*bgpPath]struct{}   // where it had the one choice
	lists map[*bgpPath][]*bgpPath // where it had several, by the best one
}

// add takes down that of these choices it was told by the policies of now.
func (t *toldAnew) add(choices []*bgpPath) {
	switch len(choices) {
	case 0:
	case 1:
		t.paths[choices[0]] = struct{}{}
	default:
		t.lists[choices[0]] = slices.Clone(choices)
	}
}

// take tells whether that is so, and forgets it.
func (t *toldAnew) take(choices []*bgpPath) (is bool) {
	switch {
	case t == nil || len(choices) == 0:
	case len(choices) == 1:
		_, is = t.paths[choices[0]]
		delete(t.paths, choices[0])
	default:
		if is = slices.Equal(t.lists[choices[0]], choices); is {
			delete(t.lists, choices[0])
		}
	}
	return is
}

// left are the choices that were not taken, of which another one has been made since.
func (t *toldAnew) left() iter.Seq[[]*bgpPath] {
	return func(yield func([]*bgpPath) bool) {
		if t == nil {
			return
		}
		for p := range t.paths {
			if !yield([]*bgpPath{p}) {
				return
			}
		}
		for _, list := range t.lists {
			if !yield(list) {
				return
			}
		}
	}
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

// listener is a neighbour that GoBGP is kept from telling, and what there was to tell it before.
type listener struct {
	livePeer
	audience
	name   string
	before [][]*bgpPath // its choices by place
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
	to := r.quiet(at)
	do()
	for _, l := range to {
		l.hear()
	}
	for _, l := range to {
		r.tell(l, at)
	}
}

// quiet keeps GoBGP from telling the neighbours, as hush does, and returns which those are.
func (r *retelling) quiet(places []place) (to []*listener) {
	for name, p := range r.peers() {
		if !r.names[name] || p.sendsAll() || !p.deafen() {
			continue
		}
		l := &listener{livePeer: p, audience: audienceOf(p), name: name, before: make([][]*bgpPath, len(places))}
		for i, at := range places {
			choices, _ := l.chosen(at)
			l.before[i] = slices.Clone(choices)
		}
		to = append(to, l)
	}
	return to
}

// chosen are the neighbour's choices at a place. known tells whether they are what it is told: of a prefix
// with paths that neighbours are not to be told of they are told after the turn (flags).
func (l *listener) chosen(at place) (choices []*bgpPath, known bool) {
	t := l.tables().Tables[at.family]
	if t == nil || t.destinations[at.key] == nil {
		return nil, true
	}
	paths := t.destinations[at.key].knownPathList
	return l.choices(paths), !slices.ContainsFunc(paths, func(p *bgpPath) bool { return p.IsNexthopInvalid })
}

// tell tells a neighbour what has changed.
func (r *retelling) tell(l *listener, places []place) {
	judge := r.judge.in(l.at)
	was, is := *judge, *r.policy.in(unsafe.Pointer(r.server()))
	defer func() { *judge = was }()
	done := r.told[l.name]
	if done == nil || done.asked != askingOf(l.livePeer) {
		done = &toldAnew{askingOf(l.livePeer), make(map[*bgpPath]struct{}), make(map[*bgpPath][]*bgpPath)}
		r.told[l.name] = done
	}
	var send []*bgpPath
	for i, at := range places {
		now, known := l.chosen(at)
		if !known || slices.Equal(now, l.before[i]) {
			continue
		}
		by := was
		if done.take(l.before[i]) {
			by = is
		}
		if path := retold(r.loop, l.livePeer, l.before[i], by, now, is); path != nil {
			send = append(send, path)
		}
		done.add(now)
	}
	if len(send) > 0 {
		sendToPeer(l.at, send, nil, false)
	}
}

// retold is what a neighbour has to be told, whom one choice by some policies was told of, so that
// it has another one by others; nil: nothing. It leaves the neighbour with any of the two policies.
func retold(l *loop, p livePeer, before []*bgpPath, was unsafe.Pointer, now []*bgpPath, is unsafe.Pointer) *bgpPath {
	judge := l.judge.in(p.at)
	told := func(by unsafe.Pointer, choices []*bgpPath) *bgpPath {
		*judge = by
		for _, path := range choices {
			if told := asTold(serverFilter(l.server(), p.at, path, nil)); told != nil {
				return told
			}
		}
		return nil
	}
	switch old, next := told(was, before), told(is, now); {
	case next != nil && (old == nil || !pathEqual(next, old)):
		return next
	case next == nil && old != nil:
		return pathClone(old, true)
	}
	return nil
}

// by is of which paths a neighbour has been told by the policies of now; nil: of none.
func (r *retelling) by(name string, p livePeer) *toldAnew {
	if r == nil || r.told[name] == nil || r.told[name].asked != askingOf(p) {
		return nil
	}
	return r.told[name]
}

// asTold is a path as a neighbour has it; nil: it has not. GoBGP makes a withdrawal of one that
// is kept from it for other reasons than a policy.
func asTold(p *bgpPath) *bgpPath {
	if p == nil || p.IsWithdraw {
		return nil
	}
	return p
}
