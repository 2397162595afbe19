package core

import (
	"errors"
	"maps"
	"net/netip"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/vrfredist/vrfredist/rib"
)

// withVRFs adds VRF devices and veths to the core's interfaces: "red" with index 11 and table
// 1001, "vr-blue" with index 21, of which VRF blue's end has index 5 in its namespace.
func (t *fakeTables) withVRFs() {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.links = maps.Clone(t.links)
	t.links[11] = rib.Link{Index: 11, Name: "red", Up: true, Admin: true, VRFTable: 1001}
	t.links[12] = rib.Link{Index: 12, Name: "green", Up: true, Admin: true, VRFTable: 1002}
	t.links[21] = rib.Link{Index: 21, Name: "vr-blue", Peer: 5, Up: true, Admin: true, Addrs: []netip.Prefix{netip.MustParsePrefix("169.254.0.1/30")}}
}

// story tells one of a core with VRF devices and veths.
func story(t *testing.T, tell func(c *Core, k *fakeKernel, here *fakeEntrances)) {
	t.Helper()
	run(t, func(c *Core, k *fakeKernel) {
		k.tables.happens(Events{All: true}, func() {})
		k.tables.withVRFs()
		tell(c, k, k.door(""))
	})
}

var (
	inRed, inBlue = rib.Binding{Device: "red"}, rib.Binding{Netns: "blue"}
	redInside     = rib.Inside{Device: 11, Table: 1001}
	blueInside    = rib.Inside{Via: netip.MustParseAddr("169.254.0.2"), Via6: netip.MustParseAddr("fe80::2")}
	locator       = netip.MustParsePrefix("fd00:1:0:1::/64")
	sid1, sid2    = netip.MustParseAddr("fd00:1:0:1:1::"), netip.MustParseAddr("fd00:1:0:1:2::")
)

func byLabel(label uint32) rib.Carriage { return rib.Carriage{Kind: rib.EncapMPLS, Label: label} }

func overLink(label uint32, to rib.Binding) rib.Carriage {
	is := byLabel(label)
	is.Through = rib.Through{Link: "vr-blue", To: to}
	return is
}

// expect holds what was written, what stands, and what is said of VRF red, against what is wanted.
func expect(t *testing.T, c *Core, f *fakeEntrances, writes, has, why string) {
	t.Helper()
	if got := f.writes(); got != writes {
		t.Errorf("it wrote %q, want %q", got, writes)
	}
	if got := f.has(); got != has {
		t.Errorf("there is %q, want %q", got, has)
	}
	if got := c.Entrance("red").Why; got != why {
		t.Errorf("of VRF red it says %q, want %q", got, why)
	}
}

// TestLabelLives: a label comes once the VRF is ready, and not before; it goes a while after the
// VRF; what is done is told.
func TestLabelLives(t *testing.T) {
	story(t, func(c *Core, _ *fakeKernel, f *fakeEntrances) {
		news, stop := c.Follow("red")
		defer stop()
		told := func() {
			t.Helper()
			select {
			case <-news:
			default:
				t.Error("nobody was told")
			}
		}
		c.Need("red", inRed, byLabel(100), rib.Inside{})
		if got := c.Entrance("red").Why; got == "" {
			t.Error("it says that a label stands which was never looked at")
		}
		const closed = "it is put into the kernel once the VRF has its table open"
		expect(t, c, f, "", "", closed)
		told()
		c.Need("red", inRed, byLabel(100), redInside)
		expect(t, c, f, "add label 100 by 11", "label 100 by 11", "")
		told()
		if labels, sids := c.Entrances(); labels != (rib.EntranceCounts{Standing: 1}) || sids != (rib.EntranceCounts{}) {
			t.Errorf("there are the labels %+v and the SIDs %+v", labels, sids)
		}
		c.Need("red", inRed, byLabel(100), redInside)
		time.Sleep(time.Hour)
		expect(t, c, f, "", "label 100 by 11", "")
		c.Drop("red")
		time.Sleep(grace - time.Second)
		expect(t, c, f, "", "label 100 by 11", "")
		time.Sleep(time.Second)
		expect(t, c, f, "remove label 100 by 11", "", "")
	})
}

