package l3vpn_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/vrfredist/vrfredist/integration/netns/edge"
	"github.com/vrfredist/vrfredist/integration/netns/lab"
)

// TestVPNv4OverEBGP is what FRR's topotest bgp_vpnv4_ebgp asserts, with vrfredist as r1, and FRR as r2
// and r3, which are of another AS. Each holds:
//
//   - protocols_convergence: the VRF of r1 has what is in those of r2 and r3, by their labels, and as theirs,
//     not its own; and r2 has what r1 has, by r1's label, and nothing of r3, which is of its own AS;
//   - adj_rib_out_label_change: r1's VRF gets another label, and r2 has its routes by that one;
//   - adj_rib_in_label_change: r2 takes no routes of r1 any more, and then takes them again, with the
//     label that they had, which r1 has not sent anew.
//
// Beside them the hosts reach each other, by each of the labels, and the last one holds of r1 as well, by
// a policy. It is otherwise that the sessions are between loopbacks, over a
// router, because FRR wants a label in front of the VPN's.
func TestVPNv4OverEBGP(t *testing.T) {
	t.Parallel()
	n := newNetwork(t, edge.MPLS, 3, frrPrograms...)
	one, two, three := n.PEs[0], n.PEs[1], n.PEs[2]
	two.AS, three.AS = 65501, 65501
	n.devices(n.PEs...)
	for _, pe := range []*edge.PE{two, three} {
		edge.StartFRR(n.Network, pe, one)
	}
	n.ours(one)
	n.converged()

	t.Log("another label")
	red := one.Tenants["red"]
	const label = 1042
	red.Keys = fmt.Sprintf("  label = %d\n", label)
	one.Daemon.Reload(n.config(one))
	n.hears(two, red, label)
	n.hears(three, red, label)
	n.Counted(two.Tenants["red"], red, 4)
	lab.WaitEqual(t, "the labels of red", []int{label}, red.Labels)

	if lab.FRRMajor(t) >= 10 { // FRR 8's bgpd crashes of it
		n.refused(two, red, label)
	}

	t.Log("what red does not take, and takes again")
	config := n.config(one)
	before := red.NS.IP("route", "show", "vrf", "red", two.Tenants["red"].Prefixes()[0])
	red.Keys += "  bgp.receive = \"none\"\n"
	one.Daemon.Reload(n.config(one) + "\n[[netlink.policies]]\n  name = \"none\"\n  default = \"reject\"\n  [[netlink.policies.rules]]\n    action = \"reject\"\n")
	lab.WaitEqual(t, "the routes of red, which takes none", []string{}, red.Own)
	one.Daemon.Reload(config)
	lab.WaitEqual(t, "the route to FRR's hosts, as it was", before, func() string {
		return red.NS.IP("route", "show", "vrf", "red", two.Tenants["red"].Prefixes()[0])
	})
	n.Counted(red, two.Tenants["red"], 4)
}

// converged: each of the tenants has the prefixes of the others in IPv4, by their labels, but FRR has
// nothing of the FRR whose AS it is of.
func (n *network) converged() {
	n.T.Helper()
	one, two, three := n.PEs[0], n.PEs[1], n.PEs[2]
	for _, name := range edge.Names() {
		mine := one.Tenants[name]
		for _, pe := range []*edge.PE{two, three} {
			theirs := pe.Tenants[name]
			n.Reach(name, one, pe, 4)
			n.Reach(name, pe, one, 4)
			n.Counted(mine, theirs, 4)
			n.Counted(theirs, mine, 4)
			n.hears(pe, mine, mine.Label(false))
			out := one.Daemon.Do("explain", theirs.Prefixes()[0], "--vrf", name)
			for _, want := range []string{fmt.Sprintf("encap mpls %d/%d", edge.Transport(pe.N), theirs.Label(false)), fmt.Sprint(pe.AS), pe.Addr()} {
				if !strings.Contains(out, want) {
					n.T.Errorf("of %s at PE %d it is not said that it is %s:\n%s", name, pe.N, want, out)
				}
			}
		}
		prefix := three.Tenants[name].Prefixes()[0]
		lab.Equal(n.T, "what PE 2 has of PE 3", nil, two.FRR.VPNPaths("ipv4", prefix))
		if out := two.Core.IP("route", "show", "vrf", name, prefix); out != "" {
			n.T.Errorf("PE 2 has a route to PE 3, of its own AS: %s", out)
		}
	}
}

// refused: FRR takes nothing of PE 1 any more, and then takes it again, with the labels that it had.
func (n *network) refused(at *edge.PE, of *edge.Tenant, label int) {
	n.T.Helper()
	n.T.Log("what FRR does not take, and takes again")
	from := of.PE.Addr()
	at.FRR.Configure("access-list every permit any", "route-map none deny 1", "match ip address every")
	vpn := []string{fmt.Sprintf("router bgp %d", at.AS), "address-family ipv4 vpn"}
	at.FRR.Configure(append(slices.Clip(vpn), "neighbor "+from+" soft-reconfiguration inbound")...)
	at.FRR.Configure(append(slices.Clip(vpn), "neighbor "+from+" route-map none in")...)
	n.hears(at, of, 0)
	at.FRR.Configure(append(slices.Clip(vpn), "no neighbor "+from+" route-map none in")...)
	n.hears(at, of, label)
	n.Counted(at.Tenants[of.Name], of, 4)
}

// hears waits until FRR has a tenant of another AS by this label, in BGP and in the kernel; 0: it has it
// not at all.
func (n *network) hears(at *edge.PE, of *edge.Tenant, label int) {
	n.T.Helper()
	prefix := of.Prefixes()[0]
	lab.WaitFor(n.T, fmt.Sprintf("PE %d has %s of %s by the label %d", at.N, prefix, of.Name, label), lab.Patience, func() string {
		paths := at.FRR.VPNPaths("ipv4", prefix)
		is := slices.ContainsFunc(paths, func(p lab.VPNPath) bool { return p.RD == of.PE.RD(of.Name) })
		right := slices.ContainsFunc(paths, func(p lab.VPNPath) bool {
			return p.RD == of.PE.RD(of.Name) && p.Label == label && p.Nexthop.String() == of.PE.Addr()
		})
		kernel := strings.Join(strings.Fields(at.Core.IP("route", "show", "vrf", of.Name, prefix)), " ")
		switch {
		case label == 0 && (is || kernel != ""),
			label != 0 && (!right || !strings.Contains(kernel, fmt.Sprintf("encap mpls %d/%d ", edge.Transport(of.PE.N), label))):
			return fmt.Sprintf("%+v, and in the kernel %q", paths, kernel)
		}
		return ""
	})
}
