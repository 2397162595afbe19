package gobgp3

import (
	"net/netip"
	"strings"
	"testing"

	"github.com/vrfredist/vrfredist/rib"
)

// TestCarriedFollowsReachability: of a customer's route that BGP may not tell, because its nexthop
// is not reached, other PEs are not told by EVPN either, until it is.
func TestCarriedFollowsReachability(t *testing.T) {
	x := newCarrying(t, carriedBy(redCarried))
	x.announceAll()
	has := five("65003", 0, customersCommunity, "65000:1")
	x.told("at first", x.pe, customersPrefixes[0], has, 0)
	nexthop := x.await(t, "red", customersPrefixes[0], count(1))[0].Attrs.PathNexthop()
	x.Unreached("red", map[rib.PathNexthop]struct{}{nexthop: {}})
	x.told("not reached", x.pe, customersPrefixes[0], "", 0)
	x.told("not reached", x.abroad, customersPrefixes[0], "", 0)
	x.told("not reached", x.pe, ownPrefixes[0], five("", 5, ownCommunity, "65000:1"), 0)
	x.Unreached("red", map[rib.PathNexthop]struct{}{})
	x.told("reached", x.pe, customersPrefixes[0], has, 0)
}

// TestCarriedVRFAnew: a VRF that is made anew under another RD is carried under that one alone, and
// of one that goes nothing is left.
func TestCarriedVRFAnew(t *testing.T) {
	x := newCarrying(t, carriedBy(redCarried))
	x.announceAll()
	x.told("at first", x.pe, ownPrefixes[0], five("", 5, ownCommunity, "65000:1"), 0)
	red := x.conf["vrfs"].([]any)[1].(obj)["config"].(obj)
	red["rd"], red["export-rt-list"] = "65000:7", []string{"65000:1", "65000:8"}
	x.reloadAs(carriedBy(redCarried))
	anew := func(as string, med int, communities string) string {
		return strings.Replace(five(as, med, communities, "65000:1 65000:8"), "65000:1 ", "65000:7 ", 1)
	}
	for i, pfx := range customersPrefixes {
		x.told("under another RD", x.pe, ownPrefixes[i], anew("", 5, ownCommunity), 0)
		x.told("under another RD", x.pe, pfx, anew("65003", 0, customersCommunity), 0)
	}
	x.conf["vrfs"], x.conf["neighbors"] = x.conf["vrfs"].([]any)[:1], x.conf["neighbors"].([]any)[:2]
	x.reloadAs(rib.Extras{})
	for i, pfx := range customersPrefixes {
		x.told("gone", x.pe, ownPrefixes[i], "", 0)
		x.told("gone", x.pe, pfx, "", 0)
	}
}

// TestInternalIsNotCarried: what a neighbour of a VRF sends by iBGP goes to no other router, by
// EVPN as little as by VPN routes, and lets no worse path go out in its place.
func TestInternalIsNotCarried(t *testing.T) {
	pe := newPeer(t, "127.0.0.2", 65000, evpnFamilies...)
	site := newPeer(t, "127.0.0.4", 65000, "ipv4-unicast", "ipv6-unicast")
	s := run(t, Options{
		Config: toJSON(t, baseConf([]any{vrfConf("red", "65000:1", []string{"65000:1"}, []string{"65000:1"})}, []any{
			neighborConf(pe.addr, 65000, pe.port, evpnFamilies...), inVRF(neighborConf(site.addr, 65000, site.port, "ipv4-unicast", "ipv6-unicast"), "red"),
		})),
		Extras: carriedBy(rib.Carried{Source: netip.MustParseAddr("10.255.0.1"), VNI: 100, RouterMAC: redCarried.RouterMAC}),
	})
	for i, pfx := range customersPrefixes {
		site.announce(spec{prefix: pfx})
		s.await(t, "red", pfx, count(1))
		s.announce(t, "red", change(ownPrefixes[i], 5))
		eventually(t, "the PE hears of red's own", func() bool { return len(pe.fives(ownPrefixes[i])) == 1 })
		if len(pe.fives(pfx))+len(pe.has(pfx, 1)) > 0 {
			t.Errorf("the PE hears of %s", pfx)
		}
	}
}
