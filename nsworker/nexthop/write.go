package nexthop

import (
	"maps"
	"slices"
	"time"

	"github.com/vrfredist/vrfredist/nsworker/ledger"
	"github.com/vrfredist/vrfredist/rib"
)

// Load takes in a reading of the namespace's objects: those that this VRF uses, or would
// use, and that no other VRF has claimed. Where the tag is a hash, and so perhaps that of a
// VRF whose worker does not run now, only those count that we claimed, or that own routes of
// the table hang on. trusted says that what was known before had been read, or confirmed.
func (o *Objects) Load(t rib.Table, protocol uint8, trusted bool) {
	o.ledger.Trusted = trusted
	clear(o.strange)
	o.standing = make(map[string]uint32)
	o.contest.ForgetHeld()
	there := o.ours(t, protocol)
	for id, e := range o.ledger.All {
		if _, is := there[id]; !is && e.Have != nil {
			o.ledger.Put(e, nil) // mostly with a link that went: that is no drift
		}
	}
	// Singles first: what differs is written in this order.
	for _, base := range []uint32{SingleBase, GroupBase} {
		for id, n := range there {
			if id&baseMask != base {
				continue
			}
			e := o.begin(id)
			if e.Have == nil || !(rules{}).Same(e.Have, &n) {
				o.ledger.Differs(e)
				e.Note.unexpected = trusted && e.Note.users == 0
			}
			if e.Note.unexpected && o.contest.TooOften(id) {
				o.contest.Hold(id, struct{}{})
			}
			o.ledger.Put(e, &n)
			if key, is := standsFor(&n); is && o.claimed[id] == "" {
				o.standing[key] = id
			}
		}
		for id, e := range o.ledger.All {
			if id&baseMask == base {
				o.ledger.Mark(id, e)
			}
		}
	}
	o.litter = true
}

// ours are the objects of a reading that are this VRF's, by id.
func (o *Objects) ours(t rib.Table, protocol uint8) map[uint32]rib.Nexthop {
	hashed := Tag(o.where.Table)&hashedTag != 0
	var used map[uint32]struct{}
	if hashed {
		used = usedBy(t, protocol)
	}
	there := make(map[uint32]rib.Nexthop)
	for _, n := range t.Nexthops {
		if n.ID&tagMask != Tag(o.where.Table) {
			continue
		}
		if b := n.ID & baseMask; b != GroupBase && b != SingleBase {
			continue
		}
		_, is := used[n.ID]
		switch owner := o.ids.owner(o.where, n.ID); {
		case owner == o, owner == nil && (is || !hashed):
			there[n.ID] = n
		case owner == nil:
			o.strange[n.ID] = struct{}{}
		}
	}
	return there
}

// usedBy returns the ids of the groups that own routes hang on, and of their members.
func usedBy(t rib.Table, protocol uint8) map[uint32]struct{} {
	used := make(map[uint32]struct{})
	for i := range t.Routes.Len() {
		if _, r := t.Routes.Shape(i); r.NexthopID != 0 && r.Protocol == protocol {
			used[r.NexthopID] = struct{}{}
		}
	}
	for _, n := range t.Nexthops {
		if _, is := used[n.ID]; is {
			for _, m := range n.Members {
				used[m.ID] = struct{}{}
			}
		}
	}
	return used
}

// Removal returns what deletes every object of this VRF that a reading has: groups first,
// because a single one that goes takes its place in them along. gone tells whether a group
// goes, and its routes with it.
func (o *Objects) Removal(t rib.Table, protocol uint8) (changes []rib.Change, gone func(group uint32) bool) {
	there := o.ours(t, protocol)
	for _, base := range []uint32{GroupBase, SingleBase} {
		for id := range there {
			if id&baseMask == base {
				changes = append(changes, deletion(id))
			}
		}
	}
	return changes, func(group uint32) bool { _, goes := there[group]; return goes }
}

func deletion(id uint32) rib.Change {
	return rib.Change{Op: rib.OpDeleteNexthop, Nexthop: rib.Nexthop{ID: id}}
}

// Settle compares what is wanted of the marked objects with what is there.
func (o *Objects) Settle() {
	o.ledger.Pass(func(id uint32, e *object) {
		if o.ledger.Settle(id, e) != ledger.Empty || e.Note.users > 0 {
			return
		}
		o.ledger.Drop(id, e)
		if id&baseMask == SingleBase { // the id of a group is its set's
			o.release(id)
		}
	})
}

// Changes takes all changes that are due, in an order that the kernel can follow: a single
// before the groups that it is a member of, and a group before the singles that go with it.
func (o *Objects) Changes() []rib.Change {
	var order [4][]rib.Change // singles and groups to be, groups and singles to go
	for _, id := range o.ledger.Next(nil, o.ledger.Waiting()) {
		e := o.ledger.Find(id)
		want, group := rules{}.Comes(e), IsGroup(id)
		switch {
		case want == nil && group:
			order[2] = append(order[2], deletion(id))
		case want == nil:
			order[3] = append(order[3], deletion(id))
		default:
			op, at := rib.OpAddNexthop, 0
			if e.Have != nil {
				op = rib.OpReplaceNexthop
			}
			if group {
				at = 1
			}
			order[at] = append(order[at], rib.Change{Op: op, Nexthop: *want})
		}
	}
	return slices.Concat(order[:]...)
}

