package kernel

import (
	"encoding/binary"
	"net/netip"
	"runtime"
	"testing"

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

// addObjects makes the two objects of objectID.
func addObjects(t testing.TB, c *Conn) {
	t.Helper()
	v0 := ifindex(t, read(t, c), "v0")
	for _, ipv6 := range []bool{false, true} {
		gateway := map[bool]string{false: "192.0.2.2", true: "2001:db8::2"}[ipv6]
		apply(t, c, rib.Change{Op: rib.OpAddNexthop, Nexthop: rib.Nexthop{
			ID: objectID(ipv6), IPv6: ipv6, Hop: rib.Hop{Gateway: netip.MustParseAddr(gateway), Ifindex: v0, Weight: 1},
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

func objects(r *rib.Route, _ int) { r.NexthopID = objectID(r.Prefix.Addr().Is6()) }

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
		ipv6, first  bool // first: as if the table were read for the first time
		way          shape
	}{
		{"IPv4/inline", "1", false, false, inline},
		{"IPv4/alternating", "1", false, false, alternating},
		{"IPv4/objects", "0", false, false, objects},
		{"IPv4/objects,first", "0", false, true, objects},
		{"IPv4/objects,compat", "1", false, false, objects},
		{"IPv6/inline", "1", true, false, inline},
		{"IPv6/objects", "0", true, false, objects},
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
				if got := len(read(b, c).Routes); got != n {
					b.Fatalf("%d routes are read", got)
				}
				rounds++
				if bench.first {
					c.size = 0
				}
			}
			runtime.ReadMemStats(&after)
			perRoute := float64(rounds * n)
			b.ReportMetric(float64(b.Elapsed().Nanoseconds())/perRoute, "ns/route")
			b.ReportMetric(float64(after.TotalAlloc-before.TotalAlloc)/perRoute, "B/route")
			b.ReportMetric(float64(after.Mallocs-before.Mallocs)/perRoute, "allocs/route")
		})
	}
}
