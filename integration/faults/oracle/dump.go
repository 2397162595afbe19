package oracle

import (
	"encoding/binary"
	"errors"
	"fmt"
	"net/netip"
	"sort"
	"strings"
	"time"

	"golang.org/x/sys/unix"
)

// route is one route of a dump.
type route struct {
	family, protocol, kind uint8
	prefix                 netip.Prefix
	table, metric          uint32
	hops                   []hop
	raw                    []byte // the message as the kernel gave it, without its header
}

type hop struct {
	gateway netip.Addr
	index   int32
}

// The route types that say what becomes of a packet.
var kinds = map[uint8]string{
	unix.RTN_UNICAST: "", unix.RTN_BLACKHOLE: "blackhole ", unix.RTN_UNREACHABLE: "unreachable ",
	unix.RTN_PROHIBIT: "prohibit ", unix.RTN_THROW: "throw ",
}

func forwards(kind uint8) bool { _, ok := kinds[kind]; return ok }

// text is the route as lab.Route prints it.
func (r route) text(names map[int32]string) string {
	var b strings.Builder
	b.WriteString(kinds[r.kind])
	b.WriteString(r.prefix.String())
	legs := make([]string, 0, len(r.hops))
	for _, h := range r.hops {
		name := names[h.index]
		switch {
		case h.gateway.IsValid():
			legs = append(legs, " via "+h.gateway.String()+" dev "+name)
		case name != "lo" && name != "":
			legs = append(legs, " dev "+name)
		}
	}
	sort.Strings(legs)
	b.WriteString(strings.Join(legs, " +"))
	if r.metric != 0 {
		fmt.Fprintf(&b, " metric %d", r.metric)
	}
	return b.String()
}

func (o *Oracle) routes(protocol uint8) []route {
	o.t.Helper()
	var all []route
	for _, family := range []uint8{unix.AF_INET, unix.AF_INET6} {
		for _, m := range o.dump(routeRequest(family, protocol)) {
			all = append(all, parse(m))
		}
	}
	return all
}

func (o *Oracle) links() map[int32]string {
	o.t.Helper()
	names := map[int32]string{}
	for _, m := range o.dump(linkRequest()) {
		attributes(m[unix.SizeofIfInfomsg:], func(kind uint16, value []byte) {
			if kind == unix.IFLA_IFNAME {
				names[int32(binary.NativeEndian.Uint32(m[4:]))] = strings.TrimRight(string(value), "\x00")
			}
		})
	}
	return names
}

// nexthopOf returns the protocol and the id of a nexthop object.
func nexthopOf(m []byte) (protocol uint8, id uint32) {
	attributes(m[nhmsgSize:], func(kind uint16, value []byte) {
		if kind == unix.NHA_ID {
			id = binary.NativeEndian.Uint32(value)
		}
	})
	return m[2], id
}

// dump asks for a dump and returns the messages without their headers. One that
// the kernel says was interrupted is made again.
func (o *Oracle) dump(r request) (all [][]byte) {
	o.t.Helper()
	o.scan(r, func() { all = nil }, func(body []byte) { all = append(all, append([]byte(nil), body...)) })
	return all
}

// scan is dump for who looks at each message once: the next one overwrites it. begin
// is called before the first message, again where the dump is.
func (o *Oracle) scan(r request, begin func(), take func(body []byte)) {
	o.t.Helper()
	const limit = 20 * time.Second
	for deadline := time.Now().Add(limit); ; {
		begin()
		err := o.sock.dump(r, take)
		if err == nil {
			return
		}
		if !errors.Is(err, errInterrupted) || time.Now().After(deadline) {
			o.t.Fatalf("dump %d of %s: %v", r.kind, o.ns.Role, err)
		}
	}
}

func parse(m []byte) route {
	r := route{family: m[0], protocol: m[5], kind: m[7], table: uint32(m[4]), raw: m}
	dst := netip.IPv4Unspecified()
	if r.family == unix.AF_INET6 {
		dst = netip.IPv6Unspecified()
	}
	var single hop
	attributes(m[unix.SizeofRtMsg:], func(kind uint16, value []byte) {
		switch kind {
		case unix.RTA_DST:
			dst = addr(value)
		case unix.RTA_TABLE:
			r.table = binary.NativeEndian.Uint32(value)
		case unix.RTA_PRIORITY:
			r.metric = binary.NativeEndian.Uint32(value)
		case unix.RTA_OIF:
			single.index = int32(binary.NativeEndian.Uint32(value))
		case unix.RTA_GATEWAY, unix.RTA_VIA:
			single.gateway = gateway(kind, value)
		case unix.RTA_MULTIPATH:
			r.hops = append(r.hops, legs(value)...)
		}
	})
	if single.index != 0 && len(r.hops) == 0 {
		r.hops = []hop{single}
	}
	r.prefix = netip.PrefixFrom(dst, int(m[1]))
	return r
}

// legs reads the struct rtnexthop of a multipath route.
func legs(b []byte) (hops []hop) {
	for len(b) >= unix.SizeofRtNexthop {
		length := int(binary.NativeEndian.Uint16(b))
		if length < unix.SizeofRtNexthop || length > len(b) {
			return hops
		}
		h := hop{index: int32(binary.NativeEndian.Uint32(b[4:]))}
		attributes(b[unix.SizeofRtNexthop:length], func(kind uint16, value []byte) {
			if kind == unix.RTA_GATEWAY || kind == unix.RTA_VIA {
				h.gateway = gateway(kind, value)
			}
		})
		hops = append(hops, h)
		b = b[min((length+3)&^3, len(b)):]
	}
	return hops
}

func gateway(kind uint16, value []byte) netip.Addr {
	if kind == unix.RTA_VIA { // struct rtvia has the family in front
		value = value[2:]
	}
	return addr(value)
}

func addr(b []byte) netip.Addr {
	a, _ := netip.AddrFromSlice(b)
	return a
}

// attributes calls take for each attribute of b, nested flags taken off its type.
func attributes(b []byte, take func(kind uint16, value []byte)) {
	const flags = unix.NLA_F_NESTED | unix.NLA_F_NET_BYTEORDER
	for len(b) >= unix.SizeofRtAttr {
		length := int(binary.NativeEndian.Uint16(b))
		if length < unix.SizeofRtAttr || length > len(b) {
			return
		}
		take(binary.NativeEndian.Uint16(b[2:])&^flags, b[unix.SizeofRtAttr:length])
		b = b[min((length+3)&^3, len(b)):]
	}
}
