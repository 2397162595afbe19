package speaker

import (
	"cmp"
	"net/netip"
	"reflect"
	"slices"

	"github.com/vrfredist/vrfredist/rib"
)

// Chose takes into what VRFs would have what another would choose for some prefixes, where they
// would leak it, and calls others with the name of each that has other paths by it.
func (f *Foresight) Chose(all map[string]*Paths, from string, list []rib.Choice, others func(into string)) {
	for into, to := range all {
		changed := false
		for i := range f.NextRules[into] {
			if rule := &f.NextRules[into][i]; rule.From == from {
				for j := range list {
					changed = to.leak(rule, list[j].Prefix, f.leaked(into, rule, &list[j])) || changed
				}
			}
		}
		if changed {
			others(into)
		}
	}
}

// Sources are the VRFs that others would leak from which have no feed to begin with: what they
// would have by a leak is what its VRF would choose.
func (f *Foresight) Sources(all map[string]*Paths) map[string]bool {
	list := make(map[string]bool)
	for into, rules := range f.NextRules {
		for _, r := range rules {
			to := all[into]
			list[r.From] = list[r.From] || to != nil && to.feed == nil
		}
	}
	return list
}

// leaked is what comes into a VRF of a choice by a rule, as leaks has it of what a worker chose.
func (f *Foresight) leaked(into string, rule *rib.LeakRule, c *rib.Choice) (list []rib.Path) {
	if !rule.Takes(c) {
		return nil
	}
	for _, p := range c.Paths {
		if !rule.Concerns(&p) {
			continue
		}
		p.Attrs = rule.Leaked(p.Attrs)
		r := rule.Judge(&p, into, false, f.RPKI, nil)
		if r.Rejected {
			continue
		}
		if p.Attrs = r.Attrs; rib.LeakRules(f.NextRules).GivesWay(into, rule, p.Prefix) {
			p.Attrs = rib.GivingWay(p.Attrs)
		}
		list = append(list, p)
	}
	return list
}

// leak makes paths all that a rule lets in of a prefix, but for what route targets let in anyway and
// for what is beyond its limit. It tells whether that is anything else than before.
func (p *Paths) leak(rule *rib.LeakRule, prefix netip.Prefix, paths []rib.Path) bool {
	var before []rib.Path
	now := p.Lookup(prefix)
	for _, x := range now {
		if lets(rule, &x) {
			before = append(before, x)
		}
	}
	paths = slices.DeleteFunc(paths, func(x rib.Path) bool {
		return slices.ContainsFunc(now, func(o rib.Path) bool {
			return o.ID == x.ID && DestinationOf(&o) == DestinationOf(&x) && !lets(rule, &o)
		})
	})
	if full := p.full(rule); full && len(paths) > 0 && len(before) == 0 {
		return false
	}
	if slices.EqualFunc(inOrder(before), inOrder(paths), sameLeaked) {
		return false
	}
	if rule.MaxPrefixes > 0 {
		p.leaked[rule] += min(1, len(paths)) - min(1, len(before))
	}
	for _, of := range [][]rib.Path{before, paths} {
		for i := range of {
			d := DestinationOf(&of[i])
			in := func(x rib.Path) bool { return DestinationOf(&x) == d }
			rest := slices.DeleteFunc(p.Lookup(prefix), func(x rib.Path) bool { return !in(x) || lets(rule, &x) })
			for _, x := range paths {
				if in(x) {
					rest = append(rest, x)
				}
			}
			p.set(d, rest)
		}
	}
	return true
}

// lets tells whether a path is there by a rule.
func lets(rule *rib.LeakRule, p *rib.Path) bool {
	return p.Attrs.ByRule && p.Attrs.Source == rule.From
}

// full tells whether a rule lets no further prefix in.
func (p *Paths) full(rule *rib.LeakRule) bool {
	if rule.MaxPrefixes == 0 {
		return false
	}
	n, counted := p.leaked[rule]
	if !counted {
		for _, paths := range p.All {
			if slices.ContainsFunc(paths, func(x rib.Path) bool { return lets(rule, &x) }) {
				n++
			}
		}
		if p.leaked == nil {
			p.leaked = make(map[*rib.LeakRule]int)
		}
		p.leaked[rule] = n
	}
	return n >= int(rule.MaxPrefixes)
}

func inOrder(paths []rib.Path) []rib.Path {
	slices.SortFunc(paths, func(a, b rib.Path) int { return cmp.Or(cmp.Compare(a.RD, b.RD), cmp.Compare(a.ID, b.ID)) })
	return paths
}

// sameLeaked tells whether two paths that a rule lets in are the same for who leaks them. Most share
// what was not made for the leak.
func sameLeaked(a, b rib.Path) bool {
	x, y := a.Attrs, b.Attrs
	switch {
	case a.RD != b.RD || a.ID != b.ID || a.Label != b.Label:
		return false
	case x == y:
		return true
	case *x.Via != *y.Via || x.LocalPref != y.LocalPref || x.MED != y.MED || x.ASPathLen != y.ASPathLen || x.Origin != y.Origin || x.Stale != y.Stale:
		return false
	}
	return slices.Equal(x.ASPath, y.ASPath) && sameTags(x.Tags, y.Tags) && (x.Rare == y.Rare || reflect.DeepEqual(x.Rare, y.Rare))
}

func sameTags(a, b *rib.Tags) bool {
	return a == b || slices.Equal(a.RTs, b.RTs) && slices.Equal(a.Communities, b.Communities) && slices.Equal(a.Large, b.Large)
}
