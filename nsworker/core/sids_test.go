package core

import (
	"errors"
	"fmt"
	"maps"
	"net/netip"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/vrfredist/vrfredist/rib"
)

// TestSIDs: those of a VRF device are one or two, by what the kernel has; the locator ends while
// there is one.
func TestSIDs(t *testing.T) {
	story(t, func(c *Core, k *fakeKernel, f *fakeEntrances) {
		is := rib.Carriage{Kind: rib.EncapSRv6, SRv6: rib.SRv6{SID: sid1, Locator: locator}, Through: rib.Through{Device: "sr-red", To: rib.Binding{Device: "sr-red"}}}
		c.Need("red", inRed, is, redInside)
		one := "SID fd00:1:0:1:1:: End.DT46 by 11 table 1001"
		expect(t, c, f, "add "+one, one, "")
		is.SRv6.SID6 = sid2
		c.Need("red", inRed, is, redInside)
		two := "SID fd00:1:0:1:1:: End.DT4 by 11 table 1001, SID fd00:1:0:1:2:: End.DT6 by 11 table 1001"
		expect(t, c, f, "remove "+one+", add SID fd00:1:0:1:1:: End.DT4 by 11 table 1001, add SID fd00:1:0:1:2:: End.DT6 by 11 table 1001", two, "")
		c.Drop("red")
		time.Sleep(grace)
		synctest.Wait()
		if f.has() != "" {
			t.Errorf("there is %q", f.has())
		}
		k.mu.Lock()
		defer k.mu.Unlock()
		if got, want := fmt.Sprint(k.made), "[add unreachable fd00:1:0:1::/64 in 254 remove unreachable fd00:1:0:1::/64 in 254]"; got != want {
			t.Errorf("it did %s, want %s", got, want)
		}
	})
}

// TestSIDCovered: another program has a route for a SID that stands, before ours: that is said to be in
// conflict, and left to it; when it goes, the SID stands as before. It is removed all the same.
func TestSIDCovered(t *testing.T) {
	story(t, func(c *Core, _ *fakeKernel, f *fakeEntrances) {
		is := rib.Carriage{Kind: rib.EncapSRv6, SRv6: rib.SRv6{SID: sid1}}
		c.Need("red", inRed, is, redInside)
		writes, has := f.writes(), f.has()
		if writes == "" {
			t.Fatal("the SID was not added")
		}
		expect(t, c, f, "", has, "")
		f.happens(func() {
			f.beside = []rib.StandingEntrance{{Entrance: rib.Entrance{SID: sid1}, Protocol: 4}}
		})
		const why = "conflict: SID fd00:1:0:1:1::: another program has it: its route (protocol 4; see ip -6 route show fd00:1:0:1:1::) counts before ours: remove that, or choose another SID"
		expect(t, c, f, "", has, why)
		if _, sids := c.Entrances(); sids != (rib.EntranceCounts{Conflict: 1}) {
			t.Errorf("there are the SIDs %+v", sids)
		}
		f.happens(func() { f.beside = nil })
		expect(t, c, f, "", has, "")
		f.happens(func() {
			f.beside = []rib.StandingEntrance{{Entrance: rib.Entrance{SID: sid1}, Protocol: 4}}
		})
		c.Drop("red")
		time.Sleep(grace)
		expect(t, c, f, "remove "+has, "", "")
	})
}

// TestSIDsOfATrustedNamespace: they are in the VRF's namespace, and the core sends packets for them
// there.
func TestSIDsOfATrustedNamespace(t *testing.T) {
	story(t, func(c *Core, k *fakeKernel, f *fakeEntrances) {
		is := rib.Carriage{Kind: rib.EncapSRv6, SRv6: rib.SRv6{SID: sid1, SID6: sid2, Locator: locator, Link: "vr-blue", Trusted: true}}
		c.Need("blue", inBlue, is, blueInside)
		within := k.door("blue")
		expect(t, c, within, "add SID fd00:1:0:1:1:: End.DX4 by 5 via 0.0.0.0, add SID fd00:1:0:1:2:: End.DT6 by 5 table 254",
			"SID fd00:1:0:1:1:: End.DX4 by 5 via 0.0.0.0, SID fd00:1:0:1:2:: End.DT6 by 5 table 254", "")
		expect(t, c, f, "add SID fd00:1:0:1:1:: a route by 21 via fe80::2, add SID fd00:1:0:1:2:: a route by 21 via fe80::2",
			"SID fd00:1:0:1:1:: a route by 21 via fe80::2, SID fd00:1:0:1:2:: a route by 21 via fe80::2", "")
		if got := c.Entrance("blue").Why; got != "" {
			t.Errorf("it says %q", got)
		}
		time.Sleep(pause)
		within.happens(func() { clear(within.standing) })
		if within.has() == "" {
			t.Error("they were lost, and are not put back")
		}
		c.Drop("blue")
		time.Sleep(grace)
		synctest.Wait()
		if within.has() != "" || f.has() != "" {
			t.Errorf("there is %q, and in the core %q", within.has(), f.has())
		}
		if within.closed == 0 {
			t.Error("its namespace is held open")
		}
	})
}

