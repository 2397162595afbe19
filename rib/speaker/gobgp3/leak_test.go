package gobgp3

import (
	"context"
	"fmt"
	"reflect"
	"slices"
	"sync"
	"testing"

	"github.com/osrg/gobgp/v3/pkg/packet/bgp"

	"github.com/vrfredist/vrfredist/rib"
	"github.com/vrfredist/vrfredist/rib/speaker"
)

// passed is a path of another VRF that is passed on, as a worker announces it.
func passed(p string, as ...uint32) rib.AnnounceChange {
	c := change(p, 30)
	c.As = rib.FromLeak
	c.Of = &rib.Attrs{Via: new(rib.Via), Tags: new(rib.Tags), Origin: rib.OriginEGP, ASPath: as, ASPathLen: int32(len(as))}
	return c
}

// choosing stands in for the workers of VRFs: each goes by all that its feed has.
func (r *running) choosing(t *testing.T, vrfs ...string) {
	ctx, end := context.WithCancel(context.Background())
	var done sync.WaitGroup
	t.Cleanup(func() { end(); done.Wait() })
	for _, vrf := range vrfs {
		f := r.feed(t, vrf)
		f.Restart()
		done.Go(func() {
			for {
				select {
				case <-ctx.Done():
					return
				case <-f.Ready():
				}
				var list []rib.Choice
				for _, e := range f.Take(nil, 100) {
					list = append(list, rib.Choice{Prefix: e.Prefix, Paths: slices.Clone(e.Paths)})
				}
				r.Chose(vrf, list)
			}
		})
	}
}

// asPath is the AS path of a peer's path.
func asPath(t *testing.T, p *peer, pfx string, rd uint32) []uint32 {
	t.Helper()
	list := p.has(pfx, rd)
	if len(list) != 1 {
		t.Fatalf("%s has %d paths for %s", p.addr, len(list), pfx)
	}
	return list[0].asPath
}

// TestLeakedPathIsTold: what is leaked into a VRF its neighbours hear, of both kinds, with AS
// path; those of a VRF that imports its targets, and PEs, do not; no feed has it; and what
// the VRF announces for another reason takes its place and gives it back.
func TestLeakedPathIsTold(t *testing.T) {
	families := []string{"ipv4-unicast", "ipv6-unicast"}
	pe := newPeer(t, "127.0.0.2", 65000, allFamilies...)
	other := newPeer(t, "127.0.0.3", 65009, allFamilies...)
	customer := newPeer(t, "127.0.0.4", 65003, families...)
	site := newPeer(t, "127.0.0.5", 65000, families...)
	stranger := newPeer(t, "127.0.0.6", 65005, families...)
	s := run(t, Options{
		Config: toJSON(t, baseConf([]any{
			vrfConf("blue", "65000:2", []string{"65000:1", "65000:2"}, []string{"65000:2"}),
			vrfConf("red", "65000:1", []string{"65000:7"}, []string{"65000:1"}), // which does not import what it exports
		}, []any{
			neighborConf(pe.addr, 65000, pe.port, allFamilies...), neighborConf(other.addr, 65009, other.port, allFamilies...),
			inVRF(neighborConf(customer.addr, 65003, customer.port, families...), "red"),
			inVRF(neighborConf(site.addr, 65000, site.port, families...), "red"),
			inVRF(neighborConf(stranger.addr, 65005, stranger.port, families...), "blue"),
		})),
		Extras: rib.Extras{Leaks: map[string][]rib.LeakRule{"red": {{From: speaker.Default}}}},
	})
	before := s.Drift()
	for i, pfx := range []string{"10.1.0.0/16", "2001:db8:1::/48"} {
		own := []string{"10.9.0.0/16", "2001:db8:9::/48"}[i]
		s.announce(t, "red", passed(pfx, 65010, 65011), change(own, 1))
		for _, p := range []*peer{customer, site} {
			eventually(t, p.addr+" hears "+pfx, func() bool { return len(p.has(pfx, 0)) == 1 })
			want := []uint32{65010, 65011}
			if p == customer {
				want = []uint32{65000, 65010, 65011}
			}
			if got := asPath(t, p, pfx, 0); !slices.Equal(got, want) {
				t.Errorf("%s hears %s with AS path %v, want %v", p.addr, pfx, got, want)
			}
		}
		// What red exports comes to the PE and to blue behind it, so they have all by then.
		eventually(t, "the PE hears "+own, func() bool { return len(pe.has(own, 1)) == 1 && len(other.has(own, 1)) == 1 })
		eventually(t, "blue's neighbour hears "+own, func() bool { return len(stranger.has(own, 0)) == 1 })
		if n := len(pe.has(pfx, 1)) + len(other.has(pfx, 1)) + len(stranger.has(pfx, 0)); n > 0 {
			t.Errorf("%d neighbours outside of red hear %s", n, pfx)
		}
		s.await(t, "blue", own, count(1))
		for _, vrf := range []string{"red", "blue", speaker.Default} {
			if got := s.feed(t, vrf).Lookup(prefix(pfx)); len(got) > 0 {
				t.Errorf("%s has %v", vrf, got)
			}
		}
		there, err := s.tables.Injected(context.Background(), "red", s.Announced("red"))
		if err != nil || !there[prefix(pfx)] || !there[prefix(own)] {
			t.Errorf("BGP has of it %v, %v", there, err)
		}
	}
	if got := s.Drift(); len(got) != len(before) {
		t.Errorf("BGP is taken for changed by others: %v", got)
	}
	leak, own := passed("10.1.0.0/16", 65010), change("10.1.0.0/16", 5)
	gone := leak
	gone.Withdraw = true
	s.announce(t, "red", gone, own)
	eventually(t, "the own route takes its place", func() bool { return len(pe.has("10.1.0.0/16", 1)) == 1 })
	gone = own
	gone.Withdraw = true
	s.announce(t, "red", gone, leak)
	eventually(t, "and gives it back", func() bool { return len(pe.has("10.1.0.0/16", 1)) == 0 && len(customer.has("10.1.0.0/16", 0)) == 1 })
	leak.Withdraw = true
	s.announce(t, "red", leak)
	eventually(t, "it is withdrawn", func() bool { return len(customer.has("10.1.0.0/16", 0)) == 0 })
}

