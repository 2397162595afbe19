package gobgp3

import (
	"context"
	"fmt"
	"math/rand/v2"
	"net/netip"
	"slices"
	"strings"
	"testing"

	api "github.com/osrg/gobgp/v3/api"
	"google.golang.org/protobuf/proto"

	"github.com/vrfredist/vrfredist/rib"
	"github.com/vrfredist/vrfredist/rib/speaker"
)

// TestForetold: what a preview says of changed policies in either direction is what neighbours
// hear, and VRFs have, after the reload.
func TestForetold(t *testing.T) {
	for _, vrf := range []string{"", "red"} {
		t.Run(vrf, func(t *testing.T) {
			x := newFollowed(t, vrf)
			in, out := obj{"import-policy-list": []string{"no1"}}, obj{"export-policy-list": []string{"no2"}}
			for _, step := range []struct {
				name string
				conf obj
				want int
			}{
				{"nothing", x.conf(nil, nil, nil), 0},
				{"p's is not taken", x.conf(nil, in, nil), 4},
				{"r is not told", x.conf(nil, in, out), 2},
				{"nobody is told", x.conf(out, in, out), 2},
				{"p's is not taken by all", x.conf(obj{"import-policy-list": []string{"no2"}}, in, nil), 0},
				{"p sends nothing", x.conf(nil, obj{"default-import-policy": "reject-route"}, nil), 16},
				{"p sends all, r is told nothing", x.conf(nil, nil, obj{"default-export-policy": "reject-route"}), 12},
				{"no policies", x.conf(nil, nil, nil), 12},
				{"nothing again", x.conf(nil, nil, nil), 0},
			} {
				if got := x.reloads(step.name, step.conf); got != step.want {
					t.Errorf("%s: %d changes are foretold, want %d", step.name, got, step.want)
				}
			}
		})
	}
}

// TestForetoldToClients: the same of the clients of our route server, for whom their own policies alone
// decide: also where another sends what p sends.
func TestForetoldToClients(t *testing.T) {
	for _, more := range [][]string{nil, {"secondary-route"}} {
		t.Run(strings.Join(more, ""), func(t *testing.T) {
			x := newServed(t, more...)
			in, out := obj{"import-policy-list": []string{"no1"}}, obj{"export-policy-list": []string{"no2"}}
			nothing := obj{"default-import-policy": "reject-route"}
			for _, step := range []struct {
				name string
				conf obj
				want int
			}{
				{"nothing", x.conf(nil, nil, nil), 0},
				{"the global policies are not theirs", x.conf(in, nil, nil), 0},
				{"p's is not taken", x.conf(nil, in, nil), 4},
				{"r is not told", x.conf(nil, in, out), 2},
				{"p sends nothing", x.conf(nil, nothing, nil), 18},
				{"p sends all, r is told nothing", x.conf(nil, nil, obj{"default-export-policy": "reject-route"}), 12},
				{"no policies", x.conf(nil, nil, nil), 12},
			} {
				if got := x.reloads(step.name, step.conf); got != step.want {
					t.Errorf("%s: %d changes are foretold, want %d", step.name, got, step.want)
				}
			}
			x.comesTrue("q sends what p sends", map[string][]string{x.p.addr: {"+10.0.1.0/24"}}, func() { x.q.send(x.q.some(false, false, 1, 1)...) })
			if got := x.reloads("q's comes in for p's", x.conf(nil, in, nil)); got != 4 { // r has q's then; q loses p's, and both lose that of IPv6
				t.Errorf("%d changes are foretold of one that comes in for another, want 4", got)
			}
			if got := x.reloads("p's is there again", x.conf(nil, nil, nil)); got != 4 {
				t.Errorf("%d changes are foretold of one that is back, want 4", got)
			}
		})
	}
}

