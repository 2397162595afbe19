package gobgp3

import (
	"fmt"
	"maps"
	"slices"
	"testing"

	api "github.com/osrg/gobgp/v3/api"
	"github.com/osrg/gobgp/v3/pkg/packet/bgp"

	"github.com/vrfredist/vrfredist/rib"
	"github.com/vrfredist/vrfredist/rib/speaker"
)

// beside is a job that counts its turns: those of the loop that another job leaves to others.
type beside struct {
	turns int
	over  bool
}

func (*beside) waits() bool  { return false }
func (b *beside) step() bool { b.turns++; return !b.over }
func (*beside) beside()      {}
func (*beside) end()         {}

// small has each job take many turns, and few routes be done in parts too. The job that it returns
// counts them.
func (r *running) small(t testing.TB) *beside {
	t.Helper()
	b := new(beside)
	if err := r.keeper.inLoop(func() error {
		r.keeper.whole.parts.each, r.keeper.whole.gone.few = 1, 0
		r.keeper.whole.parts.add(b)
		return nil
	}); err != nil {
		t.Fatal(err)
	}
	return b
}

// ends waits until it is the only job, and returns how many turns it had.
func (b *beside) ends(t testing.TB, r *running) (turns int) {
	t.Helper()
	eventually(t, "the other jobs are done", func() (is bool) {
		_ = r.keeper.inLoop(func() error { is = len(r.keeper.whole.parts.jobs) == 1; turns = b.turns; return nil })
		return is
	})
	return turns
}

func (b *beside) stop(r *running) { _ = r.keeper.inLoop(func() error { b.over = true; return nil }) }

// table is what a neighbour has been told, by prefix, and of which families that was all.
type table struct {
	routes map[string]string
	ends   map[bgp.RouteFamily]int
	before map[bgp.RouteFamily]int // how many routes of each family were there by then
}

// learn takes in what has come.
func (h *table) learn(p *hostile) {
	p.mu.Lock()
	news := p.news
	p.news = nil
	p.mu.Unlock()
	for _, u := range news {
		h.take(u)
	}
}

func (h *table) take(u *bgp.BGPUpdate) {
	if end, f := u.IsEndOfRib(); end {
		h.ends[f]++
		h.before[f] = len(h.routes)
		return
	}
	med := ""
	var announced, withdrawn []bgp.AddrPrefixInterface
	for _, a := range u.PathAttributes {
		switch a := a.(type) {
		case *bgp.PathAttributeMultiExitDisc:
			med = fmt.Sprint(a.Value)
		case *bgp.PathAttributeCommunities:
			med = fmt.Sprint(a.Value)
		case *bgp.PathAttributeMpReachNLRI:
			announced = a.Value
		case *bgp.PathAttributeMpUnreachNLRI:
			withdrawn = a.Value
		}
	}
	for _, n := range u.NLRI {
		announced = append(announced, n)
	}
	for _, n := range u.WithdrawnRoutes {
		withdrawn = append(withdrawn, n)
	}
	for _, n := range withdrawn {
		delete(h.routes, n.String())
	}
	for _, n := range announced {
		h.routes[n.String()] = med
	}
}

// told are UPDATEs that announce prefixes with a community, by which one is told from another.
func (p *hostile) marked(mark uint32, v6 bool, from, n int) (list []*bgp.BGPMessage) {
	for _, m := range p.some(v6, false, from, n) {
		u := m.Body.(*bgp.BGPUpdate)
		u.PathAttributes = append(slices.Clip(u.PathAttributes), bgp.NewPathAttributeCommunities([]uint32{mark}))
		list = append(list, m)
	}
	return list
}

