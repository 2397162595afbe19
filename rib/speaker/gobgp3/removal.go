package gobgp3

import (
	"iter"
	"maps"
	"slices"
	"sync"
	"time"
	"unsafe"

	"github.com/osrg/gobgp/v3/pkg/packet/bgp"
)

// When the session of a neighbour ends GoBGP withdraws all that it sent, or marks it as stale, in one
// turn of the loop, and so at the end of the times for which it keeps stale routes. Here that is done
// in parts: for that turn the neighbour has an adj-RIB-in with nothing in it.

// removals are what is being done so. They are the loop's own.
type removals struct {
	*loop
	changes *changes
	parts   *parts
	holds   *holds
	under   map[string][]*removal // under way, by the neighbour's name, the one in hand first
	lent    []lentTable
	few     int // so many destinations GoBGP does at once
}

// fewSent is how many destinations of a neighbour are told of one by one when it goes, and dealt with
// in one turn: as many as GoBGP withdraws in some 10 ms.
const fewSent = 1000

// lentTable is a table of an adj-RIB-in that is given back at the end of the turn.
type lentTable struct {
	of     *bgpAdjRib
	family bgp.RouteFamily
	table  *bgpTable
}

// removal is what becomes of the paths of one neighbour.
type removal struct {
	of     *removals
	key    string
	peer   livePeer
	vrf    string
	left   []sentTable // the one in hand first
	next   func() (string, *bgpDestination, bool)
	stop   func()
	over   bool
	number int // of paths that went, or were changed
	fate
}

// sentTable is what a neighbour sent of one family.
type sentTable struct {
	family bgp.RouteFamily
	table  *bgpTable
}

// fate is what becomes of paths.
type fate struct {
	// apply does it to the paths of a part of an adj-RIB-in, and returns those that are to be taken
	// over into GoBGP's own tables.
	apply func(part *bgpAdjRib, family bgp.RouteFamily) []*bgpPath
	// gone says that the table is the neighbour's no more.
	gone bool
	// ending says that the session ends in this turn.
	ending bool
	// foretold says that readers have been told, as far as it concerns them.
	foretold bool
	// holds says that the next session's routes wait until it is done.
	holds bool
	// now does what cannot wait when the next session is up, to one destination; nil: nothing.
	now func(*bgpDestination)
	// done is called at the end with how many paths it was.
	done func(paths int)
}

var (
	// withdrawn: the session has ended, and the time for which its paths were kept.
	withdrawn = fate{apply: func(part *bgpAdjRib, f bgp.RouteFamily) []*bgpPath {
		return adjRibDrop(part, []bgp.RouteFamily{f})
	}, gone: true, ending: true, foretold: true, holds: true}
	// unkept is the same where readers know nothing of it.
	unkept = fate{apply: withdrawn.apply, gone: true, ending: true, holds: true}
	// keptStale: the neighbour restarts (RFC 4724).
	keptStale = fate{apply: func(part *bgpAdjRib, f bgp.RouteFamily) []*bgpPath {
		return adjRibStaleAll(part, []bgp.RouteFamily{f})
	}, ending: true, foretold: true, holds: true, now: func(d *bgpDestination) {
		for _, p := range d.knownPathList {
			p.origin().stale = true
		}
	}}
	// keptLong: it takes longer (RFC 9494).
	keptLong = fate{apply: func(part *bgpAdjRib, f bgp.RouteFamily) []*bgpPath {
		return adjRibMarkLongLived(part, []bgp.RouteFamily{f})
	}, holds: true}
	// judgedAnew: the policies are others, or somebody wants it.
	judgedAnew = fate{apply: func(part *bgpAdjRib, f bgp.RouteFamily) (paths []*bgpPath) {
		for key := range part.table[f].destinations {
			paths = append(paths, part.table[f].accepted(key)...)
		}
		return paths
	}}
	// notRenewed: it is back, and has not sent them again.
	notRenewed = fate{apply: func(part *bgpAdjRib, f bgp.RouteFamily) []*bgpPath {
		return adjRibDropStale(part, []bgp.RouteFamily{f})
	}}
)

