package speaker

import (
	"context"
	"fmt"
	"maps"
	"net/netip"
	"slices"
	"testing"

	"github.com/vrfredist/vrfredist/rib"
)

// known are a server's tables.
type known map[Destination][]rib.Path

func (k known) Paths(_ context.Context, of Family, some []Destination, _ bool, yield func(Destination, []rib.Path, bool)) error {
	if some == nil {
		some = slices.Collect(maps.Keys(k))
	}
	for _, d := range some {
		if paths := k[d]; len(paths) > 0 && (d.RD != 0) == of.VPN && rib.FamilyOf(d.Prefix) == of.Of {
			yield(d, paths, false)
		}
	}
	return nil
}

// unread are tables that must not be read.
type unread struct{ t *testing.T }

func (u unread) Paths(context.Context, Family, []Destination, bool, func(Destination, []rib.Path, bool)) error {
	u.t.Error("the tables are read")
	return nil
}

func counts(paths map[string]*Paths, prefix netip.Prefix) map[string]int {
	n := make(map[string]int)
	for name, p := range paths {
		if has := len(p.Lookup(prefix)); has > 0 {
			n[name] = has
		}
	}
	return n
}

// TestForesight: which VRFs would have a path of one neighbour, and an announcement of
// red's.
func TestForesight(t *testing.T) {
	t.Parallel()
	feeds := NewFeeds(redAnd)
	in := NewIntake(redAnd, nil, nil, feeds, NewMarkers(), nil)
	in.Sync()
	peer := netip.MustParseAddr("192.0.2.1")
	learned := vpnPath(one, 1, 1)
	learned.Attrs.Peer = peer
	ours := Announced(VRF{RD: 1, ExportRTs: []rib.RT{1}}, "red", rib.Announcement{Prefix: two})
	server := known{{RD: 5, Prefix: one}: {learned}, {RD: 1, Prefix: two}: {ours}}
	for d, paths := range server {
		take(in, d, paths...)
	}
	red := VRF{Name: "red", RD: 1, ImportRTs: []rib.RT{1}, ExportRTs: []rib.RT{1}}
	old := []VRF{{Name: "blue", RD: 2, ImportRTs: []rib.RT{2}}, red}
	green := VRF{Name: "green", RD: 3, ImportRTs: []rib.RT{1}}
	away := red
	away.ExportRTs = []rib.RT{2}
	for name, tc := range map[string]struct {
		f          Foresight
		announcing Announcing
		one, two   map[string]int
	}{
		"nothing":           {Foresight{Next: old, Tables: unread{t}}, nil, map[string]int{"red": 1}, map[string]int{"red": 1}},
		"a VRF more":        {Foresight{Next: append([]VRF{green}, old...)}, nil, map[string]int{"red": 1, "green": 1}, map[string]int{"red": 1, "green": 1}},
		"a VRF less":        {Foresight{Next: old[:1], Anew: map[string]bool{"red": true}}, nil, nil, nil},
		"other targets":     {Foresight{Next: []VRF{old[0], away}, Anew: map[string]bool{"red": true}}, nil, map[string]int{"red": 1}, map[string]int{"blue": 1}},
		"a neighbour less":  {Foresight{Next: old, Goes: func(p rib.Path) bool { return p.Attrs.Peer == peer }}, nil, nil, map[string]int{"red": 1}},
		"no announcement":   {Foresight{Next: old}, Announcing{"red": {two: nil}}, map[string]int{"red": 1}, nil},
		"two announcements": {Foresight{Next: old}, Announcing{"red": {one: {Prefix: one}}}, map[string]int{"red": 2}, map[string]int{"red": 1}},
	} {
		f := tc.f
		f.Old, f.Feeds = old, feeds
		if f.Tables == nil {
			f.Tables = server
		}
		got, err := f.Paths(t.Context(), tc.announcing)
		if err != nil {
			t.Fatal(err)
		}
		if !maps.Equal(counts(got, one), tc.one) || !maps.Equal(counts(got, two), tc.two) {
			t.Errorf("%s: of %s %v, want %v; of %s %v, want %v", name, one, counts(got, one), tc.one, two, counts(got, two), tc.two)
		}
	}
}

