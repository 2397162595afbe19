package netns_test

import (
	"fmt"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/vrfredist/vrfredist/integration/netns/lab"
)

// sending is a VRF with a customer, a kernel route of its own, and another VRF beside it, of
// which it lets routes in; and another PE that is told of it.
//
//	customer (BIRD, AS 65101)  eth0 ── lan0  red (VRFs red, shared)
//	                            host ── lan1
//	pe (BIRD, AS 65000)        eth0 ── eth0  rtr
type sending struct {
	*lab.Lab
	rtr, red *lab.Namespace
	customer *lab.BIRD
	pe       *lab.BIRD
	daemon   *lab.Daemon
}

const peConfig = `
router id 10.9.9.9;
protocol device {}
vpn4 table all4;
vpn6 table all6;
template bgp peering {
  local as 65000;
  connect retry time 1;
  error wait time 1, 2;
}
protocol bgp four from peering { neighbor 10.0.0.1 as 65000; vpn4 mpls { table all4; import all; export none; }; }
protocol bgp six from peering { neighbor 2001:db8::1 as 65000; vpn6 mpls { table all6; import all; export none; }; }
`

func newSending(t *testing.T) *sending {
	t.Helper()
	l := newLab(t, bird, "birdc")
	x := &sending{Lab: l, rtr: l.Namespace("rtr"), red: l.Namespace("red")}
	pe, home, host := l.Namespace("pe"), l.Namespace("home"), l.Namespace("host")
	l.Subnet(x.rtr, "eth0", pe, "eth0", "10.0.0.1/24", "2001:db8::1/64")
	l.Subnet(x.red, "lan0", home, "eth0", "192.168.1.1/24", "2001:db8:1::1/64")
	l.Subnet(x.red, "lan1", host, "eth0", "192.168.2.1/24", "2001:db8:2::1/64")
	for _, r := range []string{"10.2.0.0/16 via 192.168.2.2 dev lan1", "2001:db8:a2::/48 via 2001:db8:2::2 dev lan1", "10.3.0.0/16 dev lan1 table 1002", "2001:db8:a3::/48 dev lan1 table 1002"} {
		x.red.Batch("route add " + r + " proto static")
	}
	x.customer = home.BIRD(leakBIRD(65101, "192.168.1.1", "2001:db8:1::1", "10.1.0.0/16", "2001:db8:a1::/48"))
	x.pe = pe.BIRD(peConfig)
	return x
}

// config is the daemon's, in which red has these lines under bgp; and more sections.
func (x *sending) config(bgp, more string) string {
	c := "[global.config]\n  as = 65000\n  router-id = \"10.0.0.1\"\n"
	for addr, family := range map[string]string{"10.0.0.2": "l3vpn-ipv4-unicast", "2001:db8::2": "l3vpn-ipv6-unicast"} {
		c += fmt.Sprintf("[[neighbors]]\n  [neighbors.config]\n    neighbor-address = %q\n    peer-as = 65000\n  [neighbors.timers.config]\n    connect-retry = 1\n  [[neighbors.afi-safis]]\n    [neighbors.afi-safis.config]\n      afi-safi-name = %q\n", addr, family)
	}
	in := fmt.Sprintf("    vrf = \"red\"\n    netns = %q\n", x.red.Name)
	c += leakNeighbor("192.168.1.2", "192.168.1.1", 65101, "ipv4", in) + leakNeighbor("2001:db8:1::2", "2001:db8:1::1", 65101, "ipv6", in)
	for i, name := range []string{"red", "shared"} {
		c += fmt.Sprintf("[[vrfs]]\n  [vrfs.config]\n    name = %q\n    rd = \"65000:%d\"\n    both-rt-list = [\"65000:%[2]d\"]\n", name, i+1)
	}
	imports := "  [netlink.vrfs.import]\n    enabled = true\n    interface_list = [\"lan1\"]\n    protocols = [\"static\"]\n"
	return c + fmt.Sprintf("[netlink]\n  sweep_delay = \"0s\"\n[[netlink.vrfs]]\n  name = \"shared\"\n  netns = %[1]q\n  table = 1002\n%[2]s[[netlink.vrfs]]\n  name = \"red\"\n  netns = %[1]q\n%[2]s  [netlink.vrfs.export]\n    enabled = true\n  [netlink.vrfs.bgp]\n    leak_from = [\"shared\"]\n%[3]s%[4]s",
		x.red.Name, imports, bgp, more)
}

