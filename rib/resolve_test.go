package rib

import (
	"net/netip"
	"strings"
	"testing"
)

// tenant is a table with two connected subnets, statics behind them, and a
// default route.
func tenant() View {
	links := twoLinks()
	links[4] = Link{Index: 4, Name: "eth2"}
	links[5] = Link{Index: 5, Name: "vrf-b", Up: true, Admin: true, VRFTable: 1001}
	links[7] = Link{Index: 7, Name: "eth4", Admin: true} // no carrier
	links[6] = Link{Index: 6, Name: "eth3", Up: true, Admin: true, Master: 5, Addrs: []netip.Prefix{prefix("203.0.113.1/24")}}
	uni := func(p string, metric uint32, hops ...Hop) Route {
		r := Route{Prefix: prefix(p), Metric: metric, Protocol: ProtoStatic, Kind: KindUnicast, Hops: hops}
		if r.Prefix.Addr().Is4() && len(hops) == 1 && !hops[0].Gateway.IsValid() {
			r.Scope = scopeLink
		}
		return r
	}
	far := func(r Route) Route { r.Scope = 0; return r }
	none := func(p string, k Kind) Route { return Route{Prefix: prefix(p), Protocol: ProtoStatic, Kind: k} }
	via := func(gw string, dev int) Hop { return Hop{Gateway: addr(gw), Ifindex: dev} }
	return View{Where: Where{Table: 254}, Links: links, Foreign: NewForeignTable([]Route{
		uni("192.0.2.0/24", 0, Hop{Ifindex: 2}),
		uni("198.51.100.0/24", 0, Hop{Ifindex: 3}),
		uni("2001:db8:1::/64", 256, Hop{Ifindex: 2}),
		uni("fe80::/64", 256, Hop{Ifindex: 2}),
		uni("169.254.0.0/16", 0, Hop{Ifindex: 3}),
		far(uni("192.0.2.128/25", 20, Hop{Ifindex: 3})), // as zebra and BIRD write it
		uni("2001:db8:8::/48", 0, via("2001:db8:1::7", 2)), uni("2001:db8:9::/48", 0, via("fe80::7", 2)),
		uni("0.0.0.0/0", 0, via("192.0.2.1", 2)),
		uni("::/0", 1024, via("2001:db8:1::1", 2)),
		uni("10.1.0.0/16", 0, via("192.0.2.1", 2)),
		uni("10.1.1.0/24", 0, Hop{Gateway: addr("192.0.2.1"), Ifindex: 2, Weight: 2}, Hop{Gateway: addr("198.51.100.1"), Ifindex: 3, OnLink: true}, via("10.255.0.1", 4)),
		uni("10.1.2.0/24", 0, via("10.255.0.1", 4)),                                 // down: 10.1/16 is next
		uni("10.1.3.0/24", 0, via("10.255.0.1", 4)), none("10.1.3.0/24", KindThrow), // down, then metric 0 again
		uni("10.1.4.0/24", 0, Hop{Gateway: addr("192.0.2.1"), Ifindex: 2, Dead: true}), uni("10.1.4.0/24", 9, via("198.51.100.1", 3)),
		uni("10.2.0.0/16", 0, via("10.255.0.1", 4)),
		uni("10.3.0.0/16", 0, via("10.255.0.1", 99)),
		uni("10.11.0.0/16", 0, via("10.255.0.1", 7)),
		uni("10.12.0.0/16", 0, Hop{Gateway: addr("10.255.0.1"), Ifindex: 7, Dead: true}),
		uni("10.4.0.0/16", 0, Hop{Gateway: addr("192.0.2.1"), Ifindex: 2, Dead: true}),
		uni("10.5.0.0/16", 0),
		none("10.6.0.0/16", KindBlackhole), uni("10.0.0.0/8", 0, via("192.0.2.9", 2)),
		none("10.7.0.0/16", KindUnreachable), none("10.8.0.0/16", KindProhibit), none("10.9.0.0/16", KindLocal), none("10.10.0.0/16", KindBroadcast),
		uni("172.16.0.0/24", 0, via("10.1.1.9", 0)),                      // a gateway off the link
		uni("172.16.1.0/24", 0, via("172.16.1.1", 0)),                    // by itself
		uni("172.16.2.0/24", 0, via("11.0.0.1", 0), via("192.0.2.7", 2)), // one by the default route
		uni("172.16.3.0/24", 0, via("10.1.9.9", 0), via("192.0.2.1", 2)), // both to the same hop
		uni("172.16.4.0/24", 0, via("11.0.0.1", 0)),                      // by the default route alone
		uni("172.16.5.0/24", 0, via("fe80::1", 0)),                       // link-local, off the link
		uni("172.16.6.0/24", 0, via("fe80::1", 2)),                       // IPv4 by IPv6
		{Prefix: prefix("172.16.7.0/24"), Kind: KindUnicast, NexthopID: 7},
		uni("10.20.0.0/16", 0, Hop{Gateway: addr("192.0.2.1"), Ifindex: 2, Encap: EncapOf(1)}), uni("10.20.0.0/16", 9, via("192.0.2.1", 2)),
		uni("10.21.0.0/16", 0, Hop{Gateway: addr("192.0.2.1"), Ifindex: 2}, Hop{Gateway: addr("198.51.100.1"), Ifindex: 3, Encap: EncapOf(2)}),
		uni("10.22.0.0/16", 0, via("10.20.0.9", 0), via("192.0.2.1", 2)),
		uni("10.23.0.0/16", 0, via("192.0.2.1", 2), Hop{Gateway: addr("10.255.0.1"), Ifindex: 4, Encap: EncapOf(2)}), // which is down
		uni("192.0.2.64/26", 0, Hop{Ifindex: 2, Encap: EncapOf(5)}),
	})}
}

