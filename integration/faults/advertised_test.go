package faults_test

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/vrfredist/vrfredist/integration/netns/lab"
)

// audience is a network with one more neighbour, which is told of what is installed alone.
//
//	rtr  eth3 10.0.3.1  2001:db8:3::1  ── listener AS 65004
type audience struct {
	*network
	listener *lab.BIRD
	n        int
}

func newAudience(t *testing.T, n int) *audience {
	t.Helper()
	a := &audience{network: newNetwork(t, n), n: n}
	at := a.Namespace("listener")
	a.Subnet(a.rtr, "eth3", at, "eth3", "10.0.3.1/24", "2001:db8:3::1/64")
	a.foreign = a.oracle.Foreign()
	config := exporting("", "advertise = \"installed\"") + "\n[[neighbors]]\n  [neighbors.config]\n    neighbor-address = \"10.0.3.2\"\n    peer-as = 65004\n  [neighbors.timers.config]\n    connect-retry = 1\n"
	for _, family := range []string{"ipv4-unicast", "ipv6-unicast"} {
		config += fmt.Sprintf("  [[neighbors.afi-safis]]\n    [neighbors.afi-safis.config]\n      afi-safi-name = %q\n", family)
	}
	a.daemon = a.rtr.Daemon(config)
	a.listener = at.BIRD(neighbourConfig(3, "", "", ""))
	a.wait(all(n), all(routes6))
	a.hears(n, routes6)
	return a
}

// hears waits until the listener has as many routes of each family, and returns how long that
// took.
func (a *audience) hears(four, six int) time.Duration {
	a.T.Helper()
	began := time.Now()
	lab.WaitEvery(a.T, "what the listener is told", 20*time.Millisecond, limit(), func() string {
		for table, want := range map[string]int{"master4": four, "master6": six} {
			out := strings.TrimSpace(a.listener.Show("show route table " + table + " count"))
			if got := strings.Fields(out[strings.LastIndexByte(out, '\n')+1:])[0]; got != fmt.Sprint(want) {
				return fmt.Sprintf("%s: %s routes, want %d", table, got, want)
			}
		}
		return ""
	})
	return time.Since(began)
}

// told holds that the listener has none of these prefixes, or all of them.
func (a *audience) told(is bool, prefixes ...string) {
	a.T.Helper()
	for _, p := range prefixes {
		if got := a.listener.Path(p, "next_hop") != ""; got != is {
			a.T.Errorf("the listener was told of %s: %v, want %v", p, got, is)
		}
	}
}

// Routes of a VRF that advertises what is installed are lost to another program, or refused by
// the kernel: neighbours hear the withdrawal of these alone, and of the routes again when they
// stand again.
func TestFault55RouteRefusedOrLost(t *testing.T) {
	const some = 20
	n := scaled(1000, 10_000)
	t.Run("lost", func(t *testing.T) {
		a := newAudience(t, n)
		var lose, leave []string
		for i := range some {
			for _, p := range []string{prefix4(i), prefix6(i)} {
				via := map[bool]string{false: "10.0.0.9", true: "2001:db8::9"}[strings.Contains(p, ":")]
				lose = append(lose, "route replace "+p+" via "+via+" dev eth0 proto static metric 20")
				leave = append(leave, "route del "+p+" proto static metric 20")
			}
		}
		a.rtr.Batch(lose...)
		took := a.hears(n-some, routes6-some)
		a.told(false, prefix4(0), prefix6(0), prefix4(some-1), prefix6(some-1))
		a.told(true, prefix4(some), prefix6(some))
		promised(t, fmt.Sprintf("%d routes lost to another program, and a neighbour told so", 2*some), took, time.Second)
		a.rtr.Batch(leave...)
		took = a.hears(n, routes6)
		a.wait(all(n), all(routes6))
		measured(t, "told again %s after they were left", round(took))
	})
	t.Run("refused", func(t *testing.T) {
		a := newAudience(t, n)
		// The subnet's broadcast address is on the link, and no gateway (fib_check_nh). IPv6
		// has no address like that: TestFault53OnlyPathsThatForward has what comes nearest.
		var refused []int
		four := birdRoutes4(all(n)[some:])
		for i := range some {
			refused = append(refused, i)
			four += fmt.Sprintf("route %s via 10.0.0.2 { bgp_next_hop = 10.0.1.255; };\n", prefix4(i))
		}
		a.File("four.conf", four)
		a.bird.Reconfigure(birdConfig)
		took := a.hears(n-some, routes6)
		for _, i := range refused {
			a.told(false, prefix4(i))
		}
		promised(t, fmt.Sprintf("%d routes refused by the kernel, and a neighbour told so", some), took, time.Second)
		a.resend(all(n), all(routes6))
		took = a.hears(n, routes6)
		a.wait(all(n), all(routes6))
		measured(t, "told again %s after the kernel took them", round(took))
	})
}
