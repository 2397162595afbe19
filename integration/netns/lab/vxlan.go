package lab

import (
	"encoding/binary"
	"net"
	"net/netip"

	"golang.org/x/sys/unix"
)

// Carried is a packet in VXLAN that went through a namespace.
type Carried struct {
	From, To netip.Addr // of the VTEPs
	VNI      uint32
	Router   string // the inner destination address
}

// VXLANs counts the packets in VXLAN on an interface.
type VXLANs = Wire[Carried]

// ReadVXLANs starts to read what comes and goes on an interface; it ends with the test.
func ReadVXLANs(n *Namespace, device string) *VXLANs {
	n.lab.T.Helper()
	const port = 4789
	return readWire(n, device, func(kind uint16, p []byte) (Carried, bool) {
		return carriedIn(kind, p, port)
	})
}

// carriedIn is what an IP packet carries to a port of VXLAN (RFC 7348, 5).
func carriedIn(kind uint16, p []byte, port uint16) (c Carried, is bool) {
	outer, is := addressesOf(p)
	if !is {
		return c, false
	}
	var next byte
	var head int
	switch kind {
	case unix.ETH_P_IP:
		next, head = p[9], int(p[0]&15)*4
	case unix.ETH_P_IPV6:
		next, head = p[6], 40
	}
	if next != unix.IPPROTO_UDP || len(p) < head+8+8+14 {
		return c, false
	}
	p = p[head:]
	if binary.BigEndian.Uint16(p[2:]) != port {
		return c, false
	}
	return Carried{outer.From, outer.To, binary.BigEndian.Uint32(p[12:]) >> 8, net.HardwareAddr(p[16:22]).String()}, true
}
