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
	*Ways
	Objects   *Objects
	Endpoints *Endpoints
	// Followed is told of each VRF that a set leaks from: by is +1 or −1.
	Followed func(vrf string, by int)

	byKey map[string]*Set
	buf   []byte
	sent  []netip.Addr // of the last new set: mostly the next one's are the same
}

// NewSets returns no sets yet.
func NewSets(r Resolver, o *Objects, followed func(vrf string, by int)) *Sets {
	s := &Sets{Ways: NewWays(r), Objects: o, Endpoints: newEndpoints(o), Followed: followed, byKey: make(map[string]*Set)}
	s.endpoints = s.Endpoints
	return s
}

// Get returns the shared set of what is wanted, resolved, with one more user. It may put the
// lists of want into another order, and keeps none. hint is the group that a route of it
// hangs on in the kernel; 0: none.
func (s *Sets) Get(f rib.Family, want Want, hint uint32) *Set {
	want.normal()
	b, natural := want.appendKey(s.buf[:0], f)
	s.buf = b
	if set, ok := s.byKey[string(b)]; ok {
		set.users++
		return set
	}
	want.Ways, want.Weights = slices.Clone(want.Ways), slices.Clone(want.Weights)
	if want.BackupSent = slices.Clone(want.BackupSent); !slices.Equal(s.sent, want.Sent) {
		s.sent = slices.Clone(want.Sent)
	}
	want.Sent = s.sent
	set := &Set{Want: want, key: string(b), natural: int32(natural), ipv6: f == rib.IPv6, users: 1}
	s.byKey[set.key] = set
	for way := range set.all {
		way.sets.add(set)
	}
	s.resolveSet(set)
	s.carry(set, hint)
	s.follow(set, +1)
	return set
}

// all yields the ways of a set, and its backup.
func (w *Want) all(yield func(*Way) bool) {
	for _, way := range w.Ways {
		if !yield(way) {
			return
		}
	}
	if w.Backup != nil {
		yield(w.Backup)
	}
}

// Activate has the objects of a set wanted, because a route is to hang on them. The routes of
// a set that waits with what stands need none.
func (s *Sets) Activate(set *Set) {
	if !set.active {
		set.active = true
		s.Objects.demand(set)
	}
}

// Drop gives back one use of a set. A nil one has none.
func (s *Sets) Drop(set *Set) {
	if set == nil {
		return
	}
	if set.users--; set.users > 0 {
		return
	}
	delete(s.byKey, set.key)
	for way := range set.all {
		way.sets.remove(set)
	}
	s.follow(set, -1)
	s.Objects.drop(set)
}

func (s *Sets) follow(set *Set, by int) {
	for way := range set.all {
		if way.Source != "" {
			s.Followed(way.Source, by)
		}
	}
}

// All yields every set.
func (s *Sets) All() iter.Seq[*Set] { return maps.Values(s.byKey) }

// Awaiting tells whether a set of a family cannot be judged before the table of another VRF
// is there. All workers begin at once, and the other one may have a long table to read.
func (s *Sets) Awaiting(f rib.Family) bool {
	for set := range s.All() {
		if set.Waits && set.family() == f {
			return true
		}
	}
	return false
}

// carry finds out what the routes of a set carry, and which objects it needs.
func (s *Sets) carry(set *Set, hint uint32) {
	if set.Carries != nil && !set.Blackhole {
		set.Carries = s.Objects.carried(set, *set.Carries, hint)
	}
	s.Objects.demand(set)
}

// some resolves ways, each once, however often which yields it, and the sets that have
// them.
func (s *Sets) some(which iter.Seq[*Way]) Changed {
	return s.again(s.touched(which))
}

// touched resolves ways, and returns the sets that have them.
func (s *Sets) touched(which iter.Seq[*Way]) Changed {
	ways := make(map[*Way]struct{}) // resolving changes what is being iterated over
	for way := range which {
		ways[way] = struct{}{}
	}
	for _, way := range s.Endpoints.released() {
		ways[way] = struct{}{}
	}
	s.resolve(ways)
	sets := make(Changed)
	for way := range ways {
		for set := range way.sets.all {
			sets[set] = struct{}{}
		}
	}
	return sets
}

// again has the outcome of sets found out anew, and returns those of which it changed: their
// routes are to be looked at again.
func (s *Sets) again(sets Changed) Changed {
	was := make(map[*Set]Set, len(sets))
	for set := range sets {
		was[set] = *set
		s.resolveSet(set)
	}
	for set := range s.Objects.divide(maps.Keys(was)) {
		if _, is := was[set]; !is {
			was[set] = *set
			s.resolveSet(set)
		}
	}
	moved(s, was)
	changed := make(Changed)
	for set, old := range was {
		s.carry(set, 0)
		if old.Carries.Same(set.Carries) {
			set.Carries = old.Carries
		}
		if set.Carries != old.Carries || set.Contested != old.Contested || set.Reason != old.Reason {
			changed[set] = struct{}{}
		}
	}
	return changed
}

