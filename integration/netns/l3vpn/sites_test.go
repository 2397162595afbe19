package l3vpn_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/vrfredist/vrfredist/integration/netns/edge"
	"github.com/vrfredist/vrfredist/integration/netns/lab"
)

// site is a customer's router at a tenant of a PE, of AS 65100 and its number, which announces its
// loopback and what it has beside that.
type site struct {
	i      int
	pe     *edge.PE
	tenant *edge.Tenant
	router *lab.Namespace
	bird   *lab.BIRD // nil: it speaks no BGP
	has    []string  // prefixes
}

// The prefixes that two sites have, that three of them have, and that a VRF without one announces.
const ofTwo, ofThree, ofNone = "203.0.113.0/24", "198.51.100.0/24", "172.16.1.1/32"

// announces are the keys of a VRF that announces a prefix.
func announces(prefix string) string {
	return fmt.Sprintf("  [[netlink.vrfs.bgp.networks]]\n    prefix = %q\n", prefix)
}

// newSite joins a router to a tenant.
func (n *network) newSite(i int, t *edge.Tenant, has ...string) *site {
	n.T.Helper()
	s := &site{i: i, pe: t.PE, tenant: t, router: n.Namespace(fmt.Sprintf("ce%d", i)), has: append(has, fmt.Sprintf("20.%d.0.0/24", i))}
	dev := fmt.Sprintf("cust%d", i)
	n.Link(t.NS, dev, s.router, "eth0")
	t.Enslave(dev)
	t.NS.Address(dev, s.near()+"/24")
	s.router.Address("eth0", s.far()+"/24")
	s.router.Address("lo", s.loopback()+"/32")
	s.router.IP("route", "add", "default", "via", s.near())
	return s
}

// near and far are the addresses of the link, of which near is the PE's.
func (s *site) near() string     { return fmt.Sprintf("192.168.%d.1", s.i) }
func (s *site) far() string      { return fmt.Sprintf("192.168.%d.2", s.i) }
func (s *site) loopback() string { return fmt.Sprintf("192.0.2.%d", s.i) }
func (s *site) as() int          { return 65100 + s.i }

// prefixes are all that the site announces.
func (s *site) prefixes() []string { return append(slices.Clone(s.has), s.loopback()+"/32") }

// config is what the site's BIRD is configured with, and as many more prefixes as are asked for.
func (s *site) config(more int) string {
	var b strings.Builder
	fmt.Fprintf(&b, "router id %s;\nlog stderr all;\nprotocol device {}\nprotocol static own {\n  ipv4;\n", s.loopback())
	for _, p := range s.prefixes() {
		fmt.Fprintf(&b, "  route %s unreachable { bgp_community.add((0, 67)); bgp_large_community.add((12, 34, %d)); bgp_ext_community.add((rt, 89, 123)); };\n", p, s.i)
	}
	for i := range more {
		fmt.Fprintf(&b, "  route 10.%d.%d.%d/32 unreachable;\n", 100+s.i, i/200, i%200)
	}
	fmt.Fprintf(&b, `}
protocol bgp upstream {
  local %s as %d;
  neighbor %s as 65000;
  connect retry time 1;
  error wait time 1, 2;
  ipv4 { import all; export where proto = "own"; };
}
`, s.far(), s.as(), s.near())
	return b.String()
}

// session is the site's as vrfredist's configuration has it.
func (s *site) session() string {
	where := fmt.Sprintf("    netns = %q\n", s.tenant.NS.Name)
	if s.tenant.Device != "" {
		where = ""
	}
	return fmt.Sprintf(`
[[neighbors]]
  [neighbors.config]
    neighbor-address = %q
    peer-as = %d
    vrf = %q
    accept_route_targets = ["89:123"]
%s  [neighbors.timers.config]
    connect-retry = 1
  [neighbors.transport.config]
    bind-interface = "cust%d"
    local-address = %q
`, s.far(), s.as(), s.tenant.Name, where, s.i, s.near())
}

// atFRR gives FRR's VRF the session with a site.
func (s *site) atFRR() {
	s.pe.FRR.Configure("router bgp 65000 vrf "+s.tenant.Name, "no bgp ebgp-requires-policy", fmt.Sprintf("neighbor %s remote-as %d", s.far(), s.as()))
}

// sites are three PEs with red at each and a customer's router there, FRR as PE 2. Where tenants are VRF
// devices blue has red's route target at PE 1, without a customer, and at PE 3.
type sites struct {
	*network
	list []*site
}

func newSites(t *testing.T, direct bool) *sites {
	t.Helper()
	n := newNetwork(t, edge.MPLS, 3, slices.Concat([]string{"bird", "birdc"}, frrPrograms)...)
	one, two, three := n.PEs[0], n.PEs[1], n.PEs[2]
	n.Device(two, "red")
	for _, pe := range []*edge.PE{one, three} {
		if direct {
			n.Linked(pe, "red", false)
			continue
		}
		n.devices(pe)
	}
	s := &sites{network: n, list: []*site{
		n.newSite(1, one.Tenants["red"], ofTwo, ofThree), n.newSite(2, two.Tenants["red"], ofTwo, ofThree), n.newSite(3, three.Tenants["red"], ofThree),
	}}
	for _, pe := range []*edge.PE{one, three} {
		for _, t := range pe.Tenants {
			t.Keys = "  bgp.receive = \"all\"\n" // so that customers hear what their VRF has chosen
		}
	}
	if !direct {
		one.Tenants["blue"].Keys += announces(ofNone)
		s.list = append(s.list, n.newSite(4, three.Tenants["blue"]))
	}
	n.frr(two)
	return s
}

// file is the configuration of a PE with its sites, where blue has red's route target too.
func (s *sites) file(pe *edge.PE) string {
	c := strings.ReplaceAll(pe.Config(edge.Addrs(s.Others(pe)...)...), `both-rt-list = ["65000:200"]`, `both-rt-list = ["65000:100"]`)
	for _, site := range s.list {
		if site.pe == pe {
			c += site.session()
		}
	}
	return c + "\n[[netlink.policies]]\n  name = \"all\"\n  default = \"accept\"\n  [[netlink.policies.rules]]\n    action = \"accept\"\n"
}

// start starts vrfredist and the sites' BIRDs.
func (s *sites) start() {
	s.T.Helper()
	for _, pe := range s.PEs {
		if pe.FRR == nil {
			pe.Daemon = pe.Core.Launched(s.file(pe), "--graceful-restart")
		}
	}
	for _, site := range s.list {
		if site.pe.FRR != nil {
			site.atFRR()
		}
		site.bird = site.router.BIRD(site.config(0))
	}
	for _, pe := range s.PEs {
		if pe.Daemon != nil {
			pe.Daemon.Answers()
		}
	}
	s.T.Cleanup(s.tell)
}
