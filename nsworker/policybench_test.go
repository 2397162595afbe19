package nsworker

import (
	"fmt"
	"log/slog"
	"net/netip"
	"testing"

	"github.com/vrfredist/vrfredist/rib"
	"github.com/vrfredist/vrfredist/rib/policy"
	"github.com/vrfredist/vrfredist/vrf"
)

// BenchmarkTake is what a worker's decision costs a route of a new table, of which every fourth has
// other attributes: without a policy, and through one with 1,000 prefixes.
func BenchmarkTake(b *testing.B) {
	thousand := policy.Rule{Action: policy.Reject}
	for i := range 1000 {
		thousand.When.Prefixes = append(thousand.When.Prefixes, exactly(fmt.Sprintf("172.%d.%d.0/24", 16+i/256, i%256)))
	}
	for name, j := range map[string]rib.Judge{"none": nil, "policy": judge("bench", thousand)} {
		b.Run(name, func(b *testing.B) {
			of := judged(j)
			w := New(Deps{Board: NewBoard(), BGP: newFakeBGP(), Log: slog.New(slog.DiscardHandler)}, of, func(vrf.WorkerStatus) {})
			w.feed = rib.NewFeed()
			s := newTableSync(w, &fakeTable{})
			batch := make([]rib.Entry, 0, feedBatch)
			var attrs *rib.Attrs
			via := bgpPath("10.0.0.0/8", "192.0.2.9").Attrs.Via
			n := 0
			b.ResetTimer()
			for b.Loop() {
				batch = batch[:0]
				for range feedBatch {
					if n%4 == 0 {
						attrs = &rib.Attrs{Via: via, Tags: &rib.Tags{}, LocalPref: 100, MED: uint32(n)}
					}
					prefix := netip.PrefixFrom(netip.AddrFrom4([4]byte{byte(10 + n>>16&63), byte(n >> 8), byte(n), 0}), 24)
					n++
					batch = append(batch, rib.Entry{Slot: s.feed.Hold(prefix), Prefix: prefix, Paths: []rib.Path{{Prefix: prefix, Attrs: attrs}}})
				}
				s.routes.take(batch)
			}
			b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(n), "ns/route")
		})
	}
}
