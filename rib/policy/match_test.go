package policy

import (
	"net/netip"
	"testing"

	"github.com/vrfredist/vrfredist/rib"
)

// parsed reads the values of a list with a parser of this package, or of rib.
func parsed[T any](parse func(string) (T, error), list ...string) (out []T) {
	for _, s := range list {
		v, err := parse(s)
		if err != nil {
			panic(err)
		}
		out = append(out, v)
	}
	return out
}

func number(s string) *Numbers { return &parsed(ParseNumbers, s)[0] }

// aPath is a path of AS 65001 by way of 65002, from 192.0.2.2 in VRF red.
func aPath(change func(*rib.Subject, *rib.Attrs)) rib.Subject {
	a := &rib.Attrs{
		Via: &rib.Via{
			Nexthop: netip.MustParseAddr("192.0.2.9"), Peer: netip.MustParseAddr("192.0.2.2"), PeerAS: 65002, Source: "red",
		},
		Tags: &rib.Tags{
			RTs:         parsed(rib.ParseRT, "65000:10"),
			Communities: parsed(rib.ParseCommunity, "65001:1", "65001:2"),
			Large:       parsed(rib.ParseLargeCommunity, "65001:1:1", "65001:1:2"),
		},
		LocalPref: 100, MED: 5, ASPath: []uint32{65002, 65001}, ASPathLen: 2,
	}
	s := rib.Subject{Prefix: netip.MustParsePrefix("10.1.2.0/24"), Attrs: a, VRF: "red"}
	if change != nil {
		change(&s, a)
	}
	return s
}

// aRoute is a kernel route on its way to BGP.
func aRoute(change func(*rib.Subject, *rib.Route)) rib.Subject {
	r := &rib.Route{
		Prefix: netip.MustParsePrefix("10.1.2.0/24"), Protocol: rib.ProtoStatic, Metric: 7, Kind: rib.KindUnicast,
		Hops: []rib.Hop{{Gateway: netip.MustParseAddr("192.0.2.9"), Ifindex: 2}},
	}
	s := rib.Subject{
		Prefix: r.Prefix, VRF: "red", Route: r, Links: rib.Links{2: {Index: 2, Name: "lan0"}, 3: {Index: 3, Name: "wan0"}},
		Attrs: &rib.Attrs{Via: &rib.Via{Source: "red", Imported: true}, Tags: &rib.Tags{}, LocalPref: 100, MED: 7},
	}
	if change != nil {
		change(&s, r)
	}
	return s
}

func ofSet(kind rib.SegmentKind, ases ...uint32) func(*rib.Subject, *rib.Attrs) {
	return func(_ *rib.Subject, a *rib.Attrs) {
		a.Rare = &rib.Rare{Segments: []rib.ASSegment{{Kind: rib.ASSequence, ASes: a.ASPath}, {Kind: kind, ASes: ases}}}
		a.ASPath = append(append([]uint32(nil), a.ASPath...), ases...)
		a.ASPathLen++
	}
}

// tried is a condition with what it is about and what it is not about.
type tried struct {
	name string
	when Conditions
	is   []rib.Subject
	not  []rib.Subject
}

// anotherPath has nothing of what aPath has.
func anotherPath() rib.Subject {
	return aPath(func(s *rib.Subject, a *rib.Attrs) {
		s.Prefix, s.RPKI = netip.MustParsePrefix("2001:db8::/32"), rib.Invalid
		a.Via = &rib.Via{Nexthop: netip.MustParseAddr("fe80::9%eth1"), Peer: netip.MustParseAddr("fe80::2%eth0")}
		a.Tags, a.LocalPref, a.MED, a.ASPath, a.ASPathLen = &rib.Tags{}, 50, 0, nil, 0
	})
}

