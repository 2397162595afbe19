package nexthop

import (
	"slices"
	"time"

	"github.com/vrfredist/vrfredist/nsworker/ledger"
	"github.com/vrfredist/vrfredist/rib"
)

// Objects is the ledger of one VRF's nexthop objects: one group for each set, so that a
// changed resolution is one replace however many routes hang on it, and one single object
// for each hop. A route always hangs on a group, of one member too: the kernel refuses to
// make a group of a single nexthop later.
//
// Where an id cannot be had, or the kernel refuses an object, the set falls back to routes
// with their hops inside.
type Objects struct {
	On bool // the kernel has nexthop objects, and the Spec wants them

	ids     *IDs
	where   rib.Where
	ledger  *ledger.Ledger[uint32, rib.Nexthop, rib.Nexthop, note]
	contest *ledger.Contest[uint32, struct{}] // of objects that nobody here wrote, or wants
	strange map[uint32]struct{}               // may be of another table whose tag is the same
	claimed map[uint32]string                 // what each id of ours stands for
	groups  map[string]uint32                 // ids of groups by the key of the set that claimed them
	sharing map[uint32]sharers                // the sets whose routes hang on a group
	singles map[string]uint32                 // ids of single objects by their hop
	// standing are those that nobody has claimed, with an encapsulation, as standsFor has it.
	standing map[string]uint32
	refs     map[uint32]int       // routes in the table, by the group they hang on
	bare     map[uint32]time.Time // when the last route of a group went
	litter   bool                 // something may be unused since tidy looked last
	tidy     ledger.Alarm         // when what is unused is deleted
	buf      []byte
	clock    *ledger.Contention // of what another program does
	now      func() time.Time
}

// object is an entry of the ledger.
type object = ledger.Entry[rib.Nexthop, rib.Nexthop, note]

// note is what Objects keeps of an entry.
type note struct {
	users      int32 // sets that want it
	goes       bool  // it is to be deleted
	unexpected bool  // nobody here wrote it
}

// NewObjects returns the objects of the VRF that has a table. Their ids come from ids;
// what another program does to them is counted by c.
func NewObjects(ids *IDs, where rib.Where, c *ledger.Contention, now func() time.Time) *Objects {
	o := &Objects{
		ids: ids, where: where, clock: c, now: now,
		strange: make(map[uint32]struct{}), claimed: make(map[uint32]string),
		groups: make(map[string]uint32), sharing: make(map[uint32]sharers), singles: make(map[string]uint32),
		refs: make(map[uint32]int), bare: make(map[uint32]time.Time),
	}
	o.contest = ledger.NewContest[uint32, struct{}](c, ledger.WhenPutRight)
	o.ledger = ledger.New(ledger.NewMap[uint32, object](), rules{o}, c, new(ledger.Drifts))
	return o
}

// rules are what the ledger of nexthop objects is told of them.
type rules struct{ *Objects }

// Comes implements ledger.Rules. What nobody wants stays as it is until it is tidied away.
func (rules) Comes(e *object) *rib.Nexthop {
	switch {
	case e.Note.goes:
		return nil
	case e.Want != nil:
		return e.Want
	}
	return e.Have
}

// Same implements ledger.Rules.
func (rules) Same(have, want *rib.Nexthop) bool {
	return have.Group() && want.Group() && slices.Equal(have.Members, want.Members) || sameSingle(*have, *want)
}

// Replaced implements ledger.Rules.
func (r rules) Replaced(_, _ *rib.Nexthop) { r.litter = true }

// sameSingle tells whether two single nexthops forward alike. One that the kernel took without
// RTNH_F_ONLINK, as an earlier version wrote it, does what it would do with it.
func sameSingle(a, b rib.Nexthop) bool {
	return !a.Group() && !b.Group() && a.IPv6 == b.IPv6 && a.Hop.SameWay(b.Hop)
}

// have is an object as the kernel confirmed or showed it; nil: it is not there.
func (o *Objects) have(id uint32) *rib.Nexthop {
	if e := o.ledger.Find(id); e != nil {
		return e.Have
	}
	return nil
}

// begin returns the entry of an object. The ledger counts objects as IPv4, whatever they
// lead to.
func (o *Objects) begin(id uint32) *object { return o.ledger.Begin(id, rib.IPv4) }

// Hold notes that a route hangs on a group no longer (was), or from now on (is). Either may
// be nil.
func (o *Objects) Hold(was, is *Forwarding) {
	if was != nil && was.Group != 0 {
		if o.refs[was.Group]--; o.refs[was.Group] == 0 {
			delete(o.refs, was.Group)
			o.bare[was.Group] = o.now()
			o.litter = true
		}
	}
	if is != nil && is.Group != 0 {
		o.refs[is.Group]++
		delete(o.bare, is.Group)
	}
}

// GoneWith returns the groups of IPv4 routes that the kernel has deleted, and their routes with
// them, because their last members were on links over which nothing goes any more: it says
// nothing of either (nexthop_flush_dev in net/ipv4/nexthop.c). What becomes of the objects
// themselves, the next reading shows.
func (o *Objects) GoneWith(link func(index int) bool) (groups []uint32) {
	there := func(m rib.NexthopMember) bool { n := o.have(m.ID); return n != nil && !link(n.Hop.Ifindex) }
	for id, sets := range o.sharing {
		have := o.have(id)
		if have == nil || o.refs[id] == 0 || slices.ContainsFunc(have.Members, there) {
			continue
		}
		for set := range sets.all { // they are of one family
			if !set.ipv6 {
				groups = append(groups, id)
			}
			break
		}
	}
	return groups
}

