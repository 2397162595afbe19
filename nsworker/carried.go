package nsworker

import (
	"net/netip"

	"github.com/vrfredist/vrfredist/nsworker/nexthop"
	"github.com/vrfredist/vrfredist/rib"
	"github.com/vrfredist/vrfredist/vrf"
)

// Core is the network between PEs, as a worker needs it. It is safe for concurrent use, and
// waits for nothing.
type Core interface {
	nexthop.Core
	// Follow signals news whenever what PE or Making says has changed, until stop.
	Follow() (news <-chan struct{}, stop func())
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
	c.news, c.stop = c.core.Follow()
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

// encaps are what packets are put into on hops that chosen paths come down to; none: nowhere into
// anything.
func (o onlooker) encaps(hops []rib.Hop, chosen []rib.Path) (list []rib.EncapTo) {
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

func (onlookersCore) Watch(netip.Addr, int)                  {}
func (onlookersCore) Follow() (<-chan struct{}, func())      { return nil, func() {} }
func (onlookersCore) Need(string, rib.Binding, rib.Carriage) {}
func (onlookersCore) Drop(string)                            {}
func (onlookersCore) Wrote(rib.Where, []rib.Change)          {}
