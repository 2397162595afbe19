package l3vpn_test

import (
	"fmt"
	"net/netip"
	"strings"

	"github.com/vrfredist/vrfredist/integration/netns/edge"
	"github.com/vrfredist/vrfredist/integration/netns/lab"
)

// customered: the routes of a customer's BGP session inside of a tenant are at the other PEs with
// this router as nexthop and the tenant's label or SIDs, their hosts reach it, and it is told theirs;
// the tenant with the same prefixes has none of that.
func (n *network) customered(router *lab.Namespace) {
	n.T.Helper()
	one, two := n.PEs[0], n.PEs[1]
	bird := router.BIRD(edge.CustomerBIRD)
	for _, pe := range n.PEs[1:] {
		for _, addr := range edge.CustomerPrefixes {
			if pe.FRR != nil && n.By == edge.MPLS && strings.Contains(addr, ":") {
				continue // it installs no such route
			}
			pe.Tenants["red"].Host.WaitPing("", addr)
		}
	}
	red := one.Tenants["red"]
	for prefix := range edge.CustomerPrefixes {
		six, family := strings.Contains(prefix, ":"), "ipv4"
		if six {
			family = "ipv6"
		}
		lab.WaitFor(n.T, "FRR has "+prefix+" as this PE's", lab.Patience, func() string {
			paths := two.FRR.VPNPaths(family, prefix)
			if len(paths) != 1 {
				return fmt.Sprintf("%d paths: %+v", len(paths), paths)
			}
			want := lab.VPNPath{RD: paths[0].RD, Nexthop: netip.MustParseAddr(one.Addr()), Label: red.Label(six), Communities: "RT:65000:100"}
			if n.By == edge.SRv6 {
				want.Label, want.SID = 3, red.SID(six)
				if paths[0].Nexthop == netip.IPv4Unspecified() {
					// FRR 8 shows no IPv6 nexthop of an IPv4 VPN route; that it has the right one its host
					// has seen, to which the customer's router has answered.
					want.Nexthop = paths[0].Nexthop
				}
			} else if six {
				want.Nexthop = netip.AddrFrom16(want.Nexthop.As16()) // RFC 4659, 3.2.1.2
			}
			if paths[0] != want {
				return fmt.Sprintf("%+v, want %+v", paths[0], want)
			}
			return ""
		})
	}
	lab.WaitEqual(n.T, "what the customer is told in IPv4", []string{"10.1.0.0/24", "10.2.0.0/24", "10.3.0.0/24"}, func() []string { return bird.Received("pe4") })
	lab.WaitEqual(n.T, "what the customer is told in IPv6", []string{"2001:db8:1::/64", "2001:db8:2::/64", "2001:db8:3::/64"}, func() []string { return bird.Received("pe6") })
	for _, pe := range n.PEs {
		blue := pe.Tenants["blue"]
		for prefix := range edge.CustomerPrefixes {
			if out := blue.NS.IP("route", "show", "table", fmt.Sprint(blue.Table), prefix); out != "" {
				n.T.Errorf("blue at PE %d has a route of red's customer: %s", pe.N, out)
			}
		}
	}
	bird.Kill()
	for prefix := range edge.CustomerPrefixes {
		lab.WaitEqual(n.T, "what FRR has of "+prefix+", with the customer gone", nil, func() []lab.VPNPath {
			if strings.Contains(prefix, ":") {
				return two.FRR.VPNPaths("ipv6", prefix)
			}
			return two.FRR.VPNPaths("ipv4", prefix)
		})
	}
}
