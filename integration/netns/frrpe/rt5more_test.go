package frrpe_test

import (
	"fmt"
	"net/netip"
	"strings"
	"testing"

	"github.com/vrfredist/vrfredist/integration/netns/edge"
	"github.com/vrfredist/vrfredist/integration/netns/lab"
)

// Addresses of FRR's blue that red does not have.
const foreign, foreign6 = "10.0.102.2", "fd02::2"

// TestRT5AnotherVNI is what FRR's topotest bgp_evpn_rt5 asserts in its file of downstream VNIs, with
// vrfredist as r2, whose VRF takes the routes of another one by its route target, and FRR as r1. Each
// assertion holds:
//
//   - protocols_convergence, evpn_route_fpm_encap: the route is in the VRF that has its VNI, and
//     packets go with that;
//   - dvni_route_installed: it is in the other VRF too, by the VXLAN device of that one's own VNI;
//   - dvni_route_fpm_encap, dvni_route_fpm_nhg_encap: it goes with the VNI of the VRF that it came
//     from. FRR asserts this of what it tells a hardware plane, and has the kernel send another VNI;
//     here the packets themselves have it, and arrive in the VRF whose VNI it is;
//   - dvni_route_withdrawn: it goes with the route target, and stays in the VRF that has its VNI.
//
// What is left out: what FRR tells the hardware, and the leaks of memory.
func TestRT5AnotherVNI(t *testing.T) {
	t.Parallel()
	n := newNetwork(t)
	here, there := n.ours.Tenants["red"], n.frr.Tenants["blue"]
	there.NS.Address(there.Lan(), foreign+"/32", foreign6+"/128")
	n.start()
	to := here.Carried(there)
	to.VNI = 200
	for _, addr := range []string{foreign, foreign6} {
		n.leads("blue", addr, "vx200", true)
		n.leads("red", addr, "", false)
	}
	own := n.config()
	n.daemon.Reload(strings.Replace(own, `both-rt-list = ["65000:100"]`, "import-rt-list = [\"65000:100\", \"65000:200\"]\n    export-rt-list = [\"65000:100\"]", 1))
	for _, addr := range []string{foreign, foreign6} {
		n.leads("red", addr, "vx100", true)
		came, seen := there.Received(), n.wire.Seen()[to]
		const packets = 20
		for range packets { // blue's own way back is not to red
			_ = here.Host.Ping("", addr)
		}
		lab.WaitFor(t, "packets of red to "+addr+" are in blue", lab.Patience, func() string {
			if wire, got := n.wire.Seen()[to]-seen, there.Received()-came; wire < packets || got < packets {
				return fmt.Sprintf("%d on the wire, %d there: %v", wire, got, n.wire.Seen())
			}
			return ""
		})
	}
	if e := here.Bridge("fdb", "show", "dev", "vx100"); !strings.Contains(e, frrMAC("blue")+" dst 10.255.0.2 vni 200") {
		t.Errorf("the entry of blue's router is not with VNI 200:\n%s", e)
	}

	n.daemon.Reload(own)
	for _, addr := range []string{foreign, foreign6} {
		n.leads("red", addr, "", false)
		n.leads("blue", addr, "vx200", true)
	}
	lab.WaitFor(t, "the entry of blue's router is gone from red", lab.Patience, func() string {
		if e := here.Bridge("fdb", "show", "dev", "vx100"); strings.Contains(e, frrMAC("blue")) {
			return e
		}
		return ""
	})
	if lab.FRRMajor(t) < 10 {
		return // it forgets the way to a router whose routes were gone for a moment, as a VRF's whose targets change
	}
	for _, name := range edge.Names() {
		n.reach(name)
	}
}

// leads waits until a tenant here has a route for an address by a device, or none.
func (n *network) leads(name, addr, dev string, is bool) {
	n.T.Helper()
	t := n.ours.Tenants[name]
	lab.WaitFor(n.T, fmt.Sprintf("%s has a way to %s: %t", name, addr, is), lab.Patience, func() string {
		for _, r := range t.Own() {
			if strings.HasPrefix(r, addr+" ") {
				if is && strings.Contains(r, " dev "+dev+" ") {
					return ""
				}
				return r
			}
		}
		if is {
			return strings.Join(t.Own(), "\n")
		}
		return ""
	})
}

// behind is what is behind an address that FRR's router announces.
const behind, behindAddr = "10.199.1.0/24", "10.199.1.1"

// TestRT5Recursive is what FRR's topotest bgp_evpn_rt5 asserts in its file of recursive nexthops, with
// vrfredist as r2, and FRR as r1. The route whose gateway is reached by a type 5 route alone is a
// customer's by BGP here, and a static one there: of such the kernel takes none. Each assertion holds:
//
//   - protocols_convergence, evpn_route_fpm_encap: the type 5 route is in the VRF, and packets go with
//     its VNI;
//   - recursive_route_fpm_encap: the route whose gateway it leads to is in the kernel by the PE, and
//     its packets go with the same VNI, and arrive. FRR asserts that of what it tells a hardware plane;
//   - recursive_route_fpm_withdraw: it goes where it is withdrawn; and here also while the type 5 route
//     is gone.
func TestRT5Recursive(t *testing.T) {
	t.Parallel()
	n := newNetwork(t, "bird", "birdc")
	here, there := n.ours.Tenants["red"], n.frr.Tenants["red"]
	there.NS.Address(there.Lan(), told)
	there.Host.Address("lo", behindAddr+"/32")
	route := []string{"route", "add", behind, "via", edge.Host(2, false)}
	if there.Device != "" {
		route = append(route, "vrf", there.Device)
	}
	there.NS.IP(route...)
	router, sessions := edge.Customer(n.Network, here)
	bird := router.BIRD(edge.CustomerBIRD)
	n.start(sessions)
	n.leads("red", "10.0.101.2", "vx100", true)
	if r := strings.Join(here.Own(), "\n"); strings.Contains(r, "10.199.") {
		t.Errorf("nobody has announced %s:\n%s", behind, r)
	}

	with := strings.Replace(edge.CustomerBIRD, "route 20.0.0.0/24 unreachable;",
		"route 20.0.0.0/24 unreachable; route "+behind+" unreachable { bgp_next_hop = 10.0.101.2; };", 1)
	with = strings.Replace(with, `export where proto = "four";`, `next hop keep; export where proto = "four";`, 1)
	bird.Reconfigure(with)
	n.leads("red", behind, "vx100", true)
	here.Host.WaitPing("", behindAddr)
	n.goesTo(here, lab.Carried{From: netip.MustParseAddr(n.ours.Addr()), To: netip.MustParseAddr(n.frr.Addr()), VNI: 100, Router: frrMAC("red")})

	t.Log("without the type 5 route, and with it again")
	n.redistribute("ipv4", false)
	n.leads("red", behind, "", false)
	n.redistribute("ipv4", true)
	n.leads("red", behind, "vx100", true)
	here.Host.WaitPing("", behindAddr)

	t.Log("withdrawn")
	bird.Reconfigure(edge.CustomerBIRD)
	n.leads("red", behind, "", false)
	n.leads("red", "10.0.101.2", "vx100", true)
}
