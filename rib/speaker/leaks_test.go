package speaker

import (
	"fmt"
	"math/rand/v2"
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
		says(t, in, feeds, Default, prefix)
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
		says(t, in, feeds, Default, prefix)
	}
	counts(in, 2, 3)
	was := inRed()
	if want := all[:2]; !slices.Equal(was, want) {
		t.Errorf("in red are %v, want the first, %v", was, want)
	}
	again := NewIntake(threeVRFs, rules, nil, feeds, NewMarkers(), nil)
	again.Replace(in)
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
	last.Replace(again)
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

// own is what each of three VRFs prefers its own path by, and how its neighbours have it.
type ownPath struct {
	there     bool
	localPref uint32
	length    int32
}

// TestLeaksInACircle: three VRFs that leak from each other in a circle, and prefer what they leak
// to their own or not, come to the same whatever comes first and in whatever order they choose;
// each goes by its own path, or by that of one which goes by its own: nothing is sent round.
func TestLeaksInACircle(t *testing.T) {
	t.Parallel()
	names := []string{"blue", "green", "red"}
	r := rand.New(rand.NewPCG(14, 3))
	for n := range 300 {
		rules := map[string][]rib.LeakRule{"blue": {{From: "red"}}, "green": {{From: "blue"}}, "red": {{From: "green"}}}
		if n%3 == 0 { // and the other way round
			rules["blue"], rules["green"], rules["red"] = append(rules["blue"], rib.LeakRule{From: "green"}), append(rules["green"], rib.LeakRule{From: "red"}), append(rules["red"], rib.LeakRule{From: "blue"})
		}
		var has [3]ownPath
		feeds := NewFeeds(threeVRFs)
		in := NewIntake(threeVRFs, rules, nil, feeds, NewMarkers(), nil)
		in.Sync()
		change := func(i int) {
			has[i] = ownPath{r.IntN(4) > 0, []uint32{50, 100, 150}[r.IntN(3)], int32(r.IntN(3))}
			tell(in, names[i], has[i])
		}
		for range 12 {
			for range 1 + r.IntN(3) {
				change(r.IntN(3))
			}
			order := slices.Clone(names)
			r.Shuffle(3, func(i, j int) { order[i], order[j] = order[j], order[i] })
			settle(t, in, feeds, one, order...)
			now := goBy(t, feeds, names)
			if anew := fromTheStart(t, rules, has, names); !slices.Equal(now, anew) {
				t.Fatalf("with %+v and %v they come to %v; from the start to %v", has, rules, now, anew)
			}
		}
	}
}

// tell gives a VRF its own path, or takes it.
func tell(in *Intake, vrf string, is ownPath) {
	d, p := of(vrf, one, 1)
	if !is.there {
		take(in, d)
		return
	}
	p.Attrs.LocalPref, p.Attrs.ASPathLen = is.localPref, is.length
	take(in, d, p)
}

// goBy names the VRF whose path each VRF goes by, and sees to it that that one goes by its own.
func goBy(t *testing.T, feeds *Feeds, names []string) (out []string) {
	t.Helper()
	of := make(map[string]string)
	for _, vrf := range names {
		if best := rib.Select(nil, feedOf(t, feeds, vrf).Lookup(one), 1); len(best) > 0 {
			of[vrf] = best[0].Attrs.Source
		}
		out = append(out, of[vrf])
	}
	for vrf, source := range of {
		if of[source] != source {
			t.Fatalf("%s goes by what %s has, which goes by what %q has", vrf, source, of[source])
		}
	}
	return out
}

// fromTheStart is what the VRFs come to that have never had other paths.
func fromTheStart(t *testing.T, rules map[string][]rib.LeakRule, has [3]ownPath, names []string) []string {
	t.Helper()
	feeds := NewFeeds(threeVRFs)
	in := NewIntake(threeVRFs, rules, nil, feeds, NewMarkers(), nil)
	in.Sync()
	for i, vrf := range names {
		tell(in, vrf, has[i])
	}
	settle(t, in, feeds, one, names...)
	return goBy(t, feeds, names)
}

