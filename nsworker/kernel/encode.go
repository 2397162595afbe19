package kernel

import (
	"fmt"
	"net/netip"

	"golang.org/x/sys/unix"

	"github.com/vrfredist/vrfredist/rib"
)

// appendChange appends the message that makes change c in table, and asks for
// no acknowledgement. Where no message can carry c, b comes back as it was.
func appendChange(b []byte, c *rib.Change, table uint32, protocol uint8, seq uint32) ([]byte, error) {
	if isNexthop(c.Op) {
		return appendNexthopChange(b, c, protocol, seq)
	}
	if err := check(c); err != nil {
		return b, err
	}
	typ, flags := uint16(unix.RTM_NEWROUTE), uint16(unix.NLM_F_REQUEST|unix.NLM_F_CREATE)
	switch c.Op {
	case rib.OpAdd:
		flags |= unix.NLM_F_EXCL
	case rib.OpReplace:
		flags |= unix.NLM_F_REPLACE
	case rib.OpDelete:
		typ, flags = unix.RTM_DELROUTE, unix.NLM_F_REQUEST
	}
	start := len(b)
	b = beginMessage(b, typ, flags, seq)
	b = appendRoute(b, &c.Route, table, c.Op == rib.OpDelete)
	return endMessage(b, start), nil
}

// check refuses a change that the kernel would take for another.
func check(c *rib.Change) error {
	r := &c.Route
	refuse := func(why string) error { return fmt.Errorf("cannot %v %v: %s", c.Op, r.Prefix, why) }
	switch {
	case c.Op != rib.OpAdd && c.Op != rib.OpReplace && c.Op != rib.OpDelete:
		return refuse("there is no such operation")
	case !r.Prefix.IsValid() || r.Prefix != r.Prefix.Masked() || r.Prefix.Addr().Is4In6():
		return refuse("the prefix has host bits or is none")
	case r.Metric == 0 && (c.Op != rib.OpDelete || r.Prefix.Addr().Is6()):
		// IPv6 makes 1024 of it, and RTM_DELROUTE with metric 0 matches every metric: the
		// route of our protocol with the lowest goes. In IPv4 that may be 0.
		return refuse("the metric is 0")
	case c.Op == rib.OpDelete && r.Kind != 0 && r.Kind <= rib.KindThrow:
		return nil // somebody added it under our protocol
	case r.Kind != rib.KindUnicast && (forwards(r.Kind) || r.Kind > rib.KindThrow):
		return refuse(fmt.Sprintf("the route type %d is not for a daemon to write", r.Kind))
	case r.NexthopID != 0:
		return nil
	case r.Kind == rib.KindUnicast && len(r.Hops) == 0:
		return refuse("it has no nexthop")
	case longestHops(r.Hops) > maxAttrPayload:
		return refuse(fmt.Sprintf("%d nexthops are more than a message holds", len(r.Hops)))
	}
	for i := range r.Hops {
		if why := checkHop(&r.Hops[i], r.Prefix.Addr().Is6(), len(r.Hops) > 1); why != "" {
			return refuse(why)
		}
	}
	return nil
}

// checkHop refuses a hop of a route; "": it can be written.
func checkHop(h *rib.Hop, ipv6, several bool) (why string) {
	switch {
	case h.Weight > 256:
		return fmt.Sprintf("the weight %d is over 256", h.Weight)
	case h.Gateway.Is4In6() && (!ipv6 || !mappedMPLS(h)) || h.Gateway.Is4() && ipv6:
		return fmt.Sprintf("an IPv6 route cannot go through %v", h.Gateway)
	case h.Ifindex <= 0 && !h.Gateway.IsValid():
		return "a nexthop has neither an interface nor a gateway"
	case !h.Gateway.IsValid() && ipv6 && several:
		// The kernel makes separate routes of such hops.
		return "an IPv6 route with several nexthops needs a gateway in each"
	}
	return checkEncap(h.Encap)
}

// longestHops is at least how many bytes hops take in a message.
func longestHops(hops []rib.Hop) int {
	n := len(hops) * (unix.SizeofRtNexthop + attrHeader + 2 + 16)
	for i := range hops {
		if e := hops[i].Encap; e != (rib.Encap{}) {
			n += sizeofEncap + len(e.Tunnel().Labels)
		}
	}
	return n
}

