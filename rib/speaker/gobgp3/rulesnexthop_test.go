package gobgp3

import (
	"net/netip"
	"slices"
	"testing"

	"github.com/vrfredist/vrfredist/rib"
	"github.com/vrfredist/vrfredist/rib/speaker"
)

// hop returns the nexthop with which a route arrived at a peer; "": it is not there.
func (p *peer) hop(pfx string, rd uint32) string {
	routes := p.has(pfx, rd)
	if len(routes) != 1 {
		return ""
	}
	return netip.MustParseAddr(routes[0].nexthop).Unmap().String()
}

// TestNextHopOfVPNRoutes: a customer's route goes to the PEs of our AS with our address,
// what came from another PE with that one's, whether or not it came from another AS.
func TestNextHopOfVPNRoutes(t *testing.T) {
	families := []string{"ipv4-unicast", "ipv6-unicast"}
	for name, foreign := range map[string]bool{"our AS alone": false, "an AS beside": true} {
		t.Run(name, func(t *testing.T) {
			pe := newPeer(t, "127.0.0.2", 65000, allFamilies...)
			reflected := newPeer(t, "127.0.0.3", 65000, allFamilies...)
			customer := newPeer(t, "127.0.0.4", 65101, families...)
			neighbors := []any{
				set(neighborConf(pe.addr, 65000, pe.port, allFamilies...), true, "route-reflector", "config", "route-reflector-client"),
				set(neighborConf(reflected.addr, 65000, reflected.port, allFamilies...), true, "route-reflector", "config", "route-reflector-client"),
				inVRF(neighborConf(customer.addr, 65101, customer.port, families...), "red"),
			}
			for _, n := range neighbors[:2] {
				set(n.(obj), "192.0.2.1", "route-reflector", "config", "route-reflector-cluster-id")
			}
			var asbr *peer
			if foreign {
				asbr = newPeer(t, "127.0.0.5", 65009, allFamilies...)
				neighbors = append(neighbors, neighborConf(asbr.addr, 65009, asbr.port, allFamilies...))
			}
			run(t, Options{Config: toJSON(t, baseConf([]any{vrfConf("red", "65001:1", []string{"65000:1"}, []string{"65000:1"})}, neighbors))})
			at := func(rd uint32, pfx, want string) {
				t.Helper()
				eventually(t, pfx+" arrives", func() bool { return len(pe.hasRD(pfx, rd)) == 1 })
				if got := netip.MustParseAddr(pe.hasRD(pfx, rd)[0].nexthop).Unmap().String(); got != want {
					t.Errorf("%s has the nexthop %s, want %s", pfx, got, want)
				}
			}
			customer.announce(spec{prefix: "10.1.0.0/16"})
			at(1, "10.1.0.0/16", "127.0.0.1")
			customer.announce(spec{prefix: "2001:db8:1::/48"})
			at(1, "2001:db8:1::/48", "127.0.0.1")
			reflected.announce(spec{prefix: "10.2.0.0/16", rd: 2, rts: []uint32{1}, nexthop: "192.0.2.9"})
			at(2, "10.2.0.0/16", "192.0.2.9")
			if foreign {
				asbr.announce(spec{prefix: "10.3.0.0/16", rd: 3, rts: []uint32{1}, nexthop: "192.0.2.10"})
				at(3, "10.3.0.0/16", "192.0.2.10")
			}
		})
	}
}

// hasRD is has for RDs of the peers' numbering.
func (p *peer) hasRD(pfx string, rd uint32) []seen { return p.hasText("65001", pfx, rd) }

