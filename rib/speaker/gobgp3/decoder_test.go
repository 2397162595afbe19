package gobgp3

import (
	"fmt"
	"net/netip"
	"reflect"
	"slices"
	"testing"

	api "github.com/osrg/gobgp/v3/api"
	"github.com/osrg/gobgp/v3/pkg/packet/bgp"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/anypb"

	"github.com/vrfredist/vrfredist/rib"
	"github.com/vrfredist/vrfredist/rib/speaker"
	"github.com/vrfredist/vrfredist/rib/speaker/gobgp3/conf"
)

func TestDecodeAttributes(t *testing.T) {
	link := neighborConf("127.0.0.2", 65001, 179, "ipv4-unicast")
	link["transport"].(obj)["config"].(obj)["bind-interface"] = "eth7"
	other := neighborConf("127.0.0.3", 64512, 179, "ipv4-unicast")
	other["config"].(obj)["local-as"] = 64512
	h := newHarness(t, baseConf(nil, []any{link, other}))
	h.send()
	four := any_(t, &api.FourOctetAsSpecificExtended{IsTransitive: true, SubType: 2, Asn: 70000, LocalAdmin: 3})
	comms := &api.ExtendedCommunitiesAttribute{Communities: []*anypb.Any{
		any_(t, &api.TwoOctetAsSpecificExtended{IsTransitive: true, SubType: 2, Asn: 65000, LocalAdmin: 1}),
		any_(t, &api.IPv4AddressSpecificExtended{IsTransitive: true, SubType: 2, Address: "192.0.2.1", LocalAdmin: 2}),
		four,
		any_(t, &api.TwoOctetAsSpecificExtended{IsTransitive: true, SubType: 3, Asn: 65000, LocalAdmin: 9}),  // site of origin
		any_(t, &api.TwoOctetAsSpecificExtended{IsTransitive: false, SubType: 2, Asn: 65000, LocalAdmin: 9}), // type 0x40
		any_(t, &api.ColorExtended{Color: 5}),
	}}
	p := from(t, spec{prefix: "2001:db8:1::/48", nexthop: "fe80::1", attrs: []proto.Message{
		comms,
		&api.CommunitiesAttribute{Communities: []uint32{uint32(llgrStale)}},
		&api.AsPathAttribute{Segments: []*api.AsSegment{
			{Type: api.AsSegment_AS_CONFED_SEQUENCE, Numbers: []uint32{64601, 64602}},
			{Type: api.AsSegment_AS_SEQUENCE, Numbers: []uint32{65001, 65002}},
		}},
		&api.OriginatorIdAttribute{Id: "192.0.2.9"},
		&api.ClusterListAttribute{Ids: []string{"192.0.2.3", "192.0.2.4"}},
		&api.LocalPrefAttribute{LocalPref: 7},
		&api.AggregatorAttribute{Asn: 1, Address: "192.0.2.1"},
	}})
	h.send(p)
	got := h.feeds[speaker.Default].Lookup(prefix("2001:db8:1::/48"))[0].Attrs
	want := &rib.Attrs{
		Via: &rib.Via{
			Nexthop: netip.MustParseAddr("fe80::1%eth7"), Peer: netip.MustParseAddr("127.0.0.2"),
			RouterID: netip.MustParseAddr("127.0.0.2"), PeerAS: 65001,
			OriginatorID: netip.MustParseAddr("192.0.2.9"), ClusterLen: 2,
		}, LocalPref: 7, Stale: true,
		ASPath: []uint32{65001, 65002}, ASPathLen: 2,
		Tags: &rib.Tags{
			RTs:         []rib.RT{rt(t, "65000:1"), rt(t, "192.0.2.1:2"), rt(t, "1.4464:3")},
			Communities: []rib.Community{llgrStale},
		},
		Rare: &rib.Rare{Segments: []rib.ASSegment{
			{Kind: rib.ConfedSequence, ASes: []uint32{64601, 64602}}, {Kind: rib.ASSequence, ASes: []uint32{65001, 65002}},
		}, Extended: []rib.ExtCommunity{0x0003fde800000009, 0x4002fde800000009, 0x030b000000000005}},
	}
	if !reflect.DeepEqual(got, want) {
		t.Errorf("attributes\n%+v, want\n%+v", got, want)
	}

	// Two nexthops, of which GoBGP passes on the second where it has it.
	two := from(t, spec{prefix: "2001:db8:2::/48"})
	two.Pattrs[1] = any_(t, &api.MpReachNLRIAttribute{Family: two.Family, Nlris: []*anypb.Any{two.Nlri}, NextHops: []string{"2001:db8::1", "fe80::1"}})
	h.send(two)
	a := h.feeds[speaker.Default].Lookup(prefix("2001:db8:2::/48"))[0].Attrs
	if a.Nexthop != netip.MustParseAddr("2001:db8::1") || a.LinkLocal != netip.MustParseAddr("fe80::1%eth7") {
		t.Errorf("nexthops %s and %s", a.Nexthop, a.LinkLocal)
	}
	// The AS of the session's own side decides what is internal.
	ibgp := from(t, spec{prefix: "10.3.0.0/16"})
	ibgp.NeighborIp, ibgp.SourceAsn = "127.0.0.3", 64512
	h.send(ibgp)
	if a := h.feeds[speaker.Default].Lookup(prefix("10.3.0.0/16"))[0].Attrs; !a.IBGP {
		t.Errorf("attributes %+v: want iBGP", a)
	}
	// GoBGP prints an IPv4-mapped prefix as an IPv4 one.
	mapped := from(t, spec{prefix: "2001:db8:4::/48"})
	mapped.Nlri = any_(t, &api.IPAddressPrefix{PrefixLen: 120, Prefix: "192.0.2.0"})
	h.send(mapped)
	if len(h.feeds[speaker.Default].Lookup(netip.MustParsePrefix("::ffff:192.0.2.0/120"))) != 1 {
		t.Error("an IPv4-mapped prefix is not an IPv6 one")
	}
}

