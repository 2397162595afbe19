package kernel

import (
	"fmt"

	"golang.org/x/sys/unix"

	"github.com/vrfredist/vrfredist/rib"
)

const (
	sizeofNhmsg    = 8 // struct nhmsg, include/uapi/linux/nexthop.h
	sizeofNhmember = 8 // struct nexthop_grp
)

// nexthop is a nexthop object: one hop, a group of others, or a blackhole.
type nexthop struct {
	hop       rib.Hop
	group     []member
	family    byte
	protocol  uint8
	blackhole bool
}

type member struct {
	id     uint32
	weight uint16
}

func (n *nexthop) equal(o *nexthop) bool {
	if n.hop != o.hop || len(n.group) != len(o.group) {
		return false
	}
	for i := range n.group {
		if n.group[i] != o.group[i] {
			return false
		}
	}
	return true
}

// nexthops are the nexthop objects of one namespace by id. None is changed in place.
type nexthops map[uint32]*nexthop

// update takes in an RTM_NEWNEXTHOP or RTM_DELNEXTHOP. It tells whether routes
// may forward otherwise than before: a new object has no routes yet.
func (n nexthops) update(m message) (changed bool, err error) {
	if m.typ != unix.RTM_NEWNEXTHOP && m.typ != unix.RTM_DELNEXTHOP {
		return false, nil
	}
	id, nh, err := decodeNexthop(m.body)
	if err != nil {
		return false, err
	}
	old, known := n[id]
	if m.typ == unix.RTM_DELNEXTHOP {
		delete(n, id)
		return true, nil
	}
	n[id] = &nh
	return known && !old.equal(&nh), nil
}

// over tells whether one of the objects goes out through the link index.
func (n nexthops) over(index int) bool {
	for _, nh := range n {
		if nh.hop.Ifindex == index {
			return true
		}
	}
	return false
}

func decodeNexthop(body []byte) (uint32, nexthop, error) {
	if len(body) < sizeofNhmsg {
		return 0, nexthop{}, fmt.Errorf("nexthop message of %d bytes is too short", len(body))
	}
	var id uint32
	n := nexthop{hop: rib.Hop{Weight: 1}, family: body[0], protocol: body[2]}
	flags := native.Uint32(body[4:])
	setFlags(&n.hop, flags)
	if flags&unix.RTNH_F_LINKDOWN != 0 {
		n.hop.Dead = true // of an object the kernel does not say what ignore_routes_with_linkdown makes of that
	}
	var encap rawEncap
	a := attrs{b: body[sizeofNhmsg:]}
	for typ, v, ok := a.next(); ok; typ, v, ok = a.next() {
		switch typ {
		case unix.NHA_ID:
			id = attrU32(v)
		case unix.NHA_BLACKHOLE:
			n.blackhole = true
		case unix.NHA_OIF:
			n.hop.Ifindex = int(attrU32(v))
		case unix.NHA_GATEWAY:
			n.hop.Gateway = attrAddr(v)
		case unix.NHA_ENCAP, unix.NHA_ENCAP_TYPE:
			encap.take(typ == unix.NHA_ENCAP_TYPE, v)
		case unix.NHA_GROUP:
			for ; len(v) >= sizeofNhmember; v = v[sizeofNhmember:] {
				// weight is the value less one, weight_high its second byte (since 6.12).
				weight := uint16(v[4]) | uint16(v[5])<<8
				n.group = append(n.group, member{native.Uint32(v), weight + 1})
			}
		}
	}
	n.hop.Encap = encap.read()
	if a.bad || id == 0 {
		return 0, nexthop{}, fmt.Errorf("nexthop message with the id %d is malformed", id)
	}
	return id, n, nil
}

// resolve returns the hops that id stands for: none for a blackhole. It is not
// ok where an object is not known.
func (n nexthops) resolve(id uint32) (hops []rib.Hop, ok bool) {
	nh, ok := n[id]
	if !ok {
		return nil, false
	}
	if len(nh.group) == 0 {
		if nh.hop.Ifindex == 0 {
			return nil, true
		}
		return []rib.Hop{nh.hop}, true
	}
	for _, m := range nh.group {
		one, ok := n[m.id]
		if !ok {
			return nil, false
		}
		if one.hop.Ifindex == 0 {
			continue
		}
		hop := one.hop
		hop.Weight = m.weight
		hops = append(hops, hop)
	}
	return hops, true
}
