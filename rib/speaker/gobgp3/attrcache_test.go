package gobgp3

import (
	"hash/maphash"
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
