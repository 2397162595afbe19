package nsworker

import (
	"net/netip"
	"reflect"
	"slices"

	"github.com/vrfredist/vrfredist/rib"
)

// originating finds what the VRF tells BGP beside what it imports: paths that came in by a
// leak and were chosen, networks, and aggregates of which a member is chosen; and which of all
// that, and of the imports, a condition keeps back. It is told of each prefix that is evaluated,
// and says of which prefixes the announcement is to be decided again.
type originating struct {
	rib.Origination
	vrf    string // whose it is
	leaks  map[netip.Prefix]passedOn
	slots  map[rib.Slot]netip.Prefix         // of leaks
	others map[netip.Prefix]rib.Announcement // networks and aggregates, as they would be announced
	// members are the chosen prefixes in each aggregate, and watched those on which conditions
	// depend: whether a path is chosen for one.
	members []map[netip.Prefix]struct{}
	// kept are the members that the VRF itself has to announce, and does not, because the
	// aggregate suppresses them.
	kept    []map[netip.Prefix]struct{}
	watched map[netip.Prefix]bool
	look    func(netip.Prefix)
	// late tells whether BGP may not have said all of a family since the start: what is not
	// there may come still.
	late func(rib.Family) bool
	// inherited is what an earlier worker announced: it stays until BGP may be expected to have
	// said what it was made of.
	inherited map[netip.Prefix]struct{}
	rpki      *rib.RPKI // what that is told
	receive   rib.Judge // of what others have, where that is passed on; nil: BGP tells of it
	off       bool      // it is a secondary table, whose VRF has a worker that does all this
	customers bool      // somebody hears of paths of EVPN by the VRF alone
}

// passedOn is a chosen path that came in by a leak, or by EVPN.
type passedOn struct {
	attrs *rib.Attrs // as the rule let it in
	apart bool       // it is told whatever becomes of it in the table, which the export's communities keep it from
	told  bool
}

func newOriginating(vrf string, o rib.Origination, look func(netip.Prefix)) *originating {
	g := &originating{vrf: vrf, leaks: make(map[netip.Prefix]passedOn), slots: make(map[rib.Slot]netip.Prefix), inherited: make(map[netip.Prefix]struct{}), look: look, late: func(rib.Family) bool { return false }}
	g.configure(o)
	return g
}

// receives takes over which policy judges what others have for the VRF.
func (g *originating) receives(x rib.ExportPolicy, by *rib.RPKI) {
	g.rpki = by
	if g.receive = nil; x.PassesOn() {
		g.receive = x.Receive
	}
}

// configure takes over what the configuration says. What is chosen is told anew after that,
// where it is another.
func (g *originating) configure(o rib.Origination) {
	if g.others != nil && reflect.DeepEqual(g.Origination, o) {
		return
	}
	g.Origination = o
	g.others, g.watched = make(map[netip.Prefix]rib.Announcement), make(map[netip.Prefix]bool)
	g.members, g.kept = make([]map[netip.Prefix]struct{}, len(o.Aggregates)), make([]map[netip.Prefix]struct{}, len(o.Aggregates))
	for _, n := range o.Networks {
		g.others[n.Prefix] = rib.Announcement{As: rib.FromNetwork, Prefix: n.Prefix, Communities: n.Communities}
	}
	for i, a := range o.Aggregates {
		g.members[i], g.kept[i] = make(map[netip.Prefix]struct{}), make(map[netip.Prefix]struct{})
		g.others[a.Prefix] = rib.Announcement{As: rib.FromAggregate, Prefix: a.Prefix, Communities: a.Communities, MED: a.MED}
	}
	for i := range o.Conditions {
		for _, p := range slices.Concat(o.Conditions[i].While, o.Conditions[i].WhileNot) {
			g.watched[p] = false
		}
	}
}

// prefixes yields those that may be announced for another reason than the kernel's routes.
func (g *originating) prefixes(yield func(netip.Prefix) bool) {
	for p := range g.others {
		if !yield(p) {
			return
		}
	}
	for p := range g.leaks {
		if !yield(p) {
			return
		}
	}
}