// TestForetoldAtRandom: the same for configurations one after the other, whichever was before.
func TestForetoldAtRandom(t *testing.T) {
	for name, begin := range map[string]func(*testing.T) *followed{
		"default": func(t *testing.T) *followed { return newFollowed(t, "") },
		"red":     func(t *testing.T) *followed { return newFollowed(t, "red") },
		"clients": func(t *testing.T) *followed { return newServed(t) },
	} {
		t.Run(name, func(t *testing.T) {
			x := begin(t)
			m := rand.New(rand.NewPCG(14, uint64(len(name))))
			lists := func(directions ...string) obj {
				c := make(obj)
				for _, d := range directions {
					var names []string
					for _, name := range []string{"no1", "no2", "tag1"} {
						if m.IntN(3) == 0 {
							names = append(names, name)
						}
					}
					m.Shuffle(len(names), func(i, j int) { names[i], names[j] = names[j], names[i] })
					if len(names) > 0 {
						c[d+"-policy-list"] = names
					}
					if m.IntN(4) == 0 {
						c["default-"+d+"-policy"] = "reject-route"
					}
				}
				return c
			}
			changes := 0
			for n := range 25 {
				next := x.conf(lists("import", "export"), lists("import"), lists("export"))
				next["policy-definitions"] = append(next["policy-definitions"].([]any), tagging("tag1", "no1-0"))
				changes += x.reloads(fmt.Sprintf("step %d", n), next)
			}
			if changes < 20 {
				t.Errorf("%d changes are not worth it", changes)
			}
		})
	}
}

// tagging is a policy that gives routes of a set a community, and lets others decide.
func tagging(name, set string) obj {
	return obj{"name": name, "statements": []any{obj{
		"name": name + " all", "conditions": obj{"match-prefix-set": obj{"prefix-set": set}},
		"actions": obj{"bgp-actions": obj{"set-community": obj{"options": "add", "set-community-method": obj{"communities-list": []string{"65000:5"}}}}},
	}}}
}

// TestForetoldByVRFs: what follows for neighbours from what the VRFs' workers would say: other
// announcements, a policy of the export, nexthops that are not reached, prefixes that are not
// confirmed.
func TestForetoldByVRFs(t *testing.T) {
	for _, vrf := range []string{"", "red"} {
		t.Run(vrf, func(t *testing.T) {
			x, name := newFollowed(t, vrf), vrfOrDefault(vrf)
			s, same := x.running, x.conf(nil, nil, nil)
			holds := func(when string, o speaker.Outcome, do func()) {
				t.Helper()
				if n := x.comesTrue(when, s.foretold(t, s.previewed(t, same), o), do); n == 0 {
					t.Errorf("%s: nothing is foretold", when)
				}
			}
			gone, other, more := prefix("192.0.2.0/24"), prefix("198.51.100.0/24"), prefix("203.0.113.0/24")
			holds("announcements", speaker.Outcome{Announcing: speaker.Announcing{name: {gone: {Prefix: gone, MED: 7}, other: {Prefix: other, MED: 7}}}}, func() {
				s.announce(t, name, change("192.0.2.0/24", 7), change("198.51.100.0/24", 7))
			})
			holds("announcements change", speaker.Outcome{Announcing: speaker.Announcing{name: {gone: nil, other: {Prefix: other, MED: 9}, more: {Prefix: more}}}}, func() {
				s.announce(t, name, rib.AnnounceChange{Announcement: rib.Announcement{Prefix: gone}, Withdraw: true}, change("198.51.100.0/24", 9), change("203.0.113.0/24", 0))
			})
			withhold := func(a rib.Advertising) {
				t.Helper()
				if err := s.Withhold(context.Background(), map[string]rib.Advertising{name: a}); err != nil {
					t.Fatal(err)
				}
			}
			policy := rib.Advertising{Rejects: noMED(0)}
			holds("a policy rejects what p sent", speaker.Outcome{Advertising: map[string]rib.Advertising{name: policy}}, func() { withhold(policy) })
			holds("no policy", speaker.Outcome{}, func() { withhold(rib.Advertising{}) })
			of := make(map[rib.PathNexthop]struct{})
			for _, p := range s.feed(t, name).WithPaths() {
				for _, path := range s.feed(t, name).Lookup(p) {
					if path.Attrs.Peer.IsValid() {
						of[path.Attrs.PathNexthop()] = struct{}{}
					}
				}
			}
			holds("p's nexthop is not reached", speaker.Outcome{Standing: map[string]speaker.Standing{name: {Unreached: of}}}, func() { s.Unreached(name, of); s.settled(t) })
			holds("p's nexthop is reached", speaker.Outcome{Standing: map[string]speaker.Standing{name: {}}}, func() { s.Unreached(name, nil); s.settled(t) })
			installed, one := rib.Advertising{Installed: true}, []netip.Prefix{prefix("10.0.3.0/24"), prefix("2001:db8:3::/48")}
			holds("some are confirmed", speaker.Outcome{
				Advertising: map[string]rib.Advertising{name: installed}, Standing: map[string]speaker.Standing{name: {Confirmed: one}},
			}, func() {
				withhold(installed)
				s.Confirmed(name, true, []rib.Confirmation{{Prefix: one[0], Is: true}, {Prefix: one[1], Is: true}})
				s.settled(t)
			})
		})
	}
}