// TestLabelStays: who comes back within the grace has its label without a write.
func TestLabelStays(t *testing.T) {
	story(t, func(c *Core, _ *fakeKernel, f *fakeEntrances) {
		c.Need("red", inRed, byLabel(100), redInside)
		f.writes()
		c.Drop("red")
		time.Sleep(grace / 2)
		c.Need("red", inRed, byLabel(100), redInside)
		time.Sleep(time.Hour)
		expect(t, c, f, "", "label 100 by 11", "")
	})
}

// TestLabelsAreAdopted: what stands since before is taken over without a write, as long as its VRF
// is configured; what leads elsewhere is put right; what is nobody's goes after the grace; what is
// another program's stays.
func TestLabelsAreAdopted(t *testing.T) {
	story(t, func(c *Core, _ *fakeKernel, f *fakeEntrances) {
		c.Configure(Settings{Core: c.settings().Core, Interfaces: []string{"core*"}, Protocol: 179, Numbers: map[Number]struct{}{{Label: 103}: {}}})
		f.happens(func() {
			f.put(rib.Entrance{Label: 100, Ifindex: 11}, 179)
			f.put(rib.Entrance{Label: 101, Ifindex: 12}, 179)
			f.put(rib.Entrance{Label: 102, Ifindex: 12}, 4)
			f.put(rib.Entrance{Label: 103, Ifindex: 12}, 179)
			f.put(rib.Entrance{Label: 104, Ifindex: 11}, 179)
		})
		c.Need("red", inRed, byLabel(100), redInside)
		c.Need("green", rib.Binding{Device: "green"}, byLabel(104), rib.Inside{Device: 12, Table: 1002})
		expect(t, c, f, "remove label 104 by 11, add label 104 by 12",
			"label 100 by 11, label 101 by 12, label 102 by 12 of 4, label 103 by 12, label 104 by 12", "")
		time.Sleep(grace)
		expect(t, c, f, "remove label 101 by 12", "label 100 by 11, label 102 by 12 of 4, label 103 by 12, label 104 by 12", "")
		time.Sleep(time.Hour)
		expect(t, c, f, "", "label 100 by 11, label 102 by 12 of 4, label 103 by 12, label 104 by 12", "")
		c.Configure(Settings{Core: c.settings().Core, Interfaces: []string{"core*"}, Protocol: 179})
		synctest.Wait()
		time.Sleep(grace)
		expect(t, c, f, "remove label 103 by 12", "label 100 by 11, label 102 by 12 of 4, label 104 by 12", "")
	})
}

// TestLabelOfAnother: a label that another program has is left to it, and said to be in conflict;
// when it is given up, it is ours.
func TestLabelOfAnother(t *testing.T) {
	story(t, func(c *Core, _ *fakeKernel, f *fakeEntrances) {
		f.happens(func() { f.put(rib.Entrance{Label: 100, Ifindex: 1}, 11) })
		c.Need("red", inRed, byLabel(100), redInside)
		const conflict = "conflict: label 100: another program has it"
		expect(t, c, f, "add label 100 by 11", "label 100 by 1 of 11", conflict)
		time.Sleep(time.Minute)
		if got := f.writes(); !strings.HasPrefix(got, "add label 100 by 11, add label 100 by 11") || strings.Contains(got, "remove") || len(got) > 200 {
			t.Errorf("in a minute it wrote %q", got)
		}
		if labels, _ := c.Entrances(); labels != (rib.EntranceCounts{Conflict: 1}) {
			t.Errorf("there are the labels %+v", labels)
		}
		f.happens(func() { clear(f.standing) })
		expect(t, c, f, "add label 100 by 11", "label 100 by 11", "")
	})
}

