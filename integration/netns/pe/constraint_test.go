package pe_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/vrfredist/vrfredist/integration/netns/fabric"
	"github.com/vrfredist/vrfredist/integration/netns/lab"
)

// constrained adds the family of route target membership (RFC 4684) to all sessions.
func constrained(config string) string {
	const evpn = "  [[neighbors.afi-safis]]\n    [neighbors.afi-safis.config]\n      afi-safi-name = \"l2vpn-evpn\"\n"
	return strings.ReplaceAll(config, evpn, strings.Replace(evpn, "l2vpn-evpn", "rtc", 1)+evpn)
}

// without takes a tenant out of a configuration, whose sections have a blank line between them.
func without(config, tenant string) string {
	sections := strings.Split(config, "\n\n")
	return strings.Join(slices.DeleteFunc(sections, func(s string) bool {
		s = strings.TrimSpace(s)
		return (strings.HasPrefix(s, "[[vrfs]]") || strings.HasPrefix(s, "[[netlink.vrfs]]")) && strings.Contains(s, fmt.Sprintf("name = %q", tenant))
	}), "\n\n")
}

// holds waits until a PE's BGP has so many paths for a prefix, of whatever VRF.
func (pe *machine) holds(t *testing.T, prefix string, paths int) {
	t.Helper()
	want := fmt.Sprintf("BGP has %d paths", paths)
	if paths == 1 {
		want = "BGP has 1 path\n"
	}
	lab.WaitFor(t, fmt.Sprintf("PE %d has %d paths for %s", pe.n, paths, prefix), lab.Patience, func() string {
		out, err := pe.daemon.Try("explain", prefix, "--vrf", "red")
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
	one, two, reflector := m.pes[0], m.pes[1], m.pes[2]
	of := func(pe *machine) string { return constrained(m.config(pe, vtep(3))) }
	reflects := without(without(constrained(m.config(reflector, vtep(1), vtep(2))), "red"), "blue")
	client := "  [neighbors.route-reflector.config]\n    route-reflector-client = true\n    route-reflector-cluster-id = \"10.255.0.3\"\n  [neighbors.timers.config]"
	reflector.daemon = reflector.core.OwnDaemon(strings.ReplaceAll(reflects, "  [neighbors.timers.config]", client))
	one.daemon = one.core.OwnDaemon(of(one))
	two.daemon = two.core.OwnDaemon(without(of(two), "blue"))
	m.reach("red", one, two)
	two.holds(t, "10.1.0.0/24", 1)
	one.holds(t, "10.2.0.0/24", 1)
	if out := two.daemon.Do("explain", "10.1.0.0/24", "--vrf", "red"); strings.Contains(out, "65000:200") {
		t.Errorf("a PE that has no blue is sent its routes:\n%s", out)
	}
	two.daemon.Reload(of(two))
	m.reach("blue", one, two)
	two.holds(t, "10.1.0.0/24", 2)
	m.reach("red", one, two)
	two.daemon.Reload(without(of(two), "blue"))
	two.holds(t, "10.1.0.0/24", 1)

	reflector.daemon.Kill()
	reflector.core.FRR(fabric.Reflects(vtep(3)))
	m.reach("red", one, two)
	two.holds(t, "10.1.0.0/24", 2)
}
