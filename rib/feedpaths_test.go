package rib

import (
	"math/rand/v2"
	"net/netip"
	"runtime"
	"slices"
	"testing"
	"unsafe"
)

// TestFurtherPathSize: each further path of a prefix costs this much, with its attributes'
// pointer, and with what the allocator and the tables of chunks take beside.
func TestFurtherPathSize(t *testing.T) {
	if n := unsafe.Sizeof(morePath{}) + unsafe.Sizeof(&Attrs{}); n > 28 {
		t.Errorf("a further path has %d bytes", n)
	}
	const prefixes, most = 200_000, 29
	attrs := [...]*Attrs{{}, {LocalPref: 1}, {LocalPref: 2}}
	var paths []Path
	for i, a := range attrs {
		paths = append(paths, Path{ID: uint32(i + 1), Age: 1 << 30, Attrs: a})
	}
	f, alive := NewFeed(), [len(attrs)]uint64{}
	for n := range attrs {
		for i := range prefixes {
			f.Set(host(i), 0, paths[:n+1])
		}
		alive[n] = aliveHeap()
	}
	for n := range alive[1:] {
		each := float64(alive[n+1]-alive[n]) / prefixes
		t.Logf("further path %d of each prefix has %.1f bytes", n+1, each)
		if each > most {
			t.Errorf("further path %d of each prefix has %.1f bytes, more than %d", n+1, each, most)
		}
	}
	runtime.KeepAlive(f)
}

// aliveHeap is how many bytes of the heap are in use once all garbage is gone.
func aliveHeap() uint64 {
	var m runtime.MemStats
	runtime.GC()
	runtime.GC()
	runtime.ReadMemStats(&m)
	return m.HeapAlloc
}

// BenchmarkFeedOfSeveralPaths sets the paths of a prefix that has two, and reads them.
func BenchmarkFeedOfSeveralPaths(b *testing.B) {
	const prefixes = 200_000
	f, attrs := NewFeed(), [...]*Attrs{{}, {LocalPref: 1}}
	paths := []Path{{ID: 1, Attrs: attrs[0]}, {ID: 2, Attrs: attrs[1]}}
	for i := range prefixes {
		f.Set(host(i), 0, paths)
	}
	var entries []Entry
	for n := 0; b.Loop(); n = (n + 7919) % prefixes {
		paths[1].Age++
		f.Set(host(n), 0, paths)
		entries = f.Take(entries[:0], 1)
	}
}

// TestFeedOfSeveralPaths holds a feed against a map of lists, while prefixes get and lose
// paths of several RDs.
func TestFeedOfSeveralPaths(t *testing.T) {
	f, want := NewFeed(), make(map[netip.Prefix]map[RD][]Path)
	r := rand.New(rand.NewPCG(1, 2))
	attrs := []*Attrs{{}, {LocalPref: 1}, {LocalPref: 2}}
	for range 20_000 {
		prefix, rd := host(r.IntN(40)), RD(r.IntN(5)*r.IntN(1000))
		paths := make([]Path, r.IntN(4))
		for i := range paths {
			paths[i] = Path{prefix, rd, uint32(i + 1), uint32(r.IntN(1 << 25)), int64(r.IntN(1<<34) - 1<<30), attrs[r.IntN(3)]}
		}
		f.Set(prefix, rd, paths)
		if want[prefix] == nil {
			want[prefix] = make(map[RD][]Path)
		}
		want[prefix][rd] = paths
		got := make(map[RD][]Path)
		for _, p := range f.Lookup(prefix) {
			got[p.RD] = append(got[p.RD], p)
		}
		for rd, paths := range want[prefix] {
			if !slices.Equal(got[rd], paths) {
				t.Fatalf("the feed has %v of RD %v, not %v", got[rd], rd, paths)
			}
			delete(got, rd)
		}
		if len(got) > 0 {
			t.Fatalf("the feed has %v beside", got)
		}
	}
	f.Retain(func(Path) bool { return false })
	if k := &f.kept; k.inUse != 0 || len(k.rds.numbers) != 0 || len(k.lists) != 0 || len(k.more.chunks) != 0 {
		t.Errorf("an empty feed keeps %d paths, %d RDs, %d lists, %d chunks", k.inUse, len(k.rds.numbers), len(k.lists), len(k.more.chunks))
	}
}

