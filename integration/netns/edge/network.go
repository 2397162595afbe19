// Package edge builds provider edges around one router, for tests: each has the tenants red and
// blue, which have the same prefixes, and a host of each. All of them are network namespaces. A PE
// is vrfredist, FRR or BIRD, as the test starts it.
package edge

import (
	"fmt"
	"maps"
	"slices"

	"github.com/vrfredist/vrfredist/integration/netns/lab"
)

// By is how packets get from one PE to another.
type By string

// The ways that a core carries packets of tenants.
const (
	VXLAN  By = "vxlan"
	VXLAN6 By = "vxlan6" // VXLAN over a core of IPv6
	MPLS   By = "mpls"
	SRv6   By = "srv6"
)

// encap is the encapsulation as the configuration has it.
func (by By) encap() string {
	if by == VXLAN6 {
		by = VXLAN
	}
	return string(by)
}

// six tells whether the sessions of the core, and the packets there, are of IPv6.
func (by By) six() bool { return by == SRv6 || by == VXLAN6 }

// Network is the network. The router knows the loopbacks of the PEs by VXLAN, and their locators too
// by SRv6; by MPLS it knows a label for each PE, and pops it.
//
//	PE n           core 10.0.n.1 and fd00:c:n::1 (the router has .2 and ::2), lo 10.255.0.n and fd00:255::n
//	its tenants    lan 10.n.0.1 and 2001:db8:n::1; hosts .10 and ::10
//	transport      label 16000+n; locator fd00:n:0:1::/64
type Network struct {
	*lab.Lab
	By  By
	P   *lab.Namespace
	PEs []*PE
}

// PE is a machine.
type PE struct {
	N       int
	Core    *lab.Namespace
	Tenants map[string]*Tenant
	Order   []string    // of the tenants in its configuration
	Daemon  *lab.Daemon // nil: it is another router's, or not started
	FRR     *lab.FRRPE
	BIRD    *lab.BIRD
	AS      int
	by      By
	net     *Network
	wires   wires
}

// AS is the one that PEs are of where a test says nothing.
const AS = 65000

// Numbers are the tenants, each with the number of its route target; its VNI is the same.
var Numbers = map[string]int{"red": 100, "blue": 200}

// Names are the tenants in the order of their names.
func Names() []string { return slices.Sorted(maps.Keys(Numbers)) }

// Other is the other tenant.
func Other(name string) string { return map[string]string{"red": "blue", "blue": "red"}[name] }

// New builds a network with so many PEs, without tenants.
func New(l *lab.Lab, by By, count int) *Network {
	l.T.Helper()
	n := &Network{Lab: l, By: by, P: l.Namespace("p")}
	Forwards(n.P)
	if by == MPLS {
		n.P.Sysctl("mpls.platform_labels", "100000")
	}
	for i := 1; i <= count; i++ {
		pe := n.pe(i)
		n.read(pe)
		n.PEs = append(n.PEs, pe)
	}
	for _, pe := range n.PEs {
		switch by {
		case VXLAN:
			pe.Core.IP("route", "add", "10.255.0.0/24", "via", fmt.Sprintf("10.0.%d.2", pe.N), "src", Loopback(pe.N))
			continue
		case VXLAN6:
			pe.Core.IP("route", "add", "fd00:255::/64", "via", fmt.Sprintf("fd00:c:%d::2", pe.N), "src", Loopback6(pe.N))
			continue
		}
		for _, to := range n.Others(pe) {
			for _, route := range pe.Routes(to) {
				pe.Core.Batch("route add " + route)
			}
		}
	}
	return n
}

// Forwards has a namespace forward packets of both families, by whatever way they come.
func Forwards(n *lab.Namespace) {
	n.Sysctl("ipv4.ip_forward", "1")
	n.Sysctl("ipv6.conf.all.forwarding", "1")
	for _, of := range []string{"all", "default"} {
		n.Sysctl("ipv4.conf."+of+".rp_filter", "0")
	}
}

// Loopback is a PE's address in the core, by which other PEs know it.
func Loopback(n int) string { return fmt.Sprintf("10.255.0.%d", n) }

// Loopback6 is that of IPv6.
func Loopback6(n int) string { return fmt.Sprintf("fd00:255::%d", n) }

// Transport is the label by which the router sends to a PE.
func Transport(n int) int { return 16000 + n }

// Locator is what a PE's SIDs are in.
func Locator(n int) string { return fmt.Sprintf("fd00:%d:0:1::/64", n) }

