package nsworker

import (
	"fmt"
	"net/netip"
	"strings"
	"time"

	"github.com/vrfredist/vrfredist/nsworker/ledger"
	"github.com/vrfredist/vrfredist/nsworker/nexthop"
	"github.com/vrfredist/vrfredist/rib"
	"github.com/vrfredist/vrfredist/vrf"
)

// books are the three ledgers of one VRF: its routes, the nexthop objects that they hang on,
// and its announcements; with what they are judged by.
type books struct {
	routes     *routes
	sets       *nexthop.Sets
	announced  *announcements
	importing  *rib.Importing // how the Spec judges the kernel's routes
	contention *ledger.Contention
	drifts     *ledger.Drifts // the worker's
	rpki       *rib.RPKI
	moved      time.Time // since when a nexthop is reached otherwise, and not all that have it are decided anew
}

// newBooks returns empty books for an open table. doubt has the table read again.
func newBooks(w *Worker, where rib.Where, follows *follower, doubt func(rib.ResyncReason)) *books {
	b := &books{contention: ledger.NewContention(time.Now), importing: importing(w.spec), drifts: &w.drifts, rpki: w.deps.Board.RPKI()}
	b.sets = nexthop.NewSets(nexthop.Resolver{
		View: rib.View{Where: where, ByDefault: w.spec.Export.ResolveByDefault, Imports: b.importing}, Netns: w.spec.Binding.Netns,
		Views: w.deps.Board, Home: w.spec.VRF, Policy: w.spec.Export,
		Carriage: w.spec.Carriage, Core: coreOf(w.deps.Core),
	}, nexthop.NewObjects(w.deps.Board.ids, where, b.contention, time.Now), follows.follow)
	b.routes = newRoutes(w, b.sets, b.contention, doubt)
	b.routes.beside.origin = newOriginating(w.name, w.spec.Originates, func(p netip.Prefix) { b.announced.look(p) })
	b.routes.beside.origin.off, b.routes.beside.origin.customers = w.spec.VRF != "", w.spec.Customers
	b.routes.beside.origin.receives(w.spec.Export, b.rpki)
	b.announced = newAnnouncements(w.name, w.deps.BGP, b.contention, b.toAnnounce)
	if w.spec.VRF == "" { // a secondary table imports nothing
		b.routes.beside.taken = func(p netip.Prefix) (uint32, bool) { return rib.TakenOf(b.importing, *b.view())(p) }
	}
	b.routes.beside.stood = b.noteStanding
	return b
}

// view is what the VRF sees of the kernel now.
func (b *books) view() *rib.View { return &b.sets.Resolver.View }

// chooseMoved has those prefixes decided anew that have several paths, one of them by a
// nexthop that is reached otherwise than before: another path may be the best one now. Where
// all of them lead somewhere meanwhile, to their backup say, that waits until they are written.
func (b *books) chooseMoved() {
	switch {
	case !b.sets.HasMoved():
		b.moved = time.Time{}
		return
	case b.moved.IsZero():
		b.moved = time.Now()
	}
	b.routes.ways.news = true // BGP is told at once
	if !b.routes.written() && b.sets.MovedLead() && time.Since(b.moved) < movedWait {
		return
	}
	b.routes.feed.MarkSeveral(b.routes.ways.among(b.sets.Moved()))
}

// movedWait bounds how long prefixes wait for others to be written before they are decided
// anew.
const movedWait = 10 * time.Second

// onlooker finds nexthops as they are found now.
func (b *books) onlooker() onlooker {
	return onlooker{resolver: b.sets.Resolver, decided: b.sets.Decided(), spec: *b.routes.spec, link: b.routes.ways.link}
}

// judgeBy has everything judged by a changed Spec from now on.
func (b *books) judgeBy(spec vrf.Spec) {
	b.sets.Resolver.Policy, b.sets.Resolver.Carriage = spec.Export, spec.Carriage
	b.routes.ways.judgeBy(spec)
	b.routes.exporting, b.importing = exporting(spec).Asking(b.rpki), importing(spec)
	b.routes.beside.origin.configure(spec.Originates)
	b.routes.beside.origin.customers = spec.Customers
	b.routes.beside.origin.receives(spec.Export, b.rpki)
	b.view().ByDefault, b.view().Imports = spec.Export.ResolveByDefault, b.importing
	b.routes.markUsers(b.sets.ResolveAll())
}