func render(hops []Hop, links Links) string {
	var s []string
	for _, h := range hops {
		s = append(s, strings.Join(append(append(h.Way(links, false), "weight", utoa(uint32(h.Weight))), flags(h)...), " "))
	}
	return strings.Join(s, ", ")
}

func TestResolve(t *testing.T) {
	v := tenant()
	for _, tc := range []struct{ nh, hops, via, err string }{
		{nh: "192.0.2.1", hops: "via 192.0.2.1 dev eth0 weight 1", via: "192.0.2.0/24"},
		{nh: "192.0.2.129", hops: "via 192.0.2.129 dev eth1 weight 1 onlink", via: "192.0.2.128/25"},
		{nh: "2001:db8:1::9", hops: "via 2001:db8:1::9 dev eth0 weight 1 onlink", via: "2001:db8:1::/64"},
		{nh: "2001:db8:1::9%eth1", hops: "via 2001:db8:1::9 dev eth0 weight 1 onlink", via: "2001:db8:1::/64"},
		{nh: "2001:db8:8::1", hops: "via 2001:db8:1::7 dev eth0 weight 1 onlink", via: "2001:db8:8::/48"},
		{nh: "2001:db8:9::1", hops: "via fe80::7 dev eth0 weight 1", via: "2001:db8:9::/48"},
		{nh: "169.254.1.1", hops: "via 169.254.1.1 dev eth1 weight 1", via: "169.254.0.0/16"},
		{nh: "10.1.0.1", hops: "via 192.0.2.1 dev eth0 weight 1", via: "10.1.0.0/16"},
		{nh: "10.1.1.1", hops: "via 192.0.2.1 dev eth0 weight 2, via 198.51.100.1 dev eth1 weight 1 onlink", via: "10.1.1.0/24"},
		{nh: "10.1.2.1", hops: "via 192.0.2.1 dev eth0 weight 1", via: "10.1.0.0/16"},
		{nh: "10.1.4.1", hops: "via 198.51.100.1 dev eth1 weight 1", via: "10.1.4.0/24"},
		{nh: "10.3.0.1", hops: "via 192.0.2.9 dev eth0 weight 1", via: "10.0.0.0/8"},
		{nh: "10.4.0.1", hops: "via 192.0.2.9 dev eth0 weight 1", via: "10.0.0.0/8"},
		{nh: "10.5.0.1", hops: "via 192.0.2.9 dev eth0 weight 1", via: "10.0.0.0/8"},
		{nh: "172.16.0.1", hops: "via 192.0.2.1 dev eth0 weight 2, via 198.51.100.1 dev eth1 weight 1 onlink", via: "172.16.0.0/24"},
		{nh: "172.16.2.1", hops: "via 192.0.2.7 dev eth0 weight 1", via: "172.16.2.0/24"},
		{nh: "172.16.3.1", hops: "via 192.0.2.1 dev eth0 weight 2", via: "172.16.3.0/24"},
		{nh: "172.16.6.1", hops: "via fe80::1 dev eth0 weight 1", via: "172.16.6.0/24"},
		{nh: "10.20.0.1", err: "the route 10.20.0.0/16 encapsulates (encap mpls)"},
		{nh: "10.21.0.1", err: "the route 10.21.0.0/16 encapsulates (encap ip)"},
		{nh: "10.22.0.1", err: "its gateway 10.20.0.9: the route 10.20.0.0/16 encapsulates (encap mpls)"},
		{nh: "10.23.0.1", hops: "via 192.0.2.1 dev eth0 weight 1", via: "10.23.0.0/16"},
		{nh: "192.0.2.65", err: "the route 192.0.2.64/26 encapsulates (encap seg6)"},
		{nh: "fe80::1%eth0", hops: "via fe80::1 dev eth0 weight 1"},
		{nh: "fe80::1%3", hops: "via fe80::1 dev eth1 weight 1"},
		{nh: "fe80::2%eth1", hops: "via fe80::2 dev eth1 weight 1"},

		{nh: "11.0.0.1", err: "nexthop 11.0.0.1 is unresolved: only the default route covers it, which is used for nexthops only with resolve_by_default"},
		{nh: "10.1.3.1", err: "nexthop 10.1.3.1 is unresolved: eth2 is down"},
		{nh: "10.6.0.1", err: "nexthop 10.6.0.1 is unresolved: the route that covers it is blackhole 10.6.0.0/16"},
		{nh: "10.7.0.1", err: "unreachable 10.7.0.0/16"},
		{nh: "10.8.0.1", err: "prohibit 10.8.0.0/16"},
		{nh: "10.9.0.1", err: "10.9.0.0/16 is local to this router"},
		{nh: "10.10.0.1", err: "10.10.0.0/16 is a route of type broadcast"},
		{nh: "172.16.1.1", err: "nexthop 172.16.1.1 is unresolved: its gateway 172.16.1.1"},
		{nh: "172.16.4.1", err: "its gateway 11.0.0.1: only the default route covers it"},
		{nh: "172.16.5.1", err: "its gateway fe80::1 is link-local"},
		{nh: "172.16.7.1", err: "the route 172.16.7.0/24 has no hop"},
		{nh: "fe80::1", err: "nexthop fe80::1 is unresolved: it is link-local, and its interface is not known"},
		{nh: "fe80::2", err: "its interface is not known"},
		{nh: "fe80::1%eth9", err: "interface eth9 is not there"},
		{nh: "fe80::1%99", err: "interface 99 is not there"},
		{nh: "10.11.0.1", hops: "via 10.255.0.1 dev eth4 weight 1", via: "10.11.0.0/16"}, // as the kernel does
		{nh: "10.12.0.1", hops: "via 192.0.2.9 dev eth0 weight 1", via: "10.0.0.0/8"},
		{nh: "fe80::1%eth2", err: "nexthop fe80::1%eth2 is unresolved: eth2 is down"},
		{nh: "fe80::1%eth3", err: "interface eth3 does not belong to this VRF"},
		{nh: "fe80::2%eth0", err: "nexthop fe80::2%eth0 is this router's own address"},
		{nh: "192.0.2.2", err: "nexthop 192.0.2.2 is this router's own address"},
		{nh: "2001:db8:1::2", err: "own address"},
		{nh: "0.0.0.0", err: "nexthop 0.0.0.0 is the unspecified address"},
		{nh: "::", err: "unspecified"},
		{nh: "224.0.0.1", err: "multicast"},
		{nh: "ff02::1", err: "multicast"},
		{nh: "127.0.0.9", err: "loopback"},
		{nh: "::1", err: "loopback"},
		{nh: "::ffff:192.0.2.1", err: "IPv4-mapped"},
	} {
		hops, via, err := v.Resolve(addr(tc.nh))
		if tc.err != "" {
			if err == nil || !strings.Contains(err.Error(), tc.err) || len(hops) != 0 {
				t.Errorf("%s: %v, %v; want error %q", tc.nh, hops, err, tc.err)
			}
			continue
		}
		if err != nil || render(hops, v.Links) != tc.hops {
			t.Errorf("%s: %q, %v; want %q", tc.nh, render(hops, v.Links), err, tc.hops)
		}
		if via.Prefix.IsValid() != (tc.via != "") || tc.via != "" && via.Prefix != prefix(tc.via) {
			t.Errorf("%s: by %s, want %s", tc.nh, via.Prefix, tc.via)
		}
		for _, h := range hops {
			if h.Gateway.Zone() != "" || h.Dead {
				t.Errorf("%s: hop %+v has a zone or is dead", tc.nh, h)
			}
		}
	}
}

