package rib

import (
	"fmt"
	"net/netip"
)

// Lead is how far the foreign routes of a table lead to a nexthop.
type Lead struct {
	Hops []Hop
	// By is the foreign route that leads there, or that discards or encapsulates what is sent
	// there; nil or the zero Route: none does, or the nexthop is link-local. All who have it of the
	// core share it.
	By  *Route
	Err error // one short sentence about the nexthop, where there are no hops
	// Endpoint is that of a PE by VXLAN; nil: it has none. Reach is how the core is reached there,
	// of a PE.
	Endpoint *Endpoint
	Reach    Reach

	settled bool
}

// Route is By, or the zero Route.
func (l *Lead) Route() Route {
	if l.By == nil {
		return Route{}
	}
	return *l.By
}

// LeadOver is how far the core leads to a PE, by the hops that a VRF has over it: BGP's own routes
// in the VRF have no say in that.
func LeadOver(hops []Hop, core Lead, to *Endpoint) Lead {
	var own []Hop
	for _, h := range hops {
		own = merge(own, h)
	}
	return Lead{Hops: fitted(own), By: core.By, Reach: core.Reach, Endpoint: to, settled: true}
}

// NoLead is that nothing leads to a nexthop, whatever BGP's own routes are.
func NoLead(err error) Lead { return Lead{Err: err, settled: true} }

// direct tells whether a hop leads to everybody on its link.
func (h Hop) direct() bool { return h.Ifindex != 0 && !h.Gateway.IsValid() }

// Settled tells whether BGP's own routes have no say, whatever their length: the nexthop is on
// a link here, or can be none. Else a neighbour on a shared link, that of an exchange say, that
// announces a part of the link's prefix would become the way to the others on it.
func (l *Lead) Settled() bool { return l.settled }

// Outranked tells whether BGP's own route for a prefix that covers the nexthop is used before
// the foreign one: by the longer prefix, as the kernel looks it up, and of one prefix by the
// lower metric.
func (l *Lead) Outranked(own netip.Prefix, metric uint32) bool {
	if by := l.Route(); by.Prefix.IsValid() && by.Prefix.Bits() >= own.Bits() {
		return by.Prefix.Bits() == own.Bits() && metric < by.Metric
	}
	return true
}

// encapError is of a route through which nothing of ours may go.
type encapError struct {
	of   Route
	kind EncapKind
}

func (e *encapError) Error() string {
	return fmt.Sprintf("the route %s encapsulates (encap %s), which routes of ours cannot do", destination(e.of), e.kind)
}

// encapsulates refuses a route of which one of the usable hops has an encapsulation.
func encapsulates(r Route, live []Hop) error {
	for _, h := range live {
		if h.Encap != (Encap{}) {
			return &encapError{r, h.Encap.Kind()}
		}
	}
	return nil
}

// DeviceFault is what keeps a link from being the device by which a VRF's packets are carried.
type DeviceFault uint8

// The faults, the worst first. With one that differs packets would come to another tenant, or
// what comes back would be lost.
const (
	NoDeviceFault   DeviceFault = iota
	DeviceMissing               // there is no link of that name
	DeviceElsewhere             // it does not belong to the VRF
	DeviceNotVXLAN
	DeviceForMany // it is for many VNIs, which packets' metadata say
	DeviceOtherVNI
	DeviceOtherLocal // address
	DeviceOtherPort
	DeviceOtherMAC
	DeviceDown
)

// DeviceFault is the worst of what is wrong with the VXLAN device of a VRF, of which the interfaces
// are members.
func (c *Carriage) DeviceFault(links Links, member func(Link) bool) (Link, DeviceFault) {
	link, is := links.ByName(c.Device)
	x := &link.VXLAN
	switch {
	case !is:
		return link, DeviceMissing
	case !member(link):
		return link, DeviceElsewhere
	case *x == VXLAN{}:
		return link, DeviceNotVXLAN
	case x.VNI == 0:
		return link, DeviceForMany
	case x.VNI != c.VNI:
		return link, DeviceOtherVNI
	case x.Local != c.Core.VTEP:
		return link, DeviceOtherLocal
	case x.Port != c.Core.Port:
		return link, DeviceOtherPort
	case x.MAC != c.Router:
		return link, DeviceOtherMAC
	case !link.Admin:
		return link, DeviceDown
	}
	return link, NoDeviceFault
}
