package gobgp3

import (
	"fmt"
	"net/netip"
	"strings"
	"testing"

	"github.com/osrg/gobgp/v3/pkg/packet/bgp"

	"github.com/vrfredist/vrfredist/rib"
	"github.com/vrfredist/vrfredist/rib/speaker"
)

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
	before := [...]int{p.sessions(), r.sessions()}
	if _, err := x.s.Reload(t.Context(), toJSON(t, conf(nil)), rib.Extras{}); err != nil {
		t.Fatal(err)
	}
	x.s.holdsNothing(t)
	if _, err := x.s.Reload(t.Context(), toJSON(t, conf()), rib.Extras{}); err != nil {
		t.Fatal(err)
	}
	// A neighbour need not have seen yet that its session of before has ended.
	eventually(t, "both are up again", func() bool {
		return p.isUp() && r.isUp() && p.sessions() > before[0] && r.sessions() > before[1]
	})
	x.announce(p)
	x.hears(p, "of a new VRF nothing was said", ofP)
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
	eventually(t, "q's is there", func() bool { _, sent := x.s.kept(); return sent == 2 })
	x.unreached(p)
	eventually(t, "it is taken back", has(""))
	x.unreached()
	eventually(t, "r has it again", has("65000 65001"))
	x.unreached(p)
	eventually(t, "it is taken back again", has(""))
	x.send(q, x.update(q, x.prefix, x.hopOf(q), 5))
	x.unreached()
	eventually(t, "r has it once more", has("65000 65001"))
	x.announce(p)
	eventually(t, "p's path does not lead there any more", has(""))
}

// TestUnreachedMeanwhile: what is said between the taking in of the word before and the
// walk for that one is walked for next.
func TestUnreachedMeanwhile(t *testing.T) {
	x := external.start(t)
	x.announce(x.p)
	x.hears(x.p, "p announces", ofP)
	of := func(p *hostile) map[rib.PathNexthop]struct{} {
		return map[rib.PathNexthop]struct{}{{Nexthop: netip.MustParseAddr(x.hopOf(p))}: {}}
	}
	x.unreached(x.q) // so that changes are watched
	_ = x.s.keeper.inLoop(func() error {
		reach := x.s.keeper.reach
		x.s.Unreached(x.vrf, nil)
		grown, _ := reach.adopt()
		x.s.Unreached(x.vrf, of(x.p))
		reach.walk = reach.flags.begin(grown)
		return nil
	})
	x.s.settled(t)
	x.hears(x.p, "p is not reached", "-")
}
