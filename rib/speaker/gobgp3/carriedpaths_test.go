package gobgp3

import (
	"net/netip"
	"slices"
	"testing"

	api "github.com/osrg/gobgp/v3/api"
	"github.com/osrg/gobgp/v3/pkg/packet/bgp"

	"github.com/vrfredist/vrfredist/config"
	"github.com/vrfredist/vrfredist/rib"
	"github.com/vrfredist/vrfredist/rib/speaker/gobgp3/conf"
)

// TestCarriedIsJudged: the policy of what goes out of a VRF judges what is carried by EVPN too, by
// its prefix: a customer's routes, the VRF's own, and what is leaked into it, which goes out where
// the policy accepts it alone; and what came from another router and is passed on to the VRF's
// neighbours goes to no other router, whatever the policy says.
func TestCarriedIsJudged(t *testing.T) {
	x := newCarrying(t, carriedBy(redCarried))
	x.announceAll()
	leaked := []string{"10.3.0.0/16", "2001:db8:3::/48"}
	came := []string{"10.4.0.0/16", "2001:db8:4::/48"}
	for i := range leaked {
		fromBlue, fromPE := passed(leaked[i], 65010), passed(came[i], 65011)
		fromBlue.Mark, fromPE.Mark = rib.SendMark("red", "blue"), rib.SendMark("red", "blue")
		fromPE.Of.Via = &rib.Via{Carrier: rib.ByEVPN}
		x.announce(t, "red", fromBlue, fromPE)
	}
	read := func(fallback string, rules ...obj) *config.Config {
		t.Helper()
		c := make(obj)
		for k, v := range x.conf {
			c[k] = v
		}
		c["netlink"] = obj{
			"vrfs": []any{
				obj{"name": "red", "table": 1001, "export": obj{"enabled": true}, "bgp": obj{"leak-from": []string{"blue"}, "send": "to-pe"}},
				obj{"name": "blue", "table": 1002, "export": obj{"enabled": true}},
			},
			"policies": []any{obj{"name": "to-pe", "default": fallback, "rules": rules}},
		}
		got, err := config.Parse("f.json", toJSON(t, c), config.BGP{Schema: conf.Schema(), Check: conf.Check})
		if err != nil {
			t.Fatal(err)
		}
		got.Extras.Carried = carriedBy(redCarried).Carried
		return got
	}
	for i := range leaked {
		x.told("without a policy", x.pe, customersPrefixes[i], five("65003", 0, customersCommunity, "65000:1"), 0)
		x.told("without a policy", x.pe, leaked[i], "", 0)
		x.told("without a policy", x.pe, came[i], "", 0)
		eventually(t, "the customer hears of what is leaked", func() bool { return len(x.customer.has(leaked[i], 0))+len(x.customer.has(came[i], 0)) == 2 })
	}
	const accept, reject = "accept", "reject"
	mine := []string{"10.0.0.0/8 le 32", "2001:db8::/32 le 64"}
	for _, c := range []struct {
		name                   string
		rules                  []obj
		customers, own, leaked string
	}{
		{
			"with a policy", []obj{
				{"communities": []string{"65003:1"}, "action": "next", "set-med": 77},
				{"prefixes": ownPrefixes, "action": reject},
				{"source-vrfs": []string{"blue"}, "prefixes": mine, "action": accept},
				{"prefixes": mine, "action": accept, "add-communities": []string{"65000:9"}},
			},
			five("65003", 77, customersCommunity+" 4259840009", "65000:1"), "", five("65010", 30, ownCommunity, "65000:1"),
		},
		{
			"with another one", []obj{{"prefixes": ownPrefixes, "action": accept}},
			"", five("", 5, ownCommunity, "65000:1"), "",
		},
	} {
		got := read(reject, c.rules...)
		if _, err := x.Reload(t.Context(), got.BGP, got.Extras); err != nil {
			t.Fatal(err)
		}
		for i := range leaked {
			x.told(c.name, x.pe, customersPrefixes[i], c.customers, 0)
			x.told(c.name, x.pe, ownPrefixes[i], c.own, 0)
			x.told(c.name, x.pe, leaked[i], c.leaked, 0)
			x.told(c.name, x.pe, came[i], "", 0)
		}
	}
}

// reflector is a route reflector of our AS with us and another PE as its clients.
func newReflector(t *testing.T, addr string, client *peer) *peer {
	t.Helper()
	r := &peer{BgpServer: newServer(t), t: t, addr: addr, as: 65000, port: freePort(t)}
	go r.Serve()
	if err := r.StartBgp(t.Context(), &api.StartBgpRequest{Global: &api.Global{Asn: 65000, RouterId: addr, ListenPort: int32(r.port), ListenAddresses: []string{addr}}}); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { stopBGP(r.BgpServer) })
	families := []*api.AfiSafi{{Config: &api.AfiSafiConfig{Family: family("l2vpn-evpn"), Enabled: true}}}
	reflects := &api.RouteReflector{RouteReflectorClient: true, RouteReflectorClusterId: addr}
	for _, p := range []*api.Peer{
		{Conf: &api.PeerConf{NeighborAddress: "127.0.0.1", PeerAsn: 65000}, Transport: &api.Transport{PassiveMode: true, LocalAddress: addr}, AfiSafis: families, RouteReflector: reflects},
		{Conf: &api.PeerConf{NeighborAddress: client.addr, PeerAsn: 65000}, Transport: &api.Transport{LocalAddress: addr, RemotePort: uint32(client.port)}, AfiSafis: families, RouteReflector: reflects},
	} {
		if err := r.AddPeer(t.Context(), &api.AddPeerRequest{Peer: p}); err != nil {
			t.Fatal(err)
		}
	}
	if err := client.AddPeer(t.Context(), &api.AddPeerRequest{Peer: &api.Peer{
		Conf: &api.PeerConf{NeighborAddress: addr, PeerAsn: 65000}, Transport: &api.Transport{PassiveMode: true, LocalAddress: client.addr}, AfiSafis: families,
	}}); err != nil {
		t.Fatal(err)
	}
	return r
}

