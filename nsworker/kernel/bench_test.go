package kernel

import (
	"encoding/binary"
	"net"
	"net/netip"
	"runtime"
	"testing"

	"github.com/vishvananda/netlink"
	netnslib "github.com/vishvananda/netns"

	"github.com/vrfredist/vrfredist/rib"
)

// nthPrefix is the nth of many prefixes: a /24 from 16.0.0.0 on, or a /48 from
// 2001:1000:: on.
func nthPrefix(n int, ipv6 bool) netip.Prefix {
	if ipv6 {
		var a [16]byte
		binary.BigEndian.PutUint64(a[:], 0x2001_1000_0000_0000+uint64(n)<<16)
		return netip.PrefixFrom(netip.AddrFrom16(a), 48)
	}
	var a [4]byte
	binary.BigEndian.PutUint32(a[:], 16<<24+uint32(n)<<8)
	return netip.PrefixFrom(netip.AddrFrom4(a), 24)
}

// objectID is a nexthop object of ours in a benchmark, through v0.
func objectID(ipv6 bool) uint32 {
	if ipv6 {
		return 0x50000002
	}
	return 0x50000001
}

// encapsulating is the distance from an object of objectID to that which puts packets into SRv6
// besides.
const encapsulating = 0x100

// addObjects makes the two objects of objectID, and those that encapsulate.
func addObjects(t testing.TB, c *Conn) {
	t.Helper()
	v0 := ifindex(t, read(t, c), "v0")
	for _, ipv6 := range []bool{false, true} {
		gateway := map[bool]string{false: "192.0.2.2", true: "2001:db8::2"}[ipv6]
		apply(t, c, rib.Change{Op: rib.OpAddNexthop, Nexthop: rib.Nexthop{
			ID: objectID(ipv6), IPv6: ipv6, Hop: rib.Hop{Gateway: netip.MustParseAddr(gateway), Ifindex: v0, Weight: 1},
		}})
		apply(t, c, rib.Change{Op: rib.OpAddNexthop, Nexthop: rib.Nexthop{
			ID: objectID(ipv6) + encapsulating, IPv6: ipv6, Hop: rib.Hop{Gateway: netip.MustParseAddr(gateway), Ifindex: v0, Weight: 1, Encap: encaps},
		}})
	}
}

// shape gives the nth of many routes its way out.
type shape func(r *rib.Route, n int)

func inline(r *rib.Route, _ int) {
	r.Hops = []rib.Hop{via("192.0.2.2")}
	if r.Prefix.Addr().Is6() {
		r.Hops = []rib.Hop{via("2001:db8::2")}
	}
}

// alternating gives neighbours different sets of several hops.
func alternating(r *rib.Route, n int) {
	first := []string{"192.0.2.2", "192.0.2.3"}
	second := "198.51.100.2"
	if r.Prefix.Addr().Is6() {
		first, second = []string{"2001:db8::2", "2001:db8::3"}, "2001:db8:1::2"
	}
	r.Hops = []rib.Hop{via(first[n%2]), via(second)}
}

// labelled and segments put packets into MPLS and SRv6 in each route.
func labelled(r *rib.Route, _ int) { encapsulated(r, rib.ByMPLS(rib.LabelStack(16002, 80))) }

func segments(r *rib.Route, _ int) {
	encapsulated(r, rib.BySRv6(netip.MustParseAddr("fd00:2:0:1:100::"), false))
}

func encapsulated(r *rib.Route, e rib.Encap) {
	inline(r, 0)
	r.Hops[0].Encap = e
}

func objects(r *rib.Route, _ int) { r.NexthopID = objectID(r.Prefix.Addr().Is6()) }

// tunnels are objects that encapsulate.
func tunnels(r *rib.Route, _ int) { r.NexthopID = objectID(r.Prefix.Addr().Is6()) + encapsulating }

// manyChanges makes op of n routes.
func manyChanges(op rib.Op, n int, ipv6 bool, way shape) []rib.Change {
	changes := make([]rib.Change, n)
	for i := range changes {
		r := rib.Route{Prefix: nthPrefix(i, ipv6), Metric: 20, Protocol: rib.ProtoOwn, Kind: rib.KindUnicast}
		way(&r, i)
		changes[i] = rib.Change{Op: op, Route: r}
	}
	return changes
}

