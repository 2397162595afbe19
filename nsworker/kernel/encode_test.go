package kernel

import (
	"encoding/binary"
	"net/netip"
	"strings"
	"syscall"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/vishvananda/netlink"
	"github.com/vishvananda/netlink/nl"
	"golang.org/x/sys/unix"

	"github.com/vrfredist/vrfredist/rib"
)

// FuzzEncodeRoute: what is encoded, the netlink library decodes to the same
// route.
func FuzzEncodeRoute(f *testing.F) {
	f.Add(uint8(rib.OpAdd), false, []byte{10, 1}, uint8(16), uint32(254), uint32(20), uint8(1), uint32(0), []byte{0, 7, 1, 192, 0, 2, 1})
	f.Add(uint8(rib.OpReplace), false, []byte{10}, uint8(8), uint32(70000), uint32(7), uint8(1), uint32(0), []byte("\x00\x07\x01abcd\x02\x08\xffefgh\x01\x09\x03ijkl"))
	f.Add(uint8(rib.OpAdd), true, []byte("\x20\x01\x0d\xb8"), uint8(32), uint32(70000), uint32(1<<31), uint8(1), uint32(0x40000001), []byte{})
	f.Add(uint8(rib.OpAdd), true, []byte("\x20\x01\x0d\xb8"), uint8(128), uint32(255), uint32(20), uint8(6), uint32(0), []byte{})
	f.Add(uint8(rib.OpReplace), true, []byte{}, uint8(0), uint32(256), uint32(20), uint8(1), uint32(0), []byte("\x01\x07\x01abcd\x01\x08\xffefgh"))
	f.Add(uint8(rib.OpDelete), false, []byte{}, uint8(0), uint32(1<<32-1), uint32(20), uint8(7), uint32(0), []byte("\x03\x07\x01abcd"))
	f.Add(uint8(rib.OpAdd), false, []byte{10}, uint8(8), uint32(1001), uint32(20), uint8(1), uint32(0), []byte("\x08\x07\x01abcd\x10\x08\x01efgh\x38\x08\x01ijkl"))
	f.Add(uint8(rib.OpAdd), true, []byte("\x20\x01\x0d\xb8"), uint8(32), uint32(1001), uint32(20), uint8(1), uint32(0), []byte("\x4d\x07\x01\xc0\x00\x02\x09"))
	f.Add(uint8(rib.OpReplace), true, []byte{}, uint8(0), uint32(1001), uint32(20), uint8(1), uint32(0), []byte("\x31\x07\x01\xfd\x00\x00\x01"))
	f.Fuzz(func(t *testing.T, op uint8, ipv6 bool, addr []byte, bits uint8, table, metric uint32, kind uint8, object uint32, hops []byte) {
		c := rib.Change{Op: rib.Op(op), Route: rib.Route{
			Prefix: fuzzedAddr(ipv6, addr).prefix(bits), Metric: metric, Protocol: 179, Kind: rib.Kind(kind), NexthopID: object,
		}}
		for ; len(hops) >= 7; hops = hops[7:] {
			h := rib.Hop{Ifindex: int(hops[1]), Weight: uint16(hops[2]) + 1, OnLink: hops[0]&4 != 0}
			if hops[0]&2 == 0 {
				h.Gateway = netip.Addr(fuzzedAddr(hops[0]&1 != 0, hops[3:7]))
			}
			if hops[0]&64 != 0 {
				h.Gateway = netip.AddrFrom16(netip.AddrFrom4([4]byte(hops[3:7])).As16())
			}
			switch label := binary.BigEndian.Uint32(hops[3:]) >> 8; {
			case hops[0]&8 != 0 && hops[0]&32 != 0:
				h.Encap = rib.ByMPLS(rib.LabelStack(label, uint32(hops[1])))
			case hops[0]&8 != 0:
				h.Encap = rib.ByMPLS(rib.LabelStack(label))
			case hops[0]&16 != 0:
				h.Encap = rib.BySRv6(netip.Addr(fuzzedAddr(true, hops[3:7])), hops[0]&32 != 0)
			}
			c.Route.Hops = append(c.Route.Hops, h)
		}
		if len(addr) > 16 && !ipv6 {
			c.Route.PrefSrc = netip.Addr(fuzzedAddr(false, addr[4:]))
		}
		b, err := appendChange([]byte("messages"), &c, table, 179, 7)
		if err != nil {
			if string(b) != "messages" {
				t.Fatalf("%v, and %d bytes are left", err, len(b))
			}
			return
		}
		messages, err := syscall.ParseNetlinkMessage(b[len("messages"):])
		if err != nil || len(messages) != 1 || messages[0].Header.Seq != 7 {
			t.Fatalf("%+v, %v", messages, err)
		}
		checkFlags(t, c.Op, messages[0].Header)
		want := c.Route
		want.Hops = writtenHops(c)
		if c.Op == rib.OpDelete {
			want.NexthopID, want.PrefSrc = 0, netip.Addr{}
		}
		got, gotTable := libraryRoute(t, messages[0].Data)
		if !forwards(want.Kind) {
			want.NexthopID = 0
		}
		if d := cmp.Diff(want, got, sameRoute); d != "" || gotTable != table {
			t.Fatalf("in table %d, want %d: %s", gotTable, table, d)
		}
	})
}

