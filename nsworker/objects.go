package nsworker

import (
	"maps"
	"slices"
	"time"

	"github.com/vrfredist/vrfredist/rib"
)

// objects keeps the nexthop objects of one VRF as its targets want them: one
// group for each target, so that a changed resolution is one replace however
// many routes hang on it, and one single nexthop for each hop. A route always
// hangs on a group, of one member too: the kernel refuses to make a group of a
// single nexthop later.
//
// Where an id cannot be had, or the kernel refuses an object, the target falls
// back to routes with their hops inside.
type objects struct {
	ids    *idSpace
	worker *Worker
	where  rib.Where
	on     bool // the kernel has nexthop objects, and the Spec wants them

	known   map[uint32]rib.Nexthop // ours, as the kernel confirmed or showed them
	strange map[uint32]struct{}    // that may be of another table whose tag is the same
	claimed map[uint32]struct{}
	groups  map[string]uint32    // ids of groups by target key
	singles map[string]uint32    // ids of single nexthops by appendHop
	refs    map[uint32]int       // routes in the table, by the group they hang on
	bare    map[uint32]time.Time // when the last route of a group went
	fight   *fight               // the session's
	due     map[*target]struct{}
	litter  bool     // something may be unused since tidy looked last
	tidy    schedule // when what is unused is deleted
	buf     []byte
	hint    uint32 // the group that a route of the target that is made now hangs on; 0: none
}

func newObjects(w *Worker, where rib.Where) objects {
	return objects{
		ids: w.deps.Board.ids, worker: w, where: where,
		known: make(map[uint32]rib.Nexthop), strange: make(map[uint32]struct{}), claimed: make(map[uint32]struct{}),
		groups: make(map[string]uint32), singles: make(map[string]uint32), refs: make(map[uint32]int), bare: make(map[uint32]time.Time), due: make(map[*target]struct{}),
	}
}

// claim returns an id: that of an object which is there already as it should be
// (fits), or else a free one, the natural one where possible; 0: there is none.
// What another target's routes hang on since an earlier run is not free. Of several
// groups that fit, as those of other targets may, it is the one that the routes have.
func (o *objects) claim(base uint32, what []byte, fits func(rib.Nexthop) bool) uint32 {
	natural := hash32(what)
	first := func(suits func(id uint32) bool) uint32 {
		for try := range uint32(idTries) {
			id := base | tableTag(o.where.Table) | (natural+try)&hashMask
			if suits(id) && o.ids.claim(o.where, id, o.worker) {
				o.claimed[id] = struct{}{}
				return id
			}
		}
		return 0
	}
	stands := func(id uint32) bool { n, there := o.known[id]; return there && fits(n) }
	if base == groupBase && stands(o.hint) && o.ids.claim(o.where, o.hint, o.worker) {
		o.claimed[o.hint] = struct{}{}
		return o.hint
	}
	if id := first(stands); id != 0 {
		return id
	}
	return first(func(id uint32) bool {
		_, there := o.known[id]
		_, strange := o.strange[id]
		return !strange && (!there || base == groupBase && o.refs[id] == 0)
	})
}

func (o *objects) release(id uint32) {
	same := func(_ string, other uint32) bool { return other == id }
	maps.DeleteFunc(o.groups, same)
	maps.DeleteFunc(o.singles, same)
	delete(o.claimed, id)
	o.ids.release(o.where, id)
}

// close gives every id back.
func (o *objects) close() {
	for id := range o.claimed {
		o.ids.release(o.where, id)
	}
	clear(o.claimed)
}

// forwarding returns what routes to tg carry: its group, or the hops themselves.
func (o *objects) forwarding(tg *target, f forwarding) *forwarding {
	if !o.on || tg.inline {
		return &f
	}
	if tg.group == 0 {
		tg.group = o.groups[tg.key]
	}
	if tg.group == 0 {
		o.buf = append(o.buf[:0], tg.key...)
		if tg.group = o.claim(groupBase, o.buf, o.like(tg)); tg.group == 0 {
			tg.inline = true
			return &f
		}
		o.groups[tg.key] = tg.group
	}
	f.group, f.hops = tg.group, nil
	return &f
}

// dissolveFrom is from how many routes on it is cheaper to delete a group, and
// its routes with it, than the routes one by one.
const dissolveFrom = 1000

// aim makes tg's group due where it is not what the target resolves to.
func (o *objects) aim(tg *target) {
	delete(o.due, tg)
	tg.fought = false
	if tg.group == 0 || tg.inline || !o.on {
		return
	}
	_, made := o.known[tg.group]
	tg.fought = tg.want != nil && o.fought(tg)
	switch {
	case tg.fought:
	case tg.want == nil && made && o.refs[tg.group] >= dissolveFrom, tg.want != nil && !o.stands(tg):
		o.due[tg] = struct{}{}
	}
}

// drop is told that tg has no users any more.
func (o *objects) drop(tg *target) {
	delete(o.due, tg)
	o.litter = true
}

// stands tells whether tg's group is in the kernel as tg wants it, and each of its
// members too: another program may have changed one of them under our protocol.
func (o *objects) stands(tg *target) bool {
	n, ok := o.known[tg.group]
	return ok && slices.Equal(n.Members, o.members(tg)) && o.like(tg)(n)
}

