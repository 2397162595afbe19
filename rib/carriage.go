package rib

import (
	"fmt"
	"hash/fnv"
	"net/netip"
)

// Carriage is how packets of a VRF get to other PEs, and theirs here: by one encapsulation over
// the core. The zero one is none: what other PEs announce is forwarded plainly, where the VRF's
// own table leads there. Two are compared with ==.
type Carriage struct {
	Kind EncapKind
	Core Core
	// Of EncapVXLAN: what this router announces, and the VRF's device.
	VNI    uint32
	Router MAC
	Device string // in the VRF's own namespace
	// Managed says that the device is made by this daemon, and removed with the VRF.
	Managed bool
}

// Core is the network between PEs as this router has it.
type Core struct {
	Netns string     // as a Binding has it: the daemon's own is ""
	VTEP  netip.Addr // this router's address there, which it announces as nexthop
	Port  uint16     // of VXLAN
}

// Binding is where the core's routes are.
func (c Core) Binding() Binding { return Binding{Netns: c.Netns} }

// RouterMAC makes the MAC address of this router for a VRF: the same after every restart, with
// the bit set that says that no manufacturer gave it (IEEE 802, 8.4).
func RouterMAC(routerID, vrf string) MAC {
	h := fnv.New64a()
	_, _ = h.Write([]byte(routerID + "\x00" + vrf)) // a hash takes everything
	sum := h.Sum(nil)
	return MAC{0x02, sum[3], sum[4], sum[5], sum[6], sum[7]}
}

// VXLANOverhead is how many bytes VXLAN puts around an inner Ethernet packet's payload: outer IP,
// UDP, VXLAN and the inner Ethernet header.
func VXLANOverhead(vtep netip.Addr) uint32 {
	if vtep.Is4() {
		return 50
	}
	return 70
}

// Use is why a VRF with c can do nothing with a path that another PE sent, as one short sentence;
// "": it can, and puts packets into e, which is none where it forwards plainly.
func (c *Carriage) Use(p *Path) (e Encap, why string) {
	switch carrier := p.Attrs.Carrier; {
	case carrier == NotCarried, carrier == ByVPN && c.Kind == 0:
		return Encap{}, ""
	case carrier == ByVPN:
		return Encap{}, "it came as a VPN route with an MPLS label, and this VRF's encap is " + c.Kind.String()
	case c.Kind != EncapVXLAN:
		return Encap{}, `it came by EVPN, and this VRF has no encap; write encap = "vxlan" and its vni`
	}
	return p.Encap()
}

// String is c for a person.
func (c Carriage) String() string {
	if c.Kind == 0 {
		return "none"
	}
	return fmt.Sprintf("%s %d, device %s, router MAC %s, from %s", c.Kind, c.VNI, c.Device, c.Router, c.Core.VTEP)
}

// Encap is what a packet for the path is to be put into, as its sender says. why is one short
// sentence where nothing can be made of that, or the path says of none; it is empty for a path
// that is not carried.
func (p *Path) Encap() (e Encap, why string) {
	a := p.Attrs
	switch {
	case a.Carrier != ByEVPN:
		return Encap{}, ""
	case a.EncapKind != EncapVXLAN:
		return Encap{}, fmt.Sprintf("it came by EVPN for another encapsulation than VXLAN (%s)", a.EncapKind)
	case !a.RouterMAC.Unicast():
		return Encap{}, "it came by EVPN without its router's MAC address (RFC 9135, 5.1)"
	case p.Label == 0 || p.Label > MaxVNI:
		return Encap{}, fmt.Sprintf("it came by EVPN with the VNI %d, which is none", p.Label)
	}
	return ByVXLAN(p.Label, a.RouterMAC), ""
}
