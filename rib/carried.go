package rib

import (
	"fmt"
	"net/netip"
)

// Carried says how the routes of a VRF go out to other PEs, and with what: by VXLAN as IP prefix
// routes of EVPN (RFC 9136, 4.4.1), by MPLS as VPN routes with a label (RFC 4364; RFC 4659), by
// SRv6 as VPN routes with a SID (RFC 9252). It is comparable.
type Carried struct {
	Kind      EncapKind
	Source    netip.Addr // of this router in the core: the nexthop of both families
	VNI       uint32
	RouterMAC MAC
	Label     uint32
	SRv6      SRv6
}

// Carried is how the routes of a VRF with c go out.
func (c *Carriage) Carried() Carried {
	out := Carried{Kind: c.Kind, Source: c.Core.VTEP, VNI: c.VNI, RouterMAC: c.Router, Label: c.Label, SRv6: c.SRv6}
	if c.Kind == EncapSRv6 {
		out.Source = c.Core.Six
	}
	return out
}

// Numbered tells whether the VRF has what other PEs address its packets by. Without, nothing of it
// goes out.
func (c Carried) Numbered() bool {
	switch c.Kind {
	case EncapMPLS:
		return c.Label >= FirstLabel
	case EncapSRv6:
		return c.SRv6.SID.IsValid()
	}
	return true
}

// Address is what other PEs send packets for the VRF to, for a person.
func (c Carried) Address() string {
	return (&Carriage{Kind: c.Kind, VNI: c.VNI, Label: c.Label, SRv6: c.SRv6}).Address()
}

// ByNumberOf is c with the label or the SIDs of o.
func (c Carried) ByNumberOf(o Carried) Carried {
	c.Label, c.SRv6.SID, c.SRv6.SID6 = o.Label, o.SRv6.SID, o.SRv6.SID6
	return c
}

// String is it as a list of changes names it.
func (c Carried) String() string {
	switch c.Kind {
	case EncapMPLS:
		return fmt.Sprintf("by MPLS with the label %d and the nexthop %s", c.Label, c.Source)
	case EncapSRv6:
		sids := fmt.Sprintf("the SID %s", c.SRv6.SID)
		if c.SRv6.SID6.IsValid() {
			sids = fmt.Sprintf("the SIDs %s and %s", c.SRv6.SID, c.SRv6.SID6)
		}
		if c.SRv6.Transpose {
			sids += ", transposed"
		}
		return fmt.Sprintf("by SRv6 with %s and the nexthop %s", sids, c.Source)
	}
	return fmt.Sprintf("by EVPN with the VNI %d, %s and the nexthop %s", c.VNI, c.RouterMAC, c.Source)
}

// ByEVPN tells whether they go out as routes of EVPN, and not as VPN routes.
func (c Carried) ByEVPN() bool { return c.Kind != EncapMPLS && c.Kind != EncapSRv6 }

// Arrival is how packets of other PEs come into a VRF.
type Arrival struct {
	// Why is why they do not come by the label or SIDs that are configured now, as one short sentence;
	// "": they do, or it has none.
	Why string
	// Meanwhile is by what they come in until they do: what the VRF had before; the zero one: by nothing.
	Meanwhile Carried
	// Moves says that the VRF is on its way from what it had before, and nothing is known to be in the way.
	Moves bool
}
