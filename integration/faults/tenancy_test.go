package faults_test

import (
	"fmt"
	"path/filepath"
	"strings"
	"testing"
	"time"

	vrfredistv1 "github.com/vrfredist/vrfredist/api/v1"
	"github.com/vrfredist/vrfredist/integration/faults/oracle"
	"github.com/vrfredist/vrfredist/integration/netns/lab"
)

// tenancy is a router with tenants in namespaces of their own, and a BIRD that sends
// VPN routes. Every tenant has the same addresses, on both ends of two veth pairs.
type tenancy struct {
	*lab.Lab
	rtr, up  *lab.Namespace
	bird     *lab.BIRD
	daemon   *lab.Daemon
	tenants  []*tenant
	template string // a section of the file
	// profiled: the daemon's goroutines are to be counted.
	profiled bool
}

type tenant struct {
	ns     *lab.Namespace
	number int
}

func (n *tenant) name() string { return fmt.Sprintf("tenant-%d", n.number) }

// newTenancy builds the network; with BIRD sending nothing yet.
func newTenancy(t *testing.T, tenants int) *tenancy { return newTenancyOf(t, tenants, "tenant") }

// newTenancyOf is newTenancy whose namespaces have such roles.
func newTenancyOf(t *testing.T, tenants int, role string) *tenancy {
	t.Helper()
	l := newLab(t, "bird", "birdc")
	y := &tenancy{Lab: l, rtr: l.Namespace("rtr"), up: l.Namespace("up")}
	l.Subnet(y.rtr, "eth0", y.up, "eth0", "10.0.0.1/24")
	for i := range tenants {
		n := &tenant{ns: l.Namespace(fmt.Sprintf("%s-%d", role, i)), number: i}
		y.tenants = append(y.tenants, n)
		n.wire()
	}
	y.up.Address("eth0", "10.0.0.3/24")
	y.bird = y.up.BIRD(vpnConfig(""))
	return y
}

// wire gives a tenant its links and a foreign route.
func (n *tenant) wire() {
	n.ns.Batch("link add eth1 type veth peer name far1", "link add eth2 type veth peer name far2",
		"link set eth1 up", "link set far1 up", "link set eth2 up", "link set far2 up",
		"addr add 192.168.1.1/24 dev eth1", "addr add 192.168.2.1/24 dev eth2",
		"route add blackhole 198.18.0.0/15 proto static metric 4000",
		"route add 203.0.113.0/24 via 192.168.1.9 proto bird metric 20")
}

// vpnConfig is the first BIRD, which sends what these static protocols hold.
func vpnConfig(protocols string) string { return vpnSpeaker(2, "192.168.1.2", protocols) }

// vpnSpeaker is a BIRD at 10.0.0.<number> that sends one nexthop with everything: of
// VPN routes it labels only those whose nexthop it sets itself.
func vpnSpeaker(number int, nexthop, protocols string) string {
	return fmt.Sprintf(`
router id 10.0.0.%[1]d;
log stderr all;
vpn4 table vpntab4;
protocol device {}
%[3]s
protocol bgp up {
  local as 65100;
  neighbor 10.0.0.1 as 65000;
  source address 10.0.0.%[1]d;
  strict bind on;
  connect retry time 1;
  error wait time 1, 2;
  hold time 30;
  vpn4 mpls { import none; export all; next hop address %[2]s; };
}
`, number, nexthop, protocols)
}

// second starts the second BIRD beside the first one, and returns its control socket.
func (y *tenancy) second(config string) (socket string) {
	y.T.Helper()
	socket = filepath.Join(y.Dir, "second.ctl")
	y.up.Start("the second bird", lab.Peer(y.T, "bird", "-f", "-c", y.File("second.conf", config), "-s", socket)...)
	return socket
}

// vpnRoutes is a static protocol of BIRD with VPN routes for one tenant.
func vpnRoutes(protocol, rd string, tenant int, prefixes ...string) string {
	var b strings.Builder
	fmt.Fprintf(&b, "protocol static %s { vpn4;\n", protocol)
	for _, p := range prefixes {
		fmt.Fprintf(&b, "route %s %s unreachable { bgp_ext_community.add((rt, 65000, %d)); };\n", rd, p, 10+tenant)
	}
	return b.String() + "}\n"
}

// start starts the daemon with all tenants, and with more lines of each VRF.
func (y *tenancy) start(lines ...string) {
	y.T.Helper()
	var more []string
	if y.profiled {
		more = lab.Profiled
	}
	y.daemon = y.rtr.Daemon(y.config(lines...), more...)
	lab.WaitFor(y.T, "the BGP session", limit(), func() string {
		if out := y.bird.Show("show protocols up"); !strings.Contains(out, "Established") {
			return out
		}
		return ""
	})
}

func (y *tenancy) config(lines ...string) string {
	var b strings.Builder
	b.WriteString("[global.config]\n  as = 65000\n  router-id = \"10.0.0.1\"\n")
	for _, peer := range []string{"10.0.0.2", "10.0.0.3"} {
		fmt.Fprintf(&b, `
[[neighbors]]
  [neighbors.config]
    neighbor-address = %q
    peer-as = 65100
  [neighbors.timers.config]
    connect-retry = 1
    hold-time = 30
  [[neighbors.afi-safis]]
    [neighbors.afi-safis.config]
      afi-safi-name = "l3vpn-ipv4-unicast"
`, peer)
	}
	for _, n := range y.tenants {
		fmt.Fprintf(&b, "[[vrfs]]\n  [vrfs.config]\n    name = %q\n    rd = \"65000:%d\"\n    both-rt-list = [\"65000:%d\"]\n", n.name(), 10+n.number, 10+n.number)
		fmt.Fprintf(&b, "[[netlink.vrfs]]\n  name = %q\n  netns = %q\n  [netlink.vrfs.import]\n    enabled = true\n    interface_list = [\"eth*\"]\n"+
			"  [netlink.vrfs.export]\n    enabled = true\n    max_paths = 4\n    %s\n", n.name(), n.ns.Name, strings.Join(lines, "\n    "))
	}
	return b.String() + y.template
}

func (y *tenancy) waitVRF(n *tenant, what string, ok func(*vrfredistv1.Vrf) bool) time.Duration {
	y.T.Helper()
	return waitStatus(y.T, y.daemon, n.name(), what, ok)
}

func inState(state string) func(*vrfredistv1.Vrf) bool {
	return func(v *vrfredistv1.Vrf) bool { return v.GetState() == state }
}

// onlyAtHome fails the test where the daemon has routes in its own namespace or in
// that of its peer.
func (y *tenancy) onlyAtHome() {
	y.T.Helper()
	for _, ns := range []*lab.Namespace{y.rtr, y.up} {
		lab.Equal(y.T, "routes of the daemon in "+ns.Role, 0, oracle.New(y.T, ns, run.Protocol).Count())
	}
}

func prefixes4(n int) []string {
	list := make([]string, n)
	for i := range list {
		list[i] = prefix4(i)
	}
	return list
}

func by(prefixes []string, legs string) []string {
	list := make([]string, len(prefixes))
	for i, p := range prefixes {
		list[i] = p + " " + legs + " metric 20"
	}
	return list
}
