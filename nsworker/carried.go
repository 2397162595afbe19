package nsworker

import (
	"cmp"
	"errors"
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
	// Need has made what the VRF needs in the core, where that is to be made here: its device,
	// and its label or SIDs, by which packets are delivered inside. Drop has it removed. Of another
	// label or SID what the VRF had before stays, until Told.
	Need(vrf string, in rib.Binding, c rib.Carriage, at rib.Inside)
	Drop(vrf string)
	// Told says by what other PEs have been told to send to the VRF; the zero one: by nothing.
	Told(vrf string, by rib.Carried)
	// Entrance is how packets come in by the VRF's label or SIDs. Follow's news tell when that changes.
	Entrance(vrf string) rib.Arrival
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
	core   Core // nil: there is none
	spec   *vrf.Spec
	bgp    BGP
	news   <-chan struct{} // nil: nothing is carried
	stop   func()
	inside rib.Inside   // where packets of other PEs are delivered, as the core was told
	asked  rib.Carriage // what it was asked for
}

// begin has what the VRF needs in the core looked after, and follows the core.
func (c *carried) begin() {
	if c.core == nil || c.spec.Carriage.Kind == 0 {
		return
	}
	c.news, c.stop = c.core.Follow(c.spec.Name)
	c.need()
}

// takes tells whether packets of other PEs come in here: a further table only sends some.
func (c *carried) takes() bool { return c.news != nil && !c.spec.Encapsulates() }

// need has what the VRF needs in the core looked after.
func (c *carried) need() {
	if c.takes() {
		c.asked = c.spec.Carriage
		c.core.Need(c.spec.Name, c.spec.Binding, c.spec.Carriage, c.inside)
	}
}

// looks takes in the configuration and the interfaces of now, and what the core says: a device may be
// missed, packets may have to be delivered elsewhere, and by another label or SID.
func (c *carried) looks(v *rib.View) {
	if !c.takes() {
		return
	}
	inside, bad := c.insideOf(v)
	if bad != nil {
		inside = rib.Inside{}
	}
	if missed := c.misses(v); missed || inside != c.inside || c.spec.Carriage != c.asked {
		c.inside = inside
		c.need()
	}
	by := rib.Carried{}
	if bad == nil {
		by = c.by()
	}
	core, name := c.core, c.spec.Name
	c.bgp.Takes(name, by, func() { core.Told(name, by) })
}

// by is how packets of other PEs come in; the zero one: they do not.
func (c *carried) by() rib.Carried {
	if a := c.core.Entrance(c.spec.Name); a.Why != "" {
		return a.Meanwhile
	}
	return c.spec.Carriage.Carried()
}

// moves tells whether the VRF is on its way to another label or SID.
func (c *carried) moves() bool { return c.takes() && c.core.Entrance(c.spec.Name).Moves }

func (c *carried) insideOf(v *rib.View) (rib.Inside, *nexthop.BadDevice) {
	return nexthop.InsideOf(*v, c.spec.Binding.Netns, &c.spec.Carriage, coreOf(c.core))
}

// misses tells whether a device that is made here is not there as it has to be.
func (c *carried) misses(v *rib.View) bool {
	is := &c.spec.Carriage
	if !is.Managed {
		return false
	}
	link, there := v.Links.ByName(madeDevice(is))
	return !there || !link.Admin || is.Kind == rib.EncapVXLAN && link.VXLAN.MAC != is.Router
}

// madeDevice is the device of a VRF that is made here, where one is.
func madeDevice(c *rib.Carriage) string { return cmp.Or(c.Device, c.Through.Device) }

// deafen says that a VRF without a table takes no packets.
func deafen(bgp BGP, s *vrf.Spec) {
	if s.Carriage.Kind != 0 && !s.Encapsulates() {
		bgp.Takes(s.Name, rib.Carried{}, func() {})
	}
}

// wrote takes in what the kernel confirmed.
func (c *carried) wrote(where rib.Where, changes []rib.Change) {
	if c.core != nil {
		c.core.Wrote(where, changes)
	}
}

// drop has what the VRF has in the core removed: its routes are gone.
func (c *carried) drop() {
	if c.takes() {
		c.core.Drop(c.spec.Name)
	}
}

func (c *carried) end() {
	if c.stop != nil {
		c.stop()
	}
}

// now is how the VRF's packets get to other PEs, and what is wrong with that whatever PE it is.
func (c *carried) now(v rib.View, pes *nexthop.Endpoints) (vrf.Carried, *nexthop.BadDevice) {
	if c.spec.Carriage.Kind == 0 {
		return vrf.Carried{}, nil
	}
	_, bad := nexthop.ExitOf(v, c.spec.Binding.Netns, &c.spec.Carriage, coreOf(c.core))
	if bad == nil && !c.spec.Encapsulates() {
		bad = c.noEntrance(&v)
	}
	return vrf.Carried{Endpoints: pes.Len(), Device: bad == nil}, bad
}

// noEntrance is why packets of other PEs do not come in.
func (c *carried) noEntrance(v *rib.View) *nexthop.BadDevice {
	if _, bad := c.insideOf(v); bad != nil || c.core == nil {
		return bad
	}
	a := c.core.Entrance(c.spec.Name)
	switch {
	case a.Why == "":
		return nil
	case a.Meanwhile != rib.Carried{}:
		before := "; until it does, other PEs send by the " + a.Meanwhile.Address() + " of before"
		return &nexthop.BadDevice{Why: a.Why + before, Confined: "its new " + c.spec.Carriage.Address() + " cannot be had yet" + before}
	}
	return &nexthop.BadDevice{Why: a.Why, Confined: "other PEs cannot send to this VRF now"}
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

func (o onlookersCore) Link(name string) (rib.CoreLink, error) {
	if o.of == nil {
		return rib.CoreLink{}, errors.New("there is no core")
	}
	return o.of.Link(name)
}
func (onlookersCore) Watch(netip.Addr, int)                              {}
func (onlookersCore) Follow(string) (<-chan struct{}, func())            { return nil, func() {} }
func (onlookersCore) Need(string, rib.Binding, rib.Carriage, rib.Inside) {}

func (onlookersCore) Drop(string)                   {}
func (onlookersCore) Told(string, rib.Carried)      {}
func (onlookersCore) Entrance(string) rib.Arrival   { return rib.Arrival{} }
func (onlookersCore) Wrote(rib.Where, []rib.Change) {}

// besideReason is a reason with another one.
func besideReason(reason, more string) string {
	return strings.TrimSuffix(strings.TrimPrefix(reason+"; "+more, "; "), "; ")
}
