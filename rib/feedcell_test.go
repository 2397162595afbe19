package rib

import (
	"net/netip"
	"testing"
	"unsafe"
)

// TestFeedCellSize: a full table has a million of them.
func TestFeedCellSize(t *testing.T) {
	if n := unsafe.Sizeof(feedCell{}); n > 40 {
		t.Errorf("a cell has %d bytes", n)
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
	if f.slots.index.used != 3 {
		t.Errorf("%d slots for three prefixes", f.slots.index.used)
	}
}
