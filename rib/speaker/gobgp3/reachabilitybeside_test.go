package gobgp3

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	api "github.com/osrg/gobgp/v3/api"
	"github.com/osrg/gobgp/v3/pkg/packet/bgp"

	"github.com/vrfredist/vrfredist/rib"
	"github.com/vrfredist/vrfredist/rib/speaker"
)

// TestUnreachedBesideAllPaths: a neighbour that gets all paths of a prefix gets them as
// GoBGP has them, and as long as one may, all neighbours do.
func TestUnreachedBesideAllPaths(t *testing.T) {
	for name, vrf := range map[string]string{"default": speaker.Default, "VRF": "red"} {
		t.Run(name, func(t *testing.T) {
			all := bgp.NewCapAddPath([]*bgp.CapAddPathTuple{bgp.NewCapAddPathTuple(bgp.RF_IPv4_UC, bgp.BGP_ADD_PATH_RECEIVE)})
			x := &trial{t: t, vrf: vrf, prefix: "10.1.0.0/24"}
			x.p, x.q = newHostile(t, "127.0.0.2", 65001, both()...), newHostile(t, "127.0.0.3", 65002, both()...)
			x.r = newHostile(t, "127.0.0.4", 65009, both()...)
			reader := newHostile(t, "127.0.0.5", 65005, both()...)
			reader.deaf = true // towards it they have path identifiers
			ofReader := in(vrf, reader.conf(allFamilies[:2]...))
			ofReader["afi-safis"].([]any)[0].(obj)["add-paths"] = obj{"config": obj{"send-max": 4}}
			x.s = run(t, Options{Config: toJSON(t, redAnd(in(vrf, x.p.conf(allFamilies[:2]...)), in(vrf, x.q.conf(allFamilies[:2]...)), in(vrf, x.r.conf(allFamilies[:2]...)), ofReader))})
			eventually(t, "all are up", func() bool { return x.p.isUp() && x.q.isUp() && x.r.isUp() && reader.isUp() })
			again := func(caps ...bgp.ParameterCapabilityInterface) {
				t.Helper()
				reader.offer(both(caps...)...)
				x.s.again(t, reader)
			}
			x.both()
			x.unreached(x.p)
			x.hears(x.p, "p is not reached", ofQ)
			again(all)
			x.awaitRefused(true)
			x.hears(x.p, "somebody gets all paths", ofP)
			if !strings.Contains(x.s.log.String(), "gets all paths of a prefix") {
				t.Error("the log does not say so")
			}
			again()
			x.awaitRefused(false)
			x.hears(x.p, "nobody does any more", ofQ)
		})
	}
}

// TestUnreachedPolicies: the import policy is applied once to each path, and a nexthop
// that it sets is the one that counts.
func TestUnreachedPolicies(t *testing.T) {
	policy := obj{"config": obj{"import-policy-list": []string{"sets"}, "default-import-policy": "accept-route"}}
	prefixes := obj{"prefix-sets": []any{obj{"prefix-set-name": "one", "prefix-list": []any{obj{"ip-prefix": "10.1.0.0/24"}}}}}
	sets := func(nexthop string) []any {
		return []any{obj{"name": "sets", "statements": []any{obj{
			"name": "sets", "conditions": obj{"match-prefix-set": obj{"prefix-set": "one"}},
			"actions": obj{
				"bgp-actions":       obj{"set-next-hop": nexthop, "set-as-path-prepend": obj{"as": "65077", "repeat-n": 1}},
				"route-disposition": "accept-route",
			},
		}}}}
	}
	for name, vrf := range map[string]string{"default": speaker.Default, "VRF": "red"} {
		t.Run(name, func(t *testing.T) {
			x := &trial{t: t, vrf: vrf, prefix: "10.1.0.0/24"}
			x.p, x.r = newHostile(t, "127.0.0.2", 65001, both()...), newHostile(t, "127.0.0.4", 65009, both()...)
			conf := func(nexthop string) []byte {
				c := redAnd(in(vrf, x.p.conf(allFamilies[:2]...)), in(vrf, x.r.conf(allFamilies[:2]...)))
				c["global"].(obj)["apply-policy"], c["policy-definitions"], c["defined-sets"] = policy, sets(nexthop), prefixes
				return toJSON(t, c)
			}
			reload := func(nexthop string) {
				t.Helper()
				if _, err := x.s.Reload(t.Context(), conf(nexthop), rib.Extras{}); err != nil {
					t.Fatal(err)
				}
			}
			const told = "+65000 65077 65001"
			x.s = run(t, Options{Config: conf("192.0.2.50")})
			eventually(t, "both are up", func() bool { return x.p.isUp() && x.r.isUp() })
			x.announce(x.p)
			x.hears(x.p, "p announces", told)
			x.gone(x.hopOf(x.p))
			x.hears(x.p, "what p said as nexthop is not reached")
			x.gone("192.0.2.50")
			x.hears(x.p, "the policy's nexthop is not reached", "-")
			x.gone()
			x.hears(x.p, "it is", told)
			x.gone("192.0.2.51")
			x.hears(x.p, "another is not")
			reload("192.0.2.51")
			x.hears(x.p, "the policy has that one", "-")
			if n := x.adjOut(); n != 0 {
				t.Errorf("the policy has that one: %d paths in adj-out", n)
			}
			x.reset(x.p, api.ResetPeerRequest_IN)
			x.announce(x.p)
			x.hears(x.p, "p says it again")
			reload("192.0.2.50")
			x.hears(x.p, "the policy has the first one again", told)
			if n := x.adjOut(); n != 1 {
				t.Errorf("the policy has the first one again: %d paths in adj-out", n)
			}
			x.reset(x.r, api.ResetPeerRequest_OUT)
			x.hears(x.p, "soft reset out", told)
		})
	}
}

