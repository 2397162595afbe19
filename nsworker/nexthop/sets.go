package nexthop

import (
	"iter"
	"maps"
	"net/netip"
	"slices"

	"github.com/vrfredist/vrfredist/rib"
)

// Sets holds the sets of one VRF, resolves them, and says which of them a change can
// touch.
type Sets struct {
	Resolver Resolver
	Objects  *Objects
	// Followed is told of each VRF that a set leaks from: by is +1 or −1.
	Followed func(vrf string, by int)

	byKey   map[string]*Set
	tracker tracker
	buf     []byte
}

// NewSets returns no sets yet.
func NewSets(r Resolver, o *Objects, followed func(vrf string, by int)) *Sets {
	return &Sets{Resolver: r, Objects: o, Followed: followed, byKey: make(map[string]*Set), tracker: newTracker()}
}

// Get returns the shared set of these nexthops, resolved, with one more user. hint is the
// group that a route of it hangs on in the kernel; 0: none.
func (s *Sets) Get(f rib.Family, blackhole bool, members []Member, hint uint32) *Set {
	b := appendKey(s.buf[:0], f, members)
	if blackhole {
		b = append(b[:1], '!')
	}
	s.buf = b
	if set, ok := s.byKey[string(b)]; ok {
		set.users++
		return set
	}
	set := &Set{key: string(b), ipv6: f == rib.IPv6, Blackhole: blackhole, users: 1}
	if !blackhole {
		set.Members = slices.Clone(members)
	}
	s.byKey[set.key] = set
	s.tracker.watch(set)
	s.resolve(set, hint)
	s.follow(set, +1)
	return set
}

// Use adds one user to a set.
func (s *Set) Use() { s.users++ }

// Drop gives back one use of a set. A nil one has none.
func (s *Sets) Drop(set *Set) {
	if set == nil {
		return
	}
	if set.users--; set.users > 0 {
		return
	}
	delete(s.byKey, set.key)
	s.follow(set, -1)
	s.Objects.drop(set)
	s.tracker.forget(set)
}

func (s *Sets) follow(set *Set, by int) {
	for _, m := range set.Members {
		if m.Source != "" {
			s.Followed(m.Source, by)
		}
	}
}

// All yields every set.
func (s *Sets) All() iter.Seq[*Set] { return maps.Values(s.byKey) }

// Awaiting tells whether a set of a family cannot be judged before the table of another VRF
// is there. All workers begin at once, and the other one may have a long table to read.
func (s *Sets) Awaiting(f rib.Family) bool {
	sets := maps.Keys(s.tracker.leaks)
	if s.Resolver.Home != "" {
		sets = s.All()
	}
	for set := range sets {
		if set.Waits && set.ipv6 == (f == rib.IPv6) {
			return true
		}
	}
	return false
}

// resolve resolves one set, and notes what its resolution depends on now. It tells whether
// its routes have to be looked at again.
func (s *Sets) resolve(set *Set, hint uint32) (changed bool) {
	reason, contested, old := set.Reason, set.Contested, set.Carries
	s.tracker.depend(set, s.Resolver.View)
	s.tracker.resolved++
	s.Resolver.resolve(set)
	if set.Carries != nil && !set.Blackhole {
		set.Carries = s.Objects.carried(set, *set.Carries, hint)
	}
	if old.Same(set.Carries) {
		set.Carries = old
	}
	s.Objects.demand(set)
	return set.Carries != old || set.Contested != contested || set.Reason != reason
}

// ResolveAll resolves every set again, and returns those of which the outcome changed.
func (s *Sets) ResolveAll() Changed { return s.some(s.All()) }

// Resolutions counts how often a set was resolved.
func (s *Sets) Resolutions() int { return s.tracker.resolved }

// TryObjects has sets hang on nexthop objects again of which one was refused.
func (s *Sets) TryObjects() {
	for set := range s.All() {
		set.inline = false
	}
}

// Leaking resolves the sets that other VRFs leak here, and all where another VRF's table
// may hold any nexthop.
func (s *Sets) Leaking() Changed {
	if s.Resolver.Home != "" {
		return s.ResolveAll()
	}
	return s.some(maps.Keys(s.tracker.leaks))
}

// Covered resolves the sets that have a nexthop inside one of the prefixes whose routes
// changed.
func (s *Sets) Covered(changed []netip.Prefix) Changed {
	return s.some(func(yield func(*Set) bool) {
		for _, p := range changed {
			for set := range s.tracker.nexthops.Under(p) {
				if !yield(set) {
					return
				}
			}
		}
	})
}

// OnLinks resolves the sets that a change of these links can touch: those whose
// resolution depends on one, and those that name an address of one.
func (s *Sets) OnLinks(changed []int, before, now rib.Links) Changed {
	return s.some(func(yield func(*Set) bool) {
		for _, i := range append(slices.Clone(changed), 0) {
			for set := range s.tracker.onLink[i] {
				if !yield(set) {
					return
				}
			}
			for _, p := range append(slices.Clone(before[i].Addrs), now[i].Addrs...) {
				for set := range s.tracker.nexthops.Of(p.Addr()) {
					if !yield(set) {
						return
					}
				}
			}
		}
	})
}

// Inline has the routes of sets carry their hops themselves, until TryObjects.
func (s *Sets) Inline(sets Changed) Changed {
	for set := range sets {
		set.inline = true
	}
	return s.some(maps.Keys(sets))
}

// Changed are sets of which the outcome changed: their routes are to be looked at again.
type Changed map[*Set]struct{}

// some resolves each set once, however often which yields it.
func (s *Sets) some(which iter.Seq[*Set]) Changed {
	all := make(Changed) // resolving changes what is being iterated over
	for set := range which {
		all[set] = struct{}{}
	}
	for set := range all {
		if !s.resolve(set, 0) {
			delete(all, set)
		}
	}
	return all
}
