package netns_test

import (
	"fmt"
	"testing"

	"github.com/vrfredist/vrfredist/integration/netns/lab"
)

// A peer that announces the subnet which it shares with us, or an address of ours, does
// not become the way there, and the others there stay nexthops. A longer prefix inside the
// subnet is a service's, and a martian is nobody's.
func TestAnnouncedSubnetOfTheLink(t *testing.T) {
	t.Parallel()
	via4, via6 := "via 10.0.0.2 { bgp_next_hop = 10.0.0.2; };", "via 2001:db8::2 { bgp_next_hop = 2001:db8::2; };"
	four := []string{
		"route 10.0.0.0/24 " + via4, "route 10.0.0.1/32 " + via4, "route 10.0.0.9/32 " + via4, "route 0.0.0.0/8 " + via4, "route 240.0.0.0/4 " + via4,
		sent4(1, ""),
	}
	six := []string{"route 2001:db8::/64 " + via6, "route 2001:db8::1/128 " + via6, sent6(1, "")}
	n := newUpstream(t, statics(four, six))
	n.daemon = n.rtr.Daemon(exportWhere())
	service := "10.0.0.9 via 10.0.0.2 dev eth0 metric 20"
	n.rtr.WaitOwn(lab.Main, service, shown4(1), shown6(1))

	t.Log("another on the link is a nexthop")
	n.bird.Reconfigure(birdConfig(statics(four, append(six, "route 2001:db8:1002::/48 via 2001:db8::2 { bgp_next_hop = 2001:db8::3; };"))))
	third := "2001:db8:1002::/48 via 2001:db8::3 dev eth0 metric 20"
	n.rtr.WaitOwn(lab.Main, service, shown4(1), shown6(1), third)

	t.Log("an address that comes to be ours is withdrawn, and asked for again when it goes")
	n.rtr.IP("address", "add", "10.0.0.9/32", "dev", "lo")
	n.rtr.WaitOwn(lab.Main, shown4(1), shown6(1), third)
	n.rtr.IP("address", "del", "10.0.0.9/32", "dev", "lo")
	n.rtr.WaitOwn(lab.Main, service, shown4(1), shown6(1), third)
}

// What answers a neighbour, from the first segment on, has the TTL of its session, whether
// the session is in the daemon's namespace or in a tenant's.
func TestTTLFromTheFirstSegment(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		ours, theirs string
		want         int
	}{
		"eBGP":         {"", "", 1},
		"TTL security": {"[neighbors.ttl-security.config]\nenabled = true\nttl-min = 255", "ttl security on;", 255},
		"multihop":     {"[neighbors.ebgp-multihop.config]\nenabled = true\nmultihop-ttl = 7", "multihop 7;", 7},
	} {
		for where, inside := range map[string]bool{"in the daemon's namespace": false, "in a tenant's": true} {
			t.Run(name+" "+where, func(t *testing.T) {
				t.Parallel()
				l := newLab(t, bird, "birdc")
				rtr, tenant, peer := l.Namespace("rtr"), l.Namespace("a"), l.Namespace("p")
				home, netns := rtr, ""
				if inside {
					home, netns = tenant, fmt.Sprintf("vrf = \"vrf-a\"\nnetns = %q", tenant.Name)
				}
				l.Subnet(home, "eth0", peer, "eth0", ours4+"/24")
				seen := peer.Segments()
				d := rtr.Daemon(vrfsOnly + fmt.Sprintf(`
[[neighbors]]
  [neighbors.config]
    neighbor-address = %q
    peer-as = 65101
    %s
  [neighbors.transport.config]
    local-address = %q
    passive-mode = true
  %s
`, theirs4, netns, ours4, c.ours))
				_ = d
				peer.BIRD(fmt.Sprintf(`
router id %[2]s;
protocol device {}
protocol bgp v4 { local %[2]s as 65101; neighbor %[1]s as 65000; connect retry time 1; error wait time 1, 2; %[3]s ipv4 { import all; export none; }; }
`, ours4, theirs4, c.theirs))
				lab.WaitFor(t, "the session is up", lab.Patience, func() string {
					if all := bgpSegments(seen); len(all) < 5 {
						return fmt.Sprintf("%d segments", len(all))
					}
					return ""
				})
				ttls(t, name, seen, c.want)
			})
		}
	}
}
