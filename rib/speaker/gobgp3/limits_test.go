package gobgp3

import (
	"strings"
	"testing"

	api "github.com/osrg/gobgp/v3/api"
	"github.com/osrg/gobgp/v3/pkg/packet/bgp"

	"github.com/vrfredist/vrfredist/rib"
	"github.com/vrfredist/vrfredist/rib/speaker"
)

// limited gives a neighbour a prefix-limit for all its families.
func limited(n obj, most int, restart float64) obj {
	for _, a := range n["afi-safis"].([]any) {
		a.(obj)["prefix-limit"] = obj{"config": obj{"max-prefixes": most, "restart-timer": restart}}
	}
	return n
}

// stopped is what Limits says of a neighbour that is stopped.
func (r *running) stopped(addr string) string {
	for _, l := range r.Limits() {
		if l.Neighbor == addr && l.Stopped != "" {
			return l.Stopped
		}
	}
	return ""
}

// TestPrefixLimit: a neighbour that sends more than its limit is told so, loses its
// routes at once, in spite of graceful restart, and stays away until the restart-timer
// has run. Another one goes on.
func TestPrefixLimit(t *testing.T) {
	kept := gracefulCap(60, map[bgp.RouteFamily]bool{bgp.RF_IPv4_UC: true, bgp.RF_IPv6_UC: true})
	other := newHostile(t, "127.0.0.9", 65009, both()...)
	plain, inVRF := newHostile(t, "127.0.0.2", 65001, both(kept)...), newHostile(t, "127.0.0.3", 65002, both(kept)...)
	s := run(t, Options{Config: toJSON(t, redAnd(in("red", other.conf(allFamilies[:2]...)),
		limited(plain.conf(allFamilies[:2]...), 100, 2), limited(in("red", inVRF.conf(allFamilies[:2]...)), 100, 2)))})
	eventually(t, "the session", other.isUp)
	other.send(other.some(true, false, 5000, 10)...)
	for _, p := range []*hostile{plain, inVRF} {
		vrf, v6 := speaker.Default, p == inVRF
		if v6 {
			vrf = "red"
		}
		eventually(t, "the session", p.isUp)
		p.send(p.some(v6, false, 0, 85)...)
		eventually(t, "a warning", func() bool {
			return strings.Contains(s.log.String(), "nearly as many prefixes as its prefix-limit allows.\" neighbor="+p.addr)
		})
		p.send(p.some(v6, false, 0, 100)...)
		s.await(t, vrf, nth(v6, 99).String(), count(1))
		if s.keeper.limits.accepted(p.addr) > 100 || s.stopped(p.addr) != "" {
			t.Fatal("stopped at its limit")
		}
		p.send(p.some(v6, false, 100, 1)...)
		s.await(t, vrf, nth(v6, 99).String(), count(0))
		eventually(t, "the NOTIFICATION", func() bool {
			got := p.notifications()
			return len(got) > 0 && got[0].ErrorCode == bgp.BGP_ERROR_CEASE && got[0].ErrorSubcode == bgp.BGP_ERROR_SUB_MAXIMUM_NUMBER_OF_PREFIXES_REACHED
		})
		if why := s.stopped(p.addr); !strings.Contains(why, "101 prefixes") || !strings.Contains(why, "limit is 100") {
			t.Errorf("the reason is %q", why)
		}
	}
	if !other.isUp() || len(s.feed(t, "red").Lookup(prefix(nth(true, 5009).String()))) != 1 {
		t.Error("the other neighbour suffers")
	}
	for _, p := range []*hostile{plain, inVRF} {
		eventually(t, "it started again", func() bool { return s.stopped(p.addr) == "" && p.sessions() == 2 && p.isUp() })
		p.send(p.some(p == inVRF, false, 0, 10)...)
	}
	eventually(t, "the counts", func() bool {
		return s.keeper.limits.accepted(plain.addr) == 10 && s.keeper.limits.vrf(speaker.Default) == 10 && s.keeper.limits.vrf("red") == 20
	})
}

// TestPrefixLimitStays: without a restart-timer the neighbour stays away until the
// configuration, or an operator, says otherwise.
func TestPrefixLimitStays(t *testing.T) {
	p := newHostile(t, "127.0.0.2", 65001, both()...)
	conf := func(most int) []byte {
		return toJSON(t, redAnd(in("red", limited(p.conf(allFamilies[:2]...), most, 0))))
	}
	s := run(t, Options{Config: conf(100)})
	eventually(t, "the session", p.isUp)
	p.send(p.some(false, false, 0, 200)...)
	eventually(t, "it is stopped and down", func() bool {
		s.keeper.limits.mu.Lock()
		defer s.keeper.limits.mu.Unlock()
		e := s.keeper.limits.over[p.addr]
		return e != nil && e.down
	})
	if l := s.Limits(); len(l) != 2 || !l[0].Restart.IsZero() || !strings.Contains(l[0].Stopped, "raised") {
		t.Errorf("limits %+v", l)
	}
	if plan, err := s.Preview(conf(1000), rib.Extras{}); err != nil || !strings.Contains(strings.Join(plan.Others, "; "), "prefix-limit of neighbour") {
		t.Errorf("plan %+v, %v", plan, err)
	}
	changes, err := s.Reload(t.Context(), conf(1000), rib.Extras{})
	if err != nil || len(changes) == 0 {
		t.Errorf("changes %q, %v", changes, err)
	}
	eventually(t, "it started again", func() bool { return s.stopped(p.addr) == "" && p.sessions() == 2 && p.isUp() })
	p.send(p.some(false, false, 0, 200)...)
	s.await(t, "red", nth(false, 199).String(), count(1))
}

