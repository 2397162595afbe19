package gobgp3

import (
	"net/netip"
	"slices"
	"testing"

	api "github.com/osrg/gobgp/v3/api"
	"github.com/osrg/gobgp/v3/pkg/packet/bgp"
	"google.golang.org/protobuf/proto"

	"github.com/vrfredist/vrfredist/rib"
	"github.com/vrfredist/vrfredist/rib/speaker"
)

// TestAllPaths: the feeds have every path of a destination, whatever changes of it.
func TestAllPaths(t *testing.T) {
	pairs(t, as, nil, func(t *testing.T, p pair) {
		four, six := nth(false, 0), nth(true, 0)
		med := func(med uint32) func([]rib.Path) bool {
			return func(paths []rib.Path) bool {
				return slices.ContainsFunc(paths, func(x rib.Path) bool { return x.Attrs.Peer.String() == p.other.addr && x.Attrs.MED == med })
			}
		}
		p.other.send(p.other.says(20, four, six)...)
		for _, n := range []bgp.AddrPrefixInterface{four, six} {
			p.s.await(t, p.vrf, n.String(), med(20))
		}
		p.s.feedsAgree(t, "another path than the best changes")
		p.other.send(p.other.says(1, four, six)...)
		for _, n := range []bgp.AddrPrefixInterface{four, six} {
			p.s.await(t, p.vrf, n.String(), med(1))
		}
		p.s.feedsAgree(t, "another path becomes the best")
		p.best.send(p.best.some(false, true, 0, 1)...)
		p.best.send(p.best.some(true, true, 0, 1)...)
		for _, n := range []bgp.AddrPrefixInterface{four, six} {
			p.awaitFrom(t, p.best, n, 0)
			p.awaitFrom(t, p.other, n, 1)
		}
		p.s.feedsAgree(t, "another path than the best is withdrawn")
		p.other.send(p.other.some(false, true, 0, 2)...)
		p.other.send(p.other.some(true, true, 0, 2)...)
		p.s.await(t, p.vrf, four.String(), count(0))
		p.s.await(t, p.vrf, nth(true, 1).String(), count(1))
		p.s.feedsAgree(t, "the last one is withdrawn, and another")
	})
}

// TestAllPathsOfOthers: paths of our own, and of clients of the API, stand beside those of
// neighbours, better and worse ones.
func TestAllPathsOfOthers(t *testing.T) {
	pairs(t, as, nil, func(t *testing.T, p pair) {
		n := nth(false, 0).String()
		p.s.announce(t, p.vrf, change(n, 5), change("10.99.0.0/16", 5))
		p.s.await(t, p.vrf, n, count(3))
		p.s.feedsAgree(t, "an announcement")
		request := &api.AddPathRequest{Path: (&peer{t: t}).path(spec{prefix: n, attrs: []proto.Message{&api.LocalPrefAttribute{LocalPref: 1}}})}
		gone := &api.DeletePathRequest{Path: request.Path}
		if p.vrf != speaker.Default {
			request.TableType, request.VrfId = api.TableType_VRF, p.vrf
			gone.TableType, gone.VrfId = api.TableType_VRF, p.vrf
		}
		if _, err := p.s.client(t).AddPath(t.Context(), request); err != nil {
			t.Fatal(err)
		}
		p.s.await(t, p.vrf, n, count(4))
		p.s.feedsAgree(t, "a client's path that is the worst")
		if _, err := p.s.client(t).DeletePath(t.Context(), gone); err != nil {
			t.Fatal(err)
		}
		p.s.await(t, p.vrf, n, count(3))
		p.s.feedsAgree(t, "it goes again")
		p.s.announce(t, p.vrf, withdrawal(n))
		p.s.await(t, p.vrf, n, count(2))
		p.s.feedsAgree(t, "the announcement is withdrawn")
	})
}

// TestWorseAnnouncement: an announcement that is not the best path, in a batch with one that
// is, comes and goes.
func TestWorseAnnouncement(t *testing.T) {
	p := newPeer(t, "127.0.0.2", 65000, "ipv4-unicast") // iBGP: its LOCAL_PREF counts
	s := run(t, Options{Config: toJSON(t, baseConf(nil, []any{neighborConf(p.addr, 65000, p.port, "ipv4-unicast")}))})
	p.announce(spec{prefix: "10.1.0.0/16", attrs: []proto.Message{&api.LocalPrefAttribute{LocalPref: 300}}})
	s.await(t, speaker.Default, "10.1.0.0/16", count(1))
	s.announce(t, speaker.Default, change("10.1.0.0/16", 5), change("10.2.0.0/16", 5))
	s.await(t, speaker.Default, "10.1.0.0/16", count(2))
	s.feedsAgree(t, "announced")
	s.announce(t, speaker.Default, withdrawal("10.1.0.0/16"), withdrawal("10.2.0.0/16"))
	s.await(t, speaker.Default, "10.1.0.0/16", count(1))
	s.feedsAgree(t, "withdrawn")
}