// pe makes a machine with its link to the router.
func (n *Network) pe(i int) *PE {
	n.T.Helper()
	pe := &PE{N: i, Core: n.Namespace(fmt.Sprintf("pe%d", i)), Tenants: map[string]*Tenant{}, Order: Names(), AS: AS, by: n.By, net: n}
	Forwards(pe.Core)
	if n.By == SRv6 {
		pe.Core.Sysctl("ipv6.conf.all.seg6_enabled", "1")
		pe.Core.Sysctl("ipv6.conf.default.seg6_enabled", "1")
	}
	n.Join(pe, "core", fmt.Sprintf("c%d", i), fmt.Sprintf("10.0.%d", i), fmt.Sprintf("fd00:c:%d", i))
	pe.Core.Address("lo", Loopback(i)+"/32")
	switch n.By {
	case MPLS:
		pe.Core.Sysctl("mpls.platform_labels", "100000")
		n.P.IP("-f", "mpls", "route", "add", fmt.Sprint(Transport(i)), "via", "inet", fmt.Sprintf("10.0.%d.1", i), "dev", fmt.Sprintf("c%d", i))
	case SRv6:
		pe.Core.Address("lo", Loopback6(i)+"/128")
		pe.Core.IP("sr", "tunsrc", "set", Loopback6(i))
		via := fmt.Sprintf("via fd00:c:%d::1", i)
		n.P.Batch("route add "+Loopback6(i)+" "+via, fmt.Sprintf("route add fd00:%d::/48 %s", i, via))
	case VXLAN6:
		pe.Core.Address("lo", Loopback6(i)+"/128")
		n.P.Batch(fmt.Sprintf("route add %s via fd00:c:%d::1", Loopback6(i), i))
	}
	if n.By != MPLS {
		n.P.IP("route", "add", Loopback(i)+"/32", "via", fmt.Sprintf("10.0.%d.1", i))
	}
	return pe
}

// Join gives a PE a link to the router, with the network parts of its addresses.
func (n *Network) Join(pe *PE, dev, routers, four, six string) {
	n.T.Helper()
	addrs := []string{four + ".1/24"}
	if n.By.six() {
		addrs = append(addrs, six+"::1/64")
	}
	n.Subnet(pe.Core, dev, n.P, routers, addrs...)
	if n.By == MPLS {
		pe.Core.Sysctl("mpls.conf."+dev+".input", "1")
		n.P.Sysctl("mpls.conf."+routers+".input", "1")
	}
}

// Routes are the routes by which a PE reaches another one by MPLS or SRv6, as `ip` takes them.
func (pe *PE) Routes(to *PE) []string {
	four := fmt.Sprintf("via 10.0.%d.2 dev core src %s", pe.N, Loopback(pe.N))
	six := fmt.Sprintf("via fd00:c:%d::2 dev core src %s", pe.N, Loopback6(pe.N))
	if pe.by == MPLS {
		return []string{fmt.Sprintf("%s/32 encap mpls %d %s", Loopback(to.N), Transport(to.N), four)}
	}
	return []string{Loopback6(to.N) + " " + six, fmt.Sprintf("fd00:%d::/48 %s", to.N, six)}
}

// Addr is the PE's address in the core that its sessions have.
func (pe *PE) Addr() string {
	if pe.by.six() {
		return Loopback6(pe.N)
	}
	return Loopback(pe.N)
}

// Addrs are the addresses of PEs in the core.
func Addrs(pes ...*PE) (list []string) {
	for _, pe := range pes {
		list = append(list, pe.Addr())
	}
	return list
}

// Others are the other PEs.
func (n *Network) Others(pe *PE) (list []*PE) {
	for _, o := range n.PEs {
		if o != pe {
			list = append(list, o)
		}
	}
	return list
}

// Reach waits until the host of a tenant at one PE gets answers from that at another, in these
// families; none given: in both.
func (n *Network) Reach(name string, from, to *PE, families ...int) {
	n.T.Helper()
	for _, six := range sixes(families) {
		from.Tenants[name].Host.WaitPing("", Host(to.N, six))
	}
}

func sixes(families []int) []bool {
	if len(families) == 0 {
		families = []int{4, 6}
	}
	var list []bool
	for _, f := range families {
		list = append(list, f == 6)
	}
	return list
}

// Host is the address of a PE's host of any tenant.
func Host(n int, six bool) string {
	if six {
		return fmt.Sprintf("2001:db8:%d::10", n)
	}
	return fmt.Sprintf("10.%d.0.10", n)
}
