package peer

import (
	"encoding/binary"
	"fmt"
	"maps"
	"net/netip"
)

// vpnUpdate is what an UPDATE says of VPN routes (RFC 4364), and of IP prefix routes of EVPN (RFC
// 9136): by "RD prefix".
type vpnUpdate struct {
	announced, withdrawn []string
	med                  uint32
}

// attribute takes in one path attribute, which has its type's first bytes checked by
// nobody yet.
func (u *vpnUpdate) attribute(kind byte, value []byte) {
	switch {
	case kind == attrMED && len(value) == 4:
		u.med = binary.BigEndian.Uint32(value)
	case kind == attrMPUnreach && len(value) >= 3 && value[2] == 128:
		u.withdrawn = append(u.withdrawn, parseVPN(value[3:], value[1] == 2)...)
	case kind == attrMPReach && len(value) >= 5 && value[2] == 128 && len(value) >= 5+int(value[3]):
		u.announced = append(u.announced, parseVPN(value[5+int(value[3]):], value[1] == 2)...)
	case kind == attrMPUnreach && len(value) >= 3 && value[2] == 70:
		u.withdrawn = append(u.withdrawn, parseEVPN(value[3:])...)
	case kind == attrMPReach && len(value) >= 5 && value[2] == 70 && len(value) >= 5+int(value[3]):
		u.announced = append(u.announced, parseEVPN(value[5+int(value[3]):])...)
	}
}

// parseEVPN reads the IPv4 prefixes in routes of type 5 with an RD of type 0 each.
func parseEVPN(b []byte) (out []string) {
	for len(b) >= 2 && len(b) >= 2+int(b[1]) {
		route := b[2 : 2+int(b[1])]
		if b[0] == 5 && len(route) == 34 && route[22] <= 32 {
			rd, bits := route[:8], int(route[22])
			prefix := netip.PrefixFrom(netip.AddrFrom4([4]byte(route[23:27])), bits)
			out = append(out, fmt.Sprintf("%d:%d %s", binary.BigEndian.Uint16(rd[2:]), binary.BigEndian.Uint32(rd[4:]), prefix))
		}
		b = b[2+int(b[1]):]
	}
	return out
}

// parseVPN reads the NLRI of VPN routes with one label and an RD of type 0 each.
func parseVPN(b []byte, six bool) (out []string) {
	const ahead = 3 + 8 // label, RD
	for len(b) > ahead {
		bits := int(b[0]) - 8*ahead
		size := (bits + 7) / 8
		a := make([]byte, 4)
		if six {
			a = make([]byte, 16)
		}
		if bits < 0 || size > len(a) || len(b) < 1+ahead+size {
			return out
		}
		copy(a, b[1+ahead:1+ahead+size])
		addr, _ := netip.AddrFromSlice(a)
		rd := b[4:12]
		out = append(out, fmt.Sprintf("%d:%d %s", binary.BigEndian.Uint16(rd[2:]), binary.BigEndian.Uint32(rd[4:]), netip.PrefixFrom(addr, bits)))
		b = b[1+ahead+size:]
	}
	return out
}

// heed takes in an update. Its caller holds p.mu.
func (p *Peer) heed(u vpnUpdate) {
	for _, route := range u.withdrawn {
		delete(p.vpn, route)
	}
	for _, route := range u.announced {
		if p.vpn == nil {
			p.vpn = make(map[string]uint32)
		}
		p.vpn[route] = u.med
	}
}

// HeardVPN returns the VPN routes that are announced to us now, "RD prefix", with
// their MED.
func (p *Peer) HeardVPN() map[string]uint32 {
	p.mu.Lock()
	defer p.mu.Unlock()
	return maps.Clone(p.vpn)
}

// graceful is the capability of RFC 4724: a minute to restart, in which all families
// keep forwarding.
func (c Config) graceful() []byte {
	if !c.Graceful {
		return nil
	}
	const restartTime, forwarding = 60, 0x80
	body := []byte{0, restartTime}
	for _, f := range c.families() {
		body = append(body, 0, f.afi, f.safi, forwarding)
	}
	return append([]byte{64, byte(len(body))}, body...)
}
