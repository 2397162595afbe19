package fabric

import (
	"fmt"
	"slices"

	"github.com/vrfredist/vrfredist/integration/netns/edge"
	"github.com/vrfredist/vrfredist/integration/netns/lab"
)

// has tells whether some tenant is carried so.
func has(f *Fabric, by edge.By) bool { return slices.Contains(f.Carried, by) }

// vpn tells whether some tenant is carried by VPN routes, with labels or SIDs: the core then has IPv6.
func vpn(f *Fabric) bool { return has(f, edge.MPLS) || has(f, edge.SRv6) }

// reflectorAddr6 is the IPv6 address of a reflector in the core.
func reflectorAddr6(r int) string { return fmt.Sprintf("fd00:256::%d", r) }

// coreLink is the core's end of the veth to a tenant, whose own end is cr.
func coreLink(t int) string { return "vr-" + Tenant(t) }

// underlay gives the core what labels and SIDs need.
func underlay(f *Fabric) {
	f.T.Helper()
	if has(f, edge.MPLS) {
		labels(f.Router)
	}
	for _, pe := range f.PEs {
		role := fmt.Sprintf("pe%d", pe.N)
		if has(f, edge.SRv6) {
			segments(pe.Core, "core")
			pe.Core.IP("sr", "tunsrc", "set", edge.Loopback6(pe.N))
			f.Router.Batch(fmt.Sprintf("route add fd00:%d::/48 via fd00:c0:%d::1", pe.N, pe.N))
		}
		if !has(f, edge.MPLS) {
			continue
		}
		labels(pe.Core)
		pe.Core.Sysctl("mpls.conf.core.input", "1")
		f.Router.Sysctl("mpls.conf."+role+".input", "1")
		f.Router.IP("-f", "mpls", "route", "add", fmt.Sprint(edge.Transport(pe.N)), "via", "inet", fmt.Sprintf("10.0.%d.1", pe.N), "dev", role)
		for _, to := range f.PEs {
			if to != pe {
				pe.Core.Batch(fmt.Sprintf("route add %s/32 encap mpls %d via 10.0.%d.2 dev core src %s", VTEP(to.N), edge.Transport(to.N), pe.N, VTEP(pe.N)))
			}
		}
	}
}

// labels has a namespace take labels.
func labels(ns *lab.Namespace) { ns.Sysctl("mpls.platform_labels", "100000") }

// segments has a namespace take SIDs, on interfaces that it gets and on these that it has.
func segments(ns *lab.Namespace, devices ...string) {
	for _, of := range append([]string{"all", "default"}, devices...) {
		ns.Sysctl("ipv6.conf."+of+".seg6_enabled", "1")
	}
}

// The addresses on the link of a tenant that is not carried by VXLAN to its host.
const (
	Router = "192.0.2.1"
	Host   = "192.0.2.2"
)

// linked gives a tenant a veth to the core, and a host, which it returns. By MPLS the core's end is in
// a VRF device of the tenant's name; by SRv6 the tenant puts packets into SRv6 itself.
func linked(f *Fabric, pe *PE, t int, ns *lab.Namespace) *lab.Namespace {
	f.T.Helper()
	link := coreLink(t)
	if f.Carried[t] == edge.SRv6 {
		segments(ns)
		ns.IP("sr", "tunsrc", "set", edge.Loopback6(pe.N)) // it has no global address of its own
	}
	f.Link(pe.Core, link, ns, "cr")
	if f.Carried[t] == edge.MPLS {
		pe.Core.VRF(Tenant(t), VNI(t))
		pe.Core.Batch(edge.Closed(fmt.Sprintf("table %d ", VNI(t)))...)
		pe.Core.IP("link", "set", link, "master", Tenant(t))
		for _, end := range []struct {
			ns  *lab.Namespace
			dev string
		}{{pe.Core, link}, {ns, "cr"}} {
			end.ns.IP("link", "set", end.dev, "mtu", fmt.Sprint(edge.CoreMTU-edge.TwoLabels))
		}
	}
	pe.Core.Address(link, fmt.Sprintf("169.254.%d.1/30", t), "fe80::1/64")
	ns.Address("cr", fmt.Sprintf("169.254.%d.2/30", t), "fe80::2/64")
	if f.Carried[t] == edge.SRv6 {
		ns.Batch("route add fd00::/16 via fe80::1 dev cr") // to the SIDs of others
	}
	host := f.Namespace(fmt.Sprintf("h-%s-%d", Tenant(t), pe.N))
	f.Link(ns, "lan", host, "eth0")
	ns.Address("lan", Router+"/30", "fe80::a/64")
	host.Address("eth0", Host+"/30", "fe80::b/64")
	host.Batch("route add default via "+Router, "route add ::/0 via fe80::a dev eth0")
	for _, addr := range f.addresses(pe, t) {
		via := Host
		if addr[0] == '2' {
			via = "fe80::b"
		}
		// With the metric that IPv6 routes have by default they would only stand in for BGP's.
		ns.Batch(fmt.Sprintf("route add %s via %s dev lan metric 10", addr, via))
	}
	return host
}
