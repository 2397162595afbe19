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

// says has a VRF's worker say that it goes by all that its feed has of some prefixes.
func says(t *testing.T, in *Intake, feeds *Feeds, vrf string, some ...netip.Prefix) {
	t.Helper()
	f := feedOf(t, feeds, vrf)
	var list []rib.Choice
	for _, prefix := range some {
		list = append(list, rib.Choice{Prefix: prefix, Paths: f.Lookup(prefix)})
	}
	taken(f)
	in.Chose(vrf, list)
}

// taken takes all that waits in a feed, as a worker does.
func taken(f *rib.Feed) {
	for waiting := 1; waiting > 0; _, waiting = f.Len() {
		f.Take(nil, 100)
	}
}

// settle has the workers of VRFs choose the best of what their feeds have of a prefix, in their
// order, until none of them changes its mind.
func settle(t *testing.T, in *Intake, feeds *Feeds, prefix netip.Prefix, order ...string) {
	t.Helper()
	before := ""
	for range 20 {
		now := ""
		for _, vrf := range order {
			for _, p := range feedOf(t, feeds, vrf).Lookup(prefix) {
				now += fmt.Sprintf("%s: of %d, path %d, %+v %+v\n", vrf, p.RD, p.ID, *p.Attrs.Via, *p.Attrs)
			}
		}
		if now == before {
			return
		}
		before = now
		for _, vrf := range order {
			best := rib.Select(nil, feedOf(t, feeds, vrf).Lookup(prefix), 1)
			in.Chose(vrf, []rib.Choice{{Prefix: prefix, Paths: best}})
		}
	}
	t.Fatalf("the VRFs change their minds for ever: %q", before)
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
			settle(t, in, feeds, one, "blue", Default, "green", "red")
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
	says(t, in, feeds, "red", one)
	if got, want := everywhere(t, feeds, one), []string{"green", "red"}; !slices.Equal(got, want) {
		t.Errorf("it is in %q, want %q", got, want)
	}
	_, q := of("red", one, 2)
	take(in, d, p, q) // of one destination, one by targets and one by the rule
	says(t, in, feeds, "red", one)
	if got, want := everywhere(t, feeds, one), []string{"green", "green: of red, preference 100, MED 7", "red", "red"}; !slices.Equal(got, want) {
		t.Errorf("they are in %q, want %q", got, want)
	}
	take(in, d)
	vpn := vpnPath(one, 1, 1) // of a PE, with red's target
	take(in, Destination{RD: 5, Prefix: one}, vpn)
	says(t, in, feeds, "red", one)
	if got, want := everywhere(t, feeds, one), []string{"red"}; !slices.Equal(got, want) {
		t.Errorf("a PE's path is in %q, want %q", got, want)
	}
	retold := rib.Path{Prefix: two, RD: 1, ID: 9, Attrs: &rib.Attrs{Via: &rib.Via{Source: "red", Imported: true, As: rib.FromLeak}, Tags: new(rib.Tags)}}
	take(in, Destination{RD: 1, Prefix: two}, retold)
	in.Chose("red", []rib.Choice{{Prefix: two, Paths: []rib.Path{retold}}})
	if got := everywhere(t, feeds, two); got != nil {
		t.Errorf("what red itself has by a leak is in %q", got)
	}
}

// refuser is a policy that refuses a prefix, and sets what it lets through.
type refuser struct{ more uint32 }

func (*refuser) Name() string { return "refuser" }

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
		says(t, in, feeds, Default, prefix)
	}
	if got, want := everywhere(t, feeds, one), []string{Default, "red: of default, preference 150, MED 7"}; !slices.Equal(got, want) {
		t.Errorf("%q, want %q", got, want)
	}
	if got, want := everywhere(t, feeds, two), []string{Default}; !slices.Equal(got, want) {
		t.Errorf("%q, want %q", got, want)
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
	is(false, false, false, true) // what the global table goes by nobody has said yet
	says(t, in, feeds, "blue")
	says(t, in, feeds, Default)
	is(true, false, false, true)
	in.EndOfRIB(Marker{"192.0.2.2", four[0]})
	is(true, false, true, true)
	says(t, in, feeds, "blue")
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
			says(t, in, feeds, "blue", prefix)
			if vrf != "blue" {
				take(in, d)
			}
		}
		if n := leaked(); n != 1 {
			t.Errorf("with %d prefixes of blue, red has %d of them, want 1", i+1, n)
		}
	}
}

// TestLeakByALink: packets that come by a link go to the VRF's table, so nothing comes in of
// which that has no route.
func TestLeakByALink(t *testing.T) {
	t.Parallel()
	feeds := NewFeeds(threeVRFs)
	in := NewIntake(threeVRFs, map[string][]rib.LeakRule{"green": {{From: "red", Link: "up0"}}, "blue": {{From: "red"}}}, nil, feeds, NewMarkers(), nil)
	in.Sync()
	d, p := of("red", one, 1)
	take(in, d, p)
	for _, untabled := range []bool{true, false, true} {
		in.Chose("red", []rib.Choice{{Prefix: one, Paths: []rib.Path{p}, Untabled: untabled}})
		if byLink, beside := len(ids(feedOf(t, feeds, "green"), one)) > 0, len(ids(feedOf(t, feeds, "blue"), one)) > 0; byLink == untabled || !beside {
			t.Errorf("with no route in red's table: %v; it comes in by the link: %v, and without one: %v", untabled, byLink, beside)
		}
	}
}