// TestToldInParts: a neighbour whose session begins is told all in many turns of the loop, and once
// that it was all; and what changes meanwhile it has in the end as it is. So it is when it asks for
// all again, and when somebody has it told.
func TestToldInParts(t *testing.T) {
	for _, vrf := range []string{speaker.Default, "red"} {
		t.Run(vrf, func(t *testing.T) {
			const four, six = 3000, 300
			kept := map[bgp.RouteFamily]bool{bgp.RF_IPv4_UC: true, bgp.RF_IPv6_UC: true}
			from, late := newHostile(t, "127.0.0.2", 65001, both()...), newHostile(t, "127.0.0.3", 65002, both(gracefulCap(60, kept))...)
			s := run(t, Options{Config: toJSON(t, redAnd(in(vrf, from.conf(allFamilies[:2]...)), in(vrf, graceful60(late.conf(allFamilies[:2]...)))))})
			if _, err := s.client(t).DisablePeer(t.Context(), &api.DisablePeerRequest{Address: late.addr}); err != nil {
				t.Fatal(err)
			}
			eventually(t, "the first session", from.isUp)
			b := s.small(t)
			defer b.stop(s)
			from.send(append(from.marked(1, false, 0, four), from.marked(1, true, 0, six)...)...)
			s.await(t, vrf, nth(false, four-1).String(), count(1))
			s.await(t, vrf, nth(true, six-1).String(), count(1))
			want := make(map[string]string)
			for i := range four {
				want[nth(false, i).String()] = "[1]"
			}
			for i := range six {
				want[nth(true, i).String()] = "[1]"
			}
			have := &table{routes: make(map[string]string), ends: make(map[bgp.RouteFamily]int), before: make(map[bgp.RouteFamily]int)}
			changes := func(mark uint32) {
				from.send(from.some(false, true, 0, 500)...)
				from.send(from.marked(mark, false, 1000, 500)...)
				from.send(from.marked(mark, false, four, 200)...)
				for i := range 500 {
					delete(want, nth(false, i).String())
					want[nth(false, 1000+i).String()] = fmt.Sprintf("[%d]", mark)
				}
				for i := range 200 {
					want[nth(false, four+i).String()] = fmt.Sprintf("[%d]", mark)
				}
			}
			before := b.ends(t, s)
			if _, err := s.client(t).EnablePeer(t.Context(), &api.EnablePeerRequest{Address: late.addr}); err != nil {
				t.Fatal(err)
			}
			eventually(t, "the session begins", late.isUp)
			changes(2)
			agree := func(what string) {
				t.Helper()
				eventually(t, what, func() bool { have.learn(late); return maps.Equal(have.routes, want) })
			}
			agree("all is told")
			eventually(t, "End-of-RIB of both", func() bool { have.learn(late); return len(have.ends) == 2 })
			if turns := b.ends(t, s) - before; turns < (four+six)/mostRecited {
				t.Errorf("%d turns of the loop were left to others", turns)
			}
			for f, least := range map[bgp.RouteFamily]int{bgp.RF_IPv4_UC: four - 500, bgp.RF_IPv6_UC: six} {
				if have.ends[f] != 1 || have.before[f] < least {
					t.Errorf("%s: %d End-of-RIBs, the last behind %d routes", f, have.ends[f], have.before[f])
				}
			}
			askAgain(t, s, late, b, have, want)
		})
	}
}

// askAgain has a neighbour be told all once more.
func askAgain(t *testing.T, s *running, late *hostile, b *beside, have *table, want map[string]string) {
	t.Helper()
	for name, ask := range map[string]func(){
		"route refresh": func() { late.send(bgp.NewBGPRouteRefreshMessage(bgp.AFI_IP, 0, bgp.SAFI_UNICAST)) },
		"soft reset": func() {
			_ = s.server().ResetPeer(t.Context(), &api.ResetPeerRequest{Address: late.addr, Soft: true, Direction: api.ResetPeerRequest_OUT})
		},
	} {
		have.routes, have.ends = make(map[string]string), make(map[bgp.RouteFamily]int)
		before := b.ends(t, s)
		ask()
		eventually(t, name, func() bool {
			have.learn(late)
			return have.ends[bgp.RF_IPv4_UC] == 1 && (have.ends[bgp.RF_IPv6_UC] == 1 || name == "route refresh")
		})
		for prefix, mark := range want {
			if v4 := prefix[0] == '1'; (v4 || name == "soft reset") && have.routes[prefix] != mark {
				t.Fatalf("%s: %s is %q, want %q", name, prefix, have.routes[prefix], mark)
			}
		}
		if turns := b.ends(t, s) - before; turns < len(want)/mostRecited/2 {
			t.Errorf("%s: %d turns of the loop were left to others", name, turns)
		}
	}
}

