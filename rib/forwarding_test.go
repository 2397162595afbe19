package rib

import "testing"

func own4(p string, hops ...Hop) Route {
	return Route{Prefix: prefix(p), Metric: 20, Protocol: ProtoOwn, Kind: KindUnicast, Hops: hops}
}

func TestSameForwarding(t *testing.T) {
	h := func(gw string, w uint16) Hop { return Hop{Gateway: addr(gw), Ifindex: 2, Weight: w} }
	a, b, c := h("192.0.2.1", 0), h("192.0.2.2", 0), h("192.0.2.3", 0)
	for _, tc := range []struct {
		name string
		x, y []Hop
		want bool
	}{
		{"order", []Hop{a, b, c}, []Hop{c, a, b}, true},
		{"weight 0 is 1", []Hop{a, b}, []Hop{h("192.0.2.2", 1), h("192.0.2.1", 1)}, true},
		{"weight", []Hop{a, b}, []Hop{a, h("192.0.2.2", 2)}, false},
		{"weight of an only hop", []Hop{a}, []Hop{h("192.0.2.1", 7)}, true},
		{"dead", []Hop{a}, []Hop{{Gateway: a.Gateway, Ifindex: 2, Dead: true}}, true},
		{"onlink", []Hop{a}, []Hop{{Gateway: a.Gateway, Ifindex: 2, OnLink: true}}, false},
		{"interface", []Hop{a}, []Hop{{Gateway: a.Gateway, Ifindex: 3}}, false},
		{"number", []Hop{a, b}, []Hop{a}, false},
		{"as a multiset", []Hop{a, a, b}, []Hop{a, b, b}, false},
		{"connected", []Hop{{Ifindex: 2}}, []Hop{{Ifindex: 2, Weight: 1}}, true},
		{"connected and not", []Hop{{Ifindex: 2}}, []Hop{a}, false},
		{"hops not known", []Hop{a}, nil, false},
	} {
		if got := SameForwarding(own4("10.0.0.0/24", tc.x...), own4("10.0.0.0/24", tc.y...)); got != tc.want {
			t.Errorf("%s: %v", tc.name, got)
		}
		if got := SameForwarding(own4("10.0.0.0/24", tc.y...), own4("10.0.0.0/24", tc.x...)); got != tc.want {
			t.Errorf("%s, the other way: %v", tc.name, got)
		}
	}
	black, read := own4("2001:db8::/48"), own4("2001:db8::/48", Hop{Ifindex: 1})
	black.Kind, read.Kind = KindBlackhole, KindBlackhole
	if !SameForwarding(black, read) {
		t.Error("an IPv6 blackhole reads back with dev lo, and that is no difference")
	}
	read.Kind = KindUnreachable
	if SameForwarding(black, read) {
		t.Error("blackhole and unreachable are the same")
	}
}

// TestSameForwardingOfRoutes: what of a route, beside its hops, makes it forward otherwise.
func TestSameForwardingOfRoutes(t *testing.T) {
	a := Hop{Gateway: addr("192.0.2.1"), Ifindex: 2}
	b := Hop{Gateway: addr("192.0.2.2"), Ifindex: 2}
	with := func(r Route, change func(*Route)) Route { change(&r); return r }
	black := func(r *Route) { r.Kind, r.Hops = KindBlackhole, nil }
	for _, tc := range []struct {
		name string
		x, y Route
		want bool
	}{
		{"as the kernel shows it", own4("10.0.0.0/24", a), with(own4("10.0.0.0/24", Hop{Gateway: a.Gateway, Ifindex: 2, Weight: 1, Dead: true}), func(r *Route) { r.Scope = 253; r.NexthopID = 9 }), true},
		{"another hop", own4("10.0.0.0/24", a), own4("10.0.0.0/24", b), false},
		{"one hop and two, IPv6", own4("2001:db8::/48", a), own4("2001:db8::/48", a, b), false},
		{"unicast and blackhole, IPv6", own4("2001:db8::/48", a), with(own4("2001:db8::/48"), black), false},
		{"another protocol", own4("10.0.0.0/24", a), with(own4("10.0.0.0/24", a), func(r *Route) { r.Protocol = 180 }), true},
		{"another metric", own4("10.0.0.0/24", a), with(own4("10.0.0.0/24", a), func(r *Route) { r.Metric = 30 }), true},
		{"preferred source", own4("10.0.0.0/24", a), with(own4("10.0.0.0/24", a), func(r *Route) { r.PrefSrc = addr("192.0.2.9") }), false},
	} {
		if SameForwarding(tc.x, tc.y) != tc.want || SameForwarding(tc.y, tc.x) != tc.want {
			t.Errorf("%s: not %v", tc.name, tc.want)
		}
	}
}
