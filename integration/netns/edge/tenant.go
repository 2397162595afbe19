package edge

import (
	"fmt"

	"github.com/vrfredist/vrfredist/integration/netns/lab"
)

// Tenant is a tenant at one PE, with a host.
type Tenant struct {
	PE     *PE
	Name   string
	NS     *lab.Namespace // where its interfaces are
	Device string         // the VRF device that it is; "": it is NS
	Table  int            // of its own routes
	Host   *lab.Namespace
	// Link is the core's end of a veth to the tenant's namespace, whose own end is cr; "": there is
	// none. CoreDevice is the VRF device in the core that Link is in; "": none.
	Link, CoreDevice string
	// CoreTable is the table in the core, where that has no VRF device for the tenant; 0: none.
	CoreTable int
	// Keys are further lines of its section of the configuration.
	Keys string
	// Router is the interface that has the MAC address of the tenant's router; "": its VXLAN device.
	Router  string
	arrived *lab.Wire[lab.Plain] // at the host
	net     *Network
}

// CoreMTU is the MTU of the core's links, and TwoLabels are the bytes of those that a packet of a
// tenant has there: of the transport and of its VRF.
const (
	CoreMTU   = 1500
	TwoLabels = 8
)

// Device gives a PE a tenant that is a VRF device of the core's namespace.
func (n *Network) Device(pe *PE, name string) *Tenant {
	n.T.Helper()
	t := &Tenant{PE: pe, Name: name, NS: pe.Core, Device: name, Table: 1000 + Numbers[name]}
	pe.Core.VRF(name, t.Table)
	pe.Core.Batch(Closed(fmt.Sprintf("table %d ", t.Table))...)
	if pe.by == SRv6 {
		pe.Core.Sysctl("vrf.strict_mode", "1")
	}
	return n.with(t)
}

// Closed are the routes that end what a table does not know.
func Closed(table string) (lines []string) {
	for _, all := range []string{"0.0.0.0/0", "::/0"} {
		lines = append(lines, "route add unreachable "+all+" "+table+"metric 4278198272")
	}
	return lines
}

// Space gives a PE a tenant that is a network namespace.
func (n *Network) Space(pe *PE, name string) *Tenant {
	n.T.Helper()
	t := &Tenant{PE: pe, Name: name, NS: n.Namespace(fmt.Sprintf("t-%s%d", name, pe.N)), Table: lab.Main}
	Forwards(t.NS)
	if pe.by == SRv6 {
		t.NS.Sysctl("ipv6.conf.all.seg6_enabled", "1")
		t.NS.Sysctl("ipv6.conf.default.seg6_enabled", "1")
	}
	return n.with(t)
}

// Linked is Space with a veth to the core, whose end there is in a VRF device of the tenant's name
// where the kernel is to have one for it.
func (n *Network) Linked(pe *PE, name string, device bool) *Tenant {
	n.T.Helper()
	t := n.Space(pe, name)
	t.Link = "vr-" + name
	n.Link(pe.Core, t.Link, t.NS, "cr")
	if pe.by == MPLS {
		// The core's table has no way back to the tenant, so that it answers nobody whose packet is
		// too large: the tenant's own router does, by the MTU of its end.
		pe.Core.IP("link", "set", t.Link, "mtu", fmt.Sprint(CoreMTU-TwoLabels))
		t.NS.IP("link", "set", "cr", "mtu", fmt.Sprint(CoreMTU-TwoLabels))
	}
	switch {
	case device:
		t.CoreDevice = name
		pe.Core.VRF(name, 1000+Numbers[name])
		pe.Core.Batch(Closed(fmt.Sprintf("table %d ", 1000+Numbers[name]))...)
		pe.Core.IP("link", "set", t.Link, "master", name)
	case pe.by == MPLS:
		t.CoreTable = 3000 + Numbers[name]
	}
	pe.Core.Address(t.Link, fmt.Sprintf("169.254.%d.1/30", Numbers[name]), "fe80::1/64")
	t.NS.Address("cr", fmt.Sprintf("169.254.%d.2/30", Numbers[name]), "fe80::2/64")
	return t
}

// Trusted is Linked for a tenant that may send to any SID: it puts packets into SRv6 itself, and the
// core has no VRF device for it.
func (n *Network) Trusted(pe *PE, name string) *Tenant {
	n.T.Helper()
	t := n.Linked(pe, name, false)
	t.NS.IP("-6", "route", "add", "fd00::/16", "via", "fe80::1", "dev", "cr") // to the SIDs of others
	t.Keys += "  trusted = true\n"
	return t
}

// with gives a tenant its host.
func (n *Network) with(t *Tenant) *Tenant {
	n.T.Helper()
	t.Host = n.Namespace(fmt.Sprintf("h-%s%d", t.Name, t.PE.N))
	t.LAN(n.Lab, t.Lan(), t.Host, t.PE.N)
	t.arrived, t.net = lab.ReadPlain(t.Host, "eth0"), n
	t.PE.Tenants[t.Name] = t
	return t
}

// LAN joins a host to a tenant, with the addresses of the n-th PE's hosts, and the default routes.
func (t *Tenant) LAN(l *lab.Lab, dev string, host *lab.Namespace, n int) {
	l.T.Helper()
	l.Link(t.NS, dev, host, "eth0")
	t.Enslave(dev)
	t.NS.Address(dev, fmt.Sprintf("10.%d.0.1/24", n), fmt.Sprintf("2001:db8:%d::1/64", n))
	host.Address("eth0", Host(n, false)+"/24", Host(n, true)+"/64")
	host.IP("route", "add", "default", "via", fmt.Sprintf("10.%d.0.1", n))
	host.IP("-6", "route", "add", "default", "via", fmt.Sprintf("2001:db8:%d::1", n))
}

// Lan is the tenant's interface to its host.
func (t *Tenant) Lan() string { return "lan-" + t.Name }

// Enslave has an interface in the tenant's VRF device, where it is one.
func (t *Tenant) Enslave(dev string) {
	if t.Device != "" {
		t.NS.IP("link", "set", dev, "master", t.Device)
	}
}

// Own are the routes that vrfredist has in the tenant.
func (t *Tenant) Own() []string { return t.NS.Own(t.Table) }

// Prefixes are those of the tenant's own LAN, of both families.
func (t *Tenant) Prefixes() []string {
	return []string{fmt.Sprintf("10.%d.0.0/24", t.PE.N), fmt.Sprintf("2001:db8:%d::/64", t.PE.N)}
}
