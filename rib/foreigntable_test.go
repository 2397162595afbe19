package rib

import (
	"math/rand/v2"
	"net/netip"
	"slices"
	"sync"
	"testing"
)

func TestForeignTable(t *testing.T) {
	static := func(p string, metric uint32, gw string) Route {
		return Route{Prefix: prefix(p), Metric: metric, Protocol: ProtoStatic, Kind: KindUnicast, Hops: []Hop{{Gateway: addr(gw), Ifindex: 2}}}
	}
	bird := func(p string, metric uint32, gw string) Route { r := static(p, metric, gw); r.Protocol = 12; return r }
	show := func(f *ForeignTable, p string) (s []string) {
		for _, r := range f.Get(prefix(p)) {
			s = append(s, r.String())
		}
		return s
	}
	want := func(f *ForeignTable, p string, routes ...Route) {
		t.Helper()
		var s []string
		for _, r := range routes {
			s = append(s, r.String())
		}
		if got := show(f, p); !slices.Equal(got, s) {
			t.Errorf("%s: got %q, want %q", p, got, s)
		}
	}
	a, b, c := static("10.0.0.0/24", 10, "192.0.2.1"), bird("10.0.0.0/24", 10, "192.0.2.2"), static("10.0.0.0/24", 5, "192.0.2.3")
	f1 := NewForeignTable([]Route{a, b, c})
	want(f1, "10.0.0.0/24", c, a, b)
	a2 := static("10.0.0.0/24", 10, "192.0.2.9")
	f2 := f1.With(a2)
	want(f2, "10.0.0.0/24", c, a2, b)
	want(f1, "10.0.0.0/24", c, a, b)
	f3 := f2.Without(a)
	want(f3, "10.0.0.0/24", c, b)
	want(f2, "10.0.0.0/24", c, a2, b)
	if f1.Len() != 3 || f2.Len() != 3 || f3.Len() != 2 || f3.Without(a) != f3 {
		t.Errorf("lengths %d, %d, %d", f1.Len(), f2.Len(), f3.Len())
	}
	if f := f3.Without(b).Without(c); f.Len() != 0 || f.Get(prefix("10.0.0.0/24")) != nil {
		t.Errorf("not empty: %q", show(f, "10.0.0.0/24"))
	}

	// IPv4 keeps what was appended under one key; an event finds the one that
	// forwards as it says.
	twice := NewForeignTable([]Route{a, a2})
	want(twice, "10.0.0.0/24", a, a2)
	want(twice.Without(a2), "10.0.0.0/24", a)
	want(twice.With(a2), "10.0.0.0/24", a, a2)
}

func TestForeignTableIPv6(t *testing.T) {
	connected := func(dev int) Route {
		return Route{Prefix: prefix("2001:db8:1::/64"), Metric: 256, Protocol: ProtoKernel, Kind: KindUnicast, Hops: []Hop{{Ifindex: dev}}}
	}
	f := NewForeignTable([]Route{connected(2), connected(3)})
	f = f.With(connected(3))
	if f.Len() != 2 {
		t.Errorf("one prefix on two links: %d routes, want 2", f.Len())
	}
	f = f.Without(connected(2))
	if r := f.Get(prefix("2001:db8:1::/64")); len(r) != 1 || r[0].Hops[0].Ifindex != 3 {
		t.Errorf("after the address of one link went: %v", r)
	}

	legs := func(gws ...string) Route {
		r := Route{Prefix: prefix("2001:db8:9::/48"), Metric: 20, Protocol: ProtoStatic, Kind: KindUnicast}
		for _, gw := range gws {
			r.Hops = append(r.Hops, Hop{Gateway: addr(gw), Ifindex: 2})
		}
		return r
	}
	ecmp := NewForeignTable([]Route{legs("fe80::1", "fe80::2", "fe80::3")})
	for _, tc := range []struct {
		gone Route
		left string
	}{
		{legs("fe80::2"), "2001:db8:9::/48 proto static metric 20\n\tnexthop via fe80::1 dev if2 weight 1\n\tnexthop via fe80::3 dev if2 weight 1"},
		{legs("fe80::1", "fe80::3"), "2001:db8:9::/48 via fe80::2 dev if2 proto static metric 20"},
		{legs("fe80::9"), ""},
		{legs("fe80::3", "fe80::2", "fe80::1"), ""},
		{legs(), ""},
		{func() Route { r := legs("fe80::2"); r.NexthopID = 7; return r }(), ""},
	} {
		got := ""
		left := ecmp.Without(tc.gone)
		for _, r := range left.Get(prefix("2001:db8:9::/48")) {
			got += r.String()
		}
		if got != tc.left || (left.Len() == 0) != (got == "") {
			t.Errorf("without %s: %q (%d), want %q", tc.gone, got, left.Len(), tc.left)
		}
	}
	if n := len(ecmp.Get(prefix("2001:db8:9::/48"))[0].Hops); n != 3 {
		t.Errorf("the snapshot changed: %d hops", n)
	}
}

