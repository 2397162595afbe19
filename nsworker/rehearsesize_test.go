package nsworker

import (
	"context"
	"fmt"
	"log/slog"
	"net/netip"
	"runtime"
	"testing"
	"time"

	"github.com/vrfredist/vrfredist/rib"
	"github.com/vrfredist/vrfredist/vrf"
)

// fullKernel has one table, with a route of ours for each of many prefixes.
type fullKernel struct {
	Kernel
	scenery
}

func (k *fullKernel) Open(context.Context, rib.Binding, uint8) (Table, error) { return &k.scenery, nil }

// fullTable is what a plan is made of: a feed with a path for each of n prefixes, in UPDATEs of a few,
// and a kernel that has the routes by nexthop objects.
func fullTable(n int) (*rib.Feed, *fullKernel) {
	feed, k := rib.NewFeed(), &fullKernel{scenery: scenery{where: rib.Where{Dev: 1, Inode: 1, Table: 254}}}
	k.table = rib.Table{Links: rib.Links{2: {Index: 2, Name: "eth0", Up: true, Admin: true, Addrs: []netip.Prefix{netip.MustParsePrefix("192.0.2.1/24")}}}}
	k.table.Routes.Add(rib.Route{Prefix: netip.MustParsePrefix("192.0.2.0/24"), Protocol: rib.ProtoKernel, Kind: rib.KindUnicast, Scope: 253, Hops: []rib.Hop{{Ifindex: 2}}})
	attrs := bgpPath("10.0.0.0/8", "192.0.2.9").Attrs
	hops := []rib.Hop{{Ifindex: 2, Gateway: netip.MustParseAddr("192.0.2.9"), Weight: 1}}
	for i := range n {
		prefix := netip.PrefixFrom(netip.AddrFrom4([4]byte{byte(16 + i>>16), byte(i >> 8), byte(i), 0}), 24)
		if i%4 == 0 {
			next := *attrs // of a neighbour all have the same nexthop
			attrs = &next
		}
		feed.Set(prefix, 0, []rib.Path{{Prefix: prefix, Attrs: attrs}})
		k.table.Routes.Add(rib.Route{Prefix: prefix, Metric: 20, Protocol: rib.ProtoOwn, Kind: rib.KindUnicast, Hops: hops})
	}
	return feed, k
}

// planAll makes the plan of another metric, lists some of it, and returns how much was allocated
// meanwhile.
func planAll(t testing.TB, feed *rib.Feed, k *fullKernel, lines int) (bytes uint64) {
	t.Helper()
	before, after := spec("red"), spec("red")
	after.Export.Metric = 30
	var was, is runtime.MemStats
	runtime.ReadMemStats(&was)
	r := NewRehearsal(t.Context(), Deps{Kernel: k, BGP: newFakeBGP(), Board: NewBoard(), Log: slog.New(slog.DiscardHandler)}, []vrf.Spec{before}, []vrf.Spec{after})
	defer r.Close()
	got, err := r.Table(t.Context(), "red", feed, false)
	if err != nil {
		t.Fatal(err)
	}
	listed := 0
	for range got.Routes {
		if listed++; listed == lines {
			break
		}
	}
	runtime.ReadMemStats(&is)
	if prefixes, _ := feed.Len(); got.Counts.Added != prefixes || got.Counts.Removed != prefixes || listed != min(lines, got.Counts.RouteLines()) {
		t.Errorf("%+v, %d lines, %v", got.Counts, listed, got.Notes)
	}
	return is.TotalAlloc - was.TotalAlloc
}

// TestPlanIsSmall: a plan that changes every route of a full table makes few bytes a route, all that
// it throws away among them.
func TestPlanIsSmall(t *testing.T) {
	const routes = 200_000
	feed, k := fullTable(routes)
	if bytes := planAll(t, feed, k, 20) / routes; bytes > 350 {
		t.Errorf("%d bytes a route", bytes)
	}
}

// BenchmarkPlan is a plan that changes every route, beside its lines.
func BenchmarkPlan(b *testing.B) {
	for _, routes := range []int{100_000, 1_000_000} {
		feed, k := fullTable(routes)
		for _, lines := range []int{20, 2 * routes} {
			b.Run(fmt.Sprintf("%d/%d", routes, lines), func(b *testing.B) {
				bytes := uint64(0)
				began := time.Now()
				for b.Loop() {
					bytes += planAll(b, feed, k, lines)
				}
				b.ReportMetric(float64(bytes)/float64(b.N*routes), "B/route")
				b.ReportMetric(time.Since(began).Seconds()/float64(b.N), "s")
			})
		}
	}
}
