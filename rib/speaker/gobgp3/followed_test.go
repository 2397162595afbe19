package gobgp3

import (
	"fmt"
	"maps"
	"slices"
	"testing"

	"github.com/osrg/gobgp/v3/pkg/packet/bgp"

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
