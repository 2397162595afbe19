package gobgp3

import (
	"cmp"
	"context"
	"fmt"
	"net/netip"
	"strconv"
	"testing"
	"time"
	"unsafe"

	api "github.com/osrg/gobgp/v3/api"
	"github.com/osrg/gobgp/v3/pkg/packet/bgp"

	"github.com/vrfredist/vrfredist/rib"
	"github.com/vrfredist/vrfredist/rib/speaker"
)

// isDown tells whether a feed counts a neighbour as down.
func (p pair) isDown(h *hostile) bool {
	f, _ := p.s.Feed(p.vrf)
	return f.Down().Has(netip.MustParseAddr(h.addr))
}

// TestPeerDown: the paths of a neighbour whose session ends go, those of the other stay; and
// it counts as down until it is back.
func TestPeerDown(t *testing.T) {
	ways := map[string]func(*testing.T, pair, *hostile) (back func()){
		"crash": func(_ *testing.T, _ pair, h *hostile) func() { h.cut(); return func() {} },
		"notification": func(_ *testing.T, _ pair, h *hostile) func() {
			h.send(bgp.NewBGPNotificationMessage(bgp.BGP_ERROR_CEASE, bgp.BGP_ERROR_SUB_OTHER_CONFIGURATION_CHANGE, nil))
			h.cut()
			return func() {}
		},
		"shutdown": func(t *testing.T, p pair, h *hostile) func() {
			if _, err := p.s.client(t).ShutdownPeer(t.Context(), &api.ShutdownPeerRequest{Address: h.addr}); err != nil {
				t.Fatal(err)
			}
			return func() {}
		},
		"disabled": func(t *testing.T, p pair, h *hostile) func() {
			if _, err := p.s.client(t).DisablePeer(t.Context(), &api.DisablePeerRequest{Address: h.addr}); err != nil {
				t.Fatal(err)
			}
			return func() {
				eventually(t, "it is idle", func() bool { s, _ := p.s.session(h.addr); return s.State == "idle" })
				if _, err := p.s.client(t).EnablePeer(t.Context(), &api.EnablePeerRequest{Address: h.addr}); err != nil {
					t.Fatal(err)
				}
			}
		},
		"deleted": func(t *testing.T, p pair, h *hostile) func() {
			if _, err := p.s.client(t).DeletePeer(t.Context(), &api.DeletePeerRequest{Address: h.addr}); err != nil {
				t.Fatal(err)
			}
			return func() {
				if _, err := p.s.Restore(t.Context()); err != nil {
					t.Fatal(err)
				}
			}
		},
	}
	inRed := map[string]string{"crash": "red", "deleted": "red"}
	for name, end := range ways {
		t.Run(name, func(t *testing.T) {
			p := newPair(t, cmp.Or(inRed[name], speaker.Default), as, nil)
			for _, h := range []*hostile{p.other, p.best} {
				before := h.sessions()
				p.s.noIdling(t, h.addr)
				back := end(t, p, h)
				eventually(t, "it counts as down, or is back", func() bool { return p.isDown(h) || h.sessions() > before })
				for _, n := range []bgp.AddrPrefixInterface{nth(false, 0), nth(true, 1)} {
					p.awaitFrom(t, h, n, 0)
				}
				p.s.feedsAgree(t, name+" of "+h.addr)
				if h == p.other {
					continue // one that comes back is enough
				}
				back()
				eventually(t, "another session", func() bool { return h.sessions() > before && h.isUp() })
				h.send(h.says(11, nth(false, 0), nth(false, 1), nth(true, 0), nth(true, 1))...)
				p.awaitFrom(t, h, nth(true, 1), 1)
				eventually(t, "it counts as up", func() bool { return !p.isDown(h) })
				p.s.feedsAgree(t, h.addr+" is back")
			}
		})
	}
}

