package rib

import (
	"math/rand/v2"
	"net/netip"
	"testing"
)

// TestSlotIndex compares the index with a map while slots come and go.
func TestSlotIndex(t *testing.T) {
	keys := map[Slot]packed{}
	x := newSlotIndex(func(s Slot) packed { return keys[s] })
	slots := map[packed]Slot{}
	r := rand.New(rand.NewPCG(5, 6))
	for step := range 50_000 {
		k := pack(netip.PrefixFrom(netip.AddrFrom4([4]byte{10, 0, byte(r.IntN(16)), byte(r.IntN(64))}), 8+r.IntN(25)))
		want, there := slots[k]
		if got, found := x.find(k); found != there || found && got != want {
			t.Fatalf("step %d: found %t, slot %d; want %t, %d", step, found, got, there, want)
		}
		if there {
			x.remove(want)
			delete(slots, k)
			delete(keys, want)
		} else if r.IntN(3) > 0 || step < 25_000 {
			s := Slot(step)
			keys[s], slots[k] = k, s
			x.add(s)
		}
		if x.used != len(slots) {
			t.Fatalf("step %d: %d in use, want %d", step, x.used, len(slots))
		}
	}
	for k, s := range slots {
		x.remove(s)
		delete(slots, k)
	}
	if x.used != 0 || len(x.places) > 2*fewestPlaces {
		t.Errorf("emptied, %d are in use, of %d places", x.used, len(x.places))
	}
}
