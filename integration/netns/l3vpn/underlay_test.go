package l3vpn_test

import (
	"fmt"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/vrfredist/vrfredist/integration/netns/edge"
	"github.com/vrfredist/vrfredist/integration/netns/lab"
)

// The service that two PEs have, in both families.
const service, service6 = "10.50.0.1", "2001:db8:50::1"

// TestUnderlay: the core's way to another PE moves to a second link: by MPLS one message a nexthop
// object has the packets there, and no route is written; by SRv6 too, whose objects have the interface
// by which the SID is reached. No packet is lost. When that link goes down they go by the first again. A PE
// that the core does not reach is gone, and what another one has too goes there.
func TestUnderlay(t *testing.T) {
	for _, by := range []edge.By{edge.MPLS, edge.SRv6} {
		t.Run(string(by), func(t *testing.T) {
			n := newNetwork(t, by, 3)
			one, two, three := n.PEs[0], n.PEs[1], n.PEs[2]
			n.devices(n.PEs...)
			n.serve(two, three)
			one.Core.Sysctl("ipv4.nexthop_compat_mode", "0") // or the kernel tells of each route that hangs on an object
			n.Join(one, "core2", "d1", "10.1.1", "fd00:d:1")
			// A router that speaks an IGP on the link knows its neighbour. For one that it does not know
			// nexthop objects wait some milliseconds, which on an emulated processor may be too few.
			one.Core.WaitPing("", "10.1.1.2")
			n.ours(n.PEs...)
			for _, name := range edge.Names() {
				n.Reach(name, one, two)
				n.Reach(name, one, three)
			}
			n.ways(one, two, three)
			n.apart(one)
			n.moved(one, two)
			n.without(one, two)
		})
	}
}

// apart waits until the routes to two PEs, and those to the service of both, hang on groups of their own.
// In the table of an SRv6 tenant all lead to the second VRF device, and what shares a group at first is
// given one each.
func (n *network) apart(pe *edge.PE) {
	n.T.Helper()
	object := regexp.MustCompile(`nhid (\d+)`)
	for _, name := range edge.Names() {
		t := pe.Tenants[name]
		for _, six := range []bool{false, true} {
			family, at, lans := "-4", service+"/32", "10.%d.0.0/24"
			if six {
				family, at, lans = "-6", service6+"/128", "2001:db8:%d::/64"
			}
			of := func(prefix string) string {
				// `ip route get fibmatch` would do for IPv4: of IPv6 the kernel may name another route that
				// has the object of the nexthop too.
				out, err := t.NS.TryIP(family, "route", "show", "vrf", t.Device, prefix)
				if m := object.FindStringSubmatch(out); err == nil && m != nil {
					return m[1]
				}
				return ""
			}
			prefixes := []string{fmt.Sprintf(lans, 2), fmt.Sprintf(lans, 3)}
			if name == "red" {
				prefixes = append(prefixes, at)
			}
			lab.WaitFor(n.T, fmt.Sprintf("the routes of %s at PE %d have groups of their own", name, pe.N), lab.Patience, func() string {
				seen := make(map[string]string)
				for _, p := range prefixes {
					id := of(p)
					if other, is := seen[id]; is || id == "" {
						return fmt.Sprintf("%s has %q, as %s", p, id, other)
					}
					seen[id] = p
				}
				return ""
			})
		}
	}
}

// second is the n-th way of a PE to another one by the second link.
func second(n *network, pe, to *edge.PE) (routes []string) {
	for _, r := range pe.Routes(to) {
		r = strings.Replace(r, fmt.Sprintf("via 10.0.%d.2 dev core", pe.N), fmt.Sprintf("via 10.1.%d.2 dev core2", pe.N), 1)
		r = strings.Replace(r, fmt.Sprintf("via fd00:c:%d::2 dev core", pe.N), fmt.Sprintf("via fd00:d:%d::2 dev core2", pe.N), 1)
		routes = append(routes, r)
	}
	return routes
}

// moved moves the way to a PE to the second link, and takes that link away.
func (n *network) moved(pe, to *edge.PE) {
	n.T.Helper()
	pulse := n.Pulse()
	edge.Between(n.Network, pulse, "red", pe, to, false, true)
	edge.Between(n.Network, pulse, "blue", pe, to, false, true)
	watch := pe.Core.Start("ip monitor", "ip", "monitor", "nexthop")
	mark := pe.Core.Mark()
	for _, r := range second(n, pe, to) {
		pe.Core.Batch("route replace " + r)
	}
	n.goesBy(pe, to, "core2")
	pulse.Lasts(time.Second)
	pulse.EndWhole()
	for _, e := range pe.Core.Since(mark) {
		n.T.Errorf("while the way to another PE moved: %+v", e)
	}
	// Of each VRF, one nexthop object of each family.
	most := 2 * len(edge.Numbers)
	if lines := edge.Changes(watch.Output()); len(lines) > most {
		n.T.Errorf("%d messages about nexthop objects, want at most %d:\n%s", len(lines), most, strings.Join(lines, "\n"))
	}
	n.T.Log("the link goes down")
	for _, r := range pe.Routes(to) {
		pe.Core.Batch("route append " + r + " metric 100")
	}
	pe.Core.IP("link", "set", "core2", "down")
	n.goesBy(pe, to, "core")
	n.Reach("red", pe, to)
	n.Reach("blue", pe, to)
}

// goesBy waits until packets of both tenants arrive at another PE by an interface of the core.
func (n *network) goesBy(pe, to *edge.PE, dev string) {
	n.T.Helper()
	for _, name := range edge.Names() {
		for _, six := range []bool{false, true} {
			lab.WaitFor(n.T, fmt.Sprintf("packets of %s to %s go by %s", name, edge.Host(to.N, six), dev), lab.Patience, func() string {
				before := n.sentBy(pe, dev)
				const packets = 20
				for range packets {
					if err := pe.Tenants[name].Host.Ping("", edge.Host(to.N, six)); err != nil {
						return err.Error()
					}
				}
				if sent := n.sentBy(pe, dev) - before; sent < packets {
					return fmt.Sprintf("%d have", sent)
				}
				return ""
			})
		}
	}
}

// without: a PE that the core does not reach is gone, and is back with it.
func (n *network) without(pe, gone *edge.PE) {
	n.T.Helper()
	red := pe.Tenants["red"]
	has := func(prefix string) bool {
		return slices.ContainsFunc(red.Own(), func(r string) bool { return strings.HasPrefix(r, prefix) })
	}
	pulse := n.Pulse()
	edge.Between(n.Network, pulse, "red", pe, n.PEs[2], false, true)
	for _, r := range append(pe.Routes(gone), second(n, pe, gone)...) {
		f := strings.Fields(r)
		_, _ = pe.Core.TryIP("route", "del", f[0])
	}
	lab.WaitFor(n.T, "the prefixes of the PE are gone", lab.Patience, func() string {
		for _, p := range gone.Tenants["red"].Prefixes() {
			if has(p) {
				return p + " is there"
			}
		}
		return ""
	})
	n.ways(pe, n.PEs[2])
	for _, r := range pe.Routes(gone) {
		pe.Core.Batch("route replace " + r)
	}
	n.Reach("red", pe, gone)
	n.ways(pe, n.PEs[1:]...)
	pulse.EndWhole()
}

// sentBy is how many packets have gone out of a PE by an interface.
func (n *network) sentBy(pe *edge.PE, dev string) uint64 {
	n.T.Helper()
	return edge.InterfaceOf(n.Network, pe.Core, dev).Stats64.Tx.Packets
}