// TestForesightOfAllPaths: paths behind the best one are foreseen too.
func TestForesightOfAllPaths(t *testing.T) {
	t.Parallel()
	feeds := NewFeeds(redAnd)
	in := NewIntake(redAnd, nil, nil, feeds, NewMarkers(), nil)
	in.Sync()
	peer := netip.MustParseAddr("192.0.2.1")
	best, other, global := vpnPath(one, 1, 1), vpnPath(one, 2, 1), globalPath(one)
	best.Attrs.Peer, best.Attrs.LocalPref, global.Attrs.Peer = peer, 200, peer
	worse := globalPath(one)
	worse.ID, worse.Attrs.MED = 2, 7
	server := known{{RD: 5, Prefix: one}: {best, other}, {Prefix: one}: {global, worse}}
	for d, paths := range server {
		take(in, d, paths...)
	}
	green := VRF{Name: "green", RD: 3, ImportRTs: []rib.RT{1}}
	red := redAnd[1]
	red.ImportRTs = []rib.RT{2}
	leak := map[string][]rib.LeakRule{"red": {{From: Default}}}
	for name, tc := range map[string]struct {
		f          Foresight
		announcing Announcing
		want       map[string]int
	}{
		"nothing":             {Foresight{Next: redAnd, Tables: unread{t}}, nil, map[string]int{Default: 2, "red": 2}},
		"a VRF more":          {Foresight{Next: append([]VRF{green}, redAnd...)}, nil, map[string]int{Default: 2, "red": 2, "green": 2}},
		"other targets":       {Foresight{Next: []VRF{redAnd[0], red}}, nil, map[string]int{Default: 2}},
		"a neighbour less":    {Foresight{Next: redAnd, Goes: func(p rib.Path) bool { return p.Attrs.Peer == peer }}, nil, map[string]int{Default: 1, "red": 1}},
		"a leak more":         {Foresight{Next: redAnd, NextRules: leak}, nil, map[string]int{Default: 2, "red": 3}},
		"a leak less":         {Foresight{Next: redAnd, OldRules: leak}, nil, map[string]int{Default: 2, "red": 2}},
		"an announcement too": {Foresight{Next: redAnd}, Announcing{Default: {one: {Prefix: one}}}, map[string]int{Default: 3, "red": 2}},
	} {
		f := tc.f
		f.Old, f.Feeds = redAnd, feeds
		if f.Tables == nil {
			f.Tables = server
		}
		got, err := f.Paths(t.Context(), tc.announcing)
		if err != nil {
			t.Fatal(err)
		}
		if !maps.Equal(counts(got, one), tc.want) {
			t.Errorf("%s: %v, want %v", name, counts(got, one), tc.want)
		}
	}
}

// TestChose: what a VRF would choose comes into those that would leak it, as far as the limit lets
// it, and what stays as it is changes nothing.
func TestChose(t *testing.T) {
	t.Parallel()
	rules := map[string][]rib.LeakRule{"red": {{From: Default, MaxPrefixes: 1}}}
	feeds := NewFeeds(redAnd)
	in := NewIntake(redAnd, rules, nil, feeds, NewMarkers(), nil)
	in.Sync()
	for _, prefix := range []netip.Prefix{one, two} {
		take(in, Destination{Prefix: prefix}, globalPath(prefix))
	}
	says(t, in, feeds, Default, one)
	f := Foresight{Old: redAnd, Next: redAnd, OldRules: rules, NextRules: rules, Feeds: feeds, Tables: unread{t}}
	all, err := f.Paths(t.Context(), nil)
	if err != nil {
		t.Fatal(err)
	}
	chose := func(want string, prefix netip.Prefix, paths ...rib.Path) {
		t.Helper()
		var into []string
		f.Chose(all, Default, []rib.Choice{{Prefix: prefix, Paths: paths}}, func(v string) { into = append(into, v) })
		got := fmt.Sprint(into, len(all["red"].Lookup(one)), len(all["red"].Lookup(two)))
		if got != want {
			t.Errorf("after the choice of %v by %d paths: %s, want %s", prefix, len(paths), got, want)
		}
	}
	chose("[] 1 0", one, globalPath(one))
	chose("[] 1 0", two, globalPath(two)) // beyond the limit
	chose("[red] 0 0", one)
	chose("[red] 0 1", two, globalPath(two))
	chose("[] 0 1", one, globalPath(one))
	other := globalPath(two)
	other.Attrs.MED = 9
	chose("[red] 0 1", two, other)
	chose("[] 0 1", two, other)
	if anew := f.Sources(all); len(anew) != 1 || anew[Default] {
		t.Errorf("sources %v", anew)
	}
}