func newRemovals(c *changes, p *parts) *removals {
	return &removals{loop: c.loop, changes: c, parts: p, holds: new(holds), under: make(map[string][]*removal), few: fewSent}
}

// take has the paths of a neighbour have a fate in parts, and none in this turn; not where they are
// few. It is called in the loop, with the session's lock held or not.
func (r *removals) take(key string, p livePeer, vrf string, families []bgp.RouteFamily, f fate) {
	adj := p.adjIn()
	var left []sentTable
	sent := 0
	for _, family := range families {
		if t := adj.table[family]; t != nil && len(t.destinations) > 0 {
			left, sent = append(left, sentTable{family, t}), sent+len(t.destinations)
		}
	}
	if f.gone {
		r.cancel(key, families)
	}
	if sent <= r.few || unguarded || f.ending && r.followed() {
		return
	}
	for _, s := range left {
		empty := *s.table
		empty.destinations = make(map[string]*bgpDestination)
		adj.table[s.family] = &empty
		if !f.gone {
			r.lent = append(r.lent, lentTable{adj, s.family, s.table})
		}
	}
	r.begin(&removal{of: r, key: key, peer: p, vrf: vrf, left: left, fate: f})
}

// stale withdraws the stale paths of families in parts, and returns false where there are few. It
// calls say at the end with how many it were.
func (r *removals) stale(key string, p livePeer, families []bgp.RouteFamily, say func(paths int)) bool {
	j := &removal{of: r, key: key, peer: p, vrf: p.vrf(), fate: notRenewed}
	sent := 0
	for _, f := range families {
		if t := p.adjIn().table[f]; t != nil {
			j.left, sent = append(j.left, sentTable{f, t}), sent+len(t.destinations)
		}
	}
	if j.done = say; sent <= r.few {
		return false
	}
	r.begin(j)
	return true
}

// afterPolicy is what a watcher watches that is told of each path as the policies of its neighbour left
// it.
const afterPolicy = "postupdate"

// followed tells whether somebody is told of paths by neighbour, as a BMP station is (RFC 7854): they
// must not hear of one whose session has ended.
func (r *removals) followed() bool {
	return len((*r.watchers.in(unsafe.Pointer(r.server())))[afterPolicy]) > 0
}

// begin has it done behind what is under way for the neighbour.
func (r *removals) begin(j *removal) {
	r.under[j.key] = append(r.under[j.key], j)
	if j.holds {
		r.holds.add(j.key)
	}
	r.parts.add(j)
}

// putBack ends the turn.
func (r *removals) putBack() {
	for _, l := range r.lent {
		l.of.table[l.family] = l.table
	}
	clear(r.lent)
	r.lent = r.lent[:0]
}

// back is called after the states of sessions have changed: of a neighbour that is back all that it
// sent before is marked at once.
func (r *removals) back() {
	for key, list := range r.under {
		if p, there := r.peerOf(key); there && p.established() {
			for _, j := range list {
				if j.now != nil && j.peer.at == p.at {
					j.hurry()
				}
			}
		}
	}
}

// cancel gives up what is under way with tables that go as a whole.
func (r *removals) cancel(key string, families []bgp.RouteFamily) {
	for _, j := range r.under[key] {
		if j.gone {
			continue
		}
		for _, f := range families {
			j.leave(f)
		}
	}
}

// finish has done at once what is under way with the paths of a VRF's neighbours.
func (r *removals) finish(vrf string) {
	for _, list := range r.under {
		for _, j := range list {
			if j.vrf == vrf {
				for j.part(time.Now().Add(time.Hour)) {
				}
			}
		}
	}
}

// waits implements job.
func (j *removal) waits() bool { return len(j.of.under[j.key]) > 0 && j.of.under[j.key][0] != j }

// beside implements job.
func (j *removal) beside() {}

// step implements job.
func (j *removal) step() bool {
	if j.part(time.Now().Add(j.of.parts.each)) {
		return true
	}
	j.end()
	return false
}

