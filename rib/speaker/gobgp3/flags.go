package gobgp3

import (
	"slices"

	"github.com/osrg/gobgp/v3/pkg/log"
	"github.com/osrg/gobgp/v3/pkg/packet/bgp"
)

// flags keeps paths whose nexthops are not reached out of GoBGP's choice, by the flag that
// GoBGP has for it (RFC 4271, 9.1.2). All of it is for the loop alone.
//
// GoBGP sorts flagged paths last, and leaves them out where a neighbour's session begins,
// asks for a refresh or is soft reset. But a path that arrives anew has no flag, and where
// the best path changes to a flagged one, GoBGP announces that. So each change of a best
// path is judged before GoBGP tells its neighbours (judge). Where flagged paths have to do
// with it GoBGP is kept from telling (hush), its table is put right, and the neighbours
// are told after the message (teller), of what differs from what they were told last.
type flags struct {
	sources
	changes  *changes
	hush     *hush
	replaced replaced

	// held has the prefixes with flagged paths by family and by GoBGP's key: with the path
	// that neighbours were told of; nil: none.
	held    map[bgp.RouteFamily]map[string]*bgpPath
	owed    []place // of which the neighbours are to be told
	batch   batch
	telling bool // they are being told
	armed   bool // something was said, or is held
}

func newFlags(c *changes) *flags {
	f := &flags{sources: sources{loop: c.loop, vrfs: make(map[*bgpPeer]string), gates: make(gates)}, changes: c, hush: c.hush, batch: toldAtOnce}
	f.held = make(map[bgp.RouteFamily]map[string]*bgpPath)
	for _, family := range judgedFamilies {
		f.held[family] = make(map[string]*bgpPath)
	}
	return f
}

// replaced tells whether GoBGP's last change of a table took a path out: it replaced it,
// or withdrew it. A table asks its logger how much it wants to know just before that, and
// at no other time.
type replaced struct {
	log.Logger
	is bool
}

// GetLevel implements log.Logger.
func (r *replaced) GetLevel() log.LogLevel {
	r.is = true
	return r.Logger.GetLevel()
}

// take forgets the last change.
func (r *replaced) take() bool {
	is := r.is
	r.is = false
	return is
}

// listen has the tables tell replaced.
func (f *flags) listen() {
	for _, family := range judgedFamilies {
		if t := f.rib().Tables[family]; t != nil && t.logger != log.Logger(&f.replaced) {
			f.replaced.Logger, t.logger = t.logger, &f.replaced
		}
	}
	f.replaced.take()
}

// judge is called for each event of best paths, before GoBGP tells its neighbours.
func (f *flags) judge(ev *bestEvent) {
	if !f.armed || f.telling {
		return
	}
	out := f.replaced.take()
	claimed := false
	for _, clone := range ev.PathList {
		claimed = f.claim(clone.parent, out) || claimed
	}
	f.hush.set(claimed)
}

// claim judges the path of which GoBGP is about to tell its neighbours: the best one of
// its prefix, or the withdrawal of the last one. It tells whether flagged paths have to do
// with the prefix; then its place is owed.
func (f *flags) claim(x *bgpPath, out bool) bool {
	nlri := x.origin().nlri
	family := bgp.AfiSafiToRouteFamily(nlri.AFI(), nlri.SAFI())
	held, is := f.held[family]
	if !is {
		return false
	}
	bad := !x.IsWithdraw && (x.IsNexthopInvalid || f.isWithheld(x, family))
	if !bad && len(held) == 0 {
		return false
	}
	t := f.rib().Tables[family]
	at := place{family, tableKey(t, nlri)}
	d := t.destinations[at.key]
	if _, is = held[at.key]; !is {
		if !bad {
			return false
		}
		held[at.key] = toldBefore(d, x, out)
	}
	if d != nil {
		f.align(d, family)
	}
	f.owe(at)
	return true
}

// toldBefore is the path that neighbours were told of before x became the best one. out
// says that a path was taken out; else x is one that was not there before.
func toldBefore(d *bgpDestination, x *bgpPath, out bool) *bgpPath {
	if out {
		return anybodys(x)
	}
	for _, p := range d.knownPathList {
		if p != x && !p.IsNexthopInvalid {
			return p
		}
	}
	return nil
}

// anybodys stands in for a path of which only is known that neighbours may have been told
// of it: as one that originated here it is taken back from all of them.
func anybodys(x *bgpPath) *bgpPath {
	o := x.origin()
	p := &bgpPath{info: &bgpOrigin{nlri: o.nlri, source: localPeer, timestamp: o.timestamp}, attrsHash: x.attrsHash}
	for _, a := range x.attributes() {
		switch a.GetType() {
		case bgp.BGP_ATTR_TYPE_AS_PATH, bgp.BGP_ATTR_TYPE_CLUSTER_LIST, bgp.BGP_ATTR_TYPE_ORIGINATOR_ID:
			// By these GoBGP finds neighbours to whom it says nothing.
		default:
			p.pathAttrs = append(p.pathAttrs, a)
		}
	}
	return p
}

// align gives the paths of a destination the flags that are due, and returns how many it
// changed.
func (f *flags) align(d *bgpDestination, family bgp.RouteFamily) (changed int) {
	var other []*bgpPath
	for _, p := range d.knownPathList {
		if f.isWithheld(p, family) != p.IsNexthopInvalid {
			other = append(other, p)
		}
	}
	for _, p := range other {
		tablesUpdate(f.rib(), withFlag(p, !p.IsNexthopInvalid))
	}
	f.replaced.take() // our own changes
	d.putFlaggedLast()
	return len(other)
}

// putFlaggedLast puts the paths with the flag behind all others: GoBGP puts long-lived stale
// ones (RFC 9494) behind them, and then finds none that is valid.
func (d *bgpDestination) putFlaggedLast() {
	flagged := func(a, b *bgpPath) int {
		switch {
		case a.IsNexthopInvalid == b.IsNexthopInvalid:
			return 0
		case a.IsNexthopInvalid:
			return 1
		}
		return -1
	}
	if !slices.IsSortedFunc(d.knownPathList, flagged) {
		slices.SortStableFunc(d.knownPathList, flagged)
	}
}

// withFlag is a path with the flag, or without it. The path itself is one of adj-RIB-in,
// and others read it.
func withFlag(p *bgpPath, flag bool) *bgpPath {
	q := p.parent
	if !flag && q != nil && len(p.pathAttrs)+len(p.dels) == 0 && !q.IsNexthopInvalid && !q.IsWithdraw {
		return q // it was cloned for the flag
	}
	c := pathClone(p, false)
	c.IsNexthopInvalid = flag
	return c
}

// visit brings a place in line with what is said now, and returns how many flags changed.
func (f *flags) visit(at place) (changed int) {
	d := f.rib().Tables[at.family].destinations[at.key]
	held := f.held[at.family]
	if _, is := held[at.key]; !is {
		if d == nil || !f.differs(d, at.family) {
			return 0
		}
		held[at.key] = bestOf(d.knownPathList)
	}
	if d != nil {
		changed = f.align(d, at.family)
	}
	f.owe(at)
	return changed
}

// differs tells whether a path of a destination has another flag than is due.
func (f *flags) differs(d *bgpDestination, family bgp.RouteFamily) bool {
	return slices.ContainsFunc(d.knownPathList, func(p *bgpPath) bool { return f.isWithheld(p, family) != p.IsNexthopInvalid })
}
