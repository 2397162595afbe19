package gobgp3

import (
	"context"
	"fmt"
	"strings"
	"testing"
	"time"

	api "github.com/osrg/gobgp/v3/api"
	"github.com/osrg/gobgp/v3/pkg/packet/bgp"
	"github.com/osrg/gobgp/v3/pkg/server"

	"github.com/vrfredist/vrfredist/rib"
	"github.com/vrfredist/vrfredist/rib/speaker"
)

// kept is how many destinations GoBGP has in its tables, but for those of route target
// membership, and in what its neighbours sent.
func (r *running) kept() (own, sent int) {
	_ = r.keeper.inLoop(func() error {
		for family, t := range r.keeper.rib().Tables {
			if family != bgp.RF_RTC_UC {
				own += len(t.destinations)
			}
		}
		for _, p := range r.keeper.peers() {
			for _, t := range p.adjIn().table {
				sent += len(t.destinations)
			}
		}
		return nil
	})
	return own, sent
}

func (r *running) awaitKept(t testing.TB, own, sent int) {
	t.Helper()
	var a, b int
	defer func() {
		if t.Failed() {
			t.Logf("there are %d, and %d of neighbours", a, b)
		}
	}()
	eventually(t, fmt.Sprintf("%d destinations in the tables and %d of neighbours", own, sent), func() bool {
		a, b = r.kept()
		return a == own && b == sent
	})
}

func redAnd(neighbors ...any) obj {
	return baseConf([]any{vrfConf("red", "65000:1", []string{"65000:1"}, []string{"65000:1"})}, neighbors)
}

func in(vrf string, n obj) obj {
	if vrf != speaker.Default {
		n["config"].(obj)["vrf"] = vrf
	}
	return n
}

// TestImportsLeaveNothing: what we announced and withdrew leaves no destination in
// GoBGP, whichever way it goes there.
func TestImportsLeaveNothing(t *testing.T) {
	policy := obj{"config": obj{"import-policy-list": []string{"all"}, "default-import-policy": "accept-route"}}
	all := []any{obj{"name": "all", "statements": []any{obj{"name": "all", "actions": obj{"bgp-actions": obj{"set-med": "7"}, "route-disposition": "accept-route"}}}}}
	for name, conf := range map[string]obj{"batched": redAnd(), "one by one": redAnd()} {
		t.Run(name, func(t *testing.T) {
			if name == "one by one" {
				conf["global"].(obj)["apply-policy"], conf["policy-definitions"] = policy, all
			}
			s := run(t, Options{Config: toJSON(t, conf)})
			if oneByOne := (injector{s.loop, s.tables, s.keeper.changes, s.keeper.reach.flags}).oneByOne(); oneByOne != (name == "one by one") {
				t.Fatalf("one by one: %v", oneByOne)
			}
			for _, vrf := range []string{speaker.Default, "red"} {
				var add, again, del []rib.AnnounceChange
				for i := range 2*100 + 7 {
					for _, p := range []string{fmt.Sprintf("10.1.%d.0/24", i%256), fmt.Sprintf("2001:db8:%x::/48", i)} {
						add, again, del = append(add, change(p, 1)), append(again, change(p, 2)), append(del, withdrawal(p))
					}
				}
				s.announce(t, vrf, add...)
				s.announce(t, vrf, again...)
				if own, _ := s.kept(); own != len(s.Announced(vrf)) {
					t.Errorf("%s: %d destinations of %d announcements", vrf, own, len(s.Announced(vrf)))
				}
				s.announce(t, vrf, del...)
				if own, _ := s.kept(); own != 0 {
					t.Errorf("%s: %d destinations stay", vrf, own)
				}
			}
		})
	}
}

// TestNeighborsLeaveNothing: neither does what a neighbour announced and withdrew, nor
// what went with its session, in a VRF or in none, nor what another client of the API
// added.
func TestNeighborsLeaveNothing(t *testing.T) {
	for _, vrf := range []string{speaker.Default, "red"} {
		t.Run(vrf, func(t *testing.T) {
			a, b := newHostile(t, "127.0.0.2", 65001, both()...), newHostile(t, "127.0.0.3", 65002, both()...)
			s := run(t, Options{Config: toJSON(t, redAnd(in(vrf, a.conf(allFamilies[:2]...)), in(vrf, b.conf(allFamilies[:2]...))))})
			for _, p := range []*hostile{a, b} {
				eventually(t, "a session", p.isUp)
				p.send(p.some(false, false, 0, 50)...)
				p.send(p.some(true, false, 0, 50)...)
			}
			s.awaitKept(t, 100, 200)
			a.send(a.some(false, true, 0, 50)...)
			a.send(a.some(true, true, 0, 50)...)
			s.awaitKept(t, 100, 100)
			b.send(b.some(false, true, 0, 50)...)
			s.awaitKept(t, 50, 50)
			_ = b.l.Close()
			b.cut()
			s.awaitKept(t, 0, 0)
		})
	}
}

