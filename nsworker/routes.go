package nsworker

import (
	"net/netip"

	"github.com/vrfredist/vrfredist/nsworker/ledger"
	"github.com/vrfredist/vrfredist/nsworker/nexthop"
	"github.com/vrfredist/vrfredist/rib"
	"github.com/vrfredist/vrfredist/vrf"
)

// routes is the ledger of the routes that BGP has for a VRF, and that the kernel has of
// ours: what is wanted of each is a set of nexthops, what the kernel has is a forwarding.
// Its owner is the tableSync.
type routes struct {
	*ledger.Ledger[rib.Slot, nexthop.Set, nexthop.Forwarding, note]
	feed *rib.Feed
	spec *vrf.Spec // the worker's
	sets *nexthop.Sets
	ways *pathWays
	own  *rib.OwnPrefixes // connected subnets, and addresses; nil before the first reading

	surplus *surplus
	doubt   func(rib.ResyncReason) // has the table read again
	beside  beside

	over     map[rib.Slot]struct{} // kept out by the quota
	backups  *backups
	barred   barred
	adopted  adopted
	confirms confirms
	counts   [rib.Families]byState // entries by family and state
	wanted   int                   // entries that are in the kernel or due to be: what the quota counts

	exporting *rib.Exporting         // how the Spec judges BGP's paths
	tellState func(rib.Slot, *route) // nil: nobody listens
	room      room                   // reused
}

// room is for the paths of one prefix, and for the slots of the next changes with their prefixes.
type room struct {
	chosen, judged []rib.Path
	slots          []rib.Slot
	heard          rib.Candidates // of the prefix in hand; without paths: the policies were not asked yet
	prefixes       []netip.Prefix
}

// byState counts entries by their state.
type byState [rib.Stale + 1]int

// newRoutes returns an empty ledger. doubt has the table read again.
func newRoutes(w *Worker, sets *nexthop.Sets, c *ledger.Contention, doubt func(rib.ResyncReason)) *routes {
	r := &routes{
		feed: w.feed, spec: &w.spec, sets: sets, doubt: doubt,
		surplus: newSurplus(c, &w.drifts), over: make(map[rib.Slot]struct{}),
		barred:    make(barred),
		exporting: exporting(w.spec).Asking(w.deps.Board.RPKI()),
		ways:      newPathWays(sets.Ways, w.spec, w.deps.Link),
	}
	r.beside.choices = choices{bgp: w.deps.BGP, spec: &w.spec, feed: w.feed}
	r.confirms = confirms{bgp: w.deps.BGP, spec: &w.spec, routes: r}
	r.adopted = adopted{late: func(rib.Family) bool { return false }, ways: r.ways}
	r.backups = newBackups(r, c, &w.drifts)
	sets.Recurse(ownRoutes{r})
	r.Ledger = ledger.New(&bySlot{feed: w.feed}, r, c, &w.drifts)
	return r
}

// bySlot is the store of routes: an entry's slot is the feed's, which is held as long as
// the entry is there.
type bySlot struct {
	rib.Slots[route]
	feed *rib.Feed
}

func (s *bySlot) Find(slot rib.Slot) *route { return s.At(slot) }
func (s *bySlot) Drop(slot rib.Slot)        { s.feed.Release(slot) }

// Comes implements ledger.Rules.
func (r *routes) Comes(e *route) *nexthop.Forwarding {
	if e.Want == nil || e.Note.state == rib.OverQuota {
		return nil
	}
	return e.Want.Carries
}

// Same implements ledger.Rules.
func (r *routes) Same(have, want *nexthop.Forwarding) bool { return have.Same(want) }

// Replaced implements ledger.Rules.
func (r *routes) Replaced(was, is *nexthop.Forwarding) { r.sets.Objects.Hold(was, is) }

// take takes in what BGP says of some prefixes.
func (r *routes) take(batch []rib.Entry) {
	var like alike
	for _, in := range batch {
		hear(r, in)
		if like.is(in, r.room.heard.Judged) && r.exporting.OfPrefix(r.own, in.Prefix) == rib.Accepted && !elsewhere(r.Find(in.Slot), like.set) {
			e := r.Begin(in.Slot, like.family)
			e.Note.out = rib.Accepted
			r.beside.choices.plain(in)
			like.set.Use()
			r.setNexthops(in.Slot, e, like.set, 0)
			r.backups.want(in.Slot, like.family, nil, like.set.Want, 0)
			r.settle(in.Slot, e)
			continue
		}
		e := r.Find(in.Slot)
		if e == nil && (len(in.Paths) == 0 || !r.spec.Export.Enabled) {
			if r.beside.choices.asked() {
				v, _ := r.decide(in.Prefix, in.Paths)
				r.beside.choices.made(in.Prefix, &v, in.Paths)
			}
			r.feed.Release(in.Slot)
			like = alike{}
			continue
		}
		e = r.Begin(in.Slot, rib.FamilyOf(in.Prefix))
		r.choose(in.Slot, e, in.Prefix, in.Paths)
		r.settle(in.Slot, e)
		like = r.alike(in)
	}
}

