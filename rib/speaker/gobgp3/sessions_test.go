package gobgp3

import (
	"cmp"
	"context"
	"fmt"
	"net/netip"
	"reflect"
	"slices"
	"testing"
	"time"

	api "github.com/osrg/gobgp/v3/api"
	"github.com/osrg/gobgp/v3/pkg/server"

	"github.com/vrfredist/vrfredist/rib"
	"github.com/vrfredist/vrfredist/rib/speaker"
)

// session returns what is known of a neighbour.
func (r *running) session(addr string) (speaker.Session, bool) {
	for _, s := range r.Sessions() {
		if s.Address == netip.MustParseAddr(addr) {
			return s, true
		}
	}
	return speaker.Session{}, false
}

func (r *running) awaitState(t testing.TB, addr, state string) speaker.Session {
	t.Helper()
	var got speaker.Session
	eventually(t, fmt.Sprintf("%s is %s", addr, state), func() bool {
		var there bool
		got, there = r.session(addr)
		return there && got.State == state || state == "gone" && !there
	})
	return got
}

// TestFamiliesFromTheFirst: a session that is up has its families in the same moment.
func TestFamiliesFromTheFirst(t *testing.T) {
	pe := newPeer(t, "127.0.0.2", 65000, "ipv4-unicast", "l3vpn-ipv6-unicast", "l2vpn-evpn")
	s := run(t, Options{Config: toJSON(t, baseConf(nil, []any{neighborConf(pe.addr, 65000, pe.port, evpnFamilies...)}))})
	if got := s.awaitState(t, pe.addr, "established"); !slices.Equal(got.Families, []string{"ipv4-unicast", "l3vpn-ipv6-unicast", "l2vpn-evpn"}) {
		t.Errorf("the session has come up with %q", got.Families)
	}
	if err := s.Reset(t.Context(), pe.addr, rib.Hard, ""); err != nil {
		t.Fatal(err)
	}
	if got := s.awaitState(t, pe.addr, "idle"); got.Families != nil {
		t.Errorf("a session that is down has %q", got.Families)
	}
}

