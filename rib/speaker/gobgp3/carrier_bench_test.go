package gobgp3

import (
	"fmt"
	"testing"

	"github.com/osrg/gobgp/v3/pkg/packet/bgp"

	"github.com/vrfredist/vrfredist/rib"
)

// BenchmarkCarried is what it costs to announce and to withdraw what a VRF imports, with a PE that
// is told of it: as VPN routes, and carried by EVPN.
func BenchmarkCarried(b *testing.B) {
	const routes = 20_000
	for _, bc := range []struct {
		name   string
		extras rib.Extras
		family bgp.RouteFamily
	}{{"VPN", rib.Extras{}, bgp.RF_IPv4_VPN}, {"EVPN", carriedBy(redCarried), bgp.RF_EVPN}} {
		b.Run(bc.name, func(b *testing.B) {
			pe := newHostile(b, "127.0.0.2", 65001, bgp.NewCapMultiProtocol(bgp.RF_IPv4_VPN), bgp.NewCapMultiProtocol(bgp.RF_EVPN))
			pe.deaf = true
			s := run(b, Options{
				Config: toJSON(b, baseConf([]any{vrfConf("red", "65000:1", []string{"65000:1"}, []string{"65000:1"})}, []any{pe.conf("l3vpn-ipv4-unicast", "l2vpn-evpn")})),
				Extras: bc.extras,
			})
			s.awaitState(b, pe.addr, "established")
			var add, del []rib.AnnounceChange
			for i := range routes {
				pfx := fmt.Sprintf("10.%d.%d.0/24", i/256, i%256)
				add, del = append(add, change(pfx, 1)), append(del, withdrawal(pfx))
			}
			has := func(want int) func() bool {
				return func() bool {
					n := 0
					_ = s.inLoop(func() error { n = len(s.loop.rib().Tables[bc.family].destinations); return nil })
					return n == want
				}
			}
			for b.Loop() {
				s.announce(b, "red", add...)
				eventually(b, "all are there", has(routes))
				s.announce(b, "red", del...)
				eventually(b, "all are gone", has(0))
			}
			b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N*routes), "ns/route")
		})
	}
}
