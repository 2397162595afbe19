package nsworker

import (
	"net/netip"
	"strings"
	"testing"

	"github.com/vrfredist/vrfredist/rib"
	"github.com/vrfredist/vrfredist/vrf"
)

// TestExplainTold: what goes out of the VRF, and what each neighbour is told, by the rules of the
// configuration and the neighbours' own addresses; who may know of one VRF alone hears of its
// neighbours alone.
func TestExplainTold(t *testing.T) {
	story(t, func(l *lab, _ *fakeTable) {
		l.start(spec("red"))
		path := bgpPath("10.1.0.0/16", "192.0.2.9")
		l.hear("red", path)
		l.converge("red")
		l.settle()
		l.bgp.tellings = map[netip.Prefix]rib.Telling{path.Prefix: {
			Sent: []rib.SentPath{{Path: path, By: `policy "to-pe", rule 2 (mine)`, Then: []string{`policy "to-pe", rule 1`}}, {Path: path, Out: true}},
			Hearers: []rib.Hearer{
				{Name: "192.0.2.7", VRF: "default", Path: path, By: "its session is not up"},
				{Name: "192.0.2.8", VRF: "default", Path: path, EVPN: true, Told: true, Terms: "nexthop 10.255.0.1"},
				{Name: "10.0.0.2 in netns red", VRF: "red", Path: path, Told: true, Terms: "nexthop 10.0.0.1 AS path 65000", By: `policy "out", rule 1`, Then: []string{`policy "out", rule 1`}},
			},
		}}
		want := []string{
			"bgp.send lets 1 of 2 paths of this VRF out as VPN routes", `kept: policy "to-pe", rule 2 (mine) rejects it`, `changed by policy "to-pe", rule 1`, "goes out: no rule decides it",
			"2 of 3 neighbours are told of it", "192.0.2.8, by EVPN: told, with nexthop 10.255.0.1", "192.0.2.7, as a VPN route: not told: its session is not up",
			"10.0.0.2 in netns red: told, with nexthop 10.0.0.1 AS path 65000", `changed by policy "out", rule 1, accepted by policy "out", rule 1`,
		}
		said := text(l.explained("red", "10.1.0.0/16").Export)
		for _, w := range want {
			if !strings.Contains(said, w) {
				t.Errorf("explain says\n%s\nand not %q", said, w)
			}
		}
		x, err := l.worker("red").Explain(l.t.Context(), rib.Question{Prefix: path.Prefix, Confined: true})
		if err != nil {
			t.Fatal(err)
		}
		if said := text(x.Export); strings.Contains(said, "192.0.2.7") || !strings.Contains(said, "1 of 1 neighbour is told of it") {
			t.Errorf("who may know of red alone hears\n%s", said)
		}
	})
}

// TestExplainCallsNeighborsByTheirAddress: where BGP knows one by an alias.
func TestExplainCallsNeighborsByTheirAddress(t *testing.T) {
	story(t, func(l *lab, _ *fakeTable) {
		alias := netip.MustParseAddr("127.1.0.2")
		l.start(spec("red"))
		path := bgpPath("10.1.0.0/16", "192.0.2.9", func(p *rib.Path) { p.Attrs.Peer = alias })
		l.hear("red", path)
		l.converge("red")
		l.settle()
		if said := text(l.explained("red", "10.1.0.0/16").Export); strings.Contains(said, "127.1.0.2") || !strings.Contains(said, "from 192.0.2.254 (AS") {
			t.Errorf("explain says\n%s", said)
		}
	})
}

// TestRoutesCallNeighborsByTheirAddress: of what is installed, and of what was not taken.
func TestRoutesCallNeighborsByTheirAddress(t *testing.T) {
	story(t, func(l *lab, _ *fakeTable) {
		alias := netip.MustParseAddr("127.1.0.2")
		l.start(spec("red"))
		for _, prefix := range []string{"10.1.0.0/16", "10.2.0.0/16"} {
			l.hear("red", bgpPath(prefix, "192.0.2.9", func(p *rib.Path) { p.Attrs.Peer = alias }))
		}
		l.bgp.refused = []rib.Refusal{{Prefix: netip.MustParsePrefix("10.3.0.0/16"), Neighbour: alias.String(), Reason: "it is a martian"}}
		l.converge("red")
		l.settle()
		n := 0
		if err := l.worker("red").Routes(l.t.Context(), vrf.RouteQuery{Direction: vrf.Export}, func(r rib.RouteStatus) bool {
			n++
			if r.Best.Attrs.Peer != netip.MustParseAddr("192.0.2.254") || strings.Contains(r.Reason, "127.1.0.2") {
				t.Errorf("%s is from %s: %s", r.Prefix, r.Best.Attrs.Peer, r.Reason)
			}
			return true
		}); err != nil || n != 3 {
			t.Errorf("%d routes, %v", n, err)
		}
	})
}
