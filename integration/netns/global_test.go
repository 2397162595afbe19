package netns_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/vrfredist/vrfredist/integration/netns/lab"
)

// upstream is a router and a BIRD beside it, for the global RIB.
type upstream struct {
	*lab.Lab
	rtr, up *lab.Namespace
	bird    *lab.BIRD
	daemon  *lab.Daemon
}

func newUpstream(t *testing.T, birdRoutes string) *upstream {
	t.Helper()
	l := newLab(t, bird, "birdc")
	n := &upstream{Lab: l, rtr: l.Namespace("rtr"), up: l.Namespace("up")}
	l.Subnet(n.rtr, "eth0", n.up, "eth0", "10.0.0.1/24", "2001:db8::1/64")
	n.bird = n.up.BIRD(birdConfig(birdRoutes))
	return n
}

// birdConfig is a BIRD that sends what the protocols `four` and `six` of routes
// hold, by one session for each family.
func birdConfig(routes string) string {
	return `
router id 10.0.0.2;
log stderr all;
protocol device {}
` + routes + `
template bgp peering {
  local as 65100;
  connect retry time 1;
  error wait time 1, 2;
  hold time 9;
  startup hold time 9;
}
protocol bgp v4 from peering {
  neighbor 10.0.0.1 as 65000;
  source address 10.0.0.2;
  ipv4 { import all; export where proto = "four"; next hop keep; };
}
protocol bgp v6 from peering {
  neighbor 2001:db8::1 as 65000;
  source address 2001:db8::2;
  ipv6 { import all; export where proto = "six"; next hop keep; };
}
`
}

const globalConfig = `
[global.config]
  as = 65000
  router-id = "10.0.0.1"

[[neighbors]]
  [neighbors.config]
    neighbor-address = "10.0.0.2"
    peer-as = 65100
  [neighbors.timers.config]
    connect-retry = 1
    hold-time = 9
    keepalive-interval = 3
  [[neighbors.afi-safis]]
    [neighbors.afi-safis.config]
      afi-safi-name = "ipv4-unicast"

[[neighbors]]
  [neighbors.config]
    neighbor-address = "2001:db8::2"
    peer-as = 65100
  [neighbors.timers.config]
    connect-retry = 1
    hold-time = 9
    keepalive-interval = 3
  [[neighbors.afi-safis]]
    [neighbors.afi-safis.config]
      afi-safi-name = "ipv6-unicast"
`

// exportWhere is the short form of an export from the global RIB into main.
func exportWhere(filter ...string) string {
	return globalConfig + "\n[netlink.export]\n  enabled = true\n  " + strings.Join(filter, "\n  ") + "\n"
}

// statics are BIRD's routes, a line of its configuration each, by family.
func statics(four, six []string) string {
	return "protocol static four { ipv4;\n" + strings.Join(four, "\n") + "\n}\n" +
		"protocol static six { ipv6;\n" + strings.Join(six, "\n") + "\n}\n"
}

// The route that BIRD sends as number i, as BIRD's configuration and as the
// kernel shows it.
func sent4(i int, attributes string) string {
	return fmt.Sprintf("route 172.%d.%d.0/24 via 10.0.0.2 { bgp_next_hop = 10.0.0.2; %s };", 16+i/250, i%250, attributes)
}

func sent6(i int, attributes string) string {
	return fmt.Sprintf("route 2001:db8:%x::/48 via 2001:db8::2 { bgp_next_hop = 2001:db8::2; %s };", 0x1000+i, attributes)
}

func shown4(i int) string {
	return fmt.Sprintf("172.%d.%d.0/24 via 10.0.0.2 dev eth0 metric 20", 16+i/250, i%250)
}

func shown6(i int) string {
	return fmt.Sprintf("2001:db8:%x::/48 via 2001:db8::2 dev eth0 metric 20", 0x1000+i)
}

// marks are what the routes of TestGlobalRIBByCommunity carry, in turn.
var marks = []string{
	"bgp_community.add((65001,100));",
	"bgp_community.add((65001,200));",
	"bgp_large_community.add((65001,1,100));",
	"",
}

// classified is a thousand routes of each family, of which number i carries
// marks[class(i)].
func classified(class func(i int) int) string {
	var four, six []string
	for i := range 1000 {
		four = append(four, sent4(i, marks[class(i)]))
		six = append(six, sent6(i, marks[class(i)]))
	}
	return statics(four, six)
}

