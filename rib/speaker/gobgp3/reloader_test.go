package gobgp3

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"testing"

	api "github.com/osrg/gobgp/v3/api"
	"github.com/osrg/gobgp/v3/pkg/config/oc"

	"github.com/vrfredist/vrfredist/rib"
	"github.com/vrfredist/vrfredist/rib/speaker"
	"github.com/vrfredist/vrfredist/rib/speaker/gobgp3/reload"
)

func (r *running) reload(t testing.TB, conf obj) []string {
	t.Helper()
	changes, err := r.Reload(context.Background(), toJSON(t, conf), rib.Extras{})
	if err != nil {
		t.Fatal(err)
	}
	return changes
}

func drain(f *rib.Feed) {
	for len(f.Take(nil, 1000)) > 0 {
	}
}

// established tells how long, in GoBGP's seconds, a session is up; 0: it is not.
func (r *running) established(t testing.TB, addr string) int64 {
	t.Helper()
	var up int64
	err := r.server().ListPeer(context.Background(), &api.ListPeerRequest{Address: addr}, func(p *api.Peer) {
		if p.State.SessionState == api.PeerState_ESTABLISHED {
			up = p.Timers.State.Uptime.GetSeconds()
		}
	})
	if err != nil {
		t.Fatal(err)
	}
	return up
}

// reloaded is a speaker with two routers, of which it has one as a neighbour.
type reloaded struct {
	*running
	p, q    *peer
	np, nq  obj // their sections
	red     obj // the section of the one VRF at the start
	blue    obj
	redFeed *rib.Feed
	since   int64 // of the session with p
}

func newReloaded(t *testing.T) *reloaded {
	t.Helper()
	r := &reloaded{
		p:    newPeer(t, "127.0.0.2", 65001, allFamilies...),
		q:    newPeer(t, "127.0.0.3", 65002, allFamilies...),
		red:  vrfConf("red", "65000:1", []string{"65000:1"}, []string{"65000:1"}),
		blue: vrfConf("blue", "65000:2", []string{"65000:2"}, []string{"65000:2"}),
	}
	r.np = neighborConf(r.p.addr, 65001, r.p.port, allFamilies...)
	r.nq = neighborConf(r.q.addr, 65002, r.q.port, allFamilies...)
	r.running = run(t, Options{Config: toJSON(t, baseConf([]any{r.red}, []any{r.np}))})
	for _, route := range []spec{
		{prefix: "10.1.0.0/16"},
		{prefix: "10.1.0.0/16", rd: 1, rts: []uint32{1}},
		{prefix: "10.2.0.0/16", rd: 2, rts: []uint32{2}},
		{prefix: "10.3.0.0/16", rd: 3, rts: []uint32{3}},
	} {
		r.p.announce(route)
	}
	r.announce(t, "red", change("10.9.0.0/16", 9))
	r.await(t, "red", "10.1.0.0/16", count(1))
	r.await(t, speaker.Default, "10.1.0.0/16", count(1))
	r.await(t, "red", "10.9.0.0/16", count(1))
	eventually(t, "the peer has the announcement", func() bool { return len(r.p.has("10.9.0.0/16", 1)) == 1 })
	r.redFeed = r.feed(t, "red")
	eventually(t, "the feed converges", func() bool { return converged(r.redFeed) })
	r.since = r.established(t, r.p.addr)
	return r
}

// TestReload goes through a day of changes, and looks at the end whether the
// session of a neighbour that did not change is still the same.
func TestReload(t *testing.T) {
	r := newReloaded(t)
	t.Run("nothing changed", func(t *testing.T) {
		if changes := r.reload(t, baseConf([]any{r.red}, []any{r.np})); len(changes) != 0 {
			t.Errorf("changes: %q", changes)
		}
	})
	t.Run("a VRF and a neighbour added", r.additions)
	t.Run("other import RTs", r.otherRTs)
	t.Run("another RD", r.otherRD)
	t.Run("a neighbour removed", func(t *testing.T) {
		r.reload(t, baseConf([]any{r.red, r.blue}, []any{r.np}))
		r.await(t, "red", "10.4.0.0/16", count(0))
		r.await(t, "blue", "10.4.0.0/16", count(0))
	})
	t.Run("a VRF removed", r.removal)
	if now := r.established(t, r.p.addr); now != r.since {
		t.Errorf("the session of a neighbour that did not change is up since %d, was %d", now, r.since)
	}
}