// TestPeerDownBeforeTheLoop: a neighbour counts as down while GoBGP's loop is busy, and
// messages of it that the loop comes to later bring nothing back for good.
func TestPeerDownBeforeTheLoop(t *testing.T) {
	pairs(t, as, nil, func(t *testing.T, p pair) {
		if err := p.s.keeper.inLoop(func() error {
			p.other.send(p.other.some(false, false, 0, 4000)...)
			p.other.cut()
			_ = p.other.l.Close() // it does not come back
			eventually(t, "it counts as down", func() bool { return p.isDown(p.other) })
			if p.from(p.other, nth(false, 1)) != 1 {
				t.Error("its path has gone: the loop was not busy")
			}
			return nil
		}); err != nil {
			t.Fatal(err)
		}
		p.awaitFrom(t, p.other, nth(false, 1), 0)
		p.s.feedsAgree(t, "after it")
		if !p.isDown(p.other) || p.isDown(p.best) {
			t.Errorf("down are %v", p.s.feed(t, p.vrf).Down())
		}
	})
}

// TestPeersWhileSessionsOpen: neighbours are copied while GoBGP writes of a session that opens
// what the neighbour can, into the list of its families too.
func TestPeersWhileSessionsOpen(t *testing.T) {
	kept := map[bgp.RouteFamily]bool{bgp.RF_IPv4_UC: true, bgp.RF_IPv6_UC: true}
	p := newHostile(t, "127.0.0.2", 65001, both(gracefulCap(5, kept))...)
	s := run(t, Options{Config: toJSON(t, redAnd(p.conf(allFamilies[:2]...)))})
	ctx, cancel := context.WithCancel(t.Context())
	copied := make(chan error, 1)
	go func() { // without a rest: what is copied outside the lock is so for a moment
		for ctx.Err() == nil {
			if peers, err := s.keeper.Peers(); err != nil || len(peers.Neighbors[p.addr].AfiSafis) != 2 {
				copied <- fmt.Errorf("%+v, %w", peers.Neighbors[p.addr], err)
				return
			}
		}
		copied <- nil
	}()
	for n := 1; n <= 3; n++ {
		eventually(t, "a session", func() bool { return p.sessions() == n && p.isUp() })
		s.noIdling(t, p.addr)
		p.cut()
	}
	cancel()
	if err := <-copied; err != nil {
		t.Error(err)
	}
}

// TestDepartureComesFirst: the word that a neighbour goes is ahead of what GoBGP says of
// each of its destinations, and the tables are not read again for those. A few of them are
// told of, of many it is said that they go.
func TestDepartureComesFirst(t *testing.T) {
	for _, many := range []int{0, 2 * fewSent} {
		pairs(t, as, nil, func(t *testing.T, p pair) {
			for _, h := range []*hostile{p.best, p.other} {
				h.send(h.some(false, false, 100, many)...)
			}
			if many > 0 {
				p.s.await(t, p.vrf, nth(false, 100+many-1).String(), count(2))
			}
			for _, h := range []*hostile{p.other, p.best} {
				st, err := watchAll(p.s.keeper.changes, func(any) {}) // nobody else is told from here on
				if err != nil {
					t.Fatal(err)
				}
				defer st.stop()
				_ = h.l.Close()
				h.cut()
				var got []item
				eventually(t, "it goes", func() bool {
					got = append(got, st.live.take(nil)...)
					return len(got) > 0
				})
				if d, is := got[0].of.(departure); !is || d.key != h.addr || !d.whole || (len(d.gone) == 2) != (many > 0) {
					t.Errorf("the first thing is %+v", got[0])
				}
				p.s.allParts(t) // the turn is over, and what it left for others
				got = append(got, st.live.take(nil)...)
				of := make(map[string]bool)
				for _, it := range got[1:] {
					switch n := it.of.(type) {
					case nil:
						of[it.paths[0].path.origin().nlri.String()] = true
					case bgp.AddrPrefixInterface:
						of[n.String()] = true
					}
				}
				// Of the better one each destination has another best path now, or none.
				if want := 4 + many; len(of) != want && (h == p.best || many == 0) {
					t.Errorf("it was told of %d destinations of %s, want %d", len(of), h.addr, want)
				}
				select {
				case <-st.live.unseen:
					t.Error("the tables are to be read again")
				default:
				}
			}
		})
	}
}

