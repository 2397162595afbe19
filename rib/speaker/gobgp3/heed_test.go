package gobgp3

import (
	"context"
	"testing"

	api "github.com/osrg/gobgp/v3/api"
	"google.golang.org/protobuf/proto"

	"github.com/vrfredist/vrfredist/rib"
	"github.com/vrfredist/vrfredist/rib/speaker"
	"github.com/vrfredist/vrfredist/rib/speaker/gobgp3/reload"
)

// TestTTLOfALiveSession: whoever changes a neighbour's TTL, or its group's, gets a new
// session with it, and BGP goes on.
func TestTTLOfALiveSession(t *testing.T) {
	alone := newPeer(t, "127.0.0.2", 65001, "ipv4-unicast")
	member := newPeer(t, "127.0.0.3", 65001, "ipv4-unicast")
	alone.announce(spec{prefix: "10.1.0.0/16"})
	member.announce(spec{prefix: "10.2.0.0/16"})
	multihop := func(ttl int) obj { return obj{"config": obj{"enabled": true, "multihop-ttl": ttl}} }
	conf := func(ttl, ofGroup int) obj {
		a := neighborConf(alone.addr, 65001, alone.port, "ipv4-unicast")
		m := neighborConf(member.addr, 65001, member.port, "ipv4-unicast")
		a["ebgp-multihop"] = multihop(ttl)
		m["config"].(obj)["peer-group"] = "g"
		c := baseConf(nil, []any{a, m})
		c["peer-groups"] = []any{obj{"config": obj{"peer-group-name": "g", "peer-as": 65001}, "ebgp-multihop": multihop(ofGroup)}}
		return c
	}
	s := run(t, Options{Config: toJSON(t, conf(7, 7))})
	client := s.client(t)
	ctx := context.Background()
	find := func(addr string) (found *api.Peer) {
		if err := s.server().ListPeer(ctx, &api.ListPeerRequest{Address: addr}, func(p *api.Peer) { found = p }); err != nil {
			t.Fatal(err)
		}
		return found
	}
	// up waits for a session with that TTL, and for its route.
	up := func(what, addr, route string, ttl uint32) {
		t.Helper()
		eventually(t, what+": a session with the new TTL", func() bool {
			p := find(addr)
			return p != nil && p.State.SessionState == api.PeerState_ESTABLISHED && p.EbgpMultihop.GetMultihopTtl() == ttl
		})
		s.await(t, speaker.Default, route, count(1))
	}
	both := func(what string, a, m uint32) {
		t.Helper()
		up(what, alone.addr, "10.1.0.0/16", a)
		up(what, member.addr, "10.2.0.0/16", m)
	}
	both("at first", 7, 7)
	s.reload(t, conf(8, 9))
	both("a reload", 8, 9)
	p := proto.CloneOf(find(alone.addr))
	p.EbgpMultihop.MultihopTtl = 10
	if _, err := client.UpdatePeer(ctx, &api.UpdatePeerRequest{Peer: p}); err != nil {
		t.Fatal(err)
	}
	group, err := reload.FindGroup(ctx, s.server(), "g")
	if err != nil {
		t.Fatal(err)
	}
	group = proto.CloneOf(group)
	group.EbgpMultihop.MultihopTtl = 11
	if _, err := client.UpdatePeerGroup(ctx, &api.UpdatePeerGroupRequest{PeerGroup: group}); err != nil {
		t.Fatal(err)
	}
	up("a client", alone.addr, "10.1.0.0/16", 10)
	s.await(t, speaker.Default, "10.2.0.0/16", count(1))
	if _, err := s.Reload(ctx, toJSON(t, conf(9, 12)), rib.Extras{}); err != nil {
		t.Fatal(err)
	}
	both("a reload after clients", 9, 12)
}
