package nexthop

import (
	"maps"
	"net/netip"
	"slices"
	"testing"

	"github.com/vrfredist/vrfredist/rib"
)

var (
	p1 = netip.MustParseAddr("192.0.2.101")
	p2 = netip.MustParseAddr("192.0.2.102")
)

// from is what prefixes want by one nexthop, of neighbours, with a backup; "": none.
func (s *Sets) from(addr, backup string, sent, backupSent []netip.Addr) Want {
	w := s.want(member(addr))
	w.Sent, w.BackupSent = sent, backupSent
	if backup != "" {
		w.Backup = s.Of(member(backup), rib.IPv4)
	}
	return w
}

// leads are the addresses that a group leads to in the kernel.
func (o *Objects) leads(id uint32) (to []string) {
	for _, m := range o.have(id).Members {
		to = append(to, o.have(m.ID).Hop.Gateway.String())
	}
	return to
}

// TestSessionEnds: the sets that have all their paths from a neighbour whose session ends go
// to their backup by one replace each, or, where there is none, are unresolved; what another
// neighbour sent too stays.
func TestSessionEnds(t *testing.T) {
	s := setsOf(NewIDs())
	backed := s.live(s.from("192.0.2.1", "192.0.2.2", []netip.Addr{p1}, []netip.Addr{p2}), 0)
	both := s.live(s.from("192.0.2.1", "192.0.2.2", []netip.Addr{p1, p2}, []netip.Addr{p2}), 0)
	alone := s.live(s.from("192.0.2.1", "", []netip.Addr{p1}, nil), 0)
	doomed := s.live(s.from("192.0.2.1", "192.0.2.2", []netip.Addr{p1}, []netip.Addr{p1}), 0)
	s.Objects.write()
	changed := s.SetDown(rib.Down{p1: {}})
	written := s.Objects.write()
	if len(written) != 2 || written[1].Op != rib.OpReplaceNexthop || written[1].Nexthop.ID != backed.Group || !backed.OnBackup {
		t.Errorf("written is %+v, for the group %d", written, backed.Group)
	}
	if got := s.Objects.leads(backed.Group); !slices.Equal(got, []string{"192.0.2.2"}) {
		t.Errorf("the set with a backup leads to %v", got)
	}
	if _, is := changed[both]; is || both.Carries == nil || both.OnBackup {
		t.Error("what another neighbour sends too is touched")
	}
	for _, set := range []*Set{alone, doomed} {
		if _, is := changed[set]; !is || set.Carries != nil || set.Reason == "" {
			t.Errorf("a set whose neighbour is gone carries %+v: %q", set.Carries, set.Reason)
		}
	}
	s.SetDown(nil)
	s.Objects.write()
	if got := s.Objects.leads(backed.Group); backed.OnBackup || alone.Carries == nil || !slices.Equal(got, []string{"192.0.2.1"}) {
		t.Errorf("after the session's return the set leads to %v", got)
	}
}

// TestNexthopLost: a set goes to its backup when its own nexthop is not reached, or only over
// a link without carrier, and comes back.
func TestNexthopLost(t *testing.T) {
	s := setsOf(NewIDs())
	lan := netip.MustParsePrefix("198.51.100.0/24")
	s.Resolver.View.Links[3] = rib.Link{Index: 3, Name: "eth1", Up: true, Admin: true}
	s.Resolver.View.Foreign = s.Resolver.View.Foreign.With(rib.Route{
		Prefix: lan, Protocol: rib.ProtoKernel, Kind: rib.KindUnicast, Scope: 253, Hops: []rib.Hop{{Ifindex: 3}},
	})
	set := s.live(s.from("192.0.2.1", "198.51.100.1", []netip.Addr{p1}, []netip.Addr{p2}), 0)
	s.Objects.write()
	up := s.Resolver.View.Links
	for what, eth0 := range map[string]rib.Link{
		"no carrier": {Index: 2, Name: "eth0", Admin: true},
		"down":       {Index: 2, Name: "eth0"},
	} {
		links := maps.Clone(up)
		links[2] = eth0
		s.Resolver.View.Links = links
		s.OnLinks([]int{2}, up, links)
		if w := s.Objects.write(); len(w) > 2 || !slices.Equal(s.Objects.leads(set.Group), []string{"198.51.100.1"}) {
			t.Errorf("%s: written is %+v, and the group leads to %v", what, w, s.Objects.leads(set.Group))
		}
		moved := s.Moved()
		if _, is := moved[set.Ways[0]]; !is || len(moved) != 1 {
			t.Errorf("%s: moved are %v", what, moved)
		}
		s.Resolver.View.Links = up
		s.OnLinks([]int{2}, links, up)
		if s.Objects.write(); !slices.Equal(s.Objects.leads(set.Group), []string{"192.0.2.1"}) || set.OnBackup {
			t.Errorf("after %s the group leads to %v", what, s.Objects.leads(set.Group))
		}
		s.Moved()
	}
	// Of a set on a link without carrier alone, the kernel decides.
	alone := s.live(s.from("192.0.2.1", "", []netip.Addr{p1}, nil), 0)
	links := maps.Clone(up)
	links[2] = rib.Link{Index: 2, Name: "eth0", Admin: true}
	s.Resolver.View.Links = links
	s.OnLinks([]int{2}, up, links)
	if alone.Carries == nil {
		t.Error("a route without another way is withdrawn for want of carrier")
	}
}

