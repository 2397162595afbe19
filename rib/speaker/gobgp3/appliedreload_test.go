package gobgp3

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/vrfredist/vrfredist/rib"
	"github.com/vrfredist/vrfredist/rib/speaker"
	"github.com/vrfredist/vrfredist/rib/speaker/gobgp3/reload"
)

// threeRaw are neighbours of one VRF, or of none, that say what they hear: routes come from
// p, and go to q and r.
type threeRaw struct {
	t       *testing.T
	vrf     string
	p, q, r *hostile
	client  obj // what makes each a client of our route server; nil: they are none
}

// conf is a configuration in which p, r and all have policies, or not.
func (x *threeRaw) conf(global, ofP, ofR obj) obj {
	var all []any
	for _, n := range []struct {
		h       *hostile
		applied obj
	}{{x.p, ofP}, {x.q, nil}, {x.r, ofR}} {
		c := n.h.conf("ipv4-unicast", "ipv6-unicast")
		if n.applied != nil {
			c["apply-policy"] = obj{"config": n.applied}
		}
		if x.vrf != "" {
			inVRF(c, x.vrf)
		}
		if x.client != nil {
			c["route-server"] = obj{"config": x.client}
		}
		all = append(all, c)
	}
	c := baseConf([]any{vrfConf("red", "65000:1", []string{"65000:1"}, []string{"65000:1"})}, all)
	c["defined-sets"], c["policy-definitions"] = rejecting(map[string][2]string{"no1": {"10.0.1.0/24", "2001:db8:1::/48"}, "no2": {"10.0.2.0/24", "2001:db8:2::/48"}})
	if global != nil {
		c["global"].(obj)["apply-policy"] = obj{"config": global}
	}
	return c
}

// start brings all up, and has p send some routes.
func (x *threeRaw) start() *running {
	x.t.Helper()
	s := run(x.t, Options{Config: toJSON(x.t, x.conf(nil, nil, nil))})
	eventually(x.t, "all are up", func() bool { return x.p.isUp() && x.q.isUp() && x.r.isUp() })
	const routes = 6
	var all []string
	for _, v6 := range []bool{false, true} {
		x.p.send(x.p.some(v6, false, 0, routes)...)
		for n := range routes {
			format := map[bool]string{false: "10.0.%d.0/24", true: "2001:db8:%x::/48"}[v6]
			all = append(all, "+"+prefix(fmt.Sprintf(format, n)).String())
		}
	}
	x.hears("at the start", x.q, all...)
	x.hears("at the start", x.r, all...)
	return s
}

// hears waits until as many changes have come to a neighbour as are wanted; one too many
// shows in the next ones.
func (x *threeRaw) hears(when string, by *hostile, want ...string) {
	x.t.Helper()
	slices.Sort(want)
	var got []string
	eventually(x.t, when+": "+by.addr+" hears "+fmt.Sprint(want), func() bool {
		for _, lines := range by.heard() {
			for _, l := range lines {
				sign, of, _ := strings.Cut(l, " of ")
				got = append(got, sign[:1]+of)
			}
		}
		return len(got) >= len(want)
	})
	slices.Sort(got)
	if !slices.Equal(got, want) {
		x.t.Errorf("%s: %s hears %q, want %q", when, by.addr, got, want)
	}
}

// TestOnlyTheDifferenceIsSent: of a reload that changes policies a neighbour hears what it
// changes for it, and who is not concerned nothing.
func TestOnlyTheDifferenceIsSent(t *testing.T) {
	for _, vrf := range []string{"", "red"} {
		t.Run(vrf, func(t *testing.T) {
			x := &threeRaw{
				t: t, vrf: vrf, p: newHostile(t, "127.0.0.2", 65001, both()...),
				q: newHostile(t, "127.0.0.3", 65002, both()...), r: newHostile(t, "127.0.0.4", 65009, both()...),
			}
			s := x.start()
			in, out := obj{"import-policy-list": []string{"no1"}}, obj{"export-policy-list": []string{"no2"}}
			for range 2 {
				s.reload(t, x.conf(nil, in, nil))
				x.hears("p's is not taken", x.q, "-10.0.1.0/24", "-2001:db8:1::/48")
				x.hears("p's is not taken", x.r, "-10.0.1.0/24", "-2001:db8:1::/48")
				s.reload(t, x.conf(nil, in, out))
				x.hears("r is not told", x.r, "-10.0.2.0/24", "-2001:db8:2::/48")
				s.reload(t, x.conf(obj{"export-policy-list": []string{"no2"}}, in, out))
				x.hears("nobody is told", x.q, "-10.0.2.0/24", "-2001:db8:2::/48")
				s.reload(t, x.conf(nil, nil, nil))
				all := []string{"+10.0.1.0/24", "+2001:db8:1::/48", "+10.0.2.0/24", "+2001:db8:2::/48"}
				x.hears("no policies", x.q, all...)
				x.hears("no policies", x.r, all...)
			}
			// What was on its way to those who were to hear nothing is before this.
			x.p.send(x.p.some(false, true, 0, 1)...)
			for _, by := range []*hostile{x.q, x.r} {
				x.hears("a withdrawal", by, "-10.0.0.0/24")
			}
			if n := x.p.sessions() + x.q.sessions() + x.r.sessions(); n != 3 {
				t.Errorf("%d sessions", n)
			}
		})
	}
}

