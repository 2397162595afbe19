package netns_test

import (
	"cmp"
	"fmt"
	"strings"
	"testing"

	"github.com/vrfredist/vrfredist/integration/netns/lab"
)

// onLink is a BIRD whose session is at a link-local address, with a route of each family.
// It has no global address, so that its nexthops are :: and that address.
func onLink(l *lab.Lab, at *lab.Namespace, as int, local, remote string) *lab.BIRD {
	return at.BIRD(fmt.Sprintf(`
router id 192.0.2.%d;
log stderr all;
protocol device {}
protocol static four { ipv4; route 10.2.0.0/16 blackhole; }
protocol static six { ipv6; route 2001:db8:2::/48 blackhole; }
protocol bgp dut {
  local %s as %d;
  neighbor %s as 65000;
  connect delay time 1; connect retry time 1; error wait time 1, 2;
  hold time 9; startup hold time 9;
  ipv4 { import all; export where source = RTS_STATIC; extended next hop; };
  ipv6 { import all; export where source = RTS_STATIC; };
}
`, as-65000, local, as, remote))
}

// linkNeighbor is a neighbour of the daemon with both families; more are further lines of its
// section.
func linkNeighbor(who string, as int, more ...string) string {
	key := "neighbor-address"
	if !strings.Contains(who, ":") {
		key = "neighbor-interface"
	}
	text := fmt.Sprintf(`
[[neighbors]]
  [neighbors.config]
    %s = %q
    peer-as = %d
    %s
  [neighbors.timers.config]
    connect-retry = 1
    hold-time = 9
    keepalive-interval = 3
    idle-hold-time-after-reset = 1
`, key, who, as, strings.Join(more, "\n    "))
	for _, family := range []string{"ipv4", "ipv6"} {
		text += fmt.Sprintf("  [[neighbors.afi-safis]]\n    [neighbors.afi-safis.config]\n      afi-safi-name = \"%s-unicast\"\n", family)
	}
	return text
}

const linkGlobal = "[global.config]\n  as = 65000\n  router-id = \"10.255.0.1\"\n"

// defaultTable is [netlink] for the main table of the daemon's namespace.
const defaultTable = `
[[netlink.vrfs]]
  name = "default"
  [netlink.vrfs.import]
    enabled = true
    interface_list = ["lan0"]
  [netlink.vrfs.export]
    enabled = true
`

// hasFrom is how BIRD has a route: the line of its nexthop.
func hasFrom(b *lab.BIRD, prefix string) string {
	return cmp.Or(b.Path(prefix, "next_hop"), "no such route")
}

// onlyAt takes the other link-local addresses from an interface.
func onlyAt(n *lab.Namespace, dev, keep string) {
	for _, word := range strings.Fields(n.IP("-br", "-6", "addr", "show", "dev", dev, "scope", "link")) {
		if strings.HasPrefix(word, "fe80::") && !strings.HasPrefix(word, keep+"/") {
			n.IP("addr", "del", word, "dev", dev)
		}
	}
}

