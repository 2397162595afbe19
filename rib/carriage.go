package rib

import (
	"fmt"
	"hash/fnv"
	"net/netip"
	"path"
	"slices"
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
	Label   uint32 // of EncapMPLS: what other PEs put before packets for this VRF
	// Awaits is why there is no label or SID, as one short sentence; "": there is, or it was not
	// looked for. Until there is one nothing of the VRF goes out.
	Awaits string
	SRv6   SRv6 // of EncapSRv6
	// Through is how packets get from the VRF's own table to the one that encapsulates them, which
	// is that of another Spec; the zero one: the own table does.
	Through Through
}

// MadeDevice is the device of the VRF that is made here where c is Managed.
func (c *Carriage) MadeDevice() string {
	if c.Kind == EncapSRv6 {
		return c.Through.Device
	}
	return c.Device
}

// SRv6 is how a VRF is carried by SRv6.
type SRv6 struct {
	SID     netip.Addr // for which other PEs send packets of both families, or of IPv4 where SID6 is valid
	SID6    netip.Addr // for those of IPv6; invalid: SID serves
	Locator netip.Prefix
	Reduced bool // packets have no segment routing header
	// Transpose has a SID's function announced in the label (RFC 9252, 4).
	Transpose bool
	// Trusted says that the tenant may send packets to any SID, because nothing keeps it from
	// that.
	Trusted bool
	// Link is, of a trusted namespace, the core's end of a veth by which what its own table
	// encapsulates goes into the core, and packets for its SIDs come.
	Link string
	// BlockBits are those of the locator that all routers of the domain have in common, and
	// FunctionBits those of a SID behind the locator (RFC 8986, 3.1).
	BlockBits, FunctionBits uint8
}

// Through is a way from the table of a VRF to one in the core's namespace.
type Through struct {
	// Device is an interface of the VRF's namespace that a packet only has to leave by: the second
	// VRF device of SRv6.
	Device string
	// Link is the core's end of a veth to the VRF's namespace; the VRF's own end, and the addresses
	// of both, are found by it.
	Link string
	// To is the table there, which encapsulates.
	To Binding
}

// Core is the network between PEs as this router has it.
type Core struct {
	Netns string     // as a Binding has it: the daemon's own is ""
	VTEP  netip.Addr // this router's address there, which it announces as nexthop
	Six   netip.Addr // its IPv6 address there, which it announces by SRv6; invalid: it has none
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

// Overhead is how many bytes SRv6 puts around a packet: an IPv6 header, and a segment routing header
// with one SID (RFC 8754, 2).
func (s *SRv6) Overhead() uint32 {
	if s.Reduced {
		return 40
	}
	return 64
}

// UnderlayMTU is the smallest MTU of the interfaces to other PEs: what is larger would be cut, or
// lost. Where patterns name none that is there, it is that of Ethernet.
func UnderlayMTU(links Links, patterns []string) uint32 {
	const ethernet = 1500
	least := uint32(0)
	for _, l := range links {
		between := slices.ContainsFunc(patterns, func(pattern string) bool {
			is, _ := path.Match(pattern, l.Name) // config has looked at the patterns
			return is
		})
		if !l.Loopback && l.MTU != 0 && between && (least == 0 || l.MTU < least) {
			least = l.MTU
		}
	}
	if least == 0 {
		return ethernet
	}
	return least
}

// Use is why a VRF with c can do nothing with a path that another PE sent, as one short sentence;
// "": it can, and puts packets into e, which is none where it forwards plainly.
func (c *Carriage) Use(p *Path) (e Encap, why string) {
	carrier := p.Attrs.Carrier
	switch {
	case carrier == NotCarried, carrier == ByVPN && c.Kind == 0:
		return Encap{}, ""
	case carrier == ByEVPN && c.Kind == 0:
		return Encap{}, `it came by EVPN, and this VRF has no encap; write encap = "vxlan" and its vni`
	case carrier == ByEVPN && c.Kind != EncapVXLAN:
		return Encap{}, "it came by EVPN, and this VRF's encap is " + c.Kind.Word()
	case carrier == ByVPN && c.Kind == EncapVXLAN:
		return Encap{}, "it came as a VPN route with " + p.Attrs.service() + ", and this VRF's encap is " + c.Kind.Word()
	}
	e, why = p.Encap(c.Kind)
	if why == "" && c.Kind == EncapSRv6 && c.SRv6.Reduced {
		e = BySRv6(e.Tunnel().SID, true)
	}
	return e, why
}

// Address is what other PEs send packets for the VRF to, for a person.
func (c *Carriage) Address() string {
	switch c.Kind {
	case EncapMPLS:
		return fmt.Sprintf("label %d", c.Label)
	case EncapSRv6:
		if c.SRv6.SID6.IsValid() {
			return fmt.Sprintf("SIDs %s and, for IPv6, %s", c.SRv6.SID, c.SRv6.SID6)
		}
		return fmt.Sprintf("SID %s", c.SRv6.SID)
	}
	return fmt.Sprintf("VNI %d", c.VNI)
}

// SameWay tells whether packets get to other PEs, and theirs here, as with o but for the label or the
// SIDs, which may be other ones. Two SIDs in the place of one that stays, or one in that of two, do
// otherwise than before what they did.
func (c *Carriage) SameWay(o *Carriage) bool {
	a, b := *c, *o
	if a.SRv6.SID.IsValid() && b.SRv6.SID.IsValid() && a.SRv6.SID6.IsValid() != b.SRv6.SID6.IsValid() {
		return false
	}
	for _, x := range []*Carriage{&a, &b} {
		x.Label, x.Awaits = 0, ""
		x.SRv6.SID, x.SRv6.SID6 = netip.Addr{}, netip.Addr{}
	}
	return a == b
}

// String is c for a person.
func (c Carriage) String() string {
	switch c.Kind {
	case 0:
		return "none"
	case EncapVXLAN:
		return fmt.Sprintf("%s %d, device %s, router MAC %s, from %s", c.Kind, c.VNI, c.Device, c.Router, c.Core.VTEP)
	}
	s := c.Kind.Word() + ", " + c.Address()
	if c.Through.To != (Binding{}) {
		s += ", by the table of " + c.Through.To.String()
	}
	return s
}