func conditionsOnAttributes(t *testing.T) []tried {
	other := anotherPath()
	return []tried{
		{"prefixes", Conditions{Prefixes: prefixes(t, "10.0.0.0/8 le 24", "::/0")}, []rib.Subject{aPath(nil), aRoute(nil)}, []rib.Subject{other}},
		{"families", Conditions{Families: []rib.Family{rib.IPv4}}, []rib.Subject{aPath(nil), aRoute(nil)}, []rib.Subject{other}},
		{"communities: any", Conditions{Communities: parsed(rib.ParseCommunity, "65009:9", "65001:2")}, []rib.Subject{aPath(nil)}, []rib.Subject{other, aRoute(nil)}},
		{"communities: none of it", Conditions{Communities: parsed(rib.ParseCommunity, "no-export")}, nil, []rib.Subject{aPath(nil), other}},
		{"communities_all", Conditions{CommunitiesAll: parsed(rib.ParseCommunity, "65001:2", "65001:1")}, []rib.Subject{aPath(nil)}, []rib.Subject{other}},
		{"communities_all: one is missing", Conditions{CommunitiesAll: parsed(rib.ParseCommunity, "65001:2", "65001:9")}, nil, []rib.Subject{aPath(nil)}},
		{"large_communities: any", Conditions{Large: parsed(rib.ParseLargeCommunity, "65009:1:1", "65001:1:2", "1:1:1")}, []rib.Subject{aPath(nil)}, []rib.Subject{other}},
		{"large_communities_all", Conditions{LargeAll: parsed(rib.ParseLargeCommunity, "65001:1:2", "65001:1:1")}, []rib.Subject{aPath(nil)}, []rib.Subject{other}},
		{"large_communities_all: one is missing", Conditions{LargeAll: parsed(rib.ParseLargeCommunity, "65001:1:2", "65001:1:3")}, nil, []rib.Subject{aPath(nil)}},
		{"route_targets", Conditions{RouteTargets: parsed(rib.ParseRT, "65000:10", "1:1")}, []rib.Subject{aPath(nil)}, []rib.Subject{other}},
		{
			"ext_communities", Conditions{Extended: parsed(rib.ParseExtCommunity, "soo:65000:1", "color:7")},
			[]rib.Subject{aPath(func(_ *rib.Subject, a *rib.Attrs) {
				a.Rare = &rib.Rare{Extended: parsed(rib.ParseExtCommunity, "soo:65000:1")}
			})}, []rib.Subject{aPath(nil), other},
		},
		{"ext_communities: a route target is one too", Conditions{Extended: parsed(rib.ParseExtCommunity, "rt:65000:10")}, []rib.Subject{aPath(nil)}, []rib.Subject{other}},
		{"origin_as", Conditions{OriginAS: []uint32{65009, 65001}}, []rib.Subject{aPath(nil)}, []rib.Subject{other, aPath(ofSet(rib.ASSet, 65001))}},
		{"as_path_length", Conditions{ASPathLength: number("2-3")}, []rib.Subject{aPath(nil), aPath(ofSet(rib.ASSet, 1, 2, 3))}, []rib.Subject{other}},
		{"local_pref", Conditions{LocalPref: number(">= 100")}, []rib.Subject{aPath(nil), aRoute(nil)}, []rib.Subject{other}},
		{"med", Conditions{MED: number("5")}, []rib.Subject{aPath(nil)}, []rib.Subject{other, aRoute(nil)}},
		{"med of a kernel route is what is announced", Conditions{MED: number("<= 7")}, []rib.Subject{aRoute(nil)}, nil},
		{"metric", Conditions{Metric: number("7")}, []rib.Subject{aRoute(nil)}, []rib.Subject{aPath(nil)}},
		{"metric: another", Conditions{Metric: number("8-9")}, nil, []rib.Subject{aRoute(nil)}},
		{"rpki", Conditions{RPKI: []rib.Validity{rib.Invalid}}, []rib.Subject{other}, []rib.Subject{aPath(nil), aRoute(nil)}},
		{"rpki: without a cache all is not found", Conditions{RPKI: []rib.Validity{rib.NotFound}}, []rib.Subject{aPath(nil)}, []rib.Subject{other}},
	}
}

