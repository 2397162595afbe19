package l3vpn_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/vrfredist/vrfredist/integration/netns/edge"
	"github.com/vrfredist/vrfredist/integration/netns/lab"
)

// mixed is a core with vrfredist as PE 1 and PE 3 and FRR as PE 2, of which each has the tenants red
// and blue: at vrfredist's one is a VRF device, and the other a namespace behind a link.
func mixed(t *testing.T, by edge.By, programs ...string) *network {
	t.Helper()
	n := newNetwork(t, by, 3, slices.Concat(programs, frrPrograms)...)
	one, two, three := n.PEs[0], n.PEs[1], n.PEs[2]
	n.devices(two)
	n.Device(one, "red")
	n.Device(three, "blue")
	switch by {
	case edge.MPLS:
		n.Linked(one, "blue", true)
		n.Linked(three, "red", false)
	case edge.SRv6:
		n.Device(one, "blue")
		n.Trusted(three, "red")
	}
	return n
}

// start starts FRR and vrfredist, with sessions to all others.
func (n *network) start() {
	n.T.Helper()
	n.frr(n.PEs[1])
	n.ours(n.PEs[0], n.PEs[2])
}

// reachAll waits until all reach all others, where the other router has what it takes: neither FRR 8
// nor FRR 10 nor BIRD 3 installs IPv6 of tenants over an IPv4 core, and each is given those routes.
func (n *network) reachAll() {
	n.T.Helper()
	for _, name := range edge.Names() {
		for _, from := range n.PEs {
			for _, to := range n.Others(from) {
				if from.Daemon == nil && n.By == edge.MPLS {
					n.given(from, to.Tenants[name])
				}
			}
		}
		for _, from := range n.PEs {
			for _, to := range n.Others(from) {
				n.Reach(name, from, to)
			}
		}
	}
}

// given gives the VRF of another router the IPv6 route to another PE that it has in BGP, and does not
// install: FRR 8 does not try, and FRR 10 and BIRD 3 write it with a nexthop of IPv4 that the kernel
// refuses.
func (n *network) given(pe *edge.PE, to *edge.Tenant) {
	n.T.Helper()
	prefix := to.Prefixes()[1]
	lab.WaitFor(n.T, fmt.Sprintf("PE %d has %s of %s at PE %d", pe.N, prefix, to.Name, to.PE.N), 2*lab.Patience, func() string {
		if got := pe.Told(to, true); got == 0 || got != to.Label(true) {
			return fmt.Sprintf("with the label %d, and the kernel of that PE has %v", got, to.Labels())
		}
		return ""
	})
	pe.Core.IP("-6", "route", "add", prefix, "vrf", to.Name, "encap", "mpls", fmt.Sprintf("%d/%d", edge.Transport(to.PE.N), to.Label(true)),
		"via", fmt.Sprintf("::ffff:10.0.%d.2", pe.N), "dev", "core", "onlink")
}

// TestForwarding: two tenants with the same prefixes at three PEs, of which one is FRR; each reaches
// its own, in both families, by its own label or SID, and nothing of the one counts at the other.
// What a tenant's host makes up reaches nobody; and it is told how large its packets may be.
func TestForwarding(t *testing.T) {
	for _, by := range []edge.By{edge.MPLS, edge.SRv6} {
		t.Run(string(by), func(t *testing.T) {
			n := mixed(t, by, "ping", "bird", "birdc")
			router, sessions := edge.Customer(n.Network, n.PEs[0].Tenants["red"])
			n.more = map[*edge.PE]string{n.PEs[0]: sessions}
			n.start()
			n.reachAll()
			for _, name := range edge.Names() {
				for _, from := range n.PEs {
					for _, to := range n.Others(from) {
						n.Counted(from.Tenants[name], to.Tenants[name])
					}
				}
			}
			n.numbered()
			n.explained()
			n.forged()
			n.large()
			n.advised()
			n.customered(router)
		})
	}
}

// numbered: each tenant has its own label, or its own SIDs, at each PE.
func (n *network) numbered() {
	n.T.Helper()
	whose := map[string]string{}
	for _, pe := range n.PEs {
		for _, name := range edge.Names() {
			t := pe.Tenants[name]
			numbers := map[string]bool{}
			if n.By == edge.MPLS {
				numbers[fmt.Sprintf("%d, PE %d", t.Label(false), pe.N)] = true
				numbers[fmt.Sprintf("%d, PE %d", t.Label(true), pe.N)] = true
			} else {
				numbers[t.SID(false).String()], numbers[t.SID(true).String()] = true, true
			}
			for number := range numbers {
				if other := whose[number]; other != "" {
					n.T.Errorf("%s is %s's and %s's", number, other, name)
				}
				whose[number] = name
			}
		}
	}
}

// explained: the way of a packet is said, with what is put before it.
func (n *network) explained() {
	n.T.Helper()
	one, two := n.PEs[0], n.PEs[1]
	to := two.Tenants["red"]
	for i, prefix := range to.Prefixes() {
		want := fmt.Sprintf("encap mpls %d/%d", edge.Transport(2), to.Label(i == 1))
		if n.By == edge.SRv6 {
			want = fmt.Sprintf("encap srv6 %v", to.SID(i == 1))
		}
		for _, args := range [][]string{{"explain", prefix, "--vrf", "red"}, {"route", "export", "--vrf", "red"}} {
			if out := one.Daemon.Do(args...); !strings.Contains(out, want) {
				n.T.Errorf("%v has no %q:\n%s", args, want, out)
			}
		}
	}
}
