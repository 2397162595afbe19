package netns_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/vrfredist/vrfredist/integration/netns/lab"
)

// Well-known communities are honoured between tenants' customers as between neighbours of
// the global table: what a customer said must not be told on is told to nobody outside, in
// both families, while the tenant's own table has it; and it is taken back when it comes to
// be said.
func TestNoExportBetweenCustomers(t *testing.T) {
	t.Parallel()
	l := newLab(t, bird, "birdc")
	rtr, tenant := l.Namespace("rtr"), l.Namespace("a")
	customers := make([]*lab.BIRD, 2)
	homes := make([]*lab.Namespace, 2)
	config := func(i int, statics string) string {
		return fmt.Sprintf(`
router id 192.0.%[1]d.2;
protocol device {}
protocol static four { ipv4; %[2]s }
protocol static six { ipv6; }
protocol bgp v4 { local 192.0.%[1]d.2 as 6510%[1]d; neighbor 192.0.%[1]d.1 as 65000; connect retry time 1; error wait time 1, 2; ipv4 { import all; export where proto = "four"; }; }
`, i+1, statics)
	}
	routes := func(of string) string {
		return `route 10.1.0.0/16 blackhole { ` + of + ` };
route 10.2.0.0/16 blackhole { bgp_community.add((65535,65281)); };
route 10.3.0.0/16 blackhole { bgp_community.add((65535,65282)); };
route 10.4.0.0/16 blackhole { bgp_community.add((65535,65283)); };
route 10.5.0.0/16 blackhole;`
	}
	text := vrfsOnly
	for i := range customers {
		homes[i] = l.Namespace(fmt.Sprintf("c%d", i+1))
		dev := fmt.Sprintf("cust%d", i+1)
		ours, theirs := fmt.Sprintf("192.0.%d.1", i+1), fmt.Sprintf("192.0.%d.2", i+1)
		l.Subnet(tenant, dev, homes[i], "eth0", ours+"/24")
		text += inside("vrf-a", tenant, theirs, ours, 65101+i, "")
		statics := ""
		if i == 0 {
			statics = routes("")
		}
		customers[i] = homes[i].BIRD(config(i, statics))
	}
	rtr.Daemon(text + bind("vrf-a", tenant, "", exportAll))
	in := func(i int) string { return fmt.Sprintf("10.%d.0.0/16 via 192.0.1.2 dev cust1 metric 20", i) }
	tenant.WaitOwn(lab.Main, in(1), in(2), in(3), in(4), in(5))
	told := func() []string { return customers[1].Received("v4") }
	lab.WaitEqual(t, "what the other customer is told", []string{"10.1.0.0/16", "10.5.0.0/16"}, told)

	t.Log("one that comes to be said, and is said no more")
	up := customers[1].Show("show protocols v4")
	for range 2 {
		customers[0].Reconfigure(config(0, routes("bgp_community.add((65535,65281));")))
		lab.WaitEqual(t, "what the other customer is told", []string{"10.5.0.0/16"}, told)
		tenant.WaitOwn(lab.Main, in(1), in(2), in(3), in(4), in(5))
		customers[0].Reconfigure(config(0, routes("")))
		lab.WaitEqual(t, "what the other customer is told", []string{"10.1.0.0/16", "10.5.0.0/16"}, told)
	}
	lab.Equal(t, "the other customer's session", up, customers[1].Show("show protocols v4"))
}

// A dynamic neighbour is judged as one with a section: outside where its group is of
// another AS, inside where it is of ours.
func TestNoExportToDynamicNeighbours(t *testing.T) {
	t.Parallel()
	l := newLab(t, bird, "birdc")
	rtr := l.Namespace("rtr")
	peers := make([]*lab.BIRD, 3) // who says it, a dynamic one of another AS, one of ours
	for i, as := range []int{65101, 65102, 65000} {
		ns, dev := l.Namespace(fmt.Sprintf("p%d", i)), fmt.Sprintf("eth%d", i)
		l.Subnet(rtr, dev, ns, "eth0", fmt.Sprintf("192.0.%d.1/24", i))
		routes := ""
		if i == 0 {
			routes = `route 10.1.0.0/16 blackhole;
route 10.2.0.0/16 blackhole { bgp_community.add((65535,65281)); };
route 10.3.0.0/16 blackhole { bgp_community.add((65535,65282)); };`
		}
		peers[i] = ns.BIRD(fmt.Sprintf(`
router id 192.0.%[1]d.2;
protocol device {}
protocol static four { ipv4; %[3]s }
protocol bgp v4 { local 192.0.%[1]d.2 as %[2]d; neighbor 192.0.%[1]d.1 as 65000; connect retry time 1; error wait time 1, 2; ipv4 { import all; import keep filtered; export where proto = "four"; }; }
`, i, as, routes))
	}
	group := func(name string, as int, prefix string) string {
		return fmt.Sprintf(`
[[peer-groups]]
  [peer-groups.config]
    peer-group-name = %[1]q
    peer-as = %[2]d
    next_hop_self = true
  [[peer-groups.afi-safis]]
    [peer-groups.afi-safis.config]
      afi-safi-name = "ipv4-unicast"
[[dynamic-neighbors]]
  [dynamic-neighbors.config]
    prefix = %[3]q
    peer-group = %[1]q
`, name, as, prefix)
	}
	rtr.Daemon(`
[global.config]
  as = 65000
  router-id = "10.0.0.1"
[[neighbors]]
  [neighbors.config]
    neighbor-address = "192.0.0.2"
    peer-as = 65101
` + group("outside", 65102, "192.0.1.0/24") + group("ours", 65000, "192.0.2.0/24"))
	lab.WaitEqual(t, "what a dynamic neighbour of another AS is told", []string{"10.1.0.0/16"}, func() []string { return peers[1].Received("v4") })
	lab.WaitEqual(t, "what a dynamic neighbour of our AS is told", []string{"10.1.0.0/16", "10.2.0.0/16"}, func() []string { return peers[2].Received("v4") })
	lab.WaitFor(t, "it is told our address as the nexthop", lab.Patience, func() string {
		if text := peers[2].Show("show route 10.1.0.0/16 protocol v4 all"); !strings.Contains(text, "BGP.next_hop: 192.0.2.1") {
			return text
		}
		return ""
	})
}