func conditionsOnOrigin() []tried {
	other := anotherPath()
	return []tried{
		{"neighbors: an address", Conditions{Neighbors: parsed(ParseNeighbor, "192.0.2.2")}, []rib.Subject{aPath(nil)}, []rib.Subject{other, aRoute(nil)}},
		{"neighbors: a prefix", Conditions{Neighbors: parsed(ParseNeighbor, "192.0.2.0/24")}, []rib.Subject{aPath(nil)}, []rib.Subject{other}},
		{"neighbors: of a VRF", Conditions{Neighbors: parsed(ParseNeighbor, "192.0.2.2@red")}, []rib.Subject{aPath(nil)}, []rib.Subject{
			aPath(func(_ *rib.Subject, a *rib.Attrs) { v := *a.Via; v.Source = "blue"; a.Via = &v }),
			aPath(func(_ *rib.Subject, a *rib.Attrs) { v := *a.Via; v.Source = ""; a.Via = &v }),
		}},
		{"neighbors: of the global table", Conditions{Neighbors: parsed(ParseNeighbor, "fe80::2@default")}, []rib.Subject{other}, []rib.Subject{aPath(nil)}},
		{"neighbors: on a link", Conditions{Neighbors: parsed(ParseNeighbor, "fe80::2%eth0")}, []rib.Subject{other}, []rib.Subject{aPath(nil)}},
		{"neighbors: on another link", Conditions{Neighbors: parsed(ParseNeighbor, "fe80::2%eth1")}, nil, []rib.Subject{other}},
		{"neighbors: on any link", Conditions{Neighbors: parsed(ParseNeighbor, "fe80::/10")}, []rib.Subject{other}, nil},
		{"neighbors: none sent it", Conditions{Neighbors: parsed(ParseNeighbor, "0.0.0.0/0", "::/0")}, []rib.Subject{aPath(nil), other}, []rib.Subject{
			aRoute(nil), aPath(func(_ *rib.Subject, a *rib.Attrs) { a.Via = &rib.Via{Source: "red", Imported: true} }),
		}},
		{"nexthops", Conditions{Nexthops: parsed(ParseRange, "192.0.2.8/31")}, []rib.Subject{aPath(nil), aRoute(nil)}, []rib.Subject{other}},
		{"nexthops: link-local", Conditions{Nexthops: parsed(ParseRange, "fe80::9%eth1")}, []rib.Subject{other}, []rib.Subject{aPath(nil)}},
		{"nexthops: the link-local one beside", Conditions{Nexthops: parsed(ParseRange, "fe80::1")}, []rib.Subject{
			aPath(func(_ *rib.Subject, a *rib.Attrs) {
				v := *a.Via
				v.LinkLocal = netip.MustParseAddr("fe80::1%eth0")
				a.Via = &v
			}),
		}, []rib.Subject{aPath(nil)}},
		{"nexthops: a gateway on its link", Conditions{Nexthops: parsed(ParseRange, "fe80::1%lan0")}, []rib.Subject{
			aRoute(func(_ *rib.Subject, r *rib.Route) {
				r.Hops = []rib.Hop{{Gateway: netip.MustParseAddr("fe80::1"), Ifindex: 2}}
			}),
		}, []rib.Subject{
			aRoute(func(_ *rib.Subject, r *rib.Route) {
				r.Hops = []rib.Hop{{Gateway: netip.MustParseAddr("fe80::1"), Ifindex: 3}}
			}),
			aRoute(func(_ *rib.Subject, r *rib.Route) { r.Hops = []rib.Hop{{Ifindex: 2}} }),
		}},
		{"protocols", Conditions{Protocols: []uint8{rib.ProtoDHCP, rib.ProtoStatic}}, []rib.Subject{aRoute(nil)}, []rib.Subject{
			aPath(nil), aRoute(func(_ *rib.Subject, r *rib.Route) { r.Protocol = rib.ProtoKernel }),
		}},
		{"interfaces", Conditions{Interfaces: []string{"eth*", "lan?"}}, []rib.Subject{
			aRoute(nil), aRoute(func(_ *rib.Subject, r *rib.Route) { r.Hops = append([]rib.Hop{{Ifindex: 3}}, r.Hops...) }),
		}, []rib.Subject{
			aPath(nil), aRoute(func(_ *rib.Subject, r *rib.Route) { r.Hops = []rib.Hop{{Ifindex: 3}} }), aRoute(func(_ *rib.Subject, r *rib.Route) { r.Hops = nil }),
		}},
		{"source_vrfs", Conditions{SourceVRFs: []string{"blue", "red"}}, []rib.Subject{aPath(nil)}, []rib.Subject{other}},
		{"source_vrfs: the global table", Conditions{SourceVRFs: []string{"default"}}, []rib.Subject{other}, []rib.Subject{
			aPath(nil), aPath(func(s *rib.Subject, a *rib.Attrs) { v := *a.Via; v.Source = ""; a.Via, s.RD = &v, 1 }), // of another PE
		}},
		{"as_path and more", Conditions{ASPath: parsed(ParseASPath, "^65002_"), LocalPref: number("100")}, []rib.Subject{aPath(nil)}, []rib.Subject{other}},
		{"as_path and what is not so", Conditions{ASPath: parsed(ParseASPath, "^65002_"), LocalPref: number("101")}, nil, []rib.Subject{aPath(nil)}},
	}
}

// TestConditions tries each condition on what it is about and on what it is not.
func TestConditions(t *testing.T) {
	for _, tc := range append(conditionsOnAttributes(t), conditionsOnOrigin()...) {
		when, unless := tc.when.tests(false), tc.when.tests(true)
		for i, s := range append(tc.is, tc.not...) {
			want := i < len(tc.is)
			if got := matches(when, &s); got != want {
				t.Errorf("%s: subject %d: %t, want %t", tc.name, i, got, want)
			}
			if len(unless) != 1 {
				continue
			}
			if got := matches(unless, &s); got == want {
				t.Errorf("not_%s: subject %d: %t, want %t", tc.name, i, got, !want)
			}
		}
	}
}

