package netns_test

import (
	"fmt"
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
		l.Link(tenant, dev, homes[i], "eth0")
		ours, theirs := fmt.Sprintf("192.0.%d.1", i+1), fmt.Sprintf("192.0.%d.2", i+1)
		tenant.Address(dev, ours+"/24")
		homes[i].Address("eth0", theirs+"/24")
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
