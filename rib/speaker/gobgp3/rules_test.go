package gobgp3

import (
	"context"
	"fmt"
	"net/netip"
	"slices"
	"testing"

	api "github.com/osrg/gobgp/v3/api"
	"google.golang.org/protobuf/proto"

	"github.com/vrfredist/vrfredist/rib"
	"github.com/vrfredist/vrfredist/rib/speaker"
)

func communities(list ...rib.Community) []proto.Message {
	var values []uint32
	for _, c := range list {
		values = append(values, uint32(c))
	}
	return []proto.Message{&api.CommunitiesAttribute{Communities: values}}
}

const (
	noAdvertise = 0xffffff02
	noSubconfed = 0xffffff03
)

// told are the routes that a neighbour is to have of those that are there.
type told struct {
	who  string
	peer *peer
	want map[string]bool // by prefix
}

// check has two routes of each family follow, the second once the first is there: GoBGP
// packs what waits for a session by its attributes, and of what was announced together the
// last may come first.
func (x told) check(t *testing.T, rd uint32, announce func(pfx string)) {
	t.Helper()
	n := netip.MustParseAddr(x.peer.addr).As4()[3] // each peer has its own
	for round := range 2 {
		lasts := []string{fmt.Sprintf("10.200.%d.%d/32", n, round), fmt.Sprintf("2001:db8:ffff:%x::%x/128", n, 1+round)}
		for _, last := range lasts {
			announce(last)
		}
		for _, last := range lasts {
			eventually(t, x.who+" has "+last, func() bool { return len(x.peer.has(last, rd)) == 1 })
		}
	}
	for pfx, want := range x.want {
		if got := len(x.peer.has(pfx, rd)) == 1; got != want {
			t.Errorf("%s has %s: %v, want %v", x.who, pfx, got, want)
		}
	}
}

// TestWellKnownCommunities: what came from a neighbour, and what a VRF imports itself, in
// both families, towards neighbours of the global table and of a VRF.
func TestWellKnownCommunities(t *testing.T) {
	from := newPeer(t, "127.0.0.2", 65001, allFamilies...)
	external := newPeer(t, "127.0.0.3", 65002, allFamilies...)
	internal := newPeer(t, "127.0.0.4", 65000, allFamilies...)
	customer := newPeer(t, "127.0.0.5", 65003, "ipv4-unicast", "ipv6-unicast")
	site := newPeer(t, "127.0.0.6", 65000, "ipv4-unicast", "ipv6-unicast")
	families := []string{"ipv4-unicast", "ipv6-unicast"}
	s := run(t, Options{Config: toJSON(t, baseConf([]any{vrfConf("red", "65000:1", []string{"65000:1"}, []string{"65000:1"})}, []any{
		neighborConf(from.addr, 65001, from.port, allFamilies...), neighborConf(external.addr, 65002, external.port, allFamilies...),
		neighborConf(internal.addr, 65000, internal.port, allFamilies...),
		inVRF(neighborConf(customer.addr, 65003, customer.port, families...), "red"),
		inVRF(neighborConf(site.addr, 65000, site.port, families...), "red"),
	}))})
	kinds := []struct {
		community rib.Community
		out, in   bool // to an eBGP neighbour, to an iBGP one
	}{
		{rib.CommunityNoExport, false, true}, {noAdvertise, false, false}, {noSubconfed, false, true},
		{rib.CommunityBlackhole, true, true}, // no VRF acts on it
		{0xffff0000 + 28, true, true}, {65001<<16 | 1, true, true},
	}
	for rd, receivers := range map[uint32][2]*peer{0: {external, internal}, 1: {customer, site}} {
		out, in := make(map[string]bool), make(map[string]bool)
		for i, kind := range kinds {
			for _, format := range []string{"10.%d.%d.0/24", "2001:db8:%d:%d::/64"} {
				pfx := prefix(fmt.Sprintf(format, rd, i)).String()
				from.announce(spec{prefix: pfx, rd: rd, rts: []uint32{1}, attrs: communities(65001<<16|7, kind.community)})
				own := prefix(fmt.Sprintf(format, 100+rd, i)).String()
				vrf := speaker.Default
				if rd != 0 {
					vrf = "red"
				}
				s.announce(t, vrf, rib.AnnounceChange{Announcement: rib.Announcement{Prefix: prefix(own), Communities: []rib.Community{kind.community}}})
				out[pfx], in[pfx], out[own], in[own] = kind.out, kind.in, kind.out, kind.in
			}
		}
		follow := func(pfx string) { from.announce(spec{prefix: pfx, rd: rd, rts: []uint32{1}}) }
		told{"eBGP", receivers[0], out}.check(t, 0, follow)
		told{"iBGP", receivers[1], in}.check(t, 0, follow)
	}
	// VPN routes go to PEs of other ASes and of ours by the same rules.
	follow := func(pfx string) { s.announce(t, "red", change(pfx, 1)) }
	out := map[string]bool{"10.101.0.0/24": false, "10.101.1.0/24": false, "10.101.2.0/24": false, "10.101.5.0/24": true}
	told{"a PE of another AS", external, out}.check(t, 1, follow)
	in := map[string]bool{"10.101.0.0/24": true, "10.101.1.0/24": false, "10.101.2.0/24": true, "10.101.5.0/24": true}
	told{"a PE of our AS", internal, in}.check(t, 1, follow)
}

