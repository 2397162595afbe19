package rib

import (
	"maps"
	"math/rand/v2"
	"net/netip"
	"runtime"
	"slices"
	"testing"
)

// anyPrefix is one of a few thousand prefixes, many of which are in each other.
func anyPrefix(r *rand.Rand) netip.Prefix {
	if r.IntN(4) == 0 {
		a := [16]byte{0x20, 1, byte(r.IntN(4)), byte(r.IntN(4)), 15: byte(r.IntN(8))}
		return netip.PrefixFrom(netip.AddrFrom16(a), []int{0, 16, 24, 29, 32, 125, 128}[r.IntN(7)]).Masked()
	}
	a := [4]byte{byte(r.IntN(3)) * 80, byte(r.IntN(16)) * 16, byte(r.IntN(256)), byte(r.IntN(4)) * 64}
	return netip.PrefixFrom(netip.AddrFrom4(a), []int{0, 1, 8, 12, 20, 23, 24, 26, 32}[r.IntN(9)]).Masked()
}

// A tree of several levels has what a map has, and yields the same in order, and what covers an
// address, while it grows and shrinks.
func TestForeignTreeAgainstAMap(t *testing.T) {
	t.Parallel()
	r := rand.New(rand.NewPCG(18, 1))
	var f *ForeignTable
	want := make(map[netip.Prefix]Route)
	for i := range 40_000 {
		route := Route{Prefix: anyPrefix(r), Kind: KindUnicast, Protocol: ProtoStatic, Expires: uint32(i)}
		if grows := i/8000%2 == 0; r.IntN(4) == 0 == grows {
			f = f.Without(route)
			delete(want, route.Prefix)
		} else {
			f = f.With(route)
			want[route.Prefix] = route
		}
		if i%1000 == 999 {
			compareTree(t, f, want)
			checkNodes(t, f.tree, true)
		}
		if i%100 == 99 {
			compareCovering(t, f, want, anyPrefix(r).Addr())
		}
	}
	compareTree(t, NewForeignTable(slices.Collect(maps.Values(want))), want)
	for p := range maps.Clone(want) {
		f = f.Without(Route{Prefix: p, Protocol: ProtoStatic})
	}
	if f.Len() != 0 || f.tree != nil {
		t.Errorf("%d routes are left, and %v", f.Len(), f.tree)
	}
}

func compareTree(t *testing.T, f *ForeignTable, want map[netip.Prefix]Route) {
	t.Helper()
	var last netip.Prefix
	n := 0
	for p, routes := range f.All() {
		if n++; last.IsValid() && last.Compare(p) >= 0 {
			t.Fatalf("%v comes after %v", p, last)
		}
		last = p
		if is, there := want[p]; !there || len(routes) != 1 || routes[0].Expires != is.Expires || routes[0].Prefix != p {
			t.Fatalf("%v has %v, want %v", p, routes, is)
		}
		if got := f.Get(p); len(got) != 1 || got[0].Expires != routes[0].Expires {
			t.Fatalf("Get(%v) is %v", p, got)
		}
	}
	if n != len(want) || f.Len() != n {
		t.Fatalf("All yields %d, Len is %d, want %d", n, f.Len(), len(want))
	}
}

func compareCovering(t *testing.T, f *ForeignTable, all map[netip.Prefix]Route, addr netip.Addr) {
	t.Helper()
	var got, want []netip.Prefix
	for p := range f.Covering(addr) {
		got = append(got, p)
	}
	for bits := addr.BitLen(); bits >= 0; bits-- {
		p := netip.PrefixFrom(addr, bits).Masked()
		if _, is := all[p]; is {
			want = append(want, p)
		}
	}
	if !slices.Equal(got, want) {
		t.Fatalf("%v is covered by %v, want %v", addr, got, want)
	}
}

// checkNodes looks whether each node has as much as it may have.
func checkNodes(t *testing.T, n *foreignTree, root bool) (depth int) {
	t.Helper()
	if len(n.keys) == 0 || len(n.keys) > treeMost || root && len(n.below) == 1 {
		t.Fatalf("a node has %d keys and %d below it", len(n.keys), len(n.below))
	}
	if n.below == nil {
		if len(n.routes) != len(n.keys) {
			t.Fatalf("a leaf has %d keys and %d routes", len(n.keys), len(n.routes))
		}
		return 1
	}
	for i, b := range n.below {
		if d := checkNodes(t, b, false); i > 0 && d != depth {
			t.Fatalf("leaves are %d and %d deep", d, depth)
		} else {
			depth = d
		}
		if b.keys[0] != n.keys[i] {
			t.Fatalf("the node at %v begins with %v", n.keys[i], b.keys[0])
		}
	}
	return depth + 1
}

// A change of one route in a large table costs little memory: a program that changes thousands has
// the collector run seldom.
func TestOneChangeOfALargeForeignTableIsCheap(t *testing.T) {
	const n, changes, most = 100_000, 1000, 4 << 10
	routes := make([]Route, n)
	for i := range routes {
		routes[i] = Route{Prefix: netip.PrefixFrom(netip.AddrFrom4([4]byte{byte(i >> 16), byte(i >> 8), byte(i), 0}), 24), Protocol: ProtoStatic}
	}
	f := NewForeignTable(routes)
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	for i := range changes {
		r := Route{Prefix: netip.PrefixFrom(netip.AddrFrom4([4]byte{0, 7, byte(i >> 8), byte(i)}), 32), Protocol: ProtoStatic}
		f = f.With(r)
		f, _ = f.After(RouteEvent{Route: r, Replaces: true})
	}
	runtime.ReadMemStats(&after)
	if each := (after.TotalAlloc - before.TotalAlloc) / changes; each > 3*most { // of three changes
		t.Errorf("each takes %d bytes", each)
	}
}
