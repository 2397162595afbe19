package netns_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/vrfredist/vrfredist/integration/netns/lab"
)

// sender is an FRR that sends three prefixes of each family, to a router in whose global table it
// is a neighbour, or in whose VRF, in a namespace.
//
//	sender (FRR, AS 65200)  eth0 ── lan0  rtr, or red
type sender struct {
	*lab.Lab
	vrf     string
	rtr, at *lab.Namespace
	frr     *lab.FRR
	daemon  *lab.Daemon
}

func newSender(t *testing.T, vrf string) *sender {
	t.Helper()
	l := newLab(t, frr, "vtysh")
	x := &sender{Lab: l, vrf: vrf, rtr: l.Namespace("rtr")}
	if x.at = x.rtr; vrf != "default" {
		x.at = l.Namespace(vrf)
	}
	home := l.Namespace("home")
	l.Subnet(x.at, "lan0", home, "eth0", "192.168.2.1/24", "2001:db8:2::1/64")
	x.frr = home.FRR(`
frr defaults traditional
router bgp 65200
 bgp router-id 192.0.2.9
 bgp log-neighbor-changes
 no bgp ebgp-requires-policy
 no bgp network import-check
 neighbor 192.168.2.1 remote-as 65000
 neighbor 192.168.2.1 timers connect 1
 neighbor 2001:db8:2::1 remote-as 65000
 neighbor 2001:db8:2::1 timers connect 1
 address-family ipv4 unicast
  no neighbor 2001:db8:2::1 activate
  network 10.1.0.0/16
  network 10.2.0.0/16
  network 10.3.0.0/16
 exit-address-family
 address-family ipv6 unicast
  neighbor 2001:db8:2::1 activate
  network 2001:db8:a1::/48
  network 2001:db8:a2::/48
  network 2001:db8:a3::/48
 exit-address-family
`)
	return x
}

// limits are those of the neighbour itself, and of a group that it is in; 0: there is none.
type limits struct {
	own     int
	grouped bool
	group   int
}

func (x *sender) config(of limits) string {
	c := "[global.config]\n  as = 65000\n  router-id = \"10.0.0.1\"\n"
	families := func(of string, limit int, names ...string) (text string) {
		for _, name := range names {
			text += fmt.Sprintf("  [[%[1]s.afi-safis]]\n    [%[1]s.afi-safis.config]\n      afi-safi-name = %[2]q\n", of, name)
			if limit > 0 {
				text += fmt.Sprintf("    [%s.afi-safis.prefix-limit.config]\n      max-prefixes = %d\n", of, limit)
			}
		}
		return text
	}
	if of.grouped {
		c += "[[peer-groups]]\n  [peer-groups.config]\n    peer-group-name = \"customers\"\n    peer-as = 65200\n" + families("peer-groups", of.group, "ipv4-unicast", "ipv6-unicast")
	}
	where, home := "", ""
	if x.vrf != "default" {
		c += fmt.Sprintf("[[vrfs]]\n  [vrfs.config]\n    name = %q\n    rd = \"65000:1\"\n    both-rt-list = [\"65000:1\"]\n", x.vrf)
		where = fmt.Sprintf("    vrf = %q\n    netns = %q\n", x.vrf, x.at.Name)
		home = fmt.Sprintf("  netns = %q\n", x.at.Name)
	}
	for _, n := range [][3]string{{"192.168.2.2", "192.168.2.1", "ipv4-unicast"}, {"2001:db8:2::2", "2001:db8:2::1", "ipv6-unicast"}} {
		whose := "    peer-as = 65200\n"
		if of.grouped {
			whose = "    peer-group = \"customers\"\n"
		}
		c += fmt.Sprintf("[[neighbors]]\n  [neighbors.config]\n    neighbor-address = %q\n%s%s  [neighbors.transport.config]\n    local-address = %q\n", n[0], whose, where, n[1])
		c += "  [neighbors.timers.config]\n    connect-retry = 1\n    hold-time = 9\n    idle-hold-time-after-reset = 1\n"
		if !of.grouped || of.own > 0 {
			c += families("neighbors", of.own, n[2])
		}
	}
	return c + fmt.Sprintf("[netlink]\n  sweep_delay = \"0s\"\n[[netlink.vrfs]]\n  name = %q\n%s  [netlink.vrfs.export]\n    enabled = true\n", x.vrf, home)
}

// stopped waits until it is said of neighbours that they are stopped, and for what.
func (x *sender) stopped(addresses ...string) {
	x.T.Helper()
	for _, address := range addresses {
		lab.WaitFor(x.T, address+" is stopped", lab.Patience, func() string {
			said := strings.Join(strings.Fields(x.daemon.Do("neighbor", address)), " ")
			if strings.Contains(said, "it sent 3 prefixes") && strings.Contains(said, "its prefix-limit is 1") {
				return ""
			}
			return said
		})
	}
}

// TestMaximumPrefix after FRR's bgp_maximum_prefix_restart and bgp_maximum_prefix_invalid_update: a
// neighbour that sends more than it may is told so by a NOTIFICATION that says it, and by no other;
// its routes go; and it is back when the limit is raised, or is there no more: one of its own, of
// its group, or its own over that of its group.
func TestMaximumPrefix(t *testing.T) {
	for name, of := range map[string][3]limits{
		"its own":                  {{}, {own: 1}, {own: 5}},
		"its group's":              {{grouped: true}, {grouped: true, group: 1}, {grouped: true, group: 5}},
		"its own in a group":       {{grouped: true}, {grouped: true, own: 1}, {grouped: true}},
		"its own over its group's": {{grouped: true, group: 5}, {grouped: true, group: 5, own: 1}, {grouped: true, group: 5}},
	} {
		for _, vrf := range []string{"default", "red"} {
			t.Run(name+" in "+vrf, func(t *testing.T) {
				t.Parallel()
				x := newSender(t, vrf)
				x.daemon = x.rtr.Daemon(x.config(of[0]))
				var all []string
				for i := range 3 {
					all = append(all, fmt.Sprintf("10.%d.0.0/16 via 192.168.2.2 dev lan0 metric 20", i+1), fmt.Sprintf("2001:db8:a%d::/48 via 2001:db8:2::2 dev lan0 metric 20", i+1))
				}
				x.at.WaitOwn(lab.Main, all...)
				for round := 1; round <= 2; round++ {
					x.daemon.Reload(x.config(of[1]))
					x.stopped("192.168.2.2", "2001:db8:2::2")
					x.at.WaitOwn(lab.Main)
					for _, address := range []string{"192.168.2.1", "2001:db8:2::1"} {
						lab.WaitFor(t, "FRR is told why its session ended", lab.Patience, func() string {
							if n := strings.Count(x.frr.Output(), "received from neighbor "+address+" 6/1 (Cease/Maximum Number of Prefixes Reached)"); n < round {
								return fmt.Sprintf("%d times by %s", n, address)
							}
							return ""
						})
					}
					x.daemon.Reload(x.config(of[2]))
					x.at.WaitOwn(lab.Main, all...)
					x.frr.WaitEstablished("192.168.2.1")
					x.frr.WaitEstablished("2001:db8:2::1")
				}
				for line := range strings.Lines(x.frr.Output()) {
					if _, what, is := strings.Cut(line, "NOTIFICATION: "); is && strings.Contains(what, " 3/") {
						t.Errorf("an UPDATE was malformed: %s", line)
					}
				}
			})
		}
	}
}
