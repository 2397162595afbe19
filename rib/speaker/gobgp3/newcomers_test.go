package gobgp3

import (
	"testing"

	"github.com/osrg/gobgp/v3/pkg/packet/bgp"

	"github.com/vrfredist/vrfredist/rib/speaker"
)

// unseen is for newcomers of which nobody else is to know.
func unseen(*bgpTable, *bgpDestination) {}

// TestNewcomersAreGoBGPs: GoBGP finds each destination that was made for it, of all kinds, and makes none
// itself; what it would have to make otherwise is left to it.
func TestNewcomersAreGoBGPs(t *testing.T) {
	label := *bgp.NewMPLSLabelStack(7)
	rd := bgp.NewRouteDistinguisherTwoOctetAS(65000, 1)
	for _, nlri := range []bgp.AddrPrefixInterface{
		bgp.NewIPAddrPrefix(24, "192.0.2.0"), bgp.NewIPAddrPrefix(0, "0.0.0.0"), bgp.NewIPv6AddrPrefix(48, "2001:db8::"),
		bgp.NewIPv6AddrPrefix(0, "::"), bgp.NewLabeledVPNIPAddrPrefix(24, "192.0.2.0", label, rd),
		bgp.NewLabeledVPNIPv6AddrPrefix(48, "2001:db8::", label, rd),
		bgp.NewEVPNIPPrefixRoute(rd, bgp.EthernetSegmentIdentifier{}, 0, 24, "192.0.2.0", "0.0.0.0", 100),
		bgp.NewEVPNIPPrefixRoute(rd, bgp.EthernetSegmentIdentifier{}, 7, 48, "2001:db8::", "::", 100),
	} {
		var n newcomers
		adj := &bgpTable{destinations: make(map[string]*bgpDestination)}
		global := &bgpTable{destinations: make(map[string]*bgpDestination)}
		n.add(adj, global, nlri, unseen)
		n.add(adj, global, nlri, unseen)
		for name, table := range map[string]*bgpTable{"of the neighbour": adj, "global": global} {
			d := tableGetDestination(table, nlri)
			if d == nil || d.nlri != nlri || d.routeFamily != bgp.AfiSafiToRouteFamily(nlri.AFI(), nlri.SAFI()) || len(table.destinations) != 1 {
				t.Errorf("%s, %s: %+v", nlri, name, table.destinations)
			}
		}
		if len(n.made) != 2 {
			t.Errorf("%s: %d were made", nlri, len(n.made))
		}
		n.after()
		if len(adj.destinations)+len(global.destinations)+len(n.made) != 0 {
			t.Errorf("%s stays without a path", nlri)
		}
	}
	var n newcomers
	n.add(nil, nil, bgp.NewEVPNNLRI(bgp.EVPN_ROUTE_TYPE_MAC_IP_ADVERTISEMENT, &bgp.EVPNMacIPAdvertisementRoute{RD: rd}), unseen)
	if len(n.made) != 0 {
		t.Error("one of a MAC address was made, and GoBGP has an index of those")
	}
}

// TestNewcomers: what a neighbour sends is where GoBGP has it otherwise, and what it rejects, or takes
// back in the same message, is in no table of GoBGP's own.
func TestNewcomers(t *testing.T) {
	for _, vrf := range []string{speaker.Default, "red"} {
		t.Run(vrf, func(t *testing.T) {
			p := newHostile(t, "127.0.0.2", 65001, both()...)
			s := run(t, Options{Config: toJSON(t, redAnd(in(vrf, p.conf(allFamilies[:2]...))))})
			eventually(t, "a session", p.isUp)
			p.send(p.some(false, false, 0, 50)...)
			p.send(p.some(true, false, 0, 50)...)
			s.awaitKept(t, 100, 100)
			if err := s.keeper.inLoop(func() error {
				for _, peer := range s.keeper.peers() {
					for _, table := range peer.adjIn().table {
						for key, d := range table.destinations {
							if key != tableKey(table, d.nlri) || len(d.knownPathList) != 1 {
								t.Errorf("%s is under %x, with %d paths", d.nlri, key, len(d.knownPathList))
							}
							if d.localIdMap != noIdentifiers {
								t.Errorf("%s of the neighbour has a bitmap of its own", d.nlri)
							}
						}
					}
				}
				if len(noIdentifiers.bitmap) != 0 {
					t.Error("somebody takes identifiers where nobody does")
				}
				return nil
			}); err != nil {
				t.Fatal(err)
			}
			looped := p.says(2, nth(false, 200), nth(false, 201))
			for _, m := range looped {
				m.Body.(*bgp.BGPUpdate).PathAttributes[1] = bgp.NewPathAttributeAsPath([]bgp.AsPathParamInterface{
					bgp.NewAsPathParam(bgp.BGP_ASPATH_ATTR_TYPE_SEQ, []uint16{p.as, 65000})})
			}
			p.send(looped...)
			s.awaitKept(t, 100, 102)
			p.send(p.some(false, true, 200, 2)...)
			p.send(p.some(false, true, 0, 50)...)
			p.send(p.some(true, true, 0, 50)...)
			s.awaitKept(t, 0, 0)
		})
	}
}

// BenchmarkNewcomers is a table of a thousand prefixes that comes and goes: the bytes for a prefix, and the
// time, with the destinations made before GoBGP does.
func BenchmarkNewcomers(b *testing.B) {
	adj := &bgpTable{destinations: make(map[string]*bgpDestination)}
	global := &bgpTable{destinations: make(map[string]*bgpDestination)}
	var list []*bgp.IPAddrPrefix
	for i := range 1000 {
		list = append(list, nth(false, i).(*bgp.IPAddrPrefix))
	}
	b.ReportAllocs()
	var n newcomers
	for b.Loop() {
		for _, nlri := range list {
			n.add(adj, global, nlri, unseen)
		}
		n.after()
	}
}
