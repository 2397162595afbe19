package netns_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/vrfredist/vrfredist/integration/netns/lab"
)

// A switch that has one link-local address on all its ports, and routers that have the same
// one on links of their own: each link has a neighbour of its own, with nexthops of its own.

// twoLinks is a BIRD with a session on each of its links, of which it announces both the same
// routes.
func twoLinks(at *lab.Namespace, as int, links ...string) *lab.BIRD {
	config := fmt.Sprintf(`
router id 192.0.2.%d;
log stderr all;
protocol device {}
protocol static six { ipv6; route 2001:db8:%d::/48 blackhole; }
protocol static late { disabled; ipv6; route 2001:db8:100%d::/48 blackhole; }
`, as-65000, as-65000, as-65000)
	for _, link := range links {
		config += fmt.Sprintf(`
protocol bgp %s {
  local fe80::2 as %d;
  neighbor fe80::1%%%s as 65000;
  connect delay time 1; connect retry time 1; error wait time 1, 2;
  hold time 9; startup hold time 9;
  ipv6 { import all; export where source = RTS_STATIC; };
}
`, link, as, link)
	}
	return at.BIRD(config)
}

const severalPaths = `
[global.use-multiple-paths.config]
  enabled = true
`

// TestOneAddressOnTwoLinks: the same router is two nexthops, and what ends one session takes
// one of them.
func TestOneAddressOnTwoLinks(t *testing.T) {
	t.Parallel()
	l := newLab(t, bird, "birdc")
	dut, p := l.Namespace("dut"), l.Namespace("p")
	for _, link := range []string{"eth0", "eth1"} {
		l.Subnet(dut, link, p, link, "fe80::1/64")
		onlyAt(p, link, "fe80::2")
	}
	b := twoLinks(p, 65001, "eth0", "eth1")
	d := dut.Daemon(linkGlobal + severalPaths + linkNeighbor("fe80::2%eth0", 65001) + linkNeighbor("fe80::2%eth1", 65001) + defaultTable + "    max_paths = 4\n")
	const both = "2001:db8:1::/48 via fe80::2 dev eth0 + via fe80::2 dev eth1 metric 20"
	one := func(link string) string { return "2001:db8:1::/48 via fe80::2 dev " + link + " metric 20" }
	dut.WaitOwn(lab.Main, both)
	sessions := func() (list []string) {
		for _, n := range neighborsOf(d, "default") {
			list = append(list, n.Address+" "+n.State)
		}
		return list
	}
	lab.WaitEqual(t, "the sessions", []string{"fe80::2%eth0 established", "fe80::2%eth1 established"}, sessions)
	for off, on := range map[string]string{"eth0": "eth1", "eth1": "eth0"} {
		b.Show("disable " + off)
		dut.WaitOwn(lab.Main, one(on))
		lab.WaitEqual(t, "the neighbour that is down", true, func() bool {
			return strings.Contains(strings.Join(sessions(), ","), "fe80::2%"+on+" established") &&
				!strings.Contains(strings.Join(sessions(), ","), "fe80::2%"+off+" established")
		})
		b.Show("enable " + off)
		dut.WaitOwn(lab.Main, both)
	}
	for _, link := range []string{"eth0", "eth1"} {
		if out := d.Do("explain", "2001:db8:1::/48"); !strings.Contains(out, "from fe80::2%"+link) {
			t.Errorf("explain does not name the neighbour on %s:\n%s", link, out)
		}
	}
}

// TestTwoRoutersWithOneAddress: what one of them ends is nothing of the other's, and the
// End-of-RIB of one says nothing about the other.
func TestTwoRoutersWithOneAddress(t *testing.T) {
	t.Parallel()
	l := newLab(t, bird, "birdc")
	dut, p, q := l.Namespace("dut"), l.Namespace("p"), l.Namespace("q")
	l.Subnet(dut, "eth0", p, "eth0", "fe80::1/64")
	l.Subnet(dut, "eth1", q, "eth1", "fe80::1/64")
	onlyAt(p, "eth0", "fe80::2")
	onlyAt(q, "eth1", "fe80::2")
	const stale = "2001:db8:9::/48 via fe80::2 dev eth1 metric 20"
	dut.IP("-6", "route", "add", "2001:db8:9::/48", "via", "fe80::2", "dev", "eth1", "proto", fmt.Sprint(run.Protocol), "metric", "20")
	b := twoLinks(p, 65001, "eth0")
	dut.Daemon(linkGlobal + linkNeighbor("fe80::2%eth0", 65001) + linkNeighbor("fe80::2%eth1", 65002) + "\n[netlink]\n  sweep_delay = \"1h\"\n" + defaultTable)
	const ofP, ofQ = "2001:db8:1::/48 via fe80::2 dev eth0 metric 20", "2001:db8:2::/48 via fe80::2 dev eth1 metric 20"
	dut.WaitOwn(lab.Main, ofP, stale)
	b.Show("enable late") // p has had its say by now, and q has not
	dut.WaitOwn(lab.Main, "2001:db8:1001::/48 via fe80::2 dev eth0 metric 20", ofP, stale)
	b.Show("disable late")
	dut.WaitOwn(lab.Main, ofP, stale)
	twoLinks(q, 65002, "eth1")
	dut.WaitOwn(lab.Main, ofP, ofQ)
	b.Show("disable eth0")
	dut.WaitOwn(lab.Main, ofQ)
}