// TestPrefixLimitIsNoClients: a neighbour that is stopped for its limit is not taken for one that
// a client disabled, which stays so over reloads: it says why it is down, and starts again with
// a raised limit, also where its configuration is another for more than that.
func TestPrefixLimitIsNoClients(t *testing.T) {
	p := newHostile(t, "127.0.0.2", 65001, both()...)
	conf := func(most, families int) []byte { // GoBGP makes a neighbour anew that has other families
		return toJSON(t, redAnd(in("red", limited(p.conf(allFamilies[:families]...), most, 0))))
	}
	s := run(t, Options{Config: conf(100, 2)})
	eventually(t, "the session", p.isUp)
	p.send(p.some(false, false, 0, 200)...)
	eventually(t, "it is stopped and down", func() bool {
		s.keeper.limits.mu.Lock()
		defer s.keeper.limits.mu.Unlock()
		e := s.keeper.limits.over[p.addr]
		return e != nil && e.down
	})
	if err := s.drift.examine(t.Context()); err != nil {
		t.Fatal(err)
	}
	if list := s.Sessions(); len(list) != 1 || !list[0].Stopped || !strings.Contains(list[0].Reason, "prefixes of ipv4-unicast, and its prefix-limit is 100") {
		t.Errorf("sessions %+v", list)
	}
	if _, err := s.Reload(t.Context(), conf(1000, 1), rib.Extras{}); err != nil {
		t.Fatal(err)
	}
	eventually(t, "it started again", func() bool { return s.stopped(p.addr) == "" && p.sessions() == 2 && p.isUp() })
	if list := s.Sessions(); len(list) != 1 || list[0].Stopped {
		t.Errorf("sessions %+v", list)
	}
}

// TestPrefixLimitOfFlood: what a neighbour sends beyond its limit does not get in,
// however fast it comes.
func TestPrefixLimitOfFlood(t *testing.T) {
	const most, n = 1000, 200_000
	p := newHostile(t, "127.0.0.2", 65001, both()...)
	s := run(t, Options{Config: toJSON(t, redAnd(limited(p.conf(allFamilies[:2]...), most, 0)))})
	eventually(t, "the session", p.isUp)
	messages := p.some(false, false, 0, n)
	peak, done := 0, make(chan struct{})
	go func() {
		defer close(done)
		p.send(messages...)
	}()
	eventually(t, "the session is ended", func() bool {
		_, sent := s.kept()
		peak = max(peak, sent)
		return s.stopped(p.addr) != "" && !p.isUp() && sent == 0
	})
	<-done
	if peak > most+20_000 {
		t.Errorf("%d prefixes were in at once, the limit being %d", peak, most)
	}
	t.Logf("%d prefixes in at once", peak)
}

// TestPrefixLimitOfClient: neither does GoBGP keep the one that a client of the API gives.
func TestPrefixLimitOfClient(t *testing.T) {
	p := newHostile(t, "127.0.0.2", 65001, both()...)
	s := run(t, Options{Config: toJSON(t, baseConf(nil, nil))})
	ipv4 := &api.Family{Afi: api.Family_AFI_IP, Safi: api.Family_SAFI_UNICAST}
	if _, err := s.client(t).AddPeer(t.Context(), &api.AddPeerRequest{Peer: &api.Peer{
		Conf:      &api.PeerConf{NeighborAddress: p.addr, PeerAsn: uint32(p.as)},
		Transport: &api.Transport{RemotePort: uint32(p.port), LocalAddress: "127.0.0.1"},
		Timers:    &api.Timers{Config: &api.TimersConfig{ConnectRetry: 1}},
		AfiSafis: []*api.AfiSafi{{
			Config:       &api.AfiSafiConfig{Family: ipv4, Enabled: true},
			PrefixLimits: &api.PrefixLimit{Family: ipv4, MaxPrefixes: 5},
		}},
	}}); err != nil {
		t.Fatal(err)
	}
	eventually(t, "the session", p.isUp)
	eventually(t, "the limit is ours", func() bool { l := s.Limits(); return len(l) == 1 && l[0].Most == 5 })
	p.send(p.some(false, false, 0, 6)...)
	eventually(t, "it is stopped", func() bool { return s.stopped(p.addr) != "" && !p.isUp() })
}
