package netns_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/vrfredist/vrfredist/integration/netns/lab"
)

// by is a route of BIRD with a nexthop.
func by(prefix, nexthop string) string {
	peer := "10.0.0.2"
	if strings.Contains(prefix, ":") {
		peer = "2001:db8::2"
	}
	return "route " + prefix + " via " + peer + " { bgp_next_hop = " + nexthop + "; };"
}

// objectsOff has the routes carry their nexthops themselves.
func objectsOff(off bool) string {
	if off {
		return "\n[netlink]\n  nexthop_objects = false\n"
	}
	return ""
}

// A gateway that is on a link by the kernel's other routes is one for the kernel too, where one
// of ours leads to it by another gateway, or where the route to it has the scope global. What
// stands is not written again at a restart.
func TestGatewaysThatTheKernelWouldDoubt(t *testing.T) {
	t.Parallel()
	for name, off := range map[string]bool{"objects": false, "inline": true} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			first := []string{by("2001:db8::2/128", "2001:db8::2"), by("2001:db8::40/123", "2001:db8::2")}
			n := newUpstream(t, statics(nil, first))
			n.Link(n.rtr, "eth2", n.up, "eth2")
			n.rtr.Batch("route add 203.0.113.1 dev eth2 scope global metric 20 proto static")
			n.daemon = n.rtr.Daemon(exportWhere() + objectsOff(off))
			ours := []string{"2001:db8::2 via 2001:db8::2 dev eth0 metric 20", "2001:db8::40/123 via 2001:db8::2 dev eth0 metric 20"}
			n.rtr.WaitOwn(lab.Main, ours...)
			n.bird.Reconfigure(birdConfig(statics(
				[]string{by("172.16.1.0/24", "203.0.113.1"), by("172.16.2.0/24", "10.0.0.2")},
				append(first, by("2001:db8:b::/48", "2001:db8::2"), by("2001:db8:c::/48", "2001:db8::43")))))
			ours = append(ours, "172.16.1.0/24 via 203.0.113.1 dev eth2 metric 20", "172.16.2.0/24 via 10.0.0.2 dev eth0 metric 20",
				"2001:db8:b::/48 via 2001:db8::2 dev eth0 metric 20", "2001:db8:c::/48 via 2001:db8::43 dev eth0 metric 20")
			n.rtr.WaitOwn(lab.Main, ours...)
			n.daemon.Stop()
			before := len(n.rtr.Since(0))
			n.daemon.Start()
			lab.WaitFor(t, "the daemon has all", lab.Patience, func() string {
				installed := 0
				for _, r := range n.daemon.RouteStates("export") {
					if r.State == "installed" {
						installed++
					}
				}
				if installed != len(ours) {
					return "not all are installed"
				}
				return ""
			})
			lab.Equal(t, "writes over the restart", before, len(n.rtr.Since(0)))
		})
	}
}

// Where another program's route encapsulates, nothing of ours goes bare: not by the route, not
// by a leg of it, not by a nexthop object.
func TestNothingGoesBareThroughAnEncapsulation(t *testing.T) {
	t.Parallel()
	n := newUpstream(t, statics([]string{
		by("172.16.1.0/24", "10.9.1.1"), by("172.16.2.0/24", "10.9.2.1"), by("172.16.3.0/24", "10.9.3.1"), by("172.16.4.0/24", "10.9.4.1"),
	}, []string{by("2001:db8:a::/48", "2001:db8:9::1")}))
	const tunnel = "encap ip id 5 dst 10.0.0.9 "
	n.rtr.Batch(
		"nexthop add id 5 "+tunnel+"via 10.0.0.9 dev eth0", "nexthop add id 6 via 10.0.0.8 dev eth0", "nexthop add id 7 group 5/6",
		"route add 10.9.1.0/24 "+tunnel+"via 10.0.0.9 dev eth0",
		"route add 10.9.2.0/24 nexthop "+tunnel+"via 10.0.0.9 dev eth0 nexthop via 10.0.0.8 dev eth0",
		"route add 10.9.3.0/24 nhid 7",
		"route add 10.9.4.0/24 nhid 6",
		"route add 2001:db8:9::/48 encap seg6 mode encap segs 2001:db8::9 dev eth0")
	n.daemon = n.rtr.Daemon(exportWhere())
	n.rtr.WaitOwn(lab.Main, "172.16.4.0/24 via 10.0.0.8 dev eth0 metric 20")
	want := map[string]string{"172.16.1.0/24": "encap ip", "172.16.2.0/24": "encap ip", "172.16.3.0/24": "encap ip", "2001:db8:a::/48": "encap seg6"}
	lab.WaitFor(t, "the reasons", lab.Patience, func() string {
		seen := 0
		for _, r := range n.daemon.RouteStates("export") {
			if why := want[r.Prefix]; why != "" {
				seen++
				if r.State != "unresolved" || !strings.Contains(r.Reason, why) {
					return r.Prefix + " is " + r.State + ": " + r.Reason
				}
			}
		}
		if seen != len(want) {
			return fmt.Sprintf("%d of them are known", seen)
		}
		return ""
	})
	n.rtr.IP("nexthop", "replace", "id", "5", "via", "10.0.0.9", "dev", "eth0") // without the tunnel
	n.rtr.WaitOwn(lab.Main, "172.16.3.0/24 via 10.0.0.8 dev eth0 + via 10.0.0.9 dev eth0 metric 20", "172.16.4.0/24 via 10.0.0.8 dev eth0 metric 20")
}

// What is imported beside the table's unicast routes: addresses of full mask, what discards, and
// other tables.
func TestImportBeyondTheTable(t *testing.T) {
	t.Parallel()
	n := newUpstream(t, statics(nil, nil))
	n.rtr.Address("lo", "203.0.113.5/32", "2001:db8:ffff::5/128")
	n.rtr.Batch("route add blackhole 172.20.0.0/16 proto static", "route add unreachable 172.21.0.0/16 proto static", "route add blackhole 172.22.0.0/16",
		"route add 172.23.0.0/16 via 10.0.0.9 table 100 proto static", "route add 2001:db8:23::/48 via 2001:db8::9 table 200 proto static")
	n.daemon = n.rtr.Daemon(globalConfig + `
[netlink.import]
  enabled = true
  interface_list = ["lo", "eth0"]
  protocols = ["static"]
  addresses = true
  kinds = ["unicast", "blackhole"]
  tables = [100, 200]
`)
	heard := func(protocol string) func() []string {
		return func() []string { return slices.Sorted(slices.Values(n.bird.Received(protocol))) }
	}
	four := []string{"10.0.0.1/32", "172.20.0.0/16", "172.23.0.0/16", "203.0.113.5/32"}
	six := []string{"2001:db8:23::/48", "2001:db8::1/128", "2001:db8:ffff::5/128"}
	lab.WaitEqual(t, "what BIRD hears, IPv4", four, heard("v4"))
	lab.WaitEqual(t, "what BIRD hears, IPv6", six, heard("v6"))
	n.rtr.Batch("addr del 203.0.113.5/32 dev lo", "route del 172.23.0.0/16 table 100", "route del blackhole 172.20.0.0/16", "route add 172.24.0.0/16 via 10.0.0.9 table 200 proto static")
	lab.WaitEqual(t, "what BIRD hears afterwards", []string{"10.0.0.1/32", "172.24.0.0/16"}, heard("v4"))
}