type fuzzed netip.Addr

// fuzzedAddr is an address that begins with b.
func fuzzedAddr(ipv6 bool, b []byte) fuzzed {
	if ipv6 {
		var a [16]byte
		copy(a[:], b)
		return fuzzed(netip.AddrFrom16(a))
	}
	var a [4]byte
	copy(a[:], b)
	return fuzzed(netip.AddrFrom4(a))
}

func (a fuzzed) prefix(bits uint8) netip.Prefix {
	p, err := netip.Addr(a).Prefix(int(bits))
	if err != nil {
		return netip.Prefix{}
	}
	return p
}

// writtenHops is what of the hops of c goes into its message.
func writtenHops(c rib.Change) []rib.Hop {
	r := c.Route
	if c.Op == rib.OpDelete || !forwards(r.Kind) || r.NexthopID != 0 {
		return nil
	}
	if len(r.Hops) == 1 {
		h := r.Hops[0]
		h.Weight = 1 // a single hop has none
		return []rib.Hop{h}
	}
	return r.Hops
}

func checkFlags(t *testing.T, op rib.Op, h syscall.NlMsghdr) {
	t.Helper()
	want := map[rib.Op]struct{ typ, flags uint16 }{
		rib.OpAdd:     {unix.RTM_NEWROUTE, unix.NLM_F_REQUEST | unix.NLM_F_CREATE | unix.NLM_F_EXCL},
		rib.OpReplace: {unix.RTM_NEWROUTE, unix.NLM_F_REQUEST | unix.NLM_F_CREATE | unix.NLM_F_REPLACE},
		rib.OpDelete:  {unix.RTM_DELROUTE, unix.NLM_F_REQUEST},
	}[op]
	if h.Type != want.typ || h.Flags != want.flags {
		t.Fatalf("%v has the type %d and the flags %#x", op, h.Type, h.Flags)
	}
}

// libraryRoute decodes a route message with the netlink library alone.
func libraryRoute(t *testing.T, b []byte) (rib.Route, uint32) {
	t.Helper()
	msg := nl.DeserializeRtMsg(b)
	r := rib.Route{Protocol: msg.Protocol, Kind: rib.Kind(msg.Type)}
	table := uint32(msg.Table)
	only := rib.Hop{Weight: 1, OnLink: msg.Flags&unix.RTNH_F_ONLINK != 0}
	var dst netip.Addr
	only.Encap = libraryEncap(t, libraryAttrs(t, b[unix.SizeofRtMsg:]))
	for _, a := range libraryAttrs(t, b[unix.SizeofRtMsg:]) {
		switch a.Attr.Type {
		case unix.RTA_DST:
			dst = libraryAddr(t, a.Value)
		case unix.RTA_TABLE:
			table = binary.NativeEndian.Uint32(a.Value)
		case unix.RTA_PRIORITY:
			r.Metric = binary.NativeEndian.Uint32(a.Value)
		case unix.RTA_PREFSRC:
			r.PrefSrc = libraryAddr(t, a.Value)
		case 30: // RTA_NH_ID, which the library does not know
			r.NexthopID = binary.NativeEndian.Uint32(a.Value)
		case unix.RTA_OIF:
			only.Ifindex = int(binary.NativeEndian.Uint32(a.Value))
		case unix.RTA_GATEWAY, unix.RTA_VIA:
			only.Gateway = libraryGateway(t, a)
		case unix.RTA_MULTIPATH:
			r.Hops = libraryHops(t, a.Value)
		case unix.RTA_ENCAP_TYPE, unix.RTA_ENCAP | unix.NLA_F_NESTED:
		default:
			t.Fatalf("the attribute %d is not for us to write", a.Attr.Type)
		}
	}
	if only.Ifindex != 0 || only.Gateway.IsValid() {
		r.Hops = append(r.Hops, only)
	}
	r.Prefix = netip.PrefixFrom(dst, int(msg.Dst_len))
	if family := nl.GetIPFamily(dst.AsSlice()); int(msg.Family) != family {
		t.Fatalf("the family is %d, and %d by its prefix", msg.Family, family)
	}
	return r, table
}