// BIRD sends 1,000 IPv4 and 1,000 IPv6 routes, and every filter installs exactly
// what it should; a community that the peer adds or removes moves a route in or
// out.
func TestGlobalRIBByCommunity(t *testing.T) {
	t.Parallel()
	quarter := func(i int) int { return i % 4 }
	n := newUpstream(t, classified(quarter))
	installed := func(class func(int) int, wanted ...int) {
		t.Helper()
		want := []string{}
		for i := range 1000 {
			for _, w := range wanted {
				if class(i) == w {
					want = append(want, shown4(i), shown6(i))
				}
			}
		}
		n.rtr.WaitOwn(lab.Main, want...)
	}

	n.daemon = n.rtr.Daemon(exportWhere(`community = "65001:100"`))
	installed(quarter, 0)
	n.daemon.Reload(exportWhere(`community_list = ["65001:100", "65001:200"]`))
	installed(quarter, 0, 1)
	n.daemon.Reload(exportWhere(`large_community_list = ["65001:1:100"]`))
	installed(quarter, 2)
	n.daemon.Reload(exportWhere(`community = "65001:200"`, `large_community_list = ["65001:1:100"]`))
	installed(quarter, 1, 2)
	n.daemon.Reload(exportWhere())
	installed(quarter, 0, 1, 2, 3)
	n.daemon.Reload(exportWhere(`community_list = ["65001:999"]`))
	installed(quarter)
	n.daemon.Reload(exportWhere(`community = "65001:100"`))
	installed(quarter, 0)

	t.Log("the peer adds the community to some and takes it from others")
	turned := func(i int) int { return (i + 1) % 4 }
	n.bird.Reconfigure(birdConfig(classified(turned)))
	installed(turned, 0)

	t.Log("the peer dies")
	n.bird.Kill()
	n.rtr.WaitOwn(lab.Main)
	lab.Equal(t, "routes of the daemon, any table", []string{}, n.rtr.OwnEverywhere())
}

// The router's own routes reach BIRD from the main table, by the short form.
func TestGlobalRIBImport(t *testing.T) {
	t.Parallel()
	n := newUpstream(t, statics(nil, nil))
	n.rtr.IP("link", "add", "lan0", "type", "veth", "peer", "name", "lan0far", "netns", n.up.Name)
	n.rtr.IP("link", "set", "lan0", "up")
	n.up.IP("link", "set", "lan0far", "up")
	n.rtr.Address("lan0", "192.0.2.1/24", "2001:db8:a::1/64")
	n.daemon = n.rtr.Daemon(globalConfig + "\n[netlink.import]\n  enabled = true\n  interface_list = [\"lan*\"]\n")
	received := func(v4, v6 []string) {
		t.Helper()
		lab.WaitEqual(t, "what BIRD has of IPv4", v4, func() []string { return n.bird.Received("v4") })
		lab.WaitEqual(t, "what BIRD has of IPv6", v6, func() []string { return n.bird.Received("v6") })
	}
	received([]string{"192.0.2.0/24"}, []string{"2001:db8:a::/64"})
	n.rtr.IP("link", "set", "lan0", "down")
	received([]string{}, []string{})
}

// An IPv4 prefix whose nexthop is an IPv6 address (RFC 8950), with nexthop
// objects, with those and the kernel's compatibility mode, and without.
func TestIPv4OverIPv6Nexthop(t *testing.T) {
	for name, mode := range map[string]struct{ objects, compat string }{
		"objects": {"true", "0"}, "objects in compatibility mode": {"true", "1"}, "hops in the routes": {"false", "1"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			overIPv6Nexthop(t, mode.objects, mode.compat)
		})
	}
}

func overIPv6Nexthop(t *testing.T, objects, compat string) {
	n := newUpstream(t, "protocol static four { ipv4; route 172.16.1.0/24 via 10.0.0.2 { bgp_next_hop = 2001:db8::2; }; }\n")
	config := strings.Replace(birdConfig("protocol static four { ipv4; route 172.16.1.0/24 via 10.0.0.2 { bgp_next_hop = 2001:db8::2; }; }\n"),
		"ipv6 { import all;", "ipv4 { extended next hop on; import none; export where proto = \"four\"; next hop keep; };\n  ipv6 { import all;", 1)
	n.bird.Reconfigure(config)
	n.rtr.Sysctl("ipv4.nexthop_compat_mode", compat)
	n.daemon = n.rtr.Daemon(strings.Replace(exportWhere(), `afi-safi-name = "ipv6-unicast"`,
		"afi-safi-name = \"ipv6-unicast\"\n  [[neighbors.afi-safis]]\n    [neighbors.afi-safis.config]\n      afi-safi-name = \"ipv4-unicast\"", 1) +
		"\n[netlink]\n  nexthop_objects = " + objects + "\n")
	n.rtr.WaitOwn(lab.Main, "172.16.1.0/24 via 2001:db8::2 dev eth0 metric 20")
	hangs := strings.Contains(n.rtr.IP("route", "show", "172.16.1.0/24"), "nhid")
	if hangs != (objects == "true") {
		t.Errorf("nexthop_objects = %s, and the route is %q", objects, n.rtr.IP("route", "show", "172.16.1.0/24"))
	}
}