// TestGroupIsShared: prefixes whose paths come down to another set, which leads to the same,
// stay on their group; it stays with the larger set when they part; and each gets its own
// when there is time.
func TestGroupIsShared(t *testing.T) {
	s := setsOf(NewIDs())
	first := s.live(s.from("192.0.2.1", "", []netip.Addr{p1}, nil), 0)
	s.Objects.write()
	group := first.Group
	backed := s.live(s.from("192.0.2.1", "192.0.2.2", []netip.Addr{p1}, []netip.Addr{p2}), group)
	if backed.Group != group || !first.Carries.Same(backed.Carries) {
		t.Fatalf("a set that leads to the same has group %d, not %d", backed.Group, group)
	}
	if other := s.live(s.from("192.0.2.2", "", []netip.Addr{p2}, nil), group); other.Group == group {
		t.Fatal("a set that leads elsewhere shares a group")
	}
	backed.Use() // it has the most routes
	s.Objects.write()
	s.SetDown(rib.Down{p1: {}})
	s.Objects.write()
	if backed.Group != group || !slices.Equal(s.Objects.leads(group), []string{"192.0.2.2"}) || first.Carries != nil {
		t.Errorf("the backup's set has group %d, which leads to %v; the other one carries %+v", backed.Group, s.Objects.leads(group), first.Carries)
	}
	s.SetDown(nil)
	s.Objects.write()
	if moved := s.Separate(); len(moved) != 1 || first.Group == group || first.Group == 0 || backed.Group != group {
		t.Errorf("separated are %v; groups %d and %d", moved, first.Group, backed.Group)
	}
	s.Objects.write()
	if w := s.Separate(); len(w) != 0 {
		t.Errorf("separated again are %v", w)
	}
	// The set that took the first one's place keeps the group when that goes.
	s.Drop(backed)
	s.Drop(backed)
	if s.Objects.claimed[group] == "" || s.Objects.have(group) == nil {
		t.Error("a group is gone that routes may hang on")
	}
}

// TestPartedSets: sets that shared a group and do not lead to the same any more have two.
func TestPartedSets(t *testing.T) {
	s := setsOf(NewIDs())
	small := s.live(s.from("192.0.2.1", "192.0.2.3", []netip.Addr{p1}, nil), 0)
	s.Objects.write()
	group := small.Group
	large := s.live(s.from("192.0.2.1", "192.0.2.2", []netip.Addr{p1}, nil), group)
	large.Use()
	changed := s.SetDown(rib.Down{p1: {}})
	s.Objects.write()
	if large.Group != group || small.Group == group || small.Group == 0 {
		t.Fatalf("the larger set has group %d, the smaller one %d, and they shared %d", large.Group, small.Group, group)
	}
	if _, is := changed[small]; !is {
		t.Error("the smaller set's routes are not moved")
	}
	if a, b := s.Objects.leads(large.Group), s.Objects.leads(small.Group); a[0] != "192.0.2.2" || b[0] != "192.0.2.3" {
		t.Errorf("they lead to %v and %v", a, b)
	}
}
