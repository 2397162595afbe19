package speaker

import (
	"cmp"
	"encoding/binary"
	"net/netip"
	"slices"

	"github.com/vrfredist/vrfredist/rib"
)

// Destination names where a path leads in a table of BGP's: in the global table with
// RD 0, else in the VPN table, or in that of EVPN.
type Destination struct {
	RD     rib.RD
	Prefix netip.Prefix
	EVPN   bool
}

// DestinationOf is that of a path.
func DestinationOf(p *rib.Path) Destination { return Destination{p.RD, p.Prefix, p.InEVPN()} }

// route is a Destination of one table: a key that is smaller.
type route struct {
	rd     rib.RD
	prefix netip.Prefix
}

// placements have where the paths of each destination lead: those of the VPN table, and those of
// EVPN's.
type placements [2]map[route]*placement

func (p *placements) table(d Destination) (map[route]*placement, route) {
	if d.EVPN {
		return p[1], route{d.RD, d.Prefix}
	}
	return p[0], route{d.RD, d.Prefix}
}

func (p *placements) of(d Destination) *placement {
	m, r := p.table(d)
	return m[r]
}

// set makes at where the paths of a destination lead; nil: nowhere.
func (p *placements) set(d Destination, at *placement) {
	if m, r := p.table(d); at != nil {
		m[r] = at
	} else {
		delete(m, r)
	}
}

// importer is a feed that takes VPN paths: a VRF's, or a mirror of it.
type importer struct {
	id   uint32
	vrf  string
	feed *rib.Feed
}

// Importers is the set of the VRFs that import a path. Sets are interned, in the order
// of the importers' ids: equal sets of one Intake are one pointer.
type Importers struct{ list []importer }

// candidate is a path and the VRFs whose import route targets it meets.
type candidate struct {
	path rib.Path
	to   *Importers
}

// index routes paths to feeds. Its cost for a path does not grow with the number of
// VRFs, but with the number of VRFs that import the path. It has one user at a time,
// and is made anew when route targets, leaks or neighbours change.
type index struct {
	global []*rib.Feed
	leaks  leaks
	byRT   map[rib.RT][]importer
	homes  map[rib.RD][]importer // each VRF by its own RD
	all    map[string][]importer // each VRF, and Default, by its name
	next   uint32                // the id of the next importer
	gone   map[uint32]struct{}   // importers of VRFs that are there no more
	sets   map[string]*Importers // by the ids in them
	none   *Importers
	// at says which VRFs have paths of a destination now: an UPDATE with other
	// route targets takes the path out of the VRFs that it no longer meets, and a
	// withdrawal does not repeat the route targets of the path.
	at     placements
	places map[placement]*placement // interned: there are few of them
	buf    []rib.Path               // the argument of Feed.Set, which copies it
	turned []turned                 // see pour
	read   bool                     // all that the server has is in at
	// left is told of a VRF into which the best path leads no more; nil: nobody.
	left func(vrf string)
}

// placement is where the paths of a destination lead: some of them, and the best one.
type placement struct{ all, best *Importers }

func newIndex(vrfs []VRF, rules map[string][]rib.LeakRule, feeds map[string][]*rib.Feed) *index {
	x := &index{
		global: feeds[Default],
		byRT:   make(map[rib.RT][]importer),
		homes:  make(map[rib.RD][]importer),
		all:    make(map[string][]importer),
		gone:   make(map[uint32]struct{}),
		sets:   make(map[string]*Importers),
		none:   &Importers{},
		at:     placements{make(map[route]*placement), make(map[route]*placement)},
		places: make(map[placement]*placement),
	}
	x.admit(append([]VRF{{Name: Default}}, vrfs...), feeds)
	x.leaks = newLeaks(vrfs, rules, x.all)
	return x
}

// match returns the VRFs that import a path with these route targets.
func (x *index) match(rts []rib.RT) *Importers {
	var list []importer
	for _, rt := range rts {
		list = append(list, x.byRT[rt]...)
	}
	return x.intern(list)
}

// intern takes list over.
func (x *index) intern(list []importer) *Importers {
	if len(list) == 0 {
		return x.none
	}
	slices.SortFunc(list, func(a, b importer) int { return cmp.Compare(a.id, b.id) })
	list = slices.Compact(list)
	name := make([]byte, 0, 4*len(list))
	for _, m := range list {
		name = binary.BigEndian.AppendUint32(name, m.id)
	}
	if s := x.sets[string(name)]; s != nil {
		return s
	}
	s := &Importers{slices.Clip(list)}
	x.sets[string(name)] = s
	return s
}