func graceful60(n obj) obj {
	n["graceful-restart"] = obj{"config": obj{"enabled": true, "restart-time": 60}}
	for _, f := range n["afi-safis"].([]any) {
		f.(obj)["mp-graceful-restart"] = obj{"config": obj{"enabled": true}}
	}
	return n
}

// TestGoneInParts: what a neighbour sent whose session ends goes in many turns of the loop, whatever
// ends it; and of one that is back before all has gone what it sends now is there in the end, and
// nothing else.
func TestGoneInParts(t *testing.T) {
	const routes = 1500
	for name, end := range map[string]func(*testing.T, pair, *hostile){
		"crash": func(_ *testing.T, _ pair, h *hostile) { h.cut() },
		"deleted": func(t *testing.T, p pair, h *hostile) {
			if _, err := p.s.client(t).DeletePeer(t.Context(), &api.DeletePeerRequest{Address: h.addr}); err != nil {
				t.Fatal(err)
			}
			if _, err := p.s.Restore(t.Context()); err != nil {
				t.Fatal(err)
			}
		},
	} {
		t.Run(name, func(t *testing.T) {
			pairs(t, as, nil, func(t *testing.T, p pair) {
				for _, h := range []*hostile{p.best, p.other} {
					h.send(h.some(false, false, 100, routes)...)
					p.awaitFrom(t, h, nth(false, 100+routes-1), 1)
				}
				b := p.s.small(t)
				defer b.stop(p.s)
				for _, h := range []*hostile{p.other, p.best} {
					before, sessions := b.ends(t, p.s), h.sessions()
					p.s.noIdling(t, h.addr)
					end(t, p, h)
					eventually(t, "another session", func() bool { return h.sessions() > sessions && h.isUp() })
					h.send(h.some(false, false, 100, 40)...)
					p.awaitFrom(t, h, nth(false, 139), 1)
					if turns := b.ends(t, p.s) - before; turns < routes/removedAtOnce {
						t.Errorf("%d turns of the loop were left to others", turns)
					}
					for i, want := range map[int]int{100: 1, 139: 1, 140: 0, 100 + routes - 1: 0} {
						p.awaitFrom(t, h, nth(false, i), want)
					}
					p.s.feedsAgree(t, h.addr+" is back")
				}
			})
		})
	}
}

// TestStaleInParts: the same of routes that are kept over a restart: those that are not sent again go.
func TestStaleInParts(t *testing.T) {
	const routes = 1500
	kept := map[bgp.RouteFamily]bool{bgp.RF_IPv4_UC: true, bgp.RF_IPv6_UC: true}
	pairs(t, func(n obj) obj { return graceful60(as(n)) }, []bgp.ParameterCapabilityInterface{gracefulCap(60, kept)}, func(t *testing.T, p pair) {
		for _, h := range []*hostile{p.best, p.other} {
			h.send(h.some(false, false, 100, routes)...)
			p.awaitFrom(t, h, nth(false, 100+routes-1), 1)
		}
		b := p.s.small(t)
		defer b.stop(p.s)
		for _, h := range []*hostile{p.other, p.best} {
			before, sessions := b.ends(t, p.s), h.sessions()
			p.s.noIdling(t, h.addr)
			h.cut()
			eventually(t, "another session", func() bool { return h.sessions() > sessions && h.isUp() })
			h.send(h.some(false, false, 100, 40)...)
			if n := p.from(h, nth(false, 100+routes-1)); n != 1 {
				t.Errorf("%d paths of what is kept", n)
			}
			h.send(bgp.NewEndOfRib(bgp.RF_IPv4_UC), bgp.NewEndOfRib(bgp.RF_IPv6_UC))
			for i, want := range map[int]int{100: 1, 139: 1, 140: 0, 100 + routes - 1: 0, 0: 0} {
				p.awaitFrom(t, h, nth(false, i), want)
			}
			if turns := b.ends(t, p.s) - before; turns < routes/removedAtOnce {
				t.Errorf("%d turns of the loop were left to others", turns)
			}
			p.s.feedsAgree(t, h.addr+" is back")
		}
	})
}

