package rib

import (
	"context"
	"math/rand/v2"
	"net/netip"
	"slices"
	"sync"
	"testing"
	"time"
)

func host(i int) netip.Prefix {
	return netip.PrefixFrom(netip.AddrFrom4([4]byte{10, byte(i >> 16), byte(i >> 8), byte(i)}), 32)
}

func onePath(i int, rd RD, id uint32) Path {
	return Path{Prefix: host(i), RD: rd, ID: id, Attrs: &Attrs{}}
}

func signalled(f *Feed) bool {
	select {
	case <-f.Ready():
		return true
	default:
		return false
	}
}

func TestFeedSetAndTake(t *testing.T) {
	f := NewFeed()
	if signalled(f) {
		t.Fatal("an empty feed is ready")
	}
	f.Set(host(1), 1, nil) // nothing there, nothing said
	if signalled(f) {
		t.Fatal("ready without news")
	}
	f.Set(host(1), 1, []Path{onePath(1, 1, 1), onePath(1, 1, 2)})
	f.Set(host(1), 2, []Path{onePath(1, 2, 1)})
	f.Set(host(2), 1, []Path{onePath(2, 1, 1)})
	if n, waiting := f.Len(); n != 2 || waiting != 2 || !signalled(f) {
		t.Fatalf("%d prefixes, %d waiting", n, waiting)
	}
	got := f.Take(nil, 1)
	if len(got) != 1 || got[0].Prefix != host(1) || len(got[0].Paths) != 3 || !signalled(f) {
		t.Fatalf("first: %v", got)
	}
	got = f.Take(got, 9)
	if len(got) != 2 || got[1].Prefix != host(2) || signalled(f) {
		t.Fatalf("then: %v", got)
	}
	if more := f.Take(nil, 9); len(more) != 0 {
		t.Fatalf("taken twice: %v", more)
	}
	f.Set(host(1), 1, []Path{onePath(1, 1, 7)}) // replaces those of RD 1 alone
	got = f.Take(nil, 9)
	if len(got) != 1 || len(got[0].Paths) != 2 || got[0].Paths[0].RD != 2 || got[0].Paths[1].ID != 7 {
		t.Fatalf("after a change: %v", got)
	}
	if p := f.Lookup(host(1)); len(p) != 2 {
		t.Fatalf("Lookup: %v", p)
	}
	f.Set(host(1), 1, nil)
	f.Set(host(1), 2, nil)
	got = f.Take(nil, 9)
	if len(got) != 1 || got[0].Prefix != host(1) || len(got[0].Paths) != 0 {
		t.Fatalf("after the last path went: %v", got)
	}
	if slot, held := f.Find(host(1)); !held || slot != got[0].Slot || f.Prefix(slot) != host(1) {
		t.Fatal("the slot went before the reader released it")
	}
	f.Release(got[0].Slot)
	if _, held := f.Find(host(1)); held {
		t.Fatal("a released slot without paths is still there")
	}
	if n, waiting := f.Len(); n != 1 || waiting != 0 {
		t.Fatalf("%d prefixes, %d waiting", n, waiting)
	}
}

// TestFeedHandsOutWhatWas: what a reader took stays what it was until the next
// Take.
func TestFeedHandsOutWhatWas(t *testing.T) {
	f := NewFeed()
	f.Set(host(1), 1, []Path{onePath(1, 1, 1)})
	f.Set(host(1), 2, []Path{onePath(1, 2, 1)})
	held := f.Take(nil, 9)[0].Paths
	before := slices.Clone(held)
	f.Set(host(1), 1, []Path{onePath(1, 1, 9)})
	f.Retain(func(p Path) bool { return p.RD == 2 })
	f.Set(host(1), 3, []Path{onePath(1, 3, 1)})
	if !slices.Equal(held, before) {
		t.Errorf("held %v, was %v", held, before)
	}
}