func (r *reloaded) additions(t *testing.T) {
	drain(r.redFeed)
	changes := r.reload(t, baseConf([]any{r.red, r.blue}, []any{r.np, r.nq}))
	if text := strings.Join(changes, "\n"); len(changes) != 2 || !strings.Contains(text, "VRF blue") || !strings.Contains(text, "neighbour 127.0.0.3 added") {
		t.Errorf("changes: %q", changes)
	}
	r.await(t, "blue", "10.2.0.0/16", count(1))
	eventually(t, "the new neighbour is up", func() bool { return r.established(t, r.q.addr) != 0 })
	r.q.announce(spec{prefix: "10.4.0.0/16", rd: 4, rts: []uint32{1, 2}})
	r.await(t, "red", "10.4.0.0/16", count(1))
	r.await(t, "blue", "10.4.0.0/16", count(1))
	for _, e := range r.redFeed.Take(nil, 100) {
		if e.Prefix != prefix("10.4.0.0/16") {
			t.Errorf("%s was disturbed in VRF red", e.Prefix)
		}
	}
}

func (r *reloaded) otherRTs(t *testing.T) {
	r.red = vrfConf("red", "65000:1", []string{"65000:3"}, []string{"65000:1"})
	r.reload(t, baseConf([]any{r.red, r.blue}, []any{r.np, r.nq}))
	r.await(t, "red", "10.3.0.0/16", count(1))
	r.await(t, "red", "10.1.0.0/16", count(0))
	r.await(t, "red", "10.4.0.0/16", count(0))
	r.await(t, "red", "10.9.0.0/16", count(0)) // its own RT is no import RT now
	if r.feed(t, "red") != r.redFeed {
		t.Error("the VRF has another feed")
	}
	eventually(t, "the announcement is there again", func() bool { return len(r.p.has("10.9.0.0/16", 1)) == 1 })
}

func (r *reloaded) otherRD(t *testing.T) {
	r.red = vrfConf("red", "65000:11", []string{"65000:1"}, []string{"65000:1"})
	r.reload(t, baseConf([]any{r.red, r.blue}, []any{r.np, r.nq}))
	eventually(t, "the announcement moves", func() bool {
		return len(r.p.has("10.9.0.0/16", 1)) == 0 && len(r.p.has("10.9.0.0/16", 11)) == 1
	})
	got := r.await(t, "red", "10.9.0.0/16", func(p []rib.Path) bool { return len(p) == 1 && p[0].RD == rd(t, "65000:11") })[0]
	if !got.Attrs.Imported || got.Attrs.Source != "red" {
		t.Errorf("path %+v, attributes %+v", got, got.Attrs)
	}
	if a := announcedPrefixes(r.running, "red"); !slices.Equal(a, []string{"10.9.0.0/16"}) {
		t.Errorf("announced: %q", a)
	}
}

func (r *reloaded) removal(t *testing.T) {
	r.reload(t, baseConf([]any{r.blue}, []any{r.np}))
	if _, err := r.Feed("red"); err == nil {
		t.Error("the VRF has a feed")
	}
	if n, _ := r.redFeed.Len(); n != 0 {
		t.Errorf("%d prefixes in the feed of the VRF that has gone", n)
	}
	eventually(t, "its announcement is withdrawn", func() bool { return len(r.p.has("10.9.0.0/16", 11)) == 0 })
	if a := announcedPrefixes(r.running, "red"); len(a) != 0 {
		t.Errorf("announced: %q", a)
	}
	if v := r.VRFs(); len(v) != 1 || v[0].Name != "blue" {
		t.Errorf("VRFs: %+v", v)
	}
	r.await(t, "blue", "10.2.0.0/16", count(1))
}

// TestReloadUnderLoad: whatever happens at the same time, the feeds are exact in
// the end.
func TestReloadUnderLoad(t *testing.T) {
	red := vrfConf("red", "65000:1", []string{"65000:1"}, []string{"65000:1"})
	blue := vrfConf("blue", "65000:2", []string{"65000:1"}, nil)
	s := run(t, Options{Config: toJSON(t, baseConf([]any{red}, nil))})
	const prefixes, rounds = 600, 12
	var failed error
	done := make(chan struct{})
	go func() {
		defer close(done)
		for round := range rounds {
			var changes []rib.AnnounceChange
			for i := range prefixes {
				c := change(fmt.Sprintf("10.%d.%d.0/24", i/256, i%256), uint32(round))
				c.Withdraw = (i+round)%3 == 0
				changes = append(changes, c)
			}
			if err := s.Announce(context.Background(), "red", changes); err != nil {
				failed = err
				return
			}
		}
	}()
	for i := 0; ; i++ {
		vrfs := []any{red}
		if i%2 == 0 {
			vrfs = append(vrfs, blue)
		}
		s.reload(t, baseConf(vrfs, nil))
		select {
		case <-done:
		default:
			continue
		}
		break
	}
	if failed != nil {
		t.Fatal(failed)
	}
	s.reload(t, baseConf([]any{red, blue}, nil))
	want := s.Announced("red")
	if len(want) != prefixes*2/3 {
		t.Errorf("%d announced", len(want))
	}
	for _, vrf := range []string{"red", "blue"} {
		f := s.feed(t, vrf)
		eventually(t, "the feed of "+vrf+" is exact", func() bool {
			if n, _ := f.Len(); n != len(want) {
				return false
			}
			for _, a := range want {
				if p := f.Lookup(a.Prefix); len(p) != 1 || p[0].Attrs.MED != a.MED {
					return false
				}
			}
			return true
		})
	}
}

