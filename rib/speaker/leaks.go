package speaker

import (
	"cmp"
	"maps"
	"slices"

	"github.com/vrfredist/vrfredist/rib"
)

// leaks lets paths of VRFs into the feeds of others, by rules and not by route targets. It is
// the index's.
//
// Which paths a rule is about rib.LeakRule says.
type leaks struct {
	from map[string][]policed // by the VRF of the paths
	as   map[string]*disguise // likewise
	all  []*leak
	room []*leak // of which something went, and another may come in
}

// policed are the leaks from one VRF with the same policy, which is asked once for all of them.
type policed struct {
	policy rib.Judge // nil: there is none
	into   []*leak
}

// leak is one rule, for the VRF that takes.
type leak struct {
	rule rib.LeakRule
	into string
	to   []importer               // its feeds
	held map[Destination]struct{} // as many as prefixes: a VRF has its paths under one RD
	// waiting are destinations that the limit keeps out, with what comes in of each when
	// another goes.
	waiting map[Destination][]rib.Path
	left    int // others that it keeps out, of which nothing is kept
}

// mostWaiting is how many destinations a leak remembers beyond its limit. One that is left
// out comes in when BGP says something of it.
const mostWaiting = 1 << 14

// newLeaks makes ready the rules of VRFs, whose feeds are all.
func newLeaks(rules map[string][]rib.LeakRule, all map[string][]importer) leaks {
	ls := leaks{from: make(map[string][]policed), as: make(map[string]*disguise)}
	for _, into := range slices.Sorted(maps.Keys(rules)) {
		for _, r := range rules[into] {
			l := &leak{rule: r, into: into, to: all[into], held: make(map[Destination]struct{}), waiting: make(map[Destination][]rib.Path)}
			ls.as[r.From] = newDisguise(r)
			list := ls.from[r.From]
			i := slices.IndexFunc(list, func(p policed) bool { return p.policy == r.Policy })
			if i < 0 {
				i, list = len(list), append(list, policed{policy: r.Policy})
			}
			list[i].into = append(list[i].into, l)
			ls.from[r.From] = list
			ls.all = append(ls.all, l)
		}
	}
	return ls
}

// leaked is what comes into one feed.
type leaked struct {
	to    importer
	paths []rib.Path
}

// of returns what comes in of a destination, of which paths are all paths, into each feed
// that leaks from a VRF. A path that route targets let into it is not among them.
func (ls *leaks) of(d Destination, paths []candidate) (out []leaked) {
	if len(ls.from) == 0 {
		return nil
	}
	for name, list := range ls.from {
		if (name == Default) != (d.RD == 0) {
			continue
		}
		some := ls.own(name, &list[0].into[0].rule, paths)
		for i := range list {
			passed := list[i].passed(some)
			for _, l := range list[i].into {
				out = ls.take(out, l, d, passed)
			}
		}
	}
	return out
}

// own are the paths of a VRF among those of a destination, as others get them.
func (ls *leaks) own(vrf string, rule *rib.LeakRule, paths []candidate) (out []candidate) {
	for _, c := range paths {
		if rule.Concerns(&c.path) {
			c.path.Attrs = ls.as[vrf].attrs(c.path.Attrs)
			out = append(out, c)
		}
	}
	return out
}

// passed are the paths that the policy lets through, as it leaves them.
func (p *policed) passed(paths []candidate) (out []candidate) {
	if p.policy == nil {
		return paths
	}
	first := p.into[0]
	for _, c := range paths {
		if r := first.rule.Judge(&c.path, first.into, false, nil); !r.Rejected {
			c.path.Attrs = r.Attrs
			out = append(out, c)
		}
	}
	return out
}

// take adds what comes in of a destination by one rule.
func (ls *leaks) take(out []leaked, l *leak, d Destination, passed []candidate) []leaked {
	var paths []rib.Path
	for _, c := range passed {
		if len(l.to) > 0 && !c.to.has(l.to[0].id) {
			paths = append(paths, c.path)
		}
	}
	before := len(l.held)
	if !l.admit(d, paths) {
		if len(l.held) < before && len(l.waiting) > 0 {
			ls.room = append(ls.room, l)
		}
		return out
	}
	for _, m := range l.to {
		out = append(out, leaked{m, paths})
	}
	return out
}

