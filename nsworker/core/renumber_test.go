package core

import (
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/vrfredist/vrfredist/rib"
)

// arrives holds what is said of VRF red against what is wanted, and how its packets come in meanwhile.
func arrives(t *testing.T, c *Core, why, meanwhile string, moves bool) {
	t.Helper()
	synctest.Wait()
	by, a := "", c.Entrance("red")
	if a.Meanwhile != (rib.Carried{}) {
		by = a.Meanwhile.Address()
	}
	if !strings.HasPrefix(a.Why, why) || (why == "") != (a.Why == "") || by != meanwhile || a.Moves != moves {
		t.Errorf("of VRF red it says %+v, want %q, by %q meanwhile, moving: %t", a, why, meanwhile, moves)
	}
}

// tell says that other PEs send to VRF red by a label.
func tell(c *Core, label uint32) {
	is := byLabel(label)
	c.Told("red", is.Carried())
	synctest.Wait()
}

// TestRenumbered: another label is added beside the one that a VRF has, which goes a while after other
// PEs have been told of the new one, and not before.
func TestRenumbered(t *testing.T) {
	story(t, func(c *Core, _ *fakeKernel, f *fakeEntrances) {
		c.Need("red", inRed, byLabel(100), redInside)
		tell(c, 100)
		expect(t, c, f, "add label 100 by 11", "label 100 by 11", "")
		news, stop := c.Follow("red")
		defer stop()
		c.Need("red", inRed, byLabel(101), redInside)
		arrives(t, c, "", "", true)
		select {
		case <-news:
		default:
			t.Error("nobody is told that the new label stands")
		}
		expect(t, c, f, "add label 101 by 11", "label 100 by 11, label 101 by 11", "")
		if labels, _ := c.Entrances(); labels != (rib.EntranceCounts{Standing: 1}) {
			t.Errorf("there are the labels %+v", labels)
		}
		tell(c, 100) // which PEs were told before
		time.Sleep(time.Hour)
		expect(t, c, f, "", "label 100 by 11, label 101 by 11", "")
		if !c.Going("red") {
			t.Error("it says that nothing is to go")
		}
		tell(c, 101)
		arrives(t, c, "", "", false)
		time.Sleep(grace - time.Second)
		expect(t, c, f, "", "label 100 by 11, label 101 by 11", "")
		time.Sleep(time.Second)
		expect(t, c, f, "remove label 100 by 11", "label 101 by 11", "")
		if c.Going("red") {
			t.Error("it says that something goes still")
		}
		tell(c, 101)
		time.Sleep(time.Hour)
		expect(t, c, f, "", "label 101 by 11", "")
	})
}

