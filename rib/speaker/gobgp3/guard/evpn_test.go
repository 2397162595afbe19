package guard

import (
	"bytes"
	"encoding/binary"
	"net/netip"
	"slices"
	"testing"

	"github.com/osrg/gobgp/v3/pkg/packet/bgp"

	"github.com/vrfredist/vrfredist/rib"
)

// five is an IP prefix route of EVPN with the RD 65000:1 and the VNI 100, whatever its prefix.
func five(addr string, bits byte) []byte {
	a := netip.MustParseAddr(addr).AsSlice()
	body := slices.Concat([]byte{0, 0, 0xfd, 0xe8, 0, 0, 0, 1}, make([]byte, 14), []byte{bits}, a, make([]byte, len(a)), []byte{0, 0, 100})
	return append([]byte{5, byte(len(body))}, body...)
}

// other is a route of EVPN of another type.
func other(kind byte, body ...byte) []byte { return append([]byte{kind, byte(len(body))}, body...) }

func reachEVPN(routes ...[]byte) []byte {
	v := append([]byte{0, 25, 70, 4, 10, 255, 0, 2, 0}, slices.Concat(routes...)...)
	return attr(0x80, 14, v...)
}

func unreachEVPN(routes ...[]byte) []byte {
	return attr(0x80, 15, append([]byte{0, 25, 70}, slices.Concat(routes...)...)...)
}

// evpnSession is one on which EVPN was agreed on, with what GoBGP's own parser makes of a message
// for a rehearsal.
func evpnSession(t testing.TB, rules Rules, as uint32, more ...bgp.ParameterCapabilityInterface) *pair {
	t.Helper()
	some := append(slices.Clone(all), bgp.RF_EVPN)
	rules.Terms = rib.DefaultTerms()
	return established(t, setup{
		rules: rules, as: as, ours: append(fourByte(65000, some...), more...), theirs: append(fourByte(as, some...), more...),
		rehearsal: func(m []byte, s *Session) error {
			_, err := bgp.ParseBGPMessage(m, &bgp.MarshallingOption{AddPath: s.Families})
			return err
		},
	})
}

var (
	overlay = slices.Concat(rtB, community(0x0603, 2, 0, 0, 0, 2, 1), community(0x030c, 0, 0, 0, 0, 0, 8))
	// auto-discovery, MAC address with an IPv4 one, multicast, segment
	autoDiscovery = other(1, make([]byte, 25)...)
	macAddress    = other(2, slices.Concat(make([]byte, 22), []byte{48, 2, 0, 0, 0, 0, 1, 32, 10, 0, 0, 1, 0, 0, 100})...)
	multicast     = other(3, slices.Concat(make([]byte, 12), []byte{32, 10, 255, 0, 2})...)
	segment       = other(4, slices.Concat(make([]byte, 18), []byte{32, 10, 255, 0, 2})...)
)

const fiveText = "[type:Prefix][rd:65000:1][etag:0][prefix:"

// TestEVPNPassesAsItCame: IP prefix routes with a router's MAC address and an encapsulation are
// plain; routes of other types are rehearsed.
func TestEVPNPassesAsItCame(t *testing.T) {
	t.Parallel()
	x := evpnSession(t, Rules{}, 65002)
	for _, m := range [][]byte{
		announcement(nil, plainAttrs(reachEVPN(five("10.1.0.0", 16), five("2001:db8::", 32), five("0.0.0.0", 0), five("::", 0)), attr(0xc0, 16, overlay...)), nil),
		announcement(nil, unreachEVPN(five("10.1.0.0", 16), five("2001:db8::", 32)), nil),
		announcement(nil, unreachEVPN(), nil), // an End-of-RIB
		announcement(nil, plainAttrs(reachEVPN(autoDiscovery, macAddress, multicast, segment)), nil),
	} {
		x.send(m)
		if got := x.read(); !bytes.Equal(got, m) && len(got) != len(m) {
			t.Errorf("got  %x\nsent %x", got, m)
		}
	}
	if r := x.guard.Reports()[0]; r.Plain != 3 || r.Rehearsed != 1 || len(r.Counts) > 0 {
		t.Errorf("%+v", r)
	}
}

