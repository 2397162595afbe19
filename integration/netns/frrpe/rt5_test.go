package frrpe_test

import (
	"encoding/json"
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"github.com/vrfredist/vrfredist/integration/netns/edge"
	"github.com/vrfredist/vrfredist/integration/netns/lab"
)

// The addresses of FRR's router that it announces, and those that its route map keeps back at first.
const (
	told, told6     = "10.0.101.2/32", "fd01::2/128"
	hidden, hidden6 = "10.0.101.12/32", "fd01::12/128"
)

// second is the address of a PE that a second session between the two has.
func (n *network) second(pe *edge.PE) string {
	if n.By == edge.VXLAN6 {
		return fmt.Sprintf("fd00:256::%d", pe.N)
	}
	return fmt.Sprintf("10.255.1.%d", pe.N)
}

// TestRT5 is what FRR's topotest bgp_evpn_rt5 asserts, where r1 has namespaces as its VRFs and r2
// VRF devices, with vrfredist as r1. Each holds:
//
//   - protocols_convergence, disable_routemap: the type 5 routes of both families are at the other
//     one, and those that a route map of FRR's denies are not, until it is removed;
//   - bgp_vrf_routes, check_ip: they are in the VRF and in its kernel table, by the PE;
//   - evpn_contexts: FRR has one MAC address and a nexthop a family for this router, which has one
//     gateway for both families of FRR's;
//   - evpn_ping: 1,000 of 1,000 packets in each family;
//   - remove_ip, other_address_family, and contexts and pings again: without the prefixes of one
//     family its route goes, the other's stays and forwards;
//   - multipath, shutdown_multipath: with a second session between the two FRR has two paths. Each
//     session is cleared twice: what leads to the other router is never taken away, here, and at
//     FRR 10; FRR 8 deletes it with the first session that ends. Without the second session there
//     is one path.
//
// What is left out: the dumps for the log, the leaks of memory, and r1 as FRR's own.
func TestRT5(t *testing.T) {
	t.Parallel()
	n := newNetwork(t, "ping")
	here, there := n.ours.Tenants["red"], n.frr.Tenants["red"]
	there.NS.Address(there.Lan(), told, told6, hidden, hidden6)
	n.twoSessions()
	n.start(strings.Replace(n.ours.Neighbor(n.second(n.frr)), edge.Loopback(1), n.second(n.ours), 1))
	n.mapped()
	n.has(told, told6)
	n.announced()
	if e := strings.TrimSpace(here.Endpoints()); strings.Contains(e, "\n") || !strings.Contains(e, frrMAC("red")) {
		t.Errorf("the gateways to FRR are\n%s", e)
	}
	n.thousand("10.0.101.2", "fd01::2")

	n.unmapped()
	n.has(told, told6, hidden, hidden6, "10.2.0.0/24", "2001:db8:2::/64")

	t.Log("without IPv6")
	n.redistribute("ipv6", false)
	n.has(told, hidden, "10.2.0.0/24")
	n.thousand("10.0.101.2")
	t.Log("without IPv4")
	n.redistribute("ipv6", true)
	n.redistribute("ipv4", false)
	n.has(told6, hidden6, "2001:db8:2::/64")
	n.thousand("fd01::2")
	n.redistribute("ipv4", true)
	n.has(told, told6, hidden, hidden6, "10.2.0.0/24", "2001:db8:2::/64")
	n.clearedInTurn()
}

// twoSessions gives both PEs the addresses of a second session.
func (n *network) twoSessions() {
	net, router := "10.255.1.0/24", "10.0.%d.%d"
	if n.By == edge.VXLAN6 {
		net, router = "fd00:256::/64", "fd00:c:%d::%d"
	}
	for _, e := range n.PEs {
		addr := n.second(e)
		host := netip.MustParseAddr(addr)
		e.Core.Address("lo", fmt.Sprintf("%s/%d", addr, host.BitLen()))
		e.Core.IP("route", "add", net, "via", fmt.Sprintf(router, e.N, 2), "src", addr)
		n.P.IP("route", "add", addr, "via", fmt.Sprintf(router, e.N, 1))
	}
}