// TestNewNumberRefused: as long as the kernel has no room for the new label, or another program has it,
// or the kernel refuses it, packets come in by the old one, which is kept true, whatever PEs were told
// before; once it can be had, it takes over.
func TestNewNumberRefused(t *testing.T) {
	for _, tc := range []struct {
		name, why    string
		breaks, mend func(f *fakeEntrances)
		after        time.Duration // when it is tried again
		foreign      string        // what stands beside meanwhile
	}{
		{"no room", "the kernel has room for labels below 101", func(f *fakeEntrances) { f.room = 101 }, func(f *fakeEntrances) { f.room = 1000 }, 0, ""},
		{"another program has it", "conflict: label 101: another program has it", func(f *fakeEntrances) { f.put(rib.Entrance{Label: 101, Ifindex: 1}, 4) },
			func(f *fakeEntrances) { delete(f.standing, Number{Label: 101}) }, 0, ", label 101 by 1 of 4"},
		{"the kernel refuses it", "injected", func(f *fakeEntrances) { f.refuse = map[Number]bool{{Label: 101}: true} }, func(f *fakeEntrances) { f.refuse = nil }, retryMost, ""},
	} {
		t.Run(tc.name, func(t *testing.T) {
			story(t, func(c *Core, _ *fakeKernel, f *fakeEntrances) {
				c.Need("red", inRed, byLabel(100), redInside)
				tell(c, 100)
				f.happens(func() { tc.breaks(f) })
				c.Need("red", inRed, byLabel(101), redInside)
				arrives(t, c, tc.why, "label 100", false)
				tell(c, 100)
				tell(c, 101) // by who did not wait
				time.Sleep(time.Hour)
				f.writes()
				f.happens(func() { delete(f.standing, Number{Label: 100}) })
				time.Sleep(retryMost)
				if got := f.writes(); !strings.Contains(got, "add label 100 by 11") {
					t.Errorf("the old label was lost, and it wrote %q", got)
				}
				if got, want := f.has(), "label 100 by 11"+tc.foreign; got != want {
					t.Errorf("there is %q, want %q", got, want)
				}
				arrives(t, c, tc.why, "label 100", false)
				f.happens(func() { tc.mend(f) })
				time.Sleep(tc.after)
				arrives(t, c, "", "", true)
				if got, want := f.has(), "label 100 by 11, label 101 by 11"; got != want {
					t.Errorf("there is %q, want %q", got, want)
				}
				f.writes()
				tell(c, 101)
				time.Sleep(grace)
				expect(t, c, f, "remove label 100 by 11", "label 101 by 11", "")
			})
		})
	}
}

// TestRenumberedAgain: a third label, and the first one again, within the grace: packets come by each
// until others have been told otherwise, and what comes back is not written again.
func TestRenumberedAgain(t *testing.T) {
	story(t, func(c *Core, _ *fakeKernel, f *fakeEntrances) {
		c.Need("red", inRed, byLabel(100), redInside)
		c.Need("red", inRed, byLabel(101), redInside)
		f.writes()
		f.happens(func() { f.put(rib.Entrance{Label: 102, Ifindex: 1}, 4) })
		c.Need("red", inRed, byLabel(102), redInside)
		arrives(t, c, "conflict: ", "label 101", false) // the newest of those that stand
		tell(c, 101)
		time.Sleep(time.Hour)
		if got, want := f.has(), "label 100 by 11, label 101 by 11, label 102 by 1 of 4"; got != want {
			t.Errorf("there is %q, want %q", got, want)
		}
		f.writes()
		c.Need("red", inRed, byLabel(100), redInside)
		arrives(t, c, "", "", true)
		expect(t, c, f, "", "label 100 by 11, label 101 by 11, label 102 by 1 of 4", "")
		tell(c, 100)
		time.Sleep(grace / 2)
		c.Need("red", inRed, byLabel(101), redInside) // it goes already
		arrives(t, c, "", "", true)
		time.Sleep(time.Hour)
		expect(t, c, f, "", "label 100 by 11, label 101 by 11, label 102 by 1 of 4", "")
		tell(c, 101)
		time.Sleep(grace)
		expect(t, c, f, "remove label 100 by 11", "label 101 by 11, label 102 by 1 of 4", "")
	})
}

// TestRenumberedAndGone: a VRF that goes while it has two labels leaves neither, and one whose label is
// taken from it comes in by none once PEs have been told.
func TestRenumberedAndGone(t *testing.T) {
	story(t, func(c *Core, _ *fakeKernel, f *fakeEntrances) {
		c.Need("red", inRed, byLabel(100), redInside)
		c.Need("red", inRed, byLabel(101), redInside)
		f.writes()
		c.Drop("red")
		time.Sleep(grace)
		expect(t, c, f, "remove label 101 by 11, remove label 100 by 11", "", "")
		if c.Going("red") {
			t.Error("it says that something goes still")
		}
		c.Need("red", inRed, byLabel(100), redInside)
		c.Need("red", inRed, rib.Carriage{Kind: rib.EncapMPLS, Awaits: "no label is free"}, redInside)
		arrives(t, c, "no label is free", "", false)
		time.Sleep(time.Hour)
		expect(t, c, f, "add label 100 by 11", "label 100 by 11", "no label is free")
		c.Told("red", rib.Carried{})
		time.Sleep(grace)
		expect(t, c, f, "remove label 100 by 11", "", "no label is free")
	})
}