// TestLeakedASSet: an AS path with a set in it comes in, and is passed on, as it is.
func TestLeakedASSet(t *testing.T) {
	a := new(rib.Attrs)
	want := []bgp.AsPathParamInterface{
		bgp.NewAs4PathParam(bgp.BGP_ASPATH_ATTR_TYPE_SEQ, []uint32{65010}), bgp.NewAs4PathParam(bgp.BGP_ASPATH_ATTR_TYPE_SET, []uint32{65011, 65012}),
	}
	decodeASPath(a, want)
	got := segmentsOf(rib.Announcement{As: rib.FromLeak, Of: a}, 65000)
	if a.ASPathLen != 2 || !reflect.DeepEqual(got, want) {
		t.Errorf("length %d, passed on as %v", a.ASPathLen, got)
	}
}

// TestLeakedIntoTheGlobalTable: those in no VRF hear it, and a VRF that leaks from the global
// table does not get it back.
func TestLeakedIntoTheGlobalTable(t *testing.T) {
	upstream := newPeer(t, "127.0.0.2", 65001, "ipv4-unicast", "ipv6-unicast")
	s := run(t, Options{
		Config: toJSON(t, baseConf([]any{vrfConf("red", "65000:1", []string{"65000:1"}, []string{"65000:1"})},
			[]any{neighborConf(upstream.addr, 65001, upstream.port, "ipv4-unicast", "ipv6-unicast")})),
		Extras: rib.Extras{Leaks: map[string][]rib.LeakRule{"red": {{From: speaker.Default}}, speaker.Default: {{From: "red"}}}},
	})
	s.choosing(t, "red", speaker.Default)
	for i, pfx := range []string{"10.1.0.0/16", "2001:db8:1::/48"} {
		upstream.announce(spec{prefix: []string{"0.0.0.0/0", "::/0"}[i]})
		s.announce(t, speaker.Default, passed(pfx, 65010))
		eventually(t, "the upstream hears "+pfx, func() bool { return len(upstream.has(pfx, 0)) == 1 })
		if got := asPath(t, upstream, pfx, 0); !slices.Equal(got, []uint32{65000, 65010}) {
			t.Errorf("with AS path %v", got)
		}
	}
	for i, pfx := range []string{"0.0.0.0/0", "::/0"} {
		got := s.await(t, "red", pfx, count(1))[0].Attrs
		if !got.ByRule || got.Source != speaker.Default || got.LocalPref != speaker.DefaultLocalPref || got.Peer.String() != upstream.addr {
			t.Errorf("%s came in as %+v, %+v", pfx, got, got.Via)
		}
		if back := []string{"10.1.0.0/16", "2001:db8:1::/48"}[i]; len(s.feed(t, "red").Lookup(prefix(back)))+len(s.feed(t, speaker.Default).Lookup(prefix(back))) > 0 {
			t.Errorf("%s came back", back)
		}
	}
	if c := s.Leaks(); len(c) != 2 || fmt.Sprintf("%s %d, %s %d", c[0].Into, c[0].Prefixes, c[1].Into, c[1].Prefixes) != "default 0, red 2" {
		t.Errorf("counted %+v", c)
	}
}

