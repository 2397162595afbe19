package rib

import (
	"net/netip"
	"testing"
)

func TestFamilyOf(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]Family{"10.0.0.0/8": IPv4, "2001:db8::/32": IPv6, "::ffff:10.0.0.0/104": IPv6} {
		if got := FamilyOf(netip.MustParsePrefix(text)); got != want {
			t.Errorf("%s is %s, want %s", text, got, want)
		}
	}
}

// sum is a number that can be added up.
type sum int

func (s sum) Plus(o sum) sum { return s + o }

func TestByFamily(t *testing.T) {
	t.Parallel()
	a, b := ByFamily[sum]{IPv4: 1, IPv6: 2}, ByFamily[sum]{10, 20}
	if got := a.Plus(b); got != (ByFamily[sum]{11, 22}) || a[IPv4] != 1 {
		t.Errorf("%v and %v are %v", a, b, got)
	}
	if got := b.Total(); got != 30 {
		t.Errorf("the total of %v is %d", b, got)
	}
}
