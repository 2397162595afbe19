package policy

import (
	"net/netip"
	"slices"
	"strings"
	"testing"

	"github.com/vrfredist/vrfredist/rib"
)

// accepting is a policy of one rule without conditions.
func accepting(set Changes) *Policy {
	return Compile(Definition{Name: "set", Default: Accept, Rules: []Rule{{Set: set, Action: Accept}}})
}

// changeTried is an action, what differs afterwards, and what explain says of it.
type changeTried struct {
	name  string
	set   Changes
	of    rib.Subject
	ok    func(a *rib.Attrs, r rib.Ruling) bool
	words string
}

func changesOfNumbers() []changeTried {
	bandwidth := func(megabits string) func(*rib.Subject, *rib.Attrs) {
		return func(_ *rib.Subject, a *rib.Attrs) {
			a.Rare = &rib.Rare{Extended: parsed(rib.ParseExtCommunity, map[string]string{"10000": "0x4004fde84e9502f9", "tiny": "0x4004fde83f800000", "negative": "0x4004fde8bf800000"}[megabits])}
		}
	}
	return []changeTried{
		{"set_local_pref", Changes{LocalPref: new(uint32(200))}, aPath(nil), func(a *rib.Attrs, _ rib.Ruling) bool { return a.LocalPref == 200 && a.MED == 5 }, "sets local preference 200"},
		{"set_local_pref to 0", Changes{LocalPref: new(uint32(0))}, aPath(nil), func(a *rib.Attrs, _ rib.Ruling) bool { return a.LocalPref == 0 }, "sets local preference 0"},
		{"set_med", Changes{MED: new(uint32(0))}, aPath(nil), func(a *rib.Attrs, _ rib.Ruling) bool { return a.MED == 0 }, "sets MED 0"},
		{"set_med of a kernel route", Changes{MED: new(uint32(9))}, aRoute(nil), func(a *rib.Attrs, _ rib.Ruling) bool { return a.MED == 9 }, "sets MED 9"},
		{"set_metric", Changes{Metric: 77}, aPath(nil), func(a *rib.Attrs, _ rib.Ruling) bool { return a.KernelTerms().Metric == 77 }, "sets metric 77"},
		{
			"set_prefsrc", Changes{PrefSrc: [rib.Families]netip.Addr{netip.MustParseAddr("192.0.2.1"), netip.MustParseAddr("2001:db8::1")}}, aPath(nil),
			func(a *rib.Attrs, _ rib.Ruling) bool {
				return a.KernelTerms().PrefSrc[rib.IPv4] == netip.MustParseAddr("192.0.2.1") && a.KernelTerms().PrefSrc[rib.IPv6].Is6()
			}, "sets source address 192.0.2.1, 2001:db8::1",
		},
		{"set_weight", Changes{Weight: 3}, aPath(nil), func(a *rib.Attrs, _ rib.Ruling) bool { return a.KernelTerms() == rib.KernelTerms{Weight: 3} }, "sets weight 3"},
		{"weight_from_bandwidth", Changes{WeightBandwidth: true}, aPath(bandwidth("10000")), func(a *rib.Attrs, _ rib.Ruling) bool {
			return a.KernelTerms() == rib.KernelTerms{Weight: 10000, ByBandwidth: true} && len(a.Extended()) == 1
		}, "takes the weight from the link bandwidth"},
		{"weight_from_bandwidth: nearly none", Changes{WeightBandwidth: true}, aPath(bandwidth("tiny")), func(a *rib.Attrs, _ rib.Ruling) bool { return a.KernelTerms().Weight == 1 }, ""},
		{"weight_from_bandwidth: no number", Changes{WeightBandwidth: true}, aPath(bandwidth("negative")), func(a *rib.Attrs, _ rib.Ruling) bool { return a.KernelTerms().Weight == 0 }, ""},
		{"set_nexthop", Changes{Nexthop: Nexthop{Addr: netip.MustParseAddr("192.0.2.77")}}, aPath(nil), func(a *rib.Attrs, r rib.Ruling) bool {
			return a.Nexthop == netip.MustParseAddr("192.0.2.77") && a.Peer == netip.MustParseAddr("192.0.2.2") && r.Nexthop == rib.NexthopUsual
		}, "sets nexthop 192.0.2.77"},
		{"set_nexthop: of the other family", Changes{Nexthop: Nexthop{Addr: netip.MustParseAddr("2001:db8::77")}}, aPath(nil), func(a *rib.Attrs, _ rib.Ruling) bool { return a.Nexthop == netip.MustParseAddr("192.0.2.9") }, ""},
		{"set_nexthop: self", Changes{Nexthop: Nexthop{Told: rib.NexthopSelf}}, aPath(nil), func(a *rib.Attrs, r rib.Ruling) bool {
			return r.Nexthop == rib.NexthopSelf && a.Nexthop == netip.MustParseAddr("192.0.2.9")
		}, "sets nexthop self"},
		{"set_nexthop: unchanged", Changes{Nexthop: Nexthop{Told: rib.NexthopUnchanged}}, aPath(nil), func(_ *rib.Attrs, r rib.Ruling) bool { return r.Nexthop == rib.NexthopUnchanged }, "sets nexthop unchanged"},
	}
}

