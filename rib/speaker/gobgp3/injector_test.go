package gobgp3

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"reflect"
	"slices"
	"testing"

	api "github.com/osrg/gobgp/v3/api"
	"github.com/osrg/gobgp/v3/pkg/apiutil"
	"github.com/osrg/gobgp/v3/pkg/packet/bgp"

	"github.com/vrfredist/vrfredist/rib"
	"github.com/vrfredist/vrfredist/rib/speaker"
)

func change(p string, med uint32) rib.AnnounceChange {
	return rib.AnnounceChange{Announcement: rib.Announcement{
		Prefix: prefix(p), MED: med,
		Communities: []rib.Community{65000<<16 | 7},
		Large:       []rib.LargeCommunity{{Global: 65000, Local1: 1, Local2: 2}},
	}}
}

func withdrawal(p string) rib.AnnounceChange {
	return rib.AnnounceChange{Announcement: rib.Announcement{Prefix: prefix(p)}, Withdraw: true}
}

func (r *running) announce(t testing.TB, vrf string, changes ...rib.AnnounceChange) {
	t.Helper()
	if err := r.Announce(context.Background(), vrf, changes); err != nil {
		t.Fatal(err)
	}
}

func announcedPrefixes(s *running, vrf string) []string {
	var out []string
	for _, a := range s.Announced(vrf) {
		out = append(out, a.Prefix.String())
	}
	return out
}

func TestAnnounce(t *testing.T) {
	p := newPeer(t, "127.0.0.2", 65001, allFamilies...)
	vrfs := []any{vrfConf("red", "65000:1", []string{"65000:1"}, []string{"65000:1"})}
	s := run(t, Options{Config: toJSON(t, baseConf(vrfs, []any{neighborConf(p.addr, 65001, p.port, allFamilies...)}))})

	for _, c := range []struct {
		vrf string
		rd  uint32
		src string
	}{{"red", 1, "red"}, {speaker.Default, 0, speaker.Default}} {
		t.Run(c.vrf, func(t *testing.T) {
			list := []string{"10.1.0.0/16", "2001:db8:1::/48", "0.0.0.0/0"}
			for _, pfx := range list {
				s.announce(t, c.vrf, change(pfx, 20))
				eventually(t, pfx+" reaches the peer", func() bool { return len(p.has(pfx, c.rd)) == 1 })
				got := p.has(pfx, c.rd)[0]
				nexthop := "127.0.0.1"
				if prefix(pfx).Addr().Is6() {
					nexthop = "::ffff:127.0.0.1"
				}
				if netip.MustParseAddr(got.nexthop).Unmap() != netip.MustParseAddr(nexthop).Unmap() ||
					!got.hasMED || got.med != 20 || got.origin != 2 || got.large != "65000:1:2 " ||
					!slices.Equal(got.communities, []uint32{65000<<16 | 7}) || got.rts != int(min(c.rd, 1)) {
					t.Errorf("%s arrived as %+v", pfx, got)
				}
				back := s.await(t, c.vrf, pfx, count(1))[0]
				if !back.Attrs.Imported || back.Attrs.Source != c.src || back.Attrs.MED != 20 || back.Attrs.Peer.IsValid() {
					t.Errorf("%s came back as %+v", pfx, back.Attrs)
				}
			}
			// Again with another MED: it replaces.
			s.announce(t, c.vrf, change(list[0], 30))
			eventually(t, "the new MED", func() bool { g := p.has(list[0], c.rd); return len(g) == 1 && g[0].med == 30 })
			if a := s.Announced(c.vrf); len(a) != 3 || a[1].MED != 30 {
				t.Errorf("announced: %+v", a)
			}
			for _, pfx := range list {
				s.announce(t, c.vrf, withdrawal(pfx))
				eventually(t, pfx+" is withdrawn", func() bool { return len(p.has(pfx, c.rd)) == 0 })
				s.await(t, c.vrf, pfx, count(0))
			}
			if a := s.Announced(c.vrf); len(a) != 0 {
				t.Errorf("announced: %+v", a)
			}
		})
	}
}