// DissolveFrom is from how many routes on it is cheaper to delete a group, and its routes
// with it, than the routes one by one.
const DissolveFrom = 1000

// demand has the ledger want what a set resolves to.
func (o *Objects) demand(set *Set) {
	had := set.wants
	set.wants, set.needs = nil, 0
	set.Contested = false
	if set.active && set.Group != 0 && !set.inline && o.On {
		o.want(set)
	}
	for _, id := range had {
		o.unwant(id)
	}
}

// want has the objects of a set wanted, singles first: the kernel takes no group whose
// members are not there.
func (o *Objects) want(set *Set) {
	if set.Carries == nil {
		if e := o.ledger.Find(set.Group); e != nil && e.Have != nil && o.refs[set.Group] >= DissolveFrom && o.unresolved(set.Group) {
			e.Note.goes = true
			o.ledger.Mark(set.Group, e)
		}
		return
	}
	group := rib.Nexthop{ID: set.Group, Members: make([]rib.NexthopMember, 0, len(set.Hops))}
	set.wants = make([]uint32, 0, len(set.Hops)+1)
	for _, h := range set.Hops {
		id := o.single(h, set.ipv6)
		group.Members = append(group.Members, rib.NexthopMember{ID: id, Weight: max(h.Weight, 1)})
		o.wantOne(singleOf(h, set.ipv6, id))
		set.wants = append(set.wants, id)
	}
	o.wantOne(group)
	set.wants = append(set.wants, group.ID)
	set.needs = int32(len(set.wants))
	wantBackup(o, set)
	set.Contested = o.contested(set)
}

// wantBackup has what a set's backup leads to another PE by, so that it takes over in one message. In
// the core a PE is lost without its link, and each (PE, label) has an object of its own.
func wantBackup(o *Objects, set *Set) {
	if set.Backup == nil {
		return
	}
	for _, h := range set.Backup.Hops {
		if h.Encap == (rib.Encap{}) || slices.ContainsFunc(set.Hops, h.SameWay) {
			continue
		}
		if id := o.single(h, set.ipv6); id != 0 {
			o.wantOne(singleOf(h, set.ipv6, id))
			set.wants = append(set.wants, id)
		}
	}
}

func (o *Objects) wantOne(n rib.Nexthop) {
	e := o.begin(n.ID)
	e.Note.users++
	e.Note.goes = false
	if e.Want == nil || !(rules{}).Same(e.Want, &n) {
		e.Want = &n
	}
	o.ledger.Mark(n.ID, e)
}

func (o *Objects) unwant(id uint32) {
	e := o.ledger.Find(id)
	if e.Note.users--; e.Note.users == 0 {
		e.Want = nil
		o.litter = true
		o.ledger.Mark(id, e)
	}
}

// contested tells whether the group of a set is there, and it or one of its members is left
// alone.
func (o *Objects) contested(set *Set) bool {
	return o.ledger.AllLeftAlone() > 0 && o.have(set.Group) != nil && slices.ContainsFunc(set.wants[:set.needs], o.ledger.LeftAlone)
}

// like tells whether a group leads where a set does, whatever its members' ids.
func (o *Objects) like(set *Set) func(rib.Nexthop) bool {
	return func(n rib.Nexthop) bool {
		if len(n.Members) != len(set.Hops) {
			return false
		}
		for i, m := range n.Members {
			now := o.have(m.ID)
			if now == nil || m.Weight != max(set.Hops[i].Weight, 1) || !sameSingle(*now, singleOf(set.Hops[i], set.ipv6, m.ID)) {
				return false
			}
		}
		return true
	}
}

// singleOf is the object of one hop of a set, whose id is id. An object without a gateway
// is of one family.
func singleOf(h rib.Hop, ipv6 bool, id uint32) rib.Nexthop {
	h.Weight = 0
	return rib.Nexthop{ID: id, IPv6: ipv6 && !h.Gateway.IsValid(), Hop: h}
}

// single returns the id of the object for one hop; 0: none can be had.
func (o *Objects) single(h rib.Hop, ipv6 bool) uint32 {
	n := singleOf(h, ipv6, 0)
	o.buf = appendHop(o.buf[:0], n.Hop, n.IPv6)
	if id, ok := o.singles[string(o.buf)]; ok {
		return id
	}
	what, natural := string(o.buf), hash32(o.buf)
	fits := func(there rib.Nexthop) bool { return sameSingle(there, n) }
	id := o.claim(SingleBase, what, natural, fits, o.otherwise(n, fits))
	if id != 0 {
		o.singles[what] = id
	}
	return id
}

// otherwise returns the id of a single object that fits n and stands where n would be without
// RTNH_F_ONLINK, or with it: an earlier version may have thought otherwise of that. 0: none does.
func (o *Objects) otherwise(n rib.Nexthop, fits func(rib.Nexthop) bool) uint32 {
	if id := stood(o, n); id != 0 {
		return id
	}
	n.Hop.OnLink = !n.Hop.OnLink
	o.buf = appendHop(o.buf[:0], n.Hop, n.IPv6)
	for try := range uint32(idTries) {
		if there := o.have(o.id(SingleBase, hash32(o.buf)+try)); there != nil && fits(*there) {
			return there.ID
		}
	}
	return 0
}

// id is the id of a kind that has a hash.
func (o *Objects) id(base, hash uint32) uint32 { return base | Tag(o.where.Table) | hash&hashMask }

// Close gives every id back.
func (o *Objects) Close() {
	for id := range o.claimed {
		o.ids.release(o.where, id)
	}
	clear(o.claimed)
}