// chose takes in what was decided of a prefix with some paths.
func (g *originating) chose(slot rib.Slot, prefix netip.Prefix, v *rib.Verdict, paths []rib.Path) {
	if g.off {
		return
	}
	was, had := g.leaks[prefix]
	if v.Out != rib.Accepted && v.Out != rib.NoCommunity || !g.passesOn(v.Chosen[0].Attrs) {
		if had {
			delete(g.leaks, prefix)
			delete(g.slots, slot)
			g.looks(was.told, prefix)
		}
		return
	}
	best := &v.Chosen[0]
	is := passedOn{best.Attrs, v.Out == rib.NoCommunity && v.Reach != rib.Unreached, was.told}
	for i := range paths { // what the export's policy changes is for the kernel alone
		if paths[i].RD == best.RD && paths[i].ID == best.ID {
			is.attrs = g.received(&paths[i])
		}
	}
	g.leaks[prefix], g.slots[slot] = is, prefix
	g.looks(was.told && was.attrs != is.attrs, prefix)
}

// passesOn tells whether a chosen path is told to the VRF's neighbours as one that was passed on:
// BGP itself tells them of none that came in by a leak, that the VRF's policy judges, or that came by
// EVPN, whose routes it has in no VRF.
func (g *originating) passesOn(a *rib.Attrs) bool {
	return a.ByRule || g.receive != nil && a.Source != g.vrf || a.Carrier == rib.ByEVPN && g.customers
}

// received are the attributes of a path as the VRF has it from others.
func (g *originating) received(p *rib.Path) *rib.Attrs {
	if p.Attrs.ByRule || g.receive == nil {
		return p.Attrs
	}
	return g.receive.Judge(rib.Subject{Prefix: p.Prefix, RD: p.RD, Attrs: p.Attrs, VRF: g.vrf, RPKI: g.rpki.For(g.receive, p), Unacted: true}, nil).Attrs
}

func (g *originating) looks(is bool, prefix netip.Prefix) {
	if is {
		g.look(prefix)
	}
}

// became is what became of a prefix in the routes.
type became struct {
	leads bool // its route is wanted, and leads somewhere
	wants bool // a route is wanted
	state rib.State
	out   rib.Cause
}

// settled takes in what became of a slot of the routes.
func (g *originating) settled(slot rib.Slot, is became, prefix func() netip.Prefix) {
	if p, leaks := g.slots[slot]; leaks {
		if l := g.leaks[p]; l.told != (is.leads || l.apart) {
			l.told = !l.told
			g.leaks[p] = l
			g.look(p)
		}
	}
	if len(g.members)+len(g.watched) == 0 {
		return
	}
	p := prefix()
	there := is.leads || !is.wants && g.counts(p, is)
	if was, watched := g.watched[p]; watched && was != there {
		g.watched[p] = there
		g.depends(p)
	}
	for i := range g.members {
		if g.Aggregates[i].Covers(p) {
			g.join(i, g.members[i], p, there)
		}
	}
}

// join makes a prefix a member of an aggregate in one of the sets of its members, or has it leave.
func (g *originating) join(i int, set map[netip.Prefix]struct{}, p netip.Prefix, is bool) {
	before := g.hasMember(i)
	if is {
		set[p] = struct{}{}
	} else {
		delete(set, p)
	}
	g.looks(before != g.hasMember(i), g.Aggregates[i].Prefix)
}

// counts tells whether a prefix counts as chosen for which nothing of BGP's is in the table. What
// the VRF announces itself does, but where that depends on a condition: two of those could take
// turns for ever.
func (g *originating) counts(prefix netip.Prefix, is became) bool {
	if is.state != rib.Filtered {
		return false
	}
	switch is.out {
	case rib.OwnImport, rib.OwnPrefix:
		return !slices.ContainsFunc(g.Conditions, func(c rib.Condition) bool { return slices.Contains(c.Prefixes, prefix) })
	case rib.OwnSubnet, rib.OwnAddress, rib.NoCommunity:
		return true
	}
	return false
}

