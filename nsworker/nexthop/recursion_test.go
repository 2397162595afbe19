package nexthop

import (
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"testing"

	"github.com/vrfredist/vrfredist/rib"
)

// bgp are BGP's routes, as a worker has them.
type bgp struct {
	sets *Sets
	own  map[netip.Prefix]OwnRoute
}

func (b *bgp) Own(prefix netip.Prefix) (OwnRoute, bool) {
	own, is := b.own[prefix]
	return own, is
}

// recursing has nexthops reached by BGP's routes too.
func recursing() *bgp {
	b := &bgp{setsOf(NewIDs()), make(map[netip.Prefix]OwnRoute)}
	b.sets.Recurse(b)
	return b
}

// noViews: no other VRF has a table.
type noViews struct{}

func (noViews) View(string) (View, bool) { return View{}, false }

// has BGP tell of a route by the first of some nexthops, and that it may come to go by the others.
func (b *bgp) has(prefix string, by ...string) *Set {
	p := netip.MustParsePrefix(prefix)
	f := rib.FamilyOf(p)
	var ways []*Way
	for _, addr := range by {
		ways = append(ways, b.sets.Of(member(addr), f))
	}
	set := b.sets.Get(f, Want{Ways: slices.Clone(ways[:1])}, 0)
	b.own[p] = OwnRoute{Metric: 20, Set: set, Ways: ways}
	b.sets.Touch(p)
	return set
}

func (b *bgp) loses(prefix string) {
	delete(b.own, netip.MustParsePrefix(prefix))
	b.sets.Touch(netip.MustParsePrefix(prefix))
}

// after finds all out anew, and renders where nexthops lead.
func (b *bgp) after(addrs ...string) string {
	b.sets.OwnChanged()
	return b.lead(addrs...)
}

func (b *bgp) lead(addrs ...string) string {
	var all []string
	for _, addr := range addrs {
		way := b.sets.Of(member(addr), rib.FamilyOf(netip.PrefixFrom(netip.MustParseAddr(addr), 0)))
		s := addr
		for _, h := range way.Hops {
			s += " " + h.Gateway.String()
		}
		if way.Own.IsValid() {
			s += " by " + way.Own.String()
		}
		all = append(all, s)
	}
	return strings.Join(all, ", ")
}

func (b *bgp) expect(t *testing.T, what, got, want string) {
	t.Helper()
	if got != want {
		t.Errorf("%s: they lead %q, want %q", what, got, want)
	}
}

// TestRecursionIsFoundOutAtOnce: a new nexthop leads by BGP's routes from the first.
func TestRecursionIsFoundOutAtOnce(t *testing.T) {
	b := recursing()
	b.has("10.0.0.1/32", "192.0.2.9")
	b.expect(t, "at once", b.lead("10.0.0.1"), "10.0.0.1 192.0.2.9 by 10.0.0.1/32")
	b.expect(t, "then", b.after("10.0.0.1"), "10.0.0.1 192.0.2.9 by 10.0.0.1/32")
	b.loses("10.0.0.1/32")
	b.expect(t, "without it", b.after("10.0.0.1"), "10.0.0.1")
	if len(b.sets.recursion.under) != 0 || !b.sets.Recurses() {
		t.Errorf("%d nexthops are under BGP's routes, and it matters to some: %v", len(b.sets.recursion.under), b.sets.Recurses())
	}
	b.sets.Keep(func(*Way) bool { return false })
	if b.sets.Recurses() || b.sets.Decided() != nil {
		t.Error("what is forgotten is looked at still")
	}
}

// TestRecursionDepth: as many routes as gateways of others' lead to one another, and no more.
func TestRecursionDepth(t *testing.T) {
	b := recursing()
	for i := range 12 {
		b.has(fmt.Sprintf("10.0.0.%d/32", i+1), fmt.Sprintf("10.0.0.%d", i))
	}
	b.has("10.0.0.0/32", "192.0.2.9")
	b.expect(t, "a chain", b.after("10.0.0.0", "10.0.0.7", "10.0.0.8"),
		"10.0.0.0 192.0.2.9 by 10.0.0.0/32, 10.0.0.7 192.0.2.9 by 10.0.0.7/32, 10.0.0.8")
	way := b.sets.Of(member("10.0.0.8"), rib.IPv4)
	if !strings.Contains(way.Reason, "BGP's route 10.0.0.8/32, which covers it, is behind more than 8 others") {
		t.Errorf("it is too far because %q", way.Reason)
	}
}

// TestRecursionApart: a nexthop does not lead by a route that leads by it, or may come to.
func TestRecursionApart(t *testing.T) {
	b := recursing()
	b.has("10.0.0.0/8", "192.0.2.9")
	b.has("10.1.0.0/16", "192.0.2.1", "10.1.0.9") // which has a path by what it covers
	b.expect(t, "by another path", b.after("10.1.0.9", "10.1.0.8"), "10.1.0.9 192.0.2.9 by 10.0.0.0/8, 10.1.0.8 192.0.2.1 by 10.1.0.0/16")
	b.has("10.3.0.0/16", "10.4.0.1")
	b.has("10.4.0.0/16", "10.5.0.1")
	b.has("10.5.0.0/16", "10.3.0.1")
	b.expect(t, "three in a ring", b.after("10.3.0.1", "10.4.0.1", "10.5.0.1", "10.3.0.7"), "10.3.0.1 192.0.2.9 by 10.3.0.0/16, "+
		"10.4.0.1 192.0.2.9 by 10.0.0.0/8, 10.5.0.1 192.0.2.9 by 10.5.0.0/16, 10.3.0.7 192.0.2.9 by 10.3.0.0/16")
	b.loses("10.0.0.0/8")
	b.expect(t, "a ring that hangs on nothing", b.after("10.3.0.1", "10.4.0.1", "10.5.0.1", "10.3.0.7"), "10.3.0.1, 10.4.0.1, 10.5.0.1, 10.3.0.7")
}

