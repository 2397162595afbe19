package gobgp3

import (
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"testing"
	"time"

	api "github.com/osrg/gobgp/v3/api"
	"github.com/osrg/gobgp/v3/pkg/packet/bgp"
	"github.com/osrg/gobgp/v3/pkg/server"

	"github.com/vrfredist/vrfredist/rib"
	"github.com/vrfredist/vrfredist/rib/speaker"
)

// external is a trial of eBGP neighbours in no VRF; inRed of such in a VRF.
var (
	external = kind{65001, 65002, 65009, speaker.Default, speaker.Default, false, false}
	inRed    = kind{65001, 65002, 65009, "red", "red", false, false}
)

const (
	ofP = "+65000 65001"
	ofQ = "+65000 65002 65002"
)

// both trials.
func eachTrial(t *testing.T, f func(x *trial)) {
	t.Helper()
	for name, k := range map[string]kind{"default": external, "VRF": inRed} {
		t.Run(name, func(t *testing.T) { f(k.start(t)) })
	}
}

// via announces the prefix by another nexthop.
func (x *trial) via(from *hostile, nexthop string) {
	x.t.Helper()
	x.send(from, x.update(from, x.prefix, nexthop, 0))
}

// gone says that nexthops are not reached.
func (x *trial) gone(nexthops ...string) {
	x.t.Helper()
	said := make(map[rib.PathNexthop]struct{})
	for _, n := range nexthops {
		said[rib.PathNexthop{Nexthop: netip.MustParseAddr(n)}] = struct{}{}
	}
	x.say(said)
}

// both has p announce, and then q.
func (x *trial) both() {
	x.t.Helper()
	x.announce(x.p)
	x.hears(x.p, "p announces", ofP)
	x.announce(x.q)
	x.hears(x.q, "q announces a worse path")
}

// awaitRefused waits until what the VRF says is not heeded, or is again.
func (x *trial) awaitRefused(is bool) {
	x.t.Helper()
	eventually(x.t, fmt.Sprintf("not heeded: %v", is), func() (as bool) {
		_ = x.s.keeper.inLoop(func() error { as = (x.s.keeper.reach.refused[x.vrf] != "") == is; return nil })
		return as
	})
	x.s.settled(x.t)
}

// TestUnreachedArrivals: of a path that arrives and is not reached nobody hears, whatever
// the neighbour said before, and however bad the path is.
func TestUnreachedArrivals(t *testing.T) {
	const dead, live = "192.0.2.66", "192.0.2.77"
	eachTrial(t, func(x *trial) {
		x.gone(dead)
		x.via(x.p, dead)
		x.hears(x.p, "the first path is not reached")
		x.via(x.p, live)
		x.hears(x.p, "it has another nexthop", ofP)
		x.via(x.p, dead)
		x.hears(x.p, "and the first one again", "-")
		x.announce(x.q)
		x.hears(x.q, "q announces", ofQ)
		x.via(x.p, dead)
		x.hears(x.p, "p says it again")
		x.via(x.p, live)
		x.hears(x.p, "p has another nexthop", ofP)
		x.via(x.p, dead)
		x.hears(x.p, "and the first one again", ofQ)
		x.withdraw(x.p)
		x.hears(x.p, "p withdraws")
		x.via(x.p, dead)
		x.hears(x.p, "it comes beside q's")
		x.withdraw(x.p)
		x.via(x.p, live)
		x.hears(x.p, "p is better", ofP)
		x.via(x.q, dead)
		x.hears(x.q, "the worse path is not reached")
		x.withdraw(x.p)
		x.hears(x.p, "the worse one is left", "-")
		x.gone()
		x.hears(x.p, "it is reached", ofQ)
		x.gone(dead)
		x.hears(x.p, "it is not", "-")
		x.withdraw(x.q)
		x.hears(x.p, "it goes")
		x.gone()
		x.s.holdsNothing(x.t)
	})
}

