package rib

import (
	"fmt"
	"net/netip"
)

// Carried says that the routes of a VRF go out to other PEs as IP prefix routes of EVPN, by
// VXLAN (RFC 9136, 4.4.1), and with what. It is comparable.
type Carried struct {
	Source    netip.Addr // of this router in the core: the nexthop of both families
	VNI       uint32
	RouterMAC MAC
}

// String is it as a list of changes names it.
func (c Carried) String() string {
	return fmt.Sprintf("by EVPN with the VNI %d, %s and the nexthop %s", c.VNI, c.RouterMAC, c.Source)
}
