package gobgp3

import (
	"context"
	"fmt"
	"reflect"
	"strings"
	"testing"
	"time"

	api "github.com/osrg/gobgp/v3/api"
	"github.com/osrg/gobgp/v3/pkg/packet/bgp"
	"google.golang.org/protobuf/proto"

	"github.com/vrfredist/vrfredist/rib"
	"github.com/vrfredist/vrfredist/rib/speaker"
)

// TestInternals: the mirrors are GoBGP's types, those of the events too, which the
// first ones of a real server show.
func TestInternals(t *testing.T) {
	if err := checkInternals(); err != nil {
		t.Fatal(err)
	}
	p := newPeer(t, "127.0.0.2", 65001, "ipv4-unicast")
	p.announce(spec{prefix: "10.1.0.0/16"})
	s := run(t, Options{Config: toJSON(t, baseConf(nil, []any{neighborConf(p.addr, 65001, p.port, "ipv4-unicast")}))})
	eventually(t, "the End-of-RIB", func() bool { return converged(s.feed(t, speaker.Default)) })
	var known shapes
	if err := s.keeper.inLoop(func() error { known = s.keeper.changes.shapes; return nil }); err != nil {
		t.Fatal(err)
	}
	if known.best == nil || known.eor == nil || known.message == nil {
		t.Errorf("after a path and an End-of-RIB the events known are %+v", known)
	}
}

// TestStrangeEvent: an event that is not understood ends the speaker, and says why.
func TestStrangeEvent(t *testing.T) {
	h := newHarness(t, twoVRFs())
	var told error
	h.giveUp = func(err error) { told = err }
	c, live := newChanges(new(loop)), newQueue()
	c.follow(live)
	c.event(live, "strange", func(any) { t.Error("somebody else is told") })
	h.take(live.take(nil))
	h.take([]item{{of: "and again"}})
	if told == nil || !strings.Contains(told.Error(), "string") {
		t.Errorf("told %v", told)
	}
	h.send(from(t, spec{prefix: "10.1.0.0/16"}))
	if h.len(speaker.Default) != 0 {
		t.Error("a later event got in")
	}
}

// TestAttributesOfClones: the attributes of a path that was changed are GoBGP's own
// reading of its changes, and of one that was not they are those of the first.
func TestAttributesOfClones(t *testing.T) {
	med, pref, origin := bgp.NewPathAttributeMultiExitDisc(1), bgp.NewPathAttributeLocalPref(2), bgp.NewPathAttributeOrigin(0)
	root := &bgpPath{info: &bgpOrigin{}, pathAttrs: []bgp.PathAttributeInterface{origin, med}}
	clone := &bgpPath{parent: &bgpPath{parent: root}}
	changed := &bgpPath{parent: &bgpPath{parent: root, pathAttrs: []bgp.PathAttributeInterface{pref}, dels: []bgp.BGPAttrType{bgp.BGP_ATTR_TYPE_MULTI_EXIT_DISC}}}
	for _, tc := range []struct {
		path *bgpPath
		want []bgp.PathAttributeInterface
	}{
		{root, root.pathAttrs},
		{clone, root.pathAttrs},
		{changed, []bgp.PathAttributeInterface{origin, pref}},
		{&bgpPath{info: &bgpOrigin{}}, nil},
	} {
		got := tc.path.attributes()
		if len(got)+len(tc.want) > 0 && !reflect.DeepEqual(got, tc.want) {
			t.Errorf("%v, want %v", got, tc.want)
		}
		if gobgp := pathAttributes(tc.path); len(gobgp)+len(got) > 0 && !reflect.DeepEqual(gobgp, got) {
			t.Errorf("%v, GoBGP has %v", got, gobgp)
		}
		if tc.path.origin() == nil {
			t.Error("no origin")
		}
	}
	if &clone.attributes()[0] != &root.pathAttrs[0] {
		t.Error("an unchanged path has a list of its own")
	}
}

