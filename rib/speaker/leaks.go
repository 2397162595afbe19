package speaker

import (
	"cmp"
	"maps"
	"slices"

	"github.com/vrfredist/vrfredist/rib"
)

// leaks lets paths of VRFs into the feeds of others, by rules and not by route targets. It is
// the index's. Which paths a rule is about rib.LeakRule says, and of those it takes what the
// worker of their VRF chose: what BGP says of a destination changes nothing of that, until the
// worker has taken it in, but where none of them is left.
type leaks struct {
	rules rib.LeakRules
	rpki  *rib.RPKI               // what their policies are told
	from  map[string]*source      // by the VRF of the paths
	byRD  map[rib.RD]*source      // likewise
	into  map[*rib.Feed][]*source // that lead into a feed
	all   []*leak
	room  []*leak // of which something went, and another may come in
}

// source is a VRF of which others leak.
type source struct {
	vrf  string
	rd   rib.RD
	feed *rib.Feed // its own
	as   *disguise
	// last are the attributes of what gives way where it comes in.
	last *disguise
	list []policed
	anew bool // it is still to say what it chooses

	awaits []Marker           // after which its feed has all
	said   [rib.Families]bool // it has chosen among all that there was at the markers
}

// policed are the leaks from one VRF with the same policy, which is asked once for all of them.
type policed struct {
	policy rib.Judge // nil: there is none
	into   []*leak
	room   []rib.Path // what it lets through of the prefix in hand
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
// out comes in when its VRF says something of it.
const mostWaiting = 1 << 14

// newLeaks makes ready the rules of VRFs, whose feeds are all.
func newLeaks(vrfs []VRF, rules map[string][]rib.LeakRule, all map[string][]importer) leaks {
	ls := leaks{rules: rules, from: make(map[string]*source), byRD: make(map[rib.RD]*source), into: make(map[*rib.Feed][]*source)}
	for _, into := range slices.Sorted(maps.Keys(rules)) {
		for _, r := range rules[into] {
			if len(all[r.From]) == 0 || len(all[into]) == 0 {
				continue // no such VRF is configured
			}
			l := &leak{rule: r, into: into, to: all[into], held: make(map[Destination]struct{}), waiting: make(map[Destination][]rib.Path)}
			s := ls.from[r.From]
			if s == nil {
				v, _ := FindVRF(vrfs, r.From)
				s = &source{vrf: r.From, rd: v.RD, feed: all[r.From][0].feed, as: newDisguise(r.Leaked), last: newDisguise(rib.GivingWay), anew: true}
				ls.from[r.From], ls.byRD[v.RD] = s, s
			}
			i := slices.IndexFunc(s.list, func(p policed) bool { return p.policy == r.Policy })
			if i < 0 {
				i, s.list = len(s.list), append(s.list, policed{policy: r.Policy})
			}
			s.list[i].into = append(s.list[i].into, l)
			ls.all = append(ls.all, l)
			for _, m := range l.to {
				ls.into[m.feed] = append(ls.into[m.feed], s)
			}
		}
	}
	return ls
}

// leaked is what comes into one feed.
type leaked struct {
	to    importer
	paths []rib.Path
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

// follow takes over what came in by the rules that an index before had too; where a limit is a
// lower one now, the first of it by prefix. Of a VRF whose rules are others now the worker says
// anew what it chooses. What came in by rules that are none any more goes with the sweep, or else
// with what BGP says of its destination.
func (ls *leaks) follow(before *leaks) {
	for name, s := range ls.from {
		was := before.from[name]
		s.anew = was == nil || was.anew || !was.sameRules(s)
		if was != nil {
			s.said = was.said
		}
		for l := range s.leaks {
			if was == nil {
				break
			}
			for old := range was.leaks {
				if old.into == l.into && old.rule == l.rule {
					l.held, l.waiting, l.left = old.held, old.waiting, old.left
				}
			}
			l.seed()
			l.lower()
		}
		if s.anew {
			s.feed.Ask(true, true)
		}
	}
	for name, was := range before.from {
		if ls.from[name] == nil {
			was.feed.Ask(false, false)
		}
	}
}

// sameRules tells whether the same is leaked from a VRF, into the same feeds.
func (s *source) sameRules(o *source) bool {
	a, b := slices.Collect(s.leaks), slices.Collect(o.leaks)
	return s.rd == o.rd && s.feed == o.feed && slices.EqualFunc(a, b, func(x, y *leak) bool {
		return x.into == y.into && x.rule == y.rule
	})
}

// leaks are those from the VRF.
func (s *source) leaks(yield func(*leak) bool) {
	for i := range s.list {
		for _, l := range s.list[i].into {
			if !yield(l) {
				return
			}
		}
	}
}

// seed counts what came in before, so that the limit goes on letting in the same.
func (l *leak) seed() {
	clear(l.held)
	l.to[0].feed.Each(func(p rib.Path) {
		if p.Attrs.ByRule && p.Attrs.Source == l.rule.From {
			l.held[DestinationOf(&p)] = struct{}{}
		}
	})
}

// ask has the workers of the VRFs that others leak from say what they choose from now on.
func (ls *leaks) ask() {
	for _, s := range ls.from {
		s.feed.Ask(true, false)
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

// disguise is how paths of a VRF look in others.
type disguise struct {
	make       func(*rib.Attrs) *rib.Attrs
	young, old map[*rib.Attrs]*rib.Attrs // both bounded: what is used moves to the young ones
	vias       map[*rib.Via]*rib.Via
}

// disguised is how many attributes are remembered in each generation.
const disguised = 1 << 14

func newDisguise(by func(*rib.Attrs) *rib.Attrs) *disguise {
	return &disguise{make: by, young: make(map[*rib.Attrs]*rib.Attrs), vias: make(map[*rib.Via]*rib.Via)}
}

// attrs are those of a path in other VRFs. Paths with the same ones share them.
func (s *disguise) attrs(a *rib.Attrs) *rib.Attrs {
	if b := s.young[a]; b != nil {
		return b
	}
	b := s.old[a]
	if b == nil {
		b = s.make(a)
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
