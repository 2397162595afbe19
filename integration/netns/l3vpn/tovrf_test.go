package l3vpn_test

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"

	"github.com/vrfredist/vrfredist/integration/netns/edge"
	"github.com/vrfredist/vrfredist/integration/netns/lab"
)

// TestToVRF is what FRR's topotest bgp_l3vpn_to_bgp_vrf asserts, with vrfredist as r1 and r4, which has
// two VRFs with one route target, FRR as r3, and BIRD as the customers. Each holds:
//
//   - check_linux_vrf, adjacencies: the links are in the VRFs, the sessions of the core and of the
//     customers are up, and PEs reach each other;
//   - check_routes: each PE's VRF has what its customer sent, and all others have it as VPN routes by
//     that PE, with its RD and its label; the core itself has no route of them. A prefix of several
//     customers is each one's own at its PE, and all its ways are known. The customers have all
//     prefixes of the others, with the communities and the large ones that those gave them; and what a
//     VRF without a customer announces itself;
//   - check_linux_mpls: the kernel has a label for each VRF and routes with labels in them, and
//     the customers reach each other's loopbacks, between the two VRFs of one PE too;
//   - scale_up, scale_down: routes of a customer come to all others and into all tables, and go. There are
//     50,000 there and 500 here: others have so many (see bench).
//
// It is otherwise that the customers have ASes of their own, so that LOCAL_PREF and MED are each PE's;
// that a customer's route target counts where accept_route_targets names it, and is told to other PEs and
// not to customers of vrfredist's, for GoBGP sends them no extended community; that of equal paths the customer's own
// counts before another PE's, where FRR goes by LOCAL_PREF; and that customers hear what their VRF has
// chosen where it has "receive", and else of all that the route targets let in. What is left out: OSPF and
// LDP (static labels stand for them), the r2 that reflects, and the memory per route.
func TestToVRF(t *testing.T) {
	t.Parallel()
	s := newSites(t, false)
	s.start()
	s.learned()
	s.carried()
	s.reached()
	s.scaled(500)
}

// TestToDirect is what FRR's topotest bgp_l3vpn_to_bgp_direct asserts, where the PEs have no VRF device:
// vrfredist's tenants are namespaces, and what is in the core for them is a plain table. Each holds:
//
//   - adjacencies: the PEs reach their customers and each other, and the sessions are up;
//   - add_routes: an address that is given to the VRF of one PE, by networks and a static route, is a
//     VPN route at the others, as what a customer sent is;
//   - check_routes: each customer has the routes of all others, and the core has none;
//   - cleanup_all: what is taken from the VRF is gone at the others, and the rest stays.
//
// What is left out: the commands of FRR's VNC, by which it does so, and its registrations.
func TestToDirect(t *testing.T) {
	t.Parallel()
	s := newSites(t, true)
	s.start()
	s.learned()
	s.carried()
	s.reached()

	one, two := s.PEs[0], s.PEs[1]
	red, ce := one.Tenants["red"], s.list[0]
	const added = "192.0.2.101"
	ce.router.Address("lo", added+"/32")
	red.NS.IP("route", "add", added+"/32", "via", ce.far())
	keys := red.Keys
	red.Keys += announces(added + "/32")
	one.Daemon.Reload(s.file(one))
	lab.WaitFor(t, "FRR has the address that was given to red", lab.Patience, func() string { return s.paths(two, added+"/32", one) })
	for _, from := range s.list[1:] {
		from.router.WaitPing(from.loopback(), added)
	}
	red.Keys = keys
	one.Daemon.Reload(s.file(one))
	lab.WaitEqual(t, "FRR's paths of the address that was taken from red", nil, func() []lab.VPNPath { return two.FRR.VPNPaths("ipv4", added+"/32") })
	s.learned()
}