// TestGlobalFamilies: a file that names families of its own without those of
// VRFs; without their tables GoBGP drops the routes, and panics when a VRF goes.
func TestGlobalFamilies(t *testing.T) {
	conf := func(vrfs ...any) obj {
		c := baseConf(vrfs, nil)
		return set(c, []any{obj{"config": obj{"afi-safi-name": "ipv4-unicast"}}}, "global", "afi-safis")
	}
	s := run(t, Options{Config: toJSON(t, conf(vrfConf("red", "65000:1", []string{"65000:1"}, []string{"65000:1"})))})
	s.announce(t, "red", change("10.1.0.0/16", 1), change("2001:db8::/32", 1))
	s.await(t, "red", "10.1.0.0/16", count(1))
	s.await(t, "red", "2001:db8::/32", count(1))
	s.reload(t, conf())
	for _, v := range s.inForce().Set.Vrfs {
		t.Errorf("VRF %s is left", v.Config.Name)
	}
}

func TestReloadRefused(t *testing.T) {
	red := vrfConf("red", "65000:1", []string{"65000:1"}, []string{"65000:1"})
	base := baseConf([]any{red}, nil)
	s := run(t, Options{Config: toJSON(t, base)})
	for name, c := range map[string]struct {
		conf obj
		want string
	}{
		"an error in it": {baseConf([]any{red, vrfConf("x", "70000:1", nil, nil)}, nil), "vrfs[1].config.rd"},
		"another AS": {obj{
			"global": obj{"config": obj{"as": 65009, "router-id": "192.0.2.1", "port": -1}},
			"vrfs":   []any{red, vrfConf("x", "65000:9", nil, nil)},
		}, "global (config.as: 65000 -> 65009) changed"},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := s.Reload(context.Background(), toJSON(t, c.conf), rib.Extras{})
			if err == nil || !strings.Contains(err.Error(), c.want) {
				t.Errorf("error %v: want one about %s", err, c.want)
			}
			if v := s.VRFs(); len(v) != 1 {
				t.Errorf("VRFs: %+v", v)
			}
		})
	}
}

// TestReloadRollsBack: GoBGP refuses the second of three VRFs, because an
// operator has made one of that name; the first goes again, and the third, which
// was to change, is as it was.
func TestReloadRollsBack(t *testing.T) {
	red := vrfConf("red", "65000:1", []string{"65000:1"}, []string{"65000:1"})
	s := run(t, Options{Config: toJSON(t, baseConf([]any{red}, nil))})
	s.announce(t, "red", change("10.9.0.0/16", 9))
	s.await(t, "red", "10.9.0.0/16", count(1))
	ctx := context.Background()
	request, err := reload.VRFRequest(readVRF(t, "blue", "65000:77"))
	if err != nil {
		t.Fatal(err)
	}
	if err := s.server().AddVrf(ctx, request); err != nil {
		t.Fatal(err)
	}
	changed := vrfConf("red", "65000:5", []string{"65000:1"}, []string{"65000:1"})
	next := baseConf([]any{vrfConf("alpha", "65000:3", nil, nil), vrfConf("blue", "65000:2", nil, nil), changed}, nil)
	if _, err := s.Reload(ctx, toJSON(t, next), rib.Extras{}); err == nil || !strings.Contains(err.Error(), `"blue"`) {
		t.Fatalf("error %v: want one about VRF blue", err)
	}
	if v := s.VRFs(); len(v) != 1 || v[0].Name != "red" || v[0].RD != rd(t, "65000:1") {
		t.Errorf("VRFs: %+v", v)
	}
	var names []string
	if err := s.server().ListVrf(ctx, &api.ListVrfRequest{}, func(v *api.Vrf) { names = append(names, v.Name) }); err != nil {
		t.Fatal(err)
	}
	slices.Sort(names)
	if !slices.Equal(names, []string{"blue", "red"}) {
		t.Errorf("GoBGP has the VRFs %q", names)
	}
	if got := s.await(t, "red", "10.9.0.0/16", count(1))[0]; got.RD != rd(t, "65000:1") {
		t.Errorf("announced with RD %x", got.RD)
	}
	if a := announcedPrefixes(s, "red"); !slices.Equal(a, []string{"10.9.0.0/16"}) {
		t.Errorf("announced: %q", a)
	}
}