// lookOn has nothing counted of what policies are asked: nobody acts on what comes of it.
func (b *books) lookOn() {
	b.routes.exporting, b.importing = b.routes.exporting.LookingOn(), b.importing.LookingOn()
	b.view().Imports = b.importing
}

// pass evaluates what is marked, once: the nexthop objects before the routes, of which the
// state says so where an object is left alone to another program.
func (b *books) pass() {
	o := b.sets.Objects
	before := o.LeftAlone()
	b.sets.Endpoints.Settle()
	o.Settle()
	if o.LeftAlone()+before > 0 {
		b.routes.markUsers(b.sets.Contested())
	}
	b.routes.Pass(b.routes.evaluate)
	b.recur()
	b.routes.backups.Pass(b.routes.backups.evaluate)
	b.routes.admit()
	b.sets.Endpoints.Settle()
	o.Settle() // sets that routes have now and had not before
	b.announced.Pass(b.announced.evaluate)
}

// recur has nexthops found out anew that are reached by BGP's own routes, as long as these
// change with them.
func (b *books) recur() {
	for turn := 0; b.sets.Due() && turn <= rib.MaxRecursion; turn++ {
		b.routes.markUsers(b.sets.OwnChanged())
		b.routes.Pass(b.routes.evaluate)
	}
}

// idle tells whether nothing is due.
func (b *books) idle() bool {
	return b.routes.idle() && !b.sets.Due() && b.sets.Objects.Idle() && b.sets.Endpoints.Idle() && b.announced.Idle()
}

// retry marks what the kernel refused, and what was left alone to another program, where
// the time for it has come.
func (b *books) retry() {
	b.routes.Retry()
	b.routes.backups.Retry()
	b.routes.backups.resume()
	if b.contention.Over() {
		b.routes.takeBack()
		b.sets.Objects.TakeBack()
		b.routes.markUsers(b.sets.Contested())
	}
	b.contention.Relax()
}

// toAnnounce is what is to be announced of a prefix: what the table has, or what the VRF
// originates.
func (b *books) toAnnounce(prefix netip.Prefix) (rib.Announcement, bool) {
	var imported *rib.Announcement
	if in, out := rib.DecideImport(b.importing, *b.view(), prefix, b.standing, nil); out == rib.Accepted {
		imported = &in.Announcement
	}
	if a := b.routes.beside.origin.announcement(prefix, imported, b.announced.has); a != nil {
		return *a, true
	}
	return rib.Announcement{}, false
}

// importAll has what is announced of the whole table decided again, and what the VRF's own
// imports keep out.
func (b *books) importAll() {
	b.announced.want(b.announceAll)
	b.chooseBesideImports()
}

// announceAll yields all that is to be announced; of what is said twice of a prefix the last holds.
func (b *books) announceAll(yield func(rib.Announcement)) {
	g := b.routes.beside.origin
	add := func(prefix netip.Prefix, imported *rib.Announcement) {
		if a := g.announcement(prefix, imported, b.announced.has); a != nil {
			yield(*a)
		}
	}
	for prefix := range g.prefixes {
		add(prefix, nil)
	}
	for t, e := range b.announced.All { // of an earlier worker
		if e.Have != nil && e.Have.As != rib.FromKernel {
			add(t.prefix, nil)
		}
	}
	for prefix, in := range rib.ImportSet(b.importing, *b.view(), b.standing) {
		add(prefix, &in.Announcement)
	}
}