// TestSecondVRFDevice: it is made for its VRF, as large as the core lets it be and followed, and
// goes with it.
func TestSecondVRFDevice(t *testing.T) {
	story(t, func(c *Core, k *fakeKernel, _ *fakeEntrances) {
		expect := func(want ...string) {
			t.Helper()
			synctest.Wait()
			k.mu.Lock()
			defer k.mu.Unlock()
			var got []string
			for _, s := range k.made {
				if strings.Contains(s, "sr-red") {
					got = append(got, s)
				}
			}
			if !slices.Equal(got, want) {
				t.Errorf("it did %q, want %q", got, want)
			}
			k.made = nil
		}
		is := rib.Carriage{Kind: rib.EncapSRv6, Managed: true, SRv6: rib.SRv6{SID: sid1, Locator: locator}, Through: rib.Through{Device: "sr-red", To: rib.Binding{Device: "sr-red"}}}
		k.failing(errors.New("the kernel has no VRF devices"))
		c.Need("red", inRed, is, redInside)
		expect("make sr-red in main: mtu 1536, table over 2^31 true, vrfredist:red")
		if got := c.Entrance("red").Why; !strings.Contains(got, "the kernel has no VRF devices") {
			t.Errorf("it says %q", got)
		}
		k.failing(nil)
		time.Sleep(retryFirst)
		expect("make sr-red in main: mtu 1536, table over 2^31 true, vrfredist:red")
		k.tables.happens(Events{All: true}, func() {
			k.tables.links = maps.Clone(k.tables.links)
			k.tables.links[2] = rib.Link{Index: 2, Name: "core2", Up: true, Admin: true, MTU: 1400}
		})
		expect("make sr-red in main: mtu 1336, table over 2^31 true, vrfredist:red")
		c.Drop("red")
		time.Sleep(grace)
		expect("remove sr-red in main: vrfredist:red")
	})
}

// TestTablesOfSecondVRFDevices: a device keeps its table, and none has that of another.
func TestTablesOfSecondVRFDevices(t *testing.T) {
	first := secondTable("sr-red", nil)
	if again := secondTable("sr-red", nil); again != first || first < 1<<31 {
		t.Errorf("it is %d and then %d", first, again)
	}
	taken := rib.Links{1: {Index: 1, Name: "other", VRFTable: first}}
	if got := secondTable("sr-red", taken); got == first || got < 1<<31 {
		t.Errorf("with that taken it is %d", got)
	}
	if got := secondTable("sr-red", rib.Links{1: {Index: 1, Name: "sr-red", VRFTable: 77}}); got != 77 {
		t.Errorf("it has 77, and is to have %d", got)
	}
}

// TestSIDsLeftByAnEarlierRun: of a trusted VRF that went while nobody looked the SIDs go in its own
// namespace too, where that is there, and the end of the locator with the last of its VRFs; the device
// that was made goes with it, unless the VRF is back.
func TestSIDsLeftByAnEarlierRun(t *testing.T) {
	story(t, func(c *Core, k *fakeKernel, f *fakeEntrances) {
		within := k.door("blue")
		v6 := netip.MustParseAddr("fe80::2")
		within.mu.Lock()
		within.put(rib.Entrance{SID: sid1, Does: rib.DX4, Ifindex: 5, Via: netip.IPv4Unspecified()}, 179)
		within.put(rib.Entrance{SID: sid2, Does: rib.DT6, Ifindex: 5, Table: tableMain}, 4)
		within.mu.Unlock()
		f.happens(func() { f.put(rib.Entrance{SID: sid1, Does: rib.Forward, Ifindex: 21, Via: v6}, 179) })
		c.Leave("blue", inBlue, rib.Carriage{Kind: rib.EncapSRv6, SRv6: rib.SRv6{SID: sid1, SID6: sid2, Locator: locator, Link: "vr-blue"}}, 179)
		second := func(sid netip.Addr, device string) rib.Carriage {
			return rib.Carriage{Kind: rib.EncapSRv6, Managed: true, SRv6: rib.SRv6{SID: sid, Locator: locator}, Through: rib.Through{Device: device, To: rib.Binding{Device: device}}}
		}
		at := func(n byte) netip.Addr { a := sid1.As16(); a[9] = n; return netip.AddrFrom16(a) }
		c.Leave("green", rib.Binding{Device: "green"}, second(at(7), "sr-green"), 179)
		c.Leave("red", inRed, second(at(8), "sr-red"), 179)
		c.Need("red", inRed, second(at(9), "sr-red"), redInside)
		time.Sleep(grace)
		synctest.Wait()
		if got := f.has(); got != "SID fd00:1:0:1:9:: DT46 by 11 table 1001" && !strings.Contains(got, "fd00:1:0:1:9::") {
			t.Errorf("the core has %q", got)
		}
		if got := within.has(); !strings.Contains(got, "of 4") || strings.Contains(got, sid1.String()) {
			t.Errorf("the namespace has %q", got)
		}
		k.mu.Lock()
		did := strings.Join(k.made, "; ")
		k.mu.Unlock()
		if !strings.Contains(did, "remove sr-green in main: vrfredist:green") || strings.Contains(did, "remove sr-red") || strings.Contains(did, "remove unreachable") {
			t.Errorf("it did %q", did)
		}
		c.Drop("red")
		time.Sleep(grace)
		synctest.Wait()
		k.mu.Lock()
		did = strings.Join(k.made, "; ")
		k.mu.Unlock()
		if !strings.Contains(did, "remove sr-red") || !strings.Contains(did, "remove unreachable fd00:1:0:1::/64 in 254") {
			t.Errorf("it did %q", did)
		}
	})
}
