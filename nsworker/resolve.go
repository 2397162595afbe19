package nsworker

import (
	"iter"
	"maps"
	"net/netip"
	"slices"

	"github.com/vrfredist/vrfredist/rib"
)

// reresolve resolves every target again. Entries are settled by the caller.
func (s *session) reresolve() {
	for _, tg := range s.targets.byKey {
		s.resolve(tg)
	}
}

// resolveAll resolves every target again and settles the entries of those that
// changed.
func (s *session) resolveAll() {
	s.resolveSome(maps.Values(s.targets.byKey))
}

// resolveLeaks resolves the targets that other VRFs leak here, and all where
// another VRF's table may hold any nexthop.
func (s *session) resolveLeaks() {
	if s.resolver.home != "" {
		s.resolveAll()
		return
	}
	s.resolveSome(maps.Keys(s.tracker.leaks))
}

// resolveCovered resolves the targets that have a nexthop inside one of the
// prefixes whose routes changed.
func (s *session) resolveCovered(changed []netip.Prefix) {
	s.resolveSome(func(yield func(*target) bool) {
		for _, p := range changed {
			for tg := range s.tracker.nexthops.Under(p) {
				if !yield(tg) {
					return
				}
			}
		}
	})
}

// resolveOn resolves the targets that a change of these links can touch: those
// whose resolution rests on one, and those that name an address of one.
func (s *session) resolveOn(changed []int, before, now rib.Links) {
	s.resolveSome(func(yield func(*target) bool) {
		for _, i := range append(changed, 0) {
			for tg := range s.tracker.onLink[i] {
				if !yield(tg) {
					return
				}
			}
			for _, p := range append(slices.Clone(before[i].Addrs), now[i].Addrs...) {
				for tg := range s.tracker.nexthops.Of(p.Addr()) {
					if !yield(tg) {
						return
					}
				}
			}
		}
	})
}

// resolveSome resolves each target once, however often which yields it, and
// settles the entries of those that changed.
func (s *session) resolveSome(which iter.Seq[*target]) {
	// Resolving changes what is being iterated over.
	all := make(map[*target]struct{})
	for tg := range which {
		all[tg] = struct{}{}
	}
	changed := make(map[*target]struct{})
	for tg := range all {
		reason := tg.reason
		if s.resolve(tg) || tg.reason != reason {
			changed[tg] = struct{}{}
		}
	}
	if len(changed) > 0 {
		s.settleUsers(changed)
	}
}

// settleUsers settles the entries of some targets.
func (s *session) settleUsers(of map[*target]struct{}) {
	for slot, e := range s.entries.All {
		if e.target == nil {
			continue
		}
		if _, hit := of[e.target]; hit {
			s.settle(slot, e)
		}
	}
}

// followAll keeps count of the VRFs that this one must hear of, by the targets
// that need them.
func (s *session) followAll(tg *target, by int) {
	for _, n := range tg.nexthops {
		if n.source == "" {
			continue
		}
		had := s.follows[n.source]
		s.follows[n.source] = had + by
		switch {
		case had == 0 && by > 0:
			s.deps.Board.follow(n.source, s.wakes)
			// It may have changed between the resolution and now.
			select {
			case s.wakes <- struct{}{}:
			default:
			}
		case had+by == 0:
			s.deps.Board.unfollow(n.source, s.wakes)
			delete(s.follows, n.source)
		}
	}
}

// followHome makes a further table of a VRF hear of the VRF's own.
func (s *session) followHome() {
	if s.resolver.home == "" {
		return
	}
	s.follows[s.resolver.home]++
	s.deps.Board.follow(s.resolver.home, s.wakes)
}

func (s *session) unfollowAll() {
	for source := range s.follows {
		s.deps.Board.unfollow(source, s.wakes)
	}
	clear(s.follows)
}