// TestEVPNJudged: a route of EVPN that GoBGP cannot read, or that nobody should have, is left out
// or withdrawn by itself, and the others of its message stay.
func TestEVPNJudged(t *testing.T) {
	t.Parallel()
	good, other4 := five("10.1.0.0", 16), five("10.2.0.0", 16)
	text, text4 := fiveText+"10.1.0.0/16]", fiveText+"10.2.0.0/16]"
	cut := func(b []byte, by int) []byte {
		b = slices.Clone(b[:len(b)-by])
		b[1] -= byte(by)
		return b
	}
	set := func(b []byte, at int, v ...byte) []byte {
		b = slices.Clone(b)
		copy(b[at:], v)
		return b
	}
	for name, tc := range map[string]struct {
		as        uint32
		routes    [][]byte
		withdrawn []string // beside what is announced
		why       Reason
	}{
		"a prefix that is cut short":     {65000, [][]byte{cut(good, 1)}, nil, Malformed},
		"a prefix of 57 bytes":           {65000, [][]byte{cut(five("2001:db8::", 32), 1)}, nil, Malformed},
		"none but a length":              {65000, [][]byte{other(5)}, nil, Malformed},
		"33 bits":                        {65000, [][]byte{five("10.3.0.0", 33)}, nil, Malformed},
		"129 bits":                       {65000, [][]byte{five("2001:db8::", 129)}, nil, Malformed},
		"a segment that GoBGP minds":     {65000, [][]byte{set(good, 10, 1, 0, 0, 0, 0, 0, 0, 0, 0, 7)}, nil, Malformed},
		"an IPv4 prefix in IPv6":         {65000, [][]byte{five("::ffff:10.1.0.0", 112)}, nil, Mapped},
		"the same text as an IPv4 route": {65000, [][]byte{five("::ffff:10.1.0.0", 16)}, nil, Mapped},
		"a type of later days":           {65000, [][]byte{other(6, make([]byte, 30)...), other(9), other(255, 1)}, nil, RouteType},
		"a type 0":                       {65000, [][]byte{other(0, 1, 2, 3)}, nil, RouteType},
		"auto-discovery, cut":            {65000, [][]byte{cut(autoDiscovery, 1)}, nil, Malformed},
		"a MAC address, cut":             {65000, [][]byte{cut(macAddress, 1), cut(macAddress, 13), cut(macAddress, 30), other(2)}, nil, Malformed},
		"a MAC address of 7 bits":        {65000, [][]byte{set(macAddress, 31, 7)}, nil, Malformed},
		"multicast, cut":                 {65000, [][]byte{cut(multicast, 1), cut(multicast, 6), other(3)}, nil, Malformed},
		"a segment, cut":                 {65000, [][]byte{cut(segment, 1), cut(segment, 20)}, nil, Malformed},
		"a martian over eBGP":            {65002, [][]byte{five("127.1.0.0", 16)}, []string{fiveText + "127.1.0.0/16]"}, Martian},
		"a martian of IPv6 over eBGP":    {65002, [][]byte{five("fe80::", 64)}, []string{fiveText + "fe80::/64]"}, Martian},
		"a martian over iBGP":            {65000, nil, nil, reasons},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			x := evpnSession(t, Rules{}, tc.as)
			attrs := plainAttrs()
			if tc.as == 65000 {
				attrs = slices.Concat(origin, sequence(65009), nexthop)
			}
			x.send(announcement(nil, slices.Concat(attrs, reachEVPN(slices.Concat([][]byte{good}, tc.routes, [][]byte{other4})...)), nil))
			h := x.hear()
			if !slices.Equal(h.announced, []string{text, text4}) || !slices.Equal(h.withdrawn, tc.withdrawn) {
				t.Errorf("announced: %+v", h)
			}
			if tc.why != reasons && x.count(tc.why) != uint64(len(tc.routes)) {
				t.Errorf("counted %v", x.guard.Reports()[0].Counts)
			}
			x.send(announcement(nil, unreachEVPN(slices.Concat([][]byte{good}, tc.routes, [][]byte{other4})...), nil))
			if h := x.hear(); !slices.Equal(h.withdrawn, slices.Concat([]string{text}, tc.withdrawn, []string{text4})) {
				t.Errorf("withdrawn: %+v", h)
			}
			x.send(announcement(nil, unreachEVPN(tc.routes...), nil))
			if h := x.hear(); !slices.Equal(h.withdrawn, tc.withdrawn) || len(tc.routes) > 0 && len(tc.withdrawn) == 0 && h.messages > 0 {
				t.Errorf("withdrawn, and no other: %+v", h) // an empty withdrawal is an End-of-RIB
			}
		})
	}
}

