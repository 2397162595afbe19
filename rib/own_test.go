package rib

import (
	"net/netip"
	"testing"
)

// TestConnects: a subnet on a link is what an address of the link lies in, whoever wrote the
// route and however.
func TestConnects(t *testing.T) {
	t.Parallel()
	links := Links{
		2: {Index: 2, Name: "eth0", Addrs: []netip.Prefix{netip.MustParsePrefix("192.0.2.1/32"), netip.MustParsePrefix("2001:db8:1::1/128")}},
		3: {Index: 3, Name: "eth1", Addrs: []netip.Prefix{netip.MustParsePrefix("198.51.100.1/24")}},
	}
	on := func(prefix string, protocol uint8, hops ...Hop) Route {
		return Route{Prefix: netip.MustParsePrefix(prefix), Protocol: protocol, Metric: 5000, Kind: KindUnicast, Hops: hops}
	}
	gateway := func(addr string, index int) Hop { return Hop{Gateway: netip.MustParseAddr(addr), Ifindex: index} }
	blackhole := on("192.0.2.0/24", ProtoStatic)
	blackhole.Kind = KindBlackhole
	for _, tc := range []struct {
		name string
		r    Route
		want bool
	}{
		{"a DHCP client's, of an address with a full mask", on("192.0.2.0/24", ProtoDHCP, Hop{Ifindex: 2}), true},
		{"a router advertisement's", on("2001:db8:1::/64", ProtoRA, Hop{Ifindex: 2}), true},
		{"wider than the address says", on("198.51.0.0/16", ProtoBoot, Hop{Ifindex: 3}), true},
		{"a leg of two", on("198.51.100.0/24", ProtoStatic, gateway("192.0.2.9", 2), Hop{Ifindex: 3}), true},
		{"the kernel's, of a prefix without an address", on("2001:db8:9::/64", ProtoKernel, Hop{Ifindex: 2}), true},
		{"of another link's address", on("198.51.100.0/24", ProtoStatic, Hop{Ifindex: 2}), false},
		{"narrower, beside the address", on("198.51.100.128/25", ProtoStatic, Hop{Ifindex: 3}), false},
		{"by a gateway", on("192.0.2.0/24", ProtoStatic, gateway("192.0.2.9", 2)), false},
		{"a default route to a device", on("0.0.0.0/0", ProtoKernel, Hop{Ifindex: 2}), false},
		{"a blackhole", blackhole, false},
	} {
		if got := tc.r.Connects(links); got != tc.want {
			t.Errorf("%s: %v, want %v", tc.name, got, tc.want)
		}
	}
}

// TestOwnInAPlainTable: the address of a link is a plain table's own where the table has the
// subnet that it lies in, whatever mask the address has.
func TestOwnInAPlainTable(t *testing.T) {
	t.Parallel()
	r := Route{Prefix: netip.MustParsePrefix("192.0.2.0/24"), Protocol: ProtoStatic, Kind: KindUnicast, Hops: []Hop{{Ifindex: 2}}}
	v := View{
		Where: Where{Table: 1001},
		Links: Links{2: {Index: 2, Name: "eth0", Up: true, Admin: true, Addrs: []netip.Prefix{netip.MustParsePrefix("192.0.2.1/32")}},
			3: {Index: 3, Name: "eth1", Up: true, Admin: true, Addrs: []netip.Prefix{netip.MustParsePrefix("192.0.2.3/32")}}},
		Foreign: NewForeignTable([]Route{r}),
	}
	own := OwnPrefixesOf(v, []Route{r})
	for p, want := range map[string]bool{"192.0.2.0/24": true, "192.0.2.1/32": true, "192.0.2.2/32": false} {
		if got := own.Has(netip.MustParsePrefix(p)); got != want {
			t.Errorf("%s is own: %v, want %v", p, got, want)
		}
	}
	if _, _, err := v.Resolve(netip.MustParseAddr("192.0.2.1")); err == nil {
		t.Error("the router's own address resolves")
	}
}