// hear has the policies asked about the one path of a prefix, ahead of its decision: mostly they
// leave of it what they left of the one before.
func hear(r *routes, in rib.Entry) {
	r.room.heard = rib.Candidates{}
	if len(in.Paths) != 1 || !r.exporting.Judges() || !r.spec.Export.Enabled {
		return
	}
	r.room.heard = rib.Candidates{Prefix: in.Prefix, Paths: in.Paths, Judged: r.room.judged}
	r.exporting.Hear(&r.room.heard)
	r.room.judged = r.room.heard.Judged
}

// alike is what was decided for one prefix, while nothing but the feed is taken in: mostly
// the next one has the same attributes, and what is to become of it depends on nothing
// else, unless the prefix is special.
type alike struct {
	attrs  *rib.Attrs // nil: the next one has to be decided for itself
	left   *rib.Attrs // what policies left of them; nil: there is none
	label  uint32     // counts where another PE says by it how it is reached
	family rib.Family
	set    *nexthop.Set
}

func (a *alike) is(in rib.Entry, judged []rib.Path) bool {
	return len(in.Paths) == 1 && in.Paths[0].Attrs == a.attrs && a.attrs != nil &&
		(a.left == nil || len(judged) == 1 && judged[0].Attrs == a.left) &&
		(a.attrs.Carrier == rib.NotCarried || in.Paths[0].Label == a.label) &&
		rib.FamilyOf(in.Prefix) == a.family && a.set.Used() // or it was given up meanwhile
}

// alike returns what the decision for in says of others.
func (r *routes) alike(in rib.Entry) alike {
	e := r.Find(in.Slot)
	switch {
	case len(in.Paths) != 1 || e == nil || e.Want == nil || e.Want.Leaks():
		return alike{}
	case r.beside.origin.passesOn(in.Paths[0].Attrs): // of which it is told each
		return alike{}
	}
	var left *rib.Attrs
	if r.exporting.Judges() {
		if len(r.room.judged) != 1 {
			return alike{}
		}
		left = r.room.judged[0].Attrs
	}
	return alike{in.Paths[0].Attrs, left, in.Paths[0].Label, rib.FamilyOf(in.Prefix), e.Want}
}

// choose finds out what is wanted of one prefix, given its candidates.
func (r *routes) choose(slot rib.Slot, e *route, prefix netip.Prefix, paths []rib.Path) {
	r.ways.barred = r.barred[slot]
	v, judged := r.decide(prefix, paths)
	r.beside.origin.chose(slot, prefix, &v, paths)
	r.beside.choices.made(prefix, &v, paths)
	if e.Note.state == rib.Stale {
		r.adopted.look(e, paths, judged)
	}
	if v.Out == rib.NoPath || v.Out == rib.ExportOff {
		if e.Note.state != rib.Stale || v.Out == rib.ExportOff || e.Note.past.maker() == makerLeft { // another stale route is the sweep's
			r.setNexthops(slot, e, nil, 0)
		}
		return
	}
	if v.Out == rib.PolicyRejects && r.adopted.mayBeOf(e) {
		return
	}
	if e.Note.out = v.Out; v.Out != rib.Accepted {
		r.setNexthops(slot, e, nil, rib.Filtered)
		return
	}
	hint := uint32(0) // the group that the route has, or is about to have
	if e.Want != nil {
		hint = e.Want.Group
	}
	if e.Have != nil {
		hint = e.Have.Group
	}
	want := r.ways.want(&v, judged)
	r.setNexthops(slot, e, r.sets.Get(rib.FamilyOf(prefix), want, hint), 0)
	r.backups.want(slot, rib.FamilyOf(prefix), want.Backup, want, 0)
}

// decide decides one prefix. judged are its paths as the policy left them. Both are good until
// the next call.
func (r *routes) decide(prefix netip.Prefix, paths []rib.Path) (v rib.Verdict, judged []rib.Path) {
	c := r.room.heard
	if r.room.heard = (rib.Candidates{}); c.Prefix != prefix || len(c.Paths) == 0 {
		c = rib.Candidates{Prefix: prefix, Paths: paths, Judged: r.room.judged}
	}
	c.Reach, c.Own, c.Taken, c.Room = r.ways.reach, r.own, r.beside.taken, r.room.chosen
	if !r.spec.Export.Enabled {
		c.Reach = nil // it is what BGP chooses, which looks no nexthop up then
	}
	v = rib.Decide(r.exporting, &c, nil)
	r.room.chosen = v.Chosen
	if !r.exporting.Judges() {
		return v, paths
	}
	r.room.judged = c.Judged
	r.ways.heard(paths, c.Judged)
	return v, c.Judged
}

