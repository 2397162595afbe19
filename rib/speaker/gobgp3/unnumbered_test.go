package gobgp3

import (
	"context"
	"encoding/json"
	"net/netip"
	"slices"
	"strings"
	"sync"
	"testing"

	api "github.com/osrg/gobgp/v3/api"
	"github.com/osrg/gobgp/v3/pkg/packet/bgp"

	"github.com/vrfredist/vrfredist/rib"
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

func byInterface(device string, more obj) obj {
	n := obj{"config": obj{"neighbor-interface": device, "peer-as": 65009}}
	for k, v := range more {
		n[k] = v
	}
	return n
}

// TestPlace: what GoBGP is given in place of neighbours on links.
func TestPlace(t *testing.T) {
	family := obj{"config": obj{"afi-safi-name": "ipv6-unicast"}}
	groups := []any{
		obj{"config": obj{"peer-group-name": "g"}, "afi-safis": []any{family}, "transport": obj{"config": obj{"local-address": "fe80::5%e9"}}},
	}
	member := obj{"config": obj{"neighbor-interface": "e9", "peer-group": "g"}}
	for name, tc := range map[string]struct {
		neighbor obj
		want     string // GoBGP's part of it
	}{
		"an address":           {obj{"config": obj{"neighbor-address": "192.0.2.2"}}, `{"config":{"neighbor-address":"192.0.2.2"}}`},
		"an address on a link": {obj{"config": obj{"neighbor-address": "fe80::7%e9"}}, `{"config":{"neighbor-address":"fe80::7%e9"},"transport":{"config":{"local-address":"::"}}}`},
		"an interface": {byInterface("e9", nil),
			`{"afi-safis":[{"config":{"afi-safi-name":"ipv4-unicast"}},{"config":{"afi-safi-name":"ipv6-unicast"}}],"config":{"neighbor-address":"fe80::1%e9","peer-as":65009},"transport":{"config":{"local-address":"::"}}}`},
		"an interface, with all that is to be said": {byInterface("e9", obj{"afi-safis": []any{family}, "transport": obj{"config": obj{"local-address": "fe80::5%e9", "passive-mode": true}}}),
			`{"afi-safis":[{"config":{"afi-safi-name":"ipv6-unicast"}}],"config":{"neighbor-address":"fe80::1%e9","peer-as":65009},"transport":{"config":{"local-address":"fe80::5%e9","passive-mode":true}}}`},
		"an interface, and a group's word": {member, `{"config":{"neighbor-address":"fe80::1%e9","peer-group":"g"}}`},
	} {
		t.Run(name, func(t *testing.T) {
			c := baseConf(nil, []any{tc.neighbor})
			c["peer-groups"] = groups
			placed, _, err := place(toJSON(t, c), func(string, func(netip.Addr) bool) (netip.Addr, string) { return standIn, "" })
			if err != nil {
				t.Fatal(err)
			}
			var got struct{ Neighbors []json.RawMessage }
			if err := json.Unmarshal(placed, &got); err != nil || len(got.Neighbors) != 1 || string(got.Neighbors[0]) != tc.want {
				t.Errorf("it is %s (%v), want %s", got.Neighbors, err, tc.want)
			}
		})
	}
}

// TestNoInterfaceIsNeededToCheck: what is right is right on every host.
func TestNoInterfaceIsNeededToCheck(t *testing.T) {
	c := baseConf(nil, []any{byInterface("e9", nil), byInterface("e8", nil), obj{"config": obj{"neighbor-address": "fe80::7%e7", "peer-as": 65009}}})
	if err := Check(toJSON(t, c)); err != nil {
		t.Error(err)
	}
	set(c, 0, "neighbors", "config", "peer-as")
	if err := Check(toJSON(t, c)); err == nil || !strings.Contains(err.Error(), "neighbors[0].config.peer-as") {
		t.Errorf("the rest of it is not judged: %v", err)
	}
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
			s := &Speaker{sessions: newSessions()}
			var have netip.Addr
			if tc.have != "" {
				have = netip.MustParseAddr(tc.have)
				state := "active"
				if tc.speaks {
					state = "established"
				}
				s.sessions.known[have.WithZone("e9").String()] = &session{Session: Session{State: state}}
			}
			peer, waits := s.choose(tc.now, "e9", have, func(a netip.Addr) bool { return a.String() == tc.taken })
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
			return slices.ContainsFunc(r.Sessions(), func(s Session) bool {
				return s.State == Pending && s.Interface == "e9" && s.PeerAS == 65009 && !s.Address.IsValid() && strings.Contains(s.Reason, why)
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
	if err != nil || len(p.Neighbors) != 1 || p.Neighbors[0].Kind != Added || p.Neighbors[0].Address != "e9" {
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
		return slices.ContainsFunc(r.Sessions(), func(s Session) bool {
			return s.Interface == "e9" && s.Address.String() == "fe80::9%e9" && s.State != Pending
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
		f := rib.NewFeed()
		var got []string
		for _, m := range s.conf.awaited(sinks{Default: {f}})[f] {
			got = append(got, bgp.AddressFamilyNameMap[m.family])
		}
		if strings.Join(got, " ") != want {
			t.Errorf("awaited is %q, want %q", got, want)
		}
	}
}

// TestHowToEnableOneOnALink: GoBGP knows a neighbour on a link by its zone too.
func TestHowToEnableOneOnALink(t *testing.T) {
	at := netip.MustParseAddr("fe80::9%e9")
	n := session{Session: Session{Address: at, State: "idle"}, at: at.WithZone(""), disabled: "uid 7"}
	if got := n.told().Reason; !strings.Contains(got, "`gobgp neighbor fe80::9%e9 enable`") {
		t.Error(got)
	}
}