// put makes paths all paths of destination d; an empty list takes it away. best has the
// VRFs into which the best of them leads by its route targets.
func (x *index) put(d Destination, paths []candidate, best *Importers) {
	now := x.none
	if d.RD != 0 {
		now = x.union(paths)
	} else {
		for _, f := range x.global {
			set(f, d, x.pathsOf(paths, nil))
		}
		if x.leaks.from[Default] == nil {
			return
		}
	}
	x.lead(d, paths, now, x.leaks.stay(d, paths), best)
	x.fillAll()
}

// fillAll lets in what limits of leaks kept out, where something went.
func (x *index) fillAll() {
	for len(x.leaks.room) > 0 {
		l := x.leaks.room[0]
		x.leaks.room = x.leaks.room[1:]
		x.fill(l)
	}
}

// lead gives the paths of a destination to the feeds that get them, and takes them from those
// that had some: to those of now by route targets, and what is leaked.
func (x *index) lead(d Destination, paths []candidate, now *Importers, incoming []leaked, best *Importers) {
	all := now
	if len(incoming) > 0 {
		list := slices.Clone(now.list)
		for _, l := range incoming {
			list = append(list, l.to)
		}
		all = x.intern(list)
	}
	if old := x.at.of(d); old != nil {
		for _, m := range old.all.without(all) {
			set(m.feed, d, nil)
		}
		if len(paths) > 0 && x.left != nil {
			for _, m := range old.best.without(best) {
				if _, gone := x.gone[m.id]; !gone {
					x.left(m.vrf)
				}
			}
		}
	}
	slices.SortStableFunc(incoming, func(a, b leaked) int { return cmp.Compare(a.to.id, b.to.id) })
	for _, m := range all.list { // which has the same order
		some := x.pathsOf(paths, &m)
		for ; len(incoming) > 0 && incoming[0].to.id == m.id; incoming = incoming[1:] {
			some = append(some, incoming[0].paths...)
		}
		set(m.feed, d, some)
		x.buf = some
	}
	x.note(d, all, best)
}

// note notes where the paths of a destination lead.
func (x *index) note(d Destination, all, best *Importers) {
	if len(all.list) == 0 && (best == nil || len(best.list) == 0) {
		x.at.set(d, nil)
	} else {
		x.at.set(d, x.place(all, best))
	}
}

// fill lets in what a leak's limit kept out, as far as there is room by now.
func (x *index) fill(l *leak) {
	for {
		d, paths, is := l.next()
		if !is {
			return
		}
		x.pour(l, d, paths)
		x.poured(d)
	}
}

func (x *index) place(all, best *Importers) *placement {
	at := placement{all, best}
	p := x.places[at]
	if p == nil {
		p = &at
		x.places[at] = p
	}
	return p
}

// union returns the VRFs that take any of the paths.
func (x *index) union(paths []candidate) *Importers {
	if len(paths) == 0 {
		return x.none
	}
	same := true
	for _, c := range paths[1:] {
		same = same && c.to == paths[0].to
	}
	if same {
		return paths[0].to
	}
	var list []importer
	for _, c := range paths {
		list = append(list, c.to.list...)
	}
	return x.intern(list)
}

// pathsOf returns the paths that m takes, all where m is nil, until the next
// call.
func (x *index) pathsOf(paths []candidate, m *importer) []rib.Path {
	clear(x.buf)
	x.buf = x.buf[:0]
	for _, c := range paths {
		if m == nil || c.to.has(m.id) {
			x.buf = append(x.buf, c.path)
		}
	}
	return x.buf
}

func (s *Importers) has(id uint32) bool {
	if s == nil {
		return false
	}
	_, found := slices.BinarySearchFunc(s.list, id, func(m importer, id uint32) int { return cmp.Compare(m.id, id) })
	return found
}

// without are the VRFs of s that are not in o.
func (s *Importers) without(o *Importers) (rest []importer) {
	if s == o || s == nil {
		return nil
	}
	for _, m := range s.list {
		if !o.has(m.id) {
			rest = append(rest, m)
		}
	}
	return rest
}

func (p *placement) feeds(f *rib.Feed) bool {
	return p != nil && slices.ContainsFunc(p.all.list, func(m importer) bool { return m.feed == f })
}
