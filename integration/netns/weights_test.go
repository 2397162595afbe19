package netns_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/vrfredist/vrfredist/integration/netns/lab"
)

// ways are two customers that announce the same prefixes by paths that are as good as each other.
//
//	one (FRR, AS 65101)  eth0 ── lan1  rtr, or red
//	two (FRR, AS 65102)  eth0 ── lan2
type ways struct {
	*lab.Lab
	vrf     string
	rtr, at *lab.Namespace
	frrs    [2]*lab.FRR
	daemon  *lab.Daemon
}

func newWays(t *testing.T, vrf string) *ways {
	t.Helper()
	l := newLab(t, frr, "vtysh")
	x := &ways{Lab: l, vrf: vrf, rtr: l.Namespace("rtr")}
	if x.at = x.rtr; vrf != "default" {
		x.at = l.Namespace(vrf)
	}
	for i := range x.frrs {
		home := l.Namespace(fmt.Sprintf("home%d", i+1))
		l.Subnet(x.at, fmt.Sprintf("lan%d", i+1), home, "eth0", fmt.Sprintf("192.168.%d.1/24", i+1), fmt.Sprintf("2001:db8:%d::1/64", i+1))
		x.frrs[i] = home.FRR(betweenFRR(i+1, 65101+i, []string{"10.1.0.0/16", "10.2.0.0/16"}, []string{"2001:db8:a1::/48", "2001:db8:a2::/48"}))
	}
	return x
}

// config is the daemon's, with a policy of these rules; none: without one.
func (x *ways) config(objects bool, rules ...string) string {
	c := "[global.config]\n  as = 65000\n  router-id = \"10.0.0.1\"\n"
	in, home := "", ""
	if x.vrf != "default" {
		c += fmt.Sprintf("[[vrfs]]\n  [vrfs.config]\n    name = %q\n    rd = \"65000:1\"\n    both-rt-list = [\"65000:1\"]\n", x.vrf)
		in = fmt.Sprintf("    vrf = %q\n    netns = %q\n", x.vrf, x.at.Name)
		home = fmt.Sprintf("  netns = %q\n", x.at.Name)
	}
	for i := 1; i <= 2; i++ {
		c += leakNeighbor(fmt.Sprintf("192.168.%d.2", i), fmt.Sprintf("192.168.%d.1", i), 65100+i, "ipv4", in)
		c += leakNeighbor(fmt.Sprintf("2001:db8:%d::2", i), fmt.Sprintf("2001:db8:%d::1", i), 65100+i, "ipv6", in)
	}
	c += fmt.Sprintf("[netlink]\n  sweep_delay = \"0s\"\n  nexthop_objects = %v\n[[netlink.vrfs]]\n  name = %q\n%s  [netlink.vrfs.export]\n    enabled = true\n    max_paths = 2\n", objects, x.vrf, home)
	if len(rules) == 0 {
		return c
	}
	return c + "    policy = \"shares\"\n[[netlink.policies]]\n  name = \"shares\"\n  default = \"accept\"\n[[netlink.policies.rules]]\n" + strings.Join(rules, "[[netlink.policies.rules]]\n")
}

// shares waits until the kernel's routes have these weights by the two links, and the daemon shows
// them.
func (x *ways) shares(when string, one, two int) {
	x.T.Helper()
	want := fmt.Sprintf("lan1 %d, lan2 %d", one, two)
	for _, prefix := range []string{"10.1.0.0/16", "10.2.0.0/16", "2001:db8:a1::/48", "2001:db8:a2::/48"} {
		lab.WaitEqual(x.T, when+": the weights of "+prefix, want, func() string {
			var legs []string
			for _, r := range x.at.Routes() {
				if r.Dst == prefix {
					for _, h := range r.NextHops {
						legs = append(legs, fmt.Sprintf("%s %d", h.Dev, max(h.Weight, 1))) // `ip nexthop` leaves 1 out
					}
				}
			}
			slices.Sort(legs)
			return strings.Join(legs, ", ")
		})
		if one == two {
			continue // no weight is shown
		}
		for _, command := range [][]string{{"route", "export", "--vrf", x.vrf}, {"explain", prefix, "--vrf", x.vrf}} {
			said := strings.Join(strings.Fields(x.daemon.Do(command...)), " ")
			for _, leg := range []string{fmt.Sprintf("lan1 weight %d", one), fmt.Sprintf("lan2 weight %d", two)} {
				if !strings.Contains(said, leg) {
					x.T.Errorf("%s: %s does not say %q:\n%s", when, command[0], leg, said)
				}
			}
		}
	}
}

// TestWeights: several paths that are used at once have the weights that a policy sets, or that their
// link bandwidths come to, in the kernel and wherever they are shown; another weight takes no route
// away, and writes each at most once.
func TestWeights(t *testing.T) {
	of := func(link, weight int) string {
		return fmt.Sprintf("neighbors = [\"192.168.%[1]d.2\", \"2001:db8:%[1]d::2\"]\naction = \"accept\"\nset_weight = %[2]d\n", link, weight)
	}
	const bandwidth = "action = \"accept\"\nweight_from_bandwidth = true\n"
	for _, vrf := range []string{"default", "red"} {
		for _, objects := range []bool{true, false} {
			t.Run(fmt.Sprintf("%s, objects %v", vrf, objects), func(t *testing.T) {
				t.Parallel()
				x := newWays(t, vrf)
				x.at.Sysctl("ipv4.nexthop_compat_mode", "0") // so that a replaced object writes no route
				x.daemon = x.rtr.Daemon(x.config(objects, of(1, 3), of(2, 1)))
				x.shares("a policy sets them", 3, 1)
				mark := x.at.Mark()
				steps := 0
				next := func(when string, one, two int, change func()) {
					t.Helper()
					change()
					x.shares(when, one, two)
					steps++
				}
				reload := func(rules ...string) func() { return func() { x.daemon.Reload(x.config(objects, rules...)) } }
				announce := func(link int, bandwidth string) func() { // in megabits a second
					return func() {
						x.frrs[link-1].Configure("route-map OUT permit 100", "set extcommunity bandwidth "+bandwidth)
					}
				}
				next("another policy", 1, 5, reload(of(1, 1), of(2, 5)))
				next("no policy", 1, 1, reload())
				next("by bandwidths that are not there", 1, 1, reload(bandwidth))
				next("one has a bandwidth", 1, 1, announce(1, "1000"))
				next("both have one", 127, 255, announce(2, "2000"))
				next("the second has less", 255, 127, announce(2, "500"))
				next("both have the same", 1, 1, announce(2, "1000"))
				next("a policy again", 3, 1, reload(of(1, 3), of(2, 1)))
				written := make(map[string]int)
				for _, e := range x.at.Since(mark) {
					if e.Deleted {
						t.Errorf("the route of %s was deleted", e.Prefix)
					}
					written[e.Prefix.String()]++
				}
				for prefix, n := range written {
					if n > steps {
						t.Errorf("%s was written %d times in %d steps", prefix, n, steps)
					}
				}
				t.Logf("in %d steps routes were written: %v", steps, written)
			})
		}
	}
}
