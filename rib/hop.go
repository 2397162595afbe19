package rib

import (
	"encoding/binary"
	"math"
	"net/netip"
)

// Hop is one way out: a resolved nexthop as the kernel knows it. Two are compared by
// Equal and SameWay, not with ==, which takes what the kernel reports for a difference.
type Hop struct {
	Gateway netip.Addr // invalid where the destination is on the link itself; never has a zone
	Ifindex int        // of the output interface, in the VRF's namespace
	// Encap is what a packet is put into on this way, by the kernel (RTA_ENCAP, NHA_ENCAP). Of a
	// hop over a VXLAN device it is none: its gateway says it all (Endpoint).
	Encap  Encap
	Weight uint16 // 1 to MaxWeight where it is ours; 0 is read as 1
	OnLink bool   // RTNH_F_ONLINK: the kernel is not to ask the table whether the gateway is on the link
	Dead   bool   // as read: the kernel does not forward there (RTNH_F_DEAD); never written
}

// MaxWeight is the largest weight that every kernel takes everywhere: that of a route's hop
// may be 256, that of a member of a nexthop object's group 255, and 65535 since Linux 6.12
// (nh_check_attr_group), which other programs' objects have.
const MaxWeight = 255

// Equal tells whether the kernel would hold a and b as the same nexthop: gateway,
// interface, encapsulation and RTNH_F_ONLINK. Weight belongs to a hop's place among
// others, and Dead is the kernel's word on it: neither counts.
func (h Hop) Equal(o Hop) bool { return h.SameWay(o) && h.OnLink == o.OnLink }

// SameWay is Equal without OnLink, which only says whether the kernel checks the gateway
// against the table. One route cannot hold two such hops: IPv6 tells the hops of a route
// apart by gateway, interface and encapsulation alone (rt6_duplicate_nexthop), and refuses
// the second.
func (h Hop) SameWay(o Hop) bool {
	return h.Gateway == o.Gateway && h.Ifindex == o.Ifindex && h.Encap == o.Encap
}

// AppendKey appends what two hops differ in where they are not Equal, and the same bytes
// where they are. The ids of nexthop objects are made of it, and outlive the daemon: what
// a hop has today must not get other bytes.
func (h Hop) AppendKey(b []byte) []byte {
	b = binary.BigEndian.AppendUint32(b, uint32(h.Ifindex))
	b = h.Gateway.AppendTo(b)
	if h.OnLink {
		b = append(b, 'o')
	}
	return h.Encap.AppendKey(b)
}

// fitted returns hops with their weights brought down to MaxWeight where one is above, each
// by the same factor. It changes hops.
func fitted(hops []Hop) []Hop {
	var most uint32
	for _, h := range hops {
		most = max(most, uint32(h.weight()))
	}
	for i := range hops {
		if most > MaxWeight {
			hops[i].Weight = uint16(max(1, uint32(hops[i].weight())*MaxWeight/most))
		}
	}
	return hops
}

// weight is the share of h as the kernel counts it, from 1.
func (h Hop) weight() uint16 { return max(h.Weight, 1) }

// merge adds h to hops, or its weight to the hop that goes the same way: the
// kernel refuses the same hop twice in IPv6.
func merge(hops []Hop, h Hop) []Hop {
	for i := range hops {
		if hops[i].SameWay(h) {
			hops[i].Weight = uint16(min(uint32(hops[i].Weight)+uint32(h.Weight), math.MaxUint16))
			return hops
		}
	}
	return append(hops, h)
}
