package gobgp3

import (
	"fmt"
	"strings"
	"testing"

	api "github.com/osrg/gobgp/v3/api"
	"github.com/osrg/gobgp/v3/pkg/packet/bgp"

	"github.com/vrfredist/vrfredist/rib"
	"github.com/vrfredist/vrfredist/rib/speaker"
)

// robbed is a speaker that announces, and a client that takes announcements away.
type robbed struct {
	*running
	t      *testing.T
	p      *peer
	client api.GobgpApiClient
	all    map[string][]rib.Announcement // by VRF
}

func newRobbed(t *testing.T) *robbed {
	t.Helper()
	r := &robbed{t: t, p: newPeer(t, "127.0.0.2", 65001, allFamilies...), all: make(map[string][]rib.Announcement)}
	r.running = run(t, Options{Config: toJSON(t, baseConf(
		[]any{vrfConf("red", "65000:1", []string{"65000:1"}, []string{"65000:1"})},
		[]any{neighborConf(r.p.addr, 65001, r.p.port, allFamilies...)}))})
	r.awaitState(t, r.p.addr, "established")
	r.announce(t, speaker.Default, change("10.1.0.0/16", 1), change("2001:db8:1::/48", 1))
	r.announce(t, "red", change("10.2.0.0/16", 1), change("2001:db8:2::/48", 1))
	r.client = api.NewGobgpApiClient(dial(t, "unix:"+r.socket))
	for _, vrf := range []string{speaker.Default, "red"} {
		r.all[vrf] = r.Announced(vrf)
	}
	if !r.whole() {
		t.Fatal("what is announced is not in BGP")
	}
	return r
}

// whole tells whether BGP has everything that is announced.
func (r *robbed) whole() bool {
	for vrf, want := range r.all {
		there, err := r.tables.Injected(r.t.Context(), vrf, want)
		if err != nil {
			r.t.Fatal(err)
		}
		if len(there) != len(want) {
			return false
		}
	}
	return true
}

// ours is a path that GoBGP takes for one of our announcements.
func ours(pfx string, withdraw bool) *api.Path {
	p := prefix(pfx)
	path := &api.Path{
		Family:     &api.Family{Afi: api.Family_AFI_IP, Safi: api.Family_SAFI_UNICAST},
		NlriBinary: append([]byte{byte(p.Bits())}, p.Addr().AsSlice()[:(p.Bits()+7)/8]...),
		Identifier: ourIdentifier, IsFromExternal: true, IsWithdraw: withdraw,
	}
	if p.Addr().Is6() {
		path.Family.Afi = api.Family_AFI_IP6
	}
	if !withdraw {
		path.PattrsBinary = [][]byte{
			attribute(bgp.BGP_ATTR_TYPE_ORIGIN, []byte{rib.OriginIncomplete}),
			attribute(bgp.BGP_ATTR_TYPE_NEXT_HOP, make([]byte, p.Addr().BitLen()/8)),
			attribute(bgp.BGP_ATTR_TYPE_MULTI_EXIT_DISC, make([]byte, 4)),
		}
	}
	return path
}

// oursInRed is one of VRF red, as it is in the VPN table.
func (r *robbed) oursInRed(pfx string) *api.Path {
	path := r.p.path(spec{prefix: pfx, rd: 1})
	path.Nlri = any_(r.t, &api.LabeledVPNIPAddressPrefix{
		Labels: []uint32{0}, PrefixLen: uint32(prefix(pfx).Bits()), Prefix: prefix(pfx).Addr().String(),
		Rd: any_(r.t, &api.RouteDistinguisherTwoOctetASN{Admin: 65000, Assigned: 1}),
	})
	path.Identifier = ourIdentifier
	return path
}

// deletes is a DeletePath for each request.
func (r *robbed) deletes(requests ...*api.DeletePathRequest) func() error {
	return func() error {
		for _, request := range requests {
			if _, err := r.client.DeletePath(r.t.Context(), request); err != nil {
				return err
			}
		}
		return nil
	}
}

// streams withdraws in a stream.
func (r *robbed) streams() error {
	stream, err := r.client.AddPathStream(r.t.Context())
	if err != nil {
		return err
	}
	err = stream.Send(&api.AddPathStreamRequest{Paths: []*api.Path{ours("10.1.0.0/16", true), ours("2001:db8:1::/48", true)}})
	if err == nil {
		_, err = stream.CloseAndRecv()
	}
	return err
}

