package speaker

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"testing"

	api "github.com/osrg/gobgp/v3/api"

	"github.com/vrfredist/vrfredist/rib"
)

// TestLostAnnouncementsComeBack: whichever way another client takes announcements out
// of BGP, they are sent again; what is not there for another reason is left.
func TestLostAnnouncementsComeBack(t *testing.T) {
	p := newPeer(t, "127.0.0.2", 65001, allFamilies...)
	conf := baseConf([]any{vrfConf("red", "65000:1", []string{"65000:1"}, []string{"65000:1"})},
		[]any{neighborConf(p.addr, 65001, p.port, allFamilies...)})
	s := run(t, Options{Config: toJSON(t, conf)})
	s.awaitState(t, p.addr, "established")
	s.announce(t, Default, change("10.1.0.0/16", 1), change("2001:db8:1::/48", 1))
	s.announce(t, "red", change("10.2.0.0/16", 1), change("2001:db8:2::/48", 1))
	client := api.NewGobgpApiClient(dial(t, "unix:"+s.socket))
	ctx, cancel := context.WithTimeout(context.Background(), deadline)
	defer cancel()

	all := map[string][]rib.Announcement{}
	for _, vrf := range []string{Default, "red"} {
		all[vrf] = s.Announced(vrf)
	}
	whole := func() error {
		for vrf, want := range all {
			there, err := s.inBGP(ctx, vrf, want)
			if err != nil {
				return err
			}
			if len(there) != len(want) {
				return fmt.Errorf("of VRF %s BGP has %v", vrf, there)
			}
		}
		return nil
	}
	if err := whole(); err != nil {
		t.Fatal(err)
	}
	ours := func(pfx string, withdraw bool) *api.Path {
		return encode(rib.AnnounceChange{Announcement: rib.Announcement{Prefix: prefix(pfx)}, Withdraw: withdraw})
	}
	inRed := func(pfx string) *api.Path { // by the RD, in the VPN table
		path := p.path(spec{prefix: pfx, rd: 1})
		path.Nlri = any_(t, &api.LabeledVPNIPAddressPrefix{
			Labels: []uint32{0}, PrefixLen: uint32(prefix(pfx).Bits()), Prefix: prefix(pfx).Addr().String(),
			Rd: any_(t, &api.RouteDistinguisherTwoOctetASN{Admin: 65000, Assigned: 1}),
		})
		path.Identifier = ourIdentifier
		return path
	}
	for _, c := range []struct {
		name string
		n    int // announcements that it takes away
		call func() error
	}{
		{"all of IPv4", 1, func() error {
			_, err := client.DeletePath(ctx, &api.DeletePathRequest{Family: family("ipv4-unicast")})
			return err
		}},
		{"all of IPv6", 1, func() error {
			_, err := client.DeletePath(ctx, &api.DeletePathRequest{Family: family("ipv6-unicast")})
			return err
		}},
		{"all of all families", 4, func() error { _, err := client.DeletePath(ctx, &api.DeletePathRequest{}); return err }},
		{"one by its identifier", 1, func() error {
			_, err := client.DeletePath(ctx, &api.DeletePathRequest{Path: ours("10.1.0.0/16", false)})
			return err
		}},
		{"one in a VRF", 1, func() error {
			_, err := client.DeletePath(ctx, &api.DeletePathRequest{TableType: api.TableType_VRF, VrfId: "red", Path: ours("2001:db8:2::/48", false)})
			return err
		}},
		{"one of a VRF in the VPN table", 1, func() error {
			_, err := client.DeletePath(ctx, &api.DeletePathRequest{Path: inRed("10.2.0.0/16")})
			return err
		}},
		{"one by one in a stream", 2, func() error {
			stream, err := client.AddPathStream(ctx)
			if err != nil {
				return err
			}
			err = stream.Send(&api.AddPathStreamRequest{Paths: []*api.Path{ours("10.1.0.0/16", true), ours("2001:db8:1::/48", true)}})
			if err == nil {
				_, err = stream.CloseAndRecv()
			}
			return err
		}},
		{"those of VRFs", 2, func() error {
			for _, f := range []string{"l3vpn-ipv4-unicast", "l3vpn-ipv6-unicast"} {
				if _, err := client.DeletePath(ctx, &api.DeletePathRequest{Family: family(f)}); err != nil {
					return err
				}
			}
			return nil
		}},
		{"one put in another's place", 1, func() error {
			path := ours("10.1.0.0/16", false)
			path.IsFromExternal = false
			_, err := client.AddPath(ctx, &api.AddPathRequest{Path: path})
			return err
		}},
		{"one by the id of what was put in its place", 1, func() error {
			r, err := client.AddPath(ctx, &api.AddPathRequest{Path: ours("10.1.0.0/16", false)})
			if err == nil {
				_, err = client.DeletePath(ctx, &api.DeletePathRequest{Uuid: r.GetUuid()})
			}
			return err
		}},
	} {
		t.Run(c.name, func(t *testing.T) {
			said := strings.Count(s.log.String(), "were sent again")
			if err := c.call(); err != nil {
				t.Fatal(err)
			}
			sent := func() int { return strings.Count(s.log.String(), "were sent again") - said }
			eventually(t, "they are back", func() bool { return sent() > 0 && whole() == nil })
			if c.n == 1 && !strings.Contains(s.log.String(), fmt.Sprintf("announcements=%d", c.n)) {
				t.Errorf("it is not told that %d were sent again", c.n)
			}
		})
	}
	eventually(t, "the peer has all", func() bool {
		return len(p.has("10.1.0.0/16", 0)) == 1 && len(p.has("10.2.0.0/16", 1)) == 1 && len(p.has("2001:db8:2::/48", 1)) == 1
	})

	if n, err := s.Reannounce(ctx, "red"); n != 0 || err != nil {
		t.Errorf("nothing is lost, and %d were sent again: %v", n, err)
	}
	if err := s.server().DeletePath(ctx, &api.DeletePathRequest{}); err != nil { // unseen
		t.Fatal(err)
	}
	if n, err := s.Reannounce(ctx, "red"); n != 2 || err != nil {
		t.Errorf("2 were lost, and %d were sent again: %v", n, err)
	}
	if got := s.Announced("red"); !slices.EqualFunc(got, all["red"], func(a, b rib.Announcement) bool { return a.Prefix == b.Prefix }) {
		t.Errorf("announced: %v", got)
	}
}

// TestScopes: what is looked after grows with the prefixes that were touched, up to
// all of a VRF.
func TestScopes(t *testing.T) {
	s := make(scope)
	a, b := prefix("10.0.0.0/8"), prefix("11.0.0.0/8")
	s.add(scope{"red": {a: true}})
	s.add(scope{"red": {b: true}, "blue": {a: true}})
	if len(s["red"]) != 2 || len(s["blue"]) != 1 {
		t.Errorf("%v", s)
	}
	s.add(scope{"red": nil})
	s.add(scope{"red": {a: true}})
	if red, there := s["red"]; red != nil || !there || len(s["blue"]) != 1 {
		t.Errorf("%v", s)
	}
}
