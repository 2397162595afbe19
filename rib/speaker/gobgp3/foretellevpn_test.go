package gobgp3

import (
	"net/netip"
	"slices"
	"strings"
	"testing"

	"github.com/osrg/gobgp/v3/pkg/packet/bgp"

	"github.com/vrfredist/vrfredist/rib"
	"github.com/vrfredist/vrfredist/rib/speaker"
)

// foresees is what each neighbour would be told otherwise under another configuration.
func (x *carrying) foresees(extras rib.Extras, o speaker.Outcome) map[string][]string {
	x.t.Helper()
	p, err := x.Preview(toJSON(x.t, x.conf), extras)
	if err != nil {
		x.t.Fatal(err)
	}
	return x.foretold(x.t, p, o)
}

// signed are prefixes with a sign, twice where they are told by EVPN and as VPN routes.
func signed(signs ...string) (list []string) {
	for _, s := range signs {
		for _, pfx := range slices.Concat(customersPrefixes, ownPrefixes) {
			list = append(list, s+pfx)
		}
	}
	slices.Sort(list)
	return list
}

// TestForetoldByEVPN: a plan knows what goes out of a VRF by EVPN: where it comes to be carried so,
// otherwise, and no more; of both families, to PEs of this AS and of others; and what the reload
// does then is that.
func TestForetoldByEVPN(t *testing.T) {
	x := newCarrying(t, rib.Extras{})
	x.announceAll()
	awaitAll := func(when string, evpn, vpn int) {
		t.Helper()
		for _, pfx := range slices.Concat(customersPrefixes, ownPrefixes) {
			for _, p := range []*peer{x.pe, x.abroad} {
				eventually(t, when+": "+p.addr+" has "+pfx, func() bool { return len(p.fives(pfx)) == evpn && len(p.has(pfx, 1)) == vpn })
			}
		}
	}
	awaitAll("to begin with", 0, 1)
	other := redCarried
	other.VNI = 200
	for _, step := range []struct {
		name      string
		extras    rib.Extras
		want      []string
		evpn, vpn int
	}{
		{"it is the same", rib.Extras{}, nil, 0, 1},
		{"it comes to be carried", carriedBy(redCarried), signed("+", "-"), 1, 0},
		{"it stays so", carriedBy(redCarried), nil, 1, 0},
		{"by another VNI", carriedBy(other), signed("~"), 1, 0},
		{"it is carried no more", rib.Extras{}, signed("+", "-"), 0, 1},
	} {
		told := x.foresees(step.extras, speaker.Outcome{})
		for _, p := range []*peer{x.pe, x.abroad} {
			if got := told[p.addr]; !slices.Equal(got, step.want) {
				t.Errorf("%s: %s would be told %q, want %q", step.name, p.addr, got, step.want)
			}
			delete(told, p.addr)
		}
		if len(told) > 0 {
			t.Errorf("%s: others would be told %q", step.name, told)
		}
		x.reloadAs(step.extras)
		awaitAll(step.name, step.evpn, step.vpn)
	}
}

// TestForetoldAnnouncementsByEVPN: what a VRF that is carried would announce otherwise, without the
// tables being read; of one that can take no packets nobody would be told.
func TestForetoldAnnouncementsByEVPN(t *testing.T) {
	x := newCarrying(t, carriedBy(redCarried))
	x.announceAll()
	eventually(t, "the PE has red's own", func() bool { return len(x.pe.fives(ownPrefixes[0])) == 1 && len(x.pe.fives(ownPrefixes[1])) == 1 })
	fresh := netip.MustParsePrefix("10.8.0.0/16")
	changes := map[netip.Prefix]*rib.Announcement{
		fresh: {Prefix: fresh, MED: 1}, prefix(ownPrefixes[0]): nil, prefix(ownPrefixes[1]): {Prefix: prefix(ownPrefixes[1]), MED: 99},
	}
	o := speaker.Outcome{Announcing: speaker.Announcing{"red": changes}}
	want := []string{"+" + fresh.String(), "-" + ownPrefixes[0], "~" + ownPrefixes[1]}
	if got := x.foresees(carriedBy(redCarried), o)[x.pe.addr]; !slices.Equal(got, want) {
		t.Errorf("the PE would be told %q, want %q", got, want)
	}
	x.Takes("red", rib.Carried{}, func() {})
	eventually(t, "the PE has nothing of red", func() bool { return len(x.pe.fives(ownPrefixes[1])) == 0 })
	if got := x.foresees(carriedBy(redCarried), o)[x.pe.addr]; len(got) > 0 {
		t.Errorf("of a VRF that takes no packets the PE would be told %q", got)
	}
}