// TestSessionStates: what is kept is what GoBGP says, for neighbours of the
// configuration, of GoBGP's own API and of a peer group, whatever becomes of them.
func TestSessionStates(t *testing.T) {
	up := newPeer(t, "127.0.0.2", 65002, "ipv4-unicast")
	red := newPeer(t, "127.0.0.3", 65003, "ipv4-unicast")
	inRed := neighborConf(red.addr, 65003, red.port, "ipv4-unicast")
	inRed["config"].(obj)["vrf"] = "red"
	port := freePort(t)
	conf := baseConf(
		[]any{vrfConf("red", "65000:1", []string{"65000:1"}, []string{"65000:1"})},
		[]any{neighborConf(up.addr, 65002, up.port, "ipv4-unicast"), inRed, neighborConf("127.0.0.9", 65009, 1, "ipv4-unicast")})
	conf["global"] = obj{"config": obj{"as": 65000, "router-id": "192.0.2.1", "port": port, "local-address-list": []any{"127.0.0.1"}}}
	conf["peer-groups"] = []any{obj{"config": obj{"peer-group-name": "guests", "peer-as": 65007}}}
	conf["dynamic-neighbors"] = []any{obj{"config": obj{"prefix": "127.0.7.0/24", "peer-group": "guests"}}}
	s := run(t, Options{Config: toJSON(t, conf)})

	for _, want := range []speaker.Session{{Address: netip.MustParseAddr(up.addr), PeerAS: 65002}, {VRF: "red", Address: netip.MustParseAddr(red.addr), PeerAS: 65003}} {
		got := s.awaitState(t, want.Address.String(), "established")
		if since := time.Since(got.Since); since < 0 || since > deadline {
			t.Errorf("%s is established since %v", want.Address, got.Since)
		}
		if got.Established != 1 || !got.Local.IsLoopback() || !got.Down.IsZero() {
			t.Errorf("it came up %d times, here is %v, down since %v", got.Established, got.Local, got.Down)
		}
		want.Families = []string{"ipv4-unicast"}
		got.Established, got.Local, got.Traffic = 0, netip.Addr{}, rib.Traffic{} // as of a second ago
		if got.State, got.Since, want.Origin = "", (time.Time{}), speaker.Configured; !reflect.DeepEqual(got, want) {
			t.Errorf("got %+v, want %+v", got, want)
		}
	}
	if got, _ := s.session("127.0.0.9"); got.State == "established" || got.PeerAS != 65009 || !got.Since.IsZero() {
		t.Errorf("nobody listens there: %+v", got)
	}

	gobgp := api.NewGobgpApiClient(dial(t, "unix:"+s.socket))
	ctx, cancel := context.WithTimeout(context.Background(), deadline)
	defer cancel()
	must := func(what string, err error) {
		t.Helper()
		if err != nil {
			t.Fatalf("%s: %v", what, err)
		}
	}
	_, err := gobgp.DisablePeer(ctx, &api.DisablePeerRequest{Address: up.addr})
	must("disable", err)
	if got := s.awaitState(t, up.addr, "idle"); !got.Since.IsZero() {
		t.Errorf("it is down, and established since %v", got.Since)
	}
	_, err = gobgp.EnablePeer(ctx, &api.EnablePeerRequest{Address: up.addr})
	must("enable", err)
	s.awaitState(t, up.addr, "established")

	_, err = gobgp.AddPeer(ctx, &api.AddPeerRequest{Peer: &api.Peer{Conf: &api.PeerConf{NeighborAddress: "127.0.0.10", PeerAsn: 65010, Vrf: "red"}}})
	must("add", err)
	eventually(t, "a neighbour of GoBGP's API", func() bool {
		got, there := s.session("127.0.0.10")
		return there && got.VRF == "red" && got.PeerAS == 65010
	})
	_, err = gobgp.DeletePeer(ctx, &api.DeletePeerRequest{Address: "127.0.0.10"})
	must("delete", err)
	if _, there := s.session("127.0.0.10"); there {
		t.Error("it was taken out through GoBGP's API, and is still there")
	}

	guest := newGuest(t, "127.0.7.1", 65007, port)
	if got := s.awaitState(t, "127.0.7.1", "established"); got.PeerAS != 65007 || got.Since.IsZero() {
		t.Errorf("a dynamic neighbour: %+v", got)
	}
	s.agree(t)
	stopBGP(guest)
	s.awaitState(t, "127.0.7.1", "gone")

	conf["neighbors"] = conf["neighbors"].([]any)[:1]
	if _, err := s.Reload(ctx, toJSON(t, conf), rib.Extras{}); err != nil {
		t.Fatal(err)
	}
	if _, there := s.session(red.addr); there {
		t.Error("a reload took it out, and it is still there")
	}
	s.agree(t)
}

// newGuest starts a router that dials 127.0.0.1.
func newGuest(t testing.TB, addr string, as uint32, port int) *server.BgpServer {
	t.Helper()
	b := newServer(t)
	go b.Serve()
	ctx := context.Background()
	if err := b.StartBgp(ctx, &api.StartBgpRequest{Global: &api.Global{Asn: as, RouterId: addr, ListenPort: -1}}); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { stopBGP(b) })
	err := b.AddPeer(ctx, &api.AddPeerRequest{Peer: &api.Peer{
		Conf:      &api.PeerConf{NeighborAddress: "127.0.0.1", PeerAsn: 65000},
		Transport: &api.Transport{LocalAddress: addr, RemotePort: uint32(port)},
		Timers:    &api.Timers{Config: &api.TimersConfig{ConnectRetry: 1, IdleHoldTimeAfterReset: 1}},
	}})
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// agree waits until what is kept is what GoBGP's ListPeer says.
func (r *running) agree(t testing.TB) {
	t.Helper()
	var kept, listed map[string]string
	defer func() {
		if t.Failed() {
			t.Logf("kept %v, GoBGP %v", kept, listed)
		}
	}()
	eventually(t, "the states agree with GoBGP's", func() bool {
		kept, listed = make(map[string]string), make(map[string]string)
		for _, s := range r.Sessions() {
			kept[s.Address.String()] = s.VRF + " " + s.State
		}
		err := r.server().ListPeer(context.Background(), &api.ListPeerRequest{}, func(p *api.Peer) {
			listed[cmp.Or(p.GetConf().GetNeighborAddress(), p.GetState().GetNeighborAddress())] = p.GetConf().GetVrf() + " " + stateName(p.GetState().GetSessionState())
		})
		return err == nil && fmt.Sprint(kept) == fmt.Sprint(listed)
	})
}

