package kernel

import (
	"fmt"
	"net/netip"

	"golang.org/x/sys/unix"

	"github.com/vrfredist/vrfredist/rib"
)

// tableRoute is a route with the table it is in.
type tableRoute struct {
	rib.Route
	table  uint32
	family byte
	// other: a cached clone, or a route with a TOS, which is none of ours.
	other bool
}

// decoder turns route messages into routes. Routes with equal hops share one
// slice, which is most of the memory of a big table. One goroutine uses it.
type decoder struct {
	scratch []rib.Hop
	single  map[rib.Hop][]rib.Hop
	last    []rib.Hop // of the last route with several
}

// maxShared bounds what a decoder remembers of single hops.
const maxShared = 4096

// tableOf returns the table of a route message without decoding the rest.
func tableOf(body []byte) uint32 {
	if len(body) < unix.SizeofRtMsg {
		return 0
	}
	table := uint32(body[4])
	a := attrs{b: body[unix.SizeofRtMsg:]}
	for typ, v, ok := a.next(); ok; typ, v, ok = a.next() {
		if typ == unix.RTA_TABLE && len(v) >= 4 {
			return attrU32(v)
		}
	}
	return table
}

// route decodes the body of an RTM_NEWROUTE or RTM_DELROUTE: struct rtmsg and
// attributes. Nothing of the result points into body.
func (d *decoder) route(body []byte) (tableRoute, error) {
	if len(body) < unix.SizeofRtMsg {
		return tableRoute{}, fmt.Errorf("route message of %d bytes is too short", len(body))
	}
	r := tableRoute{family: body[0], table: uint32(body[4])}
	flags := native.Uint32(body[8:])
	bits := int(body[1])
	r.Protocol, r.Scope, r.Kind = body[5], body[6], rib.Kind(body[7])
	var dst netip.Addr
	switch r.family {
	case unix.AF_INET:
		dst = netip.IPv4Unspecified()
	case unix.AF_INET6:
		dst = netip.IPv6Unspecified()
	default:
		r.other = true // multicast and MPLS tables of other families
		return r, nil
	}
	if body[3] != 0 || flags&unix.RTM_F_CLONED != 0 || body[2] != 0 {
		r.other = true // a TOS, a cached clone, or a source-specific IPv6 route
	}
	only := rib.Hop{Weight: 1}
	setFlags(&only, flags)
	d.scratch = d.scratch[:0]
	a := attrs{b: body[unix.SizeofRtMsg:]}
	for typ, v, ok := a.next(); ok; typ, v, ok = a.next() {
		switch typ {
		case unix.RTA_DST:
			dst = attrAddr(v)
		case unix.RTA_TABLE:
			r.table = attrU32(v)
		case unix.RTA_PRIORITY:
			r.Metric = attrU32(v)
		case unix.RTA_PREFSRC:
			r.PrefSrc = attrAddr(v)
		case rtaNexthopID:
			r.NexthopID = attrU32(v)
		case unix.RTA_OIF:
			only.Ifindex = int(attrU32(v))
		case unix.RTA_GATEWAY:
			only.Gateway = attrAddr(v)
		case unix.RTA_VIA:
			only.Gateway = attrVia(v)
		case unix.RTA_MULTIPATH:
			if err := d.multipath(v); err != nil {
				return tableRoute{}, err
			}
		}
	}
	prefix, err := dst.Prefix(bits)
	if err != nil || a.bad || !dst.IsValid() || dst.Is4() != (r.family == unix.AF_INET) {
		return tableRoute{}, fmt.Errorf("route message for %v/%d, family %d, is malformed", dst, bits, r.family)
	}
	r.Prefix = prefix
	// A reject route of IPv6 comes back with the loopback interface, which
	// nobody gave it.
	if forwards(r.Kind) {
		if len(d.scratch) == 0 && (only.Ifindex != 0 || only.Gateway.IsValid()) {
			d.scratch = append(d.scratch, only)
		}
		r.Hops = d.share()
	}
	return r, nil
}

// forwards tells whether routes of kind k have hops.
func forwards(k rib.Kind) bool { return k < rib.KindBlackhole }

func setFlags(h *rib.Hop, flags uint32) {
	h.OnLink = flags&unix.RTNH_F_ONLINK != 0
	h.Dead = flags&(unix.RTNH_F_DEAD|unix.RTNH_F_LINKDOWN) != 0
}

// multipath decodes an array of struct rtnexthop, each with attributes, into
// d.scratch.
func (d *decoder) multipath(b []byte) error {
	for len(b) >= unix.SizeofRtNexthop {
		size := int(native.Uint16(b))
		if size < unix.SizeofRtNexthop || size > len(b) {
			return fmt.Errorf("nexthop of %d bytes in a multipath attribute with %d left", size, len(b))
		}
		h := rib.Hop{
			Ifindex: int(int32(native.Uint32(b[4:]))),
			Weight:  uint16(b[3]) + 1,
		}
		setFlags(&h, uint32(b[2]))
		a := attrs{b: b[unix.SizeofRtNexthop:size]}
		for typ, v, ok := a.next(); ok; typ, v, ok = a.next() {
			switch typ {
			case unix.RTA_GATEWAY:
				h.Gateway = attrAddr(v)
			case unix.RTA_VIA:
				h.Gateway = attrVia(v)
			}
		}
		d.scratch = append(d.scratch, h)
		b = b[min(align(size), len(b)):]
	}
	return nil
}

// share returns d.scratch as a slice that an earlier route may have too.
func (d *decoder) share() []rib.Hop {
	switch len(d.scratch) {
	case 0:
		return nil
	case 1:
		h := d.scratch[0]
		if s, ok := d.single[h]; ok {
			return s
		}
		if d.single == nil || len(d.single) >= maxShared {
			d.single = make(map[rib.Hop][]rib.Hop)
		}
		s := []rib.Hop{h}
		d.single[h] = s
		return s
	}
	if !equalHops(d.last, d.scratch) {
		d.last = append([]rib.Hop(nil), d.scratch...)
	}
	return d.last
}

func equalHops(a, b []rib.Hop) bool {
	if len(a) != len(b) {
		return false
	}
	for i := range a {
		if a[i] != b[i] {
			return false
		}
	}
	return true
}
