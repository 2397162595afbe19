package peer

import (
	"bufio"
	"encoding/binary"
	"io"
	"net/netip"

	"github.com/vrfredist/vrfredist/bench/prefixes"
)

// Tenant is how an iBGP neighbour announces a tenant's table: with an RD and one route target
// that are both AS:Number, as VPN routes, or with a MAC address as IP prefix routes of EVPN.
// What a VPN route goes into on its way to the PE is its label, or with a SID that.
type Tenant struct {
	AS, Number uint16
	Nexthop    netip.Addr // the PE
	MAC        [6]byte    // of the PE's router for this tenant; zero: VPN routes (RFC 4364)
	VNI        uint32     // on the wire to that router
	Label      uint32     // of VPN routes; 0: the first that is nobody's by itself
	SID        netip.Addr // of VPN routes by SRv6 (RFC 9252); its behaviour is End.DT46
}

func (o Tenant) evpn() bool { return o.MAC != [6]byte{} }

// attributes are those of an UPDATE that announces IPv4 prefixes of the tenant.
func (o Tenant) attributes(path []uint32, table []netip.Prefix) []byte {
	as := []byte{}
	for _, number := range path {
		as = binary.BigEndian.AppendUint32(as, number)
	}
	attrs := []byte{0x40, attrOrigin, 1, 0, 0x40, attrASPath, 0}
	if len(path) > 0 {
		const sequence = 2 // AS_SEQUENCE
		attrs = append(append(attrs[:len(attrs)-1], byte(2+len(as)), sequence, byte(len(path))), as...)
	}
	attrs = append(attrs, 0x40, attrLocalPref, 4, 0, 0, 0, 100)
	communities := append([]byte{0, 2}, o.administrated()...)
	reach := append([]byte{0, 1, 128, 12, 0, 0, 0, 0, 0, 0, 0, 0}, o.Nexthop.AsSlice()...)
	if o.evpn() {
		communities = append(communities, 3, 0x0c, 0, 0, 0, 0, 0, 8) // VXLAN (RFC 9012, 4.1)
		communities = append(append(communities, 6, 3), o.MAC[:]...) // the router's MAC (RFC 9135, 8.1)
		reach = append([]byte{0, 25, 70, 4}, o.Nexthop.AsSlice()...)
	}
	reach = append(reach, 0)
	for _, prefix := range table {
		reach = o.nlri(reach, prefix)
	}
	attrs = append(attrs, 0xc0, attrExtCommunities, byte(len(communities)))
	attrs = binary.BigEndian.AppendUint16(append(append(attrs, communities...), 0x90, attrMPReach), uint16(len(reach)))
	return append(append(attrs, reach...), o.prefixSID()...)
}

// prefixSID is the attribute with the SID, untransposed (RFC 9252, 2 and 3.1); none: nothing.
func (o Tenant) prefixSID() []byte {
	if !o.SID.IsValid() {
		return nil
	}
	const l3Service, information, endDT46 = 5, 1, 20
	info := append(append([]byte{0}, o.SID.AsSlice()...), 0, 0, endDT46, 0)
	service := append([]byte{0, information, 0, byte(len(info))}, info...)
	return append([]byte{0xc0, attrPrefixSID, byte(3 + len(service)), l3Service, 0, byte(len(service))}, service...)
}

// label is that of its VPN routes, with the bottom of the stack (RFC 3032); by SRv6 it says
// nothing (RFC 9252, 4: implicit null).
func (o Tenant) label() []byte {
	const implicitNull, first = 3, 16
	n := max(o.Label, first)
	if o.SID.IsValid() {
		n = implicitNull
	}
	n = n<<4 | 1
	return []byte{byte(n >> 16), byte(n >> 8), byte(n)}
}

// administrated is AS:Number as an RD of type 0 and a route target have it.
func (o Tenant) administrated() []byte {
	return []byte{byte(o.AS >> 8), byte(o.AS), 0, 0, byte(o.Number >> 8), byte(o.Number)}
}

// nlri appends a prefix with its RD: of EVPN as a route of type 5 (RFC 9136, 3.1), without
// segment and tag and gateway.
func (o Tenant) nlri(b []byte, prefix netip.Prefix) []byte {
	rd := append([]byte{0, 0}, o.administrated()...)
	if !o.evpn() {
		b = append(append(append(b, byte(24+64+prefix.Bits())), o.label()...), rd...)
		return append(b, prefix.Addr().AsSlice()[:(prefix.Bits()+7)/8]...)
	}
	const ipPrefix, length = 5, 8 + 10 + 4 + 1 + 4 + 4 + 3
	b = append(append(b, ipPrefix, length), rd...)
	b = append(append(b, make([]byte, 10+4)...), byte(prefix.Bits()))
	b = append(append(b, prefix.Masked().Addr().AsSlice()...), 0, 0, 0, 0)
	return append(b, byte(o.VNI>>16), byte(o.VNI>>8), byte(o.VNI))
}

// Announce has a peer announce IPv4 prefixes of the tenant, as many as one UPDATE has room for.
func (o Tenant) Announce(p *Peer, table []netip.Prefix) error {
	return p.sendAttributes(o.attributes(nil, table))
}

// WriteStream writes all UPDATEs that announce a table of a tenant, and its End-of-RIB.
func (o Tenant) WriteStream(w io.Writer, table []netip.Prefix) error {
	out := bufio.NewWriterSize(w, 1<<20)
	update := func(attrs []byte) error {
		body := binary.BigEndian.AppendUint16([]byte{0, 0}, uint16(len(attrs)))
		_, err := out.Write(message(msgUpdate, append(body, attrs...)))
		return err
	}
	for path, run := range prefixes.Runs(table) {
		if err := update(o.attributes(path[:], run)); err != nil {
			return err
		}
	}
	if err := update(o.end()); err != nil {
		return err
	}
	return out.Flush()
}

// end is the attribute of an End-of-RIB (RFC 4724, 2).
func (o Tenant) end() []byte {
	if o.evpn() {
		return []byte{0x80, attrMPUnreach, 3, 0, 25, 70}
	}
	return []byte{0x80, attrMPUnreach, 3, 0, 1, 128}
}

// End has a peer say the End-of-RIB of the tenant's family.
func (o Tenant) End(p *Peer) error { return p.sendAttributes(o.end()) }

// Join has a peer send the memberships (RFC 4684, 4) of so many route targets, AS:1 and on, as a
// reflector does, and the End-of-RIB of that family.
func Join(p *Peer, targets int) error {
	const atOnce = 200
	for from := 1; from <= targets; from += atOnce {
		reach := append([]byte{0, 1, 132, 4}, 192, 0, 2, 1, 0)
		for number := from; number < min(from+atOnce, targets+1); number++ {
			reach = append(reach, 96, 0, 0, byte(p.as>>8), byte(p.as), 0, 2)
			reach = append(reach, Tenant{AS: p.as, Number: uint16(number)}.administrated()...)
		}
		attrs := []byte{0x40, attrOrigin, 1, 0, 0x40, attrASPath, 0, 0x40, attrLocalPref, 4, 0, 0, 0, 100, 0x90, attrMPReach}
		if err := p.sendAttributes(append(binary.BigEndian.AppendUint16(attrs, uint16(len(reach))), reach...)); err != nil {
			return err
		}
	}
	return p.sendAttributes([]byte{0x80, attrMPUnreach, 3, 0, 1, 132})
}
