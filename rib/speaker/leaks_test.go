package speaker

import (
	"fmt"
	"net/netip"
	"slices"
	"testing"

	"github.com/vrfredist/vrfredist/rib"
)

// threeVRFs have a path of a neighbour each: of RD 1 to 3 in red, green and blue, and of none
// in the global table.
var threeVRFs = []VRF{
	{Name: "blue", RD: 3, ImportRTs: []rib.RT{3}, ExportRTs: []rib.RT{3}},
	{Name: "green", RD: 2, ImportRTs: []rib.RT{2}, ExportRTs: []rib.RT{2}},
	{Name: "red", RD: 1, ImportRTs: []rib.RT{1}, ExportRTs: []rib.RT{1}},
}

// of makes a path that a neighbour in a VRF sent.
func of(vrf string, prefix netip.Prefix, id uint32) (Destination, rib.Path) {
	v, _ := FindVRF(threeVRFs, vrf)
	d, source := Destination{RD: v.RD, Prefix: prefix}, vrf
	if vrf == Default {
		source = ""
	}
	return d, rib.Path{Prefix: prefix, RD: v.RD, ID: id, Attrs: &rib.Attrs{
		Via: &rib.Via{Peer: netip.MustParseAddr("192.0.2.1"), Source: source}, Tags: &rib.Tags{RTs: v.ExportRTs}, LocalPref: 200, MED: 7,
	}}
}

// everywhere names, as "vrf: source", where a prefix is and from where.
func everywhere(t *testing.T, feeds *Feeds, prefix netip.Prefix) (out []string) {
	t.Helper()
	for _, vrf := range []string{"blue", Default, "green", "red"} {
		for _, p := range feedOf(t, feeds, vrf).Lookup(prefix) {
			if p.Attrs.ByRule {
				out = append(out, fmt.Sprintf("%s: of %s, preference %d, MED %d", vrf, p.Attrs.Source, p.Attrs.LocalPref, p.Attrs.MED))
			} else {
				out = append(out, vrf)
			}
		}
	}
	return out
}

// TestLeaks: a path goes where a rule lets it in, and no further, whichever VRFs leak from
// each other; and it goes from there with its destination.
func TestLeaks(t *testing.T) {
	t.Parallel()
	ring := map[string][]rib.LeakRule{
		Default: {{From: "blue"}}, "red": {{From: Default}}, "green": {{From: "red"}}, "blue": {{From: "green"}},
	}
	star := map[string][]rib.LeakRule{
		Default: {{From: "red"}, {From: "green"}}, "red": {{From: Default}}, "green": {{From: Default}, {From: "red"}},
	}
	as := func(into, source string) string { return into + ": of " + source + ", preference 100, MED 7" }
	for _, test := range []struct {
		name  string
		rules map[string][]rib.LeakRule
		from  string
		want  []string
	}{
		{"ring", ring, Default, []string{Default, as("red", Default)}},
		{"ring", ring, "red", []string{as("green", "red"), "red"}},
		{"ring", ring, "green", []string{as("blue", "green"), "green"}},
		{"ring", ring, "blue", []string{"blue", as(Default, "blue")}},
		{"star", star, Default, []string{Default, as("green", Default), as("red", Default)}},
		{"star", star, "red", []string{as(Default, "red"), as("green", "red"), "red"}},
		{"star", star, "blue", []string{"blue"}},
		{"no rules", nil, "red", []string{"red"}},
	} {
		t.Run(test.name+" of "+test.from, func(t *testing.T) {
			t.Parallel()
			feeds := NewFeeds(threeVRFs)
			in := NewIntake(threeVRFs, test.rules, nil, feeds, NewMarkers(), nil)
			in.Sync()
			d, p := of(test.from, one, 1)
			take(in, d, p)
			if got := everywhere(t, feeds, one); !slices.Equal(got, test.want) {
				t.Errorf("it is in %q, want %q", got, test.want)
			}
			take(in, d)
			if got := everywhere(t, feeds, one); got != nil || len(in.index.at[0])+len(in.index.at[1]) > 0 {
				t.Errorf("it went, and is in %q; the index keeps %v", got, in.index.at)
			}
		})
	}
}

