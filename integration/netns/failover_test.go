package netns_test

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/vrfredist/vrfredist/integration/netns/lab"
)

// Fast external failover: the session of an eBGP neighbour that is directly connected ends
// when its link does, and not after its hold time.

// farHold is the hold time of these tests: a session that ends within their patience has not
// waited for it.
const farHold = 180

// member is one of the sessions on a link.
type member struct {
	name         string
	local, peer  string // ours and the neighbour's
	as           int    // of the neighbour
	more, config string // of its section, and of [neighbors.config]
	bird         string // of BIRD's
}

// section is the neighbour in the daemon's configuration.
func (m member) section() string {
	text := fmt.Sprintf(`
[[neighbors]]
  [neighbors.config]
    neighbor-address = %q
    peer-as = %d
    %s
  [neighbors.timers.config]
    connect-retry = 1
    hold-time = %d
    keepalive-interval = 60
%s`, m.peer, m.as, m.config, farHold, m.more)
	for _, family := range []string{"ipv4", "ipv6"} {
		text += fmt.Sprintf("  [[neighbors.afi-safis]]\n    [neighbors.afi-safis.config]\n      afi-safi-name = \"%s-unicast\"\n", family)
		if strings.Contains(m.more, "graceful-restart") {
			text += "    [neighbors.afi-safis.mp-graceful-restart.config]\n      enabled = true\n"
		}
	}
	return text
}

// protocol is its session in BIRD, which announces a route of its own by it.
func (m member) protocol(number int) string {
	local, _, _ := strings.Cut(m.peer, "%")
	return fmt.Sprintf(`
protocol static s%d { ipv4; route 10.%d.0.0/16 blackhole; }
protocol bgp to_%s {
  local %s as %d;
  neighbor %s as 65000;
  connect delay time 1; connect retry time 1; error wait time 1, 2;
  hold time %d;
  ipv4 { import all; export where proto = "s%d"; extended next hop; next hop self; };
  ipv6 { import all; export none; };
  %s
}
`, number, number, m.name, local, m.as, m.local, farHold, number, m.bird)
}

const birdHead = "router id 192.0.2.9;\nlog stderr all;\nprotocol device {}\n"

// states are the sessions of a VRF by the neighbour's address.
func states(d *lab.Daemon, vrf string) map[string]neighbor {
	all := make(map[string]neighbor)
	for _, n := range neighborsOf(d, vrf) {
		all[n.Address] = n
	}
	return all
}

// waitStates waits until the sessions of a VRF are up or not, as a map by address says.
func waitStates(t testing.TB, d *lab.Daemon, vrf string, want map[string]bool) {
	t.Helper()
	lab.WaitEqual(t, "which sessions are up", want, func() map[string]bool {
		up := make(map[string]bool)
		for address, n := range states(d, vrf) {
			up[address] = n.State == "established"
		}
		return up
	})
}

func TestFastFailover(t *testing.T) {
	t.Parallel()
	l := newLab(t, bird, "birdc")
	dut, p := l.Namespace("dut"), l.Namespace("p")
	l.Subnet(dut, "eth0", p, "eth0", "10.0.2.1/24", "10.0.3.1/24", "10.0.4.1/24", "10.0.5.1/24", "10.0.6.1/24", "10.0.7.1/24", "2001:db8::1/64", "fe80::1/64")
	onlyAt(p, "eth0", "fe80::2")
	members := []member{
		{name: "four", local: "10.0.2.1", peer: "10.0.2.2", as: 65001},
		{name: "six", local: "2001:db8::1", peer: "2001:db8::2", as: 65002},
		{name: "link", local: "fe80::1%eth0", peer: "fe80::2%eth0", as: 65003},
		{name: "secured", local: "10.0.3.1", peer: "10.0.3.2", as: 65004, bird: "ttl security on;",
			more: "  [neighbors.ttl-security.config]\n    enabled = true\n    ttl-min = 255\n"},
		{name: "internal", local: "10.0.4.1", peer: "10.0.4.2", as: 65000},
		{name: "far", local: "10.0.5.1", peer: "10.0.5.2", as: 65006, bird: "multihop 3;",
			more: "  [neighbors.ebgp-multihop.config]\n    enabled = true\n    multihop-ttl = 3\n"},
		{name: "slow", local: "10.0.6.1", peer: "10.0.6.2", as: 65007, config: "fast_failover = false", bird: "multihop 1; # or BIRD looks at the link too"},
		{name: "graceful", local: "10.0.7.1", peer: "10.0.7.2", as: 65008, bird: "graceful restart on;",
			more: "  [neighbors.graceful-restart.config]\n    enabled = true\n    restart-time = 120\n"},
	}
	config, peers := linkGlobal, birdHead
	up, cut := make(map[string]bool), make(map[string]bool)
	for i, m := range members {
		config += m.section()
		peers += m.protocol(i + 1)
		up[m.peer], cut[m.peer] = true, m.name == "internal" || m.name == "far" || m.name == "slow"
	}
	p.BIRD(peers)
	d := dut.Daemon(config + defaultTable)
	waitStates(t, d, "default", up)
	lab.WaitEqual(t, "the routes of all", len(members), func() int { return len(d.RouteStates("export")) })

	p.IP("link", "set", "eth0", "down") // our end has no carrier
	start := time.Now()
	waitStates(t, d, "default", cut)
	t.Logf("the sessions were seen down within %v", time.Since(start))
	for address, n := range states(d, "default") {
		if !cut[address] && !strings.Contains(n.Reason, "the carrier of eth0 is gone") {
			t.Errorf("%s is down because %q", address, n.Reason)
		}
	}
	// What is held for a graceful restart is there, and what else came from them is not.
	lab.WaitEqual(t, "the routes that BGP has", "10.5.0.0/16 10.6.0.0/16 10.7.0.0/16 10.8.0.0/16", func() string {
		var list []string
		for _, r := range d.RouteStates("export") {
			list = append(list, r.Prefix)
		}
		return strings.Join(list, " ")
	})
	if out := d.Output(); !strings.Contains(out, "A BGP session is ended with its link.") {
		t.Errorf("the log does not say why")
	}

	p.IP("link", "set", "eth0", "up")
	p.Address("eth0", "2001:db8::2/64") // taken by the kernel with the link
	p.Address("eth0", "fe80::2/64")
	waitStates(t, d, "default", up)

	// Our own end goes, with its IPv6 addresses.
	dut.IP("link", "set", "eth0", "down")
	waitStates(t, d, "default", cut)
	lab.WaitEqual(t, "why it is down", "vrfredist ended the session: the interface eth0 is down", func() string { return states(d, "default")["2001:db8::2"].Reason })
}

