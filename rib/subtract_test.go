package rib

import (
	"net/netip"
	"slices"
	"testing"
)

func TestSubtract(t *testing.T) {
	t.Parallel()
	p := func(list ...string) (out []netip.Prefix) {
		for _, s := range list {
			out = append(out, netip.MustParsePrefix(s))
		}
		return out
	}
	for _, x := range []struct {
		from, want []netip.Prefix
		hole       string
	}{
		{p("10.0.0.0/8"), p("10.0.0.0/8"), "11.0.0.0/8"},
		{p("10.0.0.0/8"), nil, "10.0.0.0/8"},
		{p("10.0.0.0/9"), nil, "10.0.0.0/8"},
		{p("10.0.0.0/30"), p("10.0.0.0/32", "10.0.0.2/31"), "10.0.0.1/32"},
		{p("0.0.0.0/0"), p("128.0.0.0/1"), "0.0.0.0/1"},
		{p("2001:db8::/126"), p("2001:db8::/127", "2001:db8::2/128"), "2001:db8::3/128"},
		{p("::/0"), p("::/0"), "0.0.0.0/0"},
		{p("10.0.0.0/31", "192.0.2.0/24"), p("10.0.0.0/32", "192.0.2.0/24"), "10.0.0.1/32"},
		{p("10.0.0.9/31"), p("10.0.0.8/32"), "10.0.0.9/32"},
		{nil, nil, "10.0.0.0/8"},
	} {
		if got := Subtract(x.from, netip.MustParsePrefix(x.hole)); !slices.Equal(got, x.want) {
			t.Errorf("%v without %s: %v, want %v", x.from, x.hole, got, x.want)
		}
	}
}
