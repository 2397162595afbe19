package rib

import (
	"math/rand/v2"
	"net/netip"
	"testing"
	"unsafe"
)

// TestFeedCellSize: a full table has a million of them.
func TestFeedCellSize(t *testing.T) {
	if n := unsafe.Sizeof(feedCell{}); n > 48 {
		t.Errorf("a cell has %d bytes", n)
	}
}

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

// TestFeedKeepsEveryPath: what goes into a cell comes out of it, in the cell or
// beside it.
func TestFeedKeepsEveryPath(t *testing.T) {
	a := &Attrs{Via: &Via{}}
	for _, p := range []Path{
		{Prefix: host(1), Attrs: a},
		{Prefix: host(1), RD: 7, ID: 1 << 31, Label: mostLabel, Age: 1 << 31, Attrs: a},
		{Prefix: host(1), RD: 7, Label: mostLabel + 1, Attrs: a},
		{Prefix: host(1), RD: 7, Age: -1, Attrs: a},
		{Prefix: host(1), RD: 7, Age: 1 << 40, Attrs: a},
		{Prefix: netip.MustParsePrefix("::ffff:10.0.0.0/104"), Attrs: a},
		{Prefix: netip.MustParsePrefix("2001:db8::/32"), Label: 16, Attrs: a},
		{Prefix: netip.MustParsePrefix("0.0.0.0/0"), Attrs: a},
		{Prefix: netip.MustParsePrefix("::/0"), Attrs: a},
	} {
		f := NewFeed()
		f.Set(p.Prefix, p.RD, []Path{p})
		if got := f.Lookup(p.Prefix); len(got) != 1 || got[0] != p {
			t.Errorf("%+v became %+v", p, got)
		}
		if got := f.Take(nil, 9); len(got) != 1 || got[0].Prefix != p.Prefix || got[0].Paths[0] != p {
			t.Errorf("%+v is taken as %+v", p, got)
		}
	}
	f := NewFeed()
	for _, p := range []string{"0.0.0.0/0", "::/0", "::ffff:0.0.0.0/96"} {
		f.Hold(netip.MustParsePrefix(p))
	}
	if f.index.used != 3 {
		t.Errorf("%d slots for three prefixes", f.index.used)
	}
}