// TestWatchAsRendered: what the watch reads of GoBGP's paths is what GoBGP renders of
// them for everybody else.
func TestWatchAsRendered(t *testing.T) {
	p := newPeer(t, "127.0.0.2", 65001, allFamilies...)
	attrs := []proto.Message{
		&api.AsPathAttribute{Segments: []*api.AsSegment{{Type: api.AsSegment_AS_SEQUENCE, Numbers: []uint32{65009, 70000}}}},
		&api.MultiExitDiscAttribute{Med: 9},
		&api.CommunitiesAttribute{Communities: []uint32{1, 2}},
		&api.LargeCommunitiesAttribute{Communities: []*api.LargeCommunity{{GlobalAdmin: 1, LocalData1: 2, LocalData2: 3}}},
	}
	conf := baseConf([]any{vrfConf("red", "65000:1", []string{"65000:1"}, []string{"65000:1"})},
		[]any{neighborConf(p.addr, 65001, p.port, allFamilies...)})
	s := run(t, Options{Config: toJSON(t, conf)})
	want := map[string][]string{
		speaker.Default: {"10.1.0.0/16", "2001:db8:1::/48", "10.9.0.0/16"},
		"red":           {"10.1.0.0/16", "2001:db8:1::/48", "10.9.0.0/16"},
	}
	for _, pfx := range want[speaker.Default][:2] {
		p.announce(spec{prefix: pfx, attrs: attrs})
	}
	for _, pfx := range want["red"][:2] {
		p.announce(spec{prefix: pfx, rd: 7, rts: []uint32{1, 2}, attrs: attrs})
	}
	s.announce(t, speaker.Default, change("10.9.0.0/16", 5))
	s.announce(t, "red", change("10.9.0.0/16", 5))
	for vrf, prefixes := range want {
		for _, pfx := range prefixes {
			watched := s.await(t, vrf, pfx, count(1))
			listed, err := s.Candidates(t.Context(), vrf, prefix(pfx))
			if err != nil || !reflect.DeepEqual(watched, listed) {
				t.Errorf("%s in %s:\n%s, rendered:\n%s, %v", pfx, vrf, spelled(watched), spelled(listed), err)
			}
		}
	}
	// And both are right.
	got := s.feed(t, "red").Lookup(prefix("10.1.0.0/16"))[0]
	if got.RD != rd(t, "65001:7") || got.Label != 107 || got.ID == 0 || time.Since(time.Unix(got.Age, 0)).Abs() > time.Minute ||
		got.Attrs.MED != 9 || len(got.Attrs.Communities) != 2 || got.Attrs.ASPathLen != 3 || len(got.Attrs.RTs) != 2 || len(got.Attrs.Large) != 1 ||
		got.Attrs.Peer != prefix("127.0.0.2/32").Addr() || got.Attrs.RouterID != got.Attrs.Peer || got.Attrs.PeerAS != 65001 || got.Attrs.Imported {
		t.Errorf("%s", spelled([]rib.Path{got}))
	}
}

func spelled(paths []rib.Path) string {
	var b strings.Builder
	for _, p := range paths {
		fmt.Fprintf(&b, "%+v with %+v, %+v, %+v\n", p, *p.Attrs, *p.Attrs.Via, *p.Attrs.Tags)
	}
	return b.String()
}

// TestOtherNamesOfEvents: where GoBGP looks for filters under other names, BGP does not
// start.
func TestOtherNamesOfEvents(t *testing.T) {
	names := eventKinds
	defer func() { eventKinds = names }()
	eventKinds = []string{"bestpath", "end-of-rib", "receivedmessage"}
	s, err := New(Options{Config: toJSON(t, baseConf(nil, nil))})
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = s.Stop(t.Context(), false) }()
	if err := s.Run(t.Context()); err == nil || !strings.Contains(err.Error(), `["bestpath" "eor" "receivedmessage"]`) {
		t.Errorf("error %v, want one about the names", err)
	}
}

// TestLateEvent: an event that comes by the channel after the snapshot ends the speaker,
// and says why: GoBGP asks no filter any more, and nobody would read the next ones.
func TestLateEvent(t *testing.T) {
	h := newHarness(t, twoVRFs())
	told := make(chan error, 1)
	h.giveUp = func(err error) { told <- err }
	events := make(chan any, 2)
	events <- pastEnd{}
	events <- &bestEvent{}
	h.done = make(chan struct{})
	ctx, cancel := context.WithCancel(t.Context())
	go func() {
		defer close(h.done)
		<-events
		h.follow(ctx, stream{events: events, live: newQueue()})
	}()
	if err := <-told; err == nil || !strings.Contains(err.Error(), "past its filters") {
		t.Errorf("told %v", err)
	}
	cancel()
	<-h.done
}