// TestSessionsCostBGPNothing: questions are answered while GoBGP's loop does
// nothing at all, so they cannot cost it anything, whatever it has in its tables.
func TestSessionsCostBGPNothing(t *testing.T) {
	s := run(t, Options{Config: toJSON(t, baseConf(nil, []any{neighborConf("127.0.0.9", 65009, 1, "ipv4-unicast")}))})
	ctx, cancel := context.WithTimeout(context.Background(), deadline)
	defer cancel()

	s.log.mu.Lock() // GoBGP says in its loop that it adds a neighbour, and waits here
	added := make(chan error, 1)
	go func() {
		added <- s.server().AddPeer(ctx, &api.AddPeerRequest{Peer: &api.Peer{Conf: &api.PeerConf{NeighborAddress: "127.0.0.10", PeerAsn: 65010}}})
	}()
	stuck, answers := make(chan error, 1), make(chan error, 1)
	go func() { stuck <- s.Answers(ctx) }()
	go func() {
		for range 1000 {
			if _, there := s.session("127.0.0.9"); !there {
				answers <- fmt.Errorf("no neighbour: %v", s.Sessions())
				return
			}
		}
		answers <- nil
	}()
	select {
	case err := <-answers:
		if err != nil {
			t.Error(err)
		}
	case <-ctx.Done():
		t.Error("a question waits for GoBGP's loop")
	}
	select {
	case err := <-added:
		t.Errorf("the loop was to be stuck, and added a neighbour: %v", err)
	case err := <-stuck:
		t.Logf("the loop answered before it was stuck: %v", err)
	default:
	}
	s.log.mu.Unlock()
	if err := <-added; err != nil {
		t.Error(err)
	}
	s.awaitState(t, "127.0.0.10", "active")
}

// TestAnotherTTLOfAClosedSession: what GoBGP refuses to change, because the
// neighbour's last connection is closed, is changed all the same.
func TestAnotherTTLOfAClosedSession(t *testing.T) {
	up := newPeer(t, "127.0.0.2", 65002, "ipv4-unicast")
	neighbor := neighborConf(up.addr, 65002, up.port, "ipv4-unicast")
	conf := baseConf(nil, []any{neighbor})
	s := run(t, Options{Config: toJSON(t, conf)})
	s.awaitState(t, up.addr, "established")
	ctx, cancel := context.WithTimeout(context.Background(), deadline)
	defer cancel()
	if err := up.StopBgp(ctx, &api.StopBgpRequest{}); err != nil {
		t.Fatal(err)
	}
	eventually(t, "the session is down", func() bool { got, _ := s.session(up.addr); return got.State != "established" })
	neighbor["ttl-security"] = obj{"config": obj{"enabled": true, "ttl-min": 255}}
	changes, err := s.Reload(ctx, toJSON(t, conf), rib.Extras{})
	if err != nil || len(changes) != 1 {
		t.Fatalf("the reload: %v, %v", changes, err)
	}
	var got uint32
	if err := s.server().ListPeer(ctx, &api.ListPeerRequest{Address: up.addr}, func(p *api.Peer) { got = p.GetTtlSecurity().GetTtlMin() }); err != nil || got != 255 {
		t.Errorf("GoBGP has ttl-min %d, %v", got, err)
	}
}
