package kernel

import (
	"fmt"

	"golang.org/x/sys/unix"

	"github.com/vrfredist/vrfredist/rib"
)

// isNexthop tells whether an operation is about a nexthop object, and not about a route.
func isNexthop(op rib.Op) bool {
	return op == rib.OpAddNexthop || op == rib.OpReplaceNexthop || op == rib.OpDeleteNexthop
}

// isEndpoint tells whether an operation is about an endpoint.
func isEndpoint(op rib.Op) bool { return op == rib.OpSetEndpoint || op == rib.OpDeleteEndpoint }

// appendNexthopChange appends the message that makes change c of a nexthop
// object, under our protocol. Where no message can carry c, b comes back as it was.
func appendNexthopChange(b []byte, c *rib.Change, protocol uint8, seq uint32) ([]byte, error) {
	if err := checkNexthop(c); err != nil {
		return b, err
	}
	start := len(b)
	n := &c.Nexthop
	if c.Op == rib.OpDeleteNexthop {
		b = beginMessage(b, unix.RTM_DELNEXTHOP, unix.NLM_F_REQUEST, seq)
		b = append(b, make([]byte, sizeofNhmsg)...)
		return endMessage(appendAttrU32(b, unix.NHA_ID, n.ID), start), nil
	}
	flags := uint16(unix.NLM_F_REQUEST | unix.NLM_F_CREATE)
	if c.Op == rib.OpAddNexthop {
		flags |= unix.NLM_F_EXCL
	} else {
		flags |= unix.NLM_F_REPLACE
	}
	b = beginMessage(b, unix.RTM_NEWNEXTHOP, flags, seq)
	b = appendNexthop(b, n, protocol)
	return endMessage(b, start), nil
}

// checkNexthop refuses a change that the kernel would take for another.
func checkNexthop(c *rib.Change) error {
	n := &c.Nexthop
	refuse := func(why string) error { return fmt.Errorf("cannot %v %d: %s", c.Op, n.ID, why) }
	switch {
	case n.ID == 0:
		return refuse("the id is 0")
	case c.Op == rib.OpDeleteNexthop:
		return nil
	case len(n.Members)*sizeofNhmember > maxAttrPayload:
		return refuse(fmt.Sprintf("%d members are more than a message holds", len(n.Members)))
	case !n.Group() && n.Hop.Ifindex <= 0:
		return refuse("it has no interface")
	case n.Hop.Gateway.Is4In6() && !mappedMPLS(&n.Hop):
		return refuse(fmt.Sprintf("the gateway %v is an IPv4 address in IPv6 form", n.Hop.Gateway))
	}
	if why := checkEncap(n.Hop.Encap); why != "" {
		return refuse(why)
	}
	for _, m := range n.Members {
		if m.ID == 0 || m.Weight == 0 || m.Weight > rib.MaxWeight {
			return refuse(fmt.Sprintf("the member %d with the weight %d is none", m.ID, m.Weight))
		}
	}
	return nil
}

// appendNexthop appends struct nhmsg and the attributes of n.
func appendNexthop(b []byte, n *rib.Nexthop, protocol uint8) []byte {
	family, flags := byte(unix.AF_INET), uint32(0)
	switch {
	case n.Group():
		family = unix.AF_UNSPEC
	case n.Hop.Gateway.Is6() || !n.Hop.Gateway.IsValid() && n.IPv6:
		family = unix.AF_INET6
	}
	if n.Hop.OnLink {
		flags = unix.RTNH_F_ONLINK
	}
	b = append(b, family, 0, protocol, 0)
	b = native.AppendUint32(b, flags)
	b = appendAttrU32(b, unix.NHA_ID, n.ID)
	if !n.Group() {
		b = appendAttrU32(b, unix.NHA_OIF, uint32(n.Hop.Ifindex))
		if n.Hop.Gateway.IsValid() {
			b = appendAttrAddr(b, unix.NHA_GATEWAY, n.Hop.Gateway)
		}
		return appendEncap(b, unix.NHA_ENCAP_TYPE, unix.NHA_ENCAP, n.Hop.Encap)
	}
	list := len(b)
	b = append(b, 0, 0, 0, 0)
	native.PutUint16(b[list+2:], unix.NHA_GROUP)
	for _, m := range n.Members {
		b = native.AppendUint32(b, m.ID)
		b = append(b, byte(m.Weight-1), 0, 0, 0)
	}
	native.PutUint16(b[list:], uint16(len(b)-list))
	return b
}

// own returns the objects of one protocol.
func (n nexthops) own(protocol uint8) []rib.Nexthop {
	var own []rib.Nexthop
	for id, nh := range n {
		if nh.protocol != protocol || nh.blackhole {
			continue
		}
		out := rib.Nexthop{ID: id, Hop: nh.hop, IPv6: nh.family == unix.AF_INET6 && !nh.hop.Gateway.IsValid()}
		for _, m := range nh.group {
			out.Members = append(out.Members, rib.NexthopMember{ID: m.id, Weight: m.weight})
		}
		own = append(own, out)
	}
	return own
}

// objectsRead are the nexthop objects of a namespace, and those of a protocol among them.
type objectsRead struct {
	all      nexthops
	protocol uint8
	own      []rib.Nexthop
}