func TestResolveWithoutRoutes(t *testing.T) {
	v := tenant()
	v.Foreign = nil
	if _, _, err := v.Resolve(addr("10.0.0.9")); err == nil || err.Error() != "nexthop 10.0.0.9 is unresolved: no route in this VRF covers it" {
		t.Errorf("got %v", err)
	}
	if _, _, err := v.Resolve(netip.Addr{}); err == nil || err.Error() != "the path has no nexthop" {
		t.Errorf("no nexthop: %v", err)
	}
}

// TestResolveTenantsWithTheSameAddress: 203.0.113.1 is an address of ours, but
// in the VRF device vrf-b. Elsewhere it may be a customer's router.
func TestResolveTenantsWithTheSameAddress(t *testing.T) {
	v := tenant()
	v.Foreign = v.Foreign.With(Route{Prefix: prefix("203.0.113.0/24"), Kind: KindUnicast, Hops: []Hop{{Ifindex: 3}}})
	if hops, _, err := v.Resolve(addr("203.0.113.1")); err != nil || len(hops) != 1 || hops[0].Ifindex != 3 {
		t.Errorf("in main: %v, %v", hops, err)
	}
	v.Where = Where{Table: 1001, Device: 5}
	if _, _, err := v.Resolve(addr("203.0.113.1")); err == nil || !strings.Contains(err.Error(), "own address") {
		t.Errorf("in vrf-b: %v", err)
	}
	if _, _, err := v.Resolve(addr("192.0.2.2")); err != nil {
		t.Errorf("eth0's address in vrf-b: %v", err)
	}
	if hops, _, err := v.Resolve(addr("fe80::1%eth3")); err != nil || hops[0].Ifindex != 6 {
		t.Errorf("eth3 in vrf-b: %v, %v", hops, err)
	}
	if _, _, err := v.Resolve(addr("fe80::1%eth0")); err == nil {
		t.Error("eth0 is used in vrf-b")
	}
}

