package gobgp3

import (
	"strings"
	"testing"
	"time"

	api "github.com/osrg/gobgp/v3/api"

	"github.com/vrfredist/vrfredist/rib"
	"github.com/vrfredist/vrfredist/rib/speaker"
)

// guestConf has a peer group let in who dials from a prefix.
func guestConf(port int) obj {
	c := baseConf(nil, nil)
	c["global"] = obj{"config": obj{"as": 65000, "router-id": "192.0.2.1", "port": port, "local-address-list": []any{"127.0.0.1"}}}
	c["peer-groups"] = []any{obj{"config": obj{"peer-group-name": "guests", "peer-as": 65001}}}
	c["dynamic-neighbors"] = []any{obj{"config": obj{"prefix": "127.0.7.0/24", "peer-group": "guests"}}}
	return c
}

const guestAddr = "127.0.7.2"

// staysAway waits until a dynamic neighbour has dialled in and was not let in.
func (s *running) staysAway(t *testing.T, addr, reason string) {
	t.Helper()
	eventually(t, "it dials in, and is disabled", func() (down bool) {
		_ = s.keeper.inLoop(func() error {
			p, there := s.keeper.peerOf(addr)
			down = there && p.isDown()
			return nil
		})
		return down
	})
	eventually(t, "it is shown as disabled, with the reason", func() bool {
		got, _ := s.session(addr)
		return got.State == "idle" && got.Disabled && got.Origin == speaker.Dynamic && strings.Contains(got.Reason, reason)
	})
}

// TestDisabledGuests: a dynamic neighbour that somebody disabled is shown while it is away, and has
// no session however often it dials, over a reload too, until it is enabled; one that no prefix lets
// in any more is forgotten.
func TestDisabledGuests(t *testing.T) {
	port, kept := freePort(t), new(keptStops)
	s := run(t, Options{Config: toJSON(t, guestConf(port)), Stops: kept})
	newGuest(t, guestAddr, 65001, port)
	s.awaitState(t, guestAddr, "established")
	if err := s.Disable(t.Context(), guestAddr, "new cable", "uid 7"); err != nil {
		t.Fatal(err)
	}
	if one := kept.All()[guestAddr]; one.By != "uid 7" || one.Reason != "new cable" {
		t.Errorf("it is disabled, kept is %v", kept.All())
	}
	eventually(t, "it is shown as disabled", func() bool {
		got, is := s.session(guestAddr)
		return is && got.State == "idle" && got.Disabled
	})
	s.staysAway(t, guestAddr, "disabled by uid 7: new cable, and down until it is enabled")
	if _, err := s.Reload(t.Context(), toJSON(t, guestConf(port)), rib.Extras{}); err != nil {
		t.Fatal(err)
	}
	s.staysAway(t, guestAddr, "disabled by uid 7: new cable")
	if err := s.Enable(t.Context(), guestAddr, "uid 7"); err != nil {
		t.Fatal(err)
	}
	if got := s.awaitState(t, guestAddr, "established"); got.Disabled || got.Reason != "" || len(kept.All()) != 0 {
		t.Errorf("it is enabled: %+v, kept is %v", got, kept.All())
	}

	t.Log("by a client of GoBGP's API")
	gobgp := api.NewGobgpApiClient(dial(t, "unix:"+s.socket))
	if _, err := gobgp.DisablePeer(t.Context(), &api.DisablePeerRequest{Address: guestAddr, Communication: "gone home"}); err != nil {
		t.Fatal(err)
	}
	s.staysAway(t, guestAddr, "gone home")
	if _, err := gobgp.EnablePeer(t.Context(), &api.EnablePeerRequest{Address: guestAddr}); err != nil {
		t.Fatal(err)
	}
	s.awaitState(t, guestAddr, "established")
	if err := s.Disable(t.Context(), guestAddr, "", "uid 7"); err != nil {
		t.Fatal(err)
	}
	alone := guestConf(port)
	delete(alone, "dynamic-neighbors")
	if _, err := s.Reload(t.Context(), toJSON(t, alone), rib.Extras{}); err != nil {
		t.Fatal(err)
	}
	eventually(t, "who is not let in any more is forgotten", func() bool { return len(kept.All()) == 0 })
}

// TestGuestsStayDisabled: who was disabled before the start is shown and has no session, whether it
// dials or is enabled before; who is let in by nobody is forgotten.
func TestGuestsStayDisabled(t *testing.T) {
	since := time.Now().Add(-time.Hour).Truncate(time.Second)
	one := rib.Disabled{By: "uid 7", Reason: "new cable", Since: since}
	port, kept := freePort(t), &keptStops{all: map[string]rib.Disabled{"127.0.7.2": one, "127.0.7.3": one, "127.0.8.2": one}}
	s := run(t, Options{Config: toJSON(t, guestConf(port)), Stops: kept})
	for _, addr := range []string{"127.0.7.2", "127.0.7.3"} {
		if got, is := s.session(addr); !is || !got.Disabled || !got.Down.Equal(since) || got.PeerAS != 65001 || got.Origin != speaker.Dynamic {
			t.Errorf("from the start: %+v", got)
		}
	}
	if _, is := kept.All()["127.0.8.2"]; is {
		t.Errorf("nobody lets it in, kept is %v", kept.All())
	}
	newGuest(t, guestAddr, 65001, port)
	s.staysAway(t, guestAddr, "disabled by uid 7: new cable")
	for _, addr := range []string{"127.0.7.2", "127.0.7.3"} {
		if err := s.Enable(t.Context(), addr, "uid 7"); err != nil {
			t.Error(err)
		}
	}
	s.awaitState(t, guestAddr, "established")
	eventually(t, "who is enabled and is not there is not shown", func() bool { _, is := s.session("127.0.7.3"); return !is })
	if len(kept.All()) != 0 {
		t.Errorf("kept is %v", kept.All())
	}
}
