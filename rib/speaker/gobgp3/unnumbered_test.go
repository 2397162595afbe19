package gobgp3

import (
	"context"
	"net/netip"
	"slices"
	"strings"
	"sync"
	"testing"

	api "github.com/osrg/gobgp/v3/api"

	"github.com/vrfredist/vrfredist/rib"
	"github.com/vrfredist/vrfredist/rib/speaker"
)

// fakeLinks are the interfaces of a host that a test makes up.
type fakeLinks struct {
	changed chan struct{}

	mu  sync.Mutex
	now rib.Adjacencies // guarded by mu
}

func newFakeLinks() *fakeLinks { return &fakeLinks{changed: make(chan struct{}, 1)} }

func (f *fakeLinks) Adjacent(context.Context) (rib.Adjacencies, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.now, nil
}

func (f *fakeLinks) Changed() <-chan struct{} { return f.changed }

// set makes e9 have these peers; nil: there is no such interface.
func (f *fakeLinks) set(peers []netip.Addr) {
	f.mu.Lock()
	f.now = rib.Adjacencies{"lo": {Up: true, Admin: true}}
	if peers != nil {
		f.now["e9"] = rib.Adjacency{Up: true, Admin: true, Peers: peers}
	}
	f.mu.Unlock()
	select {
	case f.changed <- struct{}{}:
	default:
	}
}

func addrs(list ...string) []netip.Addr {
	out := make([]netip.Addr, len(list))
	for i, s := range list {
		out[i] = netip.MustParseAddr(s)
	}
	return out
}

// TestChoose: who is the neighbour on an interface, and for what it waits.
func TestChoose(t *testing.T) {
	up := func(peers ...string) rib.Adjacencies {
		return rib.Adjacencies{"e9": {Up: true, Admin: true, Peers: addrs(peers...)}}
	}
	for name, tc := range map[string]struct {
		now    rib.Adjacencies
		have   string
		speaks bool
		taken  string
		want   string // an address, or a part of the reason
	}{
		"no interface":                       {now: rib.Adjacencies{}, want: "e9 is not there"},
		"no interface, and there was one":    {now: rib.Adjacencies{}, have: "fe80::1", speaks: true, want: "e9 is not there"},
		"down":                               {now: rib.Adjacencies{"e9": {}}, want: "e9 is down"},
		"no carrier":                         {now: rib.Adjacencies{"e9": {Admin: true}}, want: "no carrier"},
		"nobody":                             {now: up(), want: "no link-local address has been heard"},
		"one":                                {now: up("fe80::1"), want: "fe80::1"},
		"several":                            {now: up("fe80::2", "fe80::1"), want: "fe80::2"},
		"went down":                          {now: rib.Adjacencies{"e9": {}}, have: "fe80::1", want: "fe80::1"},
		"silent":                             {now: up(), have: "fe80::1", want: "fe80::1"},
		"another":                            {now: up("fe80::2"), have: "fe80::1", want: "fe80::2"},
		"another, and the old one speaks":    {now: up("fe80::2"), have: "fe80::1", speaks: true, want: "fe80::1"},
		"another was heard last":             {now: up("fe80::2", "fe80::1"), have: "fe80::1", want: "fe80::2"},
		"another neighbour's address":        {now: up("fe80::2"), taken: "fe80::2", want: "no link-local address has been heard"},
		"another neighbour's address by now": {now: up("fe80::2", "fe80::3"), have: "fe80::2", taken: "fe80::2", want: "fe80::3"},
	} {
		t.Run(name, func(t *testing.T) {
			u := unnumbered{sessions: newSessions()}
			var have netip.Addr
			if tc.have != "" {
				have = netip.MustParseAddr(tc.have)
				state := "active"
				if tc.speaks {
					state = "established"
				}
				u.sessions.known[have.WithZone("e9").String()] = &session{Session: speaker.Session{State: state}}
			}
			peer, waits := u.choose(tc.now, "e9", have, func(a netip.Addr) bool { return a.String() == tc.taken })
			if got := waits; waits == "" && peer.String() != tc.want || waits != "" && !strings.Contains(got, tc.want) {
				t.Errorf("it is %v, %q", peer, waits)
			}
		})
	}
}

// names are the neighbours that GoBGP has.
func (r *running) names(t *testing.T) (names []string) {
	t.Helper()
	err := r.server().ListPeer(context.Background(), &api.ListPeerRequest{}, func(p *api.Peer) {
		names = append(names, p.GetState().GetNeighborAddress())
	})
	if err != nil {
		t.Fatal(err)
	}
	slices.Sort(names)
	return names
}

