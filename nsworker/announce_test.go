package nsworker

import (
	"net/netip"
	"runtime"
	"testing"
	"time"

	"github.com/vrfredist/vrfredist/nsworker/ledger"
	"github.com/vrfredist/vrfredist/rib"
)

// What a VRF announces of a table whose routes say the same is kept once, beside each prefix: an
// announcement by itself is larger than all else that is kept of it.
func TestAnnouncementsThatSayTheSameAreKeptOnce(t *testing.T) {
	const n, most = 50_000, 150
	a := newAnnouncements("red", newFakeBGP(), ledger.NewContention(time.Now), nil)
	prefix := func(i int) netip.Prefix {
		return netip.PrefixFrom(netip.AddrFrom4([4]byte{10, byte(i >> 16), byte(i >> 8), byte(i)}), 32)
	}
	alive := func() uint64 {
		var m runtime.MemStats
		runtime.GC()
		runtime.ReadMemStats(&m)
		return m.HeapAlloc
	}
	before := alive()
	a.want(func(yield func(rib.Announcement)) {
		for i := range n {
			yield(rib.Announcement{Prefix: prefix(i), MED: 7})
		}
	})
	a.Pass(a.evaluate)
	if each := float64(alive()-before) / n; each > most {
		t.Errorf("each takes %.0f bytes", each)
	}
	for a.Waiting() > 0 {
		if _, err := a.send(t.Context()); err != nil {
			t.Fatal(err)
		}
		a.Pass(a.evaluate)
	}
	if got, is := a.announcedNow(prefix(n - 1)); !is || got.Prefix != prefix(n-1) || got.MED != 7 || a.total() != n {
		t.Errorf("announced is %+v, of %d", got, a.total())
	}
	a.want(func(yield func(rib.Announcement)) { yield(rib.Announcement{Prefix: prefix(1), MED: 8}) })
	a.Pass(a.evaluate)
	for a.Waiting() > 0 {
		if _, err := a.send(t.Context()); err != nil {
			t.Fatal(err)
		}
		a.Pass(a.evaluate)
	}
	if got, is := a.announcedNow(prefix(1)); !is || got.MED != 8 || a.total() != 1 || len(a.store) != 1 {
		t.Errorf("announced is %+v, of %d in %d places", got, a.total(), len(a.store))
	}
	if _, is := a.announcedNow(prefix(2)); is {
		t.Error("another one is announced still")
	}
}

// A turn of the loop that has nothing to do allocates nothing to find out when the next one is due.
func TestTheNextTurnIsFoundWithoutAllocating(t *testing.T) {
	now := time.Now().Add(time.Hour)
	if n := testing.AllocsPerRun(100, func() { until(2*time.Hour, time.Time{}, now, time.Time{}) }); n != 0 {
		t.Errorf("it allocates %v times", n)
	}
	if d := until(2*time.Hour, time.Time{}, now, now.Add(-time.Minute)); d > 59*time.Minute {
		t.Errorf("it is in %v", d)
	}
	if d := until(time.Minute, now, now.Add(-2*time.Hour)); d != 0 {
		t.Errorf("it is in %v", d)
	}
}