func TestResolveDepth(t *testing.T) {
	chain := func(n int) View {
		v := View{Links: twoLinks(), Foreign: NewForeignTable([]Route{{Prefix: prefix("10.0.0.0/24"), Kind: KindUnicast, Hops: []Hop{{Ifindex: 2}}}})}
		for i := 1; i <= n; i++ {
			v.Foreign = v.Foreign.With(Route{
				Prefix: netip.PrefixFrom(netip.AddrFrom4([4]byte{10, 0, byte(i), 0}), 24), Kind: KindUnicast,
				Hops: []Hop{{Gateway: netip.AddrFrom4([4]byte{10, 0, byte(i - 1), 1})}},
			})
		}
		return v
	}
	if hops, _, err := chain(8).Resolve(addr("10.0.8.1")); err != nil || len(hops) != 1 || hops[0].Gateway != addr("10.0.0.1") {
		t.Errorf("8 gateways: %v, %v", hops, err)
	}
	if _, _, err := chain(9).Resolve(addr("10.0.9.1")); err == nil || !strings.Contains(err.Error(), "more than 8") {
		t.Errorf("9 gateways: %v", err)
	}
}

func TestResolvePrefix(t *testing.T) {
	v := tenant()
	for _, tc := range []struct{ p, hops, err string }{
		{p: "192.0.2.0/24", hops: "dev eth0 weight 1"},
		{p: "10.1.1.0/24", hops: "via 192.0.2.1 dev eth0 weight 2, via 198.51.100.1 dev eth1 weight 1 onlink"},
		{p: "10.1.4.0/24", hops: "via 198.51.100.1 dev eth1 weight 1"},
		{p: "0.0.0.0/0", hops: "via 192.0.2.1 dev eth0 weight 1"},
		{p: "10.2.0.0/16", err: "prefix 10.2.0.0/16 is unresolved: eth2 is down"},
		{p: "10.6.0.0/16", err: "a route of type blackhole"},
		{p: "10.1.5.0/24", err: "has no such route"},
	} {
		hops, r, err := v.ResolvePrefix(prefix(tc.p))
		if tc.err != "" {
			if err == nil || !strings.Contains(err.Error(), tc.err) {
				t.Errorf("%s: %v, %v; want %q", tc.p, hops, err, tc.err)
			}
			continue
		}
		if err != nil || render(hops, v.Links) != tc.hops || r.Prefix != prefix(tc.p) {
			t.Errorf("%s: %q, %v; want %q", tc.p, render(hops, v.Links), err, tc.hops)
		}
	}
}

func BenchmarkResolve(b *testing.B) {
	v := tenant()
	for i := 0; i < 10000; i++ {
		v.Foreign = v.Foreign.With(Route{Prefix: netip.PrefixFrom(netip.AddrFrom4([4]byte{100, byte(i >> 8), byte(i), 0}), 24), Kind: KindUnicast, Hops: []Hop{{Gateway: addr("192.0.2.1"), Ifindex: 2}}})
	}
	nh := addr("100.3.7.1")
	b.ReportAllocs()
	for b.Loop() {
		if _, _, err := v.Resolve(nh); err != nil {
			b.Fatal(err)
		}
	}
}