func changesOfLists() []changeTried {
	return []changeTried{
		{"prepend_as: the path's own", Changes{Prepend: 2}, aPath(nil), func(a *rib.Attrs, _ rib.Ruling) bool {
			return slices.Equal(a.ASPath, []uint32{65002, 65002, 65002, 65001}) && a.ASPathLen == 4
		}, "makes the AS path 2 longer"},
		{"prepend_as: ours", Changes{Prepend: 1}, aPath(func(s *rib.Subject, _ *rib.Attrs) { s.AS = 65000 }), func(a *rib.Attrs, _ rib.Ruling) bool {
			return slices.Equal(a.ASPath, []uint32{65000, 65002, 65001}) && a.ASPathLen == 3
		}, "makes the AS path 1 longer"},
		{"prepend_as: with a set", Changes{Prepend: 1}, aPath(ofSet(rib.ASSet, 7, 8)), func(a *rib.Attrs, _ rib.Ruling) bool {
			return slices.Equal(a.Rare.Segments[0].ASes, []uint32{65002, 65002, 65001}) && a.ASPathLen == 4 && len(a.Rare.Segments) == 2
		}, ""},
		{"prepend_as: an empty path", Changes{Prepend: 2}, aRoute(nil), func(a *rib.Attrs, _ rib.Ruling) bool { return len(a.ASPath) == 0 && a.ASPathLen == 0 }, ""},
		{"add_communities", Changes{Communities: CommunityChanges[rib.Community]{Add: parsed(rib.ParseCommunity, "65001:2", "no-export")}}, aPath(nil), tags("65001:1 65001:2 no-export", "65001:1:1 65001:1:2"), "adds communities 65001:2, no-export"},
		{"remove_communities", Changes{Communities: CommunityChanges[rib.Community]{Remove: parsed(rib.ParseCommunity, "65001:1", "1:1")}}, aPath(nil), tags("65001:2", "65001:1:1 65001:1:2"), "removes communities 65001:1, 1:1"},
		{"set_communities", Changes{Communities: CommunityChanges[rib.Community]{Replace: true, Set: parsed(rib.ParseCommunity, "1:1")}}, aPath(nil), tags("1:1", "65001:1:1 65001:1:2"), "sets communities 1:1"},
		{"set_communities to none", Changes{Communities: CommunityChanges[rib.Community]{Replace: true}}, aPath(nil), tags("", "65001:1:1 65001:1:2"), "sets communities"},
		{"add_large_communities", Changes{Large: CommunityChanges[rib.LargeCommunity]{Add: parsed(rib.ParseLargeCommunity, "1:1:1")}}, aPath(nil), tags("65001:1 65001:2", "65001:1:1 65001:1:2 1:1:1"), "adds large communities 1:1:1"},
		{"remove_large_communities", Changes{Large: CommunityChanges[rib.LargeCommunity]{Remove: parsed(rib.ParseLargeCommunity, "65001:1:1")}}, aPath(nil), tags("65001:1 65001:2", "65001:1:2"), "removes large communities 65001:1:1"},
		{"set_large_communities", Changes{Large: CommunityChanges[rib.LargeCommunity]{Replace: true, Set: parsed(rib.ParseLargeCommunity, "1:1:1")}}, aPath(nil), tags("65001:1 65001:2", "1:1:1"), "sets large communities 1:1:1"},
		{"the route targets stay", Changes{Communities: CommunityChanges[rib.Community]{Replace: true}}, aPath(nil), func(a *rib.Attrs, _ rib.Ruling) bool { return len(a.RTs) == 1 }, ""},
		{"LLGR_STALE is what it says", Changes{Communities: CommunityChanges[rib.Community]{Add: parsed(rib.ParseCommunity, "llgr-stale")}}, aPath(nil), func(a *rib.Attrs, _ rib.Ruling) bool { return a.Stale }, ""},
	}
}

