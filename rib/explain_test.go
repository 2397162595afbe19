package rib

import (
	"net/netip"
	"slices"
	"testing"
)

func TestTheFirstStepThatStopsDecides(t *testing.T) {
	var w Walk
	w.Add("a", Passed, "fine")
	w.Add("b", Stopped, "no", "because", "of this")
	w.Add("c", Stopped, "no either")
	if w.StoppedBy != "b" || w.Steps[2].Outcome != Noted || !slices.Equal(w.Steps[1].Details, []string{"because", "of this"}) {
		t.Errorf("%+v", w)
	}
}

// candidate is a path for the tests of words.
func candidate(change func(*Path)) Path {
	p := Path{RD: 1, Age: 100, Attrs: &Attrs{
		Via: &Via{
			Nexthop: netip.MustParseAddr("192.0.2.9"), Peer: netip.MustParseAddr("192.0.2.1"), RouterID: netip.MustParseAddr("192.0.2.1"), PeerAS: 65001,
		}, Tags: &Tags{}, LocalPref: 100, ASPath: []uint32{65001, 65002}, ASPathLen: 2,
	}}
	change(&p)
	return p
}

func TestPathString(t *testing.T) {
	for want, p := range map[string]Path{
		"RD 0:1 from 192.0.2.1 (AS 65001), nexthop 192.0.2.9, local preference 100, MED 0, AS path 65001 65002":               candidate(func(*Path) {}),
		"from 192.0.2.1 (AS 65001), nexthop 192.0.2.9, label 7, local preference 100, MED 3, AS path 65001 65002, LLGR-stale": candidate(func(p *Path) { p.RD, p.Label, p.Attrs.MED, p.Attrs.Stale = 0, 7, 3, true }),
		"RD 0:1 originated here, nexthop 192.0.2.9 and fe80::1, local preference 100, MED 0": candidate(func(p *Path) {
			p.Attrs.Peer, p.Attrs.ASPath, p.Attrs.LinkLocal = netip.Addr{}, nil, netip.MustParseAddr("fe80::1")
		}),
		`RD 0:1 imported from the kernel table of VRF "red"`: candidate(func(p *Path) { p.Attrs.Imported, p.Attrs.Source = true, "red" }),
		"RD 0:1 from 192.0.2.1 (AS 65001), nexthop 192.0.2.9, local preference 0 (GRACEFUL_SHUTDOWN, RFC 8326), MED 0, AS path 65001 65002": candidate(func(p *Path) {
			p.Attrs.LocalPref, p.Attrs.Communities = 0, []Community{CommunityGracefulShutdown}
		}),
		"RD 0:1 from 192.0.2.1 (AS 65001), nexthop 192.0.2.9, local preference 50, MED 0, AS path 65001 65002": candidate(func(p *Path) { // by a policy
			p.Attrs.LocalPref, p.Attrs.Communities = 50, []Community{CommunityGracefulShutdown}
		}),
		"unknown": {},
	} {
		if got := p.String(); got != want {
			t.Errorf("%q\nwant %q", got, want)
		}
	}
}

func TestLongest(t *testing.T) {
	known := []string{"0.0.0.0/0", "10.0.0.0/8", "10.1.0.0/16", "2001:db8::/32"}
	has := func(p netip.Prefix) bool { return slices.Contains(known, p.String()) }
	for addr, want := range map[string]string{
		"10.1.2.3": "10.1.0.0/16", "10.2.2.3": "10.0.0.0/8", "192.0.2.1": "0.0.0.0/0", "2001:db8::1": "2001:db8::/32",
	} {
		if p, ok := Longest(netip.MustParseAddr(addr), has); !ok || p.String() != want {
			t.Errorf("%s: %s, want %s", addr, p, want)
		}
	}
	if p, ok := Longest(netip.MustParseAddr("2001:db9::1"), has); ok || p.String() != "2001:db9::1/128" {
		t.Errorf("none: %s", p)
	}
}

// What is taken is a prefix, whatever is written.
func FuzzParseDestination(f *testing.F) {
	for _, s := range []string{"10.0.0.0/8", "10.1.2.3", "::/0", "::ffff:1.2.3.4/100", "fe80::1%x/64", "/", "1/1"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		p, _, err := ParseDestination(s)
		if err == nil && (!p.IsValid() || p != p.Masked()) {
			t.Errorf("%q became %v", s, p)
		}
	})
}
