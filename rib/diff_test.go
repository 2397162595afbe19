package rib

import (
	"fmt"
	"math/rand/v2"
	"net/netip"
	"slices"
	"testing"
)

func own4(p string, hops ...Hop) Route {
	return Route{Prefix: prefix(p), Metric: 20, Protocol: ProtoOwn, Kind: KindUnicast, Hops: hops}
}

func TestDiff(t *testing.T) {
	a := Hop{Gateway: addr("192.0.2.1"), Ifindex: 2}
	b := Hop{Gateway: addr("192.0.2.2"), Ifindex: 2}
	black := func(p string) Route { r := own4(p); r.Kind = KindBlackhole; return r }
	with := func(r Route, change func(*Route)) Route { change(&r); return r }
	for _, tc := range []struct {
		name       string
		have, want []Route
		changes    []string
	}{
		{"nothing", nil, nil, nil},
		{"new", nil, []Route{own4("10.0.0.0/24", a)}, []string{"add 10.0.0.0/24"}},
		{"gone", []Route{own4("10.0.0.0/24", a)}, nil, []string{"delete 10.0.0.0/24"}},
		{"equal", []Route{own4("10.0.0.0/24", a, b)}, []Route{own4("10.0.0.0/24", b, a)}, nil},
		{"as the kernel shows it", []Route{with(own4("10.0.0.0/24", Hop{Gateway: addr("192.0.2.1"), Ifindex: 2, Weight: 1, Dead: true}), func(r *Route) { r.Scope = 253; r.NexthopID = 9 })},
			[]Route{own4("10.0.0.0/24", a)}, nil},
		{"another hop", []Route{own4("10.0.0.0/24", a)}, []Route{own4("10.0.0.0/24", b)}, []string{"replace 10.0.0.0/24"}},
		{"one hop to two, IPv6", []Route{own4("2001:db8::/48", a)}, []Route{own4("2001:db8::/48", a, b)}, []string{"replace 2001:db8::/48"}},
		{"two hops to one, IPv6", []Route{own4("2001:db8::/48", a, b)}, []Route{own4("2001:db8::/48", a)}, []string{"replace 2001:db8::/48"}},
		{"unicast to blackhole, IPv6", []Route{own4("2001:db8::/48", a)}, []Route{black("2001:db8::/48")}, []string{"replace 2001:db8::/48"}},
		{"blackhole to unicast, IPv6", []Route{black("2001:db8::/48")}, []Route{own4("2001:db8::/48", a)}, []string{"replace 2001:db8::/48"}},
		{"protocol", []Route{with(own4("10.0.0.0/24", a), func(r *Route) { r.Protocol = 180 })}, []Route{own4("10.0.0.0/24", a)}, []string{"replace 10.0.0.0/24"}},
		{"preferred source", []Route{own4("10.0.0.0/24", a)}, []Route{with(own4("10.0.0.0/24", a), func(r *Route) { r.PrefSrc = addr("192.0.2.9") })}, []string{"replace 10.0.0.0/24"}},
		{"metric: another key", []Route{own4("10.0.0.0/24", a)}, []Route{with(own4("10.0.0.0/24", a), func(r *Route) { r.Metric = 30 })}, []string{"add 10.0.0.0/24", "delete 10.0.0.0/24"}},
		{"deletes last", []Route{own4("10.0.0.0/24", a), own4("10.0.1.0/24", a)}, []Route{own4("10.0.1.0/24", b), own4("10.0.2.0/24", a)},
			[]string{"replace 10.0.1.0/24", "add 10.0.2.0/24", "delete 10.0.0.0/24"}},
		{"twice wanted", nil, []Route{own4("10.0.0.0/24", a), own4("10.0.0.0/24", b)}, []string{"add 10.0.0.0/24"}},
		{"twice there", []Route{own4("10.0.0.0/24", a), own4("10.0.0.0/24", b)}, []Route{own4("10.0.0.0/24", a)}, []string{"delete 10.0.0.0/24"}},
	} {
		var got []string
		for _, c := range Diff(nil, tc.have, tc.want) {
			got = append(got, fmt.Sprint(c.Op, " ", c.Route.Prefix))
		}
		if !slices.Equal(got, tc.changes) {
			t.Errorf("%s: %q, want %q", tc.name, got, tc.changes)
		}
	}
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

// randomRoutes are own routes with distinct keys out of a small space.
func randomRoutes(r *rand.Rand) []Route {
	var routes []Route
	for n := range 24 {
		if r.IntN(2) == 0 {
			continue
		}
		p := netip.PrefixFrom(netip.AddrFrom4([4]byte{10, 0, byte(n), 0}), 24)
		route := Route{Prefix: p, Metric: 20, Protocol: ProtoOwn, Kind: KindUnicast}
		for range 1 + r.IntN(2) {
			route.Hops = append(route.Hops, Hop{Gateway: netip.AddrFrom4([4]byte{192, 0, 2, byte(r.IntN(3))}), Ifindex: 2})
		}
		if r.IntN(6) == 0 {
			route.Kind, route.Hops = KindBlackhole, nil
		}
		routes = append(routes, route)
	}
	r.Shuffle(len(routes), func(i, j int) { routes[i], routes[j] = routes[j], routes[i] })
	return routes
}

// TestDiffConverges applies the changes to a model of the kernel, which refuses
// what the kernel would, and asks that no wanted prefix is ever without a route
// that had one.
func TestDiffConverges(t *testing.T) {
	r := rand.New(rand.NewPCG(5, 6))
	var buf []Change
	for range 500 {
		have, want := randomRoutes(r), randomRoutes(r)
		table := map[Key]Route{}
		for _, h := range have {
			table[h.Key()] = h
		}
		buf = Diff(buf, have, want)
		for _, c := range buf {
			_, there := table[c.Route.Key()]
			if there != (c.Op != OpAdd) {
				t.Fatalf("%s of %s while there is %v", c.Op, c.Route, there)
			}
			if c.Op == OpDelete {
				if slices.ContainsFunc(want, func(w Route) bool { return w.Key() == c.Route.Key() }) {
					t.Fatalf("delete of %s, which is wanted", c.Route)
				}
				delete(table, c.Route.Key())
				continue
			}
			table[c.Route.Key()] = c.Route
		}
		if len(table) != len(want) {
			t.Fatalf("%d routes, want %d", len(table), len(want))
		}
		for _, w := range want {
			if !SameForwarding(table[w.Key()], w) {
				t.Fatalf("%s, want %s", table[w.Key()], w)
			}
		}
		if again := Diff(nil, want, want); len(again) != 0 {
			t.Fatalf("a table differs from itself: %v", again)
		}
	}
}

func BenchmarkDiff(b *testing.B) {
	const n = 100_000
	have := make([]Route, n)
	for i := range have {
		have[i] = Route{
			Prefix: netip.PrefixFrom(netip.AddrFrom4([4]byte{10, byte(i >> 16), byte(i >> 8), byte(i)}), 32),
			Metric: 20, Protocol: ProtoOwn, Kind: KindUnicast, Hops: []Hop{{Gateway: addr("192.0.2.1"), Ifindex: 2, Weight: 1}},
		}
	}
	b.ReportAllocs()
	var buf []Change
	for b.Loop() {
		buf = Diff(buf, have, have)
	}
	b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/n, "ns/route")
}