func libraryAttrs(t *testing.T, b []byte) []syscall.NetlinkRouteAttr {
	t.Helper()
	attrs, err := nl.ParseRouteAttr(b)
	if err != nil {
		t.Fatal(err)
	}
	return attrs
}

func libraryAddr(t *testing.T, b []byte) netip.Addr {
	t.Helper()
	a, ok := netip.AddrFromSlice(b)
	if !ok {
		t.Fatalf("an address of %d bytes", len(b))
	}
	return a
}

func libraryGateway(t *testing.T, a syscall.NetlinkRouteAttr) netip.Addr {
	t.Helper()
	if a.Attr.Type == unix.RTA_GATEWAY {
		return libraryAddr(t, a.Value)
	}
	var via netlink.Via
	if err := via.Decode(a.Value); err != nil || via.AddrFamily != unix.AF_INET6 {
		t.Fatalf("%+v, %v", via, err)
	}
	return libraryAddr(t, via.Addr)
}

func libraryHops(t *testing.T, b []byte) (hops []rib.Hop) {
	t.Helper()
	for len(b) > 0 {
		n := nl.DeserializeRtNexthop(b)
		h := rib.Hop{
			Ifindex: int(n.Ifindex), Weight: uint16(n.Hops) + 1,
			OnLink: n.Flags&unix.RTNH_F_ONLINK != 0,
		}
		size := int(n.RtNexthop.Len)
		all := libraryAttrs(t, b[unix.SizeofRtNexthop:size])
		h.Encap = libraryEncap(t, all)
		for _, a := range all {
			if kind := a.Attr.Type &^ unix.NLA_F_NESTED; kind != unix.RTA_ENCAP && kind != unix.RTA_ENCAP_TYPE {
				h.Gateway = libraryGateway(t, a)
			}
		}
		hops = append(hops, h)
		b = b[size:]
	}
	return hops
}

// libraryEncap decodes the encapsulation among attributes with the netlink library alone.
func libraryEncap(t *testing.T, all []syscall.NetlinkRouteAttr) (e rib.Encap) {
	t.Helper()
	var kind rib.EncapKind
	for _, a := range all {
		if a.Attr.Type == unix.RTA_ENCAP_TYPE {
			kind = rib.EncapKind(binary.NativeEndian.Uint16(a.Value))
		}
	}
	for _, a := range all {
		if a.Attr.Type != unix.RTA_ENCAP|unix.NLA_F_NESTED {
			continue
		}
		switch kind {
		case nl.LWTUNNEL_ENCAP_MPLS:
			var is netlink.MPLSEncap
			if err := is.Decode(a.Value); err != nil {
				t.Fatal(err)
			}
			var labels []uint32
			for _, label := range is.Labels {
				labels = append(labels, uint32(label))
			}
			e = rib.ByMPLS(rib.LabelStack(labels...))
		case nl.LWTUNNEL_ENCAP_SEG6:
			const reduced = 3 // which the library does not know
			var is netlink.SEG6Encap
			if err := is.Decode(a.Value); err != nil || len(is.Segments) != 1 || is.Mode != nl.SEG6_IPTUN_MODE_ENCAP && is.Mode != reduced {
				t.Fatalf("%+v, %v", is, err)
			}
			e = rib.BySRv6(libraryAddr(t, is.Segments[0]), is.Mode == reduced)
		}
	}
	if kind != e.Kind() {
		t.Fatalf("the kind is %v, and there is %v", kind, e.Kind())
	}
	return e
}

