package nsworker

import (
	"net/netip"
	"slices"
	"time"

	"github.com/vrfredist/vrfredist/rib"
)

// onKernel takes in what the kernel says. It marks what that may concern, and decides
// nothing.
func (s *tableSync) onKernel(ev rib.KernelEvents) {
	s.tell.look()
	if ev.Links != nil && s.phase.known() {
		s.excuse(ev)
		s.onLinks(ev.Links)
	}
	switch {
	// Where a reading is pending, our view may already be wrong. Applying this link-up to it
	// would hide routes that the kernel removed without an event.
	case ev.Resync, ev.Came && (s.deadHops || !s.resync.when.IsZero()):
		s.doubt(ev.Reason)
	case s.phase.known(): // or else the reading to come will show it
		s.onRoutes(ev.Routes)
		if ev.Came {
			s.later.at(time.Now().Add(laterGap), ev.Reason)
		}
	}
}

// excuse notes an event that takes routes away without a program's doing. A link that went
// and came back meanwhile looks as it did: the event's reason says it then.
func (s *tableSync) excuse(ev rib.KernelEvents) {
	if ev.Reason == rib.ResyncLink || ev.Reason == rib.ResyncAddress || len(rib.ChangedLinks(s.view().Links, ev.Links)) > 0 {
		s.contention.Excuse()
	}
}

// onLinks takes in what the interfaces are now, ahead of the reading of the table that will
// follow: a nexthop that has another way out takes it at once.
func (s *tableSync) onLinks(links rib.Links) {
	v := s.view()
	before := v.Links
	changed := rib.ChangedLinks(before, links)
	if len(changed) == 0 {
		return
	}
	v.Links = links
	s.write.carried.looks(v)
	s.routes.backups.keep()
	s.publish()
	s.onAddresses(changed, before, links)
	groups := s.goneWith(changed, before, links)
	switch moved := s.sets.OnLinks(changed, before, links); {
	case len(groups) > 0:
		s.write.took(losing{groups: groups, moved: moved})
	default:
		s.routes.markUsers(moved)
	}
	if s.onSources(before, links) {
		s.routes.markUsers(s.sets.ResolveAll())
	}
	s.importAll()
}

// goneWith are the groups that went with links over which nothing goes any more. Their routes are
// written again by another way, where there is one, while the kernel has not even told what
// else it took away: the reading that shows that comes behind them.
func (s *tableSync) goneWith(changed []int, before, now rib.Links) []uint32 {
	down := func(i int) bool { return !now[i].Up }
	if !slices.ContainsFunc(changed, func(i int) bool { return before[i].Up && down(i) }) {
		return nil
	}
	groups := s.sets.Objects.GoneWith(down)
	if len(groups) > 0 {
		s.resync.held = time.Now().Add(lossGap)
		s.feed.SetRepairing(true) // before the kernel is waited for, which is busy with the link
	}
	return groups
}

// onAddresses takes in what the addresses of some links are now.
func (s *tableSync) onAddresses(changed []int, before, now rib.Links) {
	s.setOwn(s.routes.own.WithLinks(*s.view()))
	for _, i := range changed {
		for _, a := range append(slices.Clone(before[i].Addrs), now[i].Addrs...) {
			for prefix := range s.view().Foreign.Covering(a.Addr()) { // of which a may make subnets, or did
				s.onConnected(prefix)
			}
		}
	}
}

// onSources tells whether an address that routes have as their preferred source came or went:
// with that the kernel takes IPv4 routes out, and the source out of IPv6 ones
// (fib6_remove_prefsrc in net/ipv6/route.c).
func (s *tableSync) onSources(before, now rib.Links) bool {
	asked := make(map[netip.Addr]bool) // most sets have the same one
	for set := range s.sets.All() {
		src := set.PrefSrc
		if src.IsValid() && !asked[src] && before.Source(src) != now.Source(src) {
			return true
		}
		asked[src] = true
	}
	return false
}

// onRoutes takes in single changes that others made in the table.
func (s *tableSync) onRoutes(events []rib.RouteEvent) {
	v := s.view()
	fib := v.Foreign
	var changed []netip.Prefix
	for _, ev := range events {
		s.expiry.one(&ev.Route)
		if ev.Table != 0 {
			s.onBeside(ev)
			continue
		}
		if s.routes.owns(ev.Route) {
			if ev.Replaces && s.routes.foreignAt(ev.Route.Prefix, ev.Route.Metric) {
				s.doubt(rib.ResyncOverwritten) // a foreign one
			}
			s.routes.onOwn(ev)
			continue
		}
		s.deadHops = s.deadHops || hasDead(ev.Route.Hops)
		next, sure := fib.After(ev)
		if !sure {
			s.doubt(rib.ResyncOverwritten)
		}
		fib = next
		changed = append(changed, ev.Route.Prefix)
	}
	if len(changed) == 0 {
		return
	}
	v.Foreign = fib
	s.publish()
	s.routes.markUsers(s.sets.Covered(changed))
	for _, prefix := range changed {
		s.announced.look(prefix)
		s.onConnected(prefix)
		slot, e := s.routes.entryOf(prefix)
		if e == nil {
			continue
		}
		if e.Have != nil && s.routes.foreignAt(prefix, e.Have.Metric) {
			// It stands beside ours, or took its place without a word.
			s.doubt(rib.ResyncOverwritten)
		}
		s.routes.MarkAnew(slot, e) // the metric of what is imported counts for the choice
	}
}

// onConnected looks at one prefix whose routes changed.
func (s *tableSync) onConnected(prefix netip.Prefix) {
	v := s.view()
	is := slices.ContainsFunc(v.Foreign.Get(prefix), func(r rib.Route) bool { return r.Connects(v.Links) })
	if is != s.routes.own.Subnet(prefix) {
		s.setOwn(s.routes.own.WithSubnet(prefix, is).WithLinks(*v))
	}
}

// Tables beside the VRF's own are read for import alone: nothing is written to them, and no
// nexthop is looked up in them.

// onBeside takes in a change that another program made in such a table.
func (s *tableSync) onBeside(ev rib.RouteEvent) {
	before, followed := s.view().Beside[ev.Table]
	switch {
	case !followed: // no more, or not yet read
		return
	case s.routes.owns(ev.Route):
		if ev.Replaces {
			s.doubt(rib.ResyncOverwritten) // maybe of a route that is in here
		}
		return
	}
	next, sure := before.After(ev)
	if !sure {
		s.doubt(rib.ResyncOverwritten)
	}
	s.setBeside(ev.Table, next)
	s.announced.look(ev.Route.Prefix)
	s.routes.chooseAgain(ev.Route.Prefix)
}
