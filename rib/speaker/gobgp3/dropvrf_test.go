package gobgp3

import (
	"context"
	"testing"

	api "github.com/osrg/gobgp/v3/api"
	"github.com/osrg/gobgp/v3/pkg/packet/bgp"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/anypb"

	"github.com/vrfredist/vrfredist/rib"
)

// clientsPaths adds paths to VRF red as another client of the API does: several of one
// prefix of each family, and one under its RD that GoBGP's DeleteVrf does not look for.
func (r *running) clientsPaths(t *testing.T, maker *peer) {
	t.Helper()
	ctx := context.Background()
	for _, pfx := range []string{"10.1.0.0/16", "2001:db8:1::/48"} {
		for id := range uint32(4) {
			request := &api.AddPathRequest{TableType: api.TableType_VRF, VrfId: "red", Path: maker.path(spec{prefix: pfx, id: id})}
			if _, err := r.client(t).AddPath(ctx, request); err != nil {
				t.Fatal(err)
			}
		}
	}
	rd := any_(t, &api.RouteDistinguisherTwoOctetASN{Admin: 65000, Assigned: 1})
	flow := &api.VPNFlowSpecNLRI{Rd: rd, Rules: []*anypb.Any{any_(t, &api.FlowSpecComponent{Type: 3, Items: []*api.FlowSpecComponentItem{{Op: 0x81, Value: 6}}})}}
	path := &api.Path{
		Family: &api.Family{Afi: api.Family_AFI_IP, Safi: api.Family_SAFI_FLOW_SPEC_VPN},
		Nlri:   any_(t, flow),
	}
	for _, a := range []proto.Message{&api.OriginAttribute{}, &api.NextHopAttribute{NextHop: "192.0.2.7"}} {
		path.Pattrs = append(path.Pattrs, any_(t, a))
	}
	if _, err := r.client(t).AddPath(ctx, &api.AddPathRequest{Path: path}); err != nil {
		t.Fatal(err)
	}
}

// TestVRFLeavesNoPath: a VRF that goes, by a reload or by a client, leaves none of its
// local paths: not in BGP, not in another VRF, not at a peer. What it shares the prefix
// with stays.
func TestVRFLeavesNoPath(t *testing.T) {
	for _, way := range []string{"reload", "client"} {
		t.Run(way, func(t *testing.T) {
			p := newPeer(t, "127.0.0.2", 65001, allFamilies...)
			blue := vrfConf("blue", "65000:2", []string{"65000:1", "65000:2"}, []string{"65000:2"})
			vrfs := []any{vrfConf("red", "65000:1", []string{"65000:1"}, []string{"65000:1"}), blue}
			c := func(vrfs []any) []byte {
				c := baseConf(vrfs, []any{neighborConf(p.addr, 65001, p.port, allFamilies...)})
				return toJSON(t, c)
			}
			s := run(t, Options{Serves: func(string) bool { return false }, Config: c(vrfs)})
			before, _ := s.kept()
			s.clientsPaths(t, p)
			for _, pfx := range []string{"10.1.0.0/16", "2001:db8:1::/48"} {
				s.announce(t, "blue", change(pfx, 1))
				if way == "reload" {
					s.announce(t, "red", change(pfx, 1))
				}
				eventually(t, "red's prefix at the peer", func() bool { return len(p.has(pfx, 1)) == 1 })
				// The client's four, blue's, and red's where it has one.
				s.await(t, "blue", pfx, count(map[string]int{"client": 5, "reload": 6}[way]))
			}
			if way == "reload" {
				if _, err := s.Reload(t.Context(), c([]any{blue}), rib.Extras{}); err != nil {
					t.Fatal(err)
				}
			} else if _, err := s.client(t).DeleteVrf(t.Context(), &api.DeleteVrfRequest{Name: "red"}); err != nil {
				t.Fatal(err)
			}
			s.awaitKept(t, before+2, 0)
			for _, pfx := range []string{"10.1.0.0/16", "2001:db8:1::/48"} {
				eventually(t, "nothing of red at the peer", func() bool { return len(p.has(pfx, 1)) == 0 })
				if len(p.has(pfx, 2)) != 1 {
					t.Errorf("%s of blue is not at the peer any more", pfx)
				}
				s.await(t, "blue", pfx, count(1))
			}
		})
	}
}

