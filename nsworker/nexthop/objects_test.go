package nexthop

import (
	"net/netip"
	"testing"
	"time"

	"github.com/vrfredist/vrfredist/nsworker/ledger"
	"github.com/vrfredist/vrfredist/rib"
)

var where = rib.Where{Dev: 1, Inode: 2, Table: 7}

func objectsOf(ids *IDs) *Objects {
	o := NewObjects(ids, where, ledger.NewContention(time.Now), time.Now)
	o.On = true
	return o
}

func anyObject(rib.Nexthop) bool { return true }

// connected is a view in which 192.0.2.0/24 is on eth0.
func connected() rib.View {
	lan := netip.MustParsePrefix("192.0.2.0/24")
	return rib.View{
		Where: where,
		Links: rib.Links{2: {Index: 2, Name: "eth0", Up: true, Admin: true}},
		Foreign: rib.NewForeignTable([]rib.Route{{
			Prefix: lan, Protocol: rib.ProtoKernel, Kind: rib.KindUnicast, Scope: 253, Hops: []rib.Hop{{Ifindex: 2}},
		}}),
	}
}

func setsOf(ids *IDs) *Sets {
	return NewSets(Resolver{View: connected()}, objectsOf(ids), func(string, int) {})
}

// to is the set of some nexthops.
func (s *Sets) to(members ...Member) *Set { return s.live(s.want(members...), 0) }

// live is the set of what a route wants.
func (s *Sets) live(w Want, hint uint32) *Set {
	set := s.Get(rib.IPv4, w, hint)
	s.Activate(set)
	return set
}

func (s *Sets) want(members ...Member) (w Want) {
	for _, m := range members {
		w.Ways = append(w.Ways, s.Of(m, rib.IPv4))
	}
	return w
}

func member(addr string) Member { return Member{Addr: netip.MustParseAddr(addr)} }

// write has the kernel take all that is due.
func (o *Objects) write() (written []rib.Change) {
	o.Settle()
	for {
		changes := o.Changes()
		if len(changes) == 0 {
			return written
		}
		for _, c := range changes {
			o.Confirmed(c)
		}
		written = append(written, changes...)
		o.Settle()
	}
}

// TestTwoVRFsOfOneNamespaceShareNoID gives two tables that hash alike the same nexthops.
func TestTwoVRFsOfOneNamespaceShareNoID(t *testing.T) {
	ids := NewIDs()
	one, two := objectsOf(ids), objectsOf(ids)
	a, c := one.claim(GroupBase, "x", hash32([]byte("x")), anyObject, 0), two.claim(GroupBase, "x", hash32([]byte("x")), anyObject, 0)
	if a == 0 || c == 0 || a == c {
		t.Errorf("ids %d and %d", a, c)
	}
	one.Load(rib.Table{Nexthops: []rib.Nexthop{{ID: a}, {ID: c}}}, rib.ProtoOwn, false)
	if one.have(a) == nil || one.have(c) != nil {
		t.Error("one VRF takes another's object for its own")
	}
	one.Close()
	if again := objectsOf(ids).claim(GroupBase, "x", hash32([]byte("x")), anyObject, 0); again != a {
		t.Errorf("an id that was given back is %d now, was %d", again, a)
	}
}

// TestNoIDLeft has another VRF hold every id that a set would try: its routes carry their
// nexthops themselves.
func TestNoIDLeft(t *testing.T) {
	ids := NewIDs()
	other := objectsOf(ids)
	key := appendKey(nil, rib.IPv4, []Member{member("192.0.2.9")})
	for range idTries {
		if other.claim(GroupBase, string(key), hash32(key), anyObject, 0) == 0 {
			t.Fatal("the ids are used up already")
		}
	}
	if id := other.claim(GroupBase, string(key), hash32(key), anyObject, 0); id != 0 {
		t.Fatalf("one more than there are: %d", id)
	}
	sets := setsOf(ids)
	set := sets.to(member("192.0.2.9"))
	if set.Carries == nil || set.Carries.Group != 0 || len(set.Carries.Hops) != 1 {
		t.Fatalf("its routes carry %+v", set.Carries)
	}
	if w := sets.Objects.write(); len(w) != 0 {
		t.Errorf("written is %+v", w)
	}
}