func TestNilForeignTable(t *testing.T) {
	var f *ForeignTable
	r := own4("10.0.0.0/24", Hop{Ifindex: 2})
	if f.Len() != 0 || f.Get(r.Prefix) != nil || f.Without(r) != nil {
		t.Error("a nil table is not empty")
	}
	for range f.All() {
		t.Error("a nil table yields a route")
	}
	if g := f.With(r); g.Len() != 1 || len(g.Get(r.Prefix)) != 1 {
		t.Error("With on a nil table lost the route")
	}
	if g := new(ForeignTable).With(r).Without(r); g.Len() != 0 {
		t.Error("the zero table is not usable")
	}
}

// model is the plainest thing that does what a ForeignTable does.
type model []Route

func (m model) with(r Route) model {
	i := slices.IndexFunc(m, func(o Route) bool { return o.Key() == r.Key() && o.Protocol == r.Protocol })
	if i < 0 {
		return append(slices.Clone(m), r)
	}
	m = slices.Clone(m)
	m[i] = r
	return m
}

func (m model) without(r Route) model {
	return slices.DeleteFunc(slices.Clone(m), func(o Route) bool { return o.Key() == r.Key() && o.Protocol == r.Protocol })
}

func (m model) get(p netip.Prefix) []Route {
	var routes []Route
	for _, r := range m {
		if r.Prefix == p {
			routes = append(routes, r)
		}
	}
	slices.SortStableFunc(routes, func(a, b Route) int { return int(a.Metric) - int(b.Metric) })
	return routes
}

// lookup is the longest prefix but the default, of those with a usable hop.
func (m model) lookup(a netip.Addr) (best netip.Prefix) {
	for _, r := range m {
		if r.Prefix.Contains(a) && r.Prefix.Bits() > 0 && (!best.IsValid() || r.Prefix.Bits() > best.Bits()) {
			best = r.Prefix
		}
	}
	return best
}

func sameRoutes(a, b []Route) bool {
	return slices.EqualFunc(a, b, func(a, b Route) bool {
		return a.Key() == b.Key() && a.Protocol == b.Protocol && slices.Equal(a.Hops, b.Hops)
	})
}

