package policy

import (
	"maps"
	"net/netip"
	"slices"
	"testing"

	"github.com/vrfredist/vrfredist/rib"
)

// twoPaths are the candidates of one prefix: the first one is BGP's best.
func twoPaths() []rib.Path {
	one, other := aPath(nil), aPath(func(_ *rib.Subject, a *rib.Attrs) {
		via := *a.Via
		via.Nexthop, via.Peer, via.RouterID = netip.MustParseAddr("192.0.2.10"), netip.MustParseAddr("192.0.2.3"), netip.MustParseAddr("10.0.0.3")
		a.Via, a.LocalPref, a.Tags = &via, 50, &rib.Tags{Communities: parsed(rib.ParseCommunity, "65001:9")}
	})
	return []rib.Path{{Prefix: one.Prefix, ID: 1, Attrs: one.Attrs}, {Prefix: one.Prefix, ID: 2, Attrs: other.Attrs}}
}

// TestPoliciesInDecide: what a policy says is what the decision comes to.
func TestPoliciesInDecide(t *testing.T) {
	tagged := Conditions{Communities: parsed(rib.ParseCommunity, "65001:1")}
	for _, tc := range []struct {
		name   string
		rules  []Rule
		change func(*rib.ExportPolicy)
		out    rib.Cause
		chosen []uint32
		metric uint32
		src    string
		shares []uint16
		reason string
	}{
		{name: "the next path comes in", rules: []Rule{{When: tagged, Action: Reject}}, chosen: []uint32{2}, metric: 20},
		{name: "all are rejected", rules: []Rule{{Name: "none", Action: Reject}}, out: rib.PolicyRejects, chosen: []uint32{1}, metric: 20, reason: `policy "p", rule 1 (none) rejects it`},
		{name: "another one is preferred", rules: []Rule{{Unless: tagged, Set: Changes{LocalPref: new(uint32(200))}, Action: Accept}}, chosen: []uint32{2}, metric: 20},
		{name: "a longer path is behind", rules: []Rule{{Set: Changes{LocalPref: new(uint32(100))}, Action: Next}, {When: tagged, Set: Changes{Prepend: 1}, Action: Accept}}, chosen: []uint32{2}, metric: 20},
		{name: "the best one's metric and source", rules: []Rule{
			{When: tagged, Set: Changes{Metric: 50, PrefSrc: [rib.Families]netip.Addr{netip.MustParseAddr("192.0.2.1")}}, Action: Accept},
			{Set: Changes{Metric: 60}, Action: Accept},
		}, chosen: []uint32{1}, metric: 50, src: "192.0.2.1"},
		{name: "the export's where none is set", change: func(p *rib.ExportPolicy) { p.PrefSrc[rib.IPv4] = netip.MustParseAddr("192.0.2.7") }, rules: []Rule{{Action: Accept}}, chosen: []uint32{1}, metric: 20, src: "192.0.2.7"},
		{name: "communities are looked for in what it left", change: func(p *rib.ExportPolicy) { p.CommunityList = parsed(rib.ParseCommunity, "1:1") }, rules: []Rule{
			{When: tagged, Set: Changes{Communities: CommunityChanges[rib.Community]{Add: parsed(rib.ParseCommunity, "1:1")}}, Action: Accept},
		}, chosen: []uint32{1}, metric: 20},
		{name: "communities that it removed are not there", change: func(p *rib.ExportPolicy) { p.CommunityList = parsed(rib.ParseCommunity, "65001:1") }, rules: []Rule{
			{Set: Changes{Communities: CommunityChanges[rib.Community]{Replace: true}}, Action: Accept},
		}, out: rib.NoCommunity, chosen: []uint32{1}, metric: 20},
		{name: "shares", change: func(p *rib.ExportPolicy) { p.MaxPaths = 2 }, rules: []Rule{
			{Set: Changes{LocalPref: new(uint32(100))}, Action: Next},
			{When: tagged, Set: Changes{Weight: 3}, Action: Accept},
		}, chosen: []uint32{1, 2}, metric: 20, shares: []uint16{3, 1}},
	} {
		p := rib.ExportPolicy{Enabled: true, Metric: 20, MaxPaths: 1, Policy: Compile(Definition{Name: "p", Default: Accept, Rules: tc.rules})}
		if tc.change != nil {
			tc.change(&p)
		}
		x := rib.NewExporting("red", "red", p)
		c := rib.Candidates{Prefix: netip.MustParsePrefix("10.1.2.0/24"), Paths: twoPaths(), Own: rib.OwnPrefixesOf(rib.View{}, nil)}
		for _, trace := range []*rib.Trace{nil, new(rib.Trace)} {
			v := rib.Decide(x, &c, trace)
			var ids []uint32
			for _, path := range v.Chosen {
				ids = append(ids, path.ID)
			}
			src := ""
			if v.PrefSrc.IsValid() {
				src = v.PrefSrc.String()
			}
			if v.Out != tc.out || !slices.Equal(ids, tc.chosen) || v.Metric != tc.metric || src != tc.src || !slices.Equal(rib.Weights(nil, v.Chosen), tc.shares) {
				t.Errorf("%s: %d, %v, metric %d, source %s, shares %v", tc.name, v.Out, ids, v.Metric, src, rib.Weights(nil, v.Chosen))
			}
			if got := x.ReasonOf(&v, &c).String(); tc.reason != "" && got != tc.reason {
				t.Errorf("%s: %q", tc.name, got)
			}
		}
	}
}

