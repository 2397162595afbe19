package netns_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/vrfredist/vrfredist/integration/netns/lab"
)

// between is a router between two FRRs, of which the one sends and the other hears.
//
//	sends (FRR, AS 65001)  eth0 ── lan0  rtr, or red  far0 ── eth0  hears (FRR, AS 65003)
type between struct {
	*lab.Lab
	vrf          string
	rtr, at      *lab.Namespace
	sends, hears *lab.FRR
	daemon       *lab.Daemon
}

// betweenFRR is an FRR that announces prefixes of one family each.
func betweenFRR(link, as int, four, six []string) string {
	text := func(list []string) (s string) {
		for _, p := range list {
			s += "  network " + p + "\n"
		}
		return s
	}
	return fmt.Sprintf(`
frr defaults traditional
bgp route-map delay-timer 1
route-map OUT permit 100
router bgp %[2]d
 bgp router-id 192.0.2.%[1]d
 no bgp ebgp-requires-policy
 no bgp network import-check
 neighbor 192.168.%[1]d.1 remote-as 65000
 neighbor 192.168.%[1]d.1 timers connect 1
 neighbor 2001:db8:%[1]d::1 remote-as 65000
 neighbor 2001:db8:%[1]d::1 timers connect 1
 address-family ipv4 unicast
  no neighbor 2001:db8:%[1]d::1 activate
  neighbor 192.168.%[1]d.1 route-map OUT out
%[3]s exit-address-family
 address-family ipv6 unicast
  neighbor 2001:db8:%[1]d::1 activate
  neighbor 2001:db8:%[1]d::1 route-map OUT out
%[4]s exit-address-family
`, link, as, text(four), text(six))
}

func newBetween(t *testing.T, vrf string) *between {
	t.Helper()
	l := newLab(t, frr, "vtysh")
	x := &between{Lab: l, vrf: vrf, rtr: l.Namespace("rtr")}
	if x.at = x.rtr; vrf != "default" {
		x.at = l.Namespace(vrf)
	}
	home, far := l.Namespace("home"), l.Namespace("far")
	l.Subnet(x.at, "lan0", home, "eth0", "192.168.1.1/24", "2001:db8:1::1/64")
	l.Subnet(x.at, "far0", far, "eth0", "192.168.3.1/24", "2001:db8:3::1/64")
	x.sends = home.FRR(betweenFRR(1, 65001, []string{"40.0.0.0/8", "50.0.0.0/8"}, []string{"2001:db8:4000::/36", "2001:db8:5000::/36"}))
	x.hears = far.FRR(betweenFRR(3, 65003, nil, nil))
	return x
}

// config is the daemon's, with lines of export, and more sections.
func (x *between) config(export, neighbor, more string) string {
	c := "[global.config]\n  as = 65000\n  router-id = \"10.0.0.1\"\n"
	in, home := "", ""
	if x.vrf != "default" {
		c += fmt.Sprintf("[[vrfs]]\n  [vrfs.config]\n    name = %q\n    rd = \"65000:1\"\n    both-rt-list = [\"65000:1\"]\n", x.vrf)
		in = fmt.Sprintf("    vrf = %q\n    netns = %q\n", x.vrf, x.at.Name)
		home = fmt.Sprintf("  netns = %q\n", x.at.Name)
	}
	c += leakNeighbor("192.168.1.2", "192.168.1.1", 65001, "ipv4", in) + neighbor + leakNeighbor("2001:db8:1::2", "2001:db8:1::1", 65001, "ipv6", in) + neighbor
	c += leakNeighbor("192.168.3.2", "192.168.3.1", 65003, "ipv4", in) + leakNeighbor("2001:db8:3::2", "2001:db8:3::1", 65003, "ipv6", in)
	return c + fmt.Sprintf("[netlink]\n  sweep_delay = \"0s\"\n[[netlink.vrfs]]\n  name = %q\n%s  [netlink.vrfs.export]\n    enabled = true\n%s%s", x.vrf, home, export, more)
}

// heard waits until the one has these prefixes, and no others.
func (x *between) heard(when string, four, six []string) {
	x.T.Helper()
	lab.WaitEqual(x.T, when+": what is told of IPv4", four, func() []string { return x.hears.Unicast("ipv4", "192.168.3.1") })
	lab.WaitEqual(x.T, when+": what is told of IPv6", six, func() []string { return x.hears.Unicast("ipv6", "2001:db8:3::1") })
}