// TestNextHopSelf: the key of a neighbour, in both families; a reload tells it on the
// session that is up, and takes nothing else along.
func TestNextHopSelf(t *testing.T) {
	from := newPeer(t, "127.0.0.2", 65001, allFamilies...)
	internal := newPeer(t, "127.0.0.3", 65000, allFamilies...)
	other := newPeer(t, "127.0.0.4", 65000, allFamilies...)
	conf := baseConf(nil, []any{
		neighborConf(from.addr, 65001, from.port, allFamilies...), neighborConf(internal.addr, 65000, internal.port, allFamilies...),
		neighborConf(other.addr, 65000, other.port, allFamilies...),
	})
	s := run(t, Options{Config: toJSON(t, conf)})
	from.announce(spec{prefix: "10.1.0.0/16"})
	from.announce(spec{prefix: "2001:db8:1::/48"})
	const theirs = "192.0.2.7"
	arrives := func(p *peer, pfx, hop string) {
		t.Helper()
		eventually(t, pfx+" has the nexthop "+hop, func() bool { return p.hop(pfx, 0) == hop })
	}
	arrives(internal, "10.1.0.0/16", theirs)
	since := s.established(t, internal.addr)
	terms := rib.DefaultTerms()
	terms.NextHopSelf = true
	next := rib.Extras{Terms: map[string]rib.Terms{internal.addr: terms, other.addr: rib.DefaultTerms()}}
	was := rib.Extras{Terms: map[string]rib.Terms{internal.addr: rib.DefaultTerms(), other.addr: rib.DefaultTerms()}}
	for range 2 {
		if _, err := s.Reload(t.Context(), toJSON(t, conf), was); err != nil {
			t.Fatal(err)
		}
		arrives(internal, "10.1.0.0/16", theirs)
		if _, err := s.Reload(t.Context(), toJSON(t, conf), next); err != nil {
			t.Fatal(err)
		}
		arrives(internal, "10.1.0.0/16", "127.0.0.1")
		arrives(internal, "2001:db8:1::/48", "127.0.0.1")
		arrives(other, "10.1.0.0/16", theirs)
	}
	if now := s.established(t, internal.addr); now != since {
		t.Errorf("the session is up since %d, was %d", now, since)
	}
}

// TestBlackholesAreKept: towards eBGP neighbours of the VRF that acts on them, and of the
// PEs, and a reload takes them back and tells them again on sessions that are up.
func TestBlackholesAreKept(t *testing.T) {
	families := []string{"ipv4-unicast", "ipv6-unicast"}
	from := newPeer(t, "127.0.0.2", 65001, allFamilies...)
	external := newPeer(t, "127.0.0.3", 65002, allFamilies...)
	internal := newPeer(t, "127.0.0.4", 65000, allFamilies...)
	customer := newPeer(t, "127.0.0.5", 65003, families...)
	blues := newPeer(t, "127.0.0.6", 65004, families...)
	conf := baseConf([]any{
		vrfConf("red", "65000:1", []string{"65000:1"}, []string{"65000:1"}), vrfConf("blue", "65000:2", []string{"65000:2"}, []string{"65000:2"}),
	}, []any{
		neighborConf(from.addr, 65001, from.port, allFamilies...), neighborConf(external.addr, 65002, external.port, allFamilies...),
		neighborConf(internal.addr, 65000, internal.port, allFamilies...),
		inVRF(neighborConf(customer.addr, 65003, customer.port, families...), "red"),
		inVRF(neighborConf(blues.addr, 65004, blues.port, families...), "blue"),
	})
	s := run(t, Options{Config: toJSON(t, conf)})
	blackhole := communities(rib.CommunityBlackhole)
	from.announce(spec{prefix: "10.1.0.1/32", attrs: blackhole})
	from.announce(spec{prefix: "2001:db8::1/128", attrs: blackhole})
	from.announce(spec{prefix: "10.2.0.1/32", rd: 1, rts: []uint32{1}, attrs: blackhole})
	from.announce(spec{prefix: "10.3.0.1/32", rd: 2, rts: []uint32{2}, attrs: blackhole})
	all := func(tell bool, what string, has ...func() bool) {
		t.Helper()
		eventually(t, what, func() bool {
			return !slices.ContainsFunc(has, func(f func() bool) bool { return f() != tell })
		})
	}
	at := func(p *peer, pfx string, rd uint32) func() bool {
		return func() bool { return len(p.hasText("65001", pfx, rd)) == 1 }
	}
	kept := []func() bool{at(external, "10.1.0.1/32", 0), at(external, "2001:db8::1/128", 0), at(external, "10.2.0.1/32", 1), at(customer, "10.2.0.1/32", 0)}
	told := []func() bool{at(internal, "10.1.0.1/32", 0), at(internal, "10.2.0.1/32", 1), at(blues, "10.3.0.1/32", 0), at(external, "10.3.0.1/32", 2)}
	all(true, "all is told where no VRF acts on it", slices.Concat(kept, told)...)
	since := s.established(t, customer.addr)
	for range 2 {
		if _, err := s.Reload(t.Context(), toJSON(t, conf), rib.Extras{KeptBlackholes: []string{speaker.Default, "red"}}); err != nil {
			t.Fatal(err)
		}
		all(false, "what VRFs act on is taken back", kept...)
		all(true, "the rest stays", told...)
		if _, err := s.Reload(t.Context(), toJSON(t, conf), rib.Extras{}); err != nil {
			t.Fatal(err)
		}
		all(true, "all is told again", slices.Concat(kept, told)...)
	}
	if now := s.established(t, customer.addr); now != since {
		t.Errorf("the session is up since %d, was %d", now, since)
	}
}
