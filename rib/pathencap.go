package rib

import (
	"fmt"
	"net/netip"
)

// Encap is what a packet for a path that another PE sent is to be put into by an encapsulation, as
// its sender says. why is one short sentence where nothing can be made of that, or the path says of
// none of that kind; both are empty for a path that is not carried.
func (p *Path) Encap(by EncapKind) (e Encap, why string) {
	switch carrier := p.Attrs.Carrier; {
	case carrier == ByEVPN:
		return p.byVXLAN()
	case carrier == ByVPN && by == EncapMPLS:
		return p.byMPLS()
	case carrier == ByVPN && by == EncapSRv6:
		return p.bySRv6()
	}
	return Encap{}, ""
}

func (p *Path) byVXLAN() (e Encap, why string) {
	a := p.Attrs
	switch {
	case a.EncapKind != EncapVXLAN:
		return Encap{}, fmt.Sprintf("it came by EVPN for another encapsulation than VXLAN (%s)", a.EncapKind)
	case !a.RouterMAC.Unicast():
		return Encap{}, "it came by EVPN without its router's MAC address (RFC 9135, 5.1)"
	case p.Label == 0 || p.Label > MaxVNI:
		return Encap{}, fmt.Sprintf("it came by EVPN with the VNI %d, which is none", p.Label)
	}
	return ByVXLAN(p.Label, a.RouterMAC), ""
}

// byMPLS puts packets behind the path's label. A path may have a SID beside it, for routers that use
// those, as long as the label is no part of it.
func (p *Path) byMPLS() (e Encap, why string) {
	switch a := p.Attrs; {
	case a.SIDFault != NoSIDFault, a.SID.IsValid() && (a.SIDBits != 0 || p.Label < FirstLabel):
		return Encap{}, "it came as a VPN route with an SRv6 SID and no label of its own, and this VRF's encap is mpls"
	case p.Label == 0:
		return Encap{}, "it came as a VPN route without an MPLS label"
	case p.Label < FirstLabel:
		return Encap{}, fmt.Sprintf("it came as a VPN route with the label %d, which means the same to every router and names no VRF (RFC 3032, 2.1)", p.Label)
	case p.Label > MaxLabel:
		return Encap{}, fmt.Sprintf("it came as a VPN route with the label %d, and a label has 20 bits", p.Label)
	}
	return ByMPLS(LabelStack(p.Label)), ""
}

func (p *Path) bySRv6() (e Encap, why string) {
	if p.Attrs.SIDFault != NoSIDFault {
		return Encap{}, p.Attrs.SIDFault.String()
	}
	if !p.Attrs.SID.IsValid() {
		return Encap{}, "it came as a VPN route with " + p.Attrs.service() + " and no SRv6 SID, and this VRF's encap is srv6"
	}
	sid, why := p.sid()
	if why != "" {
		return Encap{}, why
	}
	return BySRv6(sid, false), ""
}

// labelBits is how many bits the label of a VPN route has (RFC 8277, 2.2).
const labelBits = 20

// sid is the whole SID of a VPN route: bit k of what is transposed is bit 19-k of its label, as
// they are counted from the highest bit of the SID and the lowest of the label (RFC 9252, 4).
func (p *Path) sid() (sid netip.Addr, why string) {
	a := p.Attrs
	from, bits := int(a.SIDFrom), int(a.SIDBits)
	b := a.SID.As16()
	switch {
	case !a.SID.Is6() || a.SID.Is4In6():
		return netip.Addr{}, fmt.Sprintf("it came with the SRv6 SID %s, which is no IPv6 address", a.SID)
	case bits > labelBits:
		return netip.Addr{}, fmt.Sprintf("it came with an SRv6 SID of which %d bits are in the label, which has %d (RFC 9252, 4)", bits, labelBits)
	case bits > 0 && from+bits > 8*len(b):
		return netip.Addr{}, fmt.Sprintf("it came with an SRv6 SID of which the bits %d to %d are in the label, and a SID has %d (RFC 9252, 4)", from, from+bits-1, 8*len(b))
	case p.Label > MaxLabel:
		return netip.Addr{}, fmt.Sprintf("it came as a VPN route with the label %d, and a label has 20 bits", p.Label)
	}
	for k := range bits {
		at, bit := (from+k)/8, byte(0x80)>>((from+k)%8)
		b[at] &^= bit
		if p.Label>>(labelBits-1-k)&1 != 0 {
			b[at] |= bit
		}
	}
	switch sid = netip.AddrFrom16(b); {
	case sid.IsUnspecified(), sid.IsMulticast(), sid.IsLoopback(), sid.IsLinkLocalUnicast(), sid.Is4In6():
		return netip.Addr{}, fmt.Sprintf("it came with the SRv6 SID %s, to which no packet can be sent", sid)
	}
	return sid, ""
}

// service is what a VPN route says of how packets for it are told apart, for a person.
func (v *Via) service() string {
	if v.SID.IsValid() || v.SIDFault != NoSIDFault {
		return "an SRv6 SID"
	}
	return "an MPLS label"
}
