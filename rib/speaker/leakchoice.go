package speaker

import (
	"cmp"
	"slices"

	"github.com/vrfredist/vrfredist/rib"
)

// chose takes in what the worker of a VRF chose for a prefix.
func (x *index) chose(s *source, c *rib.Choice) {
	d := Destination{RD: s.rd, Prefix: c.Prefix}
	own, some := s.own(c), false
	for i := range s.list {
		p := &s.list[i]
		p.passed(s, own, x.leaks.rpki)
		some = some || len(p.room) > 0
	}
	switch {
	case !some && x.at.of(d) == nil && (x.read || !s.holds(d)): // an index that has yet to read it may hold some
		s.forget(d)
		return // nobody has anything of it
	case some && !s.has(own):
		return // BGP has said another thing meanwhile, which the worker has still to take in
	}
	for i := range s.list {
		for _, l := range s.list[i].into {
			if l.rule.Takes(c) {
				x.let(s, l, d, s.list[i].room)
			} else {
				x.let(s, l, d, nil)
			}
		}
	}
	x.poured(d)
}

// own are the chosen paths that are the VRF's own.
func (s *source) own(c *rib.Choice) []rib.Path {
	rule := &s.list[0].into[0].rule
	return slices.DeleteFunc(c.Paths, func(p rib.Path) bool { return !rule.Concerns(&p) })
}

// has tells whether the feed of the VRF has paths, of one destination, as they are.
func (s *source) has(paths []rib.Path) bool {
	now := s.feed.Lookup(paths[0].Prefix)
	return !slices.ContainsFunc(paths, func(p rib.Path) bool {
		return !slices.ContainsFunc(now, func(q rib.Path) bool { return q.RD == p.RD && q.ID == p.ID && q.Attrs == p.Attrs })
	})
}

// holds tells whether some of a destination came in by a leak.
func (s *source) holds(d Destination) bool {
	for l := range s.leaks {
		if _, held := l.held[d]; held {
			return true
		}
	}
	return false
}

// forget forgets a destination that limits keep out.
func (s *source) forget(d Destination) {
	for l := range s.leaks {
		if len(l.waiting) > 0 {
			delete(l.waiting, d)
		}
	}
}

// passed finds the paths that the policy lets through, as others get them and it leaves them.
func (p *policed) passed(s *source, paths []rib.Path, by *rib.RPKI) {
	first := p.into[0]
	p.room = p.room[:0]
	for _, path := range paths {
		path.Attrs = s.as.attrs(path.Attrs)
		if r := first.rule.Judge(&path, first.into, false, by, nil); !r.Rejected {
			path.Attrs = r.Attrs
			p.room = append(p.room, path)
		}
	}
	slices.SortFunc(p.room, func(a, b rib.Path) int { return cmp.Compare(a.ID, b.ID) })
}

// let makes paths all that comes in of a destination by a rule. What route targets let in does
// not come in by it too.
func (x *index) let(s *source, l *leak, d Destination, passed []rib.Path) {
	_, had := l.held[d]
	if len(passed) == 0 && !had {
		delete(l.waiting, d)
		return
	}
	var paths []rib.Path
	if len(passed) > 0 {
		others := l.others(l.to[0].feed, d)
		giveWay := x.leaks.rules.GivesWay(l.into, &l.rule, d.Prefix)
		for _, p := range passed {
			if slices.ContainsFunc(others, func(o rib.Path) bool { return o.ID == p.ID }) {
				continue
			}
			if giveWay {
				p.Attrs = s.last.attrs(p.Attrs)
			}
			paths = append(paths, p)
		}
	}
	if !l.admit(d, paths) {
		if !had {
			return
		}
		if len(l.waiting) > 0 {
			x.leaks.room = append(x.leaks.room, l)
		}
	}
	x.pour(l, d, paths)
}

// pour makes paths all that a leak's feeds have of a destination by it. Where that leads is noted by
// poured, once for all leaks of the destination: to how many VRFs it leads, each of them costs the same.
func (x *index) pour(l *leak, d Destination, paths []rib.Path) {
	for _, m := range l.to {
		now := append(l.others(m.feed, d), paths...)
		set(m.feed, d, now)
		x.turned = append(x.turned, turned{m, len(now) > 0})
	}
}

// turned is a feed that may have come to have paths of the destination in hand, or have none.
type turned struct {
	importer
	has bool
}

