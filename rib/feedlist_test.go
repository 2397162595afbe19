package rib

import (
	"math/rand/v2"
	"net/netip"
	"slices"
	"sync"
	"testing"
)

func TestFeedSorted(t *testing.T) {
	f := NewFeed()
	want := []string{"0.0.0.0/0", "10.0.0.0/8", "10.0.0.0/16", "10.0.1.0/24", "203.0.113.7/32", "::/0", "2001:db8::/32", "2001:db8::/48", "2001:db8:0:1::/64", "fe80::/10"}
	for _, i := range rand.Perm(len(want)) {
		prefix := netip.MustParsePrefix(want[i])
		f.Set(prefix, 0, []Path{{Prefix: prefix, Attrs: &Attrs{}}})
	}
	f.Hold(netip.MustParsePrefix("10.0.0.0/12")) // without a path
	want = slices.Insert(want, 2, "10.0.0.0/12")
	gone := netip.MustParsePrefix("172.16.0.0/12")
	f.Set(gone, 0, []Path{{Prefix: gone, Attrs: &Attrs{}}})
	f.Set(gone, 0, nil)
	texts := func(within func(netip.Prefix) bool) (got []string) {
		for p := range f.Sorted(within) {
			got = append(got, p.String())
		}
		return got
	}
	if got := texts(nil); !slices.Equal(got, want) {
		t.Errorf("got %v, want %v", got, want)
	}
	six := func(p netip.Prefix) bool { return p.Addr().Is6() }
	if got := texts(six); !slices.Equal(got, want[6:]) {
		t.Errorf("got %v, want %v", got, want[6:])
	}
	for range f.Sorted(nil) { // may be left early
		break
	}
	if got := slices.Collect(NewFeed().Sorted(nil)); len(got) != 0 {
		t.Errorf("an empty feed has %v", got)
	}
}

// TestFeedSortedWhileItChanges: what stays is there once, whatever comes and goes.
func TestFeedSortedWhileItChanges(t *testing.T) {
	f := NewFeed()
	const n = 3 * sortedAtOnce
	at := func(i int) netip.Prefix {
		return netip.PrefixFrom(netip.AddrFrom4([4]byte{10, byte(i >> 16), byte(i >> 8), byte(i)}), 32)
	}
	set := func(i int, paths ...Path) { f.Set(at(i), 0, paths) }
	for i := range n {
		set(i, Path{Prefix: at(i), Attrs: &Attrs{}})
	}
	var writer sync.WaitGroup
	defer writer.Wait()
	stop := make(chan struct{})
	defer close(stop)
	writer.Go(func() { // every third comes and goes
		for round := 0; ; round++ {
			for i := 0; i < n; i += 3 {
				select {
				case <-stop:
					return
				default:
				}
				if round%2 == 0 {
					set(i)
				} else {
					set(i, Path{Prefix: at(i), Attrs: &Attrs{}})
				}
			}
		}
	})
	for range 20 {
		var last netip.Prefix
		stayed := 0
		for p := range f.Sorted(nil) {
			if last.IsValid() && !last.Addr().Less(p.Addr()) {
				t.Fatalf("%v after %v", p, last)
			}
			last = p
			b := p.Addr().As4()
			if i := int(b[1])<<16 | int(b[2])<<8 | int(b[3]); i%3 != 0 {
				stayed++
			}
		}
		if want := n - (n+2)/3; stayed != want {
			t.Fatalf("%d of the %d that stay", stayed, want)
		}
	}
}

func BenchmarkFeedSorted(b *testing.B) {
	f := NewFeed()
	r := rand.New(rand.NewPCG(1, 2))
	for range 1_000_000 {
		p := netip.PrefixFrom(netip.AddrFrom4([4]byte{byte(r.Uint32()), byte(r.Uint32()), byte(r.Uint32()), 0}), 24)
		f.Set(p, 0, []Path{{Prefix: p, Attrs: &Attrs{}}})
	}
	for b.Loop() {
		for range f.Sorted(nil) {
			break
		}
	}
}
