package faults_test

import (
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"testing"

	"github.com/vrfredist/vrfredist/integration/netns/lab"
	"github.com/vrfredist/vrfredist/integration/netns/raw"
)

// loops are what makes a route of a speaker one that has been here before.
func (g *siege) loops(k *kind) map[string][][]byte {
	s := k.speaker
	by := func(path []byte) [][]byte {
		return [][]byte{
			raw.Update(nil, s.AttrsBy(path), raw.NLRI(s.Prefix)),
			raw.Update(nil, s.AttrsBy(path), raw.NLRI("30.99.0.0/16", s.Prefix, "30.98.0.0/16")),
		}
	}
	list := map[string][][]byte{
		"our own AS":                     by(s.Path(7, memberAS)),
		"the confederation's identifier": by(s.Path(7, confederation, 8)),
		"our own AS, in a set":           by(raw.Segments(append([][]byte{raw.Segment(2, s.AS)}, raw.Segment(1, 7, memberAS))...)),
	}
	if s.Member {
		list["our own AS, in a set"] = by(raw.Segments(raw.Segment(3, s.AS), raw.Segment(1, 7, memberAS)))
		list["our own AS, in the confederation's part"] = by(raw.Segments(raw.Segment(3, s.AS, memberAS), raw.Segment(2, 7)))
	}
	if s.Internal {
		delete(list, "our own AS, in a set")
		list["our originator id"] = [][]byte{s.Announce(s.Prefix, raw.Attr(raw.Optional, 9, 10, 0, 0, 1))}
		list["our cluster id"] = [][]byte{s.Announce(s.Prefix, raw.Attr(raw.Optional, 9, 10, 0, 0, 9), raw.Attr(raw.Optional, 10, 1, 1, 1, 1, 10, 0, 0, 1))}
	}
	return list
}

// A prefix that was in comes back with what says that it went through here already: it
// goes, out of BGP and out of the kernel, and is back when it comes back clean.
func TestFault46LoopsTakeRoutesOut(t *testing.T) {
	g := newSiege(t)
	n := 0
	for _, k := range g.plain() {
		d := k.doors[0]
		s, err := d.open()
		if err != nil {
			t.Fatalf("%s: %v", k.name, err)
		}
		defer s.Close()
		if err := s.Establish(k.speaker.Open()); err != nil {
			t.Fatalf("%s: %v", k.name, err)
		}
		for name, forms := range g.loops(k) {
			for _, bad := range forms {
				g.inAndOut(d, s, name, bad)
				n++
			}
		}
		s.Close()
	}
	g.untouched(t)
	measured(t, "%d loops of %d kinds of neighbours: out of BGP and the kernel, and back in when clean", n, len(g.plain()))
}

func (g *siege) inAndOut(d *door, s *raw.Session, name string, bad []byte) {
	g.T.Helper()
	prefix := d.speaker.Prefix
	vrf := ""
	if d.table == g.there {
		vrf = "red"
	}
	step := func(m []byte, there bool) {
		g.T.Helper()
		if err := s.Send(m); err != nil {
			g.T.Fatalf("%s, %s: %v (%s)", d.kind.name, name, err, s.Ended())
		}
		lab.WaitFor(g.T, fmt.Sprintf("%s, %s: %s is there: %v", d.kind.name, name, prefix, there), limit(), func() string {
			known := g.knows(vrf, prefix)
			if has := d.table.Has(prefix); has != there || known != there {
				return fmt.Sprintf("in the kernel: %v, in BGP: %v %s", has, known, s.Ended())
			}
			return ""
		})
	}
	step(d.speaker.Announce(prefix), true)
	step(bad, false)
	step(d.speaker.Announce(prefix), true)
	step(d.speaker.Withdraw(prefix), false)
}

// knows tells whether GoBGP has a path to a prefix.
func (g *siege) knows(vrf, prefix string) bool {
	g.T.Helper()
	table := []string{"global", "rib"}
	if vrf != "" {
		table = []string{"vrf", vrf, "rib"}
	}
	out, err := g.daemon.GoBGP(append(table, "-a", "ipv4")...)
	if err != nil {
		g.T.Fatalf("gobgp %v: %v: %s", table, err, out)
	}
	return strings.Contains(out, prefix+" ")
}