// ResolveAll resolves everything again, and returns the sets of which the outcome changed.
func (s *Sets) ResolveAll() Changed {
	changed := s.some(s.ways.all)
	rest := make(Changed) // those that discard
	for set := range s.All() {
		if len(set.Ways) == 0 {
			rest[set] = struct{}{}
		}
	}
	maps.Copy(changed, s.again(rest))
	return changed
}

// Resolutions counts how often a nexthop was resolved.
func (s *Sets) Resolutions() int { return s.tracker.resolved }

// TryObjects has sets hang on nexthop objects again of which one was refused.
func (s *Sets) TryObjects() {
	s.Resolver.Refused, s.Resolver.Lacking = nil, nil
	s.Endpoints.Try()
	for set := range s.All() {
		set.inline = false
	}
}

// SetDown says whose sessions have ended.
func (s *Sets) SetDown(down rib.Down) Changed {
	sets := make(Changed)
	changes := func(p netip.Addr) bool { return down.Has(p) != s.down.Has(p) }
	for set := range s.All() {
		if slices.ContainsFunc(set.Sent, changes) || slices.ContainsFunc(set.BackupSent, changes) {
			sets[set] = struct{}{}
		}
	}
	s.down = down
	if len(sets) > 0 {
		maps.Copy(sets, s.touched(none))
	}
	return s.again(sets)
}

// OwnChanged resolves anew what is reached by BGP's own routes, of which one has changed.
func (s *Sets) OwnChanged() Changed { return s.some(none) }

// none are no ways.
func none(func(*Way) bool) {}

// OverCore resolves what is looked up in the core, where something has changed.
func (s *Sets) OverCore() Changed { return s.some(s.overCore()) }

// Leaking resolves what other VRFs leak here.
func (s *Sets) Leaking() Changed { return s.some(s.leaking()) }

// Covered resolves the nexthops inside the prefixes whose routes changed.
func (s *Sets) Covered(changed []netip.Prefix) Changed { return s.some(s.covered(changed)) }

// OnLinks resolves the nexthops that a change of these links can touch.
func (s *Sets) OnLinks(changed []int, before, now rib.Links) Changed {
	return s.some(s.onLinks(changed, before, now))
}

// Without has the sets that want an object do without it, until TryObjects: the kernel
// refuses it. Their routes carry their hops themselves.
func (s *Sets) Without(id uint32) Changed {
	sets := make(Changed)
	for set := range s.All() {
		if slices.Contains(set.wants[:set.needs], id) {
			set.inline = true
			sets[set] = struct{}{}
		}
	}
	return s.again(sets)
}

// Refuse takes in that the kernel refused a single object for good, because of where it
// leads: until TryObjects its hop counts behind all others, and the sets that lead there fall
// back to their backup. Those that have none do without the object, and the kernel's answer
// to their routes says why.
func (s *Sets) Refuse(id uint32) Changed {
	hop, is := s.Objects.hop(id)
	if !is {
		return nil
	}
	s.Resolver.Refused = append(slices.Clip(s.Resolver.Refused), hop)
	changed := s.some(func(yield func(*Way) bool) {
		for way := range s.ways.all {
			if slices.ContainsFunc(way.Hops, s.Resolver.refuses) && !yield(way) {
				return
			}
		}
	})
	maps.Copy(changed, s.Without(id))
	return changed
}

// Lacks takes in that the kernel has no encapsulation of a kind, and why: until TryObjects what goes
// by it leads nowhere, and other paths are chosen. Routes that carried their nexthops themselves
// would be refused one by one, and for each the kernel runs a program that looks for the module
// (lwtunnel_valid_encap_type in net/core/lwtunnel.c).
func (s *Sets) Lacks(kind rib.EncapKind, why error) Changed {
	if _, known := s.Resolver.Lacking[kind]; known {
		return nil
	}
	lacking := map[rib.EncapKind]string{kind: why.Error()}
	maps.Copy(lacking, s.Resolver.Lacking)
	s.Resolver.Lacking = lacking
	return s.some(func(yield func(*Way) bool) {
		for way := range s.ways.all {
			if slices.ContainsFunc(way.Hops, func(h rib.Hop) bool { return h.Encap.Kind() == kind }) && !yield(way) {
				return
			}
		}
	})
}

// Changed are sets of which the outcome changed: their routes are to be looked at again.
type Changed map[*Set]struct{}

// RefuseEndpoint takes in why a change was not made: those that lead there are resolved anew, and lead
// nowhere until Try.
func (s *Sets) RefuseEndpoint(c rib.Change, why error) Changed {
	e := s.Endpoints
	if c.Op == rib.OpDeleteEndpoint {
		e.ledger.Find(c.Endpoint.Gateway).Note.goes = false
		return nil
	}
	e.refused[c.Endpoint.Gateway] = why.Error()
	return s.some(func(yield func(*Way) bool) {
		for way := range s.ways.all {
			if way.holds != nil && way.holds.Want.Gateway == c.Endpoint.Gateway && !yield(way) {
				return
			}
		}
	})
}