// admit counts the prefix of a destination, and tells whether there is room for it.
func (l *leak) admit(d Destination, paths []rib.Path) bool {
	_, held := l.held[d]
	most := int(l.rule.MaxPrefixes)
	switch {
	case len(paths) == 0:
		delete(l.held, d)
		delete(l.waiting, d)
		return false
	case held:
		return true
	case most > 0 && len(l.held) >= most:
		if _, known := l.waiting[d]; known || len(l.waiting) < mostWaiting {
			l.waiting[d] = paths
		} else {
			l.left++
		}
		return false
	}
	delete(l.waiting, d)
	l.held[d] = struct{}{}
	return true
}

// next takes out what may come in by now; false: nothing may.
func (l *leak) next() (d Destination, paths []rib.Path, is bool) {
	if int(l.rule.MaxPrefixes) <= len(l.held) {
		return d, nil, false
	}
	for d, paths = range l.waiting {
		delete(l.waiting, d)
		l.held[d] = struct{}{}
		return d, paths, true
	}
	return d, nil, false
}

// seed counts what came in before, by another index, so that the limit goes on letting in
// the same: where it is a lower one now, the first of them by prefix.
func (ls *leaks) seed() {
	for _, l := range ls.all {
		clear(l.held)
		for _, m := range l.to[:min(len(l.to), 1)] {
			m.feed.Each(func(p rib.Path) {
				if p.Attrs.ByRule && p.Attrs.Source == l.rule.From {
					l.held[Destination{p.RD, p.Prefix}] = struct{}{}
				}
			})
		}
		l.lower()
		if len(l.waiting) > 0 {
			ls.room = append(ls.room, l)
		}
	}
}

// lower takes out of what came in as much as is beyond the limit.
func (l *leak) lower() {
	most := int(l.rule.MaxPrefixes)
	if most == 0 || len(l.held) <= most {
		return
	}
	all := slices.SortedFunc(maps.Keys(l.held), compareDestinations)
	for _, d := range all[most:] {
		delete(l.held, d)
	}
}

func compareDestinations(a, b Destination) int {
	return cmp.Or(a.Prefix.Compare(b.Prefix), cmp.Compare(a.RD, b.RD))
}

// counts are how much comes in by each rule.
func (ls *leaks) counts() (out []LeakCount) {
	for _, l := range ls.all {
		out = append(out, LeakCount{l.into, l.rule, len(l.held), len(l.waiting) + l.left})
	}
	return out
}

// disguise is how paths of a VRF look in others (rib.LeakRule.Leaked).
type disguise struct {
	rule       rib.LeakRule              // one of those from the VRF
	young, old map[*rib.Attrs]*rib.Attrs // both bounded: what is used moves to the young ones
	vias       map[*rib.Via]*rib.Via
}

// disguised is how many attributes are remembered in each generation.
const disguised = 1 << 14

func newDisguise(rule rib.LeakRule) *disguise {
	return &disguise{rule: rule, young: make(map[*rib.Attrs]*rib.Attrs), vias: make(map[*rib.Via]*rib.Via)}
}

// attrs are those of a path in other VRFs. Paths with the same ones share them.
func (s *disguise) attrs(a *rib.Attrs) *rib.Attrs {
	if b := s.young[a]; b != nil {
		return b
	}
	b := s.old[a]
	if b == nil {
		b = s.rule.Leaked(a)
		b.Via = s.via(a.Via, b.Via)
	}
	if len(s.young) >= disguised {
		s.young, s.old = make(map[*rib.Attrs]*rib.Attrs), s.young
	}
	s.young[a] = b
	return b
}

// via is one for all that have the same.
func (s *disguise) via(of, is *rib.Via) *rib.Via {
	if v := s.vias[of]; v != nil {
		return v
	}
	if len(s.vias) >= disguised {
		clear(s.vias)
	}
	s.vias[of] = is
	return is
}

// LeakCount is how many prefixes come in by a rule.
type LeakCount struct {
	Into     string
	Rule     rib.LeakRule
	Prefixes int
	Over     int // that its limit keeps out
}