// TestEVPNThroughReflector: through a route reflector the nexthop stays the VTEP both ways, and
// says who sent the route and how many clusters it passed.
func TestEVPNThroughReflector(t *testing.T) {
	far := newPeer(t, "127.0.0.3", 65000, "l2vpn-evpn")
	r := newReflector(t, "127.0.0.2", far)
	s := run(t, Options{
		Config: toJSON(t, baseConf([]any{vrfConf("red", "65000:1", []string{"65000:1"}, []string{"65000:1"})}, []any{neighborConf(r.addr, 65000, r.port, "l2vpn-evpn")})),
		Extras: carriedBy(redCarried),
	})
	for i, pfx := range ownPrefixes {
		s.announce(t, "red", change(pfx, 5))
		theirs := []string{"10.5.0.0/16", "2001:db8:5::/48"}[i]
		far.announceFive(fiveSpec{prefix: theirs, vni: 200, mac: "02:00:00:00:02:01", encap: bgp.TUNNEL_TYPE_VXLAN, rts: []uint32{1}})
		a := s.await(t, "red", theirs, count(1))[0].Attrs
		if a.Carrier != rib.ByEVPN || a.Nexthop != netip.MustParseAddr("192.0.2.7") || a.OriginatorID != netip.MustParseAddr(far.addr) || a.ClusterLen != 1 || !a.IBGP {
			t.Errorf("%s comes as %+v", theirs, a.Via)
		}
		eventually(t, "the other PE hears of "+pfx, func() bool {
			return slices.Equal(far.fivesFrom(r.addr, pfx), []string{five("", 5, ownCommunity, "65000:1")})
		})
	}
	for _, pfx := range ownPrefixes {
		if got := s.feed(t, "red").Lookup(prefix(pfx)); len(got) != 1 || got[0].Attrs.Carrier != rib.NotCarried {
			t.Errorf("red has of its own %s %d paths", pfx, len(got))
		}
	}
}

// TestEVPNOfRestart: the routes of EVPN of a neighbour that restarts gracefully stay until it is
// back, and go as it says then.
func TestEVPNOfRestart(t *testing.T) {
	evpn := bgp.NewCapMultiProtocol(bgp.RF_EVPN)
	kept := gracefulCap(60, map[bgp.RouteFamily]bool{bgp.RF_EVPN: true})
	p := newHostile(t, "127.0.0.2", 65001, evpn, kept)
	s := run(t, Options{Config: toJSON(t, baseConf([]any{vrfConf("red", "65000:1", []string{"65000:1"}, nil)}, []any{p.conf("l2vpn-evpn")})), Extras: carriedBy(redCarried)})
	const four, six = "10.5.0.0/16", "2001:db8:5::/48"
	route := func(pfx string) *bgp.BGPMessage {
		target, err := bgp.ParseRouteTarget("65000:1")
		if err != nil {
			t.Fatal(err)
		}
		return bgp.NewBGPUpdateMessage(nil, []bgp.PathAttributeInterface{
			bgp.NewPathAttributeOrigin(0),
			bgp.NewPathAttributeAsPath([]bgp.AsPathParamInterface{bgp.NewAsPathParam(bgp.BGP_ASPATH_ATTR_TYPE_SEQ, []uint16{p.as})}),
			bgp.NewPathAttributeMpReachNLRI("192.0.2.7", []bgp.AddrPrefixInterface{evpnNLRI(nativeRD(rd(t, "65001:1")), prefix(pfx), 100)}),
			bgp.NewPathAttributeExtendedCommunities([]bgp.ExtendedCommunityInterface{target}),
		}, nil)
	}
	end := bgp.NewEndOfRib(bgp.RF_EVPN)
	back := func(times int, messages ...*bgp.BGPMessage) {
		t.Helper()
		eventually(t, "it is back", func() bool { return p.isUp() && p.sessions() == times })
		s.awaitState(t, p.addr, "established")
		p.send(messages...)
	}
	back(1, route(four), route(six), end)
	feed := s.feed(t, "red")
	s.await(t, "red", four, count(1))
	s.await(t, "red", six, count(1))
	eventually(t, "red has converged", func() bool { return converged(feed) })

	p.cut()
	eventually(t, "it is away", func() bool { got, _ := s.session(p.addr); return got.State != "established" })
	if len(feed.Lookup(prefix(four)))+len(feed.Lookup(prefix(six))) != 2 || len(feed.Down()) > 0 {
		t.Error("the routes went with the session")
	}
	back(2, route(four), end)
	s.await(t, "red", six, count(0))
	s.await(t, "red", four, count(1))

	p.offer(evpn)
	p.cut()
	back(3)
	s.await(t, "red", four, count(0))
}