// TestLostLabel: one that another program removes is put back, and the faster it goes the slower.
func TestLostLabel(t *testing.T) {
	story(t, func(c *Core, _ *fakeKernel, f *fakeEntrances) {
		c.Need("red", inRed, byLabel(100), redInside)
		f.writes()
		time.Sleep(time.Minute)
		f.happens(func() { clear(f.standing) })
		expect(t, c, f, "add label 100 by 11", "label 100 by 11", "")
		f.happens(func() { clear(f.standing) })
		expect(t, c, f, "", "", "another program has removed its label 100")
		time.Sleep(pause)
		expect(t, c, f, "add label 100 by 11", "label 100 by 11", "")
		for range 100 {
			time.Sleep(time.Second)
			if f.has() != "" {
				f.happens(func() { clear(f.standing) })
			}
		}
		if n := strings.Count(f.writes(), "add"); n > 10 {
			t.Errorf("in 100 s it was put back %d times", n)
		}
	})
}

// TestRoomForLabels: while the kernel has no room for a label, that is said, with what to do; it
// comes by itself when there is.
func TestRoomForLabels(t *testing.T) {
	story(t, func(c *Core, _ *fakeKernel, f *fakeEntrances) {
		f.happens(func() { f.room = 0 })
		c.Need("red", inRed, byLabel(100), redInside)
		expect(t, c, f, "", "", "the kernel takes no labels in the core's namespace: modprobe -a mpls_router mpls_iptunnel, and there sysctl -w net.mpls.platform_labels=101, or more")
		f.happens(func() { f.room = 100 })
		expect(t, c, f, "", "", "the kernel has room for labels below 100 in the core's namespace, and label 100 needs more: there, sysctl -w net.mpls.platform_labels=101, or more")
		f.happens(func() { f.room = 101 })
		expect(t, c, f, "add label 100 by 11", "label 100 by 11", "")
		f.happens(func() { f.room = 16; clear(f.standing) }) // lowered, which takes it
		synctest.Wait()
		if got := c.Entrance("red").Why; !strings.Contains(got, "below 16") {
			t.Errorf("it says %q", got)
		}
		f.happens(func() { f.room = 1000 })
		expect(t, c, f, "add label 100 by 11", "label 100 by 11", "")
	})
}

// TestRefusedLabel: what the kernel refuses is tried again, with the reason said.
func TestRefusedLabel(t *testing.T) {
	story(t, func(c *Core, _ *fakeKernel, f *fakeEntrances) {
		f.happens(func() { f.fails = errors.New("out of memory") })
		c.Need("red", inRed, byLabel(100), redInside)
		expect(t, c, f, "add label 100 by 11", "", "out of memory")
		f.mu.Lock()
		f.fails = nil
		f.mu.Unlock()
		time.Sleep(retryMost)
		expect(t, c, f, "add label 100 by 11", "label 100 by 11", "")
		f.happens(func() { f.fails = errors.New("out of memory") })
		c.Drop("red")
		time.Sleep(grace)
		expect(t, c, f, "remove label 100 by 11", "label 100 by 11", "")
		f.mu.Lock()
		f.fails = nil
		f.mu.Unlock()
		time.Sleep(retryMost)
		expect(t, c, f, "remove label 100 by 11", "", "")
	})
}

// TestVRFDeviceIsMadeAgain: with the device its label goes; with another index it comes back, and
// never on what has the old index by then.
func TestVRFDeviceIsMadeAgain(t *testing.T) {
	story(t, func(c *Core, k *fakeKernel, f *fakeEntrances) {
		c.Need("red", inRed, byLabel(100), redInside)
		f.writes()
		k.tables.happens(Events{All: true}, func() {
			k.tables.links = maps.Clone(k.tables.links)
			k.tables.links[11] = rib.Link{Index: 11, Name: "grey", VRFTable: 1009}
		})
		f.happens(func() { clear(f.standing) })
		expect(t, c, f, "", "", "the core has no VRF device red")
		k.tables.happens(Events{All: true}, func() {
			k.tables.links = maps.Clone(k.tables.links)
			k.tables.links[31] = rib.Link{Index: 31, Name: "red", VRFTable: 1001}
		})
		c.Need("red", inRed, byLabel(100), rib.Inside{Device: 31, Table: 1001})
		expect(t, c, f, "add label 100 by 31", "label 100 by 31", "")
	})
}