// Confirmed takes in that the kernel made a change.
func (o *Objects) Confirmed(c rib.Change) {
	id := c.Nexthop.ID
	e := o.ledger.Find(id)
	if c.Op == rib.OpDeleteNexthop {
		o.ledger.Put(e, nil)
		if e.Note.unexpected {
			o.contest.PutRight(id)
		}
		e.Note.goes, e.Note.unexpected = false, false
		if e.Note.users == 0 {
			o.release(id)
		}
	} else {
		o.ledger.Put(e, &c.Nexthop)
	}
	o.ledger.Mark(id, e)
}

// Wanted tells whether what a change writes is wanted still.
func (o *Objects) Wanted(c rib.Change) bool {
	e := o.ledger.Find(c.Nexthop.ID)
	return e != nil && e.Want != nil && (rules{}).Same(e.Want, &c.Nexthop)
}

// hop is that of a single object that is wanted.
func (o *Objects) hop(id uint32) (hop rib.Hop, is bool) {
	if e := o.ledger.Find(id); e != nil && e.Want != nil && !e.Want.Group() {
		return e.Want.Hop, true
	}
	return hop, false
}

// IsGroup tells whether an id is one of our groups: with it go the routes that hang on it,
// of which the kernel says nothing where they are IPv4.
func IsGroup(id uint32) bool { return id&baseMask == GroupBase }

// Kept takes in that the kernel did not delete an object: it stays until somebody tidies
// again.
func (o *Objects) Kept(id uint32) {
	if e := o.ledger.Find(id); e != nil {
		e.Note.goes = false
		o.ledger.Mark(id, e)
	}
}

// Idle tells whether nothing is due.
func (o *Objects) Idle() bool { return o.ledger.Idle() }

// LeftAlone returns how many objects are left alone, because another program keeps changing
// them.
func (o *Objects) LeftAlone() int { return o.ledger.AllLeftAlone() + o.contest.Len() }

// TakeBack has those written again that were left alone.
func (o *Objects) TakeBack() {
	o.litter = true
	o.contest.Release()
	o.ledger.TakeBack()
}

// leftAlone tells whether an object is left to another program.
func (o *Objects) leftAlone(id uint32) bool { return o.ledger.LeftAlone(id) || o.contest.Holds(id) }

// KeepUnused is how long a group is kept after its last route went. A route that comes and
// goes finds it there: else each change of it would be three, and each of those waits for
// the one lock that the kernel has for all namespaces, which another tenant's routes may
// hold for tens of milliseconds.
const KeepUnused = 3 * time.Second

// TidyTime is when what is unused is to be deleted; zero: nothing is.
func (o *Objects) TidyTime() time.Time { return o.tidy.When() }

// Tidy marks for deletion what nothing uses, a while after something may have become so:
// groups without a set and without a route, then singles without a group. may says that no
// route is due: one that is still to be moved hangs on its old group. It tells whether the
// time for it had come.
func (o *Objects) Tidy(may bool) bool {
	now := o.now()
	if o.litter {
		o.litter = false
		o.tidy.At(now.Add(KeepUnused))
	}
	if !may || !o.tidy.Rings(now) {
		return false
	}
	kept := make(map[uint32]bool) // members of groups that stay
	for id, e := range o.ledger.All {
		if id&baseMask != GroupBase || e.Have == nil {
			continue
		}
		switch unused := e.Note.users == 0 && o.refs[id] == 0 && !o.leftAlone(id); {
		case unused && o.bare[id].After(now.Add(-KeepUnused)):
			o.tidy.At(o.bare[id].Add(KeepUnused))
		case unused:
			e.Note.goes = true
			o.ledger.Mark(id, e)
			continue
		}
		for _, m := range e.Have.Members {
			kept[m.ID] = true
		}
	}
	for id, e := range o.ledger.All {
		if id&baseMask == SingleBase && e.Have != nil && e.Note.users == 0 && !kept[id] && !o.leftAlone(id) {
			e.Note.goes = true
			o.ledger.Mark(id, e)
		}
	}
	maps.DeleteFunc(o.bare, func(_ uint32, since time.Time) bool { return !since.After(now.Add(-KeepUnused)) })
	return true
}

// Lost is told that a group went, and its id with it.
func (s *Sets) Lost(group uint32) {
	for set := range s.Objects.sharing[group].all {
		if len(set.wants) == 0 {
			s.Objects.leave(set)
		}
	}
}

// Contested looks again at which sets hang on objects that are left alone, and returns
// those of which that changed.
func (s *Sets) Contested() Changed {
	sets := make(Changed)
	for set := range s.All() {
		if now := s.Objects.contested(set); now != set.Contested {
			set.Contested = now
			sets[set] = struct{}{}
		}
	}
	return sets
}

// CountObjects is how many nexthop objects the kernel has for a VRF.
func CountObjects(o *Objects) int { return o.ledger.Has() }
