package devices_test

import (
	"fmt"
	"path/filepath"
	"strings"
	"testing"

	"github.com/vrfredist/vrfredist/integration/netns/lab"
)

// tenants is the network of examples/devices: a router with two VRF devices, and
// in each a customer who speaks BGP. Behind a customer is a host.
//
//	rtr  red  (table 1000)   lan-red   192.168.1.1/24 ── eth0 192.168.1.2  red (FRR, AS 65101)
//	     blue (table 70000)  lan-blue  192.168.2.1/24 ── eth0 192.168.2.2  blue (FRR, AS 65102)
type tenants struct {
	*lab.Lab
	rtr       *lab.Namespace
	red, blue *customer
}

type customer struct {
	name   string
	home   *lab.Namespace
	peer   *lab.FRR
	number int // in addresses
	table  int
}

func newTenants(t *testing.T) *tenants {
	t.Helper()
	l := newLab(t)
	n := &tenants{Lab: l, rtr: l.Namespace("rtr")}
	n.rtr.Sysctl("ipv4.ip_forward", "1")
	n.rtr.Sysctl("ipv6.conf.all.forwarding", "1")
	n.rtr.Sysctl("ipv4.conf.all.rp_filter", "0")
	n.rtr.Sysctl("ipv4.conf.default.rp_filter", "0")
	n.red = n.customer("red", "red", 1, 1000, "neighbor 192.168.1.1 passive")
	n.blue = n.customer("blue", "blue", 2, 70000)
	return n
}

// customer makes the VRF device of a tenant, and the customer behind it.
func (n *tenants) customer(name, role string, number, table int, more ...string) *customer {
	c := &customer{name: name, home: n.Namespace(role), number: number, table: table}
	n.rtr.VRF(name, table)
	n.Link(n.rtr, "lan-"+name, c.home, "eth0")
	n.rtr.Batch(fmt.Sprintf("link set lan-%s master %s", name, name),
		fmt.Sprintf("addr add 192.168.%d.1/24 dev lan-%s", number, name),
		fmt.Sprintf("addr add 2001:db8:%d::1/64 dev lan-%s nodad", number, name),
		fmt.Sprintf("route add 10.77.%d.0/24 via 192.168.%d.2 vrf %s", number, number, name))
	c.home.Batch(fmt.Sprintf("addr add 192.168.%d.2/24 dev eth0", number),
		fmt.Sprintf("addr add 2001:db8:%d::2/64 dev eth0 nodad", number),
		fmt.Sprintf("addr add 10.%d.0.1/32 dev lo", number),
		fmt.Sprintf("addr add 10.77.%d.1/32 dev lo", number),
		fmt.Sprintf("route add default via 192.168.%d.1", number),
		fmt.Sprintf("route add default via 2001:db8:%d::1", number))
	c.peer = c.home.FRR(fmt.Sprintf(`
frr defaults traditional
router bgp %d
 bgp router-id 192.168.%d.2
 no bgp ebgp-requires-policy
 no bgp network import-check
 neighbor 192.168.%d.1 remote-as 65000
 neighbor 192.168.%d.1 timers 3 9
 neighbor 192.168.%d.1 timers connect 1
 %s
 address-family ipv4 unicast
  network 10.%d.0.0/16
 exit-address-family
`, 65100+number, number, number, number, number, strings.Join(more, "\n "), number))
	return c
}

func (c *customer) ours() string { return fmt.Sprintf("192.168.%d.1", c.number) }

// bgp is the customer's route in its own tenant's table.
func (c *customer) bgp() string {
	return fmt.Sprintf("10.%d.0.0/16 via 192.168.%d.2 dev lan-%s metric 20", c.number, c.number, c.name)
}

// leaked is what the other tenant's table has of this one: its customer's route and its static
// one through its own interface, and its connected ones through its VRF device.
func (c *customer) leaked() []string {
	return []string{
		c.bgp(),
		fmt.Sprintf("10.77.%d.0/24 via 192.168.%d.2 dev lan-%s metric 20", c.number, c.number, c.name),
		fmt.Sprintf("192.168.%d.0/24 dev %s metric 20", c.number, c.name),
		fmt.Sprintf("2001:db8:%d::/64 dev %s metric 20", c.number, c.name),
	}
}

// waitRoutes waits until each tenant's table has its customer's route and
// exactly these leaks of the other, and no other table has anything.
func (n *tenants) waitRoutes(intoRed, intoBlue []string) {
	n.T.Helper()
	red, blue := append([]string{n.red.bgp()}, intoRed...), append([]string{n.blue.bgp()}, intoBlue...)
	n.rtr.WaitOwn(n.red.table, red...)
	n.rtr.WaitOwn(n.blue.table, blue...)
	lab.Equal(n.T, "routes of the daemon in all tables of rtr", len(red)+len(blue), len(n.rtr.OwnEverywhere()))
}

