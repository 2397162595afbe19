package netns_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/vrfredist/vrfredist/integration/netns/lab"
)

// Routers p and q are neighbours by iBGP, and both lead to the router far: its loopback is a
// route of BGP itself, and what is behind it has the loopback as nexthop.

// behind is a router with far behind it.
type behind struct {
	*lab.Lab
	dut, p, q, far *lab.Namespace
	loops          [2]*lab.BIRD // of p and q
}

// reflector is the BIRD of the neighbour with a number: it announces far's loopback by itself,
// and p what is behind far too.
func reflector(number int) string {
	attributes := func(nexthop string) string {
		return fmt.Sprintf("blackhole { bgp_next_hop = %s; bgp_local_pref = %d; };", nexthop, 300-100*number)
	}
	services := ""
	if number == 1 {
		services = "protocol static service4 { ipv4; route 10.77.0.0/16 " + attributes("10.255.0.9") + " }\n" +
			"protocol static service6 { ipv6; route 2001:db8:77::/48 " + attributes("2001:db8:ff::9") + " }\n"
	}
	return fmt.Sprintf(`
router id 10.0.%[1]d.2;
log stderr all;
protocol device {}
protocol static loop4 { ipv4; route 10.255.0.9/32 %[2]s }
protocol static loop6 { ipv6; route 2001:db8:ff::9/128 %[3]s }
%[4]s
protocol bgp v4 {
  local 10.0.%[1]d.2 as 65000; neighbor 10.0.%[1]d.1 as 65000;
  connect delay time 1; connect retry time 1; error wait time 1, 2;
  ipv4 { import all; export where source = RTS_STATIC; next hop keep; };
}
protocol bgp v6 {
  local 2001:db8:%[1]d::2 as 65000; neighbor 2001:db8:%[1]d::1 as 65000;
  connect delay time 1; connect retry time 1; error wait time 1, 2;
  ipv6 { import all; export where source = RTS_STATIC; next hop keep; };
}
`, number, attributes(fmt.Sprintf("10.0.%d.2", number)), attributes(fmt.Sprintf("2001:db8:%d::2", number)), services)
}

// newBehind wires the routers, the last of which answers for its loopback and its services.
func newBehind(t *testing.T) *behind {
	t.Helper()
	l := newLab(t, bird, "birdc")
	n := &behind{Lab: l, dut: l.Namespace("dut"), p: l.Namespace("p"), q: l.Namespace("q"), far: l.Namespace("far")}
	n.far.Address("lo", "10.255.0.9/32")
	n.far.Address("lo", "10.77.0.1/32")
	n.far.Address("lo", "2001:db8:ff::9/128")
	n.far.Address("lo", "2001:db8:77::1/128")
	for i, at := range []*lab.Namespace{n.p, n.q} {
		at.Sysctl("ipv4.ip_forward", "1")
		at.Sysctl("ipv6.conf.all.forwarding", "1")
		near, far := fmt.Sprintf("eth%d", i), fmt.Sprint(i+1)
		l.Subnet(n.dut, near, at, "eth0", "10.0."+far+".1/24", "2001:db8:"+far+"::1/64")
		l.Subnet(at, "eth1", n.far, near, "10.1."+far+".1/24", "2001:db8:1"+far+"::1/64")
		for _, to := range []string{"10.255.0.9/32", "10.77.0.0/16"} {
			at.IP("route", "add", to, "via", "10.1."+far+".2")
		}
		for _, to := range []string{"2001:db8:ff::9/128", "2001:db8:77::/48"} {
			at.IP("-6", "route", "add", to, "via", "2001:db8:1"+far+"::2")
		}
		n.far.IP("route", "add", "10.0."+far+".0/24", "via", "10.1."+far+".1")
		n.far.IP("-6", "route", "add", "2001:db8:"+far+"::/64", "via", "2001:db8:1"+far+"::1")
		n.loops[i] = at.BIRD(reflector(i + 1))
	}
	return n
}

func (n *behind) config(more string) string {
	text := linkGlobal
	for _, number := range []int{1, 2} {
		text += neighborOf(fmt.Sprintf("10.0.%d.2", number), "ipv4-unicast") + neighborOf(fmt.Sprintf("2001:db8:%d::2", number), "ipv6-unicast")
	}
	return text + defaultTable + more
}

// neighborOf is an iBGP neighbour with one family.
func neighborOf(address, family string) string {
	return fmt.Sprintf(`
[[neighbors]]
  [neighbors.config]
    neighbor-address = %q
    peer-as = 65000
  [neighbors.timers.config]
    connect-retry = 1
  [[neighbors.afi-safis]]
    [neighbors.afi-safis.config]
      afi-safi-name = %q
`, address, family)
}

// routes are the daemon's when far is reached by the neighbour with a number.
func (n *behind) routes(number int) (want []string) {
	for _, prefix := range []string{"10.255.0.9", "10.77.0.0/16"} {
		want = append(want, fmt.Sprintf("%s via 10.0.%d.2 dev eth%d metric 20", prefix, number, number-1))
	}
	for _, prefix := range []string{"2001:db8:ff::9", "2001:db8:77::/48"} {
		want = append(want, fmt.Sprintf("%s via 2001:db8:%d::2 dev eth%d metric 20", prefix, number, number-1))
	}
	return want
}

