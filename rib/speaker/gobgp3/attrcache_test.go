package gobgp3

import (
	"hash/maphash"
	"slices"
	"testing"

	"github.com/vrfredist/vrfredist/rib"
)

// TestSharedVias: what is equal is shared, two with one hash are not mistaken for each other, and the
// table is bounded.
func TestSharedVias(t *testing.T) {
	d := &decoder{vias: make(map[uint64]*rib.Via), seed: maphash.MakeSeed()}
	from := func(as uint32) *rib.Via { return &rib.Via{PeerAS: as, Source: "red"} }
	first := d.shared(from(1))
	if d.shared(from(1)) != first {
		t.Error("of two that are equal each is kept")
	}
	if second := d.shared(from(2)); *second != *from(2) {
		t.Errorf("another comes as %+v", second)
	}
	third := from(3)
	d.vias[maphash.Comparable(d.seed, *third)] = first
	if got := d.shared(third); *got != *from(3) {
		t.Errorf("one with the hash of another comes as %+v", got)
	}
	for as := range uint32(sharedVias + 10) {
		d.shared(from(as))
	}
	if n := len(d.vias); n > sharedVias {
		t.Errorf("%d are kept", n)
	}
}

// TestSharedTags: communities that are those of what was decoded before are kept once, and others are
// not mistaken for them.
func TestSharedTags(t *testing.T) {
	d := &decoder{noTags: new(rib.Tags), lastTags: new(rib.Tags)}
	with := func(tags rib.Tags) *rib.Tags {
		a := &rib.Attrs{Tags: &tags}
		d.shareTags(a)
		return a.Tags
	}
	red, blue := rib.Tags{RTs: []rib.RT{1, 2}}, rib.Tags{RTs: []rib.RT{1, 2}, Large: []rib.LargeCommunity{{Global: 1}}}
	first := with(red)
	if with(red) != first || with(rib.Tags{}) != d.noTags || with(red) != first {
		t.Error("of two that are equal each is kept")
	}
	for _, other := range []rib.Tags{blue, {RTs: []rib.RT{2, 1}}, {Communities: []rib.Community{1, 2}}} {
		if got := with(other); got == first || !slices.Equal(got.RTs, other.RTs) || !slices.Equal(got.Communities, other.Communities) || !slices.Equal(got.Large, other.Large) {
			t.Errorf("%+v comes as %+v", other, got)
		}
	}
}