// TestFeedLeavesSamePathsAlone: what a prefix has already is no change.
func TestFeedLeavesSamePathsAlone(t *testing.T) {
	f, a, b := NewFeed(), &Attrs{}, &Attrs{}
	list := []Path{{Prefix: host(1), RD: 1, ID: 1, Attrs: a}, {Prefix: host(1), RD: 1, ID: 2, Attrs: b}}
	f.Set(host(1), 1, list)
	f.Set(host(1), 2, []Path{{Prefix: host(1), RD: 2, ID: 1, Attrs: a}})
	f.Take(nil, 9)
	f.Set(host(1), 1, list)
	f.Set(host(1), 3, nil)
	if _, waiting := f.Len(); waiting != 0 {
		t.Error("the same paths are a change")
	}
	for _, other := range [][]Path{list[:1], {list[1], list[0]}, {list[0], {Prefix: host(1), RD: 1, ID: 2, Attrs: a}}, nil} {
		f.Set(host(1), 1, list)
		f.Take(nil, 9)
		f.Set(host(1), 1, other)
		if _, waiting := f.Len(); waiting != 1 {
			t.Errorf("%v instead of %v is no change", other, list)
		}
	}
}

// TestFeedMarkSeveral: the prefixes with a certain path are taken again, whichever of their paths it is.
func TestFeedMarkSeveral(t *testing.T) {
	f, a, b := NewFeed(), &Attrs{LocalPref: 1}, &Attrs{LocalPref: 2}
	for i := range 10_000 {
		paths := []Path{{Prefix: host(i), ID: 1, Attrs: a}}
		if i%100 == 0 {
			paths = append(paths, Path{Prefix: host(i), ID: 2, Attrs: b})
		}
		f.Set(host(i), 0, paths)
	}
	f.Take(nil, 10_000)
	f.MarkSeveral(func(x *Attrs) bool { return x == b })
	if got := f.Take(nil, 10_000); len(got) != 100 {
		t.Errorf("%d prefixes are taken again", len(got))
	}
}

// TestFeedSaysWhoIsDown: the reader is woken, and has a list that does not change under it.
func TestFeedSaysWhoIsDown(t *testing.T) {
	f, peer := NewFeed(), netip.MustParseAddr("192.0.2.1")
	none := f.Down()
	f.SetDown(peer, true)
	down := f.Down()
	if !signalled(f) || !down.Has(peer) || none.Has(peer) {
		t.Errorf("down is %v after a session's end, and %v before", down, none)
	}
	f.SetDown(peer, true)
	if signalled(f) {
		t.Error("the same word wakes the reader")
	}
	f.SetDown(peer, false)
	if !signalled(f) || f.Down().Has(peer) || !down.Has(peer) {
		t.Errorf("down is %v after the session's return, and the old list %v", f.Down(), down)
	}
}

// TestSlotsSize: the slots of a large table have no more room than they need, and those of a small one
// a chunk.
func TestSlotsSize(t *testing.T) {
	type entry struct {
		_ *Attrs
		_ [2]uint64
	}
	for _, c := range []struct{ slots, most int }{{1, slotChunk * 32}, {500_000, 500_000 * 245 / 10}} {
		var s Slots[entry]
		before := aliveHeap()
		for i := range c.slots {
			s.At(Slot(i))
		}
		if got := int(aliveHeap() - before); got > c.most {
			t.Errorf("%d slots of 24 bytes have %d bytes, more than %d", c.slots, got, c.most)
		}
		runtime.KeepAlive(&s)
	}
}