// replaces puts a path in the place of ours.
func (r *robbed) replaces() error {
	path := ours("10.1.0.0/16", false)
	path.IsFromExternal = false
	_, err := r.client.AddPath(r.t.Context(), &api.AddPathRequest{Path: path})
	return err
}

// deletesByID deletes by an id that GoBGP gave for a path in our name.
func (r *robbed) deletesByID() error {
	answer, err := r.client.AddPath(r.t.Context(), &api.AddPathRequest{Path: ours("10.1.0.0/16", false)})
	if err == nil {
		_, err = r.client.DeletePath(r.t.Context(), &api.DeletePathRequest{Uuid: answer.GetUuid()})
	}
	return err
}

// TestLostAnnouncementsComeBack: whichever way another client takes announcements out
// of BGP, they are sent again; what is not there for another reason is left.
func TestLostAnnouncementsComeBack(t *testing.T) {
	r := newRobbed(t)
	for _, c := range []struct {
		name string
		n    int // announcements that it takes away
		call func() error
	}{
		{"all of IPv4", 1, r.deletes(&api.DeletePathRequest{Family: family("ipv4-unicast")})},
		{"all of IPv6", 1, r.deletes(&api.DeletePathRequest{Family: family("ipv6-unicast")})},
		{"all of all families", 4, r.deletes(&api.DeletePathRequest{})},
		{"those of VRFs", 2, r.deletes(&api.DeletePathRequest{Family: family("l3vpn-ipv4-unicast")}, &api.DeletePathRequest{Family: family("l3vpn-ipv6-unicast")})},
		{"one by its identifier", 1, r.deletes(&api.DeletePathRequest{Path: ours("10.1.0.0/16", false)})},
		{"one in a VRF", 1, r.deletes(&api.DeletePathRequest{TableType: api.TableType_VRF, VrfId: "red", Path: ours("2001:db8:2::/48", false)})},
		{"one of a VRF in the VPN table", 1, r.deletes(&api.DeletePathRequest{Path: r.oursInRed("10.2.0.0/16")})},
		{"one by one in a stream", 2, r.streams},
		{"one put in another's place", 1, r.replaces},
		{"one by the id of what was put in its place", 1, r.deletesByID},
	} {
		t.Run(c.name, func(t *testing.T) {
			said := strings.Count(r.log.String(), "were sent again")
			if err := c.call(); err != nil {
				t.Fatal(err)
			}
			eventually(t, "they are back", func() bool {
				return strings.Count(r.log.String(), "were sent again") > said && r.whole()
			})
			if c.n == 1 && !strings.Contains(r.log.String(), fmt.Sprintf("announcements=%d", c.n)) {
				t.Errorf("it is not told that %d were sent again", c.n)
			}
		})
	}
	eventually(t, "the peer has all", func() bool {
		return len(r.p.has("10.1.0.0/16", 0)) == 1 && len(r.p.has("10.2.0.0/16", 1)) == 1 && len(r.p.has("2001:db8:2::/48", 1)) == 1
	})
}

// TestReannounce: what was lost without anybody seeing it is found when it is asked for.
func TestReannounce(t *testing.T) {
	r := newRobbed(t)
	if n, err := r.Reannounce(t.Context(), "red"); n != 0 || err != nil {
		t.Errorf("nothing is lost, and %d were sent again: %v", n, err)
	}
	if err := r.server().DeletePath(t.Context(), &api.DeletePathRequest{}); err != nil { // unseen
		t.Fatal(err)
	}
	if n, err := r.Reannounce(t.Context(), "red"); n != 2 || err != nil {
		t.Errorf("2 were lost, and %d were sent again: %v", n, err)
	}
	if got := r.Announced("red"); len(got) != 2 {
		t.Errorf("announced: %v", got)
	}
	// What a policy keeps out of BGP is not lost.
	policy := baseConf([]any{vrfConf("red", "65000:1", []string{"65000:1"}, []string{"65000:1"})},
		[]any{neighborConf(r.p.addr, 65001, r.p.port, allFamilies...)})
	policy["global"].(obj)["apply-policy"] = obj{"config": obj{"default-import-policy": "reject-route"}}
	r.reload(t, policy)
	if err := r.server().DeletePath(t.Context(), &api.DeletePathRequest{}); err != nil {
		t.Fatal(err)
	}
	if n, err := r.Reannounce(t.Context(), "red"); n != 0 || err != nil {
		t.Errorf("a policy rejects them, and %d were sent again: %v", n, err)
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
