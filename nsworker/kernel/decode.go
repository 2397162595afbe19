package kernel

import (
	"fmt"
	"net/netip"
	"time"

	"golang.org/x/sys/unix"

	"github.com/vrfredist/vrfredist/rib"
)

// routeHead are the fields of a route message that are not the route's own.
type routeHead struct {
	table  uint32
	family byte
	// other: not a route to take in: a cached clone (RTM_F_CLONED), or one with a TOS.
	other bool
}

// tableRoute is a route with the table it is in.
type tableRoute struct {
	rib.Route
	routeHead
}

// decoder turns route messages into routes. Routes with equal hops share one
// slice: the slices would be most of the memory of a big table. One goroutine uses
// a decoder.
type decoder struct {
	scratch []rib.Hop
	single  map[rib.Hop][]rib.Hop
	last    []rib.Hop            // of single: neighbours have much in common
	several map[string][]rib.Hop // by the bytes of their RTA_MULTIPATH
	keyed   int                  // bytes of all keys of several
	encaps  map[encapKey]rib.Encap
}

// Bounds of a decoder's memory.
const (
	maxShared = 4096
	maxKeyed  = 256 << 10
)

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
	var r tableRoute
	var err error
	r.routeHead, err = d.routeInto(&r.Route, body)
	return r, err
}

// routeInto is route into an *r that is zero. *r is valid only where err is nil and
// head.other is false.
func (d *decoder) routeInto(r *rib.Route, body []byte) (routeHead, error) {
	if len(body) < unix.SizeofRtMsg {
		return routeHead{}, fmt.Errorf("route message of %d bytes is too short", len(body))
	}
	head := routeHead{family: body[0], table: uint32(body[4])}
	flags := native.Uint32(body[8:])
	bits := int(body[1])
	r.Protocol, r.Scope, r.Kind = body[5], body[6], rib.Kind(body[7])
	var dst netip.Addr
	switch head.family {
	case unix.AF_INET:
		dst = netip.IPv4Unspecified()
	case unix.AF_INET6:
		dst = netip.IPv6Unspecified()
	default:
		head.other = true // multicast and MPLS tables of other families
		return head, nil
	}
	if body[3] != 0 || flags&unix.RTM_F_CLONED != 0 || body[2] != 0 {
		head.other = true // a TOS, a cached clone, or a source-specific IPv6 route
	}
	var way ways
	way.only.Weight = 1
	setFlags(&way.only, flags)
	a := attrs{b: body[unix.SizeofRtMsg:]}
	for typ, v, ok := a.next(); ok; typ, v, ok = a.next() {
		switch typ {
		case unix.RTA_DST:
			dst = attrAddr(v)
		case unix.RTA_TABLE:
			head.table = attrU32(v)
		case unix.RTA_PRIORITY:
			r.Metric = attrU32(v)
		case unix.RTA_PREFSRC:
			r.PrefSrc = attrAddr(v)
		case rtaNexthopID:
			r.NexthopID = attrU32(v)
		case unix.RTA_CACHEINFO:
			r.Expires = attrExpires(v, time.Now())
		default:
			if err := way.take(d, typ, v); err != nil {
				return routeHead{}, err
			}
		}
	}
	prefix, err := dst.Prefix(bits)
	if err != nil || a.bad || !dst.IsValid() || dst.Is4() != (head.family == unix.AF_INET) {
		return routeHead{}, fmt.Errorf("route message for %v/%d, family %d, is malformed", dst, bits, head.family)
	}
	r.Prefix = prefix
	if forwards(r.Kind) { // a reject route of IPv6 comes back with the loopback interface, which nobody gave it
		r.Hops = way.hops(d)
	}
	return head, nil
}

// ways are the hops of a route message: one, or several.
type ways struct {
	only    rib.Hop
	encap   rawEncap // of only
	several []rib.Hop
}