func TestAnnounceMany(t *testing.T) {
	s := run(t, Options{Config: toJSON(t, baseConf([]any{vrfConf("red", "65000:1", []string{"65000:1"}, []string{"65000:1"})}, nil))})
	var add, del []rib.AnnounceChange
	const n = 3*100 + 1 // several batches
	for i := range n {
		p := fmt.Sprintf("10.%d.%d.0/24", i/256, i%256)
		add, del = append(add, change(p, 1)), append(del, withdrawal(p))
	}
	s.announce(t, "red", add...)
	f := s.feed(t, "red")
	eventually(t, "all arrive", func() bool { have, _ := f.Len(); return have == n })
	if got := len(s.Announced("red")); got != n {
		t.Errorf("%d announced", got)
	}
	s.announce(t, "red", del...)
	eventually(t, "all leave", func() bool { have, _ := f.Len(); return have == 0 })
}

func TestAnnounceRefused(t *testing.T) {
	s := run(t, Options{Config: toJSON(t, baseConf(nil, nil))})
	ctx := context.Background()
	if err := s.Announce(ctx, "red", []rib.AnnounceChange{change("10.1.0.0/16", 1)}); err == nil {
		t.Error("a VRF that is not configured announced")
	}
	if err := s.Announce(ctx, "red", []rib.AnnounceChange{withdrawal("10.1.0.0/16")}); err != nil {
		t.Errorf("a withdrawal from a VRF that has gone: %v", err)
	}
	bad := change("10.1.0.0/16", 1)
	bad.Prefix = netip.MustParsePrefix("10.1.0.1/16")
	if err := s.Announce(ctx, speaker.Default, []rib.AnnounceChange{bad}); err == nil {
		t.Error("a prefix with host bits was announced")
	}
	ended, cancel := context.WithCancel(ctx)
	cancel()
	if err := s.Announce(ended, speaker.Default, []rib.AnnounceChange{change("10.1.0.0/16", 1)}); !errors.Is(err, context.Canceled) {
		t.Errorf("with a context that has ended: %v", err)
	}
	if len(s.Announced(speaker.Default))+len(s.Announced("red")) != 0 {
		t.Error("something is announced")
	}
}

// TestOperatorsPaths: what an operator adds with the gobgp program stands beside
// ours, and neither takes the other away.
func TestOperatorsPaths(t *testing.T) {
	s := run(t, Options{Config: toJSON(t, baseConf([]any{vrfConf("red", "65000:1", []string{"65000:1"}, []string{"65000:1"})}, nil))})
	s.announce(t, "red", change("10.1.0.0/16", 5))
	s.await(t, "red", "10.1.0.0/16", count(1))

	theirs := &api.Path{
		Family: &api.Family{Afi: api.Family_AFI_IP, Safi: api.Family_SAFI_UNICAST},
		Nlri:   any_(t, &api.IPAddressPrefix{PrefixLen: 16, Prefix: "10.1.0.0"}),
	}
	attrs, err := apiutil.MarshalPathAttributes([]bgp.PathAttributeInterface{
		bgp.NewPathAttributeOrigin(0), bgp.NewPathAttributeNextHop("192.0.2.9"), bgp.NewPathAttributeLocalPref(200),
	})
	if err != nil {
		t.Fatal(err)
	}
	theirs.Pattrs = attrs
	ctx := context.Background()
	request := &api.AddPathRequest{TableType: api.TableType_VRF, VrfId: "red", Path: theirs}
	if _, err := s.client(t).AddPath(ctx, request); err != nil {
		t.Fatal(err)
	}
	for _, got := range s.await(t, "red", "10.1.0.0/16", count(2)) {
		if theirs := got.Attrs.LocalPref == 200; theirs == got.Attrs.Imported || got.Attrs.Source != "red" {
			t.Errorf("the operator's path passes for ours, or ours for theirs: %+v", got.Attrs)
		}
	}
	s.announce(t, "red", withdrawal("10.1.0.0/16"))
	if _, err := s.client(t).DeletePath(ctx, &api.DeletePathRequest{TableType: api.TableType_VRF, VrfId: "red", Path: theirs}); err != nil {
		t.Fatal(err)
	}
	s.await(t, "red", "10.1.0.0/16", count(0))
}