// What is counted by family adds up, whatever happens to the prefixes.
func TestFeedCountsByFamily(t *testing.T) {
	f := NewFeed()
	six := func(i int) netip.Prefix {
		return netip.PrefixFrom(netip.AddrFrom16([16]byte{0x20, 1, 15: byte(i)}), 128)
	}
	want := func(when string, paths4, waiting4, paths6, waiting6 int) {
		t.Helper()
		a, b := f.LenOf(IPv4)
		c, d := f.LenOf(IPv6)
		n, waiting := f.Len()
		if a != paths4 || b != waiting4 || c != paths6 || d != waiting6 || n != a+c || waiting != b+d {
			t.Errorf("%s: %d, %d waiting and %d, %d waiting; want %d, %d and %d, %d; of %d, %d", when, a, b, c, d, paths4, waiting4, paths6, waiting6, n, waiting)
		}
	}
	for i := range 3 {
		f.Set(host(i), 1, []Path{onePath(i, 1, 1)})
		p := onePath(i, 1, 1)
		p.Prefix = six(i)
		f.Set(six(i), 1, []Path{p})
	}
	f.Set(host(0), 1, nil)
	want("one went untaken", 2, 2, 3, 3)
	f.Take(nil, 9)
	want("all were taken", 2, 0, 3, 0)
	f.Set(six(1), 1, nil)
	want("one went", 2, 0, 2, 1)
	f.Rewind()
	want("rewound", 2, 2, 2, 3)
	f.Take(nil, 9)
	f.Retain(func(Path) bool { return false })
	want("all went", 0, 2, 0, 2)
}

func TestFeedRetain(t *testing.T) {
	f := NewFeed()
	for i := range 4 {
		f.Set(host(i), 1, []Path{onePath(i, 1, 1)})
	}
	f.Set(host(0), 2, []Path{onePath(0, 2, 1)})
	f.Take(nil, 9)
	signalled(f)
	f.Retain(func(Path) bool { return true })
	if n, waiting := f.Len(); n != 4 || waiting != 0 || signalled(f) {
		t.Fatalf("retaining all: %d prefixes, %d waiting", n, waiting)
	}
	f.Retain(func(p Path) bool { return p.RD == 2 || p.Prefix == host(3) })
	if n, waiting := f.Len(); n != 2 || waiting != 3 || !signalled(f) {
		t.Fatalf("%d prefixes, %d waiting", n, waiting)
	}
	left := map[netip.Prefix]int{}
	for _, e := range f.Take(nil, 9) {
		left[e.Prefix] = len(e.Paths)
	}
	if len(left) != 3 || left[host(0)] != 1 || left[host(1)] != 0 || left[host(2)] != 0 {
		t.Errorf("told %v", left)
	}
}

func TestFeedRewind(t *testing.T) {
	f := NewFeed()
	for i := range 3 {
		f.Set(host(i), 1, []Path{onePath(i, 1, 1)})
	}
	f.Take(nil, 2)
	f.Set(host(0), 1, nil) // an earlier reader knew it
	f.Restart()
	seen := map[netip.Prefix]int{}
	for _, e := range f.Take(nil, 99) {
		seen[e.Prefix] = len(e.Paths)
	}
	if len(seen) != 2 || seen[host(1)] != 1 || seen[host(2)] != 1 {
		t.Errorf("after a restart: %v", seen)
	}
	if _, there := f.slots.index.find(pack(host(0))); there {
		t.Error("what only an earlier reader knew is still there")
	}
	f.Set(host(1), 1, nil)
	f.Rewind()
	clear(seen)
	for _, e := range f.Take(nil, 99) {
		seen[e.Prefix] = len(e.Paths)
	}
	if n, there := seen[host(1)]; len(seen) != 2 || n != 0 || !there || seen[host(2)] != 1 {
		t.Errorf("after a rewind: %v", seen)
	}
}

func TestFeedConverged(t *testing.T) {
	f := NewFeed()
	if f.Converged(IPv4) || f.Converged(IPv6) {
		t.Error("a new feed has converged")
	}
	f.SetConverged(IPv6, true)
	if f.Converged(IPv4) || !f.Converged(IPv6) || !signalled(f) {
		t.Error("the reader was not told, or of the other family")
	}
	f.SetConverged(IPv6, true)
	if signalled(f) {
		t.Error("told what is no news")
	}
	f.SetConverged(IPv6, false)
	if f.Converged(IPv6) || !signalled(f) {
		t.Error("the way back is no news")
	}
}

