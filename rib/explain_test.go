package rib

import (
	"net/netip"
	"slices"
	"strings"
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

// candidate is a path for the tests of the decision process's words.
func candidate(change func(*Path)) Path {
	p := Path{RD: 1, Age: 100, Attrs: &Attrs{
		Via: &Via{
			Nexthop: netip.MustParseAddr("192.0.2.9"), Peer: netip.MustParseAddr("192.0.2.1"), RouterID: netip.MustParseAddr("192.0.2.1"), PeerAS: 65001,
		}, Tags: &Tags{}, LocalPref: 100, ASPath: []uint32{65001, 65002}, ASPathLen: 2,
	}}
	change(&p)
	return p
}

func TestWorseNamesTheStep(t *testing.T) {
	best := candidate(func(*Path) {})
	lowMED := candidate(func(p *Path) { p.Attrs.ASPath = []uint32{65009, 1}; p.Attrs.MED = 5; p.ID = 3 })
	for want, change := range map[string]func(*Path){
		"local preference":    func(p *Path) { p.Attrs.LocalPref = 50 },
		"AS-path length":      func(p *Path) { p.Attrs.ASPathLen = 3 },
		"origin":              func(p *Path) { p.Attrs.Origin = OriginIncomplete },
		"LLGR-stale":          func(p *Path) { p.Attrs.Stale = true },
		"eBGP over iBGP":      func(p *Path) { p.Attrs.IBGP = true },
		"oldest":              func(p *Path) { p.Age = 200 },
		"router ID":           func(p *Path) { p.Attrs.RouterID = netip.MustParseAddr("192.0.2.7") },
		"route distinguisher": func(p *Path) { p.RD = 2 },
		"path ID":             func(p *Path) { p.ID = 2 },
		"":                    func(*Path) {},
		// Not by comparison with the best one, whose neighbouring AS is another.
		"MED": func(p *Path) { p.Attrs.ASPath = []uint32{65009, 2}; p.Attrs.MED = 9; p.Age = 1 },
	} {
		other := candidate(change)
		if got := Worse(best, other, []Path{best, other, lowMED}); got != want {
			t.Errorf("got %q, want %q", got, want)
		}
	}
}

// Whatever Select leaves behind, Worse has a step for, but for equal paths.
func TestWorseFitsSelect(t *testing.T) {
	var all []Path
	for i := range uint32(24) {
		all = append(all, candidate(func(p *Path) {
			p.ID, p.Attrs.MED = i, i%4
			p.Attrs.ASPath = []uint32{65001 + i%3, 9}
			p.Attrs.IBGP = i%5 == 0
			p.Age = int64(100 - i%7)
		}))
	}
	best := Select(nil, all, 1)[0]
	for _, p := range all {
		if p != best && Worse(best, p, all) == "" {
			t.Errorf("no step for %v", p)
		}
	}
}

func TestPathString(t *testing.T) {
	for want, p := range map[string]Path{
		"RD 0:1 from 192.0.2.1 (AS 65001), nexthop 192.0.2.9, local preference 100, MED 0, AS path 65001 65002":               candidate(func(*Path) {}),
		"from 192.0.2.1 (AS 65001), nexthop 192.0.2.9, label 7, local preference 100, MED 3, AS path 65001 65002, LLGR-stale": candidate(func(p *Path) { p.RD, p.Label, p.Attrs.MED, p.Attrs.Stale = 0, 7, 3, true }),
		"RD 0:1 originated here, nexthop 192.0.2.9 and fe80::1, local preference 100, MED 0": candidate(func(p *Path) {
			p.Attrs.Peer, p.Attrs.ASPath, p.Attrs.LinkLocal = netip.Addr{}, nil, netip.MustParseAddr("fe80::1")
		}),
		`RD 0:1 imported from the kernel table of VRF "red"`: candidate(func(p *Path) { p.Attrs.Imported, p.Attrs.Source = true, "red" }),
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

func TestRejectNamesAForeignInterface(t *testing.T) {
	p := ImportPolicy{Enabled: true, Interfaces: []string{"*"}}
	v := View{Where: Where{Table: 1001, Device: 5}, Links: Links{2: {Index: 2, Name: "eth0", Up: true}}}
	r := Route{Prefix: netip.MustParsePrefix("10.0.0.0/8"), Kind: KindUnicast, Protocol: ProtoStatic, Hops: []Hop{{Ifindex: 2}}}
	if got := p.Reject(r, v, ProtoOwn); !strings.Contains(got, "eth0 does not belong") {
		t.Errorf("%q", got)
	}
	v.Where = Where{Table: 1001}
	if got := p.Reject(r, v, ProtoOwn); got != "" {
		t.Errorf("%q", got)
	}
}

// What is taken is a prefix, whatever is written.
func FuzzParseTarget(f *testing.F) {
	for _, s := range []string{"10.0.0.0/8", "10.1.2.3", "::/0", "::ffff:1.2.3.4/100", "fe80::1%x/64", "/", "1/1"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		p, _, err := ParseTarget(s)
		if err == nil && (!p.IsValid() || p != p.Masked()) {
			t.Errorf("%q became %v", s, p)
		}
	})
}