// TestAnnounceWithAPolicysTerms: a preference and AS path that the import's policy set are
// announced, and two announcements that differ in nothing else are told apart.
func TestAnnounceWithAPolicysTerms(t *testing.T) {
	p := newPeer(t, "127.0.0.2", 65001, allFamilies...)
	s := run(t, Options{Config: toJSON(t, baseConf(nil, []any{neighborConf(p.addr, 65001, p.port, allFamilies...)}))})
	plain, set := change("10.1.0.0/16", 5), change("10.2.0.0/16", 5)
	set.LocalPref, set.Prepend = new(uint32(200)), 2
	s.announce(t, speaker.Default, plain, set)
	for pfx, want := range map[string]struct {
		pref   uint32
		length int32
	}{"10.1.0.0/16": {100, 0}, "10.2.0.0/16": {200, 2}} {
		got := s.await(t, speaker.Default, pfx, count(1))[0].Attrs
		if got.LocalPref != want.pref || got.ASPathLen != want.length || len(got.ASPath) != int(want.length) {
			t.Errorf("%s came back with preference %d and AS path %v", pfx, got.LocalPref, got.ASPath)
		}
		for _, as := range got.ASPath {
			if as != 65000 {
				t.Errorf("%s came back with AS path %v", pfx, got.ASPath)
			}
		}
	}
	eventually(t, "both reach the peer", func() bool { return len(p.has("10.1.0.0/16", 0))+len(p.has("10.2.0.0/16", 0)) == 2 })
	set.Prepend = 0
	s.announce(t, speaker.Default, set)
	eventually(t, "the AS path is short again", func() bool {
		return s.await(t, speaker.Default, "10.2.0.0/16", count(1))[0].Attrs.ASPathLen == 0
	})
}

// TestPathsInCommon: announcements that say the same have their attributes in common, and others
// none: a leak that another router sent is told to no other one, whatever else it has in common with
// one that a neighbour sent.
func TestPathsInCommon(t *testing.T) {
	red := &bgpVRF{
		Name: "red", Rd: bgp.NewRouteDistinguisherTwoOctetAS(65000, 1), MplsLabel: 77,
		ImportRt: []bgp.ExtendedCommunityInterface{homeTarget(3)},
		ExportRt: []bgp.ExtendedCommunityInterface{bgp.NewTwoOctetAsSpecificExtended(bgp.EC_SUBTYPE_ROUTE_TARGET, 65000, 1, true)},
	}
	leak := func(p string, carrier rib.Carrier) rib.AnnounceChange {
		of := &rib.Attrs{Via: &rib.Via{Carrier: carrier}, Tags: new(rib.Tags)}
		return rib.AnnounceChange{Announcement: rib.Announcement{Prefix: prefix(p), As: rib.FromLeak, Mark: rib.SendMark("blue", "red"), Of: of}}
	}
	list := paths(red, 65000, []rib.AnnounceChange{
		leak("10.1.0.0/16", rib.NotCarried), leak("10.2.0.0/16", rib.ByVPN), leak("2001:db8::/32", rib.NotCarried), change("10.3.0.0/16", 1),
	})
	for i, want := range []int{2, 1, 2, 1} {
		if got := extendedCommunities(list[i]); len(got) != want {
			t.Errorf("%v has the targets %v, want %d", list[i].info.nlri, got, want)
		}
	}
	plain := paths(nil, 65000, []rib.AnnounceChange{change("10.1.0.0/16", 1), change("10.2.0.0/16", 1), change("10.3.0.0/16", 2), change("2001:db8::/32", 2)})
	text := func(i int) string { return fmt.Sprint(plain[i].attributes()) }
	if text(0) != text(1) || text(1) == text(2) || plain[0].attrsHash != plain[1].attrsHash || plain[1].attrsHash == plain[2].attrsHash {
		t.Errorf("attributes %s, %s and %s", text(0), text(1), text(2))
	}
	if &plain[0].pathAttrs[0] != &plain[1].pathAttrs[0] {
		t.Error("two announcements that say the same have no list in common")
	}
}