// TestFastFailoverInANamespace: the same through the relay, which dials again at once when
// the link is back.
func TestFastFailoverInANamespace(t *testing.T) {
	t.Parallel()
	l := newLab(t, bird, "birdc")
	rtr, red, p := l.Namespace("rtr"), l.Namespace("red"), l.Namespace("p")
	l.Subnet(red, "eth0", p, "eth0", "10.0.2.1/24", "10.0.3.1/24", "10.0.4.1/24", "10.0.5.1/24", "fe80::1/64")
	onlyAt(p, "eth0", "fe80::2")
	inside := func(local string) string {
		return fmt.Sprintf("  [neighbors.transport.config]\n    local-address = %q\n", local)
	}
	at := fmt.Sprintf("vrf = \"red\"\n    netns = %q\n", red.Name)
	members := []member{
		{name: "four", local: "10.0.2.1", peer: "10.0.2.2", as: 65001, config: at, more: inside("10.0.2.1")},
		{name: "link", local: "fe80::1%eth0", peer: "fe80::2%eth0", as: 65002, config: at, more: inside("fe80::1")},
		{name: "internal", local: "10.0.3.1", peer: "10.0.3.2", as: 65000, config: at, more: inside("10.0.3.1")},
		{name: "far", local: "10.0.4.1", peer: "10.0.4.2", as: 65004, config: at, bird: "multihop 3;",
			more: inside("10.0.4.1") + "  [neighbors.ebgp-multihop.config]\n    enabled = true\n    multihop-ttl = 3\n"},
		{name: "slow", local: "10.0.5.1", peer: "10.0.5.2", as: 65005, config: at + "    fast_failover = false\n", bird: "multihop 1;", more: inside("10.0.5.1")},
	}
	config, peers := linkGlobal+"\n[[vrfs]]\n  [vrfs.config]\n    name = \"red\"\n    rd = \"65000:10\"\n    both-rt-list = [\"65000:10\"]\n", birdHead
	up, cut := make(map[string]bool), make(map[string]bool)
	for i, m := range members {
		config += m.section()
		peers += m.protocol(i + 1)
		up[m.peer], cut[m.peer] = true, m.name == "internal" || m.name == "far" || m.name == "slow"
	}
	p.BIRD(peers)
	d := rtr.Daemon(config + bind("red", red, exportAll))
	waitStates(t, d, "red", up)
	p.IP("link", "set", "eth0", "down")
	start := time.Now()
	waitStates(t, d, "red", cut)
	t.Logf("the sessions were seen down within %v", time.Since(start))
	lab.WaitEqual(t, "why they are down", true, func() bool {
		all := states(d, "red")
		return strings.Contains(all["10.0.2.2"].Reason, "the carrier of eth0 is gone") && strings.Contains(all["fe80::2%eth0"].Reason, "the carrier of eth0 is gone")
	})
	p.IP("link", "set", "eth0", "up")
	p.Address("eth0", "fe80::2/64")
	waitStates(t, d, "red", up)
}
