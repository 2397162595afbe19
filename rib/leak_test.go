package rib

import (
	"net/netip"
	"strings"
	"testing"
)

// TestLeakedPrefix: what is connected to a VRF device is reached through the device, which
// leads to the router's own addresses too; a gateway by the link that it is on.
func TestLeakedPrefix(t *testing.T) {
	t.Parallel()
	uni := func(p string, hops ...Hop) Route {
		return Route{Prefix: prefix(p), Protocol: ProtoStatic, Kind: KindUnicast, Hops: hops}
	}
	via := func(gw string, dev int) Hop { return Hop{Gateway: addr(gw), Ifindex: dev} }
	links := Links{
		1: {Index: 1, Name: "lo", Up: true, Admin: true, Loopback: true, Addrs: []netip.Prefix{prefix("127.0.0.1/8")}},
		5: {Index: 5, Name: "red", Up: true, Admin: true, VRFTable: 1001, Addrs: []netip.Prefix{prefix("203.0.113.5/32")}},
		6: {Index: 6, Name: "lan0", Up: true, Admin: true, Master: 5, Addrs: []netip.Prefix{prefix("192.0.2.1/24"), prefix("2001:db8:1::1/64")}},
		7: {Index: 7, Name: "lan1", Up: true, Admin: true, Master: 5},
		8: {Index: 8, Name: "eth0", Up: true, Admin: true, Addrs: []netip.Prefix{prefix("198.51.100.1/32")}},
	}
	routes := NewForeignTable([]Route{
		uni("192.0.2.0/24", Hop{Ifindex: 6}), uni("2001:db8:1::/64", Hop{Ifindex: 6}), uni("10.5.0.0/16", Hop{Ifindex: 6}, Hop{Ifindex: 7}),
		uni("10.1.0.0/16", via("192.0.2.9", 6)), uni("10.2.0.0/16", via("192.0.2.9", 6), Hop{Ifindex: 7}),
		uni("10.3.0.0/16", Hop{Ifindex: 6, Encap: EncapOf(1)}),
	})
	device := View{Where: Where{Table: 1001, Device: 5}, Links: links, Foreign: routes}
	main := View{Where: Where{Table: 254}, Links: links, Foreign: routes}
	down := device
	down.Links = Links{5: {Index: 5, Name: "red", VRFTable: 1001}, 6: links[6]}
	for _, tc := range []struct {
		name         string
		v            View
		p, hops, err string
	}{
		{"a subnet", device, "192.0.2.0/24", "dev red weight 1", ""},
		{"an IPv6 subnet", device, "2001:db8:1::/64", "dev red weight 1", ""},
		{"on two links", device, "10.5.0.0/16", "dev red weight 2", ""},
		{"by a gateway", device, "10.1.0.0/16", "via 192.0.2.9 dev lan0 weight 1", ""},
		{"by both", device, "10.2.0.0/16", "via 192.0.2.9 dev lan0 weight 1, dev red weight 1", ""},
		{"an address of the device", device, "203.0.113.5/32", "dev red weight 1", ""},
		{"an address of a link", device, "192.0.2.1/32", "dev red weight 1", ""},
		{"an address of none of its links", device, "198.51.100.1/32", "", "has no such route"},
		{"encapsulated", device, "10.3.0.0/16", "", "encapsulates (encap mpls)"},
		{"the device is down", down, "192.0.2.0/24", "", "red is down"},
		{"of main", main, "192.0.2.0/24", "dev lan0 weight 1", ""},
		{"an address of main", main, "198.51.100.1/32", "", "no device that leads to it from other tables"},
	} {
		hops, by, err := tc.v.LeakedPrefix(prefix(tc.p))
		switch {
		case tc.err != "":
			if err == nil || !strings.Contains(err.Error(), tc.err) {
				t.Errorf("%s: %v, %v; want %q", tc.name, hops, err, tc.err)
			}
		case err != nil || render(hops, links) != tc.hops || by.Prefix != prefix(tc.p):
			t.Errorf("%s: %q by %v, %v; want %q", tc.name, render(hops, links), by, err, tc.hops)
		}
	}
}

// TestLeakedPreference: what a VRF prefers counts for it alone, and that a neighbour is about to go
// for all.
func TestLeakedPreference(t *testing.T) {
	rule := LeakRule{From: "red"}
	for _, tc := range []struct {
		pref, want uint32
		marked     bool
	}{{200, 100, false}, {0, 100, false}, {0, 0, true}, {200, 100, true}} {
		p := candidate(func(p *Path) {
			if p.Attrs.LocalPref = tc.pref; tc.marked {
				p.Attrs.Communities = []Community{CommunityGracefulShutdown}
			}
		})
		if got := rule.Leaked(p.Attrs).LocalPref; got != tc.want {
			t.Errorf("local preference %d, marked with GRACEFUL_SHUTDOWN: %v: leaked with %d", tc.pref, tc.marked, got)
		}
	}
}