// TestNLRI: what is put together without text is what GoBGP makes of text.
func TestNLRI(t *testing.T) {
	red := &bgpVRF{Rd: bgp.NewRouteDistinguisherTwoOctetAS(65000, 1), MplsLabel: 77}
	label := *bgp.NewMPLSLabelStack(77)
	for _, text := range []string{"0.0.0.0/0", "10.0.0.0/8", "192.0.2.128/25", "203.0.113.7/32", "::/0", "2001:db8::/33", "2001:db8::7/128", "::ffff:1.2.3.0/120"} {
		p := prefix(text)
		bits, addr := uint8(p.Bits()), p.Addr().String()
		var want, wantVPN bgp.AddrPrefixInterface = bgp.NewIPv6AddrPrefix(bits, addr), bgp.NewLabeledVPNIPv6AddrPrefix(bits, addr, label, red.Rd)
		if p.Addr().Is4() {
			want, wantVPN = bgp.NewIPAddrPrefix(bits, addr), bgp.NewLabeledVPNIPAddrPrefix(bits, addr, label, red.Rd)
		}
		for want, got := range map[bgp.AddrPrefixInterface]bgp.AddrPrefixInterface{want: nlriOf(p, nil), wantVPN: nlriOf(p, red)} {
			want.SetPathIdentifier(ourIdentifier)
			b, err := want.Serialize()
			made, madeErr := got.Serialize()
			if err != nil || madeErr != nil || !slices.Equal(b, made) || want.String() != got.String() {
				t.Errorf("%s: %v, %x, %v, want %v, %x, %v", text, got, made, madeErr, want, b, err)
			}
			if !reflect.DeepEqual(want, got) {
				t.Errorf("%s: %#v, want %#v", text, got, want)
			}
		}
	}
}

// TestVPNRoutesShareMessages: a PE is told of many VPN routes, and to forget them, in few messages,
// of which GoBGP makes one for each route.
func TestVPNRoutesShareMessages(t *testing.T) {
	const routes = 2000
	pe := newHostile(t, "127.0.0.2", 65001, bgp.NewCapMultiProtocol(bgp.RF_IPv4_VPN))
	s := run(t, Options{Config: toJSON(t, redAnd(pe.conf("l3vpn-ipv4-unicast")))})
	s.awaitState(t, pe.addr, "established")
	var add, del []rib.AnnounceChange
	for i := range routes {
		p := nth(false, i).String()
		add, del = append(add, change(p, 1)), append(del, withdrawal(p))
	}
	for _, step := range []struct {
		name    string
		changes []rib.AnnounceChange
		left    int
	}{{"announced", add, routes}, {"withdrawn", del, 0}} {
		messages, has := 0, make(map[string]bool)
		if step.left == 0 {
			for i := range routes {
				has["65000:1:"+nth(false, i).String()] = true
			}
		}
		s.announce(t, "red", step.changes...)
		eventually(t, step.name, func() bool {
			pe.mu.Lock()
			defer pe.mu.Unlock()
			for _, u := range pe.news {
				messages++
				for _, a := range u.PathAttributes {
					switch a := a.(type) {
					case *bgp.PathAttributeMpReachNLRI:
						for _, n := range a.Value {
							has[n.String()] = true
						}
					case *bgp.PathAttributeMpUnreachNLRI:
						for _, n := range a.Value {
							delete(has, n.String())
						}
					}
				}
			}
			pe.news = nil
			return len(has) == step.left
		})
		// Those share one that GoBGP writes right after one another, and on a loaded machine it writes few so.
		if messages >= routes {
			t.Errorf("%d routes are %s in %d messages", routes, step.name, messages)
		}
	}
}