// TestUnreachedAndStale: GoBGP prefers a flagged path to one that is long-lived stale (RFC
// 9494), and would say nothing of the prefix.
func TestUnreachedAndStale(t *testing.T) {
	long := both(gracefulCap(1, nil), longLivedCap(12, map[bgp.RouteFamily]bool{bgp.RF_IPv4_UC: true, bgp.RF_IPv6_UC: true}))
	p, q, r := newHostile(t, "127.0.0.2", 65001, both()...), newHostile(t, "127.0.0.3", 65002, both()...), newHostile(t, "127.0.0.4", 65009, long...)
	x := &trial{t: t, p: p, q: q, r: r, vrf: speaker.Default, prefix: "10.1.0.0/24"}
	families := allFamilies[:2]
	x.s = run(t, Options{Config: toJSON(t, baseConf(nil, []any{p.conf(families...), q.conf(families...), longLived(r.conf(families...))}))})
	eventually(t, "all sessions are up", func() bool { return p.isUp() && q.isUp() && r.isUp() })
	stale := x.update(p, x.prefix, x.hopOf(p), 0)
	u := stale.Body.(*bgp.BGPUpdate)
	u.PathAttributes = append(u.PathAttributes, bgp.NewPathAttributeCommunities([]uint32{uint32(llgrStale)}))
	x.send(p, stale)
	x.hears(p, "p's path is stale", ofP)
	x.announce(q)
	x.hears(q, "q's is fresh", ofQ)
	x.unreached(q)
	x.hears(p, "q is not reached", ofP)
	x.announce(q)
	x.hears(q, "q says it again")
	x.reset(r, api.ResetPeerRequest_OUT)
	x.hears(p, "soft reset out", ofP)
	x.withdraw(p)
	x.hears(p, "p withdraws", "-")
	x.unreached()
	x.hears(p, "q is reached", ofQ)
}

// TestWithoutWord: as long as no worker says anything, neighbours hear what gobgpd tells
// them, of nexthops that nobody reaches too.
func TestWithoutWord(t *testing.T) {
	heard := make(map[string][]string)
	play := func(t *testing.T, name string, x *trial) {
		eventually(t, "all sessions are up", func() bool { return x.p.isUp() && x.q.isUp() && x.r.isUp() })
		for i, m := range [][]*bgp.BGPMessage{
			{x.update(x.p, "10.1.0.0/24", "192.0.2.2", 1), x.update(x.p, "10.2.0.0/24", "203.0.113.9", 2)},
			{x.update(x.q, "10.1.0.0/24", "192.0.2.3", 1)},
			{x.update(x.p, "10.1.0.0/24", "203.0.113.9", 1), x.update(x.p, "10.1.0.0/24", "203.0.113.9", 1)},
			{bgp.NewBGPUpdateMessage([]*bgp.IPAddrPrefix{bgp.NewIPAddrPrefix(24, "10.1.0.0")}, nil, nil)},
		} {
			by, mark := x.p, fmt.Sprintf("198.51.100.%d/32", i)
			if i == 1 {
				by = x.q
			}
			x.send(by, append(m, x.update(by, mark, "192.0.2.200", 0))...)
			eventually(t, "the mark", func() bool {
				for _, u := range x.r.heard() {
					heard[name] = append(heard[name], u...)
				}
				return slices.ContainsFunc(heard[name], func(line string) bool { return strings.Contains(line, mark) })
			})
		}
	}
	trio := func(t *testing.T) *trial {
		return &trial{
			t: t, p: newHostile(t, "127.0.0.2", 65001, both()...), q: newHostile(t, "127.0.0.3", 65002, both()...),
			r: newHostile(t, "127.0.0.4", 65009, both()...),
		}
	}
	t.Run("ours", func(t *testing.T) {
		x := trio(t)
		x.s = run(t, Options{Config: toJSON(t, baseConf(nil, []any{x.p.conf(allFamilies[:2]...), x.q.conf(allFamilies[:2]...), x.r.conf(allFamilies[:2]...)}))})
		play(t, "ours", x)
	})
	t.Run("gobgpd", func(t *testing.T) {
		x := trio(t)
		b := newServer(t)
		go b.Serve()
		if err := b.StartBgp(t.Context(), &api.StartBgpRequest{Global: &api.Global{Asn: ourAS, RouterId: "192.0.2.1", ListenPort: -1}}); err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { stopBGP(b) })
		for _, n := range []*hostile{x.p, x.q, x.r} {
			if err := b.AddPeer(t.Context(), &api.AddPeerRequest{Peer: &api.Peer{
				Conf:      &api.PeerConf{NeighborAddress: n.addr, PeerAsn: uint32(n.as)},
				Transport: &api.Transport{RemotePort: uint32(n.port), LocalAddress: "127.0.0.1"},
				Timers:    &api.Timers{Config: &api.TimersConfig{ConnectRetry: 1}},
				AfiSafis:  []*api.AfiSafi{{Config: &api.AfiSafiConfig{Family: family("ipv4-unicast"), Enabled: true}}},
			}}); err != nil {
				t.Fatal(err)
			}
		}
		play(t, "gobgpd", x)
	})
	if len(heard["ours"]) == 0 || !slices.Equal(heard["ours"], heard["gobgpd"]) {
		t.Errorf("a neighbour hears %q, of gobgpd %q", heard["ours"], heard["gobgpd"])
	}
}