// mapped gives FRR a route map that keeps back what is hidden.
func (n *network) mapped() {
	n.T.Helper()
	n.peer.Configure("ip prefix-list told permit "+told, "ipv6 prefix-list told permit "+told6,
		"route-map told4 permit 10", "match ip address prefix-list told", "exit",
		"route-map told6 permit 10", "match ipv6 address prefix-list told", "exit",
		"router bgp 65000 vrf red", "address-family l2vpn evpn", "advertise ipv4 unicast route-map told4", "advertise ipv6 unicast route-map told6")
}

// unmapped takes the route map away.
func (n *network) unmapped() {
	n.T.Helper()
	n.T.Log("without the route map")
	n.peer.Configure("router bgp 65000 vrf red", "address-family l2vpn evpn", "no advertise ipv4 unicast", "no advertise ipv6 unicast",
		"advertise ipv4 unicast", "advertise ipv6 unicast")
}

// announced waits until FRR has this router's prefixes of both families, each once, and its nexthops
// and MAC address: over IPv4 one nexthop a family, because that of IPv6 is one mapped into IPv6.
func (n *network) announced() {
	n.T.Helper()
	mac, nexthops := n.ours.Tenants["red"].MAC(), 2
	if n.By == edge.VXLAN6 {
		nexthops = 1
	}
	for _, prefix := range n.ours.Tenants["red"].Prefixes() {
		want := lab.Type5{RD: "65000:10001", Nexthop: n.ours.Addr(), Communities: "RT:65000:100 ET:8 Rmac:" + mac}
		lab.WaitEqual(n.T, "FRR's paths of "+prefix, []lab.Type5{want}, func() []lab.Type5 { return n.from(prefix, "65000:10001") })
	}
	n.contexts(nexthops, mac)
}

// redistribute has FRR announce the connected prefixes of a family in red, or not.
func (n *network) redistribute(family string, yes bool) {
	n.T.Helper()
	command := "redistribute connected"
	if !yes {
		command = "no " + command
	}
	n.peer.Configure("router bgp 65000 vrf red", "address-family "+family+" unicast", command)
}

// has waits until vrfredist has exactly these prefixes of FRR's in red, by FRR's router.
func (n *network) has(prefixes ...string) {
	n.T.Helper()
	red := n.ours.Tenants["red"]
	lab.WaitFor(n.T, "the routes in red are those of FRR", lab.Patience, func() string {
		gateway := "fe80::aff:2:0:264"
		if n.By == edge.VXLAN6 { // it is made of a hash
			gateway, _, _ = strings.Cut(red.Endpoints(), " ")
		}
		want := []string{}
		for _, p := range prefixes {
			want = append(want, fmt.Sprintf("%s via %s dev vx100 metric 20", strings.TrimSuffix(strings.TrimSuffix(p, "/32"), "/128"), gateway))
		}
		slices.Sort(want)
		return cmp.Diff(want, red.Own(), cmpopts.EquateEmpty())
	})
}

// from are FRR's paths of a prefix with an RD.
func (n *network) from(prefix, rd string) []lab.Type5 {
	n.T.Helper()
	return slices.DeleteFunc(n.peer.Type5(prefix), func(p lab.Type5) bool { return p.RD != rd })
}

// contexts waits until FRR has so many nexthops with the VNI of red, and one router's MAC address.
func (n *network) contexts(nexthops int, mac string) {
	n.T.Helper()
	lab.WaitFor(n.T, "FRR's nexthops and MAC addresses of red", lab.Patience, func() string {
		hops, macs := n.peer.Zebra("show evpn next-hops vni all json"), n.peer.Zebra("show evpn rmac vni all json")
		var h map[string]struct{ NumNextHops int }
		var m map[string]map[string]any
		errH, errM := json.Unmarshal([]byte(hops), &h), json.Unmarshal([]byte(macs), &m)
		if _, has := m["100"][mac]; errH != nil || errM != nil || h["100"].NumNextHops != nexthops || !has || m["100"]["numRmacs"] != 1.0 {
			return fmt.Sprintf("%v, %v: %s, %s", errH, errM, hops, macs)
		}
		return ""
	})
}

