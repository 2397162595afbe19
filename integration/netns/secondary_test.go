package netns_test

import (
	"fmt"
	"testing"

	"github.com/vrfredist/vrfredist/integration/netns/lab"
)

// TestPoliciesAndSecondaryTables: what the policy of a VRF's export rejects, and what its leaks let
// in, is so in its secondary tables too, with the metric of each, at the start, over reloads and
// after one that is taken back.
//
//	customer (BIRD, AS 65101)  eth0 ── lan0  rtr: default (main and 300), red (1001)
func TestPoliciesAndSecondaryTables(t *testing.T) {
	t.Parallel()
	l := newLab(t, bird)
	rtr, home, host := l.Namespace("rtr"), l.Namespace("home"), l.Namespace("host")
	l.Subnet(rtr, "lan0", home, "eth0", "192.168.1.1/24", "2001:db8:1::1/64")
	l.Link(rtr, "lan1", host, "lan0")
	rtr.IP("route", "add", "10.7.0.0/16", "dev", "lan1", "table", "1001")
	rtr.IP("route", "add", "2001:db8:a7::/48", "dev", "lan1", "table", "1001")
	home.BIRD(leakBIRD(65101, "192.168.1.1", "2001:db8:1::1", "10.1.0.0/16", "10.2.0.0/16", "2001:db8:a1::/48", "2001:db8:a2::/48"))
	config := func(export, bgp, policy string) string {
		return "[global.config]\n  as = 65000\n  router-id = \"10.0.0.1\"\n" +
			leakNeighbor("192.168.1.2", "192.168.1.1", 65101, "ipv4", "") + leakNeighbor("2001:db8:1::2", "2001:db8:1::1", 65101, "ipv6", "") +
			"[[vrfs]]\n  [vrfs.config]\n    name = \"red\"\n    rd = \"65000:1\"\n    both-rt-list = [\"65000:1\"]\n" +
			"[netlink]\n  sweep_delay = \"0s\"\n[netlink.export]\n  enabled = true\n  [[netlink.export.rules]]\n    table-id = 300\n    metric = 30\n" +
			"[[netlink.vrfs]]\n  name = \"red\"\n  table = 1001\n  [netlink.vrfs.import]\n    enabled = true\n    interface_list = [\"lan1\"]\n" +
			"[[netlink.vrfs]]\n  name = \"default\"\n  [netlink.vrfs.export]\n    enabled = true\n" + export + bgp + policy
	}
	routes := func(metric string, customers []int, leaked bool) (list []string) {
		for _, i := range customers {
			list = append(list, fmt.Sprintf("10.%d.0.0/16 via 192.168.1.2 dev lan0 metric %s", i, metric), fmt.Sprintf("2001:db8:a%d::/48 via 2001:db8:1::2 dev lan0 metric %s", i, metric))
		}
		if leaked {
			list = append(list, "10.7.0.0/16 dev lan1 metric "+metric, "2001:db8:a7::/48 dev lan1 metric "+metric)
		}
		return list
	}
	tables := func(when string, customers []int, leaked bool) {
		t.Helper()
		t.Log(when)
		rtr.WaitOwn(lab.Main, routes("20", customers, leaked)...)
		rtr.WaitOwn(300, routes("30", customers, leaked)...)
		lab.Equal(t, when+": all routes of the daemon", 2*len(routes("20", customers, leaked)), len(rtr.OwnEverywhere()))
	}
	const rejects = "    policy = \"not\"\n"
	not := func(prefixes string) string {
		return "[[netlink.policies]]\n  name = \"not\"\n  default = \"accept\"\n  [[netlink.policies.rules]]\n    prefixes = [" + prefixes + "]\n    action = \"reject\"\n"
	}
	leak := func(policy string) string { return leakRule("red", policy) }
	daemon := rtr.Daemon(config(rejects, leak(""), not(`"10.2.0.0/16", "2001:db8:a2::/48"`)))
	tables("from the start", []int{1}, true)
	daemon.Reload(config("", "", ""))
	tables("without policy and leak", []int{1, 2}, false)
	daemon.Reload(config(rejects, leak(""), not(`"10.1.0.0/16", "2001:db8:a1::/48", "10.7.0.0/16", "2001:db8:a7::/48"`)))
	tables("what is leaked is rejected too", []int{2}, false)
	daemon.Reload(config("", leak("    policy = \"not\"\n"), not(`"10.1.0.0/16"`)))
	tables("the leak has a policy", []int{1, 2}, true)
	daemon.Reload(config("", leak("    policy = \"not\"\n"), not(`"10.7.0.0/16", "2001:db8:a7::/48"`)))
	tables("the leak's policy rejects", []int{1, 2}, false)
	daemon.Write(config(rejects, leak(""), not(`"10.2.0.0/16", "2001:db8:a2::/48"`)))
	daemon.Do("reload", "--confirm", "15s")
	tables("while it waits to be confirmed", []int{1}, true)
	tables("after it was taken back", []int{1, 2}, false)
}