// TestASPath has GoBGP's and FRR's meaning of an underscore, on paths with sets too.
func TestASPath(t *testing.T) {
	path := func(segments ...rib.ASSegment) *rib.Attrs {
		a := &rib.Attrs{Rare: &rib.Rare{Segments: segments}}
		for _, s := range segments {
			a.ASPath = append(a.ASPath, s.ASes...)
		}
		if len(segments) == 1 && segments[0].Kind == rib.ASSequence {
			a.Rare = nil
		}
		return a
	}
	seq := func(ases ...uint32) rib.ASSegment { return rib.ASSegment{Kind: rib.ASSequence, ASes: ases} }
	set := func(ases ...uint32) rib.ASSegment { return rib.ASSegment{Kind: rib.ASSet, ASes: ases} }
	for _, tc := range []struct {
		expr string
		path *rib.Attrs
		want bool
	}{
		{"^65001_", path(seq(65001, 2)), true},
		{"^65001_", path(seq(65001)), true},
		{"^65001_", path(seq(650011)), false},
		{"^65001_", path(seq(2, 65001)), false},
		{"^65001_", path(seq(65001), set(1, 2)), true},
		{"_65001$", path(seq(2, 65001)), true},
		{"_65001$", path(seq(165001)), false},
		{"_65001$", path(seq(2), set(3, 65001)), false},
		{"_65001}$", path(seq(2), set(3, 65001)), true},
		{"_65001_", path(seq(2, 65001, 3)), true},
		{"_65001_", path(seq(2, 3)), false},
		{"_65001_", path(seq(2), set(3, 65001)), true},
		{"_65001_", path(rib.ASSegment{Kind: rib.ConfedSequence, ASes: []uint32{65001, 9}}, seq(2)), true},
		{`^\(64512 64513\) 2$`, path(rib.ASSegment{Kind: rib.ConfedSequence, ASes: []uint32{64512, 64513}}, seq(2)), true},
		{`^\[64512,64513\]_2$`, path(rib.ASSegment{Kind: rib.ConfedSet, ASes: []uint32{64512, 64513}}, seq(2)), true},
		{"^65001$", path(seq(65001)), true},
		{"^65001$", path(seq(65001, 65001)), false},
		{"^$", path(seq()), true},
		{"^$", &rib.Attrs{}, true},
		{"^$", path(seq(1)), false},
		{"^065001$", path(seq(65001)), false},
		{"^(65001_)+$", path(seq(65001, 65001)), true},
		{"[0-9]+_65[0-9]+_65100$", path(seq(1, 65001, 65100)), true},
		{"^4294967295_", path(seq(4294967295)), true},
		{"^4294967296_", path(seq(0)), false},
	} {
		list := parsed(ParseASPath, tc.expr)
		if got := matchASPath(list, tc.path); got != tc.want {
			t.Errorf("%s on %v: %t, want %t", tc.expr, tc.path, got, tc.want)
		}
		if list[0].form = anyForm; matchASPath(list, tc.path) != tc.want {
			t.Errorf("%s on %v: by the regular expression it is not %t", tc.expr, tc.path, tc.want)
		}
	}
	if _, err := ParseASPath("^(65001"); err == nil {
		t.Error("a bracket that is not closed is taken")
	}
}

// TestJudgingAllocatesNothing where nothing is changed, whatever a rule looks at.
func TestJudgingAllocatesNothing(t *testing.T) {
	p := Compile(Definition{Name: "all", Default: Accept, Rules: []Rule{
		{When: Conditions{ASPath: parsed(ParseASPath, "_6500[3-9]_", "_7_")}, Action: Reject},
		{When: Conditions{Prefixes: prefixes(t, "10.9.0.0/16 le 24")}, Action: Reject},
		{When: Conditions{Communities: parsed(rib.ParseCommunity, "1:1"), Neighbors: parsed(ParseNeighbor, "192.0.2.0/24@blue")}, Action: Reject},
		{When: Conditions{Neighbors: parsed(ParseNeighbor, "192.0.2.0/24@blue")}, Action: Reject},
		{When: Conditions{Nexthops: parsed(ParseRange, "198.51.100.0/24")}, Action: Reject},
		{When: Conditions{SourceVRFs: []string{"blue"}, Interfaces: []string{"x*"}, Extended: parsed(rib.ParseExtCommunity, "soo:1:1")}, Action: Reject},
		{When: Conditions{Large: parsed(rib.ParseLargeCommunity, "1:1:1")}, Action: Reject},
		{When: Conditions{OriginAS: []uint32{9}}, Action: Reject},
		{When: Conditions{Interfaces: []string{"x*"}}, Action: Reject},
		{Set: Changes{MED: new(uint32(5)), LocalPref: new(uint32(100))}, Action: Next, When: Conditions{Families: []rib.Family{rib.IPv4}, MED: number("5")}},
	}})
	for _, s := range []rib.Subject{aPath(nil), aRoute(nil), aPath(ofSet(rib.ASSet, 1, 2))} {
		if p.Judge(s, nil).Rejected {
			t.Fatal("it is rejected")
		}
		if n := testing.AllocsPerRun(200, func() { p.Judge(s, nil) }); n != 0 {
			t.Errorf("%v allocations", n)
		}
	}
}