// TestForeseenEVPN: a VRF that a plan adds has what other routers sent by EVPN with its targets, of
// both families; what this router tells by EVPN is no candidate, nor what leads nowhere.
func TestForeseenEVPN(t *testing.T) {
	x := newCarrying(t, carriedBy(redCarried))
	x.announceAll()
	for i, pfx := range []string{"10.6.0.0/16", "2001:db8:6::/48"} {
		x.pe.announceFive(fiveSpec{prefix: pfx, vni: 300, mac: "02:00:00:00:02:01", encap: bgp.TUNNEL_TYPE_VXLAN, rts: []uint32{1}})
		x.await(t, "red", pfx, count(1))
		eventually(t, "what red tells is in the table", func() bool { return len(x.pe.fives(ownPrefixes[i])) == 1 })
	}
	x.conf["vrfs"] = append(slices.Clone(x.conf["vrfs"].([]any)), vrfConf("green", "65000:3", []string{"65000:1"}, []string{"65000:3"}))
	p, err := x.Preview(toJSON(t, x.conf), carriedBy(redCarried))
	if err != nil {
		t.Fatal(err)
	}
	all, err := p.Paths(t.Context(), nil)
	if err != nil {
		t.Fatal(err)
	}
	for _, pfx := range []string{"10.6.0.0/16", "2001:db8:6::/48"} {
		got := all["green"].Lookup(prefix(pfx))
		if len(got) != 1 || got[0].Attrs.Carrier != rib.ByEVPN || got[0].Label != 300 || got[0].ID&speaker.ByEVPN == 0 {
			t.Errorf("green would have of %s %+v", pfx, got)
		}
	}
	for _, pfx := range ownPrefixes {
		if got := all["green"].Lookup(prefix(pfx)); len(got) != 1 || got[0].Attrs.Carrier == rib.ByEVPN {
			t.Errorf("green would have of %s, which red announces, %+v", pfx, got)
		}
	}
}

// TestTellingByEVPN: explain has who is told by EVPN of what goes out of a VRF, by which rule of
// bgp.send, and who is not; a neighbour without EVPN is told nothing.
func TestTellingByEVPN(t *testing.T) {
	x := newGoingOut(t, evpnFamilies...)
	c := x.read("reject", obj{"name": "mine", "prefixes": customersPrefixes, "action": "accept"})
	c.Extras.Carried = map[string]rib.Carried{"red": redCarried}
	s := run(t, Options{Config: c.BGP, Extras: c.Extras})
	for i, pfx := range customersPrefixes {
		x.customer.announce(spec{prefix: pfx})
		s.announce(t, "red", change(ownPrefixes[i], 5))
		eventually(t, "the PE has "+pfx, func() bool { return len(x.pe.fives(pfx)) == 1 })
		eventually(t, "the customer has red's own", func() bool { return len(x.customer.has(ownPrefixes[i], 0)) == 1 })
		for pfx, want := range map[string][]string{
			pfx:            {`out true by policy "to-pe", rule 1 (mine) then []`, "127.0.0.2 in default by EVPN: true by", "nexthop 10.255.0.1 AS path 65003", "127.0.0.4 in red: false by the path is its own"},
			ownPrefixes[i]: {`out false by the default of policy "to-pe" then []`, "127.0.0.4 in red: true by"},
		} {
			got := s.tellings(t, "red", pfx)
			for _, w := range want {
				if !strings.Contains(got, w) {
					t.Errorf("of %s it says\n%s\nand not %q", pfx, got, w)
				}
			}
			if strings.Contains(got, ruleName) || strings.Contains(got, "127.0.0.2 in default: ") {
				t.Errorf("of %s it says\n%s", pfx, got)
			}
		}
		told, err := s.Telling("red", prefix(pfx))
		if err != nil {
			t.Fatal(err)
		}
		for _, h := range told.Hearers {
			if h.EVPN && (!h.Path.Attrs.Peer.IsValid() || h.Path.Attrs.Imported) {
				t.Errorf("the customer's path is shown as %+v", h.Path.Attrs.Via)
			}
		}
	}
}

// TestForetoldScreen: a plan knows what the neighbours of a VRF hear when a policy comes to judge
// what others have for it, and when it goes.
func TestForetoldScreen(t *testing.T) {
	x := newScreening(t)
	text := x.text
	theirs := []string{"10.1.0.0/16", "2001:db8:1::/48"}
	for _, pfx := range theirs {
		x.pe.announce(spec{prefix: pfx, rd: 7, rts: []uint32{9}})
		x.await(t, "red", pfx, count(1))
		x.hears("of a VRF without a policy", x.other, pfx, true)
	}
	x.announce(t, "red", passed(theirs[0], 65010))
	x.hears("it is passed on", x.customer, theirs[0], true)
	for _, step := range []struct {
		name   string
		extras rib.Extras
		of     map[string]rib.Advertising
		want   []string
	}{
		{"it stays", rib.Extras{Screened: []string{"red"}}, screened("red"), nil},
		{"the policy goes", rib.Extras{}, nil, []string{"+" + theirs[0], "+" + theirs[1]}}, // of the first by another path too
	} {
		p, err := x.Preview(text, step.extras)
		if err != nil {
			t.Fatal(err)
		}
		told := x.foretold(t, p, speaker.Outcome{Advertising: step.of})
		if got := told[x.customer.addr]; !slices.Equal(got, step.want) {
			t.Errorf("%s: the customer would be told %q, want %q", step.name, got, step.want)
		}
		if got := told[x.site.addr]; len(got) > 0 { // the PE is of its AS
			t.Errorf("%s: the other site would be told %q", step.name, got)
		}
		if got := told[x.other.addr]; len(got) > 0 {
			t.Errorf("%s: blue's neighbour would be told %q", step.name, got)
		}
	}
	x.withholding(t, nil)
	if _, err := x.Reload(t.Context(), text, rib.Extras{}); err != nil {
		t.Fatal(err)
	}
	x.hears("the policy is gone", x.customer, theirs[1], true)
	p, err := x.Preview(text, rib.Extras{Screened: []string{"red"}})
	if err != nil {
		t.Fatal(err)
	}
	told := x.foretold(t, p, speaker.Outcome{Advertising: screened("red")})
	if got := told[x.customer.addr]; !slices.Equal(got, []string{"-" + theirs[0], "-" + theirs[1]}) || len(told[x.other.addr]) > 0 {
		t.Errorf("the policy comes: the customer would be told %q", got)
	}
}