// A route that comes to have NO_EXPORT is taken back, and one that loses it is told.
func TestCommunityChanges(t *testing.T) {
	from := newPeer(t, "127.0.0.2", 65001, allFamilies...)
	external := newPeer(t, "127.0.0.3", 65002, allFamilies...)
	s := run(t, Options{Config: toJSON(t, baseConf(nil, []any{
		neighborConf(from.addr, 65001, from.port, allFamilies...), neighborConf(external.addr, 65002, external.port, allFamilies...),
	}))})
	route := spec{prefix: "10.1.0.0/16"}
	has := func() bool { return len(external.has(route.prefix, 0)) == 1 }
	for range 2 {
		route.attrs = nil
		from.announce(route)
		eventually(t, "the route is told", has)
		route.attrs = communities(rib.CommunityNoExport)
		from.announce(route)
		eventually(t, "the route is taken back", func() bool { return !has() })
	}
	s.await(t, speaker.Default, route.prefix, count(1))
}

// The same towards a neighbour in a VRF, in both families, where the route came from
// another PE and where it came from a customer.
func TestCommunityChangesInVRF(t *testing.T) {
	pe := newPeer(t, "127.0.0.2", 65001, allFamilies...)
	customer := newPeer(t, "127.0.0.3", 65002, "ipv4-unicast", "ipv6-unicast")
	other := newPeer(t, "127.0.0.4", 65003, "ipv4-unicast", "ipv6-unicast")
	s := run(t, Options{Config: toJSON(t, baseConf([]any{vrfConf("red", "65000:1", []string{"65000:1"}, []string{"65000:1"})}, []any{
		neighborConf(pe.addr, 65001, pe.port, allFamilies...),
		inVRF(neighborConf(customer.addr, 65002, customer.port, "ipv4-unicast", "ipv6-unicast"), "red"),
		inVRF(neighborConf(other.addr, 65003, other.port, "ipv4-unicast", "ipv6-unicast"), "red"),
	}))})
	for _, x := range []struct {
		from  *peer
		route spec
	}{
		{pe, spec{prefix: "10.1.0.0/16", rd: 1, rts: []uint32{1}}}, {pe, spec{prefix: "2001:db8:1::/48", rd: 1, rts: []uint32{1}}},
		{other, spec{prefix: "10.2.0.0/16"}}, {other, spec{prefix: "2001:db8:2::/48"}},
	} {
		has := func() bool { return len(customer.has(x.route.prefix, 0)) == 1 }
		x.from.announce(x.route)
		eventually(t, x.route.prefix+" is told", has)
		since := s.established(t, customer.addr)
		for range 2 {
			x.route.attrs = nil
			x.from.announce(x.route)
			eventually(t, x.route.prefix+" is told", has)
			x.route.attrs = communities(rib.CommunityNoExport)
			x.from.announce(x.route)
			eventually(t, x.route.prefix+" is taken back", func() bool { return !has() })
		}
		if now := s.established(t, customer.addr); now != since {
			t.Errorf("the session is up since %d, was %d: it was ended to take %s back", now, since, x.route.prefix)
		}
	}
}

// TestRulesAndPolicies: the file's policies go on as they are, behind ours, and ours are
// shown under names of their own.
func TestRulesAndPolicies(t *testing.T) {
	conf := goodConf()
	conf["neighbors"], conf["dynamic-neighbors"] = []any{}, []any{}
	set(conf, []string{"pol"}, "global", "apply-policy", "config", "export-policy-list")
	set(conf, "reject-route", "global", "apply-policy", "config", "default-export-policy")
	s := run(t, Options{Config: toJSON(t, conf)})
	var export []string
	err := s.server().ListPolicyAssignment(context.Background(), &api.ListPolicyAssignmentRequest{Name: "global"}, func(a *api.PolicyAssignment) {
		if a.Direction == api.PolicyDirection_EXPORT {
			for _, p := range a.Policies {
				export = append(export, p.Name)
			}
			if a.DefaultAction != api.RouteAction_REJECT {
				t.Errorf("the default is %v", a.DefaultAction)
			}
		}
	})
	if err != nil || !slices.Equal(export, []string{"vrfredist/out", "pol"}) {
		t.Errorf("export policies %q, %v", export, err)
	}
}