// depends has the prefixes decided again whose condition asks for one.
func (g *originating) depends(on netip.Prefix) {
	for i := range g.Conditions {
		c := &g.Conditions[i]
		if slices.Contains(c.While, on) || slices.Contains(c.WhileNot, on) {
			for _, p := range c.Prefixes {
				g.look(p)
			}
		}
	}
}

// announcement is what is announced of a prefix. imported is what the import makes of the
// kernel's routes, and has says what BGP has now; nil: nothing.
func (g *originating) announcement(prefix netip.Prefix, imported *rib.Announcement, has func(netip.Prefix) *rib.Announcement) *rib.Announcement {
	a := imported
	if a == nil {
		a = g.own(prefix)
	}
	var have *rib.Announcement
	if _, is := g.inherited[prefix]; is && g.late(rib.FamilyOf(prefix)) {
		have = has(prefix)
	}
	if a == nil && have != nil && (have.As == rib.FromLeak || have.As == rib.FromAggregate) {
		a = have
	}
	if g.suppress(prefix, a) {
		return nil
	}
	if a != nil && g.holds(prefix) {
		return have
	}
	return a
}

// inherit takes in what an earlier worker announced.
func (g *originating) inherit(a rib.Announcement) { g.inherited[a.Prefix] = struct{}{} }

// own is what the VRF has to announce of a prefix without the kernel's routes; nil: nothing.
func (g *originating) own(prefix netip.Prefix) *rib.Announcement {
	a, is := g.others[prefix]
	switch {
	case is && (a.As == rib.FromNetwork || g.isMade(prefix)):
		return &a
	case is:
		return nil
	}
	if l, is := g.leaks[prefix]; is && l.told {
		return l.announcement(prefix, g.vrf)
	}
	return nil
}

// isMade tells whether an aggregate has a member.
func (g *originating) isMade(aggregate netip.Prefix) bool {
	for i := range g.Aggregates {
		if g.Aggregates[i].Prefix == aggregate {
			return g.hasMember(i)
		}
	}
	return false
}

func (g *originating) hasMember(i int) bool { return len(g.members[i])+len(g.kept[i]) > 0 }

// suppress notes whether the VRF has something to announce of a prefix that is in an aggregate
// which suppresses it, and tells whether it is in such a one.
func (g *originating) suppress(prefix netip.Prefix, a *rib.Announcement) (is bool) {
	for i := range g.Aggregates {
		if g.Aggregates[i].Suppress && g.Aggregates[i].Covers(prefix) {
			g.join(i, g.kept[i], prefix, a != nil)
			is = true
		}
	}
	return is
}

// holds tells whether a condition keeps a prefix back. While BGP may not have said all, what is
// not there may be about to come.
func (g *originating) holds(prefix netip.Prefix) bool {
	there := func(p netip.Prefix) bool { return g.watched[p] }
	early := func(p netip.Prefix) bool { return g.watched[p] || g.late(rib.FamilyOf(p)) }
	return slices.ContainsFunc(g.Conditions, func(c rib.Condition) bool {
		return c.Keeps(prefix, there) || (&rib.Condition{Prefixes: c.Prefixes, WhileNot: c.WhileNot}).Keeps(prefix, early)
	})
}

// converged says that BGP has said all of a family: what depended on that is decided again.
func (g *originating) converged(of rib.Family) {
	for p := range g.inherited {
		if rib.FamilyOf(p) == of {
			delete(g.inherited, p)
			g.look(p)
		}
	}
	for i := range g.Conditions {
		for _, p := range g.Conditions[i].Prefixes {
			g.look(p)
		}
	}
}

// announcement is how a path is passed on by a VRF.
func (l *passedOn) announcement(prefix netip.Prefix, vrf string) *rib.Announcement {
	a := l.attrs
	out := &rib.Announcement{As: rib.FromLeak, Of: a, Prefix: prefix, MED: a.MED, Communities: a.Communities, Large: a.Large}
	if a.ByRule { // else other routers have it from where it is
		out.Mark = rib.SendMark(vrf, a.Source)
	}
	if a.LocalPref != defaultLocalPref {
		out.LocalPref = &a.LocalPref
	}
	return out
}

// defaultLocalPref is the preference of a path that says none.
const defaultLocalPref = 100
