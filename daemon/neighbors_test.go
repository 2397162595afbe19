package daemon

import (
	"net/netip"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"github.com/vrfredist/vrfredist/config"
	"github.com/vrfredist/vrfredist/nsworker/relay"
	"github.com/vrfredist/vrfredist/rib"
	"github.com/vrfredist/vrfredist/rib/speaker"
	"github.com/vrfredist/vrfredist/vrf"
)

var (
	alias1, alias2 = netip.MustParseAddr("127.1.0.1"), netip.MustParseAddr("127.1.0.2")
	outer          = netip.MustParseAddr("192.0.2.2")
	inner          = netip.MustParseAddr("10.0.0.2")
	innerLL        = netip.MustParseAddr("fe80::2%eth0")
)

// inNamespaces has two neighbours in namespaces, which the relay knows.
func inNamespaces(t *testing.T) (*neighbors, *fakeBGP, *fakeRelay) {
	t.Helper()
	tr := new(trail)
	b, r := &fakeBGP{trail: tr}, &fakeRelay{trail: tr}
	n := &neighbors{bgp: b, relay: r}
	err := n.set(&config.Config{Neighbors: []rib.Neighbor{
		{VRF: "a", Netns: "ns", Device: "vrf-a", Peer: inner, Alias: alias1},
		{VRF: "a", Netns: "ns", Peer: innerLL, Alias: alias2},
	}})
	if err != nil {
		t.Fatal(err)
	}
	return n, b, r
}

// TestNeighborsHaveTheirOwnAddress: BGP has an alias of those in namespaces, and knows
// less of why there is no session.
func TestNeighborsHaveTheirOwnAddress(t *testing.T) {
	n, b, r := inNamespaces(t)
	r.status = []relay.Status{
		{Alias: alias1, Peer: inner, Netns: "ns", Error: "it refuses connections"},
		{Alias: alias2, Peer: innerLL, Netns: "ns", Error: "it refuses connections"},
	}
	b.sessions = []speaker.Session{
		{Address: outer, PeerAS: 65002, State: "established", Origin: speaker.Configured},
		{Address: alias1, VRF: "a", State: "active", Reason: "the connection broke"},
		{Address: alias2, VRF: "a", State: "idle", Reason: "it was disabled", Stopped: true},
	}
	got, err := n.AllSessions(t.Context())
	want := map[string][]vrf.Session{
		"default": {{Peer: outer, PeerAS: 65002, State: "established", Origin: "configuration"}},
		"a": {
			{Peer: inner, Alias: alias1, Netns: "ns", State: "active", Reason: "it refuses connections"},
			{Peer: innerLL, Alias: alias2, Netns: "ns", State: "idle", Reason: "it was disabled", Stopped: true},
		},
	}
	if d := cmp.Diff(want, got, cmpopts.EquateComparable(netip.Addr{})); err != nil || d != "" {
		t.Errorf("%v (-want +got)\n%s", err, d)
	}
	n.made = func(key vrf.LayerKey) bool { return key == vrf.NeighborKey(outer.String(), "") }
	if one, err := n.Sessions(t.Context(), "default"); err != nil || one[0].Origin != vrf.OriginAPI {
		t.Errorf("one that was applied over the API: %+v, %v", one, err)
	}
	if one, err := n.Sessions(t.Context(), "a"); err != nil || len(one) != 2 {
		t.Errorf("of one VRF: %v, %v", one, err)
	}
	states := map[string]map[string]int{"default": vrf.SessionStates(got["default"]), "a": vrf.SessionStates(got["a"])}
	if d := cmp.Diff(map[string]map[string]int{"default": {"established": 1}, "a": {"active": 1, "idle": 1}}, states); d != "" {
		t.Errorf("(-want +got)\n%s", d)
	}
}

func TestWhatTheGuardDidIsOfTheOwnAddress(t *testing.T) {
	n, b, _ := inNamespaces(t)
	b.guarded = []vrf.Guarded{{Neighbor: "127.1.0.1", VRF: "a"}, {Neighbor: "192.0.2.2"}, {Neighbor: "eth0"}}
	want := []vrf.Guarded{
		{Neighbor: "10.0.0.2", VRF: "a", Netns: "ns"}, {Neighbor: "192.0.2.2", VRF: "default"}, {Neighbor: "eth0", VRF: "default"},
	}
	if d := cmp.Diff(want, n.Guarded()); d != "" {
		t.Errorf("(-want +got)\n%s", d)
	}
}

func TestLinkAndName(t *testing.T) {
	n, _, _ := inNamespaces(t)
	addresses := map[netip.Addr]netip.Addr{alias1: inner, alias2: innerLL}
	for alias, want := range map[netip.Addr][2]string{alias1: {"ns", "vrf-a"}, alias2: {"ns", "eth0"}, outer: {}} {
		if netns, device, inside := n.link(alias); netns != want[0] || device != want[1] || inside != addresses[alias] {
			t.Errorf("%v is %v in %q on %q, want %q", alias, inside, netns, device, want)
		}
	}
	for name, want := range map[string]string{
		"127.1.0.1": "10.0.0.2 in netns ns (in the gobgp command line 127.1.0.1)", "192.0.2.2": "192.0.2.2", "eth0": "eth0",
	} {
		if got := n.called(name); got != want {
			t.Errorf("%s is called %q, want %q", name, got, want)
		}
	}
	if none := new(neighbors); none.called("127.1.0.1") != "127.1.0.1" {
		t.Error("before there are any, one is called otherwise")
	}
}

// TestTheRelayHearsOfNamespaces that come and go, from the workers in them.
func TestTheRelayHearsOfNamespaces(t *testing.T) {
	n, _, r := inNamespaces(t)
	r.take()
	reports := 0
	report := n.reporting("ns", func(vrf.WorkerStatus) { reports++ })
	for _, step := range []struct {
		state vrf.State
		looks int
	}{{vrf.Syncing, 0}, {vrf.Ready, 0}, {vrf.Pending, 1}, {vrf.Pending, 0}, {vrf.Syncing, 1}} {
		report(vrf.WorkerStatus{State: step.state})
		if got := r.take(); len(got) != step.looks {
			t.Errorf("when it is %s: %q", step.state, got)
		}
	}
	if reports != 5 {
		t.Errorf("%d reports were handed on", reports)
	}
}