// learned waits until each site has exactly the prefixes of all others, with their communities, and
// those of the PEs.
func (s *sites) learned() {
	s.T.Helper()
	for _, at := range s.list {
		want := map[string]bool{"192.168.2.0/24": true} // FRR announces its links to customers
		if s.PEs[0].Tenants["blue"] != nil {
			want[ofNone] = true
		}
		for _, pe := range s.PEs {
			want[pe.Tenants["red"].Prefixes()[0]] = true
		}
		for _, of := range s.list {
			for _, p := range of.prefixes() {
				if of != at {
					want[p] = true
				}
			}
		}
		for _, p := range at.prefixes() {
			delete(want, p) // of what it has itself its PE tells it nothing
		}
		var paths map[string]map[string]string
		lab.WaitEqual(s.T, fmt.Sprintf("what customer %d has of others", at.i), slices.Sorted(maps.Keys(want)), func() []string {
			paths = at.bird.Paths("upstream")
			return slices.Sorted(maps.Keys(paths))
		})
		for _, of := range s.list {
			if of == at {
				continue
			}
			path := paths[of.loopback()+"/32"]
			lab.Equal(s.T, fmt.Sprintf("what the route of customer %d says at %d", of.i, at.i),
				[]string{fmt.Sprintf("65000 %d", of.as()), "(0,67)", fmt.Sprintf("(12, 34, %d)", of.i)},
				[]string{path["as_path"], path["community"], path["large_community"]})
			if extended := path["ext_community"]; strings.Contains(extended, "(rt, 89, 123)") != (at.pe.FRR != nil) {
				s.T.Errorf("the route of customer %d has %q at %d", of.i, extended, at.i)
			}
		}
	}
}

// carried: FRR has each site's prefixes by its PE, with the label of its tenant and, beside the VRF's
// route target, the one that the customer gave them; the core has no route of them.
func (s *sites) carried() {
	s.T.Helper()
	two := s.PEs[1]
	var prefixes []string
	for _, of := range s.list {
		prefixes = append(prefixes, of.prefixes()...)
	}
	slices.Sort(prefixes)
	prefixes = slices.Compact(prefixes)
	lab.WaitFor(s.T, "FRR has the customers' prefixes", 2*lab.Patience, func() string {
		paths := two.FRR.AllVPNPaths("ipv4", prefixes...)
		for _, of := range s.list {
			label := 0
			if of.pe != two {
				label = of.tenant.Label(false)
			}
			for _, p := range of.prefixes() {
				if !slices.ContainsFunc(paths[p], func(path lab.VPNPath) bool {
					return path.RD == of.pe.RD(of.tenant.Name) && strings.Contains(path.Communities, "RT:65000:100") &&
						(of.pe == two || path.Nexthop.String() == of.pe.Addr() && path.Label == label && strings.Contains(path.Communities, "RT:89:123"))
				}) {
					return fmt.Sprintf("of %s of customer %d, %s and %d: %+v", p, of.i, of.pe.Addr(), label, paths[p])
				}
			}
		}
		return ""
	})
	for _, pe := range s.PEs {
		if out := pe.Core.IP("route", "show", "table", "main"); strings.Contains(out, "20.") || strings.Contains(out, "203.0.113.") {
			s.T.Errorf("PE %d has routes of customers in the core:\n%s", pe.N, out)
		}
	}
	lab.Equal(s.T, "FRR's unicast routes of the core", nil, append(two.FRR.Unicast("ipv4", edge.Loopback(1)), two.FRR.Unicast("ipv4", edge.Loopback(3))...))
}

// paths says why FRR has not one path of a prefix from a PE.
func (s *sites) paths(at *edge.PE, prefix string, from *edge.PE) string {
	s.T.Helper()
	paths := at.FRR.VPNPaths("ipv4", prefix)
	if len(paths) != 1 || paths[0].Nexthop.String() != from.Addr() {
		return fmt.Sprintf("%+v", paths)
	}
	return ""
}

// reached: each site reaches the loopback of each other one.
func (s *sites) reached() {
	s.T.Helper()
	for _, from := range s.list {
		for _, to := range s.list {
			if from != to {
				from.router.WaitPing(from.loopback(), to.loopback())
			}
		}
	}
}

// scaled: many routes of a site come to all others, and into the tables, and go.
func (s *sites) scaled(count int) {
	s.T.Helper()
	one := s.list[0]
	for _, want := range []int{count, 0} {
		one.bird.Reconfigure(one.config(want))
		for _, at := range s.list[1:] {
			table := []string{"route", "show", "table", fmt.Sprint(at.tenant.Table)}
			lab.WaitFor(s.T, fmt.Sprintf("customer %d, and %s at PE %d, have %d routes of customer 1", at.i, at.tenant.Name, at.pe.N, want), 3*lab.Patience, func() string {
				told := strings.Count(strings.Join(at.bird.Received("upstream"), " "), "10.101.")
				if has := strings.Count(at.tenant.NS.IP(table...), "10.101."); told != want || has != want {
					return fmt.Sprintf("it has been told %d, and the table has %d", told, has)
				}
				return ""
			})
		}
	}
	s.learned()
}
