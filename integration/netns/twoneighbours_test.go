package netns_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/vrfredist/vrfredist/integration/netns/lab"
)

// fork is a tenant that hears the same prefixes from two neighbours of different programs,
// and tells a third one, which hears which way they go.
//
//	at  eth1 10.0.1.1/24  2001:db8:1::1/64 ── .2 ::2  AS 65001, BIRD, the shorter path
//	    eth2 10.0.2.1/24  2001:db8:2::1/64 ── .2 ::2  AS 65002, FRR
//	    eth3 10.0.3.1/24  2001:db8:3::1/64 ── .2 ::2  AS 65003, BIRD, the third
type fork struct {
	*lab.Lab
	at     *lab.Namespace
	homes  [3]*lab.Namespace
	bird   *lab.BIRD
	frr    *lab.FRR
	third  *lab.BIRD
	daemon *lab.Daemon
}

// ends are the two ends of a link's addresses, by family.
func ends(link int) (ours, theirs [2]string) {
	return [2]string{fmt.Sprintf("10.0.%d.1", link), fmt.Sprintf("2001:db8:%d::1", link)},
		[2]string{fmt.Sprintf("10.0.%d.2", link), fmt.Sprintf("2001:db8:%d::2", link)}
}

// newFork builds it, in the daemon's namespace or in one of its own, with these lines about
// the transport of its sessions.
func newFork(t *testing.T, inside bool, transport ...string) *fork {
	t.Helper()
	l := newLab(t, bird, "birdc", frr, "vtysh")
	rtr := l.Namespace("rtr")
	f := &fork{Lab: l, at: rtr}
	if inside {
		f.at = l.Namespace("red")
	}
	for i := range f.homes {
		f.homes[i] = l.Namespace(fmt.Sprintf("n%d", i+1))
		ours, _ := ends(i + 1)
		l.Subnet(f.at, fmt.Sprintf("eth%d", i+1), f.homes[i], "eth0", ours[0]+"/24", ours[1]+"/64")
	}
	f.bird = f.homes[0].BIRD(forkBIRD(1, true))
	f.frr = f.homes[1].FRR(forkFRR("10.9.0.0/16", "2001:db8:99::/48"))
	f.third = f.homes[2].BIRD(forkBIRD(3, false))
	f.daemon = rtr.Daemon(f.config(inside, transport...))
	return f
}

// forkBIRD is a BIRD that announces the prefixes, or none.
func forkBIRD(link int, announces bool) string {
	ours, theirs := ends(link)
	text := fmt.Sprintf("router id 192.0.2.%d;\nlog stderr all;\nprotocol device {}\n", link)
	for i, p := range []struct{ name, family, prefix string }{{"four", "ipv4", "10.9.0.0/16"}, {"six", "ipv6", "2001:db8:99::/48"}} {
		export := "none"
		if announces {
			text += fmt.Sprintf("protocol static s%s { %s; route %s blackhole; }\n", p.name, p.family, p.prefix)
			export = fmt.Sprintf(`where proto = "s%s"`, p.name)
		}
		text += fmt.Sprintf(`
protocol bgp %s {
  local %s as 6500%d;
  neighbor %s as 65000;
  connect delay time 1; connect retry time 1; error wait time 1, 2;
  hold time 180;
  %s { import all; export %s; };
}
`, p.name, theirs[i], link, ours[i], p.family, export)
	}
	return text
}

// forkFRR is an FRR that announces prefixes by a longer path, and keeps what it forwards
// over a restart (RFC 4724).
func forkFRR(four, six string) string {
	return fmt.Sprintf(`
frr defaults traditional
route-map longer permit 10
 set as-path prepend 65002
router bgp 65002
 bgp router-id 192.0.2.2
 no bgp ebgp-requires-policy
 no bgp network import-check
 bgp graceful-restart
 bgp graceful-restart preserve-fw-state
 bgp graceful-restart restart-time 60
 neighbor 10.0.2.1 remote-as 65000
 neighbor 10.0.2.1 timers connect 1
 neighbor 2001:db8:2::1 remote-as 65000
 neighbor 2001:db8:2::1 timers connect 1
 address-family ipv4 unicast
  no neighbor 2001:db8:2::1 activate
  neighbor 10.0.2.1 route-map longer out
  network %s
 exit-address-family
 address-family ipv6 unicast
  neighbor 2001:db8:2::1 activate
  neighbor 2001:db8:2::1 route-map longer out
  network %s
 exit-address-family
`, four, six)
}

func (f *fork) config(inside bool, transport ...string) string {
	text, where := linkGlobal, ""
	if inside {
		text += "[[vrfs]]\n  [vrfs.config]\n    name = \"red\"\n    rd = \"65000:10\"\n    both-rt-list = [\"65000:10\"]\n"
		where = fmt.Sprintf("vrf = \"red\"\n    netns = %q", f.at.Name)
	}
	for i := range f.homes {
		ours, theirs := ends(i + 1)
		for family, name := range []string{"ipv4-unicast", "ipv6-unicast"} {
			text += fmt.Sprintf(`
[[neighbors]]
  [neighbors.config]
    neighbor-address = %q
    peer-as = 6500%d
    %s
  [neighbors.transport.config]
    local-address = %q
    %s
  [neighbors.timers.config]
    connect-retry = 1
    hold-time = 180
    idle-hold-time-after-reset = 1
  [neighbors.graceful-restart.config]
    enabled = true
    restart-time = 60
  [[neighbors.afi-safis]]
    [neighbors.afi-safis.config]
      afi-safi-name = %q
    [neighbors.afi-safis.mp-graceful-restart.config]
      enabled = true
`, theirs[family], i+1, where, ours[family], strings.Join(transport, "\n    "), name)
		}
	}
	if inside {
		return text + bind("red", f.at, exportAll)
	}
	return text + defaultTable
}