// TestRenumberedElsewhere: while a VRF has two labels its device is made anew: both lead to the new one.
func TestRenumberedElsewhere(t *testing.T) {
	story(t, func(c *Core, k *fakeKernel, f *fakeEntrances) {
		c.Need("red", inRed, byLabel(100), redInside)
		c.Need("red", inRed, byLabel(101), redInside)
		synctest.Wait()
		k.tables.happens(Events{All: true}, func() {
			links := rib.Links{31: {Index: 31, Name: "red", VRFTable: 1001}}
			k.tables.links = links
		})
		f.happens(func() { clear(f.standing) })
		f.writes()
		c.Need("red", inRed, byLabel(101), rib.Inside{Device: 31, Table: 1001})
		time.Sleep(retryMost)
		synctest.Wait()
		if got, want := f.has(), "label 100 by 31, label 101 by 31"; got != want {
			t.Errorf("there is %q, want %q", got, want)
		}
	})
}

// TestRenumberedSIDs: of two SIDs one stays, and is not written again; those of a trusted namespace are
// in both namespaces; and the second VRF device is not made again.
func TestRenumberedSIDs(t *testing.T) {
	story(t, func(c *Core, k *fakeKernel, f *fakeEntrances) {
		at := sid1.Next()
		is := rib.Carriage{Kind: rib.EncapSRv6, SRv6: rib.SRv6{SID: sid1, SID6: sid2, Locator: locator, Link: "vr-blue", Trusted: true}}
		c.Need("blue", inBlue, is, blueInside)
		within := k.door("blue")
		within.writes()
		f.writes()
		is.SRv6.SID = at
		c.Need("blue", inBlue, is, blueInside)
		time.Sleep(time.Hour)
		if got, want := within.writes(), "add SID fd00:1:0:1:1::1 End.DX4 by 5 via 0.0.0.0"; got != want {
			t.Errorf("in the namespace it wrote %q, want %q", got, want)
		}
		if got, want := f.writes(), "add SID fd00:1:0:1:1::1 a route by 21 via fe80::2"; got != want {
			t.Errorf("in the core it wrote %q, want %q", got, want)
		}
		c.Told("blue", is.Carried())
		time.Sleep(grace)
		if got, want := within.writes(), "remove SID fd00:1:0:1:1:: End.DX4 by 5 via 0.0.0.0"; got != want {
			t.Errorf("in the namespace it wrote %q, want %q", got, want)
		}
		if got, want := f.writes(), "remove SID fd00:1:0:1:1:: a route by 21 via fe80::2"; got != want {
			t.Errorf("in the core it wrote %q, want %q", got, want)
		}
		within.happens(func() { clear(within.standing) })
		time.Sleep(retryMost)
		if !strings.Contains(within.has(), at.String()) {
			t.Error("of the namespace nothing is heard any more")
		}
		second := rib.Carriage{Kind: rib.EncapSRv6, Managed: true, SRv6: rib.SRv6{SID: sid1.Next().Next(), Locator: locator}, Through: rib.Through{Device: "sr-red", To: rib.Binding{Device: "sr-red"}}}
		c.Need("red", inRed, second, redInside)
		second.SRv6.SID = second.SRv6.SID.Next()
		c.Need("red", inRed, second, redInside)
		c.Told("red", second.Carried())
		time.Sleep(grace)
		synctest.Wait()
		k.mu.Lock()
		defer k.mu.Unlock()
		if did := strings.Join(k.made, "; "); strings.Contains(did, "remove ") {
			t.Errorf("it did %q", did)
		}
	})
}
