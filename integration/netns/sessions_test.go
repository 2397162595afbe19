package netns_test

import (
	"fmt"
	"net/netip"
	"path/filepath"
	"sort"
	"strings"
	"testing"

	"github.com/vrfredist/vrfredist/integration/netns/lab"
)

// customer is a tenant's namespace and a customer behind it who speaks BGP. All
// have the same addresses.
//
//	tenant  cust0 192.0.2.1/24  2001:db8:c::1/64 ── eth0 192.0.2.2  customer (FRR)
//	        lan0  192.168.1.1/24  2001:db8:1::1/64
type customer struct {
	tenant, home *lab.Namespace
	peer         *lab.FRR
	as, number   int
}

const (
	ours4, theirs4 = "192.0.2.1", "192.0.2.2"
	ours6, theirs6 = "2001:db8:c::1", "2001:db8:c::2"
)

// newCustomer wires a customer to a tenant. What is special about it are the
// routes of its number, and more lines of its configuration.
func newCustomer(l *lab.Lab, tenant *lab.Namespace, number int, more ...string) *customer {
	c := &customer{tenant: tenant, home: l.Namespace(tenant.Role + "-customer"), as: 65100 + number, number: number}
	l.Subnet(tenant, "cust0", c.home, "eth0", ours4+"/24", ours6+"/64")
	l.Link(tenant, "lan0", c.home, "lan0")
	tenant.Address("lan0", "192.168.1.1/24", "2001:db8:1::1/64")
	tenant.Batch(fmt.Sprintf("route add 10.77.%d.0/24 dev lan0", number),
		fmt.Sprintf("route add 2001:db8:77%02x::/64 dev lan0", number))
	c.peer = c.home.FRR(c.config(more...))
	return c
}

func (c *customer) config(more ...string) string {
	return fmt.Sprintf(`
frr defaults traditional
router bgp %d
 bgp router-id 192.0.2.2
 no bgp ebgp-requires-policy
 no bgp network import-check
 neighbor 192.0.2.1 remote-as 65000
 neighbor 192.0.2.1 timers 3 9
 neighbor 192.0.2.1 timers connect 1
 neighbor 2001:db8:c::1 remote-as 65000
 neighbor 2001:db8:c::1 timers 3 9
 neighbor 2001:db8:c::1 timers connect 1
 %s
 address-family ipv4 unicast
  no neighbor 2001:db8:c::1 activate
  network 10.%d.0.0/16
  network 10.99.0.0/16
 exit-address-family
 address-family ipv6 unicast
  neighbor 2001:db8:c::1 activate
  network 2001:db8:a%d::/48
  network 2001:db8:a99::/48
 exit-address-family
`, c.as, strings.Join(more, "\n "), c.number, c.number)
}

// installed is what the customer's routes are in the tenant's table.
func (c *customer) installed() []string {
	var routes []string
	for _, p := range []string{fmt.Sprintf("10.%d.0.0/16", c.number), "10.99.0.0/16"} {
		routes = append(routes, p+" via "+theirs4+" dev cust0 metric 20")
	}
	for _, p := range []string{fmt.Sprintf("2001:db8:a%d::/48", c.number), "2001:db8:a99::/48"} {
		routes = append(routes, p+" via "+theirs6+" dev cust0 metric 20")
	}
	return routes
}

// waitRoutes waits until the routes of both ways are exactly where they belong.
func (c *customer) waitRoutes(t *testing.T) {
	t.Helper()
	c.tenant.WaitOwn(lab.Main, c.installed()...)
	lab.Equal(t, "routes of the daemon in all tables of "+c.tenant.Role, len(c.installed()), len(c.tenant.OwnEverywhere()))
	lan4 := []string{fmt.Sprintf("10.77.%d.0/24", c.number), "192.168.1.0/24"}
	lan6 := []string{"2001:db8:1::/64", fmt.Sprintf("2001:db8:77%02x::/64", c.number)}
	lab.WaitEqual(t, "what the customer of "+c.tenant.Role+" has of IPv4", lan4, func() []string { return c.peer.Unicast("ipv4", ours4) })
	lab.WaitEqual(t, "what the customer of "+c.tenant.Role+" has of IPv6", lan6, func() []string { return c.peer.Unicast("ipv6", ours6) })
}

// neighbor is what `vrf NAME --json` says of a neighbour.
type neighbor struct {
	Address, Alias, Netns, State, Reason string
}

func neighborsOf(d *lab.Daemon, vrf string) []neighbor {
	var v struct{ Neighbors []neighbor }
	d.JSON(&v, "vrf", vrf)
	sort.Slice(v.Neighbors, func(i, j int) bool { return v.Neighbors[i].Address < v.Neighbors[j].Address })
	return v.Neighbors
}

