package netns_test

import (
	"testing"

	"github.com/vrfredist/vrfredist/integration/netns/lab"
)

// A peer that announces the subnet which it shares with us does not become the way to
// everybody there, and the others there stay nexthops: the kernel's own route has the
// worse metric in IPv6.
func TestAnnouncedSubnetOfTheLink(t *testing.T) {
	t.Parallel()
	four := []string{"route 10.0.0.0/24 via 10.0.0.2 { bgp_next_hop = 10.0.0.2; };", sent4(1, "")}
	six := []string{"route 2001:db8::/64 via 2001:db8::2 { bgp_next_hop = 2001:db8::2; };", sent6(1, "")}
	n := newUpstream(t, statics(four, six))
	n.daemon = n.rtr.Daemon(exportWhere())
	subnet := "10.0.0.0/24 via 10.0.0.2 dev eth0 metric 20" // behind that of the kernel, with 0
	n.rtr.WaitOwn(lab.Main, subnet, shown4(1), shown6(1))
	if reason := waitState(t, n.daemon, "2001:db8::/64", "filtered"); reason == "" {
		t.Error("it has no reason")
	}

	t.Log("another on the link is a nexthop")
	n.bird.Reconfigure(birdConfig(statics(four, append(six, "route 2001:db8:1002::/48 via 2001:db8::2 { bgp_next_hop = 2001:db8::3; };"))))
	third := "2001:db8:1002::/48 via 2001:db8::3 dev eth0 metric 20"
	n.rtr.WaitOwn(lab.Main, subnet, shown4(1), shown6(1), third)
}