// BenchmarkRead reads a table of 200,000 own routes.
func BenchmarkRead(b *testing.B) {
	const n = 200_000
	for _, bench := range []struct {
		name, compat string
		ipv6         bool
		way          shape
	}{
		{"IPv4/inline", "1", false, inline},
		{"IPv4/alternating", "1", false, alternating},
		{"IPv4/objects", "0", false, objects},
		{"IPv4/objects,compat", "1", false, objects},
		{"IPv6/inline", "1", true, inline},
		{"IPv6/objects", "0", true, objects},
	} {
		b.Run(bench.name, func(b *testing.B) {
			ns := lab(b)
			run(b, "ip", "netns", "exec", ns, "sysctl", "-qw", "net.ipv4.nexthop_compat_mode="+bench.compat)
			c := open(b, startHost(b), rib.Binding{Netns: ns, Table: table})
			addObjects(b, c)
			apply(b, c, manyChanges(rib.OpAdd, n, bench.ipv6, bench.way)...)
			var before, after runtime.MemStats
			runtime.ReadMemStats(&before)
			rounds := 0
			for b.Loop() {
				if got := readList(b, c).Routes; got.Len() != n {
					b.Fatalf("%d routes are read", got.Len())
				}
				rounds++
			}
			runtime.ReadMemStats(&after)
			perRoute := float64(rounds * n)
			b.ReportMetric(float64(b.Elapsed().Nanoseconds())/perRoute, "ns/route")
			b.ReportMetric(float64(after.TotalAlloc-before.TotalAlloc)/perRoute, "B/route")
			b.ReportMetric(float64(after.Mallocs-before.Mallocs)/perRoute, "allocs/route")
		})
	}
}

// BenchmarkWrite fills an empty table with 100,000 routes: one by one with the
// netlink library, where nobody listens, and as a Conn does it, under its
// monitor. Heard is the same without the filter of our own echoes.
func BenchmarkWrite(b *testing.B) {
	const n = 100_000
	for _, family := range []struct {
		name string
		ipv6 bool
	}{{"IPv4", false}, {"IPv6", true}} {
		b.Run(family.name+"/library", func(b *testing.B) { writeByLibrary(b, n, family.ipv6) })
		for _, bench := range []struct {
			name  string
			way   shape
			heard bool
		}{
			{"inline", inline, false}, {"objects", objects, false}, {"objects,SRv6", tunnels, false}, {"objects,heard", objects, true},
		} {
			b.Run(family.name+"/"+bench.name, func(b *testing.B) {
				writeByConn(b, manyChanges(rib.OpAdd, n, family.ipv6, bench.way), bench.heard)
			})
		}
	}
}

func writeByConn(b *testing.B, changes []rib.Change, heard bool) {
	ns := lab(b)
	run(b, "ip", "netns", "exec", ns, "sysctl", "-qw", "net.ipv4.nexthop_compat_mode=0")
	h := startHost(b)
	c := open(b, h, rib.Binding{Netns: ns, Table: table})
	if heard {
		open(b, h, rib.Binding{Netns: ns, Table: table})
	}
	addObjects(b, c)
	rounds := 0
	for b.Loop() {
		apply(b, c, changes...)
		rounds++
		b.StopTimer()
		apply(b, c, deletions(changes)...)
		b.StartTimer()
	}
	b.ReportMetric(float64(rounds*len(changes))/b.Elapsed().Seconds(), "routes/s")
}

func deletions(changes []rib.Change) []rib.Change {
	del := make([]rib.Change, len(changes))
	for i, ch := range changes {
		del[i] = rib.Change{Op: rib.OpDelete, Route: ch.Route}
	}
	return del
}

func writeByLibrary(b *testing.B, n int, ipv6 bool) {
	ns := lab(b)
	changes := manyChanges(rib.OpAdd, n, ipv6, inline)
	routes := make([]netlink.Route, n)
	for i, ch := range changes {
		r := ch.Route
		routes[i] = netlink.Route{
			Dst:      &net.IPNet{IP: r.Prefix.Addr().AsSlice(), Mask: net.CIDRMask(r.Prefix.Bits(), r.Prefix.Addr().BitLen())},
			Gw:       r.Hops[0].Gateway.AsSlice(),
			Table:    table,
			Priority: int(r.Metric),
			Protocol: netlink.RouteProtocol(r.Protocol),
		}
	}
	in, err := netnslib.GetFromName(ns)
	if err != nil {
		b.Fatal(err)
	}
	defer in.Close()
	handle, err := netlink.NewHandleAt(in)
	if err != nil {
		b.Fatal(err)
	}
	defer handle.Close()
	h := startHost(b)
	rounds := 0
	for b.Loop() {
		for i := range routes {
			if err := handle.RouteReplace(&routes[i]); err != nil {
				b.Fatal(err)
			}
		}
		rounds++
		b.StopTimer()
		c, err := h.Open(b.Context(), rib.Binding{Netns: ns, Table: table}, rib.ProtoOwn)
		if err != nil {
			b.Fatal(err)
		}
		apply(b, c, deletions(changes)...)
		if err := c.Close(); err != nil {
			b.Fatal(err)
		}
		b.StartTimer()
	}
	b.ReportMetric(float64(rounds*n)/b.Elapsed().Seconds(), "routes/s")
}