// TestBlindCore: while labels cannot be read, none is written, and what is known stays.
func TestBlindCore(t *testing.T) {
	story(t, func(c *Core, _ *fakeKernel, f *fakeEntrances) {
		c.Need("red", inRed, byLabel(100), redInside)
		f.writes()
		f.happens(func() { f.blind = errors.New("interrupted"); clear(f.standing) })
		expect(t, c, f, "", "", "")
		f.mu.Lock()
		f.blind = nil
		f.mu.Unlock()
		time.Sleep(time.Second)
		expect(t, c, f, "add label 100 by 11", "label 100 by 11", "")
	})
}

// TestLabelOverALink: packets for a VRF in a namespace go to its end of the link, and where that
// has another address, there; with a table of the core there is a rule that leads to it.
func TestLabelOverALink(t *testing.T) {
	story(t, func(c *Core, k *fakeKernel, f *fakeEntrances) {
		said := func() (list []string) {
			synctest.Wait()
			k.mu.Lock()
			defer k.mu.Unlock()
			list, k.made = k.made, nil
			return list
		}
		c.Need("blue", inBlue, overLink(100, rib.Binding{Device: "blue"}), blueInside)
		expect(t, c, f, "add label 100 by 21 via 169.254.0.2", "label 100 by 21 via 169.254.0.2", "")
		if got := said(); len(got) != 0 {
			t.Errorf("it did %q", got)
		}
		c.Need("blue", inBlue, overLink(100, rib.Binding{Device: "blue"}), rib.Inside{Via6: blueInside.Via6})
		expect(t, c, f, "remove label 100 by 21 via 169.254.0.2, add label 100 by 21 via fe80::2", "label 100 by 21 via fe80::2", "")
		c.Need("blue", inBlue, overLink(100, rib.Binding{Table: 3001}), blueInside)
		want := []string{"add unreachable 0.0.0.0/0 in 3001", "add unreachable ::/0 in 3001", "add rule 500: from all iif vr-blue lookup 3001"}
		if got := said(); !slices.Equal(got, want) {
			t.Errorf("it did %q, want %q", got, want)
		}
		f.writes()
		time.Sleep(lookAfter)
		if got := said(); !slices.Equal(got, want) {
			t.Errorf("after a while it did %q, want %q", got, want)
		}
		k.failing(errors.New("no rules"))
		time.Sleep(lookAfter)
		said()
		if got, want := c.Entrance("blue").Why, "what leads to its packets is not there: no rules"; got != want {
			t.Errorf("it says %q", got)
		}
		k.failing(nil)
		time.Sleep(retryFirst * 4)
		said()
		if got := c.Entrance("blue").Why; got != "" {
			t.Errorf("it says %q", got)
		}
		c.Drop("blue")
		time.Sleep(grace)
		for i, s := range want {
			want[i] = "remove" + strings.TrimPrefix(s, "add")
		}
		if got := said(); !slices.Equal(got, want) {
			t.Errorf("it did %q, want %q", got, want)
		}
		expect(t, c, f, "remove label 100 by 21 via 169.254.0.2", "", "")
	})
}

// TestWaitingForANumber: a VRF without a label says why.
func TestWaitingForANumber(t *testing.T) {
	story(t, func(c *Core, _ *fakeKernel, f *fakeEntrances) {
		c.Need("red", inRed, rib.Carriage{Kind: rib.EncapMPLS, Awaits: "no label is free"}, redInside)
		expect(t, c, f, "", "", "no label is free")
	})
}

// TestEntrancesWithoutACore: while the core is away, that is what is wrong; when it is back, all is
// looked at again.
func TestEntrancesWithoutACore(t *testing.T) {
	story(t, func(c *Core, k *fakeKernel, f *fakeEntrances) {
		c.Need("red", inRed, byLabel(100), redInside)
		f.writes()
		k.mu.Lock()
		k.absent = true
		k.mu.Unlock()
		k.tables.happens(Events{Gone: "netns core"}, func() { clear(f.standing) })
		if got := c.Entrance("red").Why; !strings.HasPrefix(got, "the core is not there: ") {
			t.Errorf("it says %q", got)
		}
		k.mu.Lock()
		k.absent = false
		k.mu.Unlock()
		k.awaited <- struct{}{}
		expect(t, c, f, "add label 100 by 11", "label 100 by 11", "")
	})
}