// TestNeighboursOnInterfacesComeAndGo: they keep nothing from starting, are seen
// while they wait, are given to GoBGP as they are heard, and can be taken out.
func TestNeighboursOnInterfacesComeAndGo(t *testing.T) {
	links := newFakeLinks()
	links.set(nil)
	other := obj{"config": obj{"neighbor-address": "127.0.0.9", "peer-as": 65001}}
	onLink := obj{"config": obj{"neighbor-address": "fe80::7%e7", "peer-as": 65001}} // which is missing too
	with, without := baseConf(nil, []any{other, onLink, byInterface("e9", nil)}), baseConf(nil, []any{other, onLink})
	r := run(t, Options{Config: toJSON(t, with), Links: links})
	is := func(want ...string) {
		t.Helper()
		want = append([]string{"127.0.0.9", "fe80::7%e7"}, want...)
		slices.Sort(want)
		eventually(t, "GoBGP has "+strings.Join(want, " "), func() bool { return slices.Equal(r.names(t), want) })
	}
	waits := func(why string) {
		t.Helper()
		eventually(t, "it waits: "+why, func() bool {
			return slices.ContainsFunc(r.Sessions(), func(s speaker.Session) bool {
				return s.State == speaker.Pending && s.Interface == "e9" && s.PeerAS == 65009 && !s.Address.IsValid() && strings.Contains(s.Reason, why)
			})
		})
	}
	is()
	waits("e9 is not there")
	r.reload(t, with)
	if said := r.reload(t, without); len(said) != 1 || said[0] != "neighbour on the interface e9 removed" {
		t.Errorf("the reload that took it out says %q", said)
	}
	if n := len(r.Sessions()); n != 2 {
		t.Errorf("it was taken out, and there are %d", n)
	}
	p, err := r.Preview(toJSON(t, with), rib.Extras{})
	if err != nil || len(p.Neighbors) != 1 || p.Neighbors[0].Kind != speaker.Added || p.Neighbors[0].Address != "e9" {
		t.Errorf("the preview of one that would wait: %+v, %v", p, err)
	}
	if said := r.reload(t, with); len(said) != 1 || said[0] != "neighbour on the interface e9 added; it waits: the interface e9 is not there" {
		t.Errorf("the reload that brought it says %q", said)
	}

	links.set([]netip.Addr{})
	waits("no link-local address")
	links.set(addrs("fe80::9"))
	is("fe80::9%e9")
	eventually(t, "the session names its interface", func() bool {
		return slices.ContainsFunc(r.Sessions(), func(s speaker.Session) bool {
			return s.Interface == "e9" && s.Address.String() == "fe80::9%e9" && s.State != speaker.Pending
		})
	})
	links.set(addrs("fe80::a", "fe80::9"))
	is("fe80::a%e9")
	r.reload(t, with) // as it fits now
	is("fe80::a%e9")
	links.set(nil)
	is()
	waits("e9 is not there")
	links.set(addrs("fe80::a"))
	is("fe80::a%e9")
	links.set(nil) // GoBGP would look for the interface to take it out
	r.reload(t, without)
	is()
}

// TestOneThatWaitsIsAwaited: a restart keeps the routes of a neighbour that is not
// heard yet as it does those of one that does not answer.
func TestOneThatWaitsIsAwaited(t *testing.T) {
	links := newFakeLinks()
	links.set(nil)
	v6 := []any{obj{"config": obj{"afi-safi-name": "ipv6-unicast"}}}
	for want, n := range map[string]obj{
		"ipv4-unicast ipv6-unicast": byInterface("e9", nil),
		"ipv6-unicast":              byInterface("e9", obj{"afi-safis": v6}),
		"":                          {"config": obj{"neighbor-interface": "e9", "peer-as": 65009, "admin-down": true}},
	} {
		s, err := New(Options{Config: toJSON(t, baseConf(nil, []any{n})), Links: links})
		if err != nil {
			t.Fatal(err)
		}
		var got []string
		for _, n := range s.inForce().Awaited() {
			for _, f := range n.Families {
				if !n.Down && !f.VPN && n.VRF == "" {
					got = append(got, f.Of.String()+"-unicast")
				}
			}
		}
		if strings.Join(got, " ") != want {
			t.Errorf("awaited is %q, want %q", got, want)
		}
	}
}

// TestHowToEnableOneOnALink: GoBGP knows a neighbour on a link by its zone too.
func TestHowToEnableOneOnALink(t *testing.T) {
	at := netip.MustParseAddr("fe80::9%e9")
	n := session{Session: speaker.Session{Address: at, State: "idle"}, at: at.WithZone(""), disabled: "uid 7"}
	if got := n.show().Reason; !strings.Contains(got, "`vrfredist neighbor fe80::9%e9 enable`") {
		t.Error(got)
	}
}
