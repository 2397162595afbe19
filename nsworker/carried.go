package nsworker

import (
	"net/netip"
	"strings"

	"github.com/vrfredist/vrfredist/nsworker/nexthop"
	"github.com/vrfredist/vrfredist/rib"
	"github.com/vrfredist/vrfredist/vrf"
)

// Core is the network between PEs, as a worker needs it. It is safe for concurrent use, and
// waits for nothing.
type Core interface {
	nexthop.Core
	// Follow signals news whenever what PE says has changed, or what Making says of the VRF's
	// device, until stop.
	Follow(vrf string) (news <-chan struct{}, stop func())
	// Need has the VRF's device made, where that is to be made here, and Drop removed.
	Need(vrf string, in rib.Binding, c rib.Carriage)
	Drop(vrf string)
	// Wrote takes in what was written into a table: it may lead to PEs.
	Wrote(where rib.Where, changes []rib.Change)
}

// coreOf is c as nexthops are looked up in it.
func coreOf(c Core) nexthop.Core {
	if c == nil {
		return nil
	}
	return c
}

// carried is how a worker has its VRF's packets get to other PEs.
type carried struct {
	core Core // nil: there is none
	spec *vrf.Spec
	bgp  BGP
	news <-chan struct{} // nil: nothing is carried
	stop func()
}

// begin has the VRF's device looked after, and follows the core.
func (c *carried) begin() {
	if c.core == nil || c.spec.Carriage.Kind == 0 {
		return
	}
	c.news, c.stop = c.core.Follow(c.spec.Name)
	c.need()
}

// need has the VRF's device looked after.
func (c *carried) need() {
	if c.news != nil {
		c.core.Need(c.spec.Name, c.spec.Binding, c.spec.Carriage)
	}
}

// looks takes in the interfaces of now: the device may be missed.
func (c *carried) looks(v *rib.View) {
	if c.news == nil {
		return
	}
	is, links := c.spec.Carriage, v.Links
	c.bgp.Deaf(c.spec.Name, !nexthop.Takes(*v, &is))
	if !is.Managed {
		return
	}
	if link, there := links.ByName(is.Device); !there || !link.Admin || link.VXLAN.MAC != is.Router {
		c.need()
	}
}

// deafen says that a VRF without a table takes no packets.
func deafen(bgp BGP, s *vrf.Spec) {
	if s.Carriage.Kind != 0 {
		bgp.Deaf(s.Name, true)
	}
}

// wrote takes in what the kernel confirmed.
func (c *carried) wrote(where rib.Where, changes []rib.Change) {
	if c.core != nil {
		c.core.Wrote(where, changes)
	}
}

// drop has the device removed: the VRF's routes are gone.
func (c *carried) drop() {
	if c.news != nil {
		c.core.Drop(c.spec.Name)
	}
}

func (c *carried) end() {
	if c.stop != nil {
		c.stop()
	}
}

// now is how the VRF's packets get to other PEs, and what is wrong with its device.
func (c *carried) now(v rib.View, pes *nexthop.Endpoints) (vrf.Carried, *nexthop.BadDevice) {
	if c.spec.Carriage.Kind != rib.EncapVXLAN {
		return vrf.Carried{}, nil
	}
	_, bad := nexthop.VXLANDevice(v, &c.spec.Carriage, coreOf(c.core))
	return vrf.Carried{Endpoints: pes.Len(), Device: bad == nil}, bad
}

// withDevice is what keeps a VRF from being ready, with what is wrong with its VXLAN device, and
// the same for who may not know of the core; "": that is the same.
func withDevice(bad *nexthop.BadDevice, trouble string) (reason, toTenant string) {
	if bad == nil {
		return trouble, ""
	}
	if bad.Confined != "" {
		toTenant = besideReason(bad.Confined, trouble)
	}
	return besideReason(bad.Why, trouble), toTenant
}

// encaps are what packets are put into on hops that chosen paths come down to; none: nowhere into
// anything.
func (o onlooker) encaps(links rib.Links, hops []rib.Hop, chosen []rib.Path) (list []rib.EncapTo) {
	for i, h := range hops {
		if overDevice(o.spec, links, h) { // where that leads is not known of a route of an earlier path
			if list == nil {
				list = make([]rib.EncapTo, len(hops))
			}
			list[i].Encap = rib.EncapOf(rib.EncapVXLAN)
		}
	}
	for i := range chosen {
		p := &chosen[i]
		e, _ := o.spec.Carriage.Use(p)
		if e.Kind() != rib.EncapVXLAN {
			continue
		}
		gateway := rib.VTEPGateway(p.Attrs.Nexthop, e.Tunnel().RouterMAC)
		for j, h := range hops {
			if h.Gateway != gateway {
				continue
			}
			if list == nil {
				list = make([]rib.EncapTo, len(hops))
			}
			list[j] = rib.EncapTo{Encap: e, PE: p.Attrs.Nexthop}
		}
	}
	return list
}

// overDevice tells whether a hop is on a VRF's VXLAN device: its gateway stands for a PE.
func overDevice(s vrf.Spec, links rib.Links, h rib.Hop) bool {
	return s.Carriage.Kind == rib.EncapVXLAN && links[h.Ifindex].Name == s.Carriage.Device
}

// overCore tells whether a path is another PE's, which a VRF is to reach by an encapsulation if at
// all.
func overCore(s vrf.Spec, p *rib.Path) bool {
	if p.Attrs == nil {
		return false
	}
	e, why := s.Carriage.Use(p)
	return e != (rib.Encap{}) || why != ""
}

// onlookersCore is a core for who only looks on: what a worker knows of it is known, and nothing
// is asked of it. The core may be nil.
type onlookersCore struct{ of Core }

func (o onlookersCore) PE(addr netip.Addr) (rib.Lead, bool) {
	if o.of == nil {
		return rib.Lead{}, false
	}
	return o.of.PE(addr)
}

func (o onlookersCore) Making(vni uint32) string {
	if o.of == nil {
		return ""
	}
	return o.of.Making(vni)
}

func (onlookersCore) Watch(netip.Addr, int)                   {}
func (onlookersCore) Follow(string) (<-chan struct{}, func()) { return nil, func() {} }
func (onlookersCore) Need(string, rib.Binding, rib.Carriage)  {}
func (onlookersCore) Drop(string)                             {}
func (onlookersCore) Wrote(rib.Where, []rib.Change)           {}

// besideReason is a reason with another one.
func besideReason(reason, more string) string {
	return strings.TrimSuffix(strings.TrimPrefix(reason+"; "+more, "; "), "; ")
}