// thousand sends 1,000 packets from the tenant itself to each of these addresses, as fast as
// answers come, and asserts that each is answered.
func (n *network) thousand(addrs ...string) {
	n.T.Helper()
	t := n.ours.Tenants["red"]
	for _, a := range addrs {
		args := []string{"-f", "-q", "-c", "1000", a}
		if t.Device != "" {
			args = append([]string{"-I", t.Device}, args...)
		}
		if out, err := t.NS.Run("ping", args...); err != nil || !strings.Contains(out, "1000 packets transmitted, 1000 received") {
			n.T.Errorf("1,000 packets to %s: %v: %s", a, err, out)
		}
	}
}

// clearedInTurn has a second session between the two, and clears each of them twice.
func (n *network) clearedInTurn() {
	n.T.Helper()
	second1 := n.second(n.ours)
	n.peer.Configure("router bgp 65000", "neighbor "+second1+" remote-as 65000", "neighbor "+second1+" update-source "+n.second(n.frr), "neighbor "+second1+" timers connect 1",
		"address-family l2vpn evpn", "neighbor "+second1+" activate")
	paths := func(want int) {
		n.T.Helper()
		lab.WaitEqual(n.T, "FRR's paths of 10.1.0.0/24", want, func() int { return len(n.from("10.1.0.0/24", "65000:10001")) })
	}
	paths(2)
	here, there := n.ours.Tenants["red"], n.frr.Tenants["red"]
	lab.WaitEqual(n.T, "FRR's sessions that vrfredist has routes of", 2, func() int { return n.sources("10.2.0.0/24") })
	mark, pulse := here.NS.Mark(), n.Pulse()
	n.between(pulse, "red")
	watches := []*lab.Process{monitor(here, here.VXLAN())}
	mends := lab.FRRMajor(n.T) >= 10
	if mends {
		watches = append(watches, monitor(there, "br100"))
	}
	for range 2 {
		for _, session := range []string{n.ours.Addr(), second1} {
			drops := n.peer.Dropped(session)
			n.peer.Ask("clear bgp " + session)
			lab.WaitFor(n.T, session+" is up again", 2*lab.Patience, func() string {
				if now := n.peer.Dropped(session); now == drops || !n.peer.Established(session) {
					return fmt.Sprintf("it has ended %d times", now)
				}
				return ""
			})
			paths(2)
			lab.WaitEqual(n.T, "FRR's sessions that vrfredist has routes of", 2, func() int { return n.sources("10.2.0.0/24") })
		}
	}
	if mends {
		pulse.EndWhole()
	} else {
		sent, lost := pulse.End()
		n.T.Logf("FRR lost %d of %d packets", lost, sent)
	}
	for _, e := range here.NS.Since(mark) {
		n.T.Errorf("while sessions were cleared: %+v", e)
	}
	for _, w := range watches {
		if out := w.Output(); strings.Contains(out, "Deleted") || strings.Contains(out, "FAILED") {
			n.T.Errorf("while sessions were cleared, what leads to the other router went:\n%s", out)
		}
	}
	n.peer.Configure("router bgp 65000", "neighbor "+second1+" shutdown")
	paths(1)
	n.has(told, told6, hidden, hidden6, "10.2.0.0/24", "2001:db8:2::/64")
}

// sources is how many of FRR's sessions have given vrfredist a path of a prefix in red.
func (n *network) sources(prefix string) int {
	n.T.Helper()
	out := n.daemon.Do("explain", prefix, "--vrf", "red")
	count := 0
	for _, from := range []string{n.frr.Addr(), n.second(n.frr)} {
		if strings.Contains(out, "RD 65000:10002 from "+from+" (") {
			count++
		}
	}
	return count
}

// monitor prints what becomes of the neighbours of an interface of the tenant's.
func monitor(t *edge.Tenant, dev string) *lab.Process {
	return t.NS.Start("ip monitor", "ip", "monitor", "neigh", "dev", dev)
}
