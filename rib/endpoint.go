package rib

import (
	"encoding/binary"
	"hash/fnv"
	"net/netip"
)

// Endpoint is another PE as a VRF reaches it by VXLAN: the neighbour entry of Gateway on the
// VRF's device, and the device's forwarding entry for its MAC address. Routes and nexthop
// objects have Gateway, in both families. As read, VTEP is invalid where there is no forwarding
// entry.
type Endpoint struct {
	Ifindex int // of the VXLAN device
	Gateway netip.Addr
	MAC     MAC
	VTEP    netip.Addr // the PE's address in the core
	VNI     uint32     // 0: that of the device
}

// VTEPGateway is the link-local address that stands for a router at a VTEP: the kernel takes
// one for a gateway of both families, and it needs none of the tenant's addresses. It is made of
// the VTEP's address, or of its hash where that is of IPv6, and of the last four bytes of the
// MAC address: two routers at one VTEP are told apart, and it is the same after a restart.
func VTEPGateway(vtep netip.Addr, router MAC) netip.Addr {
	a := [16]byte{0: 0xfe, 1: 0x80}
	if vtep = vtep.Unmap(); vtep.Is4() {
		four := vtep.As4()
		copy(a[8:], four[:])
	} else {
		six, h := vtep.As16(), fnv.New32a()
		_, _ = h.Write(six[:]) // a hash takes everything
		binary.BigEndian.PutUint32(a[8:], h.Sum32())
	}
	copy(a[12:], router[2:])
	return netip.AddrFrom16(a)
}

// IsVTEPGateway tells whether an address is made as VTEPGateway makes one for a router.
func IsVTEPGateway(addr netip.Addr, router MAC) bool {
	a := addr.As16()
	return addr.Is6() && [8]byte(a[:8]) == [8]byte{0: 0xfe, 1: 0x80} && [4]byte(a[12:]) == [4]byte(router[2:])
}

// VXLAN is how a VXLAN device is made. The zero one is of a link that is none.
type VXLAN struct {
	VNI      uint32 // 0: it is none, or one for many VNIs (collect metadata)
	Local    netip.Addr
	Port     uint16
	Learning bool
	MAC      MAC // of the device, which other routers have as the inner destination
	MTU      uint32
	// Underlay is the kernel's number, in the namespace of the link, of the namespace whose
	// tables its packets go by (IFLA_LINK_NETNSID); -1: its own.
	Underlay int32
	// Alias is what the link is marked with (IFLA_IFALIAS).
	Alias string
}