// TestLeakOfTheChosen: of two paths of a VRF the other one gets that which the VRF goes by; while
// the VRF has still to choose among others it stays, and with the last one it goes.
func TestLeakOfTheChosen(t *testing.T) {
	t.Parallel()
	feeds := NewFeeds(threeVRFs)
	in := NewIntake(threeVRFs, map[string][]rib.LeakRule{"green": {{From: "red"}}}, nil, feeds, NewMarkers(), nil)
	in.Sync()
	d, p := of("red", one, 1)
	_, q := of("red", one, 2)
	q.Attrs.MED = 8
	is := func(when string, want ...uint32) {
		t.Helper()
		if got := ids(feedOf(t, feeds, "green"), one); !slices.Equal(got, want) {
			t.Errorf("%s: green has paths %v, want %v", when, got, want)
		}
	}
	take(in, d, p, q)
	is("before red has chosen")
	in.Chose("red", []rib.Choice{{Prefix: one, Paths: []rib.Path{p}}})
	is("red goes by the first", 1)
	take(in, d, q)
	is("it went, and red has not chosen yet", 1)
	in.Chose("red", []rib.Choice{{Prefix: one, Paths: []rib.Path{p}}})
	is("red had not heard of that", 1)
	in.Chose("red", []rib.Choice{{Prefix: one, Paths: []rib.Path{q}}})
	is("red goes by the second", 2)
	in.Chose("red", []rib.Choice{{Prefix: one}})
	is("red rejects it")
	in.Chose("red", []rib.Choice{{Prefix: one, Paths: []rib.Path{q}}})
	is("red goes by it again", 2)
	take(in, d)
	is("the last one went")
	in.Chose("red", []rib.Choice{{Prefix: one, Paths: []rib.Path{q}}})
	is("red had not heard of that")
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

// TestLeakChosenAnew: who leaks by other rules than before has the VRF say again what it goes by;
// the others are left as they are.
func TestLeakChosenAnew(t *testing.T) {
	t.Parallel()
	feeds := NewFeeds(threeVRFs)
	rules := map[string][]rib.LeakRule{"green": {{From: "red"}}, "blue": {{From: "green"}}}
	in := NewIntake(threeVRFs, rules, nil, feeds, NewMarkers(), nil)
	in.Sync()
	for _, vrf := range []string{"red", "green"} {
		d, p := of(vrf, map[string]netip.Prefix{"red": one, "green": two}[vrf], 1)
		take(in, d, p)
		feedOf(t, feeds, vrf).Restart() // as a worker begins
		says(t, in, feeds, vrf, d.Prefix)
	}
	if !in.Chosen() {
		t.Error("all have said what they go by, and it is waited for")
	}
	next := map[string][]rib.LeakRule{"green": {{From: "red", Policy: &refuser{7}}}, "blue": {{From: "green"}}}
	again := NewIntake(threeVRFs, next, nil, feeds, NewMarkers(), nil)
	again.Replace(in)
	for _, vrf := range []string{"red", "green"} {
		d, p := of(vrf, map[string]netip.Prefix{"red": one, "green": two}[vrf], 1)
		take(again, d, p)
	}
	again.Sync()
	_, red := feedOf(t, feeds, "red").Len()
	_, green := feedOf(t, feeds, "green").Len()
	if again.Chosen() || red != 1 || !feedOf(t, feeds, "green").Asked() || len(feedOf(t, feeds, "blue").Lookup(two)) != 1 {
		t.Errorf("chosen: %v; red is to say %d, green %d anew; blue has %v", again.Chosen(), red, green, feedOf(t, feeds, "blue").Lookup(two))
	}
	says(t, again, feeds, "red", one)
	if got, want := everywhere(t, feeds, one), []string{"green: of red, preference 107, MED 7", "red"}; !slices.Equal(got, want) || !again.Chosen() {
		t.Errorf("it is in %q, want %q; chosen: %v", got, want, again.Chosen())
	}
	last := NewIntake(threeVRFs, nil, nil, feeds, NewMarkers(), nil)
	last.Replace(again)
	last.Sync()
	for _, vrf := range []string{"red", "green"} {
		if feedOf(t, feeds, vrf).Asked() {
			t.Errorf("nobody leaks from %s, and it is asked what it goes by", vrf)
		}
	}
}
