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
	device, err := vxlanDevice(v, c)
	if why := r.making(c); err != nil && why != "" {
		return cannot(fmt.Errorf("the device %s cannot be made: %s", c.Device, why))
	}
	if err != nil {
		return cannot(err)
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

// making is why a VRF's device cannot be made here; "": that is not known.
func (r *Resolver) making(c *rib.Carriage) string {
	if r.Core == nil || !c.Managed {
		return ""
	}
	return r.Core.Making(c.VNI)
}

// Takes tells whether the device by which a VRF's packets are carried is there, as it has to be.
func Takes(v rib.View, c *rib.Carriage) bool {
	_, err := vxlanDevice(v, c)
	return err == nil
}

// vxlanDevice is the device by which a VRF's packets are carried, where it is as it has to be:
// one that differs would send them to another tenant, or lose what comes back.
func vxlanDevice(v rib.View, c *rib.Carriage) (rib.Link, error) {
	link, is := v.Links.ByName(c.Device)
	x := link.VXLAN
	wrong := func(is, want any, what string) error {
		return fmt.Errorf("the device %s has the %s %v, and this VRF's is %v", c.Device, what, is, want)
	}
	switch {
	case !is && c.Managed:
		return link, fmt.Errorf("the VRF has no device %s, which is being made: %w", c.Device, errNoView)
	case !is:
		return link, fmt.Errorf("the VRF has no device %s; make it, or write manage_links = true in [netlink]", c.Device)
	case !v.Member(link):
		return link, fmt.Errorf("the device %s does not belong to this VRF", c.Device)
	case x == (rib.VXLAN{}):
		return link, fmt.Errorf("the device %s is no VXLAN device", c.Device)
	case x.VNI != c.VNI:
		return link, wrong(x.VNI, c.VNI, "VNI")
	case x.Local != c.Core.VTEP:
		return link, wrong(x.Local, c.Core.VTEP, "local address")
	case x.Port != c.Core.Port:
		return link, wrong(x.Port, c.Core.Port, "UDP port")
	case x.MAC != c.Router:
		return link, fmt.Errorf("the device %s has the MAC address %s, and other PEs send to %s; run: ip link set %s address %s", c.Device, x.MAC, c.Router, c.Device, c.Router)
	case !link.Admin:
		return link, fmt.Errorf("the device %s is down", c.Device)
	}
	return link, nil
}