// examples/sessions, as it lies there: two tenants whose customers have the same
// addresses. With red's, this side opens the sessions; with blue's, the customer.
func TestSessionsExample(t *testing.T) {
	l := newLab(t, frr, "vtysh", gobgp, "unshare")
	if !lab.InOwnRun(t, run) {
		return
	}
	rtr := l.Namespace("rtr")
	red := newCustomer(l, l.Called("red"), 1,
		"neighbor 192.0.2.1 passive", "neighbor 2001:db8:c::1 passive")
	blue := newCustomer(l, l.Called("blue"), 2, "neighbor 192.0.2.1 ttl-security hops 1")
	toRed, toBlue := red.home.Segments(), blue.home.Segments()
	d := rtr.DaemonOf(absolute(t, "../../examples/sessions/vrfredist.toml"))
	red.waitRoutes(t)
	blue.waitRoutes(t)
	lab.Equal(t, "routes of the daemon in its own namespace", []string{}, rtr.OwnEverywhere())

	t.Log("gobgp shows the aliases, vrfredist the addresses")
	list, err := d.GoBGP("neighbor")
	if err != nil {
		t.Fatalf("gobgp neighbor: %v: %s", err, list)
	}
	for _, vrf := range []string{"red", "blue"} {
		all := neighborsOf(d, vrf)
		if len(all) != 2 || all[0].Address != theirs4 || all[1].Address != theirs6 {
			t.Fatalf("the neighbours of %s are %+v", vrf, all)
		}
		for _, n := range all {
			alias, err := netip.ParseAddr(n.Alias)
			if err != nil || !alias.IsLoopback() || !strings.Contains(list, n.Alias+" ") || n.Netns != vrf || n.State != "established" {
				t.Errorf("a neighbour of %s is %+v, and gobgp shows\n%s", vrf, n, list)
			}
		}
	}
	if strings.Contains(list, theirs4) {
		t.Errorf("gobgp shows an address of the tenants':\n%s", list)
	}

	t.Log("eBGP is sent with TTL 1, TTL security with 255")
	ttls(t, "red", toRed, 1)
	ttls(t, "blue", toBlue, 255)
	if syns(toRed) == 0 || syns(toBlue) != 0 {
		t.Errorf("this side opened %d connections to red's customer, want some, and %d to blue's, want none", syns(toRed), syns(toBlue))
	}

	t.Log("red's link is down: blue notices nothing, and nothing of red's comes to blue's customer")
	mark, sent := blue.tenant.Mark(), syns(toRed)
	red.home.IP("link", "set", "eth0", "down")
	red.tenant.WaitOwn(lab.Main)
	lab.WaitFor(t, "red's neighbours are tried again", 2*lab.Patience, func() string {
		for _, n := range neighborsOf(d, "red") {
			if n.State == "established" || n.Reason == "" {
				return fmt.Sprintf("%+v", n)
			}
		}
		return ""
	})
	blue.waitRoutes(t)
	lab.Equal(t, "what happened to blue's routes meanwhile", 0, len(blue.tenant.Since(mark)))
	lab.Equal(t, "connections that this side opened to blue's customer", 0, syns(toBlue))
	red.home.IP("link", "set", "eth0", "up")
	red.home.Address("eth0", theirs6+"/64") // the kernel took it with the link
	lab.WaitFor(t, "red's customer is tried again", 2*lab.Patience, func() string {
		if syns(toRed) == sent {
			return "no SYN came"
		}
		return ""
	})
	red.waitRoutes(t)
	blue.waitRoutes(t)
}

func absolute(t *testing.T, path string) string {
	t.Helper()
	abs, err := filepath.Abs(path)
	if err != nil {
		t.Fatal(err)
	}
	return abs
}

// bgpSegments are those of a session with the daemon.
func bgpSegments(s *lab.Segments) (found []lab.Segment) {
	for _, g := range s.Seen() {
		if g.Source.String() == ours4 && (g.FromPort == 179 || g.ToPort == 179) {
			found = append(found, g)
		}
	}
	return found
}

func ttls(t *testing.T, tenant string, s *lab.Segments, want int) {
	t.Helper()
	all := bgpSegments(s)
	if len(all) < 5 {
		t.Errorf("only %d segments came to the customer of %s", len(all), tenant)
	}
	for _, g := range all {
		if g.TTL != want {
			t.Errorf("a segment to the customer of %s has TTL %d, want %d: %+v", tenant, g.TTL, want, g)
			return
		}
	}
}

// syns counts the connections that the daemon opened.
func syns(s *lab.Segments) (count int) {
	for _, g := range bgpSegments(s) {
		if g.SYN && g.ToPort == 179 {
			count++
		}
	}
	return count
}
