package rib

import (
	"math/rand/v2"
	"net/netip"
	"slices"
	"testing"
)

// TestNexthopIndexAgainstAList does random steps to the index and to a plain
// list, and asks both.
func TestNexthopIndexAgainstAList(t *testing.T) {
	type use struct {
		nh   netip.Addr
		user int
	}
	rng := rand.New(rand.NewPCG(1, 2))
	addr := func() netip.Addr {
		if rng.IntN(2) == 0 {
			return netip.AddrFrom4([4]byte{10, 0, byte(rng.IntN(4)), byte(rng.IntN(4))})
		}
		return netip.AddrFrom16([16]byte{0x20, 1, 14: byte(rng.IntN(4)), 15: byte(rng.IntN(4))})
	}
	var x NexthopIndex[int]
	var list []use
	for range 5000 {
		u := use{addr(), rng.IntN(3)}
		if rng.IntN(2) == 0 {
			x.Add(u.nh, u.user)
			list = append(list, u)
		} else {
			x.Remove(u.nh, u.user)
			if i := slices.Index(list, u); i >= 0 {
				list = slices.Delete(list, i, i+1)
			}
		}
		a := addr()
		prefix, err := a.Prefix(a.BitLen() - rng.IntN(12))
		if err != nil {
			t.Fatal(err)
		}
		var want []int
		for _, u := range list {
			if prefix.Contains(u.nh) {
				want = append(want, u.user)
			}
		}
		got := slices.Sorted(x.Under(prefix))
		slices.Sort(want)
		if !slices.Equal(got, want) {
			t.Fatalf("under %v are %v, want %v", prefix, got, want)
		}
	}
}

func TestDependsOn(t *testing.T) {
	v := View{Foreign: NewForeignTable([]Route{
		{Prefix: netip.MustParsePrefix("10.0.0.0/8"), Kind: KindUnicast, Protocol: ProtoStatic, Hops: []Hop{{Gateway: netip.MustParseAddr("192.0.2.1"), Ifindex: 2}}},
		{Prefix: netip.MustParsePrefix("10.1.0.0/16"), Kind: KindUnicast, Protocol: ProtoKernel, Hops: []Hop{{Ifindex: 3, Dead: true}}},
		{Prefix: netip.MustParsePrefix("10.2.0.0/16"), Kind: KindUnicast, Protocol: ProtoKernel, Hops: []Hop{{Ifindex: 4}}},
	})}
	for nh, want := range map[string][]int{"10.1.2.3": {2, 3}, "10.9.0.1": {2}, "11.0.0.1": nil, "fe80::1%eth0": {0}} {
		if got := slices.Sorted(v.DependsOn(netip.MustParseAddr(nh))); !slices.Equal(got, want) {
			t.Errorf("%s leans on %v, want %v", nh, got, want)
		}
	}
}

func TestChangedLinks(t *testing.T) {
	a := Links{1: {Index: 1}, 2: {Index: 2, Up: true}, 3: {Index: 3}, 4: {Index: 4, Addrs: []netip.Prefix{netip.MustParsePrefix("192.0.2.1/24")}}}
	b := Links{1: {Index: 1}, 2: {Index: 2}, 4: {Index: 4}, 5: {Index: 5}}
	got := ChangedLinks(a, b)
	slices.Sort(got)
	if !slices.Equal(got, []int{2, 3, 4, 5}) {
		t.Errorf("changed: %v", got)
	}
}