// TestEVPNRefused: a path with our own AS withdraws what it replaces, of the routes that GoBGP can
// read, and each prefix is known to be refused.
func TestEVPNRefused(t *testing.T) {
	t.Parallel()
	x := evpnSession(t, Rules{OwnASes: []uint32{65000}}, 65002)
	x.send(announcement(nil, slices.Concat(origin, sequence(65002, 65000), nexthop, reachEVPN(five("10.1.0.0", 16), five("::ffff:10.2.0.0", 112), multicast, other(7, 1), five("2001:db8::", 32))), nil))
	h := x.hear()
	if len(h.announced) > 0 || len(h.withdrawn) != 3 || h.withdrawn[0] != fiveText+"10.1.0.0/16]" || h.withdrawn[2] != fiveText+"2001:db8::/32]" {
		t.Errorf("%+v", h)
	}
	for _, p := range []string{"10.1.0.0/16", "2001:db8::/32"} {
		if got := x.guard.Refused("", netip.MustParsePrefix(p)); len(got) != 1 || got[0].Reason != OwnAS {
			t.Errorf("%s is refused so: %+v", p, got)
		}
	}
}

// TestEVPNTooLong: a route that ends behind the message ends the session, as other prefixes do.
func TestEVPNTooLong(t *testing.T) {
	t.Parallel()
	for _, routes := range [][]byte{{5, 34, 0}, {5}, append(five("10.1.0.0", 16), 5)} {
		x := evpnSession(t, Rules{}, 65002)
		x.send(announcement(nil, plainAttrs(reachEVPN(routes)), nil))
		if !x.ended() {
			t.Errorf("%x: the session goes on", routes)
		}
		if code, sub := x.notified(); code != bgp.BGP_ERROR_UPDATE_MESSAGE_ERROR || sub != bgp.BGP_ERROR_SUB_INVALID_NETWORK_FIELD {
			t.Errorf("%x is answered by %d/%d", routes, code, sub)
		}
	}
}

// TestEVPNAddPath: path identifiers stay with their routes.
func TestEVPNAddPath(t *testing.T) {
	t.Parallel()
	path := bgp.NewCapAddPath([]*bgp.CapAddPathTuple{bgp.NewCapAddPathTuple(bgp.RF_EVPN, bgp.BGP_ADD_PATH_BOTH)})
	x := evpnSession(t, Rules{}, 65002, path)
	with := func(id byte, route []byte) []byte { return append([]byte{0, 0, 0, id}, route...) }
	m := announcement(nil, plainAttrs(reachEVPN(with(1, five("10.1.0.0", 16)), with(2, five("10.1.0.0", 16)))), nil)
	x.send(m)
	if got := x.read(); !bytes.Equal(got, m) {
		t.Errorf("got  %x\nsent %x", got, m)
	}
	x.send(announcement(nil, plainAttrs(reachEVPN(with(1, five("127.0.0.0", 8)), with(2, five("10.2.0.0", 16)), with(3, other(8)))), nil))
	if h := x.hear(); !slices.Equal(h.announced, []string{fiveText + "10.2.0.0/16]"}) || !slices.Equal(h.withdrawn, []string{fiveText + "127.0.0.0/8]"}) {
		t.Errorf("%+v", h)
	}
}

// TestEVPNSplit: GoBGP gets no more than 64 routes at a time.
func TestEVPNSplit(t *testing.T) {
	t.Parallel()
	x := evpnSession(t, Rules{}, 65002)
	var routes [][]byte
	for i := range 70 {
		routes = append(routes, five("10.1.0.0", 16))
		binary.BigEndian.PutUint16(routes[i][26:], uint16(i)<<8)
	}
	x.send(announcement(nil, plainAttrs(reachEVPN(routes...)), nil))
	if h := x.hear(); len(h.announced) != 70 || h.messages != 2 {
		t.Errorf("%d messages, %d announced", h.messages, len(h.announced))
	}
}

// TestEVPNOfCustomers: a session in a VRF has no routes of EVPN, whatever was agreed on, and what
// it says of encapsulations and MAC addresses is taken out and counted.
func TestEVPNOfCustomers(t *testing.T) {
	t.Parallel()
	x := evpnSession(t, Rules{VRF: "red"}, 65002)
	x.send(announcement(nil, plainAttrs(reachEVPN(five("10.1.0.0", 16))), nil))
	if h := x.hear(); len(h.announced)+len(h.withdrawn) > 0 || x.count(FamilyNotNegotiated) != 1 {
		t.Errorf("%+v, counted %v", h, x.guard.Reports()[0].Counts)
	}
	x = evpnSession(t, Rules{VRF: "red"}, 65002) // in place of a message with nothing in it GoBGP has read a KEEPALIVE
	x.send(announcement(nil, plainAttrs(attr(0xc0, 16, overlay...)), n4))
	if h := x.hear(); len(h.announced) != 1 || slices.Contains(h.kinds, 16) || x.count(ExtendedCommunity) != 2 || x.count(RouteTarget) != 1 {
		t.Errorf("%+v, counted %v", h, x.guard.Reports()[0].Counts)
	}
}