// reason says, for a person, why an entry's state is what it is.
func (b *books) reason(slot rib.Slot, e *route) string {
	r := b.routes
	switch e.Note.state {
	case rib.Filtered:
		if e.Note.out == rib.PolicyRejects {
			return b.rejection(slot)
		}
		return r.exporting.Reason(e.Note.out, r.feed.Prefix(slot)).String()
	case rib.Unresolved:
		return e.Want.Reason
	case rib.Stale:
		if e.Want != nil {
			return "from an earlier run; BGP has another way by now, which is taken when every neighbour has sent its routes, or after sweep_delay"
		}
		return "from an earlier run; BGP has not spoken of it yet"
	case rib.Conflict:
		if r.LeftAlone(slot) {
			return b.contends("this route")
		}
		if e.Want != nil && e.Want.Contested {
			return b.contends("the nexthop object of this route")
		}
		return "another program's route has this prefix and metric; ours comes in when that one goes, or with another metric for this VRF"
	case rib.OverQuota:
		return fmt.Sprintf("the VRF has its max_routes, %d; raise it, or send fewer routes", r.spec.Export.Quota())
	case rib.Failed:
		return r.Refusal(slot)
	}
	return ""
}

// rejection says, for a person, which rule of the policy rejects the paths of an entry.
func (b *books) rejection(slot rib.Slot) string {
	r := b.routes
	c := rib.Candidates{
		Prefix: r.feed.Prefix(slot), Paths: r.feed.Paths(nil, slot), Reach: r.ways.reach, Own: r.own, Taken: r.beside.taken,
	}
	x := r.exporting.LookingOn()
	v := rib.Decide(x, &c, nil)
	return x.ReasonOf(&v, &c).String()
}

// contends says, for a person, why what is left alone is so.
func (b *books) contends(what string) string {
	return fmt.Sprintf("another program keeps deleting or changing %s; it is written again in %v, and stays once that program leaves it alone",
		what, max(0, time.Until(b.contention.Again())).Round(time.Second))
}

// contested counts what is left alone.
func (b *books) contested() vrf.Contested {
	return vrf.Contested{Routes: b.routes.AllLeftAlone(), Strangers: b.routes.surplus.contest.Len(), Nexthops: b.sets.Objects.LeftAlone()}
}

// counts are the routes by what became of them.
func (b *books) counts(feed *rib.Feed) (all rib.ByFamily[vrf.Counts]) {
	for f := range rib.Families {
		paths, _ := feed.LenOf(f)
		n := &b.routes.counts[f]
		all[f] = vrf.Counts{
			Paths: paths, Imported: b.announced.counts[f], Installed: n[rib.Installed], Filtered: n[rib.Filtered],
			Unresolved: n[rib.Unresolved], Conflict: n[rib.Conflict], OverQuota: n[rib.OverQuota],
			Failed: n[rib.Failed], Stale: n[rib.Stale], Foreign: b.view().Foreign.Count(f),
		}
	}
	return all
}

// withDrifts returns a worker's totals with what its ledgers count.
func (b *books) withDrifts(t vrf.Totals) vrf.Totals {
	for f := range rib.Families {
		t.Found[f], t.Mended[f] = b.drifts.Found[f], b.drifts.Mended[f]
	}
	return t
}

// trouble counts what is not as it should be. unreadable says that the table cannot be
// read.
func (b *books) trouble(unreadable bool) string {
	var parts []string
	contested := b.contested()
	for _, state := range []rib.State{rib.Failed, rib.Conflict, rib.OverQuota, rib.Unresolved} {
		if n := b.routes.inState(state); n > 0 {
			parts = append(parts, fmt.Sprintf("%d %s", n, state))
		}
	}
	if n := contested.Routes; n > 0 {
		parts = append(parts, fmt.Sprintf("another program keeps changing %s of ours", plural(n, "route")))
	}
	if n := contested.Nexthops; n > 0 {
		parts = append(parts, fmt.Sprintf("another program keeps changing %s of ours", plural(n, "nexthop object")))
	}
	if n := contested.Strangers; n > 0 {
		parts = append(parts, fmt.Sprintf("another program keeps adding %s under our protocol", plural(n, "route")))
	}
	if unreadable {
		parts = append(parts, "the table cannot be read")
	}
	if b.announced.failed > 0 {
		parts = append(parts, "announcements are not taken by BGP")
	}
	return strings.Join(parts, ", ")
}
