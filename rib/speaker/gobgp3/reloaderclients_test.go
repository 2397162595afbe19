package gobgp3

import (
	"context"
	"strings"
	"testing"

	api "github.com/osrg/gobgp/v3/api"
	"github.com/osrg/gobgp/v3/pkg/config/oc"

	"github.com/vrfredist/vrfredist/rib"
	"github.com/vrfredist/vrfredist/rib/speaker/gobgp3/reload"
)

// TestFilesThatChangeBesideAClient: a file takes out what a client has taken out
// already, brings what a client has brought, and cannot take out what one uses.
func TestFilesThatChangeBesideAClient(t *testing.T) {
	ctx := t.Context()
	red, blue := vrfConf("red", "65000:1", []string{"65000:1"}, []string{"65000:1"}), vrfConf("blue", "65000:2", []string{"65000:2"}, []string{"65000:2"})
	x, y := neighborConf("127.0.0.8", 65008, 1, "ipv4-unicast"), neighborConf("127.0.0.9", 65009, 1, "ipv4-unicast")
	x["config"].(obj)["peer-group"] = "guests"
	conf := baseConf([]any{red, blue}, []any{x, y})
	conf["peer-groups"] = []any{obj{"config": obj{"peer-group-name": "guests", "peer-as": 65008}}}
	m := &meddled{conf: conf, running: run(t, Options{
		Config: toJSON(t, conf), Who: func(context.Context) string { return "uid 7 (gobgp, pid 8)" }, Serves: func(string) bool { return false },
	})}
	m.client = api.NewGobgpApiClient(dial(t, "unix:"+m.socket))
	must := func(_ any, err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	m.rests(t)

	group := readConf(t, conf, rib.Extras{})
	changed := group.Set.PeerGroups[0]
	changed.Timers.Config.HoldTime = 33
	must(m.client.UpdatePeerGroup(ctx, &api.UpdatePeerGroupRequest{PeerGroup: oc.NewPeerGroupFromConfigStruct(&changed)}))
	m.differs(t, "peer group guests")
	m.mended(t, "peer group guests made again")

	must(m.client.DeletePeer(ctx, &api.DeletePeerRequest{Address: "127.0.0.9"}))
	must(m.client.DeleteVrf(ctx, &api.DeleteVrfRequest{Name: "blue"}))
	m.differs(t, "VRF blue", "neighbour 127.0.0.9")
	m.conf = baseConf([]any{red}, []any{x})
	m.conf["peer-groups"] = conf["peer-groups"]
	if changes := m.reload(t, m.conf); len(changes) != 0 {
		t.Errorf("what is gone is taken out: %q", changes)
	}
	m.rests(t)

	own, err := reload.VRFRequest(oc.Vrf{Config: oc.VrfConfig{Name: "blue", Rd: "65000:2", ImportRtList: []string{"65000:2"}, ExportRtList: []string{"65000:2"}}})
	must(nil, err)
	must(m.client.AddVrf(ctx, own))
	must(m.client.AddPeer(ctx, &api.AddPeerRequest{Peer: peerOf(t, y)}))
	m.conf = conf
	if changes := m.reload(t, conf); len(changes) != 2 || !strings.Contains(changes[1], "127.0.0.9, which another client of the API had added") {
		t.Errorf("what a client brought is taken over: %q", changes)
	}
	m.rests(t)
	if got := m.Additions(); len(got) != 0 {
		t.Errorf("they are of the configuration now, and of a client still: %v", got)
	}

	must(m.client.AddPeer(ctx, &api.AddPeerRequest{Peer: &api.Peer{Conf: &api.PeerConf{NeighborAddress: "127.0.0.10", PeerAsn: 65010, Vrf: "blue"}}}))
	without := baseConf([]any{red}, []any{x, y})
	without["peer-groups"] = conf["peer-groups"]
	if _, err := m.Reload(ctx, toJSON(t, without), rib.Extras{}); err == nil || !strings.Contains(err.Error(), "gobgp neighbor del 127.0.0.10") {
		t.Errorf("error %v, want one that says what is in the way", err)
	}
	m.rests(t)
}

// TestDriftOutlastsANeighbourThatComes: another neighbour that is heard on its interface
// neither puts right what a client did, nor has it forgotten; and one that a client took
// out keeps no other from its place.
func TestDriftOutlastsANeighbourThatComes(t *testing.T) {
	links := newFakeLinks()
	links.set(addrs())
	x, y := neighborConf("127.0.0.8", 65008, 1, "ipv4-unicast"), neighborConf("127.0.0.9", 65009, 1, "ipv4-unicast")
	conf := baseConf(nil, []any{x, y, byInterface("e9", nil)})
	m := &meddled{conf: conf, running: run(t, Options{
		Config: toJSON(t, conf), Links: links, Who: func(context.Context) string { return "uid 7 (gobgp, pid 8)" },
	})}
	m.client = api.NewGobgpApiClient(dial(t, "unix:"+m.socket))
	m.rests(t)
	must := func(_ any, err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	has := func(name string) {
		t.Helper()
		eventually(t, "BGP has "+name, func() bool {
			h, err := reload.ReadBack(t.Context(), m.keeper)
			return err == nil && len(h.Neighbors[name].AfiSafis) > 0
		})
	}
	changed := neighborConf("127.0.0.8", 65008, 1, "ipv4-unicast")
	changed["timers"].(obj)["config"].(obj)["hold-time"] = 33
	must(m.client.UpdatePeer(t.Context(), &api.UpdatePeerRequest{Peer: peerOf(t, changed)}))
	must(m.client.DeletePeer(t.Context(), &api.DeletePeerRequest{Address: "127.0.0.9"}))
	m.differs(t, "neighbour 127.0.0.8", "neighbour 127.0.0.9")

	links.set(addrs("fe80::7"))
	has("fe80::7%e9")
	must(nil, m.drift.examine(t.Context()))
	m.differs(t, "neighbour 127.0.0.8", "neighbour 127.0.0.9")
	m.mended(t, "neighbour 127.0.0.8 made again as it is configured", "neighbour 127.0.0.9 added")

	must(m.client.DeletePeer(t.Context(), &api.DeletePeerRequest{Address: "fe80::7%e9"}))
	m.differs(t, "neighbour fe80::7%e9")
	links.set(addrs("fe80::8"))
	has("fe80::8%e9")
	m.rests(t)
}