// removedAtOnce is how many destinations are dealt with before the clock is looked at.
const removedAtOnce = 128

// part does some of it, and tells whether there is more.
func (j *removal) part(until time.Time) bool {
	for first := true; len(j.left) > 0 && (first || time.Now().Before(until)); first = false {
		s := j.left[0]
		if j.next == nil {
			j.next, j.stop = iter.Pull2(maps.All(s.table.destinations))
		}
		part := *s.table
		part.destinations = make(map[string]*bgpDestination, removedAtOnce)
		more := true
		for range removedAtOnce {
			var key string
			var d *bgpDestination
			if key, d, more = j.next(); !more {
				break
			}
			part.destinations[key] = d
		}
		j.applyTo(s, &part)
		if !more {
			j.leave(s.family)
		}
	}
	return len(j.left) > 0
}

// leave ends it for a family.
func (j *removal) leave(f bgp.RouteFamily) {
	for i, s := range j.left {
		if s.family != f {
			continue
		}
		if i == 0 && j.stop != nil {
			j.stop()
			j.next, j.stop = nil, nil
		}
		j.left = slices.Delete(j.left, i, i+1)
		return
	}
}

// applyTo deals with a part of a table.
func (j *removal) applyTo(s sentTable, part *bgpTable) {
	if len(part.destinations) == 0 || j.vrf != "" && j.of.rib().Vrfs[j.vrf] == nil {
		return
	}
	all := maps.Clone(part.destinations)
	adj := &bgpAdjRib{accepted: make(map[bgp.RouteFamily]int), table: map[bgp.RouteFamily]*bgpTable{s.family: part}}
	if !j.gone {
		adj.accepted = j.peer.adjIn().accepted // it counts the neighbour's
	}
	paths := j.apply(adj, s.family)
	j.number += len(paths)
	for _, d := range all {
		if !j.gone && len(d.knownPathList) == 0 {
			tableDeleteDest(s.table, d)
		}
	}
	if len(paths) == 0 {
		return
	}
	propagate := func() { serverPropagate(j.of.server(), j.peer.at, paths) }
	if j.foretold {
		j.of.changes.foretelling(propagate)
		return
	}
	j.of.changes.during(j.vrf, paths, propagate)
}

// hurry does what cannot wait.
func (j *removal) hurry() {
	for _, s := range j.left {
		for _, d := range s.table.destinations {
			j.now(d)
		}
	}
	for len(j.left) > 0 {
		j.leave(j.left[0].family)
	}
}

// end implements job.
func (j *removal) end() {
	if j.over {
		return
	}
	j.over = true
	if j.stop != nil {
		j.stop()
	}
	rest := j.of.under[j.key]
	for i, other := range rest {
		if other == j {
			rest = append(rest[:i:i], rest[i+1:]...)
			break
		}
	}
	if j.of.under[j.key] = rest; len(rest) == 0 {
		delete(j.of.under, j.key)
	}
	if j.holds {
		j.of.holds.remove(j.key)
	}
	if j.done != nil {
		j.done(j.number)
	}
}

// holds are the neighbours whose routes wait until those of an earlier session have gone.
type holds struct {
	mu sync.Mutex
	by map[string]*hold // guarded by mu
}

type hold struct {
	number int
	over   chan struct{} // closed at the end
}

func (h *holds) add(key string) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.by == nil {
		h.by = make(map[string]*hold)
	}
	if h.by[key] == nil {
		h.by[key] = &hold{over: make(chan struct{})}
	}
	h.by[key].number++
}

func (h *holds) remove(key string) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if is := h.by[key]; is != nil {
		if is.number--; is.number == 0 {
			close(is.over)
			delete(h.by, key)
		}
	}
}

// before is closed when a neighbour's routes may come; nil: they may.
func (h *holds) before(key string) <-chan struct{} {
	h.mu.Lock()
	defer h.mu.Unlock()
	if is := h.by[key]; is != nil {
		return is.over
	}
	return nil
}
