package gobgp3

import (
	"fmt"
	"net/netip"
	"reflect"
	"slices"
	"testing"

	api "github.com/osrg/gobgp/v3/api"
	"google.golang.org/protobuf/proto"

	"github.com/vrfredist/vrfredist/rib"
	"github.com/vrfredist/vrfredist/rib/speaker"
)

func TestGlobalRoutes(t *testing.T) {
	p := newPeer(t, "127.0.0.2", 65001, allFamilies...)
	s := run(t, Options{Config: toJSON(t, baseConf(nil, []any{neighborConf(p.addr, 65001, p.port, allFamilies...)}))})
	f := s.feed(t, speaker.Default)

	p.announce(spec{prefix: "10.1.0.0/16", attrs: []proto.Message{
		&api.MultiExitDiscAttribute{Med: 77},
		&api.CommunitiesAttribute{Communities: []uint32{65001<<16 | 100}},
		&api.LargeCommunitiesAttribute{Communities: []*api.LargeCommunity{{GlobalAdmin: 65001, LocalData1: 1, LocalData2: 100}}},
		&api.AsPathAttribute{Segments: []*api.AsSegment{
			{Type: api.AsSegment_AS_SEQUENCE, Numbers: []uint32{64999}},
			{Type: api.AsSegment_AS_SET, Numbers: []uint32{1, 2, 3}},
		}},
	}})
	p.announce(spec{prefix: "2001:db8:1::/48"})

	got := s.await(t, speaker.Default, "10.1.0.0/16", count(1))[0]
	if got.RD != 0 || got.ID == 0 || got.Age == 0 {
		t.Errorf("path %+v: want RD 0, an id and an age", got)
	}
	want := &rib.Attrs{
		Via: &rib.Via{
			Nexthop: netip.MustParseAddr("192.0.2.7"), Peer: netip.MustParseAddr("127.0.0.2"),
			RouterID: netip.MustParseAddr("127.0.0.2"), PeerAS: 65001,
		},
		LocalPref: 100, MED: 77,
		ASPath: []uint32{65001, 64999, 1, 2, 3}, ASPathLen: 3,
		Tags: &rib.Tags{
			Communities: []rib.Community{65001<<16 | 100},
			Large:       []rib.LargeCommunity{{Global: 65001, Local1: 1, Local2: 100}},
		},
		Rare: &rib.Rare{Segments: []rib.ASSegment{
			{Kind: rib.ASSequence, ASes: []uint32{65001, 64999}}, {Kind: rib.ASSet, ASes: []uint32{1, 2, 3}},
		}},
	}
	if !reflect.DeepEqual(got.Attrs, want) {
		t.Errorf("attributes\n%+v, want\n%+v", got.Attrs, want)
	}
	six := s.await(t, speaker.Default, "2001:db8:1::/48", count(1))[0]
	if six.Attrs.Nexthop != netip.MustParseAddr("2001:db8::7") {
		t.Errorf("IPv6 nexthop %s", six.Attrs.Nexthop)
	}

	p.withdraw(spec{prefix: "10.1.0.0/16"})
	p.withdraw(spec{prefix: "2001:db8:1::/48"})
	s.await(t, speaker.Default, "10.1.0.0/16", count(0))
	s.await(t, speaker.Default, "2001:db8:1::/48", count(0))
	eventually(t, "the default feed converges", func() bool { return converged(f) })
}

func TestIBGP(t *testing.T) {
	p := newPeer(t, "127.0.0.2", 65000, "ipv4-unicast")
	s := run(t, Options{Config: toJSON(t, baseConf(nil, []any{neighborConf(p.addr, 65000, p.port, "ipv4-unicast")}))})
	p.announce(spec{prefix: "10.1.0.0/16", attrs: []proto.Message{&api.LocalPrefAttribute{LocalPref: 250}}})
	a := s.await(t, speaker.Default, "10.1.0.0/16", count(1))[0].Attrs
	if !a.IBGP || a.LocalPref != 250 || a.PeerAS != 65000 || a.ASPathLen != 0 {
		t.Errorf("attributes %+v: want iBGP with preference 250", a)
	}
}