// TestLeakBesideTargets: what route targets let in comes by them alone, and what another
// router sent as a VPN route is not the VRF's to leak.
func TestLeakBesideTargets(t *testing.T) {
	t.Parallel()
	feeds := NewFeeds(threeVRFs)
	in := NewIntake(threeVRFs, map[string][]rib.LeakRule{"green": {{From: "red"}}}, nil, feeds, NewMarkers(), nil)
	in.Sync()
	d, p := of("red", one, 1)
	p.Attrs.RTs = []rib.RT{1, 2}
	take(in, d, p)
	if got, want := everywhere(t, feeds, one), []string{"green", "red"}; !slices.Equal(got, want) {
		t.Errorf("it is in %q, want %q", got, want)
	}
	_, q := of("red", one, 2)
	take(in, d, p, q) // of one destination, one by targets and one by the rule
	if got, want := everywhere(t, feeds, one), []string{"green", "green: of red, preference 100, MED 7", "red", "red"}; !slices.Equal(got, want) {
		t.Errorf("they are in %q, want %q", got, want)
	}
	take(in, d)
	vpn := vpnPath(one, 1, 1) // of a PE, with red's target
	take(in, Destination{RD: 5, Prefix: one}, vpn)
	if got, want := everywhere(t, feeds, one), []string{"red"}; !slices.Equal(got, want) {
		t.Errorf("a PE's path is in %q, want %q", got, want)
	}
	retold := rib.Path{Prefix: two, RD: 1, ID: 9, Attrs: &rib.Attrs{Via: &rib.Via{Source: "red", Imported: true, As: rib.FromLeak}, Tags: new(rib.Tags)}}
	take(in, Destination{RD: 1, Prefix: two}, retold)
	if got := everywhere(t, feeds, two); got != nil {
		t.Errorf("what red itself has by a leak is in %q", got)
	}
}

// refuser is a policy that refuses a prefix, and sets what it lets through.
type refuser struct{ more uint32 }

func (*refuser) Name() string   { return "refuser" }
func (*refuser) String() string { return "refuser" }

func (r *refuser) Judge(s rib.Subject, _ *rib.Hearing) rib.Ruling {
	if s.Prefix == two {
		return rib.Ruling{Attrs: s.Attrs, Rejected: true, By: "the test"}
	}
	a := *s.Attrs
	a.LocalPref += r.more
	return rib.Ruling{Attrs: &a}
}

// TestLeakPolicy: it judges what a rule lets in, as the other VRF gets it.
func TestLeakPolicy(t *testing.T) {
	t.Parallel()
	feeds := NewFeeds(threeVRFs)
	in := NewIntake(threeVRFs, map[string][]rib.LeakRule{"red": {{From: Default, Policy: &refuser{50}}}}, nil, feeds, NewMarkers(), nil)
	in.Sync()
	for _, prefix := range []netip.Prefix{one, two} {
		d, p := of(Default, prefix, 1)
		take(in, d, p)
	}
	if got, want := everywhere(t, feeds, one), []string{Default, "red: of default, preference 150, MED 7"}; !slices.Equal(got, want) {
		t.Errorf("%q, want %q", got, want)
	}
	if got, want := everywhere(t, feeds, two), []string{Default}; !slices.Equal(got, want) {
		t.Errorf("%q, want %q", got, want)
	}
}