// TestChanges tries each action.
func TestChanges(t *testing.T) {
	for _, tc := range append(changesOfNumbers(), changesOfLists()...) {
		was := *tc.of.Attrs
		wasVia, wasTags := *was.Via, *was.Tags
		var h rib.Hearing
		r := accepting(tc.set).Judge(tc.of, &h)
		if r.Rejected || !tc.ok(r.Attrs, r) {
			t.Errorf("%s: %+v %+v %+v", tc.name, r, r.Attrs, r.Attrs.Tags)
		}
		if again := accepting(tc.set).Judge(tc.of, nil); again.Attrs != r.Attrs {
			t.Errorf("%s: subjects with the same attributes do not share the changed ones", tc.name)
		}
		if now := *tc.of.Attrs; !slices.Equal(now.ASPath, was.ASPath) || now.LocalPref != was.LocalPref || now.Via != was.Via || *now.Via != wasVia || now.Tags != was.Tags || !slices.Equal(now.Communities, wasTags.Communities) || now.Rare != was.Rare {
			t.Errorf("%s: the path's own attributes changed", tc.name)
		}
		if got := strings.Join(h.Matched[0].Changes, "; "); tc.words != "" && got != tc.words {
			t.Errorf("%s: it is told as %q, want %q", tc.name, got, tc.words)
		}
	}
}

func tags(communities, large string) func(*rib.Attrs, rib.Ruling) bool {
	return func(a *rib.Attrs, _ rib.Ruling) bool {
		var c, l []string
		for _, v := range a.Communities {
			c = append(c, v.String())
		}
		for _, v := range a.Large {
			l = append(l, v.String())
		}
		return strings.Join(c, " ") == communities && strings.Join(l, " ") == large
	}
}

// TestNexthopOfTheOtherFamily: a rule about IPv4 prefixes alone may give them an IPv6 nexthop.
func TestNexthopOfTheOtherFamily(t *testing.T) {
	to := netip.MustParseAddr("2001:db8::77")
	for name, when := range map[string]Conditions{
		"families": {Families: []rib.Family{rib.IPv4}},
		"prefixes": {Prefixes: prefixes(t, "10.0.0.0/8 le 32")},
	} {
		p := Compile(Definition{Name: name, Default: Accept, Rules: []Rule{{When: when, Set: Changes{Nexthop: Nexthop{Addr: to}}, Action: Accept}}})
		if got := p.Judge(aPath(nil), nil).Attrs.Nexthop; got != to {
			t.Errorf("%s: %s", name, got)
		}
	}
}

// TestUnchangedStaysTheSame: what a rule sets that is so already makes no copy.
func TestUnchangedStaysTheSame(t *testing.T) {
	s := aPath(nil)
	p := accepting(Changes{LocalPref: new(uint32(100)), MED: new(uint32(5)), Communities: CommunityChanges[rib.Community]{Add: s.Attrs.Communities, Remove: parsed(rib.ParseCommunity, "7:7")}})
	if r := p.Judge(s, nil); r.Attrs != s.Attrs {
		t.Errorf("it is a copy: %+v", r.Attrs)
	}
}

// TestChangedIsBounded: a table with attributes of its own for each path does not stay in memory.
func TestChangedIsBounded(t *testing.T) {
	c := changer{set: &Changes{LocalPref: new(uint32(7)), Nexthop: Nexthop{Addr: netip.MustParseAddr("192.0.2.77")}}}
	for i := range 3*mostVias + 5 {
		s := aPath(func(_ *rib.Subject, a *rib.Attrs) {
			v := *a.Via
			v.Peer = netip.AddrFrom4([4]byte{10, byte(i >> 16), byte(i >> 8), byte(i)})
			a.Via = &v
		})
		if a := c.change(&s); a.LocalPref != 7 || a.Peer != s.Attrs.Peer {
			t.Fatalf("%+v", a)
		}
	}
	if len(c.young) > mostChanged || len(c.old) > mostChanged || len(c.vias) > mostVias {
		t.Errorf("%d and %d changed attributes, %d nexthops are kept", len(c.young), len(c.old), len(c.vias))
	}
}
