package frrpe_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/vrfredist/vrfredist/integration/netns/lab"
)

const customerConfig = `
router id 192.0.2.2;
log stderr all;
protocol device {}
protocol static four { ipv4; route 20.0.0.0/24 unreachable; }
protocol static six { ipv6; route 2001:db8:20::/64 unreachable; }
template bgp upstream {
  local as 65101;
  connect retry time 1;
  error wait time 1, 2;
}
protocol bgp pe4 from upstream {
  neighbor 192.0.2.1 as 65000;
  source address 192.0.2.2;
  ipv4 { import all; export where proto = "four"; };
}
protocol bgp pe6 from upstream {
  neighbor 2001:db8:c::1 as 65000;
  source address 2001:db8:c::2;
  ipv6 { import all; export where proto = "six"; };
}
`

// TestCustomer: the routes of a customer's BGP session inside a tenant, here a VRF device or a
// namespace, are FRR's as IP prefix routes with this router's nexthop, VNI and MAC address, its
// tenant reaches them, and the customer is told FRR's; the tenant with the same prefixes has none of
// that.
func TestCustomer(t *testing.T) {
	t.Parallel()
	n := newNetwork(t, "bird", "birdc")
	var sessions strings.Builder
	red := n.customer(n.ours.tenants["red"], &sessions).BIRD(customerConfig)
	n.start(sessions.String())
	for _, far := range []string{"20.0.0.1", "2001:db8:20::1"} {
		n.frr.tenants["red"].host.WaitPing("", far)
	}
	here := n.ours.tenants["red"]
	for _, prefix := range []string{"20.0.0.0/24", "2001:db8:20::/64"} {
		want := []lab.Type5{{RD: "65000:10001", Nexthop: vtep(1), Communities: "RT:65000:100 ET:8 Rmac:" + here.mac()}}
		lab.Equal(t, "FRR's paths of "+prefix, want, n.peer.Type5(prefix))
	}
	lab.WaitEqual(t, "FRR's routes that the customer is told in IPv4", []string{"10.1.0.0/24", "10.2.0.0/24"}, func() []string { return red.Received("pe4") })
	lab.WaitEqual(t, "FRR's routes that the customer is told in IPv6", []string{"2001:db8:1::/64", "2001:db8:2::/64"}, func() []string { return red.Received("pe6") })
	lab.Equal(t, "the AS path that the customer sees", "65000", red.Path("10.2.0.0/24", "as_path"))
	blue := strings.Join(n.ours.tenants["blue"].own(), "\n") + n.frr.tenants["blue"].ns.IP("route", "show", "table", fmt.Sprint(n.frr.tenants["blue"].table))
	if strings.Contains(blue, "20.0.0.0/24") {
		t.Errorf("blue has a route of red's customer:\n%s", blue)
	}

	red.Kill()
	lab.WaitEqual(t, "what FRR has of the customer's that is gone", nil, func() []lab.Type5 {
		return append(n.peer.Type5("20.0.0.0/24"), n.peer.Type5("2001:db8:20::/64")...)
	})
}

// customer gives a tenant a link to a customer's router, and the configuration its sessions.
func (n *network) customer(t *tenant, sessions *strings.Builder) *lab.Namespace {
	n.T.Helper()
	c, dev := n.Namespace("c-"+t.name), "cust-"+t.name
	n.Link(t.ns, dev, c, "eth0")
	t.enslave(dev)
	t.ns.Address(dev, "192.0.2.1/24", "2001:db8:c::1/64")
	c.Address("eth0", "192.0.2.2/24", "2001:db8:c::2/64")
	c.Address("lo", "20.0.0.1/32", "2001:db8:20::1/128")
	c.IP("route", "add", "default", "via", "192.0.2.1")
	c.IP("-6", "route", "add", "default", "via", "2001:db8:c::1")
	for _, s := range []struct{ far, near, afi string }{
		{"192.0.2.2", "192.0.2.1", "ipv4-unicast"}, {"2001:db8:c::2", "2001:db8:c::1", "ipv6-unicast"},
	} {
		where := fmt.Sprintf("netns = %q", t.ns.Name)
		if t.device != "" {
			where = ""
		}
		fmt.Fprintf(sessions, `
[[neighbors]]
  [neighbors.config]
    neighbor-address = %q
    peer-as = 65101
    vrf = %q
    %s
  [neighbors.timers.config]
    connect-retry = 1
  [neighbors.transport.config]
    bind-interface = %q
    local-address = %q
  [[neighbors.afi-safis]]
    [neighbors.afi-safis.config]
      afi-safi-name = %q
`, s.far, t.name, where, dev, s.near, s.afi)
	}
	return c
}
