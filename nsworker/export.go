package nsworker

import (
	"net/netip"
	"slices"

	"github.com/vrfredist/vrfredist/rib"
)

// takeFeed takes in what changed in BGP, a bounded part of it.
func (s *session) takeFeed() {
	s.tap = s.deps.Tap.Open()
	s.entryBuf = s.feed.Take(s.entryBuf[:0], feedBatch)
	before := s.due
	var like alike
	for _, in := range s.entryBuf {
		if like.is(in) && s.exporting.OfPrefix(s.mine, in.Prefix) == rib.Accepted {
			e := s.entries.At(in.Slot)
			e.begin(in.Prefix)
			e.left = rib.Accepted
			like.target.users++
			s.aim(in.Slot, e, like.target, 0)
			continue
		}
		s.choose(in.Slot, in.Prefix, in.Paths)
		like = s.alike(in)
	}
	if s.synced { // before, BGP's routes waited for the worker, and not for the kernel
		for f := range rib.Families {
			s.ages[f].took(s.feed.Since(), s.due.of(f)-before.of(f))
		}
	}
	clear(s.entryBuf)
}

// alike is what was decided for one prefix, while nothing but the feed is taken in:
// mostly the next one has the same attributes, and what is to become of it depends on
// nothing else, unless the prefix is special.
type alike struct {
	attrs  *rib.Attrs // nil: the next one has to be decided for itself
	family rib.Family
	target *target
}

func (a *alike) is(in rib.Entry) bool {
	return len(in.Paths) == 1 && in.Paths[0].Attrs == a.attrs && a.attrs != nil &&
		rib.FamilyOf(in.Prefix) == a.family && a.target.users > 0 // or it was given up meanwhile
}

// alike returns what the decision for in says of others.
func (s *session) alike(in rib.Entry) alike {
	tg := s.entries.At(in.Slot).target
	if len(in.Paths) != 1 || tg == nil || tg.leaks() {
		return alike{}
	}
	return alike{in.Paths[0].Attrs, rib.FamilyOf(in.Prefix), tg}
}

// choose decides what one prefix should be in the kernel, given its candidates.
func (s *session) choose(slot rib.Slot, prefix netip.Prefix, paths []rib.Path) {
	e := s.entries.At(slot)
	v := s.decide(prefix, paths)
	if v.Out == rib.NoPath || v.Out == rib.ExportOff {
		switch {
		case !e.used():
			s.feed.Release(slot)
		case e.state == rib.Stale && s.spec.Export.Enabled:
			// A stale route keeps its state until the sweep decides.
		default:
			s.aim(slot, e, nil, 0)
		}
		return
	}
	e.begin(prefix)
	if e.left = v.Out; v.Out != rib.Accepted {
		s.aim(slot, e, nil, rib.Filtered)
		return
	}
	if e.have != nil {
		s.objects.hint = e.have.group
	}
	tg := s.targetOf(prefix, v.Chosen[0].Attrs, v.Chosen)
	s.objects.hint = 0
	s.aim(slot, e, tg, 0)
}

// targetOf returns the target of the chosen paths, resolved.
func (s *session) targetOf(prefix netip.Prefix, best *rib.Attrs, paths []rib.Path) *target {
	v6 := prefix.Addr().Is6()
	if s.spec.Export.AcceptBlackhole && slices.Contains(best.Communities, rib.CommunityBlackhole) {
		return s.resolved(s.targets.get(v6, true, nil))
	}
	hops := make([]nexthop, 0, 4)
	for _, p := range paths {
		n := s.nexthop(p.Attrs)
		if p.Attrs.Source != "" && p.Attrs.Source != s.spec.Of() {
			n.source = p.Attrs.Source
			if p.Attrs.Imported {
				n.prefix, n.addr = prefix, netip.Addr{}
			}
		}
		hops = append(hops, n)
	}
	return s.resolved(s.targets.get(v6, false, hops))
}

// nexthopOf prefers the global address: it says which link it is on by itself.
// Only where there is none does the link-local one of RFC 2545 serve.
func nexthopOf(a *rib.Attrs) netip.Addr {
	if !a.Nexthop.IsValid() || a.Nexthop.IsUnspecified() && a.LinkLocal.IsValid() {
		return a.LinkLocal
	}
	if a.Nexthop.IsLinkLocalUnicast() && a.Nexthop.Zone() == "" && a.LinkLocal.IsValid() {
		return a.LinkLocal
	}
	return a.Nexthop
}

// nexthop is the nexthop of a path, with its interface where it is link-local.
func (s *session) nexthop(a *rib.Attrs) nexthop {
	n := nexthop{addr: nexthopOf(a)}
	if n.addr.Is6() && n.addr.IsLinkLocalUnicast() && n.addr.Zone() == "" && s.deps.Link != nil {
		if netns, device := s.deps.Link(a.Peer); device != "" {
			n.addr, n.netns = n.addr.WithZone(device), netns
		}
	}
	return n
}

func (s *session) resolved(tg *target, fresh bool) *target {
	if fresh {
		s.tracker.watch(tg)
		s.resolve(tg)
		s.followAll(tg, +1)
	}
	return tg
}

// aim points an entry at a target (nil: nothing), with the use of it, and says
// what became of it when there is none.
func (s *session) aim(slot rib.Slot, e *entry, tg *target, state rib.State) {
	old := e.target
	e.target = tg
	s.drop(old)
	if tg == nil {
		s.set(slot, e, state)
	}
	s.settle(slot, e)
}

// drop gives back one use of a target.
func (s *session) drop(tg *target) {
	if tg != nil && s.targets.put(tg) {
		s.followAll(tg, -1)
		s.objects.drop(tg)
		s.tracker.forget(tg)
	}
}

// settle compares what a prefix should be with what it is, and puts it on the
// due list where they differ. It is the only way onto that list.
func (s *session) settle(slot rib.Slot, e *entry) {
	tg := e.target
	if e.state == rib.Stale && e.have != nil && (tg == nil || tg.waits) {
		return // until the sweep decides, or the VRF that leaks it is there
	}
	if tg != nil && tg.want == nil {
		s.set(slot, e, rib.Unresolved)
	}
	s.quota(slot, e, tg != nil && tg.want != nil)
	want := e.want()
	switch {
	case want == nil && e.have == nil:
		s.due.remove(e)
		s.fight.forget(slot)
		s.mended(e)
		switch {
		case tg == nil && e.state == rib.Failed: // to be deleted, which the kernel refused, and gone now
			s.set(slot, e, 0)
			s.choose(slot, s.feed.Prefix(slot), s.feed.Paths(nil, slot))
		case tg == nil && (e.state == 0 || e.state == rib.Stale):
			s.forget(slot, e)
		}
	case e.have.same(want):
		if want != e.have {
			s.hold(e, want) // the shared one, so that the next comparison is of pointers
		}
		if tg != nil && tg.fought {
			s.set(slot, e, rib.Conflict) // it leads where another program likes
		} else {
			s.set(slot, e, rib.Installed)
		}
		s.due.remove(e)
		s.fight.forget(slot)
		s.mended(e)
	case want != nil && s.leftAlone(slot):
		s.set(slot, e, rib.Conflict)
		s.due.remove(e)
	default:
		s.due.add(slot, e)
	}
}