// TestPoliciesRollBack: of a reload that fails when its policies are in force nothing is
// left: what came meanwhile is judged by those of before, and neighbours have what they had.
func TestPoliciesRollBack(t *testing.T) {
	x := &threeRaw{
		t: t, vrf: "red", p: newHostile(t, "127.0.0.2", 65001, both()...),
		q: newHostile(t, "127.0.0.3", 65002, both()...), r: newHostile(t, "127.0.0.4", 65009, both()...),
	}
	s := x.start()
	request, err := reload.VRFRequest(readVRF(t, "blue", "65000:77"))
	if err != nil {
		t.Fatal(err)
	}
	if err := s.server().AddVrf(t.Context(), request); err != nil { // so that the file's cannot be added
		t.Fatal(err)
	}
	next := x.conf(obj{"import-policy-list": []string{"no2"}}, obj{"import-policy-list": []string{"no1"}}, obj{"default-export-policy": "reject-route"})
	next["vrfs"] = append(next["vrfs"].([]any), vrfConf("blue", "65000:2", nil, nil))
	for range 2 {
		if _, err := s.Reload(t.Context(), toJSON(t, next), rib.Extras{}); err == nil || !strings.Contains(err.Error(), `"blue"`) {
			t.Fatalf("error %v: want one about VRF blue", err)
		}
	}
	for n := range 6 {
		s.await(t, "red", fmt.Sprintf("10.0.%d.0/24", n), count(1))
	}
	x.p.send(x.p.some(false, true, 0, 1)...)
	for _, by := range []*hostile{x.q, x.r} {
		x.hears("a withdrawal, and nothing before", by, "-10.0.0.0/24")
	}
	if d := s.Drift(); len(d) > 0 {
		t.Errorf("BGP is otherwise than it was: %v", d)
	}
}

// TestLocalRoutesAreRejudged: what VRFs announce is judged by the global policies, and by
// those of a reload when it returns.
func TestLocalRoutesAreRejudged(t *testing.T) {
	q := newPeer(t, "127.0.0.3", 65002, allFamilies...)
	conf := func(global obj) obj {
		c := baseConf([]any{vrfConf("red", "65000:1", []string{"65000:1"}, []string{"65000:1"})}, []any{neighborConf(q.addr, 65002, q.port, allFamilies...)})
		c["defined-sets"], c["policy-definitions"] = rejecting(map[string][2]string{"no1": {"10.1.0.0/24", "2001:db8:1::/48"}})
		if global != nil {
			c["global"].(obj)["apply-policy"] = obj{"config": global}
		}
		return c
	}
	s := run(t, Options{Config: toJSON(t, conf(nil))})
	for _, vrf := range []string{speaker.Default, "red"} {
		for _, p := range []string{"10.1.0.0/24", "10.2.0.0/24", "2001:db8:1::/48", "2001:db8:2::/48"} {
			s.announce(t, vrf, change(p, 1))
		}
	}
	holds := func(when string, want int) {
		t.Helper()
		for _, rd := range []uint32{0, 1} {
			for p, n := range map[string]int{"10.1.0.0/24": want, "10.2.0.0/24": 1, "2001:db8:1::/48": want, "2001:db8:2::/48": 1} {
				eventually(t, fmt.Sprintf("%s: RD %d, %s: %d", when, rd, p, n), func() bool { return len(q.has(p, rd)) == n })
			}
		}
		for _, vrf := range []string{speaker.Default, "red"} {
			s.await(t, vrf, "10.1.0.0/24", count(want))
			if got := announcedPrefixes(s, vrf); len(got) != 4 {
				t.Errorf("%s: %s announces %q", when, vrf, got)
			}
		}
	}
	holds("without policies", 1)
	for range 2 {
		s.reload(t, conf(obj{"import-policy-list": []string{"no1"}}))
		holds("with an import policy", 0)
		s.reload(t, conf(obj{"export-policy-list": []string{"no1"}}))
		for _, vrf := range []string{speaker.Default, "red"} {
			s.await(t, vrf, "10.1.0.0/24", count(1))
		}
		eventually(t, "an export policy", func() bool { return len(q.has("10.1.0.0/24", 0))+len(q.has("10.1.0.0/24", 1)) == 0 })
		s.reload(t, conf(nil))
		holds("without policies again", 1)
	}
}
