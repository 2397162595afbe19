package l3vpn_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/vrfredist/vrfredist/integration/netns/edge"
	"github.com/vrfredist/vrfredist/integration/netns/lab"
)

// TestRemovedWhileAway: vrfredist is killed, a VRF is taken out of the file, and vrfredist starts:
// nothing of that VRF is left in the core, nor where it was, and the other is served as before. Then the
// other goes in the same way, and with it the core: nothing of ours is left anywhere.
func TestRemovedWhileAway(t *testing.T) {
	for _, tc := range []struct {
		name   string
		by     edge.By
		tenant func(n *network, pe *edge.PE, name string)
	}{
		{"MPLS, VRF devices", edge.MPLS, func(n *network, pe *edge.PE, name string) { n.Device(pe, name) }},
		{"MPLS, namespaces and VRF devices", edge.MPLS, func(n *network, pe *edge.PE, name string) { n.Linked(pe, name, true) }},
		{"MPLS, namespaces", edge.MPLS, func(n *network, pe *edge.PE, name string) { n.Linked(pe, name, false) }},
		{"SRv6, VRF devices", edge.SRv6, func(n *network, pe *edge.PE, name string) { n.Device(pe, name) }},
	} {
		t.Run(tc.name, func(t *testing.T) {
			n := newNetwork(t, tc.by, 2)
			for _, pe := range n.PEs {
				for _, name := range edge.Names() {
					tc.tenant(n, pe, name)
				}
			}
			n.removedWhileAway()
		})
	}
}

// TestTrustedRemovedWhileAway is TestRemovedWhileAway of namespaces that put packets into SRv6
// themselves, where the SIDs are in them too.
func TestTrustedRemovedWhileAway(t *testing.T) {
	t.Parallel()
	trusted(t, 2).removedWhileAway()
}

func (n *network) removedWhileAway() {
	n.T.Helper()
	one, two := n.PEs[0], n.PEs[1]
	n.ours(one, two)
	for _, name := range edge.Names() {
		n.Reach(name, one, two)
		n.Reach(name, two, one)
	}
	blue := edge.Entrances(one)["blue"]
	red := one.Tenants["red"]
	if len(red.Own()) == 0 || len(entrances(n.T, one)["red"]) == 0 {
		n.T.Fatalf("red has nothing that could be left: %q", ours(n.T, one))
	}
	mark := one.Tenants["blue"].NS.Mark()
	config := edge.Without(n.config(one), "red")
	n.startAs(one, config)
	lab.WaitFor(n.T, "nothing is left of red", 3*lab.Patience, func() string {
		if left := append(red.Own(), entrances(n.T, one)["red"]...); len(left) > 0 {
			return fmt.Sprintf("there is %q", left)
		}
		return ""
	})
	lab.Equal(n.T, "the numbers of blue", blue, edge.Entrances(one)["blue"])
	if red.NS != one.Core { // else what is written for red is in the same namespace
		for _, e := range one.Tenants["blue"].NS.Since(mark) {
			n.T.Errorf("at blue, that stayed: %+v", e)
		}
	}
	n.Reach("blue", one, two)
	n.Reach("blue", two, one)
	var all []string
	for _, s := range strings.Split(edge.Without(config, "blue"), "\n\n") {
		if s := strings.TrimSpace(s); !strings.HasPrefix(s, "[netlink.core]") && !strings.HasPrefix(s, "[netlink.mpls]") && !strings.HasPrefix(s, "[netlink.srv6]") {
			all = append(all, s)
		}
	}
	n.startAs(one, strings.Join(all, "\n\n")+"\n")
	lab.WaitFor(n.T, "nothing of ours is left", 3*lab.Patience, func() string {
		if left := ours(n.T, one); len(left) > 0 {
			return fmt.Sprintf("there is %q", left)
		}
		return ""
	})
}

// startAs kills vrfredist, and starts it with another configuration.
func (n *network) startAs(pe *edge.PE, config string) {
	n.T.Helper()
	pe.Daemon.Kill()
	pe.Daemon.Write(config)
	pe.Daemon.Start()
}

// entrances are what a PE's core has for packets of each tenant beside labels and SIDs, and those: all
// that is ours there and names the tenant, or its table.
func entrances(t testing.TB, pe *edge.PE) map[string][]string {
	t.Helper()
	is := map[string][]string{}
	for name, tenant := range pe.Tenants {
		names := []string{" dev " + name + " ", " dev sr-" + name + " ", " vr-" + name + " ", "vrfredist:" + name, fmt.Sprintf(" table %d ", tenant.CoreTable)}
		if tenant.CoreTable == 0 {
			names = names[:4]
		}
		for _, line := range ours(t, pe) {
			for _, s := range names {
				if strings.Contains(line+" ", s) {
					is[name] = append(is[name], line)
					break
				}
			}
		}
	}
	return is
}

// ours is all that vrfredist has in the kernel of a PE.
func ours(t testing.TB, pe *edge.PE) (list []string) {
	t.Helper()
	spaces := map[*lab.Namespace]bool{pe.Core: true}
	for _, tenant := range pe.Tenants {
		spaces[tenant.NS] = true
	}
	for ns := range spaces {
		for _, look := range []struct{ mark, command string }{
			{"", "route show table all proto 179"}, {"", "-6 route show table all proto 179"}, {"proto 179", "-f mpls route show"},
			{"iif", "rule show"}, {"iif", "-6 rule show"}, {"", "nexthop show proto 179"}, {"vrfredist:", "-o link show"},
		} {
			out, err := ns.TryIP(strings.Fields(look.command)...)
			if err != nil && look.command != "-f mpls route show" {
				t.Fatal(err)
			}
			for line := range strings.Lines(out) {
				if strings.Contains(line, look.mark) {
					list = append(list, ns.Role+": "+strings.TrimSpace(line))
				}
			}
		}
	}
	return list
}