// TestLinkLocalSessionsWithBIRD: with a neighbour that has a link-local address alone, both
// families go both ways, whatever names the neighbour and our end, and whoever dials: BIRD's
// :: beside its address says nothing, and our nexthop is our link-local address.
func TestLinkLocalSessionsWithBIRD(t *testing.T) {
	for name, neighbor := range map[string]string{
		"by its address":   linkNeighbor("fe80::2%eth0", 65001),
		"by the interface": linkNeighbor("eth0", 65001),
		"our end is named": strings.Replace(linkNeighbor("fe80::2%eth0", 65001), "  [neighbors.timers.config]",
			"  [neighbors.transport.config]\n    local-address = \"fe80::1%eth0\"\n  [neighbors.timers.config]", 1),
		"our end is named without its link": strings.Replace(linkNeighbor("fe80::2%eth0", 65001), "  [neighbors.timers.config]",
			"  [neighbors.transport.config]\n    local-address = \"fe80::1\"\n  [neighbors.timers.config]", 1),
		"added by another client": "",
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			l := newLab(t, bird, "birdc", gobgp)
			dut, p := l.Namespace("dut"), l.Namespace("p")
			l.Subnet(dut, "eth0", p, "eth0", "fe80::1/64")
			l.Link(dut, "lan0", p, "lan0")
			dut.Address("lan0", "2001:db8:7::1/64", "10.7.0.1/24")
			onlyAt(dut, "eth0", "fe80::1")
			onlyAt(p, "eth0", "fe80::2")
			b := onLink(l, p, 65001, "fe80::2", "fe80::1%eth0")
			d := dut.Daemon(linkGlobal + neighbor + defaultTable)
			if neighbor == "" {
				if out, err := d.GoBGP("neighbor", "add", "fe80::2%eth0", "as", "65001", "family", "ipv4-unicast,ipv6-unicast"); err != nil {
					t.Fatalf("%v: %s", err, out)
				}
			}
			dut.WaitOwn(lab.Main, "10.2.0.0/16 via fe80::2 dev eth0 metric 20", "2001:db8:2::/48 via fe80::2 dev eth0 metric 20")
			for _, prefix := range []string{"10.7.0.0/24", "2001:db8:7::/64"} {
				lab.WaitEqual(t, "the nexthop of "+prefix+" at the neighbour", "fe80::1", func() string {
					return strings.TrimPrefix(hasFrom(b, prefix), ":: ")
				})
			}
			// What is shown as sent is what was sent.
			out, err := d.GoBGP("neighbor", "fe80::2%eth0", "adj-out", "-a", "ipv6")
			if err != nil || !strings.Contains(out, "fe80::1 ") || strings.Contains(out, ":: ") && !strings.Contains(out, "fe80") {
				t.Errorf("adj-out: %v\n%s", err, out)
			}
		})
	}
}

// inANamespace is a VRF in a namespace, and the neighbour that is there.
func inANamespace(at *lab.Namespace, peer, local string, export ...string) string {
	return linkGlobal + `
[[vrfs]]
  [vrfs.config]
    name = "red"
    rd = "65000:10"
    both-rt-list = ["65000:10"]
` + strings.Replace(linkNeighbor(peer, 65001, `vrf = "red"`, fmt.Sprintf("netns = %q", at.Name)), "  [neighbors.timers.config]",
		fmt.Sprintf("  [neighbors.transport.config]\n    local-address = %q\n  [neighbors.timers.config]", local), 1) +
		bind("red", at, "[netlink.vrfs.import]\n    enabled = true\n    interface_list = [\"lan0\"]", exportAll, strings.Join(export, "\n    "))
}

// TestBIRDOnALinkInANamespace: the same through the relay.
func TestBIRDOnALinkInANamespace(t *testing.T) {
	t.Parallel()
	l := newLab(t, bird, "birdc")
	rtr, red, p := l.Namespace("rtr"), l.Namespace("red"), l.Namespace("p")
	l.Subnet(red, "eth0", p, "eth0", "fe80::1/64")
	l.Link(red, "lan0", p, "lan0")
	red.Address("lan0", "2001:db8:7::1/64", "10.7.0.1/24")
	onlyAt(p, "eth0", "fe80::2")
	b := onLink(l, p, 65001, "fe80::2", "fe80::1%eth0")
	rtr.Daemon(inANamespace(red, "fe80::2%eth0", "fe80::1"))
	red.WaitOwn(lab.Main, "10.2.0.0/16 via fe80::2 dev eth0 metric 20", "2001:db8:2::/48 via fe80::2 dev eth0 metric 20")
	for _, prefix := range []string{"10.7.0.0/24", "2001:db8:7::/64"} {
		lab.WaitEqual(t, "the nexthop of "+prefix+" at the neighbour", "fe80::1", func() string {
			return strings.TrimPrefix(hasFrom(b, prefix), ":: ")
		})
	}
}

