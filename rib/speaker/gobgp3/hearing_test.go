package gobgp3

import (
	"context"
	"errors"
	"net/netip"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/vrfredist/vrfredist/rib"
)

// TestAnotherNumberGoesOut: a reload gives a VRF another label, or SID. Other PEs go on being told of the
// one by which the VRF takes packets, and of the other one once it takes them by that: its routes and its
// customers' are another's in one step, none is ever withdrawn, and no session begins anew. Who said so
// hears when they have been told.
func TestAnotherNumberGoesOut(t *testing.T) {
	label, sid := redMPLS, redSRv6
	label.Label, sid.SRv6.SID = 16011, netip.MustParseAddr("fd00:1:0:1:200::")
	for name, by := range map[string][2]rib.Carried{"MPLS": {redMPLS, label}, "SRv6": {redSRv6, sid}} {
		t.Run(name, func(t *testing.T) {
			x := newLabelled(t, by[0])
			x.allOf("at first", by[0])
			since, lines, lost := x.established(t, x.pe.addr), x.pe.record(), x.pe.loses(t.Context())
			said := func(is rib.Carried) *atomic.Bool {
				told := new(atomic.Bool)
				x.Takes("red", is, func() { told.Store(true) })
				return told
			}
			x.reloadAs(carriedBy(by[1]))
			x.announce(t, "red", change("10.77.0.0/16", 5)) // it comes meanwhile
			x.hasOf("after the reload", x.pe, "10.77.0.0/16", line(by[0], "", ownCommunity, false))
			x.allOf("after the reload", by[0])
			again := said(by[0])
			eventually(t, "that it is as before is heard", again.Load)
			x.allOf("as before", by[0])

			eventually(t, "who said so hears", said(by[1]).Load)
			if by[1].Kind == rib.EncapMPLS {
				x.hasLabel("red", by[1].Label)
			}
			x.allOf("it takes packets by the other", by[1])
			x.hasOf("it takes packets by the other", x.pe, "10.77.0.0/16", line(by[1], "", ownCommunity, false))
			eventually(t, "said again, it is heard at once", said(by[1]).Load)
			for _, got := range lines() {
				ours := strings.HasPrefix(got, "65000:1 ")
				number := strings.Contains(got, "label [16010]") || strings.Contains(got, "label [16011]") || strings.Contains(got, "SID fd00:1:0:1:")
				if ours && !number {
					t.Errorf("once the PE was told %s", got)
				}
			}
			if list := lost.all(); len(list) > 0 {
				t.Errorf("withdrawn were %q", list)
			}
			if x.established(t, x.pe.addr) != since {
				t.Error("the session with the PE began anew")
			}
		})
	}
}

// TestSupersededNumber: who says of a VRF by what it takes packets, and then something else before PEs
// have been told, hears of the second alone, and only when PEs have been told.
func TestSupersededNumber(t *testing.T) {
	o := newOutgoing(newChanges(new(loop)))
	var heard []string
	says := func(by rib.Carried, name string) { o.takes("red", by, func() { heard = append(heard, name) }) }
	turn := func(failed bool, meanwhile func()) {
		due := o.begin()
		meanwhile()
		for name, told := range due {
			if o.did(name, told, failed) {
				told()
			}
		}
		o.turns--
	}
	other := redMPLS
	other.Label = 16011
	for _, step := range []struct {
		do   func()
		want string
	}{
		{func() { says(redMPLS, "one"); says(other, "two") }, ""},
		{func() { turn(true, func() {}) }, ""},
		{func() { turn(false, func() { says(redMPLS, "three") }) }, ""},
		{func() { turn(false, func() { says(redMPLS, "four") }) }, ""},
		{func() { turn(false, func() {}) }, "four"},
		{func() { says(redMPLS, "five") }, "four five"},
		{func() { says(rib.Carried{}, "six") }, "four five"},
		{func() { turn(false, func() {}); says(rib.Carried{}, "seven") }, "four five six seven"},
	} {
		if step.do(); strings.Join(heard, " ") != step.want {
			t.Fatalf("heard was %q, want %q", heard, step.want)
		}
	}
}

// TestAnotherNumberIsToldAgain: where PEs could not be told of another label, they are told the next time,
// though GoBGP has it by then; and once they have been, not again.
func TestAnotherNumberIsToldAgain(t *testing.T) {
	x := newLabelled(t, redMPLS)
	x.allOf("at first", redMPLS)
	other := redMPLS
	other.Label = 16011
	x.reloadAs(carriedBy(other))
	o := x.keeper.out
	x.changing.Lock()
	defer x.changing.Unlock()
	o.mu.Lock()
	o.hears["red"] = other
	o.renew()
	o.mu.Unlock()
	told := 0
	for i, want := range []struct {
		told  int
		fails bool
	}{{1, true}, {2, false}, {2, false}} {
		err := o.listen(t.Context(), "red", func(context.Context, string) error {
			if told++; told == 1 {
				return errors.New("injected")
			}
			return nil
		})
		if told != want.told || (err != nil) != want.fails {
			t.Errorf("after %d times they were told %d times, %v", i+1, told, err)
		}
	}
	x.hasLabel("red", other.Label)
}