func TestClientsLeaveNothing(t *testing.T) {
	s := run(t, Options{Config: toJSON(t, redAnd())})
	ctx := context.Background()
	maker := &peer{t: t}
	for _, vrf := range []string{speaker.Default, "red"} {
		for _, pfx := range []string{"10.1.0.0/16", "2001:db8:1::/48"} {
			table, id := api.TableType_GLOBAL, ""
			if vrf != speaker.Default {
				table, id = api.TableType_VRF, vrf
			}
			for n := range uint32(3) {
				path := maker.path(spec{prefix: pfx, id: n})
				if _, err := s.client(t).AddPath(ctx, &api.AddPathRequest{TableType: table, VrfId: id, Path: path}); err != nil {
					t.Fatal(err)
				}
			}
			if own, _ := s.kept(); own != 1 {
				t.Errorf("%s in %s: %d destinations", pfx, vrf, own)
			}
			for n := range uint32(3) {
				path := maker.path(spec{prefix: pfx, id: n})
				if err := s.server().DeletePath(ctx, &api.DeletePathRequest{TableType: table, VrfId: id, Path: path}); err != nil {
					t.Fatal(err)
				}
			}
			if own, _ := s.kept(); own != 0 {
				t.Errorf("%s in %s: %d destinations stay", pfx, vrf, own)
			}
		}
	}
}

// TestWithdrawalsOfNothing: prefixes that a neighbour withdraws without having announced
// them do not stay, and what it did announce does.
func TestWithdrawalsOfNothing(t *testing.T) {
	for _, v6 := range []bool{false, true} {
		t.Run(fmt.Sprintf("IPv6 %v", v6), func(t *testing.T) {
			p := newHostile(t, "127.0.0.2", 65001, both()...)
			s := run(t, Options{Config: toJSON(t, redAnd(in("red", p.conf(allFamilies[:2]...))))})
			eventually(t, "a session", p.isUp)
			const parts = 12 // what follows each one tells that it is handled, however slow the machine is
			p.send(p.some(v6, false, 0, 1000-parts)...)
			for part := range parts {
				p.send(p.some(v6, true, 1000+5000*part, 5000)...)
				p.send(p.some(v6, false, 1000-parts+part, 1)...)
				s.await(t, "red", nth(v6, 1000-parts+part).String(), count(1))
			}
			// A sweep that begins in the midst of the withdrawals leaves those behind it: they
			// stay as long as they are a small part.
			eventually(t, "the destinations of 1000 prefixes, and few empty ones", func() bool {
				own, sent := s.kept()
				return own == 1000 && sent >= 1000 && (sent-1000)*sweepShare < sent
			})
			p.send(p.some(v6, true, 0, 2000)...)
			s.awaitKept(t, 0, 0)
		})
	}
}

// TestManyFlaps: the local identifiers of paths that came and went beside one that stays
// are free again after a sweep.
func TestManyFlaps(t *testing.T) {
	p := newHostile(t, "127.0.0.2", 65001, both()...)
	s := run(t, Options{Config: toJSON(t, redAnd(in("red", p.conf(allFamilies[:2]...))))})
	eventually(t, "a session", p.isUp)
	first := strings.TrimSuffix(nth(false, 0).String(), " ")
	s.announce(t, "red", change(first, 5))
	for range 500 {
		p.send(p.some(false, false, 0, 1)...)
		p.send(p.some(false, true, 0, 1)...)
	}
	p.send(p.some(false, false, 1, 1)...)
	s.awaitKept(t, 2, 1)
	bits := func() (n int) {
		_ = s.keeper.inLoop(func() error {
			for _, d := range s.keeper.rib().Tables[bgp.RF_IPv4_VPN].destinations {
				n = max(n, len(d.localIdMap.bitmap))
			}
			return nil
		})
		return n
	}
	if n := bits(); n < 2 {
		t.Fatalf("%d words of identifiers: GoBGP forgets none any more, and this test is in vain", n)
	}
	if err := s.inLoop(func() error { s.keeper.sweeps.withdrawn += sweepEmpty; return nil }); err != nil {
		t.Fatal(err)
	}
	eventually(t, "the identifiers free again", func() bool { return bits() == 1 })
	s.await(t, "red", first, count(1))
	s.announce(t, "red", withdrawal(first))
	s.awaitKept(t, 1, 1)
}

// TestSweepBesideMessages: a sweep goes on with the messages of the loop, in proportion to
// their time, so that a flood does not outrun it where nothing else gets its turn.
func TestSweepBesideMessages(t *testing.T) {
	const announced, unknown = 10_000, 400 // too few of them to be swept where it is quiet
	p := newHostile(t, "127.0.0.2", 65001, both()...)
	s := run(t, Options{Config: toJSON(t, redAnd(p.conf(allFamilies[:2]...)))})
	eventually(t, "a session", p.isUp)
	p.send(p.some(false, false, 0, announced)...)
	p.send(p.some(false, true, announced, unknown)...)
	s.awaitKept(t, announced, announced+unknown)
	if err := s.keeper.inLoop(func() error { // so nobody else can have swept
		for _, peer := range s.keeper.peers() {
			table := peer.adjIn().table[bgp.RF_IPv4_UC]
			s.keeper.Observe(server.FSMMessage, time.Minute, 0)
			if n := len(table.destinations); n != announced+unknown {
				t.Errorf("%d destinations: something was swept that was not due", n)
			}
			s.keeper.sweeps.note(table, false)
			s.keeper.Observe(server.FSMMessage, time.Minute, 0)
			if n := len(table.destinations); n != announced {
				t.Errorf("%d destinations after a message, want %d", n, announced)
			}
		}
		return nil
	}); err != nil {
		t.Fatal(err)
	}
}
