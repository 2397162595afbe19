package nexthop

import (
	"net/netip"
	"slices"
	"testing"

	"github.com/vrfredist/vrfredist/rib"
)

// TestWayTable: each way is found by its nexthop and family and no other, and is no more when it was
// not kept; also where several have the same hash.
func TestWayTable(t *testing.T) {
	for name, hash := range map[string]func(wayKey) uint64{
		"of their own": newWayTable().hash,
		"of three":     func(k wayKey) uint64 { return uint64(k.Addr.As4()[3]) % 3 },
		"one":          func(wayKey) uint64 { return 7 },
	} {
		table := newWayTable()
		table.hash = hash
		var all []*Way
		for i := range 20 {
			for _, six := range []bool{false, true} {
				m := Member{Addr: netip.AddrFrom4([4]byte{10, 0, 0, byte(i)}), Encap: rib.ByVXLAN(100, rib.MAC{2, byte(i)})}
				if i%2 == 1 {
					m = Member{Addr: m.Addr, Source: "red"}
				}
				all = append(all, &Way{Member: m, ipv6: six})
				table.add(all[len(all)-1])
			}
		}
		for gone := range 4 {
			kept := func(i int) bool { return i%4 >= gone }
			table.keep(func(way *Way) bool { return kept(slices.Index(all, way)) })
			n := 0
			for i, way := range all {
				var want *Way
				if kept(i) {
					want = way
					n++
				}
				if got := table.find(way.Member, way.key().family); got != want {
					t.Errorf("hashes %s, %d gone: %v is found: %v, want %v", name, gone, way.key(), got, want)
				}
			}
			if left := slices.Collect(table.all); len(left) != n || table.n != n {
				t.Errorf("hashes %s, %d gone: there are %d, and %d are counted; want %d", name, gone, len(left), table.n, n)
			}
			if table.find(Member{Addr: netip.MustParseAddr("10.0.0.99")}, rib.IPv4) != nil {
				t.Errorf("hashes %s: one is found that was never there", name)
			}
		}
	}
}
