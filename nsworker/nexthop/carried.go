package nexthop

import (
	"errors"
	"fmt"
	"net/netip"

	"github.com/vrfredist/vrfredist/rib"
)

// What another PE sent is forwarded in two steps: the VRF's own table leads to what stands for
// the PE there, its endpoint on the VRF's VXLAN device; and the core's tables lead from there to
// the PE. A PE that the core does not reach is a nexthop that is not reached.

// Core knows how other PEs are reached. It is safe for concurrent use, and waits for nothing.
type Core interface {
	// PE returns how far the core leads to a PE; false: it is not known yet, and whoever
	// follows the core is told when it is.
	PE(addr netip.Addr) (rib.Lead, bool)
	// Watch counts who wants to know of a PE: by is +1 or −1.
	Watch(addr netip.Addr, by int)
	// Making says why the VXLAN device with a VNI is not there, where it is made by this
	// daemon; "": nothing is known to be in the way.
	Making(vni uint32) string
}

// overCore looks up a PE for a VRF that sees v, and whose packets are carried as c says.
func (r *Resolver) overCore(v rib.View, c *rib.Carriage, m Member) rib.Lead {
	cannot := func(why error) rib.Lead { return rib.NoLead(fmt.Errorf("PE %s is not reached: %w", m.Addr, why)) }
	if m.Cannot != "" {
		return cannot(errors.New(m.Cannot))
	}
	device, bad := VXLANDevice(v, c, r.Core)
	if bad != nil {
		return cannot(bad)
	}
	if m.Addr.Is4() != c.Core.VTEP.Is4() {
		return cannot(fmt.Errorf("its address is of another IP version than this router's in the core, %s", c.Core.VTEP))
	}
	if r.Core == nil {
		return cannot(errors.New("there is no core"))
	}
	lead, known := r.Core.PE(m.Addr)
	switch {
	case !known:
		return cannot(fmt.Errorf("it is being looked up in the core: %w", errNoView))
	case lead.Err != nil:
		return cannot(fmt.Errorf("in the core, %w", lead.Err))
	case lead.By.Prefix.Bits() == 0 && !v.ByDefault:
		return cannot(errors.New("in the core, only the default route covers it, which is used for nexthops only with resolve_by_default"))
	}
	t := m.Encap.Tunnel()
	to := rib.Endpoint{Ifindex: device.Index, Gateway: rib.VTEPGateway(m.Addr, t.RouterMAC), MAC: t.RouterMAC, VTEP: m.Addr}
	if t.VNI != c.VNI {
		to.VNI = t.VNI
	}
	return rib.LeadOver(rib.Hop{Gateway: to.Gateway, Ifindex: device.Index, Weight: 1}, lead, to)
}
