package peer

import (
	"encoding/binary"
	"fmt"
	"net/netip"
)

// family is an address family of BGP (RFC 4760): afi 1 is IPv4 and 2 IPv6, safi 1
// unicast and 128 VPN; 25 and 70 are EVPN, 1 and 132 route targets.
type family struct{ afi, safi byte }

var allFamilies = []family{{1, 1}, {2, 1}, {1, 128}, {2, 128}}

func (c Config) families() []family {
	switch {
	case c.All:
		return allFamilies
	case c.EVPN && c.Targets:
		return []family{{25, 70}, {1, 132}}
	case c.EVPN:
		return []family{{25, 70}}
	case c.VPN:
		return []family{{1, 128}}
	}
	return []family{{1, 1}}
}

// Route is a route with everything that a table's choice can depend on.
type Route struct {
	Prefix         netip.Prefix
	Nexthop        netip.Addr // of the prefix's family
	LocalPref, MED uint32
	Communities    []uint32
	// RD, where it is not 0, makes it a VPN route: <AS of the session>:<RD>, with
	// route targets of the same form.
	RD      uint16
	Targets []uint16
}

func (r Route) family() family {
	f := family{1, 1}
	if r.Prefix.Addr().Is6() {
		f.afi = 2
	}
	if r.RD != 0 {
		f.safi = 128
	}
	return f
}

// Send announces a route, or replaces the one of its RD and prefix.
func (p *Peer) Send(r Route) error {
	f := r.family()
	attrs := []byte{0x40, attrOrigin, 1, 0, 0x40, attrASPath, 0}
	attrs = append(attrs, 0x80, attrMED, 4)
	attrs = binary.BigEndian.AppendUint32(attrs, r.MED)
	attrs = append(attrs, 0x40, attrLocalPref, 4)
	attrs = binary.BigEndian.AppendUint32(attrs, r.LocalPref)
	if n := len(r.Communities); n > 0 {
		attrs = append(attrs, 0xc0, attrCommunities, byte(4*n))
		for _, c := range r.Communities {
			attrs = binary.BigEndian.AppendUint32(attrs, c)
		}
	}
	if n := len(r.Targets); n > 0 {
		attrs = append(attrs, 0xc0, attrExtCommunities, byte(8*n))
		for _, rt := range r.Targets {
			attrs = append(attrs, 0, 2, byte(p.as>>8), byte(p.as), 0, 0, byte(rt>>8), byte(rt))
		}
	}
	nexthop := r.Nexthop.AsSlice()
	if r.RD != 0 { // a VPN nexthop has an RD of zeros in front
		nexthop = append(make([]byte, 8), nexthop...)
	}
	reach := append([]byte{0, f.afi, f.safi, byte(len(nexthop))}, nexthop...)
	reach = append(append(reach, 0), p.nlri(r, [3]byte{0, 1, 1})...) // label 16, bottom of the stack
	attrs = append(attrs, 0x90, attrMPReach)
	attrs = binary.BigEndian.AppendUint16(attrs, uint16(len(reach)))
	return p.sendAttributes(append(attrs, reach...))
}

// Take withdraws the route of r's RD and prefix.
func (p *Peer) Take(r Route) error {
	f := r.family()
	unreach := append([]byte{0, f.afi, f.safi}, p.nlri(r, [3]byte{0x80, 0, 0})...)
	return p.sendAttributes(append([]byte{0x80, attrMPUnreach, byte(len(unreach))}, unreach...))
}

// EndAll says the End-of-RIB of every family of Config.All.
func (p *Peer) EndAll() error {
	for _, f := range allFamilies {
		body := []byte{0x80, attrMPUnreach, 3, 0, f.afi, f.safi}
		if f == (family{1, 1}) {
			body = nil // for IPv4 unicast it is the empty UPDATE
		}
		if err := p.sendAttributes(body); err != nil {
			return fmt.Errorf("send End-of-RIB: %w", err)
		}
	}
	return nil
}

func (p *Peer) sendAttributes(attrs []byte) error {
	body := binary.BigEndian.AppendUint16([]byte{0, 0}, uint16(len(attrs)))
	return p.send(msgUpdate, append(body, attrs...))
}

func (p *Peer) nlri(r Route, label [3]byte) []byte {
	if r.RD == 0 {
		return appendPrefix(nil, r.Prefix)
	}
	b := append([]byte{byte(24 + 64 + r.Prefix.Bits())}, label[:]...)
	b = append(b, 0, 0, byte(p.as>>8), byte(p.as), 0, 0, byte(r.RD>>8), byte(r.RD))
	return append(b, r.Prefix.Addr().AsSlice()[:(r.Prefix.Bits()+7)/8]...)
}
