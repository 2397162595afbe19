package rib

import (
	"net/netip"
	"slices"
	"testing"
)

// TestValidity: what ROAs say of paths, as RFC 6811 has it.
func TestValidity(t *testing.T) {
	all := NewROAs(65000, slices.Values([]ROA{
		{prefix("10.0.0.0/8"), 16, 65001}, {prefix("10.1.0.0/16"), 24, 65002}, {prefix("10.1.0.0/16"), 24, 65002}, {prefix("10.2.0.0/16"), 24, 0},
		{prefix("2001:db8::/32"), 48, 65001}, {prefix("192.0.2.0/24"), 24, 65000}, {prefix("192.0.2.0/25"), 24, 65000}, // of no length at all
	}))
	from := func(segments ...ASSegment) *Attrs {
		a := &Attrs{Via: new(Via), Tags: new(Tags), Rare: &Rare{Segments: segments}}
		for _, s := range segments {
			a.ASPath = append(a.ASPath, s.ASes...)
		}
		return a
	}
	by := func(as ...uint32) *Attrs { return &Attrs{Via: new(Via), Tags: new(Tags), ASPath: as} }
	for _, test := range []struct {
		name   string
		prefix string
		attrs  *Attrs
		want   Validity
	}{
		{"its origin", "10.3.0.0/16", by(65009, 65001), Valid},
		{"another origin", "10.3.0.0/16", by(65001, 65009), Invalid},
		{"too long", "10.3.1.0/24", by(65001), Invalid},
		{"the longer ROA", "10.1.1.0/24", by(65002), Valid},
		{"the shorter ROA", "10.1.0.0/16", by(65001), Valid},
		{"neither", "10.1.1.0/24", by(65001), Invalid},
		{"of AS 0", "10.2.1.0/24", by(0), Invalid},
		{"covered by none", "11.0.0.0/8", by(65001), NotFound},
		{"shorter than any", "0.0.0.0/0", by(65001), NotFound},
		{"IPv6", "2001:db8:1::/48", by(65001), Valid},
		{"IPv6, too long", "2001:db8:1:1::/64", by(65001), Invalid},
		{"its own", "192.0.2.0/24", by(), Valid},
		{"its own, of a confederation", "192.0.2.0/24", from(ASSegment{ConfedSequence, []uint32{64512}}), Valid},
		{"of a set", "10.3.0.0/16", from(ASSegment{ASSequence, []uint32{65009}}, ASSegment{ASSet, []uint32{65001}}), Invalid},
		{"of a set, covered by none", "11.0.0.0/8", from(ASSegment{ASSet, []uint32{65001}}), NotFound},
		{"behind a set", "10.3.0.0/16", from(ASSegment{ASSet, []uint32{65009}}, ASSegment{ASSequence, []uint32{65001}}), Valid},
	} {
		if got := all.Validity(prefix(test.prefix), test.attrs); got != test.want {
			t.Errorf("%s: %s is %v, want %v", test.name, test.prefix, got, test.want)
		}
	}
	var none *ROAs
	if got := none.Validity(prefix("10.3.0.0/16"), by(65001)); got != NotFound {
		t.Errorf("without any: %v", got)
	}
}

// TestROAsSince: the prefixes are found of which a path may have another validity now.
func TestROAsSince(t *testing.T) {
	a := ROA{prefix("10.0.0.0/8"), 16, 65001}
	b := ROA{prefix("10.1.0.0/16"), 24, 65002}
	c := ROA{prefix("2001:db8::/32"), 48, 65001}
	table := func(all ...ROA) *ROAs { return NewROAs(65000, slices.Values(all)) }
	probes := []netip.Prefix{prefix("10.9.0.0/16"), prefix("10.1.1.0/24"), prefix("2001:db8:1::/48"), prefix("0.0.0.0/0")}
	for _, test := range []struct {
		name     string
		was, is  *ROAs
		concerns []bool
	}{
		{"the first", nil, table(a, c), []bool{true, true, true, false}},
		{"the same in another order", table(a, b, c), table(c, b, a), make([]bool, 4)},
		{"one more", table(a), table(a, b), []bool{false, true, false, false}},
		{"one less", table(a, b), table(b), []bool{true, true, false, false}},
		{"another length", table(b), table(ROA{b.Prefix, 20, b.AS}), []bool{false, true, false, false}},
		{"none any more", table(c), table(), []bool{false, false, true, false}},
		{"the router's AS", table(b), NewROAs(65002, slices.Values([]ROA{b})), []bool{false, true, false, false}},
	} {
		changed := test.is.Since(test.was)
		for i, p := range probes {
			if changed.Covers(p) != test.concerns[i] {
				t.Errorf("%s: it concerns %s: %v, want %v", test.name, p, changed.Covers(p), test.concerns[i])
			}
		}
	}
}

// TestMarkWithin: those prefixes of a feed are taken again that are in some.
func TestMarkWithin(t *testing.T) {
	f := NewFeed()
	for _, p := range []string{"10.1.0.0/16", "10.2.0.0/16", "2001:db8::/48"} {
		f.Set(prefix(p), 0, []Path{{Prefix: prefix(p), Attrs: &Attrs{Via: new(Via), Tags: new(Tags)}}})
	}
	f.Take(nil, 10)
	MarkWithin(f, NewROAs(1, slices.Values([]ROA{{prefix("10.0.0.0/15"), 24, 1}, {prefix("2001:db8::/32"), 48, 1}})).Since(nil))
	var got []netip.Prefix
	for _, e := range f.Take(nil, 10) {
		got = append(got, e.Prefix)
	}
	if want := []netip.Prefix{prefix("10.1.0.0/16"), prefix("2001:db8::/48")}; !slices.Equal(got, want) {
		t.Errorf("taken again are %v, want %v", got, want)
	}
}

// manyROAs are about as many as there are.
func manyROAs(n int) (all []ROA) {
	for i := range n {
		all = append(all, ROA{netip.PrefixFrom(netip.AddrFrom4([4]byte{byte(1 + i>>16), byte(i >> 8), byte(i), 0}), 24), 24, uint32(i % 70000)})
	}
	return all
}

// BenchmarkROAs is what a change of them costs, and what a policy that asks pays for a path.
func BenchmarkROAs(b *testing.B) {
	list := manyROAs(500_000)
	all := NewROAs(65000, slices.Values(list))
	b.Run("table of 500,000", func(b *testing.B) {
		for b.Loop() {
			NewROAs(65000, slices.Values(list)).Since(all)
		}
	})
	b.Run("path", func(b *testing.B) {
		a, i := &Attrs{Via: new(Via), Tags: new(Tags), ASPath: []uint32{65001}}, 0
		for b.Loop() {
			all.Validity(list[i%len(list)].Prefix, a)
			i += 7919
		}
	})
}
