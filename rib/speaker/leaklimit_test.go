package speaker

import (
	"fmt"
	"net/netip"
	"slices"
	"testing"

	"github.com/vrfredist/vrfredist/rib"
)

// TestLoweredLimit: of what came in by a leak as much stays as a lower limit lets in, the first by
// prefix; with a higher one, or none, the rest comes in.
func TestLoweredLimit(t *testing.T) {
	t.Parallel()
	feeds := NewFeeds(threeVRFs)
	var all []netip.Prefix
	for n := range 8 {
		all = append(all, netip.MustParsePrefix(fmt.Sprintf("10.%d.0.0/16", n)))
	}
	has := func() (in []netip.Prefix) {
		in = feedOf(t, feeds, "red").WithPaths()
		slices.SortFunc(in, netip.Prefix.Compare)
		return in
	}
	var last *Intake
	for _, most := range []uint32{0, 3, 5, 2, 0, 4} {
		in := NewIntake(threeVRFs, map[string][]rib.LeakRule{"red": {{From: Default, MaxPrefixes: most}}}, nil, feeds, NewMarkers(), nil)
		first := last == nil
		if !first {
			in.Replace(last)
		}
		before := has()
		for n := range all { // in another order than that of the prefixes
			d, p := of(Default, all[(n*5+3)%len(all)], 1)
			take(in, d, p)
		}
		in.Sync()
		for n := range all { // and its worker in yet another one
			says(t, in, feeds, Default, all[(n*3+5)%len(all)])
		}
		got := has()
		switch {
		case most == 0 && len(got) != len(all), most > 0 && len(got) != int(most):
			t.Errorf("with %d, %v are in", most, got)
		case !first && most > 0 && int(most) <= len(before) && !slices.Equal(got, before[:most]):
			t.Errorf("with %d, %v are in: want the first of %v", most, got, before)
		case !first && slices.ContainsFunc(before, func(p netip.Prefix) bool { return len(before) <= len(got) && !slices.Contains(got, p) }):
			t.Errorf("with %d, %v are in, and not all that were: %v", most, got, before)
		}
		if c := in.Leaks()[0]; c.Prefixes != len(got) || c.Prefixes+c.Over != len(all) {
			t.Errorf("with %d, it counts %+v", most, c)
		}
		last = in
	}
}

// TestForesightOfALimit: what a leak's limit would let in is what is in now, and then the first by
// prefix.
func TestForesightOfALimit(t *testing.T) {
	t.Parallel()
	feeds := NewFeeds(threeVRFs)
	rules := func(most uint32) map[string][]rib.LeakRule {
		return map[string][]rib.LeakRule{"red": {{From: Default, MaxPrefixes: most}}}
	}
	in := NewIntake(threeVRFs, rules(2), nil, feeds, NewMarkers(), nil)
	in.Sync()
	server := make(known)
	for _, n := range []int{5, 3, 1, 4, 2} {
		d, p := of(Default, netip.MustParsePrefix(fmt.Sprintf("10.%d.0.0/16", n)), 1)
		server[d] = []rib.Path{p}
		take(in, d, p)
		says(t, in, feeds, Default, d.Prefix)
	}
	for most, want := range map[uint32]string{1: "[10.3.0.0/16]", 2: "[10.3.0.0/16 10.5.0.0/16]", 3: "[10.1.0.0/16 10.3.0.0/16 10.5.0.0/16]", 0: "[10.1.0.0/16 10.2.0.0/16 10.3.0.0/16 10.4.0.0/16 10.5.0.0/16]"} {
		f := Foresight{Old: threeVRFs, Next: threeVRFs, OldRules: rules(2), NextRules: rules(most), Feeds: feeds, Tables: server}
		got, err := f.Paths(t.Context(), nil)
		if err != nil {
			t.Fatal(err)
		}
		list := got["red"].WithPaths()
		slices.SortFunc(list, netip.Prefix.Compare)
		if fmt.Sprint(list) != want {
			t.Errorf("with %d, %v would be in, want %s", most, list, want)
		}
	}
}
