package speaker

import (
	"fmt"
	"net/netip"
	"slices"
	"testing"

	"github.com/vrfredist/vrfredist/rib"
)

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
	for _, most := range []uint32{4, 1, 3, 2} { // more come in by a higher limit, and some go by a lower one
		before := again
		again = NewIntake(threeVRFs, map[string][]rib.LeakRule{"red": {{From: Default, MaxPrefixes: most}}}, nil, feeds, NewMarkers(), nil)
		again.Replace(before)
		for _, prefix := range all {
			d, p := of(Default, prefix, 1)
			take(again, d, p)
		}
		again.Sync()
		for _, prefix := range all {
			says(t, again, feeds, Default, prefix)
		}
		counts(again, int(most), 5-int(most))
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
		var list []netip.Prefix
		for prefix := range got["red"].All {
			list = append(list, prefix)
		}
		slices.SortFunc(list, netip.Prefix.Compare)
		if fmt.Sprint(list) != want {
			t.Errorf("with %d, %v would be in, want %s", most, list, want)
		}
	}
}

// TestRejectedBeforeItIsRead: what a changed policy of a leak rejects goes too where the worker has
// chosen before the tables were read again.
func TestRejectedBeforeItIsRead(t *testing.T) {
	t.Parallel()
	feeds := NewFeeds(threeVRFs)
	prefix := netip.MustParsePrefix("10.0.0.0/16")
	d, p := of(Default, prefix, 1)
	rules := func(j rib.Judge) map[string][]rib.LeakRule {
		return map[string][]rib.LeakRule{"red": {{From: Default, Policy: j}}}
	}
	in := NewIntake(threeVRFs, rules(&refuser{50}), nil, feeds, NewMarkers(), nil)
	in.Sync()
	take(in, d, p)
	says(t, in, feeds, Default, prefix)
	if in := feedOf(t, feeds, "red").WithPaths(); len(in) != 1 {
		t.Fatalf("in red are %v", in)
	}
	again := NewIntake(threeVRFs, rules(never{}), nil, feeds, NewMarkers(), nil)
	again.Replace(in)
	says(t, again, feeds, Default, prefix)
	take(again, d, p)
	again.Sync()
	if in := feedOf(t, feeds, "red").WithPaths(); len(in) != 0 {
		t.Errorf("in red are %v", in)
	}
}

// never is a policy that rejects everything.
type never struct{}

func (never) Name() string   { return "never" }
func (never) String() string { return "never" }

func (never) Judge(s rib.Subject, _ *rib.Hearing) rib.Ruling {
	return rib.Ruling{Attrs: s.Attrs, Rejected: true, By: "the test"}
}