// TestGracefulRestart: the paths of a family that a neighbour keeps over its restart stay,
// and it does not count as down; the others go at once, and all with the restart time.
func TestGracefulRestart(t *testing.T) {
	caps := []bgp.ParameterCapabilityInterface{gracefulCap(2, map[bgp.RouteFamily]bool{bgp.RF_IPv4_UC: true})}
	pairs(t, as, caps, func(t *testing.T, p pair) {
		for _, h := range []*hostile{p.other, p.best} {
			_ = h.l.Close()
			h.cut()
			p.awaitFrom(t, h, nth(true, 1), 0)
			if p.from(h, nth(false, 1)) != 1 || p.isDown(h) {
				t.Errorf("%s: %d paths of the family that is held, down: %v", h.addr, p.from(h, nth(false, 1)), p.isDown(h))
			}
			p.s.feedsAgree(t, h.addr+" restarts")
			p.awaitFrom(t, h, nth(false, 1), 0)
			eventually(t, "it counts as down", func() bool { return p.isDown(h) })
			p.s.feedsAgree(t, h.addr+" has not come back")
		}
	})
}

// TestLongLivedPaths: paths that are kept beyond the restart time are marked as stale, be
// they best ones or not.
func TestLongLivedPaths(t *testing.T) {
	kept := map[bgp.RouteFamily]bool{bgp.RF_IPv4_UC: true, bgp.RF_IPv6_UC: true}
	caps := []bgp.ParameterCapabilityInterface{gracefulCap(1, kept), longLivedCap(12, kept)}
	pairs(t, longLived, caps, func(t *testing.T, p pair) {
		for _, h := range []*hostile{p.other, p.best} {
			_ = h.l.Close()
			h.cut()
			for _, n := range []bgp.AddrPrefixInterface{nth(false, 0), nth(true, 1)} {
				eventually(t, fmt.Sprintf("the stale path of %s from %s", n, h.addr), func() bool {
					stale := 0
					for _, x := range p.s.feed(t, p.vrf).Lookup(prefix(n.String())) {
						if x.Attrs.Peer.String() == h.addr && x.Attrs.Stale {
							stale++
						}
					}
					return stale == 1
				})
			}
			if p.isDown(h) {
				t.Errorf("%s counts as down", h.addr)
			}
			p.s.feedsAgree(t, h.addr+" stays away")
		}
	})
}

// TestDynamicPeerDown: so it is of a neighbour that a peer group let in, and that GoBGP has
// no more then.
func TestDynamicPeerDown(t *testing.T) {
	port := freePort(t)
	c := redAnd()
	c["global"] = obj{"config": obj{"as": 65000, "router-id": "192.0.2.1", "port": port, "local-address-list": []any{"127.0.0.1"}}}
	c["peer-groups"] = []any{obj{"config": obj{"peer-group-name": "guests", "peer-as": 65001}}}
	c["dynamic-neighbors"] = []any{obj{"config": obj{"prefix": "127.0.7.0/24", "peer-group": "guests"}}}
	s := run(t, Options{Config: toJSON(t, c)})
	guest := newPeer(t, "127.0.7.2", 65001, "ipv4-unicast")
	guest.announce(spec{prefix: "10.1.0.0/16"})
	if err := guest.DeletePeer(t.Context(), &api.DeletePeerRequest{Address: "127.0.0.1"}); err != nil {
		t.Fatal(err)
	}
	if err := guest.AddPeer(t.Context(), &api.AddPeerRequest{Peer: &api.Peer{
		Conf:      &api.PeerConf{NeighborAddress: "127.0.0.1", PeerAsn: 65000},
		Transport: &api.Transport{LocalAddress: guest.addr, RemotePort: uint32(port)},
		Timers:    &api.Timers{Config: &api.TimersConfig{ConnectRetry: 1, IdleHoldTimeAfterReset: 1}},
	}}); err != nil {
		t.Fatal(err)
	}
	s.await(t, speaker.Default, "10.1.0.0/16", count(1))
	if err := guest.DisablePeer(t.Context(), &api.DisablePeerRequest{Address: "127.0.0.1"}); err != nil {
		t.Fatal(err)
	}
	s.await(t, speaker.Default, "10.1.0.0/16", count(0))
	peer, f := netip.MustParseAddr(guest.addr), s.feed(t, speaker.Default)
	if !f.Down().Has(peer) {
		t.Error("it does not count as down")
	}
	e := s.Speaker.log.endings
	eventually(t, "it is missed", func() (missed bool) {
		_ = s.keeper.inLoop(func() error { _, missed = e.absent[peer]; return nil })
		return missed
	})
	if err := s.keeper.inLoop(func() error { e.absent[peer] = time.Now().Add(-2 * absentFor); return nil }); err != nil {
		t.Fatal(err)
	}
	eventually(t, "it is forgotten", func() bool { return !f.Down().Has(peer) })
}