// TestUnreachedSessions: the end of a neighbour's session, a session that begins, and a
// route refresh.
func TestUnreachedSessions(t *testing.T) {
	eachTrial(t, func(x *trial) {
		again := func(p *hostile) {
			x.t.Helper()
			before := p.sessions()
			p.cut()
			eventually(x.t, p.addr+" is back", func() bool { return p.sessions() > before && p.isUp() })
		}
		x.both()
		x.unreached(x.p)
		x.hears(x.p, "p is not reached", ofQ)
		x.send(x.r, bgp.NewBGPRouteRefreshMessage(bgp.AFI_IP, 0, bgp.SAFI_UNICAST))
		eventually(x.t, "the route refresh is answered", func() bool {
			x.r.mu.Lock()
			defer x.r.mu.Unlock()
			return len(x.r.news) > 0
		})
		x.hears(x.p, "route refresh", ofQ)
		again(x.r)
		x.hears(x.p, "a new session of r", ofQ)
		if n := x.adjOut(); n != 1 {
			x.t.Errorf("%d paths in adj-out", n)
		}
		again(x.q)
		x.hears(x.p, "q's session ends", "-")
		again(x.r)
		x.hears(x.p, "a new session of r, where nothing is reached")
		again(x.p)
		x.hears(x.p, "p's session ends")
		x.unreached()
		x.s.holdsNothing(x.t)
	})
}

// TestUnreachedScope: what a VRF says is about its own neighbours' paths.
func TestUnreachedScope(t *testing.T) {
	caps := both(bgp.NewCapMultiProtocol(bgp.RF_IPv4_VPN))
	families := allFamilies[:2]
	p := newHostile(t, "127.0.0.2", 65001, both()...)
	r := newHostile(t, "127.0.0.4", 65009, caps...)
	client := newHostile(t, "127.0.0.5", 65005, both()...)
	other := newHostile(t, "127.0.0.6", 65006, both()...)
	pe := newPeer(t, "127.0.0.7", 65007, allFamilies...)
	red := newHostile(t, "127.0.0.8", 65008, both()...)
	rs := func(p *hostile) obj {
		return set(p.conf(families...), true, "route-server", "config", "route-server-client")
	}
	x := &trial{t: t, p: p, r: r, vrf: "red", prefix: "10.1.0.0/24"}
	x.s = run(t, Options{Config: toJSON(t, redAnd(p.conf(families...), r.conf("ipv4-unicast", "l3vpn-ipv4-unicast"), rs(client), rs(other),
		neighborConf(pe.addr, 65007, pe.port, allFamilies...), in("red", red.conf(families...))))})
	eventually(t, "all sessions are up", func() bool { return p.isUp() && r.isUp() && client.isUp() && other.isUp() && red.isUp() })
	const dead = "192.0.2.66"
	x.gone(dead)
	x.via(p, dead)
	x.hears(p, "no VRF's path, of which a VRF speaks", ofP)
	x.s.announce(t, "red", change("10.2.0.0/24", 1))
	x.prefix = "10.2.0.0/24"
	x.hears(p, "our own", "+65000")
	pe.announce(spec{prefix: "10.3.0.0/24", rd: 1, rts: []uint32{1}, nexthop: dead})
	eventually(t, "the PE's route comes", func() bool { return strings.Contains(fmt.Sprint(r.heard()), "10.3.0.0/24") })
	x.prefix = "10.4.0.0/24"
	x.via(red, dead)
	x.hears(red, "the VRF's own")
	x.say(nil)
	x.hears(p, "of which nothing is said any more", "+65000 65008")

	x.vrf, x.prefix = speaker.Default, "10.1.0.0/24"
	x.gone(dead)
	x.hears(p, "now no VRF speaks", "-")
	x.r, x.prefix = other, "10.5.0.0/24"
	x.via(client, dead)
	x.hears(client, "a route server's client", "+65005")
	x.r, x.prefix = r, "10.4.0.0/24"
	x.via(red, dead)
	x.hears(red, "a VRF's path, of which no VRF speaks")
}

// TestUnreachedByWhom: the same link-local nexthop of another neighbour is another one.
func TestUnreachedByWhom(t *testing.T) {
	k := external
	k.v6 = true
	x := k.start(t)
	const hop = "fe80::1"
	x.via(x.p, hop)
	x.hears(x.p, "p announces", ofP)
	x.via(x.q, hop)
	x.hears(x.q, "q announces")
	of := func(peer string) map[rib.PathNexthop]struct{} {
		return map[rib.PathNexthop]struct{}{{Nexthop: netip.MustParseAddr(hop), Peer: netip.MustParseAddr(peer)}: {}}
	}
	x.say(of(x.p.addr))
	x.hears(x.p, "p's is not reached", ofQ)
	x.say(of(x.q.addr))
	x.hears(x.p, "q's is not reached", ofP)
	x.gone(hop)
	x.hears(x.p, "nobody's")
}