// TestTargetsAndParts: a PE that says which route targets it wants (RFC 4684) is told, in parts, of the
// VPN routes that have them, and then that this was all; and again when it asks.
func TestTargetsAndParts(t *testing.T) {
	const routes = 1500
	kept := map[bgp.RouteFamily]bool{bgp.RF_IPv4_VPN: true, bgp.RF_RTC_UC: true}
	pe := newHostile(t, "127.0.0.2", 65000, bgp.NewCapMultiProtocol(bgp.RF_IPv4_VPN), bgp.NewCapMultiProtocol(bgp.RF_RTC_UC), bgp.NewCapRouteRefresh(), gracefulCap(60, kept))
	conf := graceful60(pe.conf("l3vpn-ipv4-unicast", "rtc"))
	conf["afi-safis"].([]any)[1].(obj)["route-target-membership"] = obj{"config": obj{"deferral-time": 60}}
	c := redAnd(conf)
	c["vrfs"] = append(c["vrfs"].([]any), vrfConf("blue", "65000:2", []string{"65000:2"}, []string{"65000:2"}))
	s := run(t, Options{Config: toJSON(t, c)})
	if _, err := s.client(t).DisablePeer(t.Context(), &api.DisablePeerRequest{Address: pe.addr}); err != nil {
		t.Fatal(err)
	}
	b := s.small(t)
	defer b.stop(s)
	want := make(map[string]string)
	for _, vrf := range []string{"red", "blue"} {
		var list []rib.AnnounceChange
		for i := range routes {
			list = append(list, change(nth(false, i).String(), 1))
			want["65000:1:"+nth(false, i).String()] = "1"
		}
		s.announce(t, vrf, list...)
	}
	if _, err := s.client(t).EnablePeer(t.Context(), &api.EnablePeerRequest{Address: pe.addr}); err != nil {
		t.Fatal(err)
	}
	eventually(t, "the session", pe.isUp)
	before := b.ends(t, s)
	have := &table{routes: make(map[string]string), ends: make(map[bgp.RouteFamily]int), before: make(map[bgp.RouteFamily]int)}
	target := bgp.NewRouteTargetMembershipNLRI(65000, bgp.NewTwoOctetAsSpecificExtended(bgp.EC_SUBTYPE_ROUTE_TARGET, 65000, 1, true))
	pe.send(bgp.NewBGPUpdateMessage(nil, []bgp.PathAttributeInterface{
		bgp.NewPathAttributeOrigin(0), bgp.NewPathAttributeAsPath(nil), bgp.NewPathAttributeLocalPref(100),
		bgp.NewPathAttributeMpReachNLRI(pe.addr, []bgp.AddrPrefixInterface{target}),
	}, nil), bgp.NewEndOfRib(bgp.RF_RTC_UC))
	vpn := func() (n int) {
		for prefix := range have.routes {
			if want[prefix] != "" {
				n++
			}
		}
		return n
	}
	eventually(t, "all and its end", func() bool { have.learn(pe); return have.ends[bgp.RF_IPv4_VPN] == 1 })
	if vpn() != routes || have.ends[bgp.RF_RTC_UC] != 1 || len(have.routes) > routes+8 {
		t.Errorf("it was told of %d of %d VPN routes, of %d routes in all, with the ends %v", vpn(), routes, len(have.routes), have.ends)
	}
	have.routes, have.ends = make(map[string]string), make(map[bgp.RouteFamily]int)
	pe.send(bgp.NewBGPRouteRefreshMessage(bgp.AFI_IP, 0, bgp.SAFI_MPLS_VPN))
	eventually(t, "all once more", func() bool { have.learn(pe); return have.ends[bgp.RF_IPv4_VPN] == 1 })
	if vpn() != routes {
		t.Errorf("it was told of %d of %d VPN routes again", vpn(), routes)
	}
	if turns := b.ends(t, s) - before; turns < 2*routes/mostRecited {
		t.Errorf("%d turns of the loop were left to others", turns)
	}
}