// TestLeakLimit: as many prefixes come in as may, another one when one goes, and after the
// tables were read again the same ones.
func TestLeakLimit(t *testing.T) {
	t.Parallel()
	feeds := NewFeeds(threeVRFs)
	rules := map[string][]rib.LeakRule{"red": {{From: Default, MaxPrefixes: 2}}}
	all := make([]netip.Prefix, 5)
	for i := range all {
		all[i] = netip.PrefixFrom(netip.AddrFrom4([4]byte{10, byte(i), 0, 0}), 16)
	}
	inRed := func() []netip.Prefix {
		list := slices.Clone(feedOf(t, feeds, "red").WithPaths())
		slices.SortFunc(list, netip.Prefix.Compare)
		return list
	}
	counts := func(in *Intake, prefixes, over int) {
		t.Helper()
		if c := in.Leaks(); len(c) != 1 || c[0].Prefixes != prefixes || c[0].Over != over || len(inRed()) != prefixes {
			t.Errorf("counted %+v, want %d and %d over; in red are %v", c, prefixes, over, inRed())
		}
	}
	in := NewIntake(threeVRFs, rules, nil, feeds, NewMarkers(), nil)
	in.Sync()
	for _, prefix := range all {
		d, p := of(Default, prefix, 1)
		take(in, d, p)
	}
	counts(in, 2, 3)
	was := inRed()
	if want := all[:2]; !slices.Equal(was, want) {
		t.Errorf("in red are %v, want the first, %v", was, want)
	}
	again := NewIntake(threeVRFs, rules, nil, feeds, NewMarkers(), nil)
	again.Replace()
	for _, prefix := range slices.Backward(all) {
		d, p := of(Default, prefix, 1)
		take(again, d, p)
	}
	again.Sync()
	counts(again, 2, 3)
	if got := inRed(); !slices.Equal(got, was) {
		t.Errorf("after another reading %v are in red, before it were %v", got, was)
	}
	for _, left := range []int{4, 3, 2, 1} {
		d, _ := of(Default, inRed()[0], 1)
		take(again, d)
		counts(again, min(2, left), max(0, left-2))
	}
	last := NewIntake(threeVRFs, map[string][]rib.LeakRule{}, nil, feeds, NewMarkers(), nil)
	last.Replace()
	last.Sync()
	if got := inRed(); len(got) > 0 {
		t.Errorf("without the rule %v stay in red", got)
	}
}

// TestLeakConverges: a VRF has all when those have sent theirs from whom it leaks.
func TestLeakConverges(t *testing.T) {
	t.Parallel()
	feeds := NewFeeds(threeVRFs)
	four := []Family{{Of: rib.IPv4}}
	in := NewIntake(threeVRFs, map[string][]rib.LeakRule{"red": {{From: Default}}, Default: {{From: "blue"}}},
		[]Neighbour{{Address: "192.0.2.1", Families: four}, {Address: "192.0.2.2", VRF: "blue", Families: four}}, feeds, NewMarkers(), nil)
	in.Sync()
	is := func(want ...bool) {
		t.Helper()
		for i, vrf := range []string{"red", Default, "blue", "green"} {
			if got := feedOf(t, feeds, vrf).Converged(rib.IPv4); got != want[i] {
				t.Errorf("%s is converged: %v, want %v", vrf, got, want[i])
			}
		}
	}
	is(false, false, false, true)
	in.EndOfRIB(Marker{"192.0.2.1", four[0]})
	is(true, false, false, true)
	in.EndOfRIB(Marker{"192.0.2.2", four[0]})
	is(true, true, true, true)
}

// TestLeakLimitOfSharedPrefixes: that others have a prefix too is nothing to the limit of a leak,
// neither what they send of it nor what they withdraw.
func TestLeakLimitOfSharedPrefixes(t *testing.T) {
	t.Parallel()
	feeds := NewFeeds(threeVRFs)
	in := NewIntake(threeVRFs, map[string][]rib.LeakRule{"red": {{From: "blue", MaxPrefixes: 1}}}, nil, feeds, NewMarkers(), nil)
	in.Sync()
	leaked := func() (n int) {
		feedOf(t, feeds, "red").Each(func(p rib.Path) {
			if p.Attrs.ByRule {
				n++
			}
		})
		return n
	}
	for i := range byte(3) {
		prefix := netip.PrefixFrom(netip.AddrFrom4([4]byte{10, i, 0, 0}), 16)
		for _, vrf := range []string{"blue", "red", "green"} {
			d, p := of(vrf, prefix, 1)
			take(in, d, p)
			if vrf != "blue" {
				take(in, d)
			}
		}
		if n := leaked(); n != 1 {
			t.Errorf("with %d prefixes of blue, red has %d of them, want 1", i+1, n)
		}
	}
}