func TestRouteTargets(t *testing.T) {
	p := newPeer(t, "127.0.0.2", 65001, allFamilies...)
	vrfs := []any{
		vrfConf("red", "65000:1", []string{"65000:1", "65000:9"}, []string{"65000:1"}),
		vrfConf("blue", "65000:2", []string{"65000:2", "65000:9"}, []string{"65000:2"}),
	}
	s := run(t, Options{Config: toJSON(t, baseConf(vrfs, []any{neighborConf(p.addr, 65001, p.port, allFamilies...)}))})

	for _, pfx := range []string{"10.1.0.0/16", "2001:db8:1::/48"} {
		t.Run(pfx, func(t *testing.T) {
			p.announce(spec{prefix: pfx, rd: 1, rts: []uint32{1}})
			got := s.await(t, "red", pfx, count(1))[0]
			if got.Label != 101 || got.RD != rd(t, "65001:1") || got.Attrs.Source != "" || got.Attrs.Imported ||
				!slices.Equal(got.Attrs.RTs, []rib.RT{rt(t, "65000:1")}) {
				t.Errorf("path %+v, attributes %+v", got, got.Attrs)
			}
			// Another RD with the same prefix: both are candidates.
			p.announce(spec{prefix: pfx, rd: 2, rts: []uint32{9}})
			s.await(t, "red", pfx, count(2))
			s.await(t, "blue", pfx, count(1))
			// The withdrawal of one leaves the other.
			p.withdraw(spec{prefix: pfx, rd: 1, rts: []uint32{1}})
			left := s.await(t, "red", pfx, count(1))
			if left[0].RD != rd(t, "65001:2") {
				t.Errorf("left is RD %x", left[0].RD)
			}
			// Other RTs: it leaves the one and stays in the other.
			p.announce(spec{prefix: pfx, rd: 2, rts: []uint32{2}})
			s.await(t, "red", pfx, count(0))
			s.await(t, "blue", pfx, count(1))
			// RTs of nobody.
			p.announce(spec{prefix: pfx, rd: 2, rts: []uint32{5}})
			s.await(t, "blue", pfx, count(0))
			if n, _ := s.feed(t, speaker.Default).Len(); n != 0 {
				t.Errorf("%d VPN routes in the default feed", n)
			}
			p.withdraw(spec{prefix: pfx, rd: 2, rts: []uint32{5}})
		})
	}
	eventually(t, "feeds converge", func() bool {
		return converged(s.feed(t, "red")) && converged(s.feed(t, "blue"))
	})
}

func TestSharedAttributes(t *testing.T) {
	p := newPeer(t, "127.0.0.2", 65001, allFamilies...)
	s := run(t, Options{Config: toJSON(t, baseConf(nil, []any{neighborConf(p.addr, 65001, p.port, allFamilies...)}))})
	p.announce(spec{prefix: "2001:db8:1::/48"})
	p.announce(spec{prefix: "2001:db8:2::/48"})
	p.announce(spec{prefix: "2001:db8:3::/48", nexthop: "2001:db8::8"})
	a := s.await(t, speaker.Default, "2001:db8:1::/48", count(1))[0]
	b := s.await(t, speaker.Default, "2001:db8:2::/48", count(1))[0]
	c := s.await(t, speaker.Default, "2001:db8:3::/48", count(1))[0]
	if a.Attrs != b.Attrs {
		t.Error("two paths with the same attributes do not share them")
	}
	if a.Attrs == c.Attrs {
		t.Error("paths with different nexthops share their attributes")
	}
}

func TestMultipath(t *testing.T) {
	var peers []*peer
	var neighbors []any
	for _, addr := range []string{"127.0.0.2", "127.0.0.3"} {
		p := newPeer(t, addr, 65001, allFamilies...)
		peers = append(peers, p)
		neighbors = append(neighbors, neighborConf(p.addr, 65001, p.port, allFamilies...))
	}
	conf := baseConf([]any{vrfConf("red", "65000:1", []string{"65000:1"}, []string{"65000:1"})}, neighbors)
	conf["global"].(obj)["use-multiple-paths"] = obj{"config": obj{"enabled": true}}
	s := run(t, Options{Config: toJSON(t, conf)})

	for i, p := range peers {
		nh := fmt.Sprintf("192.0.2.%d", 10+i)
		p.announce(spec{prefix: "10.1.0.0/16", nexthop: nh})
		p.announce(spec{prefix: "10.2.0.0/16", nexthop: nh, rd: 1, rts: []uint32{1}})
	}
	for vrf, pfx := range map[string]string{speaker.Default: "10.1.0.0/16", "red": "10.2.0.0/16"} {
		paths := s.await(t, vrf, pfx, count(2))
		if paths[0].ID == paths[1].ID || paths[0].Attrs.Nexthop == paths[1].Attrs.Nexthop {
			t.Errorf("two paths of %s that are not told apart: %+v", pfx, paths)
		}
	}
	peers[0].withdraw(spec{prefix: "10.1.0.0/16"})
	peers[0].withdraw(spec{prefix: "10.2.0.0/16", rd: 1, rts: []uint32{1}})
	s.await(t, speaker.Default, "10.1.0.0/16", count(1))
	s.await(t, "red", "10.2.0.0/16", count(1))
	peers[1].withdraw(spec{prefix: "10.1.0.0/16"})
	s.await(t, speaker.Default, "10.1.0.0/16", count(0))
}
