package speaker

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"slices"
	"testing"

	"github.com/vrfredist/vrfredist/rib"
)

// TestKeptOut: what a policy and what a limit keep out is told with the rule; what came in, by the
// rule or otherwise, is not, nor what is no rule's.
func TestKeptOut(t *testing.T) {
	t.Parallel()
	rules := []rib.LeakRule{{From: Default, Policy: &refuser{0}, MaxPrefixes: 1}, {From: "green"}}
	feeds := NewFeeds(threeVRFs)
	in := NewIntake(threeVRFs, map[string][]rib.LeakRule{"red": rules}, nil, feeds, NewMarkers(), nil)
	in.Sync()
	three := netip.MustParsePrefix("2001:db8:3::/48")
	server := make(known)
	for _, prefix := range []netip.Prefix{one, two, three} {
		for i, vrf := range []string{Default, "green", "blue"} {
			if vrf == "green" && prefix != one {
				continue
			}
			d, p := of(vrf, prefix, uint32(i+1))
			server[d] = []rib.Path{p}
			take(in, d, p)
		}
	}
	list := func(within func(netip.Prefix) bool) (out []string) {
		t.Helper()
		err := KeptOut(t.Context(), server, rules, "red", feedOf(t, feeds, "red"), within, func(k rib.KeptOut) bool {
			out = append(out, fmt.Sprintf("%s %s from %s by %q", k.Prefix, k.State(), k.Rule.From, k.By))
			return true
		})
		if err != nil {
			t.Fatal(err)
		}
		slices.Sort(out)
		return out
	}
	want := []string{two.String() + ` filtered from default by "the test"`, three.String() + ` over-limit from default by ""`}
	slices.Sort(want)
	if got := list(nil); !slices.Equal(got, want) {
		t.Errorf("kept out are %q, want %q", got, want)
	}
	if got := list(func(p netip.Prefix) bool { return p == three }); len(got) != 1 {
		t.Errorf("of one prefix %q", got)
	}
	n := 0
	if err := KeptOut(t.Context(), server, rules, "red", feedOf(t, feeds, "red"), nil, func(rib.KeptOut) bool { n++; return false }); err != nil || n != 1 {
		t.Errorf("who wants one gets %d, %v", n, err)
	}
	failing := errors.New("failing")
	if err := KeptOut(t.Context(), failingTables{failing}, rules, "red", feedOf(t, feeds, "red"), nil, func(rib.KeptOut) bool { return true }); !errors.Is(err, failing) {
		t.Errorf("of tables that cannot be read: %v", err)
	}
}

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
	first := true
	for _, most := range []uint32{0, 3, 5, 2, 0, 4} {
		in := NewIntake(threeVRFs, map[string][]rib.LeakRule{"red": {{From: Default, MaxPrefixes: most}}}, nil, feeds, NewMarkers(), nil)
		if !first {
			in.Replace()
		}
		before := has()
		for n := range all { // in another order than that of the prefixes
			d, p := of(Default, all[(n*5+3)%len(all)], 1)
			take(in, d, p)
		}
		in.Sync()
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
		first = false
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

// failingTables cannot be read.
type failingTables struct{ err error }

func (f failingTables) Paths(context.Context, Family, []Destination, func(Destination, []rib.Path, bool)) error {
	return f.err
}