// setNexthops has a set of nexthops wanted (nil: nothing), with the use of it, and says what became of the
// entry where there is none.
func (r *routes) setNexthops(slot rib.Slot, e *route, set *nexthop.Set, state rib.State) {
	old := e.Want
	e.Want = set
	r.sets.Drop(old)
	if set == nil {
		r.setState(slot, e, state)
		r.backups.want(slot, e.Family(), nil, nexthop.Want{}, 0)
	}
}

// evaluate looks at one marked entry.
func (r *routes) evaluate(slot rib.Slot, e *route) {
	if e.Anew() {
		r.choose(slot, e, r.feed.Prefix(slot), r.feed.Paths(nil, slot))
	}
	r.settle(slot, e)
}

// settle compares what is wanted of an entry with what the kernel has, and says what became
// of it.
func (r *routes) settle(slot rib.Slot, e *route) {
	r.beside.stood(slot, e)
	// The core says soon how it leads to another PE: until then what stands leads to the one of before.
	asks := e.Want != nil && e.Want.Asked && e.Have != nil && e.Note.state == rib.Installed
	r.beside.origin.settled(slot, became{asks || e.Want != nil && e.Want.Carries != nil, e.Want != nil, e.Note.state, e.Note.out}, func() netip.Prefix { return r.feed.Prefix(slot) })
	ownRoutes{r}.changed(slot)
	set := e.Want
	if asks || e.Note.state == rib.Stale && e.Have != nil && (set == nil || set.Waits || r.adopted.holds(e, set)) {
		r.confirms.look(slot, e)
		return // until the core has answered, the sweep decides, or the VRF that leaks it is there
	}
	if set != nil {
		r.sets.Activate(set)
		if set.Carries == nil {
			r.setState(slot, e, rib.Unresolved)
		}
	}
	r.quota(slot, e, set != nil && set.Carries != nil)
	switch r.Settle(slot, e) {
	case ledger.InOrder:
		if set != nil && set.Contested {
			r.setState(slot, e, rib.Conflict) // it leads where another program likes
		} else {
			r.setState(slot, e, rib.Installed)
		}
	case ledger.LeftAlone:
		r.setState(slot, e, rib.Conflict)
	case ledger.Empty:
		if set == nil && e.Note.state == rib.Failed { // to be deleted, which the kernel refused, and gone now
			r.setState(slot, e, 0)
			r.choose(slot, e, r.feed.Prefix(slot), r.feed.Paths(nil, slot))
		}
		switch {
		case e.Want != set: // it is wanted after all
			r.Mark(slot, e)
		case set == nil && (e.Note.state == 0 || e.Note.state == rib.Stale) && r.backups.Find(slot) == nil:
			r.setState(slot, e, 0)
			delete(r.barred, slot)
			r.confirms.look(slot, e)
			r.Drop(slot, e)
			return
		}
	}
	r.confirms.look(slot, e)
}

// markUsers marks the entries that want one of some sets.
func (r *routes) markUsers(of nexthop.Changed) {
	if len(of) == 0 {
		return
	}
	for slot, e := range r.All {
		if _, hit := of[e.Want]; hit && e.Want != nil {
			r.Mark(slot, e)
		}
	}
	r.backups.markUsers(of)
}

// entryOf returns the entry of a prefix, nil where there is none.
func (r *routes) entryOf(prefix netip.Prefix) (rib.Slot, *route) {
	if slot, held := r.feed.Find(prefix); held {
		if e := r.Find(slot); e != nil {
			return slot, e
		}
	}
	return noSlot, nil
}

// has tells whether there is an entry of a prefix.
func (r *routes) has(prefix netip.Prefix) bool {
	_, e := r.entryOf(prefix)
	return e != nil
}

// chooseAgain has what is wanted of a prefix found out again.
func (r *routes) chooseAgain(prefix netip.Prefix) {
	if slot, e := r.entryOf(prefix); e != nil {
		r.MarkAnew(slot, e)
	}
}

// idle tells whether nothing is due.
func (r *routes) idle() bool { return r.written() && r.surplus.routes.Len() == 0 }

// written tells whether nothing is due but what is surplus.
func (r *routes) written() bool { return r.Idle() && r.backups.Idle() }

// due is how many routes are to be written or deleted.
func (r *routes) due() int { return r.Waiting() + r.backups.Waiting() + r.surplus.routes.Len() }
