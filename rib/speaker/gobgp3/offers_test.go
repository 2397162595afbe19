package gobgp3

import (
	"strings"
	"testing"

	"github.com/osrg/gobgp/v3/pkg/packet/bgp"

	"github.com/vrfredist/vrfredist/rib"
	"github.com/vrfredist/vrfredist/rib/speaker"
)

// TestOffers: what a neighbour sent and BGP did not take is found, with the statement that
// rejects it; what BGP has is no offer.
func TestOffers(t *testing.T) {
	for name, vrf := range map[string]string{"default": speaker.Default, "VRF": "red"} {
		t.Run(name, func(t *testing.T) {
			p := newHostile(t, "127.0.0.2", 65001)
			conf := redAnd(in(vrf, p.conf("ipv4-unicast")))
			conf["global"].(obj)["apply-policy"] = obj{"config": obj{"import-policy-list": []string{"no-tens"}, "default-import-policy": "accept-route"}}
			conf["defined-sets"] = obj{"prefix-sets": []any{obj{"prefix-set-name": "tens", "prefix-list": []any{
				obj{"ip-prefix": "10.2.0.0/15", "masklength-range": "16..24"},
			}}}}
			if vrf != speaker.Default { // GoBGP matches no VPN route with a set of prefixes
				conf["defined-sets"] = obj{"bgp-defined-sets": obj{"community-sets": []any{obj{"community-set-name": "tens", "community-list": []string{"65001:2"}}}}}
			}
			match := obj{"match-prefix-set": obj{"prefix-set": "tens"}}
			if vrf != speaker.Default {
				match = obj{"bgp-conditions": obj{"match-community-set": obj{"community-set": "tens"}}}
			}
			conf["policy-definitions"] = []any{obj{"name": "no-tens", "statements": []any{
				obj{"name": "those", "conditions": match, "actions": obj{"route-disposition": "reject-route"}},
			}}}
			s := run(t, Options{Config: toJSON(t, conf)})
			eventually(t, "the session is up", p.isUp)
			p.send(
				offered("10.2.0.0", []uint16{65001}, bgp.NewPathAttributeCommunities([]uint32{65001<<16 | 2})),
				offered("10.1.0.0", []uint16{65001}),
			)
			s.await(t, vrf, "10.1.0.0/16", count(1))
			for pfx, want := range map[string]string{
				"10.2.0.0/16": `statement "those" of policy "no-tens" rejects it`, "10.1.0.0/16": "", "10.7.0.0/16": "",
			} {
				var got []rib.Offer
				eventually(t, pfx, func() bool {
					var err error
					if got, err = s.Offers(t.Context(), vrf, prefix(pfx)); err != nil {
						t.Fatal(err)
					}
					return want == "" || len(got) == 1
				})
				switch {
				case want == "" && len(got) > 0:
					t.Errorf("%s is offered: %+v", pfx, got)
				case want != "" && (!strings.Contains(got[0].Reason, want) || got[0].Path.Attrs.Peer.String() != p.addr || got[0].Path.Prefix != prefix(pfx)):
					t.Errorf("%s is offered so: %+v", pfx, got[0])
				}
			}
		})
	}
}

// offered announces a /16.
func offered(addr string, path []uint16, more ...bgp.PathAttributeInterface) *bgp.BGPMessage {
	attrs := append([]bgp.PathAttributeInterface{
		bgp.NewPathAttributeOrigin(0),
		bgp.NewPathAttributeAsPath([]bgp.AsPathParamInterface{bgp.NewAsPathParam(bgp.BGP_ASPATH_ATTR_TYPE_SEQ, path)}),
		bgp.NewPathAttributeNextHop("127.0.0.2"),
	}, more...)
	return bgp.NewBGPUpdateMessage(nil, attrs, []*bgp.IPAddrPrefix{bgp.NewIPAddrPrefix(16, addr)})
}
