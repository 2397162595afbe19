package gobgp3

import (
	"context"
	"testing"

	api "github.com/osrg/gobgp/v3/api"
	"golang.org/x/sys/unix"

	"github.com/vrfredist/vrfredist/rib"
)

// listenTTL is the TTL of what GoBGP's listening socket for IPv4 answers.
func (r *running) listenTTL(t *testing.T) int {
	t.Helper()
	var ttl int
	err := r.inAnyLoop(func() error {
		raw, err := serverListeners(r.server(), "0.0.0.0")[0].SyscallConn()
		if err != nil {
			return err
		}
		var failed error
		if err := raw.Control(func(fd uintptr) { ttl, failed = unix.GetsockoptInt(int(fd), unix.IPPROTO_IP, unix.IP_TTL) }); err != nil {
			return err
		}
		return failed
	})
	if err != nil {
		t.Fatal(err)
	}
	return ttl
}

// TestListenTTL: what answers a SYN has the TTL of the session, or gets to the farthest
// neighbour where they differ, after reloads and what clients of the API add as well.
func TestListenTTL(t *testing.T) {
	port := freePort(t)
	conf := func(neighbors ...any) obj {
		return set(baseConf(nil, neighbors), port, "global", "config", "port")
	}
	passive := func(addr string, as int) obj {
		n := set(neighborConf(addr, as, 179), true, "transport", "config", "passive-mode")
		return set(n, "192.0.2.1", "transport", "config", "local-address")
	}
	external := passive("192.0.2.9", 65001)
	s := run(t, Options{Config: toJSON(t, conf(external))})
	if got := s.listenTTL(t); got != 1 {
		t.Errorf("with an eBGP neighbour: %d", got)
	}
	for name, x := range map[string]struct {
		more obj
		want int
	}{
		"alone":            {nil, 1},
		"one in IPv6":      {set(passive("2001:db8::9", 65000), "2001:db8::1", "transport", "config", "local-address"), 1},
		"an alias":         {set(passive("127.1.2.3", 65000), "lo", "transport", "config", "bind-interface"), 1},
		"iBGP":             {passive("192.0.2.8", 65000), 255},
		"multihop":         {set(passive("192.0.2.8", 65002), obj{"enabled": true, "multihop-ttl": 7}, "ebgp-multihop", "config"), 7},
		"TTL security":     {set(passive("192.0.2.8", 65002), obj{"enabled": true, "ttl-min": 254}, "ttl-security", "config"), 255},
		"a TTL of its own": {set(passive("192.0.2.8", 65002), 5, "transport", "config", "ttl"), 5},
	} {
		list := []any{external}
		if x.more != nil {
			list = append(list, x.more)
		}
		if _, err := s.Reload(t.Context(), toJSON(t, conf(list...)), rib.Extras{}); err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		if got := s.listenTTL(t); got != x.want {
			t.Errorf("%s: %d, want %d", name, got, x.want)
		}
	}
	if _, err := s.Reload(t.Context(), toJSON(t, conf(external)), rib.Extras{}); err != nil {
		t.Fatal(err)
	}
	client := api.NewGobgpApiClient(dial(t, "unix://"+s.socket))
	ctx := context.Background()
	far := &api.Peer{Conf: &api.PeerConf{NeighborAddress: "192.0.2.7", PeerAsn: 65000}, Transport: &api.Transport{PassiveMode: true}}
	if _, err := client.AddPeer(ctx, &api.AddPeerRequest{Peer: far}); err != nil {
		t.Fatal(err)
	}
	if got := s.listenTTL(t); got != 255 {
		t.Errorf("with a client's neighbour of our AS: %d", got)
	}
	if _, err := client.DeletePeer(ctx, &api.DeletePeerRequest{Address: "192.0.2.7"}); err != nil {
		t.Fatal(err)
	}
	if got := s.listenTTL(t); got != 1 {
		t.Errorf("without it: %d", got)
	}
}