// TestFeedIsBounded: a peer flaps without end while the reader stands still.
func TestFeedIsBounded(t *testing.T) {
	const held, events = 100, 200_000
	f := NewFeed()
	for i := range held {
		f.Set(host(i), 1, []Path{onePath(i, 1, 1)})
	}
	f.Take(nil, held/2)
	for i := range events {
		f.Set(host(i%held), 1, []Path{onePath(i%held, 1, uint32(i))}) // always the same
		f.Set(host(held+i), 1, []Path{onePath(held+i, 1, 1)})         // and never the same
		f.Set(host(held+i), 1, nil)
	}
	n, waiting := f.Len()
	if n != held || waiting != held {
		t.Errorf("%d prefixes and %d waiting, want %d and %d", n, waiting, held, held)
	}
	if f.slots.chunks > held/slotChunk+1 || f.slots.index.used != held || len(f.slots.index.places) > 1024 {
		t.Errorf("room for %d chunks, %d in use and %d places after %d events on %d prefixes", f.slots.chunks, f.slots.index.used, len(f.slots.index.places), events, held)
	}
	for i := range held {
		f.Set(host(i), 1, nil)
	}
	taken := f.Take(nil, events)
	if n, waiting := f.Len(); n != 0 || waiting != 0 || f.slots.index.used != held/2 {
		t.Errorf("emptied, and %d prefixes, %d waiting, %d cells are left", n, waiting, f.slots.index.used)
	}
	for _, e := range taken {
		f.Release(e.Slot)
	}
	if f.slots.index.used != 0 || f.cells.chunks != nil {
		t.Errorf("released, and %d cells and %d chunks are left", f.slots.index.used, len(f.cells.chunks))
	}
	if len(taken) != held/2 {
		t.Errorf("told of %d that went, want the %d that were taken", len(taken), held/2)
	}
}

// TestFeedTellsTheTruth lets a writer and a reader run and compares what the
// reader made of it with what the feed holds.
func TestFeedTellsTheTruth(t *testing.T) {
	ctx, cancel := context.WithTimeout(context.Background(), 30*time.Second)
	defer cancel()
	f := NewFeed()
	const prefixes, events = 300, 30_000
	var writer sync.WaitGroup
	defer writer.Wait()
	writer.Go(func() {
		r := rand.New(rand.NewPCG(11, 12))
		for i := range events {
			p, rd := r.IntN(prefixes), RD(r.IntN(3))
			var paths []Path
			for id := range r.IntN(3) {
				paths = append(paths, onePath(p, rd, uint32(id)))
			}
			f.Set(host(p), rd, paths)
			if i%5000 == 4999 {
				f.Retain(func(p Path) bool { return p.RD != 1 })
			}
		}
		f.SetConverged(IPv4, true)
	})
	knows := map[netip.Prefix][]Path{}
	var buf []Entry
	for done := false; !done; {
		select {
		case <-f.Ready():
		case <-ctx.Done():
			t.Fatal("the reader was not woken in 30 s")
		}
		converged := f.Converged(IPv4)
		buf = f.Take(buf[:0], 64)
		for _, e := range buf {
			if f.Prefix(e.Slot) != e.Prefix {
				t.Errorf("slot %d is of %s, not of %s", e.Slot, f.Prefix(e.Slot), e.Prefix)
			}
			if len(e.Paths) == 0 {
				delete(knows, e.Prefix)
				f.Release(e.Slot)
			} else {
				knows[e.Prefix] = slices.Clone(e.Paths)
			}
		}
		_, waiting := f.Len()
		done = converged && waiting == 0
	}
	n, _ := f.Len()
	if len(knows) != n {
		t.Errorf("the reader knows %d prefixes, the feed %d", len(knows), n)
	}
	for p, paths := range knows {
		if !slices.Equal(paths, f.Lookup(p)) {
			t.Errorf("%s: the reader knows %v, the feed %v", p, paths, f.Lookup(p))
		}
	}
}

func BenchmarkFeed(b *testing.B) {
	f := NewFeed()
	var buf []Entry
	b.ReportAllocs()
	for i := 0; b.Loop(); i++ {
		f.Set(host(i&0xffff), 1, []Path{onePath(i&0xffff, 1, 1)})
		if i%256 == 255 {
			buf = f.Take(buf[:0], 256)
		}
	}
}