var vpnRoute = regexp.MustCompile(`(?m)^65000:1 +(\S+)`)

// hears waits until the PE has these routes of red, and no others, each with red's route target
// alone.
func (x *sending) hears(when string, want ...string) {
	x.T.Helper()
	slices.Sort(want)
	lab.WaitEqual(x.T, when+": what the PE is told of red", want, func() []string {
		var got []string
		for _, m := range vpnRoute.FindAllStringSubmatch(x.pe.Show("show route table all4")+x.pe.Show("show route table all6"), -1) {
			got = append(got, m[1])
		}
		slices.Sort(got)
		return got
	})
	for _, table := range []string{"all4", "all6"} {
		for line := range strings.Lines(x.pe.Show("show route table " + table + " all")) {
			if strings.Contains(line, "ext_community") && strings.Contains(line, "(rt, 0,") {
				x.T.Errorf("%s: a mark is told: %s", when, line)
			}
		}
	}
}

// TestSendToAPE: what goes out of a VRF is what its policy lets out, from the start, after
// reloads and after one that is taken back: a customer's routes, kernel routes, and those that
// are leaked into it where the policy names where they are from. The VRF's own table and its
// customers are not touched.
func TestSendToAPE(t *testing.T) {
	t.Parallel()
	x := newSending(t)
	const to = "    send = \"to-pe\"\n"
	by := func(fallback string, rules ...string) string {
		return fmt.Sprintf("[[netlink.policies]]\n  name = \"to-pe\"\n  default = %q\n", fallback) + "[[netlink.policies.rules]]\n" + strings.Join(rules, "[[netlink.policies.rules]]\n")
	}
	customers, kernels, leaked := []string{"10.1.0.0/16", "2001:db8:a1::/48"}, []string{"10.2.0.0/16", "2001:db8:a2::/48"}, []string{"10.3.0.0/16", "2001:db8:a3::/48"}
	x.daemon = x.rtr.Daemon(x.config(to, by("accept", "prefixes = [\"10.1.0.0/16\", \"2001:db8:a1::/48\"]\naction = \"reject\"\n")))
	x.hears("from the start", kernels...)
	lab.WaitEqual(t, "what the customer is told", append(slices.Clone(kernels[:1]), leaked[0]), func() []string { return x.customer.Received("v4") })
	x.daemon.Reload(x.config("", ""))
	x.hears("without a policy", append(slices.Clone(customers), kernels...)...)
	leaks := by("reject", "source_vrfs = [\"shared\"]\nset_med = 55\naction = \"accept\"\n", "as_path = [\"^65101$\"]\nadd_communities = [\"65000:9\"]\naction = \"accept\"\n")
	x.daemon.Reload(x.config(to, leaks))
	x.hears("with what is leaked", append(slices.Clone(customers), leaked...)...)
	all := x.pe.Show("show route table all4 all")
	for _, want := range []string{"(65000,9)", "BGP.med: 55"} {
		if strings.Count(all, want) != 1 {
			t.Errorf("%d routes are told with %s:\n%s", strings.Count(all, want), want, all)
		}
	}
	x.daemon.Write(x.config(to, by("reject", "source_vrfs = [\"red\"]\naction = \"accept\"\n")))
	x.daemon.Do("reload", "--confirm", "15s")
	x.hears("while it waits to be confirmed", append(slices.Clone(customers), kernels...)...)
	x.hears("after it was taken back", append(slices.Clone(customers), leaked...)...)
	x.red.WaitOwn(lab.Main, "10.1.0.0/16 via 192.168.1.2 dev lan0 metric 20", "10.3.0.0/16 dev lan1 metric 20", "2001:db8:a1::/48 via 2001:db8:1::2 dev lan0 metric 20", "2001:db8:a3::/48 dev lan1 metric 20")
}