// examples/devices, as it lies there: sessions in VRF devices, one opened by
// this side and one by the customer, leaks both ways, and packets over them.
func TestDevicesExample(t *testing.T) {
	t.Parallel()
	n := newTenants(t)
	lab.Equal(t, "tcp_l3mdev_accept before", "0", n.rtr.SysctlValue("ipv4.tcp_l3mdev_accept"))
	file, err := filepath.Abs("../../../examples/devices/vrfredist.toml")
	if err != nil {
		t.Fatal(err)
	}
	d := n.rtr.DaemonOf(file)
	n.waitRoutes(n.blue.leaked(), n.red.leaked())
	lab.Equal(t, "tcp_l3mdev_accept, which the daemon may set", "1", n.rtr.SysctlValue("ipv4.tcp_l3mdev_accept"))
	for _, c := range []*customer{n.red, n.blue} {
		other := n.red
		if c == n.red {
			other = n.blue
		}
		// Both tenants' connected and static routes, and the other's customer's.
		lab.WaitEqual(t, "what the customer of "+c.name+" has", []string{
			fmt.Sprintf("10.%d.0.0/16", other.number), "10.77.1.0/24", "10.77.2.0/24", "192.168.1.0/24", "192.168.2.0/24",
		}, func() []string { return c.peer.Unicast("ipv4", c.ours()) })
	}

	t.Log("packets go from each tenant's hosts to the other's")
	n.red.home.WaitPing("192.168.1.2", "192.168.2.2")
	n.red.home.WaitPing("10.1.0.1", "10.2.0.1")
	n.red.home.WaitPing("10.77.1.1", "10.77.2.1")
	n.red.home.WaitPing("2001:db8:1::2", "2001:db8:2::2")
	n.blue.home.WaitPing("10.2.0.1", "10.1.0.1")

	t.Log("and to the router's own addresses in the other tenant's VRF")
	n.red.home.WaitPing("192.168.1.2", "192.168.2.1")
	n.red.home.WaitPing("2001:db8:1::2", "2001:db8:2::1")
	n.blue.home.WaitPing("192.168.2.2", "192.168.1.1")
	n.blue.home.WaitPing("2001:db8:2::2", "2001:db8:1::1")

	t.Log("a leak is neither imported nor leaked back")
	for _, c := range []*customer{n.red, n.blue} {
		imported := d.RouteStates("import", "--vrf", c.name)
		var announced []string
		for _, r := range imported {
			if r.State == "announced" {
				announced = append(announced, r.Prefix)
			}
		}
		lab.Equal(t, "what "+c.name+" imports", []string{
			fmt.Sprintf("10.77.%d.0/24", c.number), fmt.Sprintf("192.168.%d.0/24", c.number), fmt.Sprintf("2001:db8:%d::/64", c.number),
		}, announced)
	}

	t.Log("what goes in red goes in blue")
	n.rtr.IP("route", "del", "10.77.1.0/24", "vrf", "red")
	n.waitRoutes(n.blue.leaked(), without(n.red.leaked(), "10.77.1.0/24"))
	n.red.peer.Configure("router bgp 65101", "address-family ipv4 unicast", "no network 10.1.0.0/16")
	n.rtr.WaitOwn(n.red.table, n.blue.leaked()...)
	n.rtr.WaitOwn(n.blue.table, append(without(n.red.leaked(), "10.77.1.0/24", "10.1.0.0/16"), n.blue.bgp())...)
	if err := n.blue.home.Ping("10.2.0.1", "10.1.0.1"); err == nil {
		t.Error("packets still go where the route was withdrawn")
	}
	n.rtr.IP("link", "set", "lan-red", "down")
	n.rtr.WaitOwn(n.red.table, n.blue.leaked()...)
	n.rtr.WaitOwn(n.blue.table, n.blue.bgp())
	for _, e := range n.rtr.Since(0) {
		if e.Device != "red" && e.Device != "blue" {
			t.Errorf("a route of the daemon was in table %d: %+v", e.Table, e)
		}
	}
}

// without returns the routes but those to these prefixes.
func without(routes []string, prefixes ...string) []string {
	var left []string
next:
	for _, r := range routes {
		for _, p := range prefixes {
			if strings.HasPrefix(r, p+" ") {
				continue next
			}
		}
		left = append(left, r)
	}
	return left
}
