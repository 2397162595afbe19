package rib

import (
	"slices"
	"testing"
)

// TestForeignTableAfter: what an event leaves of the routes with its key, as the kernel has it
// (fib_table_insert in net/ipv4/fib_trie.c, fib6_add_rt2node in net/ipv6/ip6_fib.c).
func TestForeignTableAfter(t *testing.T) {
	at := func(p string, protocol uint8, ifindex int) Route {
		return Route{Prefix: prefix(p), Metric: 256, Protocol: protocol, Kind: KindUnicast, Hops: []Hop{{Ifindex: ifindex}}}
	}
	const six, four = "2001:db8::/64", "192.0.2.0/24"
	for name, tc := range map[string]struct {
		there []Route
		ev    RouteEvent
		want  []Route
		sure  bool
	}{
		"the first of its key":                     {nil, RouteEvent{Route: at(four, ProtoStatic, 2)}, []Route{at(four, ProtoStatic, 2)}, true},
		"connected by a second link, in IPv6":      {[]Route{at(six, ProtoKernel, 2)}, RouteEvent{Route: at(six, ProtoKernel, 3)}, []Route{at(six, ProtoKernel, 2), at(six, ProtoKernel, 3)}, true},
		"advertised on a second link, in IPv6":     {[]Route{at(six, ProtoRA, 2)}, RouteEvent{Route: at(six, ProtoRA, 3)}, []Route{at(six, ProtoRA, 2), at(six, ProtoRA, 3)}, true},
		"connected, and another program's instead": {[]Route{at(six, ProtoKernel, 2)}, RouteEvent{Route: at(six, ProtoStatic, 3), Replaces: true}, []Route{at(six, ProtoStatic, 3)}, true},
		"another program's, replaced":              {[]Route{at(four, ProtoStatic, 2)}, RouteEvent{Route: at(four, 12, 3), Replaces: true}, []Route{at(four, 12, 3)}, true},
		"one of two side by side, replaced":        {[]Route{at(four, ProtoStatic, 2), at(four, 12, 3)}, RouteEvent{Route: at(four, 13, 4), Replaces: true}, []Route{at(four, ProtoStatic, 2), at(four, 12, 3), at(four, 13, 4)}, false},
		"put beside one":                           {[]Route{at(four, ProtoStatic, 2)}, RouteEvent{Route: at(four, 12, 3), Beside: true}, []Route{at(four, ProtoStatic, 2), at(four, 12, 3)}, false},
		"deleted":                                  {[]Route{at(four, ProtoStatic, 2), at(four, 12, 3)}, RouteEvent{Route: at(four, 12, 3), Deleted: true}, []Route{at(four, ProtoStatic, 2)}, true},
	} {
		t.Run(name, func(t *testing.T) {
			next, sure := NewForeignTable(tc.there).After(tc.ev)
			text := func(routes []Route) (list []string) {
				for _, r := range routes {
					list = append(list, r.String())
				}
				slices.Sort(list)
				return list
			}
			if got, want := text(next.Get(tc.ev.Route.Prefix)), text(tc.want); !slices.Equal(got, want) || sure != tc.sure {
				t.Errorf("%q (sure: %v), want %q (%v)", got, sure, want, tc.sure)
			}
		})
	}
}