// appendRoute appends struct rtmsg and the attributes of r. A delete names prefix,
// table, metric and protocol, and no nexthop: IPv6 would take out that leg alone.
func appendRoute(b []byte, r *rib.Route, table uint32, del bool) []byte {
	family := byte(unix.AF_INET)
	if r.Prefix.Addr().Is6() {
		family = unix.AF_INET6
	}
	header := byte(unix.RT_TABLE_UNSPEC) // over 255: RTA_TABLE alone
	if table < 256 {
		header = byte(table)
	}
	scope := byte(unix.RT_SCOPE_NOWHERE) // matches any
	if !del {
		scope = scopeOf(r)
	}
	flags := uint32(0)
	if !del && r.NexthopID == 0 && len(r.Hops) == 1 && forwards(r.Kind) && r.Hops[0].OnLink {
		flags = unix.RTNH_F_ONLINK
	}
	b = append(b, family, byte(r.Prefix.Bits()), 0, 0, header, r.Protocol, scope, byte(r.Kind))
	b = native.AppendUint32(b, flags)
	b = appendAttrAddr(b, unix.RTA_DST, r.Prefix.Addr())
	b = appendAttrU32(b, unix.RTA_TABLE, table)
	b = appendAttrU32(b, unix.RTA_PRIORITY, r.Metric)
	if del {
		return b
	}
	if r.PrefSrc.IsValid() {
		b = appendAttrAddr(b, unix.RTA_PREFSRC, r.PrefSrc)
	}
	switch {
	case !forwards(r.Kind):
	case r.NexthopID != 0:
		b = appendAttrU32(b, rtaNexthopID, r.NexthopID)
	case len(r.Hops) == 1:
		if i := r.Hops[0].Ifindex; i > 0 {
			b = appendAttrU32(b, unix.RTA_OIF, uint32(i))
		}
		b = appendGateway(b, r.Hops[0].Gateway, family)
		b = appendEncap(b, unix.RTA_ENCAP_TYPE, unix.RTA_ENCAP, r.Hops[0].Encap)
	default:
		b = appendMultipath(b, r.Hops, family)
	}
	return b
}

// scopeOf is the scope that `ip route` would give r. IPv6 has none.
func scopeOf(r *rib.Route) byte {
	if r.Prefix.Addr().Is6() || !forwards(r.Kind) || r.NexthopID != 0 {
		return unix.RT_SCOPE_UNIVERSE
	}
	for _, h := range r.Hops {
		if h.Gateway.IsValid() {
			return unix.RT_SCOPE_UNIVERSE
		}
	}
	return unix.RT_SCOPE_LINK
}

func appendMultipath(b []byte, hops []rib.Hop, family byte) []byte {
	list := len(b)
	b = append(b, 0, 0, 0, 0)
	native.PutUint16(b[list+2:], unix.RTA_MULTIPATH)
	for _, h := range hops {
		start := len(b)
		flags := byte(0)
		if h.OnLink {
			flags = unix.RTNH_F_ONLINK
		}
		b = append(b, 0, 0, flags, byte(max(h.Weight, 1)-1))
		b = native.AppendUint32(b, uint32(h.Ifindex))
		b = appendGateway(b, h.Gateway, family)
		b = appendEncap(b, unix.RTA_ENCAP_TYPE, unix.RTA_ENCAP, h.Encap)
		native.PutUint16(b[start:], uint16(len(b)-start))
	}
	native.PutUint16(b[list:], uint16(len(b)-list))
	return b
}

// appendGateway appends RTA_GATEWAY, or RTA_VIA for an IPv4 route through an
// IPv6 gateway (RFC 8950).
func appendGateway(b []byte, gateway netip.Addr, family byte) []byte {
	if !gateway.IsValid() {
		return b
	}
	if family == unix.AF_INET && gateway.Is6() {
		a := gateway.As16()
		via := native.AppendUint16(make([]byte, 0, 18), unix.AF_INET6)
		return appendAttr(b, unix.RTA_VIA, append(via, a[:]...))
	}
	return appendAttrAddr(b, unix.RTA_GATEWAY, gateway)
}
