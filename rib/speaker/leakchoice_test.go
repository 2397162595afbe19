package speaker

import (
	"math/rand/v2"
	"net/netip"
	"slices"
	"testing"

	"github.com/vrfredist/vrfredist/rib"
)

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