// TestReloadedLeaks: a reload with another rule returns when it is in force, and another VRF
// is not told anything.
func TestReloadedLeaks(t *testing.T) {
	upstream := newPeer(t, "127.0.0.2", 65001, "ipv4-unicast", "ipv6-unicast")
	text := toJSON(t, baseConf([]any{
		vrfConf("blue", "65000:2", []string{"65000:2"}, []string{"65000:2"}),
		vrfConf("red", "65000:1", []string{"65000:1"}, []string{"65000:1"}),
	}, []any{neighborConf(upstream.addr, 65001, upstream.port, "ipv4-unicast", "ipv6-unicast")}))
	from := func(vrfs ...string) rib.Extras {
		x := rib.Extras{Leaks: make(map[string][]rib.LeakRule)}
		for _, v := range vrfs {
			x.Leaks[v] = []rib.LeakRule{{From: speaker.Default}}
		}
		return x
	}
	s := run(t, Options{Config: text, Extras: from("blue")})
	s.choosing(t, speaker.Default)
	upstream.announce(spec{prefix: "10.1.0.0/16"})
	s.await(t, "blue", "10.1.0.0/16", count(1))
	s.feed(t, "blue").Take(nil, 10)
	has := func(vrf string) bool { return len(s.feed(t, vrf).Lookup(prefix("10.1.0.0/16"))) == 1 }
	for _, step := range []struct {
		into []string
		red  bool
	}{{[]string{"blue", "red"}, true}, {[]string{"blue"}, false}} {
		if _, err := s.Reload(context.Background(), text, from(step.into...)); err != nil {
			t.Fatal(err)
		}
		if has("red") != step.red || !has("blue") {
			t.Errorf("leaking into %v: red has it: %v, blue has it: %v", step.into, has("red"), has("blue"))
		}
		if changed := s.feed(t, "blue").Take(nil, 10); len(changed) > 0 {
			t.Errorf("leaking into %v: blue is told of %+v", step.into, changed)
		}
	}
}

// TestLeakedPathGivesWay: a neighbour whose own path takes the place of what was leaked into its
// VRF is told of the latter no more, and neither is another one, where the VRF does not import
// what it exports: GoBGP tells nobody there of the former.
func TestLeakedPathGivesWay(t *testing.T) {
	families := []string{"ipv4-unicast", "ipv6-unicast"}
	customer := newPeer(t, "127.0.0.2", 65003, families...)
	site := newPeer(t, "127.0.0.3", 65004, families...)
	s := run(t, Options{
		Config: toJSON(t, baseConf([]any{vrfConf("red", "65000:1", []string{"65000:7"}, []string{"65000:1"})}, []any{
			inVRF(neighborConf(customer.addr, 65003, customer.port, families...), "red"),
			inVRF(neighborConf(site.addr, 65004, site.port, families...), "red"),
		})),
		Extras: rib.Extras{Leaks: map[string][]rib.LeakRule{"red": {{From: speaker.Default}}}},
	})
	for _, pfx := range []string{"10.1.0.0/16", "2001:db8:1::/48"} {
		hear := func(n int) {
			t.Helper()
			eventually(t, fmt.Sprintf("%d paths for %s", n, pfx), func() bool {
				return len(customer.has(pfx, 0)) == n && len(site.has(pfx, 0)) == n
			})
		}
		leak, own := passed(pfx, 65010), spec{prefix: pfx}
		s.announce(t, "red", leak)
		hear(1)
		customer.announce(own)
		eventually(t, "BGP has the customer's", func() bool {
			paths, err := s.Candidates(context.Background(), "red", prefix(pfx))
			return err == nil && len(paths) == 2
		})
		gone := leak
		gone.Withdraw = true
		s.announce(t, "red", gone)
		hear(0)
		s.announce(t, "red", leak)
		hear(1)
		behind, preference := leak, uint32(50)
		behind.LocalPref = &preference
		s.announce(t, "red", behind)
		hear(0)
	}
}