// TestPoliciesInImport: what a kernel route is announced with.
func TestPoliciesInImport(t *testing.T) {
	v := rib.View{
		Where: rib.Where{Table: 254}, Links: rib.Links{2: {Index: 2, Name: "lan0", Up: true, Admin: true}, 3: {Index: 3, Name: "wan0", Up: true, Admin: true}},
		Foreign: rib.NewForeignTable([]rib.Route{
			{Prefix: netip.MustParsePrefix("10.1.0.0/16"), Protocol: rib.ProtoStatic, Metric: 5, Kind: rib.KindUnicast, Hops: []rib.Hop{{Gateway: netip.MustParseAddr("192.0.2.9"), Ifindex: 2}}},
			{Prefix: netip.MustParsePrefix("10.1.0.0/16"), Protocol: rib.ProtoDHCP, Metric: 9, Kind: rib.KindUnicast, Hops: []rib.Hop{{Ifindex: 3}}},
		}),
	}
	base := rib.ImportPolicy{Enabled: true, Interfaces: []string{"*"}, Communities: parsed(rib.ParseCommunity, "65001:1")}
	for _, tc := range []struct {
		name  string
		rules []Rule
		want  func(rib.Import, rib.Cause) bool
	}{
		{"as it is", []Rule{{Action: Accept}}, func(in rib.Import, out rib.Cause) bool {
			a := in.Announcement
			return out == rib.Accepted && a.MED == 5 && a.LocalPref == nil && a.Prepend == 0 && len(a.Communities) == 1
		}},
		{"what is set is announced", []Rule{{
			When: Conditions{Protocols: []uint8{rib.ProtoStatic}, Interfaces: []string{"lan*"}, Metric: number("<= 5"), Communities: parsed(rib.ParseCommunity, "65001:1")},
			Set: Changes{
				MED: new(uint32(7)), LocalPref: new(uint32(0)), Prepend: 3,
				Communities: CommunityChanges[rib.Community]{Add: parsed(rib.ParseCommunity, "1:1")}, Large: CommunityChanges[rib.LargeCommunity]{Add: parsed(rib.ParseLargeCommunity, "1:1:1")},
			}, Action: Accept,
		}, {Action: Reject}}, func(in rib.Import, out rib.Cause) bool {
			a := in.Announcement
			return out == rib.Accepted && a.MED == 7 && a.LocalPref != nil && *a.LocalPref == 0 && a.Prepend == 3 && len(a.Communities) == 2 && len(a.Large) == 1
		}},
		{"the next route comes in", []Rule{{When: Conditions{Nexthops: parsed(ParseRange, "192.0.2.0/24")}, Action: Reject}}, func(in rib.Import, out rib.Cause) bool {
			return out == rib.Accepted && in.Route.Protocol == rib.ProtoDHCP && in.Announcement.MED == 9
		}},
		{"none", []Rule{{Action: Reject}}, func(_ rib.Import, out rib.Cause) bool { return out == rib.PolicyRejects }},
	} {
		policy := base
		policy.Policy = Compile(Definition{Name: "p", Default: Accept, Rules: tc.rules})
		x := rib.NewImporting("red", policy, rib.ProtoOwn)
		prefix := netip.MustParsePrefix("10.1.0.0/16")
		in, out := rib.DecideImport(x, v, prefix, nil, nil)
		if !tc.want(in, out) {
			t.Errorf("%s: %+v, %d", tc.name, in, out)
		}
		if set, is := maps.Collect(rib.ImportSet(x, v, nil))[prefix]; is != (out == rib.Accepted) || is && !set.Announcement.Equal(&in.Announcement) {
			t.Errorf("%s: of all routes %+v, and of this one %+v", tc.name, set, in)
		}
		if again, _ := rib.DecideImport(x, v, prefix, nil, new(rib.Trace)); !again.Announcement.Equal(&in.Announcement) {
			t.Errorf("%s: with a trace %+v", tc.name, again)
		}
	}
}