// TestUnreachedEarly: what is said before BGP runs holds from the first path on, and what
// was said of a VRF ends with it.
func TestUnreachedEarly(t *testing.T) {
	p := newHostile(t, "127.0.0.2", 65001, both()...)
	r := newHostile(t, "127.0.0.4", 65009, both()...)
	conf := func(vrfs ...any) obj {
		c := redAnd(in("red", p.conf(allFamilies[:2]...)), in("red", r.conf(allFamilies[:2]...)))
		if vrfs != nil {
			c = baseConf(vrfs[1:], nil)
		}
		return c
	}
	said := map[rib.PathNexthop]struct{}{{Nexthop: netip.MustParseAddr("192.0.2.2")}: {}}
	x := &trial{t: t, p: p, r: r, vrf: "red", prefix: "10.1.0.0/24"}
	x.s = runWith(t, Options{Config: toJSON(t, conf())}, func(s *Speaker) {
		s.Unreached("red", said)
		s.Unreached("no such VRF", said)
	})
	eventually(t, "both are up", func() bool { return p.isUp() && r.isUp() })
	x.announce(p)
	x.hears(p, "the first path")
	if _, err := x.s.Reload(t.Context(), toJSON(t, conf(nil)), rib.Extras{}); err != nil {
		t.Fatal(err)
	}
	x.s.holdsNothing(t)
	if _, err := x.s.Reload(t.Context(), toJSON(t, conf()), rib.Extras{}); err != nil {
		t.Fatal(err)
	}
	eventually(t, "both are up again", func() bool { return p.isUp() && r.isUp() })
	x.announce(p)
	x.hears(p, "of a new VRF nothing was said", ofP)
}

// TestUnreachedBesideOurs: a route of our own comes and goes beside paths that are not
// reached, by whichever way it goes into GoBGP's tables.
func TestUnreachedBesideOurs(t *testing.T) {
	eachTrial(t, func(x *trial) {
		for name, put := range map[string]func(c rib.AnnounceChange){
			"batched": func(c rib.AnnounceChange) { x.s.announce(x.t, x.vrf, c) },
			"one by one": func(c rib.AnnounceChange) {
				_ = x.s.keeper.inLoop(func() error {
					serverPropagate(x.s.server(), nil, paths(x.s.keeper.rib().Vrfs[x.vrf], []rib.AnnounceChange{c}))
					return nil
				})
			},
		} {
			x.unreached(x.p)
			x.announce(x.p)
			x.hears(x.p, name+": p is not reached")
			put(change(x.prefix, 1))
			x.hears(x.p, name+": we announce", "+65000")
			put(withdrawal(x.prefix))
			x.hears(x.p, name+": we withdraw", "-")
			x.announce(x.q)
			x.hears(x.q, name+": q announces", ofQ)
			put(change(x.prefix, 1))
			x.unreached(x.p, x.q)
			x.hears(x.p, name+": we announce, and q is not reached", "+65000")
			put(withdrawal(x.prefix))
			x.hears(x.p, name+": we withdraw, and neither is reached", "-")
			x.withdraw(x.q)
			x.hears(x.q, name+": q withdraws")
			put(change(x.prefix, 1))
			x.hears(x.p, name+": we announce again", "+65000")
			x.withdraw(x.p)
			x.hears(x.p, name+": p withdraws")
			put(withdrawal(x.prefix))
			x.hears(x.p, name+": nothing is left", "-")
			x.unreached()
			x.s.holdsNothing(x.t)
		}
	})
}