// TestLateNotice: a notice that comes when the next session is up already does not have the
// neighbour count as down for good, and neither does the word of its return that was lost.
func TestLateNotice(t *testing.T) {
	pairs(t, as, nil, func(t *testing.T, p pair) {
		p.s.Speaker.log.endings.ended(p.other.addr, "read-failed")
		if !p.isDown(p.other) {
			t.Fatal("it does not count as down")
		}
		eventually(t, "it counts as up", func() bool { return !p.isDown(p.other) })
		p.s.feeder.setDown(p.best.addr)
		eventually(t, "it counts as up", func() bool { return !p.isDown(p.best) })
		p.s.Speaker.log.endings.ended(p.other.addr, dying)
		p.s.Speaker.log.endings.ended(p.other.addr, graceful)
		if p.isDown(p.other) {
			t.Error("it counts as down")
		}
		p.s.feeder.fence()
		p.s.Speaker.log.endings.ended(p.other.addr, "read-failed")
		if p.isDown(p.other) {
			t.Error("a feed changes after the end")
		}
	})
}

// TestPeerOf: a neighbour is in the feeds as in the attributes of its paths.
func TestPeerOf(t *testing.T) {
	link := neighborConf("fe80::1%eth7", 65001, 179, "ipv6-unicast")
	alias := neighborConf("127.1.0.5", 65001, 179, "ipv4-unicast")
	alias["transport"].(obj)["config"].(obj)["bind-interface"] = "lo"
	names := newPeerNames(nil)
	d := newDecoder(readConf(t, baseConf(nil, []any{link, alias}), rib.Extras{}), names)
	for key, want := range map[string]string{
		"fe80::1%eth7": "fe80::1%eth7", "127.1.0.5": "127.1.0.5", "2001:db8::1": "2001:db8::1", "fe80::2%eth9": "fe80::2%eth9",
	} {
		if got := d.peerOf(key).String(); got != want {
			t.Errorf("%s is %s, want %s", key, got, want)
		}
		addr := zoneless(key).AsSlice()
		names.known[unsafe.SliceData(addr)] = peerName{name: key}
		source := &bgpOrigin{nlri: nth(false, 0), source: &bgpPeer{Address: addr, ID: zoneless("192.0.2.1").AsSlice()}}
		path, _, err := d.path(&bgpPath{info: source}, 1, speaker.Destination{Prefix: prefix(nth(false, 0).String())}, 0)
		if err != nil || path.Attrs.Peer.String() != want {
			t.Errorf("a path of %s is from %v, %v", key, path.Attrs.Peer, err)
		}
	}
}

// TestManyGo: of many routes none comes back while GoBGP withdraws them.
func TestManyGo(t *testing.T) {
	const many = 20_000
	pairs(t, as, nil, func(t *testing.T, p pair) {
		for _, h := range []*hostile{p.best, p.other} {
			h.send(h.some(false, false, 100, many)...)
		}
		f := p.s.feed(t, p.vrf)
		for n := range 20 { // in order: a slow machine has its time for each part
			p.s.await(t, p.vrf, nth(false, 100+many/20*(n+1)-1).String(), count(2))
		}
		_ = p.best.l.Close()
		p.best.cut()
		p.awaitFrom(t, p.best, nth(false, 100+many-1), 0)
		for i := range many {
			if p.from(p.best, nth(false, 100+i)) != 0 {
				t.Fatalf("%s is from it, and %s not any more", nth(false, 100+i), nth(false, 100+many-1))
			}
		}
		if n, _ := f.Len(); n != many+4 {
			t.Errorf("%s prefixes are left", strconv.Itoa(n))
		}
		p.s.feedsAgree(t, "it has gone")
	})
}