// TestAllPathsOfVPN: paths of one RD and prefix from several neighbours, with other route
// targets each, go where each of them leads.
func TestAllPathsOfVPN(t *testing.T) {
	p, q := newPeer(t, "127.0.0.2", 65001, allFamilies...), newPeer(t, "127.0.0.3", 65001, allFamilies...)
	conf := twoVRFs()
	conf["neighbors"] = []any{neighborConf(p.addr, 65001, p.port, allFamilies...), neighborConf(q.addr, 65001, q.port, allFamilies...)}
	s := run(t, Options{Config: toJSON(t, conf)})
	for _, pfx := range []string{"10.1.0.0/16", "2001:db8:1::/48"} {
		of := func(med uint32, rts ...uint32) spec {
			return spec{prefix: pfx, rd: 5, rts: rts, attrs: []proto.Message{&api.MultiExitDiscAttribute{Med: med}}}
		}
		counts := func(when string, red, blue int) {
			t.Helper()
			s.await(t, "red", pfx, count(red))
			s.await(t, "blue", pfx, count(blue))
			s.feedsAgree(t, when)
		}
		p.announce(of(5, 1))
		counts("one path", 1, 0)
		q.announce(of(7, 1, 2))
		counts("a worse one with another target", 2, 1)
		q.announce(of(7, 2))
		counts("the worse one leaves red", 1, 1)
		p.announce(of(5, 2))
		counts("the best one goes over", 0, 2)
		p.withdraw(of(5))
		counts("the best one goes", 0, 1)
		q.withdraw(of(7))
		counts("all have gone", 0, 0)
	}
}

// TestRejectedPaths: what an import policy rejects is no path, and what it changes is one
// as it changes it, once the neighbour is judged again; so it is when the policy goes.
func TestRejectedPaths(t *testing.T) {
	pairs(t, as, nil, func(t *testing.T, p pair) {
		client, ctx := p.s.client(t), t.Context()
		must := func(_ any, err error) {
			t.Helper()
			if err != nil {
				t.Fatal(err)
			}
		}
		must(client.AddDefinedSet(ctx, &api.AddDefinedSetRequest{DefinedSet: &api.DefinedSet{
			DefinedType: api.DefinedType_NEIGHBOR, Name: "other", List: []string{p.other.addr + "/32"},
		}}))
		conditions := &api.Conditions{NeighborSet: &api.MatchSet{Type: api.MatchSet_ANY, Name: "other"}}
		assigned := func(name string) *api.PolicyAssignment {
			return &api.PolicyAssignment{Name: "global", Direction: api.PolicyDirection_IMPORT, Policies: []*api.Policy{{Name: name}}, DefaultAction: api.RouteAction_ACCEPT}
		}
		reset := func() {
			t.Helper()
			must(client.ResetPeer(ctx, &api.ResetPeerRequest{Address: p.other.addr, Soft: true, Direction: api.ResetPeerRequest_IN}))
		}
		must(client.AddPolicy(ctx, &api.AddPolicyRequest{Policy: &api.Policy{Name: "no", Statements: []*api.Statement{{
			Name: "no", Conditions: conditions, Actions: &api.Actions{RouteAction: api.RouteAction_REJECT},
		}}}}))
		must(client.AddPolicy(ctx, &api.AddPolicyRequest{Policy: &api.Policy{Name: "med", Statements: []*api.Statement{{
			Name: "med", Conditions: conditions, Actions: &api.Actions{Med: &api.MedAction{Type: api.MedAction_REPLACE, Value: 77}, RouteAction: api.RouteAction_ACCEPT},
		}}}}))
		four, six := nth(false, 0), nth(true, 1)
		must(client.SetPolicyAssignment(ctx, &api.SetPolicyAssignmentRequest{Assignment: assigned("no")}))
		reset()
		p.awaitFrom(t, p.other, four, 0)
		p.awaitFrom(t, p.other, six, 0)
		p.s.feedsAgree(t, "rejected")
		p.other.send(p.other.says(30, nth(false, 5))...)
		p.best.send(p.best.says(30, nth(false, 6))...)
		p.s.await(t, p.vrf, nth(false, 6).String(), count(1))
		p.s.feedsAgree(t, "a new one is rejected")
		must(client.SetPolicyAssignment(ctx, &api.SetPolicyAssignmentRequest{Assignment: assigned("med")}))
		reset()
		p.s.await(t, p.vrf, six.String(), func(paths []rib.Path) bool {
			return slices.ContainsFunc(paths, func(x rib.Path) bool { return x.Attrs.Peer.String() == p.other.addr && x.Attrs.MED == 77 })
		})
		p.s.feedsAgree(t, "changed")
	})
}