// TestDecodeExtendedCommunities: paths that differ in one alone have other attributes, which is what
// policies look at.
func TestDecodeExtendedCommunities(t *testing.T) {
	h := newHarness(t, baseConf(nil, []any{neighborConf("127.0.0.2", 65001, 179, "ipv4-unicast")}))
	h.send()
	for want, c := range map[rib.ExtCommunity]proto.Message{
		0x4004fde84cee6b28: &api.LinkBandwidthExtended{Asn: 65000, Bandwidth: 125e6},
		0x4004fde84d6e6b28: &api.LinkBandwidthExtended{Asn: 65000, Bandwidth: 250e6},
		0x0003fde800000001: &api.TwoOctetAsSpecificExtended{IsTransitive: true, SubType: 3, Asn: 65000, LocalAdmin: 1},
		0x0103c00002010002: &api.IPv4AddressSpecificExtended{IsTransitive: true, SubType: 3, Address: "192.0.2.1", LocalAdmin: 2},
		0x030b000000000007: &api.ColorExtended{Color: 7},
	} {
		h.send(from(t, spec{prefix: "10.1.0.0/16", attrs: []proto.Message{&api.ExtendedCommunitiesAttribute{Communities: []*anypb.Any{any_(t, c)}}}}))
		if got := h.feeds[speaker.Default].Lookup(prefix("10.1.0.0/16"))[0].Attrs.Extended(); !slices.Equal(got, []rib.ExtCommunity{want}) {
			t.Errorf("%v became %x, want %x", c, got, want)
		}
	}
	h.send(from(t, spec{prefix: "10.1.0.0/16"}))
	if a := h.feeds[speaker.Default].Lookup(prefix("10.1.0.0/16"))[0].Attrs; a.Rare != nil {
		t.Errorf("a path without any has %+v", a.Rare)
	}
}

// TestRDs: all types of RD, and a sender of too many of them.
func TestRDs(t *testing.T) {
	for _, text := range []string{"65000:70000", "192.0.2.1:7", "1.4464:9"} {
		native, err := bgp.ParseRouteDistinguisher(text)
		if err != nil {
			t.Fatal(err)
		}
		if got, err := decodeRD(native); err != nil || got != rd(t, text) {
			t.Errorf("%s: %x, %v", text, got, err)
		}
	}
	for _, bad := range []bgp.RouteDistinguisherInterface{nil, &bgp.RouteDistinguisherUnknown{}, &bgp.RouteDistinguisherIPAddressAS{}} {
		if _, err := decodeRD(bad); err == nil {
			t.Errorf("%T %v is an RD", bad, bad)
		}
	}
	d := newDecoder(&conf.Config{}, nil)
	for i := range 1<<16 + 10 {
		d.remember(rib.RD(i + 1))
	}
	if len(d.rds) > 1<<16 || len(d.rds) == 0 {
		t.Errorf("%d RDs are remembered", len(d.rds))
	}
}

func TestAttrCacheIsBounded(t *testing.T) {
	var c attrCache
	hot := &attrEntry{}
	c.put([]byte("hot"), hot)
	for i := range 5 * attrCacheSize {
		c.put(fmt.Append(nil, i), &attrEntry{})
		if i%100 == 0 && c.get([]byte("hot")) != hot {
			t.Fatal("what is used is forgotten")
		}
	}
	if n := len(c.young) + len(c.old); n > 2*attrCacheSize {
		t.Errorf("%d entries", n)
	}
	if c.get([]byte("1")) != nil {
		t.Error("what is not used stays")
	}
}
