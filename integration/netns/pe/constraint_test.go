package pe_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/vrfredist/vrfredist/integration/netns/edge"
	"github.com/vrfredist/vrfredist/integration/netns/fabric"
	"github.com/vrfredist/vrfredist/integration/netns/lab"
)

// constrained adds the family of route target membership (RFC 4684) to all sessions.
func constrained(config string) string {
	const evpn = "  [[neighbors.afi-safis]]\n    [neighbors.afi-safis.config]\n      afi-safi-name = \"l2vpn-evpn\"\n"
	return strings.ReplaceAll(config, evpn, strings.Replace(evpn, "l2vpn-evpn", "rtc", 1)+evpn)
}

// holds waits until a PE's BGP has so many paths for a prefix, of whatever VRF.
func holds(t *testing.T, pe *edge.PE, prefix string, paths int) {
	t.Helper()
	want := fmt.Sprintf("BGP has %d paths", paths)
	if paths == 1 {
		want = "BGP has 1 path\n"
	}
	lab.WaitFor(t, fmt.Sprintf("PE %d has %d paths for %s", pe.N, paths, prefix), lab.Patience, func() string {
		out, err := pe.Daemon.Try("explain", prefix, "--vrf", "red")
		if err == nil && strings.Contains(out, want) {
			return ""
		}
		return out
	})
}

// TestRouteTargetConstraint: by a reflector that has route target constraint, a PE is sent the
// routes of its own tenants alone, and those of a further one once it has that; a reflector
// without it, as FRR's, sends all, and the session is as good.
func TestRouteTargetConstraint(t *testing.T) {
	t.Parallel()
	m := newMachines(t, 3, "bgpd", "vtysh")
	one, two, reflector := m.PEs[0], m.PEs[1], m.PEs[2]
	of := func(pe *edge.PE) string { return constrained(pe.Config(edge.Loopback(3))) }
	reflects := edge.Without(edge.Without(constrained(reflector.Config(edge.Loopback(1), edge.Loopback(2))), "red"), "blue")
	client := "  [neighbors.route-reflector.config]\n    route-reflector-client = true\n    route-reflector-cluster-id = \"10.255.0.3\"\n  [neighbors.timers.config]"
	reflector.Daemon = reflector.Core.OwnDaemon(strings.ReplaceAll(reflects, "  [neighbors.timers.config]", client))
	one.Daemon = one.Core.OwnDaemon(of(one))
	two.Daemon = two.Core.OwnDaemon(edge.Without(of(two), "blue"))
	m.Reach("red", one, two)
	holds(t, two, "10.1.0.0/24", 1)
	holds(t, one, "10.2.0.0/24", 1)
	if out := two.Daemon.Do("explain", "10.1.0.0/24", "--vrf", "red"); strings.Contains(out, "65000:200") {
		t.Errorf("a PE that has no blue is sent its routes:\n%s", out)
	}
	two.Daemon.Reload(of(two))
	m.Reach("blue", one, two)
	holds(t, two, "10.1.0.0/24", 2)
	m.Reach("red", one, two)
	two.Daemon.Reload(edge.Without(of(two), "blue"))
	holds(t, two, "10.1.0.0/24", 1)

	reflector.Daemon.Kill()
	reflector.Core.FRR(fabric.Reflects(edge.Loopback(3)))
	m.Reach("red", one, two)
	holds(t, two, "10.1.0.0/24", 2)
}
