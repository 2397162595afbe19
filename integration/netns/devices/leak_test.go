package devices_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/vrfredist/vrfredist/integration/netns/lab"
)

// leakConfig has two tenants leak from each other by rules, whose route targets have nothing in
// common, and judges in red by a policy. Both tenants import their tables.
const leakConfig = `
[global.config]
  as = 65000
  router-id = "10.0.0.1"
[netlink]
  manage_sysctls = true
[[netlink.policies]]
  name = "of-red"
  default = "accept"
  [[netlink.policies.rules]]
    prefixes = ["%s"]
    action = "reject"
`

// leakTenant is a tenant of it, which leaks from another.
func leakTenant(c *customer, from, more string) string {
	return fmt.Sprintf(`
[[vrfs]]
  [vrfs.config]
    name = %[1]q
    rd = "65000:%[2]d0"
    both-rt-list = ["65000:%[2]d0"]
[[neighbors]]
  [neighbors.config]
    neighbor-address = "192.168.%[2]d.2"
    peer-as = %[3]d
    vrf = %[1]q
  [neighbors.transport.config]
    bind-interface = "lan-%[1]s"
  [neighbors.timers.config]
    connect-retry = 1
[[netlink.vrfs]]
  name = %[1]q
  device = %[1]q
  [netlink.vrfs.import]
    enabled = true
    interface_list = ["lan-*"]
  [netlink.vrfs.export]
    enabled = true
%[5]s  [netlink.vrfs.bgp]
    leak_from = [%[4]q]
`, c.name, c.number, 65100+c.number, from, more)
}

// TestLeakRulesBetweenDevices: two VRF devices leak from each other without route targets, with
// packets both ways, and to the router's own addresses in the other VRF; what the one's policy
// rejects neither has, and what it has no more goes from the other.
func TestLeakRulesBetweenDevices(t *testing.T) {
	t.Parallel()
	n := newTenants(t)
	config := func(rejected string) string {
		return fmt.Sprintf(leakConfig, rejected) + leakTenant(n.red, "blue", "    policy = \"of-red\"\n") + leakTenant(n.blue, "red", "")
	}
	d := n.rtr.Daemon(config("10.250.0.0/16"))
	n.waitRoutes(n.blue.leaked(), n.red.leaked())
	for _, c := range []*customer{n.red, n.blue} {
		lab.WaitEqual(t, "what the customer of "+c.name+" has", []string{
			fmt.Sprintf("10.%d.0.0/16", 3-c.number), "10.77.1.0/24", "10.77.2.0/24", "192.168.1.0/24", "192.168.2.0/24",
		}, func() []string { return c.peer.Unicast("ipv4", c.ours()) })
	}
	n.red.home.WaitPing("192.168.1.2", "192.168.2.2")
	n.red.home.WaitPing("10.1.0.1", "10.2.0.1")
	n.red.home.WaitPing("10.77.1.1", "10.77.2.1")
	n.red.home.WaitPing("2001:db8:1::2", "2001:db8:2::2")
	n.blue.home.WaitPing("10.2.0.1", "10.1.0.1")
	n.red.home.WaitPing("192.168.1.2", "192.168.2.1")
	n.blue.home.WaitPing("2001:db8:2::2", "2001:db8:1::1")

	t.Log("red rejects its customer's: blue does not go by it either")
	d.Reload(config("10.1.0.0/16"))
	n.rtr.WaitOwn(n.red.table, n.blue.leaked()...)
	n.rtr.WaitOwn(n.blue.table, append(without(n.red.leaked(), "10.1.0.0/16"), n.blue.bgp())...)
	if said := d.Do("explain", "10.1.0.0/16", "--vrf", "blue"); !strings.Contains(said, `VRF "red" does not go by it`) {
		t.Errorf("explain says\n%s", said)
	}
	if err := n.blue.home.Ping("10.2.0.1", "10.1.0.1"); err == nil {
		t.Error("packets still go where red's policy rejects the route")
	}
	d.Reload(config("10.250.0.0/16"))
	n.waitRoutes(n.blue.leaked(), n.red.leaked())

	t.Log("a restart leaves both tables as they are")
	mark := n.rtr.Mark()
	d.Stop()
	d.Start()
	n.waitRoutes(n.blue.leaked(), n.red.leaked())
	n.red.peer.WaitEstablished(n.red.ours())
	n.blue.home.WaitPing("10.2.0.1", "10.1.0.1")
	for _, e := range n.rtr.Since(mark) {
		if e.Deleted {
			t.Errorf("a route was deleted: %+v", e)
		}
	}

	t.Log("what goes in red goes in blue")
	n.rtr.IP("route", "del", "10.77.1.0/24", "vrf", "red")
	n.waitRoutes(n.blue.leaked(), without(n.red.leaked(), "10.77.1.0/24"))
	n.rtr.IP("link", "set", "lan-red", "down")
	n.rtr.WaitOwn(n.red.table, n.blue.leaked()...)
	n.rtr.WaitOwn(n.blue.table, n.blue.bgp())
}