// like tells whether a group leads where tg does, whatever its members' ids.
func (o *objects) like(tg *target) func(rib.Nexthop) bool {
	return func(n rib.Nexthop) bool {
		if len(n.Members) != len(tg.hops) {
			return false
		}
		for i, m := range n.Members {
			now, there := o.known[m.ID]
			if !there || m.Weight != max(tg.hops[i].Weight, 1) || !sameSingle(now, tg.single(i, m.ID)) {
				return false
			}
		}
		return true
	}
}

// members returns the members of tg's group, in the order in which the kernel
// shows them: as given. Singles are claimed on the way; one for which there is
// no id is left out, and makes the group differ from what is wanted for ever:
// see change.
func (o *objects) members(tg *target) []rib.NexthopMember {
	out := make([]rib.NexthopMember, 0, len(tg.hops))
	for _, h := range tg.hops {
		out = append(out, rib.NexthopMember{ID: o.single(h, tg.ipv6), Weight: max(h.Weight, 1)})
	}
	return out
}

// single returns the id of the object for one hop; 0: none can be had.
func (o *objects) single(h rib.Hop, ipv6 bool) uint32 {
	h.Weight = 0
	ipv6 = ipv6 && !h.Gateway.IsValid()
	o.buf = appendHop(o.buf[:0], h, ipv6)
	if id, ok := o.singles[string(o.buf)]; ok {
		return id
	}
	what := string(o.buf)
	id := o.claim(singleBase, o.buf, func(n rib.Nexthop) bool { return sameSingle(n, rib.Nexthop{IPv6: ipv6, Hop: h}) })
	if id != 0 {
		o.singles[what] = id
	}
	return id
}

// load takes in a reading of the namespace's objects: those that this VRF uses,
// or would use, and that no other VRF has claimed. Where the tag is a hash, and so
// perhaps that of a VRF whose worker does not run now, only those count that we
// claimed, or that own routes of the table hang on.
func (o *objects) load(all []rib.Nexthop, routes []rib.Route) {
	clear(o.known)
	clear(o.strange)
	hashed := tableTag(o.where.Table)&hashedTag != 0
	var used map[uint32]struct{}
	if hashed {
		used = o.used(all, routes)
	}
	for _, n := range all {
		if n.ID&tagMask != tableTag(o.where.Table) {
			continue
		}
		if b := n.ID & baseMask; b != groupBase && b != singleBase {
			continue
		}
		_, is := used[n.ID]
		switch w := o.ids.owner(o.where, n.ID); {
		case w == o.worker, w == nil && (is || !hashed):
			o.known[n.ID] = n
		case w == nil:
			o.strange[n.ID] = struct{}{}
		}
	}
	o.litter = true
}

// used returns the ids of the groups that own routes hang on, and of their members.
func (o *objects) used(all []rib.Nexthop, routes []rib.Route) map[uint32]struct{} {
	used := make(map[uint32]struct{})
	for i := range routes {
		if r := &routes[i]; r.NexthopID != 0 && r.Protocol == o.worker.spec.Protocol {
			used[r.NexthopID] = struct{}{}
		}
	}
	for _, n := range all {
		if _, is := used[n.ID]; is {
			for _, m := range n.Members {
				used[m.ID] = struct{}{}
			}
		}
	}
	return used
}

// removal deletes every object of this VRF: groups first, because a single that
// goes takes its place in them along.
func (o *objects) removal(t rib.Table) (changes []rib.Change) {
	o.load(t.Nexthops, t.Routes)
	for _, base := range []uint32{groupBase, singleBase} {
		for id := range o.known {
			if id&baseMask == base {
				changes = append(changes, rib.Change{Op: rib.OpDeleteNexthop, Nexthop: rib.Nexthop{ID: id}})
			}
		}
	}
	return changes
}

// change builds what one due target needs: the singles that are missing, and
// its group. Without a group to be, the group goes, and its routes with it.
func (o *objects) change(buf []rib.Change, tg *target) (changes []rib.Change, ok bool) {
	if tg.want == nil {
		return append(buf, rib.Change{Op: rib.OpDeleteNexthop, Nexthop: rib.Nexthop{ID: tg.group}}), true
	}
	group := rib.Nexthop{ID: tg.group, Members: o.members(tg)}
	for i, m := range group.Members {
		if m.ID == 0 {
			return buf, false
		}
		single := tg.single(i, m.ID)
		now, there := o.known[m.ID]
		switch {
		case !there:
			buf = append(buf, rib.Change{Op: rib.OpAddNexthop, Nexthop: single})
		case !sameSingle(now, single): // somebody changed it
			buf = append(buf, rib.Change{Op: rib.OpReplaceNexthop, Nexthop: single})
		}
	}
	op := rib.OpAddNexthop
	if _, there := o.known[tg.group]; there {
		op = rib.OpReplaceNexthop
	}
	return append(buf, rib.Change{Op: op, Nexthop: group}), true
}

// single is the object of tg's hop i, whose id is id.
func (tg *target) single(i int, id uint32) rib.Nexthop {
	h := tg.hops[i]
	h.Weight = 0
	return rib.Nexthop{ID: id, IPv6: tg.ipv6 && !h.Gateway.IsValid(), Hop: h}
}

func sameSingle(a, b rib.Nexthop) bool {
	return !a.Group() && a.IPv6 == b.IPv6 && a.Hop.Equal(b.Hop)
}

// confirm takes in that the kernel made a change.
func (o *objects) confirm(c rib.Change) {
	if c.Op == rib.OpDeleteNexthop {
		delete(o.known, c.Nexthop.ID)
	} else {
		o.known[c.Nexthop.ID] = c.Nexthop
	}
	o.litter = true
	o.worker.totals.Objects++
}
