package edge

import (
	"fmt"
	"strings"

	"github.com/vrfredist/vrfredist/integration/netns/lab"
)

// CustomerPrefixes are the customer's, and the address that it has in each.
var CustomerPrefixes = map[string]string{"20.0.0.0/24": "20.0.0.1", "2001:db8:20::/64": "2001:db8:20::1"}

// CustomerBIRD is what a customer's BIRD is configured with: sessions pe4 and pe6 with the tenant's
// router.
const CustomerBIRD = `
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

// Customer gives a tenant a link to a customer's router, and returns it with its sessions as the
// configuration has them.
func Customer(n *Network, t *Tenant) (router *lab.Namespace, sessions string) {
	n.T.Helper()
	c, dev := n.Namespace("c-"+t.Name), "cust-"+t.Name
	n.Link(t.NS, dev, c, "eth0")
	t.Enslave(dev)
	t.NS.Address(dev, "192.0.2.1/24", "2001:db8:c::1/64")
	c.Address("eth0", "192.0.2.2/24", "2001:db8:c::2/64")
	for _, addr := range CustomerPrefixes {
		c.Address("lo", addr)
	}
	c.Batch("route add default via 192.0.2.1", "route add ::/0 via 2001:db8:c::1")
	var b strings.Builder
	for _, s := range []struct{ far, near, afi string }{
		{"192.0.2.2", "192.0.2.1", "ipv4-unicast"}, {"2001:db8:c::2", "2001:db8:c::1", "ipv6-unicast"},
	} {
		where := fmt.Sprintf("netns = %q", t.NS.Name)
		if t.Device != "" {
			where = ""
		}
		fmt.Fprintf(&b, `
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
`, s.far, t.Name, where, dev, s.near, s.afi)
	}
	return c, b.String()
}
