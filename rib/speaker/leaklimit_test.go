package speaker

import (
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