// TestReloadPolicies: a policy that comes works on routes that are there, and
// one that goes does so although a neighbour names it until then.
func TestReloadPolicies(t *testing.T) {
	p := newPeer(t, "127.0.0.2", 65001, "ipv4-unicast")
	n := neighborConf(p.addr, 65001, p.port, "ipv4-unicast")
	s := run(t, Options{Config: toJSON(t, baseConf(nil, []any{n}))})
	p.announce(spec{prefix: "10.1.0.0/16"})
	p.announce(spec{prefix: "10.2.0.0/16"})
	s.await(t, speaker.Default, "10.1.0.0/16", count(1))
	s.await(t, speaker.Default, "10.2.0.0/16", count(1))
	up := s.established(t, p.addr)

	with := baseConf(nil, []any{n})
	with["defined-sets"] = obj{"prefix-sets": []any{obj{"prefix-set-name": "one", "prefix-list": []any{obj{"ip-prefix": "10.1.0.0/16"}}}}}
	with["policy-definitions"] = []any{obj{"name": "no-one", "statements": []any{obj{
		"name":       "s1",
		"conditions": obj{"match-prefix-set": obj{"prefix-set": "one"}},
		"actions":    obj{"route-disposition": "reject-route"},
	}}}}
	with["global"].(obj)["apply-policy"] = obj{"config": obj{"import-policy-list": []string{"no-one"}, "default-import-policy": "accept-route"}}
	s.reload(t, with)
	s.await(t, speaker.Default, "10.1.0.0/16", count(0))
	s.await(t, speaker.Default, "10.2.0.0/16", count(1))

	s.reload(t, baseConf(nil, []any{n}))
	s.await(t, speaker.Default, "10.1.0.0/16", count(1))
	if now := s.established(t, p.addr); now != up {
		t.Errorf("the session is up since %d, was %d", now, up)
	}
}

// TestVRFNeighbour: what a neighbour in a VRF sends is of that VRF, and goes
// where its export RTs say; its session starts anew when the VRF is made anew.
func TestVRFNeighbour(t *testing.T) {
	p := newPeer(t, "127.0.0.2", 65001, "ipv4-unicast")
	n := neighborConf(p.addr, 65001, p.port, "ipv4-unicast")
	n["config"].(obj)["vrf"] = "red"
	red := vrfConf("red", "65000:1", []string{"65000:1"}, []string{"65000:1"})
	blue := vrfConf("blue", "65000:2", []string{"65000:1"}, []string{"65000:2"})
	s := run(t, Options{Config: toJSON(t, baseConf([]any{red, blue}, []any{n}))})
	p.announce(spec{prefix: "10.1.0.0/16"})
	for _, vrf := range []string{"red", "blue"} {
		a := s.await(t, vrf, "10.1.0.0/16", count(1))[0].Attrs
		if a.Source != "red" || a.Imported || a.PeerAS != 65001 {
			t.Errorf("in VRF %s: %+v", vrf, a)
		}
	}
	eventually(t, "feeds converge", func() bool { return converged(s.feed(t, "red")) && converged(s.feed(t, "blue")) })

	changes := s.reload(t, baseConf([]any{vrfConf("red", "65000:7", []string{"65000:1"}, []string{"65000:1"}), blue}, []any{n}))
	if !slices.ContainsFunc(changes, func(c string) bool { return strings.Contains(c, "restarted with its VRF") }) {
		t.Errorf("changes: %q", changes)
	}
	s.await(t, "blue", "10.1.0.0/16", func(p []rib.Path) bool { return len(p) == 1 && p[0].RD == rd(t, "65000:7") })
}

func readVRF(t testing.TB, name, rd string) oc.Vrf {
	t.Helper()
	c := readConf(t, baseConf([]any{vrfConf(name, rd, nil, nil)}, nil), rib.Extras{})
	return c.Set.Vrfs[0]
}