// TestForetoldSends: what PEs would be told where the policy comes, changes or goes of what goes
// out of a VRF.
func TestForetoldSends(t *testing.T) {
	x := newGoingOut(t)
	none := x.read("")
	s := run(t, Options{Config: none.BGP, Extras: none.Extras})
	community := &api.CommunitiesAttribute{Communities: []uint32{65003<<16 | 1}}
	for i, pfx := range []string{"10.1.0.0/16", "2001:db8:1::/48"} {
		x.customer.announce(spec{prefix: pfx, attrs: []proto.Message{community}})
		own, leaked := change([]string{"10.2.0.0/16", "2001:db8:2::/48"}[i], 5), passed([]string{"10.3.0.0/16", "2001:db8:3::/48"}[i], 65010)
		leaked.Mark = rib.SendMark("red", "blue")
		s.announce(t, "red", own, leaked)
	}
	for _, by := range []*peer{x.pe, x.abroad} {
		for _, pfx := range []string{"10.1.0.0/16", "10.2.0.0/16", "2001:db8:1::/48", "2001:db8:2::/48"} {
			eventually(t, by.addr+" has "+pfx, func() bool { return len(by.has(pfx, 1)) == 1 })
		}
	}
	mine := []string{"10.0.0.0/8 le 32", "2001:db8::/32 le 64"}
	some := []obj{
		{"communities": []string{"65003:1"}, "action": "next", "set-med": 77},
		{"prefixes": []string{"10.2.0.0/16", "2001:db8:2::/48"}, "action": "reject"},
		{"source-vrfs": []string{"blue"}, "prefixes": mine, "action": "accept"},
		{"prefixes": mine, "action": "accept"},
	}
	for _, step := range []struct {
		name     string
		fallback string
		rules    []obj
		want     []string
	}{
		{"a policy", "reject", some, []string{"+10.3.0.0/16", "+2001:db8:3::/48", "-10.2.0.0/16", "-2001:db8:2::/48", "~10.1.0.0/16", "~2001:db8:1::/48"}},
		{"all but the leaked", "reject", []obj{{"prefixes": mine, "action": "accept"}}, []string{"+10.2.0.0/16", "+2001:db8:2::/48", "-10.3.0.0/16", "-2001:db8:3::/48", "~10.1.0.0/16", "~2001:db8:1::/48"}},
		{"nothing", "reject", []obj{{"prefixes": []string{"192.0.2.0/24"}, "action": "accept"}}, []string{"-10.1.0.0/16", "-10.2.0.0/16", "-2001:db8:1::/48", "-2001:db8:2::/48"}},
		{"no policy", "", nil, []string{"+10.1.0.0/16", "+10.2.0.0/16", "+2001:db8:1::/48", "+2001:db8:2::/48"}},
	} {
		c := x.read(step.fallback, step.rules...)
		p, err := s.Preview(c.BGP, c.Extras)
		if err != nil {
			t.Fatal(err)
		}
		got := s.foretold(t, p, speaker.Outcome{})
		for _, by := range []*peer{x.pe, x.abroad} {
			if !slices.Equal(got[by.addr], step.want) {
				t.Errorf("%s: %s would hear %q, want %q", step.name, by.addr, got[by.addr], step.want)
			}
		}
		if n := len(got[x.customer.addr]) + len(got[x.other.addr]); n > 0 {
			t.Errorf("%s: customers would hear of %d: %v", step.name, n, got)
		}
		before := make(map[string]string)
		for _, pfx := range sentPrefixes {
			before[pfx] = fmt.Sprintf("%+v", x.pe.has(pfx, 1))
		}
		if _, err := s.Reload(t.Context(), c.BGP, c.Extras); err != nil {
			t.Fatal(err)
		}
		for _, change := range step.want {
			pfx := change[1:]
			eventually(t, fmt.Sprintf("%s: it comes true of %s", step.name, change), func() bool {
				has := x.pe.has(pfx, 1)
				return strings.HasPrefix(change, "-") == (len(has) == 0) && fmt.Sprintf("%+v", has) != before[pfx]
			})
		}
	}
}
