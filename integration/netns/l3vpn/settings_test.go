package l3vpn_test

import (
	"testing"

	"github.com/vrfredist/vrfredist/integration/netns/edge"
	"github.com/vrfredist/vrfredist/integration/netns/lab"
)

// doctor is what the doctor finds at a PE whose daemon runs.
func (n *network) doctor(pe *edge.PE) lab.Examined {
	n.T.Helper()
	return pe.Core.Doctor("-f", pe.Daemon.File(), "--api", pe.Daemon.Target())
}

// TestSettingsOfSRv6: what the kernel does not do for SRv6 until it is told is said of the VRF, or
// found by the doctor, whose commands mend it.
func TestSettingsOfSRv6(t *testing.T) {
	n := newNetwork(t, edge.SRv6, 2)
	one, two := n.PEs[0], n.PEs[1]
	n.devices(one, two)
	one.Core.Sysctl("vrf.strict_mode", "0")
	n.ours(one, two)
	n.wants(one, "red", "strict_mode")
	n.mends(one, "strict_mode")
	for _, name := range edge.Names() {
		n.Reach(name, one, two)
	}
	one.Core.Sysctl("ipv6.conf.core.seg6_enabled", "0")
	n.Reach("red", one, two) // a SID takes packets all the same
	n.mends(one, "seg6_enabled")
	for _, name := range edge.Names() {
		n.Reach(name, one, two)
		n.Counted(one.Tenants[name], two.Tenants[name])
	}
}

// advised: the doctor says that nobody tells a host of a VRF device that its IPv6 packet is too
// large, and has nothing to say of a tenant whose link to the core has room for labels.
func (n *network) advised() {
	n.T.Helper()
	e := n.doctor(n.PEs[0])
	for _, name := range edge.Names() {
		linked := n.PEs[0].Tenants[name].Link != ""
		if f, found := e.Find("core-mtu", name); found == linked {
			n.T.Errorf("of the MTU of %s the doctor finds %+v (%v), among %+v", name, f, found, e.Findings)
		}
	}
}