// poured notes where a destination leads after pour.
func (x *index) poured(d Destination) {
	if len(x.turned) == 0 {
		return
	}
	slices.SortStableFunc(x.turned, func(a, b turned) int { return cmp.Compare(a.id, b.id) })
	var best *Importers
	var before []importer
	if old := x.at.of(d); old != nil {
		best, before = old.best, old.all.list
	}
	list := make([]importer, 0, len(before)+len(x.turned))
	for i, m := range x.turned {
		for len(before) > 0 && before[0].id <= m.id {
			if before[0].id < m.id {
				list = append(list, before[0])
			}
			before = before[1:]
		}
		if last := i == len(x.turned)-1 || x.turned[i+1].id != m.id; last && m.has {
			list = append(list, m.importer)
		}
	}
	x.note(d, x.intern(append(list, before...)), best)
	clear(x.turned)
	x.turned = x.turned[:0]
}

// others are what a feed has of a destination by route targets.
func (l *leak) others(f *rib.Feed, d Destination) []rib.Path {
	return slices.DeleteFunc(f.Lookup(d.Prefix), func(p rib.Path) bool { return DestinationOf(&p) != d || p.Attrs.ByRule })
}

// stay is what is leaked of a destination of which paths are all that BGP has now: what came in
// stays as it is, until the worker of the VRF has chosen among these, as the route does which
// that VRF has; where nothing is left of what is the VRF's own it goes at once.
func (ls *leaks) stay(d Destination, paths []candidate) (out []leaked) {
	s := ls.byRD[d.RD]
	if s == nil {
		return nil
	}
	rule := &s.list[0].into[0].rule
	gone := !slices.ContainsFunc(paths, func(c candidate) bool { return rule.Concerns(&c.path) })
	if gone {
		s.forget(d)
	}
	for l := range s.leaks {
		if _, held := l.held[d]; !held {
			continue
		}
		var some []rib.Path
		if !gone {
			some = l.stays(d, paths)
		}
		if !l.admit(d, some) {
			if len(l.waiting) > 0 {
				ls.room = append(ls.room, l)
			}
			continue
		}
		for _, m := range l.to {
			out = append(out, leaked{m, some})
		}
	}
	return out
}

// stays is what came in by a leak of a destination, but for what comes by route targets now.
func (l *leak) stays(d Destination, paths []candidate) []rib.Path {
	return slices.DeleteFunc(l.to[0].feed.Lookup(d.Prefix), func(p rib.Path) bool {
		return DestinationOf(&p) != d || !p.Attrs.ByRule || slices.ContainsFunc(paths, func(c candidate) bool {
			return c.path.ID == p.ID && c.to.has(l.to[0].id)
		})
	})
}

// Chose takes in what the worker of a VRF chose. It is to be called after each time that the
// worker has taken something from its feed, with nothing too.
func (in *Intake) Chose(vrf string, list []rib.Choice) {
	s := in.index.leaks.from[vrf]
	if s == nil {
		return
	}
	for i := range list {
		in.index.chose(s, &list[i])
	}
	in.index.fillAll()
	if _, waiting := s.feed.Len(); waiting > 0 || !in.synced {
		return
	}
	s.anew = false
	before := s.said
	for of := range rib.Families {
		s.said[of] = s.said[of] || in.markers.all(s.awaits, of)
	}
	if s.said != before {
		in.converge()
	}
}

// Validate has policies of rules that ask what the RPKI says be told it by another than nobody. It
// is called before the first path.
func (in *Intake) Validate(by *rib.RPKI) { in.index.leaks.rpki = by }

// Chosen tells whether each VRF that others leak from has said what it chooses, but for those
// of which no worker has a table.
func (in *Intake) Chosen() bool {
	for _, s := range in.index.leaks.from {
		if s.anew && s.feed.Read() {
			return false
		}
	}
	return true
}

// prompt has workers look that have still to say what they choose: where that is asked anew, and
// where all markers have come since, after which there is all that there was at the start.
func (ls *leaks) prompt(markers *Markers) {
	for _, s := range ls.from {
		due := s.anew
		for of := range rib.Families {
			due = due || !s.said[of] && markers.all(s.awaits, of)
		}
		if due {
			s.feed.Postpone()
		}
	}
}

// saidAll tells whether all VRFs that a feed leaks from have chosen among all that there was.
func (ls *leaks) saidAll(f *rib.Feed, of rib.Family) bool {
	return !slices.ContainsFunc(ls.into[f], func(s *source) bool { return !s.said[of] })
}