// take takes in an attribute that is about a hop.
func (w *ways) take(d *decoder, typ uint16, v []byte) (err error) {
	switch typ {
	case unix.RTA_OIF:
		w.only.Ifindex = int(attrU32(v))
	case unix.RTA_GATEWAY:
		w.only.Gateway = attrAddr(v)
	case unix.RTA_VIA:
		w.only.Gateway = attrVia(v)
	case unix.RTA_ENCAP, unix.RTA_ENCAP_TYPE:
		w.encap.take(typ == unix.RTA_ENCAP_TYPE, v)
	case unix.RTA_MULTIPATH:
		w.several, err = d.shareSeveral(v)
	}
	return err
}

func (w *ways) hops(d *decoder) []rib.Hop {
	switch {
	case len(w.several) > 0:
		return w.several
	case w.only.Ifindex != 0 || w.only.Gateway.IsValid():
		w.only.Encap = d.encap(&w.encap)
		return d.share(w.only)
	}
	return nil
}

// forwards tells whether routes of kind k have hops.
func forwards(k rib.Kind) bool { return k < rib.KindBlackhole }

// setFlags: of a hop whose interface has no carrier (RTNH_F_LINKDOWN) the kernel says
// RTNH_F_DEAD too where ignore_routes_with_linkdown keeps it from forwarding there
// (fib_nexthop_info in net/ipv4/fib_semantics.c).
func setFlags(h *rib.Hop, flags uint32) {
	h.OnLink = flags&unix.RTNH_F_ONLINK != 0
	h.Dead = flags&unix.RTNH_F_DEAD != 0
}

// shareSeveral returns the hops of an RTA_MULTIPATH, which an earlier route may
// have too.
func (d *decoder) shareSeveral(b []byte) ([]rib.Hop, error) {
	if hops, ok := d.several[string(b)]; ok {
		return hops, nil
	}
	d.scratch = d.scratch[:0]
	if err := d.multipath(b); err != nil {
		return nil, err
	}
	if d.keyed += len(b); d.several == nil || d.keyed > maxKeyed {
		d.several, d.keyed = make(map[string][]rib.Hop), len(b)
	}
	hops := append([]rib.Hop(nil), d.scratch...)
	d.several[string(b)] = hops
	return hops, nil
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
		var encap rawEncap
		a := attrs{b: b[unix.SizeofRtNexthop:size]}
		for typ, v, ok := a.next(); ok; typ, v, ok = a.next() {
			switch typ {
			case unix.RTA_GATEWAY:
				h.Gateway = attrAddr(v)
			case unix.RTA_VIA:
				h.Gateway = attrVia(v)
			case unix.RTA_ENCAP, unix.RTA_ENCAP_TYPE:
				encap.take(typ == unix.RTA_ENCAP_TYPE, v)
			}
		}
		h.Encap = d.encap(&encap)
		d.scratch = append(d.scratch, h)
		b = b[min(align(size), len(b)):]
	}
	return nil
}

// share returns a slice of h alone, which an earlier route may have too.
func (d *decoder) share(h rib.Hop) []rib.Hop {
	if len(d.last) == 1 && d.last[0] == h {
		return d.last
	}
	s, ok := d.single[h]
	if !ok {
		if d.single == nil || len(d.single) >= maxShared {
			d.single = make(map[rib.Hop][]rib.Hop)
		}
		s = []rib.Hop{h}
		d.single[h] = s
	}
	d.last = s
	return s
}

// encap is r.read, which an earlier route may have had too.
func (d *decoder) encap(r *rawEncap) rib.Encap {
	if r.kind == 0 || r.kind != rib.EncapMPLS && r.kind != rib.EncapSRv6 || len(r.is) > longestKept {
		return rib.EncapOf(r.kind)
	}
	if e, known := d.encaps[encapKey{r.kind, string(r.is)}]; known {
		return e
	}
	if d.encaps == nil || len(d.encaps) >= maxShared {
		d.encaps = make(map[encapKey]rib.Encap)
	}
	e := r.read()
	d.encaps[encapKey{r.kind, string(r.is)}] = e
	return e
}