// TestObjectsComeAndGo: a set's singles come before its group, a set that shares one writes
// no more than it needs, and what nothing uses goes after a while, groups first.
func TestObjectsComeAndGo(t *testing.T) {
	now := time.Unix(1000, 0)
	ids := NewIDs()
	o := NewObjects(ids, where, ledger.NewContention(func() time.Time { return now }), func() time.Time { return now })
	o.On = true
	sets := NewSets(Resolver{View: connected()}, o, func(string, int) {})
	two := sets.to(member("192.0.2.9"), member("192.0.2.8"))
	w := o.write()
	if len(w) != 3 || IsGroup(w[0].Nexthop.ID) || IsGroup(w[1].Nexthop.ID) || w[2].Nexthop.ID != two.Group {
		t.Fatalf("written is %+v", w)
	}
	one := sets.to(member("192.0.2.9"))
	if w := o.write(); len(w) != 1 || w[0].Op != rib.OpAddNexthop || w[0].Nexthop.ID != one.Group {
		t.Fatalf("for a second set is written %+v", w)
	}
	if sets.to(member("192.0.2.9")) != one {
		t.Error("the same nexthops have two sets")
	}
	sets.Drop(one)
	o.Hold(nil, two.Carries)
	sets.Drop(two)
	o.Tidy(true)
	now = now.Add(KeepUnused)
	o.Tidy(true)
	if w := o.write(); len(w) != 0 {
		t.Errorf("deleted is %+v, of which a route or a set is left", w)
	}
	o.Hold(two.Carries, nil)
	sets.Drop(one)
	for range 2 {
		now = now.Add(KeepUnused)
		o.Tidy(true)
	}
	w = o.write()
	if len(w) != 4 || !IsGroup(w[0].Nexthop.ID) || !IsGroup(w[1].Nexthop.ID) || IsGroup(w[2].Nexthop.ID) {
		t.Errorf("deleted is %+v", w)
	}
	if len(o.claimed) != 0 || !o.Idle() {
		t.Errorf("ids are claimed still: %v", o.claimed)
	}
}

// TestObjectWithoutOnlinkStands: the objects of an earlier version, which asked the kernel to
// check the gateway, do what ours would: nothing is written, and they are found again.
func TestObjectWithoutOnlinkStands(t *testing.T) {
	gateway := netip.MustParseAddr("2001:db8:1::9")
	lan := rib.Route{Prefix: netip.MustParsePrefix("2001:db8:1::/64"), Metric: 256, Protocol: rib.ProtoKernel, Kind: rib.KindUnicast, Hops: []rib.Hop{{Ifindex: 2}}}
	view := connected()
	view.Where.Table, view.Foreign = 254, rib.NewForeignTable([]rib.Route{lan})
	single := rib.Nexthop{Hop: rib.Hop{Gateway: gateway, Ifindex: 2}}
	group := rib.Nexthop{ID: GroupID(254, rib.IPv6, Member{Addr: gateway})}
	single.ID = SingleBase | Tag(254) | hash32(single.Hop.AppendKey(nil))&hashMask
	group.Members = []rib.NexthopMember{{ID: single.ID, Weight: 1}}
	at := where
	at.Table = 254
	o := NewObjects(NewIDs(), at, ledger.NewContention(time.Now), time.Now)
	o.On = true
	o.Load(rib.Table{Nexthops: []rib.Nexthop{single, group}}, rib.ProtoOwn, false)
	sets := NewSets(Resolver{View: view}, o, func(string, int) {})
	set := sets.Get(rib.IPv6, Want{Ways: []*Way{sets.Of(Member{Addr: gateway}, rib.IPv6)}}, group.ID)
	if len(set.Hops) != 1 || !set.Hops[0].OnLink || set.Carries.Group != group.ID {
		t.Fatalf("resolved to %+v, carries %+v", set.Hops, set.Carries)
	}
	if changes := o.write(); len(changes) > 0 {
		t.Errorf("written: %v", changes)
	}
}