// TestNexthopsOfANeighbourByItsAddress: a neighbour with a global address sends a link-local
// nexthop beside it, or alone: that is on the link on which its address is.
func TestNexthopsOfANeighbourByItsAddress(t *testing.T) {
	for _, inside := range []bool{false, true} {
		t.Run(map[bool]string{false: "in the daemon's namespace", true: "in another one"}[inside], func(t *testing.T) {
			t.Parallel()
			l := newLab(t, bird, "birdc")
			rtr, p := l.Namespace("rtr"), l.Namespace("p")
			at := rtr
			config := func(export ...string) string {
				return linkGlobal + linkNeighbor("2001:db8::2", 65001) + defaultTable + "    " + strings.Join(export, "\n    ") + "\n"
			}
			if inside {
				at = l.Namespace("red")
				config = func(export ...string) string { return inANamespace(at, "2001:db8::2", "2001:db8::1", export...) }
			}
			l.Subnet(at, "eth0", p, "eth0", "2001:db8::1/64", "fe80::1/64")
			l.Link(at, "lan0", p, "lan0")
			onlyAt(p, "eth0", "fe80::2")
			p.BIRD(`
router id 192.0.2.1;
log stderr all;
protocol device {}
protocol static six { ipv6; route 2001:db8:2::/48 blackhole; route 2001:db8:3::/48 blackhole; }
protocol bgp dut {
  local 2001:db8::2 as 65001;
  neighbor 2001:db8::1 as 65000;
  connect delay time 1; connect retry time 1; error wait time 1, 2;
  ipv6 { import all; export filter {
    if source != RTS_STATIC then reject;
    if net = 2001:db8:3::/48 then bgp_next_hop = fe80::2;
    accept;
  }; };
}
`)
			d := rtr.Daemon(config())
			at.WaitOwn(lab.Main, "2001:db8:2::/48 via 2001:db8::2 dev eth0 metric 20", "2001:db8:3::/48 via fe80::2 dev eth0 metric 20")
			d.Reload(config("prefer_link_local = true"))
			at.WaitOwn(lab.Main, "2001:db8:2::/48 via fe80::2 dev eth0 metric 20", "2001:db8:3::/48 via fe80::2 dev eth0 metric 20")
			d.Reload(config())
			at.WaitOwn(lab.Main, "2001:db8:2::/48 via 2001:db8::2 dev eth0 metric 20", "2001:db8:3::/48 via fe80::2 dev eth0 metric 20")
		})
	}
}

// TestIPv6RoutesOverAnIPv4Session: they have our IPv6 address on the link of the session as
// their nexthop, in the daemon's namespace and in another one.
func TestIPv6RoutesOverAnIPv4Session(t *testing.T) {
	for _, inside := range []bool{false, true} {
		t.Run(map[bool]string{false: "in the daemon's namespace", true: "in another one"}[inside], func(t *testing.T) {
			t.Parallel()
			l := newLab(t, bird, "birdc")
			rtr, p := l.Namespace("rtr"), l.Namespace("p")
			at, config := rtr, linkGlobal+strings.Replace(linkNeighbor("::", 65001), `"::"`, `"10.0.0.2"`, 1)+defaultTable
			if inside {
				at = l.Namespace("red")
				config = strings.Replace(inANamespace(at, "::", "10.0.0.1"), `"::"`, `"10.0.0.2"`, 1)
			}
			l.Subnet(at, "eth0", p, "eth0", "10.0.0.1/24", "2001:db8::1/64")
			l.Link(at, "lan0", p, "lan0")
			at.Address("lan0", "2001:db8:7::1/64", "10.7.0.1/24")
			b := p.BIRD(`
router id 192.0.2.1;
log stderr all;
protocol device {}
protocol direct { ipv6; interface "eth0"; }
protocol bgp dut {
  local 10.0.0.2 as 65001;
  neighbor 10.0.0.1 as 65000;
  connect delay time 1; connect retry time 1; error wait time 1, 2;
  ipv4 { import all; export none; };
  ipv6 { import all; export none; };
}
`)
			rtr.Daemon(config)
			for prefix, want := range map[string]string{"10.7.0.0/24": "10.0.0.1", "2001:db8:7::/64": "2001:db8::1"} {
				lab.WaitEqual(t, "the nexthop of "+prefix, want, func() string {
					hop, _, _ := strings.Cut(hasFrom(b, prefix), " ")
					return hop
				})
			}
		})
	}
}
