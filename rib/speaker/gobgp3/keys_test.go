package gobgp3

import (
	"net"
	"net/netip"
	"testing"

	"github.com/osrg/gobgp/v3/pkg/packet/bgp"

	"github.com/vrfredist/vrfredist/rib"
)

// rdsOfAllKinds are route distinguishers as they come by the wire, and of a type that nobody has defined.
func rdsOfAllKinds() []bgp.RouteDistinguisherInterface {
	return []bgp.RouteDistinguisherInterface{
		bgp.NewRouteDistinguisherTwoOctetAS(65000, 4_000_000_000), bgp.NewRouteDistinguisherTwoOctetAS(0, 0),
		bgp.NewRouteDistinguisherIPAddressAS("10.255.0.1", 65535), bgp.NewRouteDistinguisherFourOctetAS(4_200_000_000, 7),
		bgp.NewRouteDistinguisherFourOctetAS(7, 0), bgp.GetRouteDistinguisher([]byte{9, 9, 1, 2, 3, 4, 5, 6}),
	}
}

// TestKeyOfIPPrefixRoute: an IP prefix route of EVPN is under the key that GoBGP makes of it, whatever
// is in it.
func TestKeyOfIPPrefixRoute(t *testing.T) {
	table := &bgpTable{destinations: make(map[string]*bgpDestination)}
	keys := make(map[string]bool)
	for _, rd := range append(rdsOfAllKinds(), nil) {
		for _, ip := range []net.IP{
			net.IPv4(192, 0, 2, 0), net.IPv4(192, 0, 2, 0).To4(), net.IPv4zero.To4(), net.ParseIP("2001:db8::1"), net.IPv6zero,
			net.ParseIP("fd00:1:0:1::"), nil, {1, 2, 3},
		} {
			for _, bits := range []uint8{0, 24, 128, 255} {
				for _, tag := range []uint32{0, 1<<32 - 1} {
					r := &bgp.EVPNIPPrefixRoute{RD: rd, ETag: tag, IPPrefix: ip, IPPrefixLength: bits}
					nlri := bgp.NewEVPNNLRI(bgp.EVPN_IP_PREFIX, r)
					want := tableKey(table, nlri)
					if got := string(appendIPPrefixKey(nil, r)); got != want {
						t.Errorf("%q, and GoBGP has %q", got, want)
					}
					keys[want] = true
					d := &bgpDestination{nlri: nlri}
					table.destinations[want] = d
					if destinationOf(table, nlri) != d {
						t.Errorf("%s is not found", want)
					}
				}
			}
		}
	}
	if len(keys) < 300 {
		t.Errorf("there are %d keys", len(keys))
	}
}

// TestDestinationOfOthers: a route that is no IP prefix route is found under GoBGP's own key.
func TestDestinationOfOthers(t *testing.T) {
	table := &bgpTable{destinations: make(map[string]*bgpDestination)}
	for _, nlri := range []bgp.AddrPrefixInterface{
		bgp.NewIPAddrPrefix(24, "192.0.2.0"),
		bgp.NewEVPNNLRI(bgp.EVPN_INCLUSIVE_MULTICAST_ETHERNET_TAG, &bgp.EVPNMulticastEthernetTagRoute{RD: rdsOfAllKinds()[0]}),
	} {
		if d := destinationOf(table, nlri); d != nil {
			t.Errorf("%s is found in an empty table", nlri)
		}
		d := &bgpDestination{nlri: nlri}
		table.destinations[tableKey(table, nlri)] = d
		if destinationOf(table, nlri) != d {
			t.Errorf("%s is not found", nlri)
		}
	}
}

// TestKeyOfVPNRoute: a VPN route of this router is under the key that GoBGP makes of its NLRI.
func TestKeyOfVPNRoute(t *testing.T) {
	for _, rd := range rdsOfAllKinds()[:5] {
		number, err := decodeRD(rd)
		if err != nil {
			t.Fatal(err)
		}
		for _, text := range []string{"192.0.2.0/24", "0.0.0.0/0", "255.255.255.255/32", "2001:db8::/48", "::/0", "2001:db8::1/128"} {
			prefix := netip.MustParsePrefix(text)
			want := tableKey(&bgpTable{}, nlriOf(prefix, &bgpVRF{Rd: rd, MplsLabel: 7}))
			if got := string(appendVPNKey(nil, number, prefix)); got != want {
				t.Errorf("%s under %s: %x, and GoBGP has %x", prefix, rd, got, want)
			}
		}
	}
}

// BenchmarkKeyOfIPPrefixRoute is a destination of EVPN that is looked up.
func BenchmarkKeyOfIPPrefixRoute(b *testing.B) {
	nlri := evpnNLRI(nativeRD(rib.RD(65000<<32|1)), netip.MustParsePrefix("192.0.2.0/24"), 100)
	table := &bgpTable{destinations: map[string]*bgpDestination{nlri.String(): {nlri: nlri}}}
	for name, find := range map[string]func(*bgpTable, bgp.AddrPrefixInterface) *bgpDestination{"ours": destinationOf, "GoBGP's": tableGetDestination} {
		b.Run(name, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				if find(table, nlri) == nil {
					b.Fatal("it is not found")
				}
			}
		})
	}
}
