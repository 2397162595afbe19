package gobgp3

import (
	"fmt"
	"testing"
	"time"
	"unsafe"

	"github.com/osrg/gobgp/v3/pkg/config/oc"
	"github.com/osrg/gobgp/v3/pkg/log"
	"github.com/osrg/gobgp/v3/pkg/packet/bgp"

	"github.com/vrfredist/vrfredist/rib"
)

//go:linkname newRoutingPolicy github.com/osrg/gobgp/v3/internal/pkg/table.NewRoutingPolicy
func newRoutingPolicy(logger log.Logger) unsafe.Pointer

//go:linkname resetPolicy github.com/osrg/gobgp/v3/internal/pkg/table.(*RoutingPolicy).Reset
func resetPolicy(r unsafe.Pointer, rp *oc.RoutingPolicy, ap map[string]oc.ApplyPolicy) error

func applyPolicy(r unsafe.Pointer, id string, dir int, before unsafe.Pointer, options unsafe.Pointer) unsafe.Pointer {
	return unsafe.Pointer(policiesApply(r, id, dir, (*bgpPath)(before), (*bgpPolicyOptions)(options)))
}

//go:linkname newTablePath github.com/osrg/gobgp/v3/internal/pkg/table.NewPath
func newTablePath(source unsafe.Pointer, nlri bgp.AddrPrefixInterface, withdraw bool, attrs []bgp.PathAttributeInterface, at time.Time, noImplicit bool) unsafe.Pointer

// BenchmarkRules is what the rules cost for one route towards one neighbour.
func BenchmarkRules(b *testing.B) {
	const export = 2 // table.POLICY_DIRECTION_EXPORT
	for _, inside := range []int{0, 10, 100} {
		neighbors := []any{neighborConf("127.0.0.2", 65001, 179, "ipv4-unicast")}
		for i := range inside {
			neighbors = append(neighbors, neighborConf(fmt.Sprintf("127.1.0.%d", i+1), 65000, 179, "ipv4-unicast"))
		}
		c := readConf(b, baseConf(nil, neighbors), rib.Extras{})
		c.Set.Global.ApplyPolicy.Config.DefaultExportPolicy = oc.DEFAULT_POLICY_TYPE_ACCEPT_ROUTE
		r := newRoutingPolicy(quiet{})
		if err := resetPolicy(r, oc.ConfigSetToRoutingPolicy(&c.Set), map[string]oc.ApplyPolicy{"global": c.Set.Global.ApplyPolicy}); err != nil {
			b.Fatal(err)
		}
		source := &bgpPeer{AS: 65001, Address: []byte{127, 0, 0, 2}}
		for _, n := range []int{0, 1, 5} {
			attrs := []bgp.PathAttributeInterface{bgp.NewPathAttributeOrigin(0)}
			if n > 0 {
				list := make([]uint32, n)
				for i := range list {
					list[i] = 65001<<16 | uint32(i)
				}
				attrs = append(attrs, bgp.NewPathAttributeCommunities(list))
			}
			p := newTablePath(unsafe.Pointer(source), bgp.NewIPAddrPrefix(24, "10.0.0.0"), false, attrs, time.Unix(0, 0), false)
			b.Run(fmt.Sprintf("%d iBGP neighbours/%d communities", inside, n), func(b *testing.B) {
				b.ReportAllocs()
				for b.Loop() {
					if applyPolicy(r, "global", export, p, nil) == nil {
						b.Fatal("it is rejected")
					}
				}
			})
		}
	}
}
