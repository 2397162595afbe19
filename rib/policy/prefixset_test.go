package policy

import (
	"math/rand/v2"
	"net/netip"
	"testing"
)

func TestPrefixSet(t *testing.T) {
	for _, tc := range []struct {
		list []string
		has  []string
		not  []string
	}{
		{[]string{"10.0.0.0/8"}, []string{"10.0.0.0/8"}, []string{"10.0.0.0/9", "0.0.0.0/0", "11.0.0.0/8", "::/8", "a00::/8"}},
		{[]string{"10.0.0.0/8 le 24"}, []string{"10.0.0.0/8", "10.255.255.0/24"}, []string{"10.0.0.0/25", "10.0.0.0/7", "11.0.0.0/24"}},
		{[]string{"10.0.0.0/8 ge 24"}, []string{"10.0.0.0/24", "10.0.0.1/32"}, []string{"10.0.0.0/8", "10.0.0.0/23"}},
		{[]string{"10.0.0.0/8 ge 16 le 24", "10.1.0.0/16 ge 32"}, []string{"10.1.2.3/32", "10.1.0.0/16"}, []string{"10.2.2.3/32", "10.1.0.0/25"}},
		{[]string{"0.0.0.0/0"}, []string{"0.0.0.0/0"}, []string{"::/0", "10.0.0.0/8"}},
		{[]string{"0.0.0.0/0 le 32"}, []string{"0.0.0.0/0", "255.255.255.255/32"}, []string{"::/0"}},
		{[]string{"::/0 le 128"}, []string{"::/0", "::1/128", "2001:db8::/32"}, []string{"0.0.0.0/0"}},
		{[]string{"2001:db8::/32 ge 48 le 64"}, []string{"2001:db8:1::/48", "2001:db8:1:1::/64"}, []string{"2001:db8::/32", "2001:db8::/65", "2001:db9::/48"}},
		{[]string{"2001:db8:0:1::/64", "2001:db8:0:1:8000::/65"}, []string{"2001:db8:0:1::/64", "2001:db8:0:1:8000::/65"}, []string{"2001:db8:0:1::/65", "2001:db8:0:1:8000::/66"}},
		{[]string{"::1/128", "::2/128"}, []string{"::1/128", "::2/128"}, []string{"::/127", "::3/128"}},
		{nil, nil, []string{"10.0.0.0/8", "::/0"}},
	} {
		s := newPrefixSet(prefixes(t, tc.list...))
		for _, p := range tc.has {
			if !s.has(netip.MustParsePrefix(p)) {
				t.Errorf("%q does not have %s", tc.list, p)
			}
		}
		for _, p := range tc.not {
			if s.has(netip.MustParsePrefix(p)) {
				t.Errorf("%q has %s", tc.list, p)
			}
		}
	}
}

func prefixes(t testing.TB, list ...string) (out []Prefix) {
	t.Helper()
	for _, s := range list {
		p, err := ParsePrefix(s)
		if err != nil {
			t.Fatal(err)
		}
		out = append(out, p)
	}
	return out
}

// TestPrefixSetIsAList: whatever is added in whatever order, the trie has what a walk through
// the list finds.
func TestPrefixSetIsAList(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 14))
	for range 2000 {
		list := make([]Prefix, r.IntN(12))
		for i := range list {
			list[i] = randomPrefix(r)
		}
		s := newPrefixSet(list)
		for range 40 {
			p := randomPrefix(r).Prefix
			if len(list) > 0 && r.IntN(2) == 0 { // one that has to do with the list
				of := list[r.IntN(len(list))].Prefix
				n := min(of.Addr().BitLen(), max(0, of.Bits()+r.IntN(7)-3))
				p, _ = of.Addr().Prefix(n)
			}
			if got, want := s.has(p), listed(list, p); got != want {
				t.Fatalf("%v: %s: %t, want %t", list, p, got, want)
			}
		}
	}
}

// listed is what a prefixSet is for, without a trie.
func listed(list []Prefix, p netip.Prefix) bool {
	for _, l := range list {
		if l.Prefix.Addr().BitLen() == p.Addr().BitLen() && l.Prefix.Bits() <= p.Bits() && l.Prefix.Contains(p.Addr()) && l.Ge <= p.Bits() && p.Bits() <= l.Le {
			return true
		}
	}
	return false
}

// randomPrefix is one of few enough that prefixes are nested in each other, and the same.
func randomPrefix(r *rand.Rand) Prefix {
	var addr netip.Addr
	if r.IntN(2) == 0 {
		addr = netip.AddrFrom4([4]byte{10, byte(r.IntN(3)), byte(r.IntN(3) << 6), byte(r.IntN(4) << 6)})
	} else {
		addr = netip.AddrFrom16([16]byte{0x20, 1, 0xd, 0xb8, 0, byte(r.IntN(3)), 0, byte(r.IntN(2)), byte(r.IntN(2) << 7), 15: byte(r.IntN(3))})
	}
	p, _ := addr.Prefix(r.IntN(addr.BitLen() + 1))
	out := Prefix{p, p.Bits(), p.Bits()}
	if r.IntN(2) == 0 {
		out.Ge = p.Bits() + r.IntN(addr.BitLen()-p.Bits()+1)
		out.Le = out.Ge + r.IntN(addr.BitLen()-out.Ge+1)
	}
	return out
}