// TestUnreachedTargets: a neighbour in a VRF that the better path reaches by its route
// targets, and the next one does not, has the route taken back.
func TestUnreachedTargets(t *testing.T) {
	p := newHostile(t, "127.0.0.2", 65001, both()...)
	q := newHostile(t, "127.0.0.3", 65002, both()...)
	r := newHostile(t, "127.0.0.4", 65009, both()...)
	c := redAnd(in("red", p.conf(allFamilies[:2]...)), in("red", q.conf(allFamilies[:2]...)), in("blue", r.conf(allFamilies[:2]...)))
	c["vrfs"] = append(c["vrfs"].([]any), vrfConf("blue", "65000:2", []string{"65000:2"}, []string{"65000:2"}))
	terms := rib.DefaultTerms()
	terms.AnyRT = true
	x := &trial{t: t, p: p, q: q, r: r, vrf: "red", prefix: "10.1.0.0/24"}
	x.s = run(t, Options{Config: toJSON(t, c), Extras: rib.Extras{Terms: map[string]rib.Terms{p.addr: terms}}})
	eventually(t, "all sessions are up", func() bool { return p.isUp() && q.isUp() && r.isUp() })
	m := x.update(p, x.prefix, "192.0.2.2", 0)
	u := m.Body.(*bgp.BGPUpdate)
	u.PathAttributes = append(u.PathAttributes, bgp.NewPathAttributeExtendedCommunities([]bgp.ExtendedCommunityInterface{
		bgp.NewTwoOctetAsSpecificExtended(bgp.EC_SUBTYPE_ROUTE_TARGET, 65000, 2, true),
	}))
	x.send(p, m)
	x.announce(q)
	told := make(map[string]string)
	has := func(want string) func() bool {
		return func() bool { r.follow(told); return strings.TrimSpace(told[x.prefix]) == want }
	}
	eventually(t, "r has p's path", has("65000 65001"))
	x.unreached(p)
	eventually(t, "it is taken back", has(""))
	x.unreached()
	eventually(t, "r has it again", has("65000 65001"))
}

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
				before := reader.sessions()
				reader.offer(both(caps...)...)
				reader.cut()
				eventually(t, "another session", func() bool { return reader.sessions() > before && reader.isUp() })
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
		b := server.NewBgpServer(server.LoggerOption(quiet{}))
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

// TestManyUnreached: neighbours hear of many prefixes in few messages, and of fewer at
// once where that takes long.
func TestManyUnreached(t *testing.T) {
	x := external.start(t)
	const n = 5000
	told := make(map[string]string)
	through := func(by string) func() bool {
		return func() bool {
			x.r.told(told)
			k := 0
			for _, path := range told {
				if strings.TrimSpace(path) == "65000 "+by {
					k++
				}
			}
			return k == n
		}
	}
	x.send(x.p, x.p.some(false, false, 0, n)...)
	eventually(t, "r has p's", through("65001"))
	for _, m := range x.q.some(false, false, 0, n) {
		u := m.Body.(*bgp.BGPUpdate)
		u.PathAttributes = append(slices.Clone(u.PathAttributes), bgp.NewPathAttributeMultiExitDisc(9))
		u.PathAttributes[1] = bgp.NewPathAttributeAsPath([]bgp.AsPathParamInterface{bgp.NewAsPathParam(bgp.BGP_ASPATH_ATTR_TYPE_SEQ, []uint16{x.q.as, x.q.as})})
		x.send(x.q, m)
	}
	x.hears(x.q, "q's are worse")
	x.prefix = "10.0.0.0/24"
	x.gone(x.p.addr)
	messages := 0
	eventually(t, "r has q's", func() bool {
		x.r.mu.Lock()
		messages += len(x.r.news)
		x.r.mu.Unlock()
		return through("65002 65002")()
	})
	// A turn may have been long because of what else the machine does.
	if messages > n/toldAtLeast {
		t.Errorf("of %d prefixes r heard in %d messages", n, messages)
	}
	b := batch(toldAtOnce)
	for _, step := range []struct {
		took time.Duration
		want batch
	}{{tellingTakes + 1, 100}, {tellingTakes, 100}, {time.Hour, 50}, {time.Microsecond, 100}, {time.Microsecond, 200}, {time.Microsecond, 200}} {
		if b.took(int(b), step.took); b != step.want {
			t.Errorf("%d at once after %s, want %d", b, step.took, step.want)
		}
	}
	if b.took(1, time.Hour); b != 100 {
		t.Errorf("%d at once", b)
	}
	for range 20 {
		b.took(1, time.Hour)
	}
	if b.took(1, 0); b != toldAtLeast {
		t.Errorf("%d at once, where it takes long for a few", b)
	}
}
