package nexthop

import (
	"iter"
	"slices"

	"github.com/vrfredist/vrfredist/rib"
)

// A set has a group of its own, so that a change of where it leads is one replace. But a
// prefix that comes to another set, because a neighbour more or less sends it, say, is not
// written again for that: a new set shares the group that its routes hang on as long as both
// lead to the same. Where they do not any more, the set with the most routes keeps the group;
// and when nothing else is to be done, Separate gives each its own.

// carried returns what routes to a set carry that resolves to f: its group, or the hops
// themselves. hint is the group that a route of it hangs on; 0: none.
func (o *Objects) carried(set *Set, f Forwarding, hint uint32) *Forwarding {
	if !o.On || set.inline {
		return &f
	}
	for _, h := range set.Hops {
		if o.single(h, set.ipv6) == 0 {
			set.inline = true
			return &f
		}
	}
	if set.Group == 0 && !o.join(set, hint) && !o.join(set, o.groups[set.key]) {
		id := o.claim(GroupBase, set.key, hash32([]byte(set.key[:set.natural])), o.like(set), hint)
		if id == 0 {
			set.inline = true
			return &f
		}
		o.groups[set.key] = id
		o.share(set, id)
	}
	f.Group, f.Hops = set.Group, nil
	return &f
}

// join has a set share a group of ours, where that leads where the set does.
func (o *Objects) join(set *Set, id uint32) bool {
	if _, ours := o.claimed[id]; id == 0 || !ours || id&baseMask != GroupBase {
		return false
	}
	for other := range o.sharing[id].all {
		if other.ipv6 != set.ipv6 || other.Carries == nil || !slices.EqualFunc(other.Hops, set.Hops, sameMember) {
			return false
		}
	}
	if o.sharing[id].len() == 0 && o.refs[id] > 0 {
		// Routes are to be moved from it to another group, or to go.
		if have := o.have(id); have != nil && !o.like(set)(*have) {
			return false
		}
	}
	o.share(set, id)
	return true
}

func sameMember(a, b rib.Hop) bool { return a.Equal(b) && max(a.Weight, 1) == max(b.Weight, 1) }

func (o *Objects) share(set *Set, id uint32) {
	set.Group = id
	of := o.sharing[id]
	o.litter = o.litter || of.len() > 0 // it is to be separated
	of.add(set)
	o.sharing[id] = of
}

// leave takes a set off its group, which it may have no more.
func (o *Objects) leave(set *Set) {
	id := set.Group
	set.Group = 0
	of := o.sharing[id]
	if of.remove(set); of.len() > 0 {
		o.sharing[id] = of
		o.inherit(id)
		return
	}
	delete(o.sharing, id)
	if o.have(id) == nil {
		o.release(id)
	}
	o.litter = true
}

// inherit has a group stand for a set that has it.
func (o *Objects) inherit(id uint32) {
	if heir := o.largest(id); o.groups[o.claimed[id]] == id && o.claimed[id] != heir.key {
		delete(o.groups, o.claimed[id])
		o.claimed[id], o.groups[heir.key] = heir.key, id
	}
}

// unresolved tells whether no set of a group leads anywhere.
func (o *Objects) unresolved(id uint32) bool {
	for set := range o.sharing[id].all {
		if set.Carries != nil {
			return false
		}
	}
	return true
}

// divide takes sets off the groups of these that do not lead any more where the others do,
// and returns them.
func (o *Objects) divide(of iter.Seq[*Set]) Changed {
	left := make(Changed)
	seen := make(map[uint32]bool)
	for set := range of {
		if seen[set.Group] || o.sharing[set.Group].len() < 2 {
			continue
		}
		seen[set.Group] = true
		keeps := o.largest(set.Group)
		for other := range o.sharing[set.Group].all {
			if other != keeps && other.Carries != nil && !slices.EqualFunc(other.Hops, keeps.Hops, sameMember) {
				left[other] = struct{}{}
			}
		}
	}
	for set := range left {
		o.leave(set)
	}
	return left
}

// largest returns the set of a group with the most routes, of those that lead somewhere.
func (o *Objects) largest(id uint32) (keeps *Set) {
	for set := range o.sharing[id].all {
		switch {
		case keeps == nil, (set.Carries != nil) != (keeps.Carries != nil) && set.Carries != nil,
			(set.Carries != nil) == (keeps.Carries != nil) && (set.users > keeps.users || set.users == keeps.users && set.key < keeps.key):
			keeps = set
		}
	}
	return keeps
}

// Separate gives each set a group of its own, the one with the most routes the group that
// they share, and returns the sets whose routes are to be moved for it.
func (s *Sets) Separate() Changed {
	sets := make(Changed)
	for id, sharing := range s.Objects.sharing {
		if sharing.len() < 2 {
			continue
		}
		keeps := s.Objects.largest(id)
		for set := range sharing.all {
			if set != keeps && set.Carries != nil {
				sets[set] = struct{}{}
			}
		}
	}
	for set := range sets {
		s.Objects.leave(set)
	}
	return s.again(sets)
}

// drop is told that a set has no users any more.
func (o *Objects) drop(set *Set) {
	for _, id := range set.wants {
		o.unwant(id)
	}
	set.wants, set.needs = nil, 0
	if set.Group != 0 {
		o.leave(set)
	}
	o.litter = true
}

// claim returns an id: that of an object which is there already as it should be (fits), or
// else a free one, the natural one where possible; 0: there is none. What another set's
// routes hang on since an earlier run is not free. Of several groups that fit, as those of
// other sets may, it is hint, the one that the routes have.
func (o *Objects) claim(base uint32, what string, natural uint32, fits func(rib.Nexthop) bool, hint uint32) uint32 {
	take := func(id uint32) bool {
		if !o.ids.claim(o.where, id, o) {
			return false
		}
		o.claimed[id] = what
		return true
	}
	first := func(suits func(id uint32) bool) uint32 {
		for try := range uint32(idTries) {
			id := o.id(base, natural+try)
			if suits(id) && take(id) {
				return id
			}
		}
		return 0
	}
	stands := func(id uint32) bool { n := o.have(id); return n != nil && fits(*n) }
	if base == GroupBase && stands(hint) && take(hint) {
		return hint
	}
	if id := first(stands); id != 0 {
		return id
	}
	if base == SingleBase && stands(hint) && take(hint) {
		return hint
	}
	return first(func(id uint32) bool {
		_, strange := o.strange[id]
		return !strange && (o.have(id) == nil || base == GroupBase && o.refs[id] == 0)
	})
}

// release gives an id back.
func (o *Objects) release(id uint32) {
	what, ours := o.claimed[id]
	if !ours {
		return
	}
	delete(o.claimed, id)
	of := o.singles
	if id&baseMask == GroupBase {
		of = o.groups
	}
	if of[what] == id {
		delete(of, what)
	}
	o.ids.release(o.where, id)
}