// TestLoopedPaths: a path with our own AS in it is none.
func TestLoopedPaths(t *testing.T) {
	p := newHostile(t, "127.0.0.2", 65001, both()...)
	s := run(t, Options{Config: toJSON(t, redAnd(p.conf(allFamilies[:2]...)))})
	eventually(t, "a session", p.isUp)
	p.send(p.says(1, nth(false, 0), nth(false, 1))...)
	s.await(t, speaker.Default, nth(false, 1).String(), count(1))
	looped := p.says(2, nth(false, 0), nth(false, 2))
	for _, m := range looped {
		m.Body.(*bgp.BGPUpdate).PathAttributes[1] = bgp.NewPathAttributeAsPath([]bgp.AsPathParamInterface{
			bgp.NewAsPathParam(bgp.BGP_ASPATH_ATTR_TYPE_SEQ, []uint16{p.as, 65000})})
	}
	p.send(looped...)
	p.send(p.says(1, nth(false, 3))...)
	s.await(t, speaker.Default, nth(false, 3).String(), count(1))
	s.feedsAgree(t, "looped")
	if n := len(s.feed(t, speaker.Default).Lookup(prefix(nth(false, 2).String()))); n != 0 {
		t.Errorf("%d paths with our own AS", n)
	}
}

// TestRewatchAllPaths: a watch in place of another begins with all paths, and changes
// nothing that is so already.
func TestRewatchAllPaths(t *testing.T) {
	pairs(t, as, nil, func(t *testing.T, p pair) {
		drain(p.s.feed(t, p.vrf))
		p.s.changing.Lock()
		err := p.s.feeder.rewatch(t.Context())
		p.s.changing.Unlock()
		if err != nil {
			t.Fatal(err)
		}
		p.other.send(p.other.says(50, nth(false, 0))...)
		p.s.await(t, p.vrf, nth(false, 0).String(), func(paths []rib.Path) bool {
			return slices.ContainsFunc(paths, func(x rib.Path) bool { return x.Attrs.MED == 50 })
		})
		p.s.feedsAgree(t, "with another watch")
		if changed := p.s.feed(t, p.vrf).Take(nil, 10); len(changed) != 1 || changed[0].Prefix != prefix(nth(false, 0).String()) {
			t.Errorf("changed %v", changed)
		}
	})
}

// TestSameAgain: a neighbour that says again what it has said sets nobody to work.
func TestSameAgain(t *testing.T) {
	pairs(t, as, nil, func(t *testing.T, p pair) {
		drain(p.s.feed(t, p.vrf))
		p.best.send(p.best.says(10, nth(false, 0), nth(true, 1))...)
		p.other.send(p.other.says(11, nth(false, 0), nth(true, 1))...)
		p.other.send(p.other.says(11, nth(false, 7))...)
		p.s.await(t, p.vrf, nth(false, 7).String(), count(1))
		p.s.feedsAgree(t, "the same again")
		if changed := p.s.feed(t, p.vrf).Take(nil, 10); len(changed) != 1 || changed[0].Prefix != prefix(nth(false, 7).String()) {
			t.Errorf("changed %v", changed)
		}
	})
}

// TestFlaggedPaths: a path that takes no part in GoBGP's choice, because its nexthop is not
// reached, is in the feeds all the same, and nobody is set to work for it.
func TestFlaggedPaths(t *testing.T) {
	pairs(t, as, nil, func(t *testing.T, p pair) {
		drain(p.s.feed(t, p.vrf))
		flagged := func() (n int) {
			_ = p.s.keeper.inLoop(func() error {
				for _, f := range families {
					for _, d := range p.s.keeper.rib().Tables[f].destinations {
						for _, x := range d.knownPathList {
							if x.IsNexthopInvalid {
								n++
							}
						}
					}
				}
				return nil
			})
			return n
		}
		best, other := rib.PathNexthop{Nexthop: netip.MustParseAddr(p.best.addr)}, rib.PathNexthop{Nexthop: netip.MustParseAddr(p.other.addr)}
		p.s.Unreached(p.vrf, map[rib.PathNexthop]struct{}{best: {}})
		eventually(t, "two flagged paths", func() bool { return flagged() == 2 })
		p.s.feedsAgree(t, "the best path is not reached")
		st, err := watchAll(p.s.keeper.changes, func(any) {}) // nobody else is told from here on
		if err != nil {
			t.Fatal(err)
		}
		defer st.stop()
		p.s.Unreached(p.vrf, map[rib.PathNexthop]struct{}{best: {}, other: {}})
		eventually(t, "four flagged paths", func() bool { return flagged() == 4 })
		p.s.Unreached(p.vrf, map[rib.PathNexthop]struct{}{})
		eventually(t, "none", func() bool { return flagged() == 0 })
		select {
		case <-st.live.unseen:
			t.Error("the tables are to be read again")
		default:
		}
		if changed := p.s.feed(t, p.vrf).Take(nil, 10); len(changed) != 0 {
			t.Errorf("changed %v", changed)
		}
	})
}