func TestEncodeRefuses(t *testing.T) {
	change := func(f func(*rib.Change)) rib.Change {
		c := rib.Change{Op: rib.OpAdd, Route: route("10.0.0.0/8", via("192.0.2.1"))}
		f(&c)
		return c
	}
	many := make([]rib.Hop, 3000)
	for i := range many {
		many[i] = via("192.0.2.1")
	}
	for want, c := range map[string]rib.Change{
		"no such operation":         change(func(c *rib.Change) { c.Op = 99 }),
		"host bits":                 change(func(c *rib.Change) { c.Route.Prefix = netip.MustParsePrefix("10.1.0.0/8") }),
		"or is none":                change(func(c *rib.Change) { c.Route.Prefix = netip.Prefix{} }),
		"the metric is 0":           change(func(c *rib.Change) { c.Route.Metric = 0 }),
		"the route type 2":          change(func(c *rib.Change) { c.Route.Kind = rib.KindLocal }),
		"the route type 11":         change(func(c *rib.Change) { c.Route.Kind = 11 }),
		"no nexthop":                change(func(c *rib.Change) { c.Route.Hops = nil }),
		"more than a message holds": change(func(c *rib.Change) { c.Route.Hops = many }),
		"over 256":                  change(func(c *rib.Change) { c.Route.Hops = []rib.Hop{{Ifindex: 1, Weight: 257}} }),
		"neither an interface nor":  change(func(c *rib.Change) { c.Route.Hops = []rib.Hop{{}} }),
		"IPv6 route cannot go":      change(func(c *rib.Change) { c.Route = route("::/0", via("192.0.2.1")) }),
		"delete ::/0: the metric":   change(func(c *rib.Change) { c.Op, c.Route = rib.OpDelete, route("::/0"); c.Route.Metric = 0 }),
		"the route type 0":          change(func(c *rib.Change) { c.Op, c.Route.Kind = rib.OpDelete, 0 }),
		"0 labels are no stack":     change(func(c *rib.Change) { c.Route.Hops[0].Encap = rib.EncapOf(rib.EncapMPLS) }),
		"256 labels are no stack":   change(func(c *rib.Change) { c.Route.Hops[0].Encap = rib.ByMPLS(rib.LabelStack(make([]uint32, 256)...)) }),
		"the label 3 cannot":        change(func(c *rib.Change) { c.Route.Hops[0].Encap = rib.ByMPLS(rib.LabelStack(16, rib.ImplicitNull)) }),
		"the label 1048576 cannot":  change(func(c *rib.Change) { c.Route.Hops[0].Encap = rib.ByMPLS(rib.LabelStack(rib.MaxLabel + 1)) }),
		"invalid IP is no SID":      change(func(c *rib.Change) { c.Route.Hops[0].Encap = rib.EncapOf(rib.EncapSRv6) }),
		"192.0.2.1 is no SID":       change(func(c *rib.Change) { c.Route.Hops[0].Encap = rib.BySRv6(netip.MustParseAddr("192.0.2.1"), false) }),
		"encapsulation (ip)":        change(func(c *rib.Change) { c.Route.Hops[0].Encap = rib.EncapOf(2) }),
		"encapsulation (vxlan)":     change(func(c *rib.Change) { c.Route.Hops[0].Encap = rib.ByVXLAN(100, rib.MAC{2}) }),
		"through ::ffff:192.0.2.1":  change(func(c *rib.Change) { c.Route = route("::/0", via("::ffff:192.0.2.1")) }),
		"through ::ffff:192.0.2.2": change(func(c *rib.Change) { // without onlink the kernel would look it up
			c.Route = route("::/0", rib.Hop{Gateway: netip.MustParseAddr("::ffff:192.0.2.2"), Ifindex: 3, Encap: rib.ByMPLS(rib.LabelStack(16))})
		}),
		"through ::ffff:192.0.2.3": change(func(c *rib.Change) { // by ND
			c.Route.Hops = []rib.Hop{{Gateway: netip.MustParseAddr("::ffff:192.0.2.3"), Ifindex: 3, OnLink: true, Encap: rib.ByMPLS(rib.LabelStack(16))}}
		}),
		"needs a gateway in each": change(func(c *rib.Change) { c.Route = route("::/0", via("fe80::1"), rib.Hop{Ifindex: 1}) }),
	} {
		b, err := appendChange([]byte{1}, &c, 7, 179, 1)
		if err == nil || !strings.Contains(err.Error(), want) || len(b) != 1 {
			t.Errorf("%v (%d bytes left)\nwant: %s", err, len(b), want)
		}
	}
}
