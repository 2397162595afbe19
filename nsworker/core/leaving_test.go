package core

import (
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"github.com/vrfredist/vrfredist/rib"
)

// TestLabelsGoAtTheEnd: labels of VRFs that are no more go before the daemon ends, the others stay.
func TestLabelsGoAtTheEnd(t *testing.T) {
	var f *fakeEntrances
	story(t, func(c *Core, _ *fakeKernel, here *fakeEntrances) {
		f = here
		c.Need("red", inRed, byLabel(100), redInside)
		c.Need("green", rib.Binding{Device: "green"}, byLabel(101), rib.Inside{Device: 12, Table: 1002})
		f.writes()
		c.Drop("red")
		synctest.Wait()
	})
	if got := f.has(); got != "label 101 by 12" || f.closed != 1 {
		t.Errorf("there is %q, closed %d times", got, f.closed)
	}
}

// TestLeftByAnEarlierRun: of a VRF that went while nobody looked its label, its rule and the ends of its
// table go after the grace, unless another has them by now; where the core is not configured any more
// either, that too.
func TestLeftByAnEarlierRun(t *testing.T) {
	story(t, func(c *Core, k *fakeKernel, f *fakeEntrances) {
		f.happens(func() {
			f.put(rib.Entrance{Label: 100, Ifindex: 21, Via: blueInside.Via}, 179)
			f.put(rib.Entrance{Label: 101, Ifindex: 12}, 179)
			f.put(rib.Entrance{Label: 102, Ifindex: 12}, 4)
		})
		c.Need("green", rib.Binding{Device: "green"}, byLabel(101), rib.Inside{Device: 12, Table: 1002})
		is := overLink(100, rib.Binding{Table: 3001})
		c.Leave("blue", inBlue, is, 179)
		c.Leave("olive", rib.Binding{Device: "olive"}, byLabel(101), 179) // its label is green's by now
		c.Leave("black", rib.Binding{Device: "black"}, byLabel(102), 179) // and another program's
		synctest.Wait()
		if !c.Going("blue") || c.Going("green") {
			t.Error("it says that nothing goes, or that all does")
		}
		if got := c.Entrance("green").Why; got != "" {
			t.Errorf("of the VRF that stays it says %q", got)
		}
		time.Sleep(grace)
		synctest.Wait()
		if got, want := f.writes(), "remove label 100 by 21 via 169.254.0.2"; got != want {
			t.Errorf("it wrote %q, want %q", got, want)
		}
		if got, want := f.has(), "label 101 by 12, label 102 by 12 of 4"; got != want {
			t.Errorf("there is %q, want %q", got, want)
		}
		k.mu.Lock()
		slices.Sort(k.made)
		want := []string{"remove rule 500: from all iif vr-blue lookup 3001", "remove unreachable 0.0.0.0/0 in 3001", "remove unreachable ::/0 in 3001"}
		if !slices.Equal(k.made, want) {
			t.Errorf("it did %q, want %q", k.made, want)
		}
		k.mu.Unlock()
		if c.Going("blue") {
			t.Error("it goes still")
		}
	})
}

// TestLeavingWithTheCore: VRFs that go together with [netlink.core] leave nothing there.
func TestLeavingWithTheCore(t *testing.T) {
	story(t, func(c *Core, _ *fakeKernel, f *fakeEntrances) {
		c.Need("red", inRed, byLabel(100), redInside)
		expect(t, c, f, "add label 100 by 11", "label 100 by 11", "")
		c.Configure(Settings{})
		c.Drop("red")
		time.Sleep(grace)
		expect(t, c, f, "remove label 100 by 11", "", "")
	})
}
