package rib

import (
	"net/netip"
	"strings"
	"testing"
)

func addr(s string) netip.Addr     { return netip.MustParseAddr(s) }
func prefix(s string) netip.Prefix { return netip.MustParsePrefix(s) }

// twoLinks are eth0 (2) and eth1 (3), both up, and lo (1).
func twoLinks() Links {
	return Links{
		1: {Index: 1, Name: "lo", Up: true, Admin: true, Loopback: true, Addrs: []netip.Prefix{prefix("127.0.0.1/8"), prefix("::1/128")}},
		2: {Index: 2, Name: "eth0", Up: true, Admin: true, Addrs: []netip.Prefix{prefix("192.0.2.2/24"), prefix("2001:db8:1::2/64"), prefix("fe80::2/64")}},
		3: {Index: 3, Name: "eth1", Up: true, Admin: true, Addrs: []netip.Prefix{prefix("198.51.100.2/24"), prefix("2001:db8:2::2/64")}},
	}
}

// TestFormat has what iproute2 6.1 printed on Linux 6.18 for the same routes,
// with protocol 179 named, and without "pref medium" and blanks at the end.
func TestFormat(t *testing.T) {
	own := func(p string, hops ...Hop) Route {
		return Route{Prefix: prefix(p), Metric: 20, Protocol: ProtoOwn, Kind: KindUnicast, Hops: hops}
	}
	with := func(r Route, change func(*Route)) Route { change(&r); return r }
	via := func(gw string, dev int) Hop { return Hop{Gateway: addr(gw), Ifindex: dev} }
	for _, tc := range []struct {
		route Route
		want  string
	}{
		{own("10.1.0.0/24", via("192.0.2.1", 2)), "10.1.0.0/24 via 192.0.2.1 dev eth0 proto vrfredist metric 20"},
		{own("0.0.0.0/0", via("192.0.2.1", 2)), "default via 192.0.2.1 dev eth0 proto vrfredist metric 20"},
		{own("::/0", via("2001:db8:1::1", 2)), "default via 2001:db8:1::1 dev eth0 proto vrfredist metric 20"},
		{own("10.2.0.0/24", via("fe80::1", 2)), "10.2.0.0/24 via inet6 fe80::1 dev eth0 proto vrfredist metric 20"},
		{own("2001:db8:c::1/128", via("fe80::9", 2)), "2001:db8:c::1 via fe80::9 dev eth0 proto vrfredist metric 20"},
		{own("10.3.0.0/24", Hop{Gateway: addr("172.16.0.1"), Ifindex: 2, OnLink: true}), "10.3.0.0/24 via 172.16.0.1 dev eth0 proto vrfredist metric 20 onlink"},
		{with(own("10.1.0.9/32", via("192.0.2.1", 2)), func(r *Route) { r.PrefSrc = addr("192.0.2.2") }),
			"10.1.0.9 via 192.0.2.1 dev eth0 proto vrfredist src 192.0.2.2 metric 20"},
		{own("10.4.0.0/24", Hop{Gateway: addr("192.0.2.1"), Ifindex: 2, Weight: 3}, via("198.51.100.1", 3), Hop{Gateway: addr("fe80::1"), Ifindex: 3, OnLink: true, Dead: true}),
			"10.4.0.0/24 proto vrfredist metric 20\n" +
				"\tnexthop via 192.0.2.1 dev eth0 weight 3\n" +
				"\tnexthop via 198.51.100.1 dev eth1 weight 1\n" +
				"\tnexthop via inet6 fe80::1 dev eth1 weight 1 dead onlink"},
		{with(own("10.0.0.0/8"), func(r *Route) { r.Kind = KindBlackhole }), "blackhole 10.0.0.0/8 proto vrfredist metric 20"},
		{with(own("0.0.0.0/0"), func(r *Route) { r.Kind = KindUnreachable }), "unreachable default proto vrfredist metric 20"},
		{with(own("10.7.0.0/24", via("192.0.2.1", 2)), func(r *Route) { r.NexthopID = 5 }), "10.7.0.0/24 nhid 5 via 192.0.2.1 dev eth0 proto vrfredist metric 20"},
		{Route{Prefix: prefix("192.0.2.0/24"), Kind: KindUnicast, Protocol: ProtoKernel, Scope: 253, PrefSrc: addr("192.0.2.2"), Hops: []Hop{{Ifindex: 2}}},
			"192.0.2.0/24 dev eth0 proto kernel scope link src 192.0.2.2"},
		{Route{Prefix: prefix("2001:db8:1::/64"), Kind: KindUnicast, Protocol: ProtoKernel, Metric: 256, Hops: []Hop{{Ifindex: 2}}},
			"2001:db8:1::/64 dev eth0 proto kernel metric 256"},
		{own("10.9.0.0/24", via("192.0.2.1", 77)), "10.9.0.0/24 via 192.0.2.1 dev if77 proto vrfredist metric 20"},
	} {
		if got := tc.route.Format(twoLinks()); got != tc.want {
			t.Errorf("got  %q\nwant %q", got, tc.want)
		}
	}
	if got := own("10.1.0.0/24", via("192.0.2.1", 2)).String(); got != "10.1.0.0/24 via 192.0.2.1 dev if2 proto vrfredist metric 20" {
		t.Errorf("String() = %q", got)
	}
}

func TestProtocols(t *testing.T) {
	for n := 0; n < 256; n++ {
		name := ProtocolName(uint8(n))
		back, err := ParseProtocol(name)
		if err != nil || back != uint8(n) {
			t.Errorf("protocol %d is called %q, which reads as %d, %v", n, name, back, err)
		}
	}
	for name, want := range map[string]uint8{"kernel": 2, "static": 4, "ra": 9, "dhcp": 16, "vrfredist": 179, "bgp": 186, "179": 179, "eigrp": 192, "openr": 99} {
		if n, err := ParseProtocol(name); err != nil || n != want {
			t.Errorf("ParseProtocol(%q) = %d, %v; want %d", name, n, err, want)
		}
	}
	for _, bad := range []string{"", "256", "-1", "+4", "Static", "statik"} {
		if _, err := ParseProtocol(bad); err == nil || !strings.Contains(err.Error(), "write it as") {
			t.Errorf("ParseProtocol(%q): %v", bad, err)
		}
	}
}

func TestKindNames(t *testing.T) {
	want := "0 unicast local broadcast anycast multicast blackhole unreachable prohibit throw 10"
	var got []string
	for k := Kind(0); k <= 10; k++ {
		got = append(got, k.String())
	}
	if s := strings.Join(got, " "); s != want {
		t.Errorf("got %q, want %q", s, want)
	}
}