// checkForeignTable plays a script of With and Without against the model. Each step
// takes four bytes.
func checkForeignTable(t *testing.T, script []byte) {
	t.Helper()
	links := twoLinks()
	type moment struct {
		fib *ForeignTable
		m   model
	}
	history := []moment{{}}
	for ; len(script) >= 4; script = script[4:] {
		now := history[len(history)-1]
		op, net, rest, gw := script[0], script[1], script[2], script[3]
		var p netip.Prefix
		if op&2 == 0 {
			p = netip.PrefixFrom(netip.AddrFrom4([4]byte{10, net & 3, net & 0xf0, 0}), int(rest%5)*7).Masked()
		} else {
			p = netip.PrefixFrom(netip.AddrFrom16([16]byte{0x20, 1, 0xd, 0xb8, net & 3, net & 0xf0}), int(rest%8)*9).Masked()
		}
		r := Route{Prefix: p, Metric: uint32(rest >> 6), Protocol: ProtoStatic + op>>6, Kind: KindUnicast, Hops: []Hop{{Gateway: netip.AddrFrom4([4]byte{192, 0, 2, gw}), Ifindex: 2}}}
		next := moment{now.fib.With(r), now.m.with(r)}
		if op&1 != 0 {
			next = moment{now.fib.Without(r), now.m.without(r)}
		}
		history = append(history, next)
	}
	for _, h := range history { // the older snapshots too
		n := 0
		var last netip.Prefix
		for p, routes := range h.fib.All() {
			if last.IsValid() && last.Compare(p) >= 0 {
				t.Fatalf("All yields %s after %s", p, last)
			}
			last = p
			n += len(routes)
			if want := h.m.get(p); !sameRoutes(routes, want) {
				t.Fatalf("%s: %v, want %v", p, routes, want)
			}
			a := p.Addr()
			_, via, err := View{Links: links, Foreign: h.fib}.Resolve(a)
			if want := h.m.lookup(a); err == nil && via.Prefix != want {
				t.Fatalf("%s resolves by %s, want %s", a, via.Prefix, want)
			} else if err != nil && want.IsValid() && !a.IsUnspecified() {
				t.Fatalf("%s: %v, want %s", a, err, want)
			}
		}
		if n != len(h.m) || h.fib.Len() != n {
			t.Fatalf("All yields %d routes, Len is %d, want %d", n, h.fib.Len(), len(h.m))
		}
		if bulk := NewForeignTable(h.m); bulk.Len() != n {
			t.Fatalf("NewForeignTable holds %d routes, want %d", bulk.Len(), n)
		}
	}
}

func TestForeignTableAgainstModel(t *testing.T) {
	r := rand.New(rand.NewPCG(7, 8))
	for range 60 {
		script := make([]byte, 4*60)
		for i := range script {
			script[i] = byte(r.Uint32())
		}
		checkForeignTable(t, script)
	}
}

func FuzzForeignTable(f *testing.F) {
	f.Add([]byte{0, 1, 0x13, 1, 0, 1, 0x12, 2, 1, 1, 0x13, 1})
	f.Add([]byte{2, 1, 7, 1, 2, 0x10, 6, 2, 3, 1, 7, 1, 2, 1, 0, 9})
	f.Add([]byte{0, 0, 0, 1, 0x40, 0, 0x40, 1, 1, 0, 0, 1})
	f.Fuzz(func(t *testing.T, script []byte) {
		if len(script) > 4*200 {
			return
		}
		checkForeignTable(t, script)
	})
}

// TestForeignTableSnapshotsAreShared lets readers run over snapshots while their owner
// makes new ones: the race detector is the judge.
func TestForeignTableSnapshotsAreShared(t *testing.T) {
	r := rand.New(rand.NewPCG(9, 10))
	snapshots := make(chan *ForeignTable)
	var readers sync.WaitGroup
	for range 2 {
		readers.Go(func() {
			for f := range snapshots {
				n := 0
				for _, routes := range f.All() {
					n += len(routes)
				}
				if n != f.Len() {
					t.Errorf("a snapshot of %d routes yields %d", f.Len(), n)
				}
			}
		})
	}
	var f *ForeignTable
	for i := range 2000 {
		route := own4("10.0.0.0/24", Hop{Ifindex: 2})
		route.Prefix = netip.PrefixFrom(netip.AddrFrom4([4]byte{10, byte(r.Uint32()), byte(r.Uint32() & 3), 0}), 24)
		if r.IntN(3) == 0 {
			f = f.Without(route)
		} else {
			f = f.With(route)
		}
		if i%20 == 0 {
			snapshots <- f
		}
	}
	close(snapshots)
	readers.Wait()
}

func BenchmarkForeignTable(b *testing.B) {
	const n = 100_000
	routes := make([]Route, n)
	for i := range routes {
		routes[i] = Route{Prefix: netip.PrefixFrom(netip.AddrFrom4([4]byte{10, byte(i >> 16), byte(i >> 8), byte(i)}), 32), Kind: KindUnicast, Hops: []Hop{{Ifindex: 2}}}
	}
	b.Run("NewForeignTable", func(b *testing.B) {
		for b.Loop() {
			NewForeignTable(routes)
		}
		b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/n, "ns/route")
	})
	b.Run("With", func(b *testing.B) {
		f := NewForeignTable(routes)
		b.ReportAllocs()
		for i := 0; b.Loop(); i++ {
			f = f.With(routes[i%n])
		}
	})
}
