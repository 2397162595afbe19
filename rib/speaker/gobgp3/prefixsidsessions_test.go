package gobgp3

import (
	"slices"
	"testing"

	api "github.com/osrg/gobgp/v3/api"
	"github.com/osrg/gobgp/v3/pkg/apiutil"
	"github.com/osrg/gobgp/v3/pkg/packet/bgp"
	"google.golang.org/protobuf/proto"

	"github.com/vrfredist/vrfredist/rib"
	"github.com/vrfredist/vrfredist/rib/speaker"
	"github.com/vrfredist/vrfredist/rib/speaker/gobgp3/guard"
)

// TestPrefixSIDOfSessions: a Prefix-SID comes through on a session with a VPN family alone, and is
// removed on one of unicast routes, however the neighbour came to be: configured, in a VRF, behind an
// alias, let in by a peer group, added by another client of the API.
func TestPrefixSIDOfSessions(t *testing.T) {
	const four = "ipv4-unicast"
	pe, plain := newPeer(t, "127.0.0.2", 65000, allFamilies...), newPeer(t, "127.0.0.3", 65002, four)
	customer, tenant := newPeer(t, "127.0.0.4", 65003, four), newPeer(t, "127.1.0.5", 65004, four)
	added := newPeer(t, "127.0.0.6", 65005, four)
	alias := inVRF(neighborConf(tenant.addr, 65004, tenant.port, four), "red")
	alias["transport"].(obj)["config"].(obj)["bind-interface"] = "lo"
	port := freePort(t)
	c := baseConf([]any{vrfConf("red", "65000:1", []string{"65000:1"}, []string{"65000:1"})}, []any{
		neighborConf(pe.addr, 65000, pe.port, allFamilies...), neighborConf(plain.addr, 65002, plain.port, four),
		inVRF(neighborConf(customer.addr, 65003, customer.port, four), "red"), alias,
	})
	c["global"] = obj{"config": obj{"as": 65000, "router-id": "192.0.2.1", "port": port, "local-address-list": []any{"127.0.0.1"}}}
	c["peer-groups"] = []any{obj{"config": obj{"peer-group-name": "guests", "peer-as": 65007}}}
	c["dynamic-neighbors"] = []any{obj{"config": obj{"prefix": "127.0.7.0/24", "peer-group": "guests"}}}
	s := run(t, Options{Config: toJSON(t, c), Extras: carriedBy(redSRv6)})
	if _, err := s.client(t).AddPeer(t.Context(), &api.AddPeerRequest{Peer: &api.Peer{
		Conf: &api.PeerConf{NeighborAddress: added.addr, PeerAsn: added.as}, Transport: &api.Transport{RemotePort: uint32(added.port), LocalAddress: "127.0.0.1"},
		Timers: &api.Timers{Config: &api.TimersConfig{ConnectRetry: 1, IdleHoldTimeAfterReset: 1}},
	}}); err != nil {
		t.Fatal(err)
	}
	guest := &peer{BgpServer: newGuest(t, "127.0.7.1", 65007, port), t: t, addr: "127.0.7.1", as: 65007}

	rendered, err := apiutil.MarshalPathAttributes([]bgp.PathAttributeInterface{prefixSID(&redSRv6.SRv6, false)})
	if err != nil {
		t.Fatal(err)
	}
	sid, err := rendered[0].UnmarshalNew()
	if err != nil {
		t.Fatal(err)
	}
	for i, p := range []*peer{plain, customer, tenant, added, guest} {
		s.awaitState(t, p.addr, "established")
		vrf := speaker.Default
		if p == customer || p == tenant {
			vrf = "red"
		}
		pfx := []string{"10.1.0.0/16", "10.2.0.0/16", "10.3.0.0/16", "10.4.0.0/16", "10.5.0.0/16"}[i]
		p.announce(spec{prefix: pfx, nexthop: "192.0.2.9", attrs: []proto.Message{sid}})
		got := s.await(t, vrf, pfx, count(1))[0]
		if got.Attrs.SID.IsValid() {
			t.Errorf("of %s: %+v", p.addr, got.Attrs.Via)
		}
		reports := s.Removed()
		at := slices.IndexFunc(reports, func(r speaker.Report) bool { return r.Neighbour == p.addr })
		if at < 0 || reports[at].Removed[guard.TunnelAttribute.Name()] == 0 {
			t.Errorf("of %s is removed: %+v", p.addr, reports)
		}
	}
	pe.announce(spec{prefix: "10.6.0.0/16", rd: 9, rts: []uint32{1}, nexthop: "2001:db8::9", attrs: []proto.Message{sid}})
	if got := s.await(t, "red", "10.6.0.0/16", count(1))[0].Attrs; got.SID != redSRv6.SRv6.SID || got.SIDFault != rib.NoSIDFault {
		t.Errorf("of a PE: %+v", got.Via)
	}
}
