package gobgp3

import (
	"context"
	"errors"
	"fmt"
	"testing"

	"github.com/osrg/gobgp/v3/pkg/packet/bgp"

	"github.com/vrfredist/vrfredist/rib/speaker"
)

// TestManyNeighborsAreCountedInFewTurns: a list of neighbours waits for what BGP has to do as often
// as its routes need, and not for each neighbour; one with more routes than may be looked at is
// passed over, and the others are counted.
func TestManyNeighborsAreCountedInFewTurns(t *testing.T) {
	const few, many = 20, 200
	peers := make([]*hostile, few+1)
	neighbors, names := make([]any, few+1), make([]string, few+1)
	sent := func(i int) int { return map[bool]int{true: many, false: 1 + i%3}[i == few] }
	for i := range peers {
		p := newHostile(t, fmt.Sprintf("127.0.0.%d", 10+i), uint16(65001+i))
		peers[i], names[i], neighbors[i] = p, p.addr, p.conf("ipv4-unicast")
	}
	s := run(t, Options{Config: toJSON(t, redAnd(append(neighbors[:few:few], in("red", neighbors[few].(obj)))...))})
	for i, p := range peers {
		eventually(t, "the session is up", p.isUp)
		for n := range sent(i) {
			p.send(offered(fmt.Sprintf("20.%d.0.0", n), []uint16{p.as}))
		}
		eventually(t, "all has come of "+p.addr, func() bool {
			accepted := 0
			if err := s.CountRoutes(t.Context(), []string{p.addr}, 0, func(_, n, _ int) { accepted = n }); err != nil {
				t.Fatal(err)
			}
			return accepted == sent(i)
		})
	}
	c := s.counting(names, few*20)
	turns, got := 0, map[int]int{}
	if err := c.run(t.Context(), func(f func() error) error { turns++; return c.inLoop(f) }, func(i, accepted, _ int) { got[i] = accepted }); err != nil {
		t.Fatal(err)
	}
	if turns > 3 {
		t.Errorf("%d neighbours were counted in %d turns of the loop", len(names), turns)
	}
	for i := range few {
		if got[i] != sent(i) {
			t.Errorf("neighbour %d has %d accepted routes, want %d", i, got[i], sent(i))
		}
	}
	if n, is := got[few]; is {
		t.Errorf("one that has more than may be looked at was counted: %d", n)
	}
}

// TestCountingEnds: who no longer waits has no turns taken for him, and a neighbour that BGP does not
// have is passed over.
func TestCountingEnds(t *testing.T) {
	p := newHostile(t, "127.0.0.2", 65001)
	s := run(t, Options{Config: toJSON(t, baseConf(nil, []any{p.conf("ipv4-unicast")}))})
	eventually(t, "the session is up", p.isUp)
	p.send(bgp.NewBGPUpdateMessage(nil, offered("20.0.0.0", []uint16{p.as}).Body.(*bgp.BGPUpdate).PathAttributes, []*bgp.IPAddrPrefix{
		bgp.NewIPAddrPrefix(16, "20.1.0.0"), bgp.NewIPAddrPrefix(16, "20.2.0.0"),
	}))
	s.await(t, speaker.Default, "20.2.0.0/16", count(1))
	var found [][3]int
	if err := s.CountRoutes(t.Context(), []string{"127.0.0.77", p.addr}, 10, func(i, in, out int) { found = append(found, [3]int{i, in, out}) }); err != nil {
		t.Fatal(err)
	}
	if len(found) != 1 || found[0] != [3]int{1, 2, 0} { // what it sent goes back to nobody
		t.Errorf("counted %v", found)
	}
	ended, cancel := context.WithCancel(t.Context())
	cancel()
	c := s.counting([]string{p.addr}, 0)
	err := c.run(ended, func(func() error) error { t.Error("a turn was taken"); return nil }, func(int, int, int) {})
	if !errors.Is(err, context.Canceled) {
		t.Errorf("counting for nobody: %v", err)
	}
}