// TestRecursionFollows: where the sets lead to which nexthops hang on, sets that hang on those
// nexthops lead too, by the same call.
func TestRecursionFollows(t *testing.T) {
	b := recursing()
	s := b.sets
	inner := s.live(s.from("192.0.2.1", "192.0.2.2", []netip.Addr{p1}, []netip.Addr{p2}), 0)
	b.own[netip.MustParsePrefix("10.0.0.1/32")] = OwnRoute{Metric: 20, Set: inner, Ways: append(slices.Clone(inner.Ways), inner.Backup)}
	outer := s.live(s.want(member("10.0.0.1")), 0)
	s.Objects.write()
	if s.SetDown(rib.Down{p1: {}}); len(outer.Hops) != 1 || outer.Hops[0].Gateway.String() != "192.0.2.2" {
		t.Errorf("with the session that ended goes %v", outer.Hops)
	}
	if got := s.Objects.write(); len(got) < 2 || !slices.ContainsFunc(got, func(c rib.Change) bool {
		return c.Op == rib.OpReplaceNexthop && c.Nexthop.ID == outer.Group
	}) {
		t.Errorf("written is %+v, for the group %d", got, outer.Group)
	}
	if s.SetDown(rib.Down{p1: {}, p2: {}}); outer.Carries != nil || outer.Reason == "" {
		t.Errorf("without both it carries %+v (%s)", outer.Carries, outer.Reason)
	}
}

// TestRecursionOfStanding: what an earlier run wrote, and what discards.
func TestRecursionOfStanding(t *testing.T) {
	b := recursing()
	hop := rib.Hop{Gateway: netip.MustParseAddr("192.0.2.7"), Ifindex: 2, Weight: 1}
	at := netip.MustParsePrefix("10.0.0.1/32")
	b.own[at] = OwnRoute{Metric: 20, Stands: &Forwarding{Kind: rib.KindUnicast, Hops: []rib.Hop{hop}}}
	b.expect(t, "it stands", b.lead("10.0.0.1"), "10.0.0.1 192.0.2.7 by 10.0.0.1/32")
	b.own[at] = OwnRoute{Metric: 20, Stands: &Forwarding{Kind: rib.KindBlackhole}}
	b.has("10.0.0.0/8", "192.0.2.9")
	b.sets.Touch(at)
	b.expect(t, "it discards", b.after("10.0.0.1"), "10.0.0.1")
	b.own[at] = OwnRoute{Metric: 20, Stands: &Forwarding{Kind: rib.KindUnicast, Hops: []rib.Hop{{Ifindex: 2}}}}
	b.sets.Touch(at)
	b.expect(t, "leaked, from where it is connected", b.after("10.0.0.1"), "10.0.0.1 10.0.0.1 by 10.0.0.1/32")
	if h := b.sets.Of(member("10.0.0.1"), rib.IPv4).Hops[0]; !h.OnLink {
		t.Errorf("the kernel would judge %+v", h)
	}
	b.sets.Resolver.View.Links[3] = rib.Link{Index: 3, Name: "vrf-a", VRFTable: 7, Up: true, Admin: true}
	b.own[at] = OwnRoute{Metric: 20, Stands: &Forwarding{Kind: rib.KindUnicast, Hops: []rib.Hop{{Ifindex: 3}}}}
	b.sets.Touch(at)
	b.expect(t, "leaked, to a VRF device", b.after("10.0.0.1"), "10.0.0.1 192.0.2.9 by 10.0.0.0/8")
}

// TestRecursionIsOffTheLink: who is on a link here is reached there, and no index is kept for
// them: routes cost nothing more.
func TestRecursionIsOffTheLink(t *testing.T) {
	b := recursing()
	b.sets.Resolver.Views = noViews{}
	b.has("192.0.2.9/32", "192.0.2.66")
	b.expect(t, "on the link", b.after("192.0.2.9"), "192.0.2.9 192.0.2.9")
	b.sets.Of(Member{Addr: netip.MustParseAddr("fe80::1%eth0")}, rib.IPv6)
	b.sets.Of(Member{Addr: netip.MustParseAddr("10.0.0.1"), Source: "other"}, rib.IPv4)
	if b.sets.Recurses() || b.sets.Due() {
		t.Error("BGP's routes are looked at though no nexthop may hang on one")
	}
	// The link goes, and the nexthop is one like any other.
	b.sets.Resolver.View.Foreign = nil
	b.has("192.0.0.0/16", "192.0.2.66")
	b.sets.ResolveAll()
	if !b.sets.Recurses() {
		t.Error("BGP's routes are not looked at")
	}
}
