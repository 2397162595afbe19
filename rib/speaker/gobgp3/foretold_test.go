package gobgp3

import (
	"context"
	"fmt"
	"maps"
	"math/rand/v2"
	"net/netip"
	"slices"
	"strings"
	"testing"

	api "github.com/osrg/gobgp/v3/api"
	"github.com/osrg/gobgp/v3/pkg/packet/bgp"
	"google.golang.org/protobuf/proto"

	"github.com/vrfredist/vrfredist/rib"
	"github.com/vrfredist/vrfredist/rib/speaker"
)

// foretold is what a preview says that each neighbour would be told: "+10.0.0.0/8" in addition,
// "-10.0.0.0/8" no more, "~10.0.0.0/8" otherwise.
func (r *running) foretold(t *testing.T, p *speaker.Preview, o speaker.Outcome) map[string][]string {
	t.Helper()
	told, err := p.Told(t.Context(), o, -1)
	if err != nil {
		t.Fatal(err)
	}
	all := make(map[string][]string)
	for _, n := range told {
		if n.Changes() != len(n.First) {
			t.Errorf("%s: %d changes, and %d are listed", n.Neighbor, n.Changes(), len(n.First))
		}
		for _, c := range n.First {
			sign := map[speaker.ChangeKind]string{speaker.Added: "+", speaker.Removed: "-", speaker.Changed: "~"}[c.Kind]
			all[n.Neighbor] = append(all[n.Neighbor], sign+c.Prefix.String())
		}
		slices.Sort(all[n.Neighbor])
	}
	return all
}

// followed are three neighbours with what each has been told.
type followed struct {
	*threeRaw
	*running
	has map[*hostile]map[string]string // terms by prefix
}

func newFollowed(t *testing.T, vrf string) *followed {
	t.Helper()
	return follow3(t, vrf, nil, "65000 65001")
}

// newServed is newFollowed of clients of our route server, which puts no AS of its own into paths.
func newServed(t *testing.T, more ...string) *followed {
	t.Helper()
	client := obj{"route-server-client": true}
	for _, key := range more {
		client[key] = true
	}
	return follow3(t, "", client, "65001")
}

// follow3 begins with p's routes at q and r, who see these ASes.
func follow3(t *testing.T, vrf string, client obj, asPath string) *followed {
	t.Helper()
	x := &followed{threeRaw: &threeRaw{
		t: t, vrf: vrf, client: client, p: newHostile(t, "127.0.0.2", 65001, both()...),
		q: newHostile(t, "127.0.0.3", 65002, both()...), r: newHostile(t, "127.0.0.4", 65009, both()...),
	}, has: make(map[*hostile]map[string]string)}
	x.running = x.start()
	for _, h := range []*hostile{x.p, x.q, x.r} {
		x.has[h] = make(map[string]string)
	}
	for n := range 6 { // of which start has waited
		for _, h := range []*hostile{x.q, x.r} {
			x.has[h][prefix(fmt.Sprintf("10.0.%d.0/24", n)).String()] = asPath
			x.has[h][prefix(fmt.Sprintf("2001:db8:%x::/48", n)).String()] = asPath
		}
	}
	return x
}

// take takes in what neighbours have heard.
func (x *followed) take() {
	for h, has := range x.has {
		h.mu.Lock()
		news := h.news
		h.news = nil
		h.mu.Unlock()
		for _, u := range news {
			terms := ""
			for _, n := range u.WithdrawnRoutes {
				delete(has, n.String())
			}
			for _, a := range u.PathAttributes {
				switch a := a.(type) {
				case *bgp.PathAttributeAsPath:
					terms += bgp.AsPathString(a)
				case *bgp.PathAttributeMultiExitDisc:
					terms += fmt.Sprintf(" MED %d", a.Value)
				case *bgp.PathAttributeCommunities:
					terms += fmt.Sprintf(" %v", a.Value)
				case *bgp.PathAttributeMpUnreachNLRI:
					for _, n := range a.Value {
						delete(has, n.String())
					}
				}
			}
			told := slices.Clone(u.NLRI)
			for _, n := range told {
				has[n.String()] = terms
			}
			for _, a := range u.PathAttributes {
				if a, is := a.(*bgp.PathAttributeMpReachNLRI); is {
					for _, n := range a.Value {
						has[n.String()] = terms
					}
				}
			}
		}
	}
}

// difference says how what a neighbour has differs from what it had, as foretold does.
func difference(was, is map[string]string) (out []string) {
	for p, terms := range is {
		switch before, had := was[p]; {
		case !had:
			out = append(out, "+"+p)
		case before != terms:
			out = append(out, "~"+p)
		}
	}
	for p := range was {
		if _, has := is[p]; !has {
			out = append(out, "-"+p)
		}
	}
	slices.Sort(out)
	return out
}

// comesTrue does something, and waits until neighbours have been told what was foretold. What they
// are told beyond that shows in the next step. It returns how many changes there were.
func (x *followed) comesTrue(when string, told map[string][]string, do func()) (n int) {
	x.t.Helper()
	before := make(map[*hostile]map[string]string)
	for h, has := range x.has {
		before[h] = maps.Clone(has)
	}
	x.take()
	for h, has := range x.has {
		if d := difference(before[h], has); len(d) > 0 {
			x.t.Errorf("before %s: %s was told more than was foretold: %q", when, h.addr, d)
			before[h] = maps.Clone(has)
		}
	}
	do()
	for h := range x.has {
		got := []string{}
		defer func() {
			if x.t.Failed() {
				x.t.Logf("%s: %s was told %q, foretold was %q", when, h.addr, got, told[h.addr])
			}
		}()
		eventually(x.t, fmt.Sprintf("%s: %s is told %q", when, h.addr, told[h.addr]), func() bool {
			x.take()
			got = difference(before[h], x.has[h])
			return slices.Equal(got, told[h.addr])
		})
		n += len(told[h.addr])
	}
	return n
}

// reloads holds what a preview says against what comes of a reload, for neighbours and for VRFs.
func (x *followed) reloads(when string, next obj) int {
	x.t.Helper()
	p := x.previewed(x.t, next)
	told := x.foretold(x.t, p, speaker.Outcome{})
	paths, err := p.Paths(x.t.Context(), nil)
	if err != nil {
		x.t.Fatal(err)
	}
	want := make(map[string]string)
	for name, of := range paths {
		want[name] = lines(of)
	}
	if again := x.foretold(x.t, x.previewed(x.t, next), speaker.Outcome{}); fmt.Sprint(again) != fmt.Sprint(told) {
		x.t.Errorf("%s: foretold twice: %v and %v", when, told, again)
	}
	n := x.comesTrue(when, told, func() { x.reload(x.t, next) })
	for name, has := range want {
		eventually(x.t, fmt.Sprintf("%s: the paths of %s are\n%s", when, name, has), func() bool { return lines(x.feed(x.t, name)) == has })
	}
	return n
}

func (r *running) previewed(t *testing.T, c obj) *speaker.Preview {
	t.Helper()
	p, err := r.Preview(toJSON(t, c), rib.Extras{})
	if err != nil {
		t.Fatal(err)
	}
	return p
}

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