// TestSuppressFIB after FRR's bgp_suppress_fib: of two prefixes one is kept out of the kernel, and
// not told of; a network is told of, though the kernel has no route for it; another program's route
// that goes before ours takes the prefix back from neighbours, be it of the same metric, which keeps
// ours out, or of a lower one, by which the kernel forwards; and when that goes they hear of it again.
func TestSuppressFIB(t *testing.T) {
	const limit = `
[[netlink.policies]]
  name = "limit"
  default = "reject"
  [[netlink.policies.rules]]
    prefixes = ["40.0.0.0/8", "2001:db8:4000::/36"]
    action = "accept"
`
	const networks = `  [[netlink.vrfs.bgp.networks]]
    prefix = "60.0.0.0/24"
  [[netlink.vrfs.bgp.networks]]
    prefix = "2001:db8:6000::/36"
`
	const installed = "    advertise = \"installed\"\n"
	both := [2][]string{{"40.0.0.0/8", "60.0.0.0/24"}, {"2001:db8:4000::/36", "2001:db8:6000::/36"}}
	alone := [2][]string{{"60.0.0.0/24"}, {"2001:db8:6000::/36"}}
	for name, export := range map[string]string{
		"by a policy": installed + "    policy = \"limit\"\n    advertise_rejected = false\n",
		"by a quota":  installed + "    max_routes = 2\n",
	} {
		for _, vrf := range []string{"default", "red"} {
			t.Run(name+" in "+vrf, func(t *testing.T) {
				t.Parallel()
				x := newBetween(t, vrf)
				config := x.config(export, "", networks+limit)
				if strings.Contains(export, "max_routes") {
					// What comes first has the places: the other prefixes come behind it.
					for _, p := range []string{"50.0.0.0/8", "2001:db8:5000::/36"} {
						x.permits(p, false)
					}
				}
				x.daemon = x.rtr.Daemon(config)
				stands := []string{"40.0.0.0/8 via 192.168.1.2 dev lan0 metric 20", "2001:db8:4000::/36 via 2001:db8:1::2 dev lan0 metric 20"}
				x.at.WaitOwn(lab.Main, stands...)
				for _, p := range []string{"50.0.0.0/8", "2001:db8:5000::/36"} {
					x.permits(p, true)
				}
				x.heard("the other is not in the kernel", both[0], both[1])
				for _, metric := range []string{"20", "5"} {
					for _, r := range [][]string{{"40.0.0.0/8", "via", "192.168.3.2", "dev", "far0"}, {"2001:db8:4000::/36", "via", "2001:db8:3::2", "dev", "far0"}} {
						x.at.IP(append([]string{"route", "replace"}, append(r, "proto", "static", "metric", metric)...)...)
					}
					x.heard("another program's of metric "+metric+" goes before", alone[0], alone[1])
					if said := x.daemon.Do("explain", "40.0.0.0/8", "--vrf", vrf); !strings.Contains(said, "neighbours are told of no path") {
						t.Errorf("explain does not say that nobody is told:\n%s", said)
					}
					for _, p := range []string{"40.0.0.0/8", "2001:db8:4000::/36"} {
						x.at.IP("route", "del", p, "proto", "static", "metric", metric)
					}
					x.heard("that went", both[0], both[1])
					x.at.WaitOwn(lab.Main, stands...)
				}
			})
		}
	}
}

// permits has the one that sends announce a prefix, or not.
func (x *between) permits(prefix string, is bool) {
	x.T.Helper()
	family, no := "ipv4", "no "
	if strings.Contains(prefix, ":") {
		family = "ipv6"
	}
	if is {
		no = ""
	}
	x.sends.Configure("router bgp 65001", "address-family "+family+" unicast", no+"network "+prefix)
}

// TestSuppressFIBAndOwnAS after the same test's allowas-in: a kernel route is imported, and told; the
// neighbour sends it back, with this router's AS in its path, which it may; the kernel keeps its
// own, neighbours hear of that one, and when it goes none is left that lives on its own echo.
func TestSuppressFIBAndOwnAS(t *testing.T) {
	t.Parallel()
	for _, vrf := range []string{"default", "red"} {
		t.Run(vrf, func(t *testing.T) {
			t.Parallel()
			x := newBetween(t, vrf)
			imports := "  [netlink.vrfs.import]\n    enabled = true\n    interface_list = [\"far0\"]\n    protocols = [\"static\"]\n"
			x.daemon = x.rtr.Daemon(x.config("    advertise = \"installed\"\n", "  [neighbors.as-path-options.config]\n    allow-own-as = 1\n", imports))
			x.heard("before", []string{"40.0.0.0/8", "50.0.0.0/8"}, []string{"2001:db8:4000::/36", "2001:db8:5000::/36"})
			four, six := []string{"192.0.2.1/32", "40.0.0.0/8", "50.0.0.0/8"}, []string{"2001:db8:4000::/36", "2001:db8:5000::/36", "2001:db8:7000::1/128"}
			for range 2 {
				// Below ours: with IPv6's own metric, 1024, the neighbour's path would go before it.
				x.at.IP("route", "add", "192.0.2.1/32", "via", "192.168.3.2", "dev", "far0", "proto", "static", "metric", "5")
				x.at.IP("route", "add", "2001:db8:7000::1/128", "via", "2001:db8:3::2", "dev", "far0", "proto", "static", "metric", "5")
				for _, p := range []string{"192.0.2.1/32", "2001:db8:7000::1/128"} {
					lab.WaitFor(t, "the neighbour sends "+p+" back", lab.Patience, func() string {
						if said := x.daemon.Do("explain", p, "--vrf", vrf); !strings.Contains(said, "65001 65000") {
							return said
						}
						return ""
					})
				}
				lab.Equal(t, "the AS paths that it has", [2]string{"65000", "65000"}, [2]string{x.sends.ASPath("ipv4", "192.0.2.1/32"), x.sends.ASPath("ipv6", "2001:db8:7000::1/128")})
				lab.Equal(t, "routes of the daemon for what the kernel has", nil, hosts(x.at.Own(lab.Main)))
				x.heard("while the kernel has it", four, six)
				x.at.IP("route", "del", "192.0.2.1/32", "proto", "static")
				x.at.IP("route", "del", "2001:db8:7000::1/128", "proto", "static")
				x.heard("it went", four[1:], six[:2])
				lab.WaitEqual(t, "routes of the daemon for what nobody has", nil, func() []string { return hosts(x.at.Own(lab.Main)) })
				lab.Equal(t, "what the neighbour has of it", [2]string{}, [2]string{x.sends.ASPath("ipv4", "192.0.2.1/32"), x.sends.ASPath("ipv6", "2001:db8:7000::1/128")})
			}
		})
	}
}

// hosts are those routes that are of one address.
func hosts(routes []string) (list []string) {
	for _, r := range routes {
		if p, _, _ := strings.Cut(r, " "); !strings.Contains(p, "/") {
			list = append(list, r)
		}
	}
	return list
}