// answers waits until packets come back from behind far.
func (n *behind) answers() {
	n.T.Helper()
	n.dut.WaitPing("", "10.77.0.1")
	n.dut.WaitPing("", "2001:db8:77::1")
}

// A nexthop that is a loopback which itself came by BGP: its routes go where the loopback's do,
// and follow when that moves, goes, and comes back.
func TestNexthopByARouteOfBGP(t *testing.T) {
	t.Parallel()
	for name, off := range map[string]bool{"objects": false, "inline": true} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			n := newBehind(t)
			n.dut.Sysctl("ipv4.nexthop_compat_mode", "0") // no message for each route of a group
			d := n.dut.Daemon(n.config("") + objectsOff(off))
			n.dut.WaitOwn(lab.Main, n.routes(1)...)
			n.answers()
			for service, by := range map[string]string{
				"10.77.0.0/16":     "10.255.0.9 is reached by BGP's route 10.255.0.9/32: through 10.0.1.2 on eth0",
				"2001:db8:77::/48": "2001:db8:ff::9 is reached by BGP's route 2001:db8:ff::9/128: through 2001:db8:1::2 on eth0",
			} {
				if out := d.Do("explain", service); !strings.Contains(out, by) {
					t.Errorf("explain does not say %q:\n%s", by, out)
				}
			}

			// The inner routes move, and nothing is said of the outer ones.
			lab.WaitEqual(t, "the paths of the loopbacks", true, func() bool {
				return strings.Contains(d.Do("explain", "10.255.0.9/32"), "BGP has 2 paths") && strings.Contains(d.Do("explain", "2001:db8:ff::9/128"), "BGP has 2 paths")
			})
			mark := n.dut.Mark()
			n.loops[0].Show("disable loop4")
			n.loops[0].Show("disable loop6")
			n.dut.WaitOwn(lab.Main, n.routes(2)...)
			n.answers()
			for _, ev := range n.dut.Since(mark) {
				if !off && strings.Contains(ev.Prefix.String(), "77") {
					t.Errorf("the route for %s is written for a nexthop that moved: %+v", ev.Prefix, ev)
				}
			}

			// They go, and with them what hangs on them; and come back.
			n.loops[1].Show("disable loop4")
			n.loops[1].Show("disable loop6")
			n.dut.WaitOwn(lab.Main)
			if out := d.Do("explain", "10.77.0.0/16"); !strings.Contains(out, "nexthop 10.255.0.9 is unresolved: no route in this VRF covers it") {
				t.Errorf("explain does not say what is missing:\n%s", out)
			}
			n.loops[0].Show("enable loop4")
			n.loops[0].Show("enable loop6")
			n.dut.WaitOwn(lab.Main, n.routes(1)...)
			n.answers()

			// What stands is not written again at a restart.
			d.Stop()
			before := n.dut.Mark()
			d.Start()
			installed := func() (list []string) {
				for _, r := range d.RouteStates("export") {
					list = append(list, r.Prefix+" "+r.State)
				}
				slices.Sort(list)
				return list
			}
			lab.WaitEqual(t, "the routes after a restart", []string{
				"10.255.0.9/32 installed", "10.77.0.0/16 installed", "2001:db8:77::/48 installed", "2001:db8:ff::9/128 installed",
			}, installed)
			if written := n.dut.Since(before); len(written) > 0 {
				t.Errorf("at the restart %+v is written", written)
			}
		})
	}
}

// The default route leads to nexthops where the configuration says so, and not otherwise.
func TestResolveByDefault(t *testing.T) {
	t.Parallel()
	n := newBehind(t)
	n.dut.IP("route", "add", "default", "via", "10.0.2.2")
	n.dut.IP("-6", "route", "add", "default", "via", "2001:db8:2::2")
	for _, b := range n.loops {
		b.Show("disable loop4")
		b.Show("disable loop6")
	}
	d := n.dut.Daemon(n.config(""))
	reason := func() bool {
		return strings.Contains(d.Do("explain", "10.77.0.0/16"), "only the default route covers it") &&
			strings.Contains(d.Do("explain", "2001:db8:77::/48"), "only the default route covers it")
	}
	lab.WaitEqual(t, "that the default route does not count", true, reason)
	n.dut.WaitOwn(lab.Main)
	d.Reload(n.config("    resolve_by_default = true\n"))
	n.dut.WaitOwn(lab.Main, "10.77.0.0/16 via 10.0.2.2 dev eth1 metric 20", "2001:db8:77::/48 via 2001:db8:2::2 dev eth1 metric 20")
	n.answers()
	d.Reload(n.config(""))
	n.dut.WaitOwn(lab.Main)
	lab.WaitEqual(t, "that the default route counts no more", true, reason)
}