// TestVRFThatStaysKeepsItsPaths: a VRF that GoBGP does not delete loses none.
func TestVRFThatStaysKeepsItsPaths(t *testing.T) {
	h := newHostile(t, "127.0.0.2", 65001, both()...)
	s := run(t, Options{Serves: func(string) bool { return false }, Config: toJSON(t, redAnd(in("red", h.conf(allFamilies[:2]...))))})
	s.clientsPaths(t, &peer{t: t})
	if _, err := s.client(t).DeleteVrf(t.Context(), &api.DeleteVrfRequest{Name: "red"}); err == nil {
		t.Fatal("a VRF with a neighbour was deleted")
	}
	if own, _ := s.kept(); own != 3 {
		t.Errorf("%d destinations, want 3", own)
	}
}

// TestPathsOfManyTurns: of a VRF whose local paths are more than the loop goes through in a turn none is
// left, and another one's stay; nor does a VRF that has the RD lose any.
func TestPathsOfManyTurns(t *testing.T) {
	const routes = 2*passedBatch + 5
	blue := vrfConf("blue", "65000:2", []string{"65000:2"}, []string{"65000:2"})
	red := vrfConf("red", "65000:1", []string{"65000:1"}, []string{"65000:1"})
	s := run(t, Options{Config: toJSON(t, baseConf([]any{red, blue}, nil))})
	var changes []rib.AnnounceChange
	for i := range routes {
		changes = append(changes, change(nth(false, i).String(), 1))
	}
	s.announce(t, "red", changes...)
	s.announce(t, "blue", changes[:passedBatch]...)
	s.awaitKept(t, routes+passedBatch, 0)
	rd, err := rib.ParseRD("65000:1")
	if err != nil {
		t.Fatal(err)
	}
	if err := s.feeder.keeper.withdrawLocal(map[rib.RD]bool{rd: true}); err != nil {
		t.Fatal(err)
	}
	s.awaitKept(t, routes+passedBatch, 0)
	if _, err := s.Reload(t.Context(), toJSON(t, baseConf([]any{blue}, nil)), rib.Extras{}); err != nil {
		t.Fatal(err)
	}
	s.awaitKept(t, passedBatch, 0)
}

// TestRDOfKey: the key of a VPN route's destination begins with its RD, of each kind.
func TestRDOfKey(t *testing.T) {
	for _, text := range []string{"65000:1", "192.0.2.1:2", "4200000000:3"} {
		rd, err := bgp.ParseRouteDistinguisher(text)
		if err != nil {
			t.Fatal(err)
		}
		want, err := decodeRD(rd)
		if err != nil {
			t.Fatal(err)
		}
		for family, nlri := range map[bgp.RouteFamily]bgp.AddrPrefixInterface{
			bgp.RF_IPv4_VPN: bgp.NewLabeledVPNIPAddrPrefix(24, "10.0.0.0", *bgp.NewMPLSLabelStack(5), rd),
			bgp.RF_IPv6_VPN: bgp.NewLabeledVPNIPv6AddrPrefix(48, "2001:db8::", *bgp.NewMPLSLabelStack(5), rd),
		} {
			if got, is := rdOfKey(family, tableKey(&bgpTable{}, nlri)); !is || got != want {
				t.Errorf("%v: it is %v, %v", nlri, got, is)
			}
		}
	}
	if _, is := rdOfKey(bgp.RF_EVPN, "a text with more than eight bytes"); is {
		t.Error("a key of another kind has one")
	}
}