// through are the prefixes' routes by way of a link; 0: there are none.
func through(link int) []string {
	if link == 0 {
		return nil
	}
	_, theirs := ends(link)
	return []string{
		fmt.Sprintf("10.9.0.0/16 via %s dev eth%d metric 20", theirs[0], link),
		fmt.Sprintf("2001:db8:99::/48 via %s dev eth%d metric 20", theirs[1], link),
	}
}

// goes waits until the prefixes go by way of a link, in the table and by what the third
// neighbour is told.
func (f *fork) goes(link int) {
	f.T.Helper()
	f.at.WaitOwn(lab.Main, through(link)...)
	told := []string{"", "65000 65001", "65000 65002 65002"}[link]
	for _, prefix := range []string{"10.9.0.0/16", "2001:db8:99::/48"} {
		lab.WaitEqual(f.T, "the path of "+prefix+" that the third neighbour is told", told, func() string {
			return f.third.Path(prefix, "as_path")
		})
	}
}

// settled waits until all neighbours have their sessions, and the daemon both paths of each
// prefix: what is judged next is judged of all of them, and nothing waits for a neighbour
// that may still bring more.
func (f *fork) settled(vrf string) {
	f.T.Helper()
	up := make(map[string]bool)
	for i := range f.homes {
		_, theirs := ends(i + 1)
		up[theirs[0]], up[theirs[1]] = true, true
	}
	waitStates(f.T, f.daemon, vrf, up)
	for family, prefix := range []string{"10.9.0.0/16", "2001:db8:99::/48"} {
		lab.WaitFor(f.T, "both paths of "+prefix, lab.Patience, func() string {
			for link := 1; link <= 2; link++ {
				_, theirs := ends(link)
				if said := f.daemon.Do("neighbor", theirs[family], "received", "--vrf", vrf); !strings.Contains(said, prefix) {
					return said
				}
			}
			return ""
		})
	}
}

// TestFailoverToAnotherNeighbour: when the better neighbour's link or session is lost, the
// other's path forwards and is told, without waiting for a hold time; and back.
func TestFailoverToAnotherNeighbour(t *testing.T) {
	for _, inside := range []bool{false, true} {
		t.Run(map[bool]string{false: "in the daemon's namespace", true: "in another one"}[inside], func(t *testing.T) {
			t.Parallel()
			f := newFork(t, inside)
			ours, theirs := ends(1)
			// The kernel takes a link's IPv6 addresses with it.
			numbered := func() {
				f.at.IP("link", "set", "eth1", "up")
				f.homes[0].IP("link", "set", "eth0", "up")
				f.at.IP("addr", "replace", ours[1]+"/64", "dev", "eth1", "nodad")
				f.homes[0].IP("addr", "replace", theirs[1]+"/64", "dev", "eth0", "nodad")
			}
			for _, loss := range []struct {
				name       string
				lose, back func()
			}{
				{"its sessions end", func() { f.bird.Show("disable all") }, func() { f.bird.Show("enable all") }},
				{"the carrier of its link is lost", func() { f.homes[0].IP("link", "set", "eth0", "down") }, numbered},
				{"our end of its link is down", func() { f.at.IP("link", "set", "eth1", "down") }, numbered},
				{"it is killed", f.bird.Kill, func() { f.bird = f.homes[0].BIRD(forkBIRD(1, true)) }},
			} {
				f.goes(1)
				t.Log(loss.name)
				loss.lose()
				f.goes(2)
				loss.back()
			}
			f.goes(1)
			f.at.IP("link", "set", "eth2", "down")
			f.goes(1)
			f.bird.Show("disable all")
			f.goes(0)
		})
	}
}

// TestGracefulRestartOfFRR: its routes stand while it restarts, and what it does not say
// again is swept.
func TestGracefulRestartOfFRR(t *testing.T) {
	t.Parallel()
	// FRR says that it restarts in its first OPEN alone, and must not lose that to a session
	// that both sides open at once.
	f := newFork(t, true, "passive-mode = true")
	f.goes(1)
	f.bird.Kill()
	f.goes(2)
	mark := f.at.Mark()
	f.frr.Restart(forkFRR("10.9.0.0/16", "2001:db8:99::/48"))
	f.frr.WaitEstablished("10.0.2.1")
	f.frr.WaitEstablished("2001:db8:2::1")
	f.goes(2)
	if all := f.at.Since(mark); len(all) != 0 {
		t.Errorf("the routes were not held: %+v", all)
	}
	f.frr.Restart(forkFRR("10.9.0.0/16", "2001:db8:aa::/48"))
	f.at.WaitOwn(lab.Main, through(2)[0], "2001:db8:aa::/48 via 2001:db8:2::2 dev eth2 metric 20")
}
