package frrpe_test

import (
	"strings"
	"testing"

	"github.com/vrfredist/vrfredist/integration/netns/edge"
	"github.com/vrfredist/vrfredist/integration/netns/lab"
)

// TestRT5OverIPv6 is what FRR's topotest bgp_evpn_rt5 asserts in its file of IPv6 VTEPs, where the
// routers' addresses and the VTEPs are of IPv6, with vrfredist as r1, and FRR as r2. FRR has such
// VTEPs since its version 10. Each assertion holds:
//
//   - protocols_convergence, disable_routemap: the routes of both families are at the other one with
//     an IPv6 nexthop, and those that a route map of FRR's denies are not, until it is removed;
//   - router_check_ip: they are in the kernel's table, by the PE's IPv6 address;
//   - evpn_contexts, and again: FRR has one nexthop and one MAC address for this router, which has one
//     gateway and one forwarding entry for FRR's;
//   - evpn_ping, and again: 1,000 of 1,000 packets in each family, and on the wire in VXLAN over IPv6;
//   - remove_ip: without the IPv6 prefixes those routes go, and IPv4 stays and forwards;
//   - multipath: with a second session FRR has two paths; each session is cleared twice, and what
//     leads to the other router is never taken away.
//
// What is left out: the router r3 of another AS, whose VNI r1 denies by a route map, the dumps for the
// log, and r1 as FRR's own.
func TestRT5OverIPv6(t *testing.T) {
	t.Parallel()
	if lab.FRRMajor(t) < 10 {
		t.Skip("this needs FRR 10, which has VTEPs of IPv6: `make test-peers` runs this test")
	}
	n := newNetworkOver(t, edge.VXLAN6, "ping")
	there := n.frr.Tenants["red"]
	there.NS.Address(there.Lan(), told, told6, hidden, hidden6)
	n.twoSessions()
	n.start(strings.Replace(n.ours.Neighbor(n.second(n.frr)), edge.Loopback6(1), n.second(n.ours), 1))
	n.mapped()
	n.has(told, told6)
	n.announced()
	if e := strings.TrimSpace(n.ours.Tenants["red"].Endpoints()); strings.Contains(e, "\n") || !strings.Contains(e, frrMAC("red")) {
		t.Errorf("the gateways to FRR are\n%s", e)
	}
	n.thousand("10.0.101.2", "fd01::2")
	n.unmapped()
	n.has(told, told6, hidden, hidden6, "10.2.0.0/24", "2001:db8:2::/64")
	n.goesTo(n.ours.Tenants["red"], n.ours.Tenants["red"].Carried(there))

	t.Log("without IPv6")
	n.redistribute("ipv6", false)
	n.has(told, hidden, "10.2.0.0/24")
	n.thousand("10.0.101.2")
	n.redistribute("ipv6", true)
	n.has(told, told6, hidden, hidden6, "10.2.0.0/24", "2001:db8:2::/64")
	n.clearedInTurn()
}
