package raw

import (
	"encoding/binary"
	"slices"
)

// Every are the capabilities of the families that a router of a provider may have.
var Every = slices.Concat(Family(1, 128), Family(2, 128), Family(25, 70), Family(1, 4), Family(2, 4), Family(1, 133), Family(2, 133), Family(1, 132))

// AddPath is the capability to send and take several paths of IPv4 and IPv6 unicast
// routes (RFC 7911).
var AddPath = Capability(69, 0, 1, 1, 3, 0, 2, 1, 3)

// others are routes of the families of Every, and some that have nearly one's form.
func others(s Speaker) (list [][]byte) {
	hop4, hop6 := s.Nexthop.AsSlice(), s.Nexthop6.AsSlice()
	rd, label := []byte{0, 0, 0xfd, 0xe8, 0, 0, 0, 99}, []byte{0, 1, 1}
	vpn := func(nexthop []byte) []byte { return append(make([]byte, 8), nexthop...) }
	evpn := func(kind byte, parts ...[]byte) []byte {
		body := slices.Concat(append([][]byte{rd}, parts...)...)
		return append([]byte{kind, byte(len(body))}, body...)
	}
	esi, tag := make([]byte, 10), binary.BigEndian.AppendUint32(nil, 100)
	mac := []byte{48, 2, 0, 0, 0, 0, 1}
	targets := Communities(RouteTarget(65000, 99), []byte{6, 0, 1, 0, 0, 0, 0, 1}, []byte{3, 12, 0, 0, 0, 0, 0, 8})
	for _, r := range []struct {
		afi     uint16
		safi    byte
		nexthop []byte
		nlri    []byte
	}{
		{1, 128, vpn(hop4), slices.Concat([]byte{112}, label, rd, []byte{30, 7, 1})},
		{2, 128, vpn(hop6), slices.Concat([]byte{136}, label, rd, []byte{0x20, 1, 0xd, 0xb8, 0x30, 7})},
		{1, 4, hop4, append([]byte{48}, append(label, 30, 8, 1)...)},
		{1, 4, hop4, append([]byte{72}, append([]byte{0, 1, 0, 0, 2, 1}, 30, 8, 2)...)},
		{2, 4, hop6, append([]byte{72}, append(label, 0x20, 1, 0xd, 0xb8, 0x30, 8)...)},
		{25, 70, hop4, evpn(1, esi, tag, label)},
		{25, 70, hop4, evpn(2, esi, tag, mac, []byte{32, 10, 1, 2, 3}, label)},
		{25, 70, hop4, evpn(2, esi, tag, mac, []byte{0}, label)},
		{25, 70, hop4, evpn(3, tag, []byte{32, 10, 0, 0, 9})},
		{25, 70, hop4, evpn(4, esi, []byte{32, 10, 0, 0, 9})},
		{25, 70, hop4, evpn(5, esi, tag, []byte{24, 30, 9, 1, 0, 10, 0, 0, 9}, label)},
		{1, 133, nil, []byte{11, 1, 24, 30, 1, 2, 3, 0x81, 6, 4, 0x81, 80}},
		{2, 133, nil, []byte{9, 1, 32, 0, 0x20, 1, 0xd, 0xb8, 3, 0x81}},
		{1, 132, hop4, []byte{96, 0, 0, 0xfd, 0xe8, 0, 2, 0xfd, 0xe8, 0, 0, 0, 99}},
		{1, 132, hop4, []byte{0}},
	} {
		list = append(list, Update(nil, s.Attrs6(Reach(r.afi, r.safi, r.nexthop, r.nlri), targets), nil), Update(nil, Unreach(r.afi, r.safi, r.nlri), nil))
	}
	return list
}