// What a neighbour's own configuration makes a loop, or does not: a cluster id of its
// own, the AS that we are to it, and how often our own may be in a path.
func TestFault46LoopsByConfiguration(t *testing.T) {
	w := newNetwork(t, 1000)
	section := func(address string, as int, config, more string) string {
		return fmt.Sprintf("[[neighbors]]\n  [neighbors.config]\n    neighbor-address = %q\n    peer-as = %d\n%s  [neighbors.transport.config]\n    passive-mode = true\n%s%s", address, as, config, more, unicast)
	}
	w.up.Address("eth0", "10.0.0.5/24", "10.0.0.6/24", "10.0.0.7/24")
	w.daemon = w.rtr.Daemon(exporting() +
		section("10.0.0.5", 65000, "", "  [neighbors.route-reflector.config]\n    route-reflector-client = true\n    route-reflector-cluster-id = \"9.9.9.9\"\n") +
		section("10.0.0.6", 65300, "    local-as = 65077\n", "") +
		section("10.0.0.7", 65300, "", "  [neighbors.as-path-options.config]\n    allow-own-as = 1\n"))
	w.wait(all(1000), all(routes6))
	hop := netip.MustParseAddr("10.0.1.2")
	for i, tc := range []struct {
		address string
		as      uint32
		path    []uint32
		more    []byte
		loops   bool
	}{
		{"10.0.0.5", 65000, []uint32{7}, raw.Attr(raw.Optional, 10, 9, 9, 9, 9), true},
		{"10.0.0.5", 65000, []uint32{7}, raw.Attr(raw.Optional, 10, 9, 9, 9, 8), false},
		// Of a neighbour in another AS neither means anything (RFC 7606, 7.9 and 7.10).
		{"10.0.0.7", 65300, nil, slices.Concat(raw.Attr(raw.Optional, 9, 10, 0, 0, 1), raw.Attr(raw.Optional, 10, 10, 0, 0, 1)), false},
		{"10.0.0.6", 65300, []uint32{65077}, nil, true},
		{"10.0.0.6", 65300, []uint32{65000}, nil, true},
		{"10.0.0.7", 65300, []uint32{7, 65000}, nil, false},
		{"10.0.0.7", 65300, []uint32{65000, 7, 65000}, nil, true},
	} {
		speaker := raw.Speaker{AS: tc.as, ID: netip.MustParseAddr(tc.address), Nexthop: hop, Prefix: fmt.Sprintf("30.3.%d.0/24", i), Internal: tc.as == 65000}
		d := &door{kind: &kind{speaker: speaker}, enter: w.up.Enter, local: speaker.ID, remote: netip.MustParseAddr("10.0.0.1")}
		s, err := d.open()
		if err != nil {
			t.Fatal(err)
		}
		if err := s.Establish(speaker.Open()); err != nil {
			t.Fatal(err)
		}
		want := append(model(all(1000), all(routes6)), speaker.Prefix+" via 10.0.1.2 dev eth1 metric 20")
		if err := s.Send(speaker.Announce(speaker.Prefix)); err != nil {
			t.Fatal(err)
		}
		w.waitModel(want)
		// A marker says that the other one has been dealt with.
		if err := s.Send(raw.Update(nil, speaker.AttrsBy(speaker.Path(tc.path...), tc.more), raw.NLRI(speaker.Prefix)), speaker.Announce("30.4.0.0/24")); err != nil {
			t.Fatal(err)
		}
		want[len(want)-1] = "30.4.0.0/24 via 10.0.1.2 dev eth1 metric 20"
		if !tc.loops {
			want = append(want, speaker.Prefix+" via 10.0.1.2 dev eth1 metric 20")
		}
		w.waitModel(want)
		s.Close()
		w.wait(all(1000), all(routes6))
	}
	measured(t, "a cluster id and an AS of a neighbour's own, and allow-own-as, decide as they say")
}
